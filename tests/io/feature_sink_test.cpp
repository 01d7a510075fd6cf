// SPDX-License-Identifier: Apache-2.0
#include <ogrsf_frmts.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "support.hpp"

namespace fulmar::test {
namespace {

const std::vector<Column> columns{{"id", ColumnType::integer, {}, "number of the object"},
                                  {"area", ColumnType::real, {"m2"}, "area on the ground"},
                                  {"near_coast", ColumnType::flag, {"flag"}, "within reach of the coast"}};

/// A square of cells with a hole, and a small one that touches it at a corner.
FeatureTable table_on(const Grid& grid) {
  FeatureTable table;
  table.grid = grid;
  table.columns = columns;
  const Ring shell{{10, 10}, {15, 10}, {15, 15}, {10, 15}}, hole{{12, 12}, {12, 13}, {13, 13}, {13, 12}};
  const Ring corner{{15, 15}, {16, 15}, {16, 16}, {15, 16}};
  table.rows.push_back({{{shell, hole}, {corner}}, {9007199254740991.0, 2500.5, 1}});
  table.rows.push_back({{{{{0, 0}, {2, 0}, {2, 1}, {0, 1}}}}, {2, std::nan(""), std::nan("")}});
  return table;
}

class FeatureSinkTest : public ::testing::Test {
 protected:
  GdalIo io;
  Scratch scratch;
  Grid utm = grid_at(100, 100, 500000, 4000000, 10, "EPSG:32631");

  void write(const std::string& path, const Grid& grid, bool empty = false, const FileOptions& options = {}) {
    const auto sink = io.create_features(path, options, grid, columns, {{"FULMAR_PIPELINE", "a ! b"}});
    EXPECT_FALSE(sink->wants_raster());
    if (!empty) sink->write(table_on(grid));
    sink->commit();
  }

  static std::string text_of(const std::string& path) {
    std::stringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
  }
};

TEST_F(FeatureSinkTest, WritesTheCharactersOfGdalsCsv) {
  const double none = std::nan(""), inf = std::numeric_limits<double>::infinity();
  FeatureTable table;
  table.geometry = Geometry::none;
  table.words = {"plain",   "a,b",       "say \"x\"", " lead", "trail ", "semi;c", "tab\tx",
                 "line\nx", "return\rx", "",          "007",   "1e5",    "\"",     "Z\u00fcrich"};
  const std::vector<double> reals{0.1,     1e22,  1e15, 123456789012345678.0, 1e-5, 1.5e-7, inf, -inf, -0.0, 5,
                                  1.0 / 3, 1e100, none, 99999999999999.95};
  for (std::size_t i = 0; i < reals.size(); ++i) {
    const auto at = static_cast<double>(i);
    table.rows.push_back({{}, {reals[i], at, i % 3 == 2 ? none : at - 4, i % 3 == 1 ? none : at > 5 ? 1.0 : 0.0}});
  }
  table.rows.push_back({{}, {none, none, none, none}});
  const std::vector<Column> all{{"real, here", ColumnType::real, {}, ""},
                                {"text", ColumnType::text, {}, ""},
                                {"whole", ColumnType::integer, {}, ""},
                                {"flag", ColumnType::flag, {}, ""}};
  // All columns, and each alone: an empty value alone in its row is no empty line.
  for (int only = -1; only < 4; ++only) {
    FeatureTable part = table;
    part.columns = only < 0 ? all : std::vector<Column>{all[static_cast<std::size_t>(only)]};
    if (only >= 0)
      for (auto& row : part.rows) row.values = {row.values[static_cast<std::size_t>(only)]};
    const auto ours = scratch / (std::to_string(only) + "_ours.csv"),
               theirs = scratch / (std::to_string(only) + ".csv");
    {
      const auto sink = io.create_table(ours, {}, part, {});
      sink->write(part);
      sink->commit();
      const Dataset made{
          GetGDALDriverManager()->GetDriverByName("CSV")->Create(theirs.c_str(), 0, 0, 0, GDT_Unknown, nullptr)};
      CPLStringList quoting;
      quoting.SetNameValue("STRING_QUOTING", "IF_NEEDED");
      auto* layer = made->CreateLayer("x", nullptr, wkbNone, quoting.List());
      for (const Column& c : part.columns) {
        OGRFieldDefn field{c.name.c_str(), c.type == ColumnType::real   ? OFTReal
                                           : c.type == ColumnType::text ? OFTString
                                                                        : OFTInteger64};
        layer->CreateField(&field);
      }
      for (const auto& row : part.rows) {
        OGRFeature f{layer->GetLayerDefn()};
        for (std::size_t i = 0; i < row.values.size(); ++i) {
          const auto type = part.columns[i].type;
          const int at = static_cast<int>(i);
          if (std::isnan(row.values[i])) continue;
          if (type == ColumnType::real)
            f.SetField(at, row.values[i]);
          else if (type == ColumnType::text)
            f.SetField(at, part.words[static_cast<std::size_t>(row.values[i])].c_str());
          else
            f.SetField(at, static_cast<GIntBig>(row.values[i]));
        }
        ASSERT_EQ(layer->CreateFeature(&f), OGRERR_NONE);
      }
    }
    EXPECT_EQ(text_of(ours), text_of(theirs)) << only;
  }
}

TEST_F(FeatureSinkTest, EveryFormatIsWholeAndValid) {
  for (const char* name : {"o.gpkg", "o.fgb", "o.geojson", "o.geojsonl", "o.shp"}) {
    const auto path = scratch / name;
    write(path, utm);
    const auto d = open(path, GDAL_OF_VECTOR);
    ASSERT_TRUE(d) << name;
    ASSERT_EQ(d->GetLayerCount(), 1) << name;
    auto* layer = d->GetLayer(0);
    EXPECT_STREQ(layer->GetName(), "o") << name;
    ASSERT_EQ(layer->GetFeatureCount(), 2) << name;
    const OGRFeatureUniquePtr f{layer->GetNextFeature()}, g{layer->GetNextFeature()};
    // FlatGeobuf sorts its features by place.
    const auto& big = f->GetFieldAsInteger64("id") != 2 ? f : g;
    const auto& small = f->GetFieldAsInteger64("id") != 2 ? g : f;
    EXPECT_EQ(big->GetFieldAsInteger64("id"), 9007199254740991) << name;
    EXPECT_EQ(big->GetFieldAsDouble("area"), 2500.5) << name;
    EXPECT_EQ(big->GetFieldAsInteger("near_coast"), 1) << name;
    EXPECT_FALSE(small->IsFieldSetAndNotNull(small->GetFieldIndex("area"))) << name;
    EXPECT_FALSE(small->IsFieldSetAndNotNull(small->GetFieldIndex("near_coast"))) << name;
    const auto* geometry = big->GetGeometryRef();
    ASSERT_TRUE(geometry) << name;
    EXPECT_TRUE(geometry->IsValid()) << name;
    ASSERT_EQ(wkbFlatten(geometry->getGeometryType()), wkbMultiPolygon) << name;
    EXPECT_EQ(geometry->toMultiPolygon()->getNumGeometries(), 2) << name;
    const bool longitudes = std::string{name}.find("json") != std::string::npos;
    if (!longitudes) {
      EXPECT_NEAR(geometry->toMultiPolygon()->get_Area(), 100 * (25 - 1 + 1), 1e-6) << name;
      OGREnvelope e;
      geometry->getEnvelope(&e);
      EXPECT_EQ(e.MinX, 500100);
      EXPECT_EQ(e.MaxY, 4000000 - 100);
      if (!EQUAL(name, "o.shp")) {
        EXPECT_FALSE(geometry->toMultiPolygon()->getGeometryRef(0)->getExteriorRing()->isClockwise()) << name;
        EXPECT_TRUE(geometry->toMultiPolygon()->getGeometryRef(0)->getInteriorRing(0)->isClockwise()) << name;
      }
      ASSERT_TRUE(layer->GetSpatialRef()) << name;
      EXPECT_TRUE(layer->GetSpatialRef()->IsProjected()) << name;
    } else {
      OGREnvelope e;
      geometry->getEnvelope(&e);
      EXPECT_NEAR(e.MinX, 3.00111, 1e-4) << name;
      EXPECT_NEAR(e.MaxY, 36.1438, 1e-4) << name;
    }
  }
  for (const auto& name : scratch.files()) EXPECT_NE(name.front(), '.') << name;
}

TEST_F(FeatureSinkTest, ColumnTypes) {
  write(scratch / "o.gpkg", utm);
  const auto d = open(scratch / "o.gpkg", GDAL_OF_VECTOR);
  auto* definition = d->GetLayer(0)->GetLayerDefn();
  EXPECT_EQ(definition->GetFieldDefn(0)->GetType(), OFTInteger64);
  EXPECT_EQ(definition->GetFieldDefn(1)->GetType(), OFTReal);
  EXPECT_EQ(definition->GetFieldDefn(2)->GetType(), OFTInteger);
  EXPECT_EQ(definition->GetFieldDefn(2)->GetSubType(), OFSTBoolean);
  EXPECT_STREQ(d->GetLayer(0)->GetMetadataItem("FULMAR_PIPELINE"), "a ! b");
  EXPECT_EQ(scratch.files(), std::vector<std::string>{"o.gpkg"});
  auto* rows =
      d->ExecuteSQL("SELECT title, description FROM gpkg_data_columns WHERE column_name = 'area'", nullptr, nullptr);
  ASSERT_TRUE(rows);
  const OGRFeatureUniquePtr row{rows->GetNextFeature()};
  ASSERT_TRUE(row);
  EXPECT_STREQ(row->GetFieldAsString(0), "area [m2]");
  EXPECT_STREQ(row->GetFieldAsString(1), "area on the ground");
  d->ReleaseResultSet(rows);
}

TEST_F(FeatureSinkTest, NoFeaturesMakeAWholeFile) {
  for (const char* name : {"e.gpkg", "e.fgb", "e.geojson", "e.shp", "e.csv"}) {
    const auto path = scratch / name;
    write(path, utm, true);
    const auto d = open(path, GDAL_OF_VECTOR);
    ASSERT_TRUE(d) << name;
    EXPECT_EQ(d->GetLayer(0)->GetFeatureCount(), 0) << name;
    // GeoJSON keeps its columns with the features.
    if (!EQUAL(name, "e.geojson")) {
      EXPECT_GE(d->GetLayer(0)->GetLayerDefn()->GetFieldIndex("area"), 0) << name;
    }
  }
  write(scratch / "e.geojsonl", utm, true);
  EXPECT_TRUE(std::filesystem::exists(scratch / "e.geojsonl"));
}

TEST_F(FeatureSinkTest, CsvIsATableWithoutGeometry) {
  write(scratch / "o.csv", utm);
  EXPECT_EQ(text_of(scratch / "o.csv"), "id,area,near_coast\n9007199254740991,2500.5,1\n2,,\n");
}

TEST_F(FeatureSinkTest, GeoJsonRunsAnticlockwiseInLongitudeAndLatitude) {
  write(scratch / "o.geojson", utm);
  const auto text = text_of(scratch / "o.geojson");
  EXPECT_EQ(text.find("\"crs\""), std::string::npos);
  EXPECT_NE(text.find("\"area\": null"), std::string::npos) << text;
  const auto d = open(scratch / "o.geojson", GDAL_OF_VECTOR);
  const OGRFeatureUniquePtr f{d->GetLayer(0)->GetNextFeature()};
  EXPECT_FALSE(f->GetGeometryRef()->toMultiPolygon()->getGeometryRef(0)->getExteriorRing()->isClockwise());
}

TEST_F(FeatureSinkTest, SouthUpRastersAndCellsWithoutPlace) {
  auto south_up = utm;
  (*south_up.affine)[5] = 10;
  write(scratch / "s.gpkg", south_up);
  {
    const auto d = open(scratch / "s.gpkg", GDAL_OF_VECTOR);
    const OGRFeatureUniquePtr f{d->GetLayer(0)->GetNextFeature()};
    EXPECT_TRUE(f->GetGeometryRef()->IsValid());
    EXPECT_FALSE(f->GetGeometryRef()->toMultiPolygon()->getGeometryRef(0)->getExteriorRing()->isClockwise());
  }
  Grid nowhere;
  nowhere.width = nowhere.height = 100;
  for (const char* name : {"n.gpkg", "n.geojson", "n.geojsonl", "n.fgb"}) {
    write(scratch / name, nowhere);
    const auto d = open(scratch / name, GDAL_OF_VECTOR);
    ASSERT_TRUE(d) << name;
    auto* layer = d->GetLayer(0);
    for (const auto& f : layer) {
      if (f->GetFieldAsInteger64("id") == 2) continue;
      OGREnvelope e;
      f->GetGeometryRef()->getEnvelope(&e);
      EXPECT_EQ(e.MinX, 10) << name;
      EXPECT_EQ(e.MaxX, 16) << name;
      EXPECT_EQ(e.MaxY, -10) << name;
      EXPECT_EQ(e.MinY, -16) << name;
    }
  }
}

TEST_F(FeatureSinkTest, ControlPointsGiveLongitudes) {
  FULMAR_NEEDS(path, "sar_cal/s1a_iw_grdh_20180716_vv_dec20_gcp.tif");
  const auto scene = io.open(path, {});
  write(scratch / "g.gpkg", scene->grid());
  const auto d = open(scratch / "g.gpkg", GDAL_OF_VECTOR);
  ASSERT_TRUE(d->GetLayer(0)->GetSpatialRef());
  EXPECT_TRUE(d->GetLayer(0)->GetSpatialRef()->IsGeographic());
  for (const auto& f : d->GetLayer(0)) {
    if (f->GetFieldAsInteger64("id") != 2) continue;
    OGREnvelope e;
    f->GetGeometryRef()->getEnvelope(&e);
    // The corner of the scene: (78.2039, 10.7375) in gdalinfo.
    EXPECT_NEAR(e.MaxX, 78.2039, 1e-4);
    EXPECT_TRUE(f->GetGeometryRef()->IsValid());
  }
}

/// A belt has edges longer than half the earth; GeoJSON counts longitudes to 180 degrees, whatever the raster does.
TEST_F(FeatureSinkTest, RoundTheEarth) {
  for (const double west : {-180.0, 0.0}) {
    auto grid = grid_at(360, 180, west, 90, 1, "EPSG:4326");
    grid.wraps = true;
    FeatureTable table;
    table.grid = grid;
    table.columns = columns;
    table.rows.push_back({{{{{0, 20}, {360, 20}, {360, 30}, {0, 30}}}}, {1, 1, 1}});
    table.rows.push_back(
        {{{{{350, 40}, {360, 40}, {360, 50}, {350, 50}}}, {{{0, 40}, {3, 40}, {3, 50}, {0, 50}}}}, {2, 1, 1}});
    for (const char* name : {"o.gpkg", "o.geojson"}) {
      const auto path = scratch / (std::string{west < 0 ? "from_minus_180_" : "from_0_"} + name);
      const auto sink = io.create_features(path, {}, grid, columns, {});
      sink->write(table);
      sink->commit();
      const auto d = open(path, GDAL_OF_VECTOR);
      const double most = west == 0 && std::string{name} == "o.gpkg" ? 360 : 180;
      for (const double area : {3600.0, 130.0}) {
        const OGRFeatureUniquePtr f{d->GetLayer(0)->GetNextFeature()};
        OGREnvelope e;
        f->GetGeometryRef()->getEnvelope(&e);
        EXPECT_LE(e.MaxX, most) << path;
        EXPECT_GE(e.MinX, most - 360) << path;
        EXPECT_NEAR(f->GetGeometryRef()->toMultiPolygon()->get_Area(), area, 1e-6) << path;
        for (const auto* polygon : *f->GetGeometryRef()->toMultiPolygon()) EXPECT_FALSE(polygon->IsEmpty()) << path;
      }
    }
  }
}

TEST_F(FeatureSinkTest, TheUsersLayerOptions) {
  FileOptions options;
  options.layer = "ships";
  options.layer_options = {"GEOMETRY_NAME=outline"};
  write(scratch / "o.gpkg", utm, false, options);
  const auto d = open(scratch / "o.gpkg", GDAL_OF_VECTOR);
  EXPECT_STREQ(d->GetLayer(0)->GetName(), "ships");
  EXPECT_STREQ(d->GetLayer(0)->GetGeometryColumn(), "outline");
}

TEST_F(FeatureSinkTest, NothingAppearsWithoutCommit) {
  for (const char* name : {"o.gpkg", "o.fgb", "o.geojson", "o.csv", "o.shp"}) {
    {
      const auto sink = io.create_features(scratch / name, {}, utm, columns, {});
      sink->write(table_on(utm));
    }
    EXPECT_EQ(scratch.files(), std::vector<std::string>{}) << name;
  }
}

TEST_F(FeatureSinkTest, RasterFormatsAreRefused) {
  const auto error = thrown([&] { return io.create_features(scratch / "o.tif", {}, utm, columns, {}); });
  EXPECT_EQ(error.code, 2);
  EXPECT_TRUE(error.says(".gpkg")) << error.text;
}

}  // namespace
}  // namespace fulmar::test
