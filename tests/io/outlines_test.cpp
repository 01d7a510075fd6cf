// SPDX-License-Identifier: Apache-2.0
#include <gdal_alg.h>
#include <gdal_utils.h>
#include <ogrsf_frmts.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "io/crs.hpp"
#include "support.hpp"

namespace fulmar::test {
namespace {

using Cells = std::vector<std::uint8_t>;

class OutlinesTest : public ::testing::Test {
 protected:
  GdalIo io;
  Scratch scratch;

  std::shared_ptr<const RasterSource> outlines(const std::string& path, const Grid& grid,
                                               const std::string& layer = "") {
    CompanionRequest request{"outlines", path, "", {}, {}};
    request.options.layer = layer;
    return io.companion(request, grid);
  }

  /// Any windows of a source are the same as the whole of it.
  static void expect_window_free(const RasterSource& source) {
    const auto whole = read_all<std::uint8_t>(source);
    const auto all = source.grid().window();
    const auto reader = source.reader();
    for (int i = 0; i < 60; ++i) {
      const Window wanted{(i * 37) % all.width, (i * 61) % all.height, 1 + (i * 13) % 97, 1 + (i * 29) % 83};
      const auto w = intersect(wanted, all);
      const auto part = read_window<std::uint8_t>(*reader, w);
      for (std::int64_t y = 0; y < w.height; ++y)
        for (std::int64_t x = 0; x < w.width; ++x)
          ASSERT_EQ(part[static_cast<std::size_t>(y * w.width + x)],
                    whole[static_cast<std::size_t>((w.y + y) * all.width + w.x + x)])
              << x << " " << y;
    }
  }

  std::string mask(const std::string& name, const Grid& grid, const std::vector<double>& cells,
                   GDALDataType type = GDT_Byte, std::optional<double> nodata = {}) {
    const auto path = scratch / name;
    auto d = make_tiff(path, static_cast<int>(grid.width), static_cast<int>(grid.height), 1, type);
    if (grid.affine) {
      auto a = *grid.affine;
      d->SetGeoTransform(a.data());
    }
    if (const auto crs = spatial_reference(grid.crs)) d->SetSpatialRef(&*crs);
    if (nodata) d->GetRasterBand(1)->SetNoDataValue(*nodata);
    fill(*d, 1, cells);
    return path;
  }

  std::string geojson(const std::string& geometries) {
    const auto path = scratch / "shapes.geojson";
    write_text(path, R"({"type":"FeatureCollection","features":[)" + geometries + "]}");
    return path;
  }
  static std::string feature(const std::string& geometry) {
    return R"({"type":"Feature","properties":{},"geometry":)" + geometry + "}";
  }
  static std::string box(double left, double bottom, double right, double top) {
    char text[400];
    std::snprintf(text, sizeof text,
                  R"({"type":"Polygon","coordinates":[[[%.9g,%.9g],[%.9g,%.9g],[%.9g,%.9g],[%.9g,%.9g],[%.9g,%.9g]]]})",
                  left, bottom, right, bottom, right, top, left, top, left, bottom);
    return feature(text);
  }
};

TEST_F(OutlinesTest, RasterOnTheSameGridIsItself) {
  const auto grid = grid_at(4, 2, 0, 2, 1, "EPSG:4326");
  const auto path = mask("m.tif", grid, {0, 1, 2, 255, -5, 0.5, std::nan(""), -1}, GDT_Float32, -1);
  const auto source = outlines(path, grid);
  EXPECT_EQ(source->bands()[0].unit.symbol, "flag");
  EXPECT_TRUE(source->computed());
  EXPECT_EQ(read_all<std::uint8_t>(*source), (Cells{0, 1, 1, 1, 1, 1, 0, 0}));
}

TEST_F(OutlinesTest, TransparentCellsAreOutside) {
  const auto grid = grid_at(3, 1, 0, 2, 1, "EPSG:4326");
  const auto path = scratch / "alpha.tif";
  {
    auto d = make_tiff(path, 3, 1, 2, GDT_Byte, {"ALPHA=YES"});
    auto a = *grid.affine;
    d->SetGeoTransform(a.data());
    const auto crs = spatial_reference(grid.crs);
    d->SetSpatialRef(&*crs);
    fill(*d, 1, {1, 1, 0});
    fill(*d, 2, {255, 0, 255});
  }
  EXPECT_EQ(read_all<std::uint8_t>(*outlines(path, grid)), (Cells{1, 0, 0}));
}

TEST_F(OutlinesTest, NearestCellOfACoarserRasterAndNothingBeyondIt) {
  const auto path = mask("m.tif", grid_at(2, 2, 2, 4, 2, "EPSG:4326"), {1, 0, 0, 1});
  const auto source = outlines(path, grid_at(6, 6, 1, 5, 1, "EPSG:4326"));
  EXPECT_EQ(read_all<std::uint8_t>(*source), (Cells{0, 0, 0, 0, 0, 0,  //
                                                    0, 1, 1, 0, 0, 0,  //
                                                    0, 1, 1, 0, 0, 0,  //
                                                    0, 0, 0, 1, 1, 0,  //
                                                    0, 0, 0, 1, 1, 0,  //
                                                    0, 0, 0, 0, 0, 0}));
}

TEST_F(OutlinesTest, RasterWithLongitudesOfAnotherTurn) {
  const auto path = mask("m.tif", grid_at(360, 180, 0, 90, 1, "EPSG:4326"), [] {
    std::vector<double> cells(360 * 180);
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = i % 360 >= 350;  // 10 W to 0
    return cells;
  }());
  const auto source = outlines(path, grid_at(40, 1, -20, 10, 1, "EPSG:4326"));
  Cells truth(40);
  std::fill(truth.begin() + 10, truth.begin() + 20, std::uint8_t{1});
  EXPECT_EQ(read_all<std::uint8_t>(*source), truth);
}

TEST_F(OutlinesTest, FineRasterUnderCoarseCells) {
  std::vector<double> cells(2000 * 2000);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = (i % 2000) / 100 % 2;
  const auto path = mask("m.tif", grid_at(2000, 2000, 0, 20, 0.01, "EPSG:4326"), cells);
  const auto source = outlines(path, grid_at(20, 20, 0, 20, 1, "EPSG:4326"));
  const auto found = read_all<std::uint8_t>(*source);
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], i % 20 % 2);
  expect_window_free(*source);
}

TEST_F(OutlinesTest, WithoutCrsOnlyTheSameSizeWillDo) {
  auto bare = grid_at(3, 1, 0, 0, 1, "");
  bare.affine.reset();
  const auto path = mask("m.tif", bare, {1, 0, 1});
  const auto scene = grid_at(3, 1, 10, 50, 0.1, "EPSG:4326");
  EXPECT_EQ(read_all<std::uint8_t>(*outlines(path, scene)), (Cells{1, 0, 1}));
  const auto error = thrown([&] { outlines(path, grid_at(4, 1, 10, 50, 0.1, "EPSG:4326")); });
  EXPECT_EQ(error.code, 3);
  EXPECT_TRUE(error.says("no coordinate system") && error.says("-a_srs")) << error.text;
}

TEST_F(OutlinesTest, ApartIsAnErrorWithBothExtents) {
  const auto path = mask("m.tif", grid_at(2, 2, 100, 4, 2, "EPSG:4326"), {1, 0, 0, 1});
  const auto error = thrown([&] { outlines(path, grid_at(6, 6, 1, 5, 1, "EPSG:4326")); });
  EXPECT_EQ(error.code, 3);
  EXPECT_TRUE(error.says("do not overlap") && error.says("x 100 to 104") && error.says("x 1 to 7")) << error.text;
  const auto vector = thrown([&] { outlines(geojson(box(100, 0, 104, 4)), grid_at(6, 6, 1, 5, 1, "EPSG:32631")); });
  EXPECT_EQ(vector.code, 3);
  EXPECT_TRUE(vector.says("do not overlap") && vector.says("x 100 to 104")) << vector.text;
}

TEST_F(OutlinesTest, PolygonsHoldTheCellsWhoseCentreTheyHold) {
  // From 1.4 to 3.6: centres 1.5, 2.5, 3.5. A hole around 2.5.
  const auto path = geojson(feature(R"({"type":"Polygon","coordinates":[
      [[1.4,-3.6],[3.6,-3.6],[3.6,-1.4],[1.4,-1.4],[1.4,-3.6]],
      [[2.1,-2.9],[2.1,-2.1],[2.9,-2.1],[2.9,-2.9],[2.1,-2.9]]]})"));
  const auto source = outlines(path, grid_at(5, 5, 0, 0, 1, "EPSG:4326"));
  EXPECT_EQ(read_all<std::uint8_t>(*source), (Cells{0, 0, 0, 0, 0,  //
                                                    0, 1, 1, 1, 0,  //
                                                    0, 1, 0, 1, 0,  //
                                                    0, 1, 1, 1, 0,  //
                                                    0, 0, 0, 0, 0}));
}

TEST_F(OutlinesTest, OverlappingAndNeighbouringPolygonsAreOneShape) {
  const auto source = outlines(geojson(box(0, -4, 2, 0) + "," + box(1, -4, 3, 0) + "," + box(3, -4, 4, 0)),
                               grid_at(5, 4, 0, 0, 1, "EPSG:4326"));
  EXPECT_EQ(read_all<std::uint8_t>(*source), (Cells{1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0}));
}

TEST_F(OutlinesTest, LinesAndPointsTouchTheirCells) {
  const auto path = geojson(feature(R"({"type":"LineString","coordinates":[[0.5,-0.5],[2.5,-1.5]]})") + "," +
                            feature(R"({"type":"Point","coordinates":[4.9,-2.1]})"));
  const auto source = outlines(path, grid_at(5, 3, 0, 0, 1, "EPSG:4326"));
  EXPECT_EQ(read_all<std::uint8_t>(*source), (Cells{1, 1, 0, 0, 0,  //
                                                    0, 1, 1, 0, 0,  //
                                                    0, 0, 0, 0, 1}));
}

TEST_F(OutlinesTest, AWorldPolygonUnderASmallScene) {
  const auto path = geojson(box(-180, -90, 180, 90));
  for (const char* crs : {"EPSG:32611", "EPSG:3413", "EPSG:4326"}) {
    const auto grid =
        EQUAL(crs, "EPSG:4326") ? grid_at(100, 100, 10, 50, 0.1, crs) : grid_at(100, 100, 400000, 4000000, 100, crs);
    const auto cells = read_all<std::uint8_t>(*outlines(path, grid));
    EXPECT_EQ(std::count(cells.begin(), cells.end(), 1), 10000) << crs;
  }
}

TEST_F(OutlinesTest, ShapesInTheOtherTurnOfLongitude) {
  // A scene from 350 to 370 degrees, land from 5 W to 5 E.
  const auto source = outlines(geojson(box(-5, 0, 5, 10)), grid_at(20, 10, 350, 10, 1, "EPSG:4326"));
  const auto cells = read_all<std::uint8_t>(*source);
  for (std::size_t i = 0; i < cells.size(); ++i) ASSERT_EQ(cells[i], i % 20 >= 5 && i % 20 < 15) << i;
}

TEST_F(OutlinesTest, ASceneAcrossTheAntimeridian) {
  // UTM zone 60 around 179 E to 179 W, land from 179.5 E to 180 and 180 W to 179.5 W.
  const auto grid = grid_at(200, 50, 670000, 100000, 1200, "EPSG:32660");
  const auto source = outlines(geojson(box(179.5, -2, 180, 2) + "," + box(-180, -2, -179.5, 2)), grid);
  const auto cells = read_all<std::uint8_t>(*source);
  for (std::int64_t x = 0; x < 200; ++x) {
    const auto place = grid.locator->lonlat(static_cast<double>(x) + 0.5, 25.5);
    ASSERT_TRUE(place);
    if (std::abs(std::abs(place->lon) - 179.5) < 0.02 || std::abs(std::abs(place->lon) - 180) < 0.001) continue;
    EXPECT_EQ(cells[static_cast<std::size_t>(25 * 200 + x)], std::abs(place->lon) > 179.5) << place->lon;
  }
}

TEST_F(OutlinesTest, SceneWithControlPointsOnly) {
  Grid scene;
  scene.width = 200;
  scene.height = 100;
  const auto wgs84 = spatial_reference("EPSG:4326");
  scene.crs = wkt2(&*wgs84);
  scene.geographic = true;
  const auto place = [](double c, double r) { return LonLat{10 + c * 0.01 + r * 0.002, 50 - r * 0.01 + c * 0.001}; };
  for (int j = 0; j < 5; ++j)
    for (int i = 0; i < 5; ++i)
      scene.control_points.push_back(
          {i * 50.0, j * 25.0, place(i * 50.0, j * 25.0).lon, place(i * 50.0, j * 25.0).lat, 0});
  scene.locator = make_locator(scene);
  const auto vector = read_all<std::uint8_t>(*outlines(geojson(box(10.5, 49.3, 11.2, 49.8)), scene));
  std::vector<double> land(200 * 200);
  for (std::size_t i = 0; i < land.size(); ++i) {
    const double lon = 10 + 0.01 * (static_cast<double>(i % 200) + 0.5),
                 lat = 50 - 0.01 * (static_cast<double>(i / 200) + 0.5);
    land[i] = lon > 10.5 && lon < 11.2 && lat > 49.3 && lat < 49.8;
  }
  const auto source = outlines(mask("m.tif", grid_at(200, 200, 10, 50, 0.01, "EPSG:4326"), land), scene);
  const auto raster = read_all<std::uint8_t>(*source);
  int checked = 0;
  for (int r = 0; r < 100; ++r)
    for (int c = 0; c < 200; ++c) {
      const auto p = place(c + 0.5, r + 0.5);
      // Cells on the edge of the land may fall either way.
      if (std::min({std::abs(p.lon - 10.5), std::abs(p.lon - 11.2), std::abs(p.lat - 49.3), std::abs(p.lat - 49.8)}) <
          0.012)
        continue;
      const bool truth = p.lon > 10.5 && p.lon < 11.2 && p.lat > 49.3 && p.lat < 49.8;
      ASSERT_EQ(vector[static_cast<std::size_t>(r * 200 + c)], truth) << c << " " << r;
      ASSERT_EQ(raster[static_cast<std::size_t>(r * 200 + c)], truth) << c << " " << r;
      checked += truth;
    }
  EXPECT_GT(checked, 1000);
  expect_window_free(*source);
}

TEST_F(OutlinesTest, LayersAreChosenByName) {
  const auto path = scratch / "layers.gpkg";
  {
    auto* driver = GetGDALDriverManager()->GetDriverByName("GPKG");
    Dataset d{driver->Create(path.c_str(), 0, 0, 0, GDT_Unknown, nullptr)};
    auto wgs84 = *spatial_reference("EPSG:4326");
    for (const char* name : {"a", "b"}) {
      auto* layer = d->CreateLayer(name, &wgs84, wkbPolygon, nullptr);
      OGRFeature f{layer->GetLayerDefn()};
      OGRGeometry* geometry = nullptr;
      const char* wkt = *name == 'a' ? "POLYGON((0 0,1 0,1 -1,0 -1,0 0))" : "POLYGON((1 0,2 0,2 -1,1 -1,1 0))";
      OGRGeometryFactory::createFromWkt(wkt, nullptr, &geometry);
      f.SetGeometryDirectly(geometry);
      ASSERT_EQ(layer->CreateFeature(&f), OGRERR_NONE);
    }
  }
  const auto grid = grid_at(2, 1, 0, 0, 1, "EPSG:4326");
  const auto several = thrown([&] { outlines(path, grid); });
  EXPECT_EQ(several.code, 2);
  EXPECT_TRUE(several.says("'a', 'b'") && several.says("--layer")) << several.text;
  EXPECT_EQ(thrown([&] { outlines(path, grid, "c"); }).code, 2);
  EXPECT_EQ(read_all<std::uint8_t>(*outlines(path, grid, "a")), (Cells{1, 0}));
  EXPECT_EQ(read_all<std::uint8_t>(*outlines(path, grid, "b")), (Cells{0, 1}));
}

TEST_F(OutlinesTest, BadFiles) {
  const auto grid = grid_at(2, 1, 0, 0, 1, "EPSG:4326");
  EXPECT_EQ(thrown([&] { outlines("", grid); }).code, 2);
  EXPECT_EQ(thrown([&] { outlines(scratch / "none.gpkg", grid); }).code, 3);
  write_text(scratch / "words.txt", "words");
  EXPECT_EQ(thrown([&] { outlines(scratch / "words.txt", grid); }).code, 3);
  EXPECT_EQ(thrown([&] { outlines(geojson(""), grid); }).code, 3);
}

TEST_F(OutlinesTest, RealCoastAgreesWithGdalRasterize) {
  FULMAR_NEEDS(path, "coast/ne_10m_land_eastasia.geojson");
  // The Yellow Sea in UTM, 500 m.
  const auto grid = grid_at(900, 700, 200000, 4200000, 500, "EPSG:32651");
  const auto start = std::chrono::steady_clock::now();
  const auto source = outlines(path, grid);
  const auto ours = read_all<std::uint8_t>(*source);
  RecordProperty(
      "milliseconds",
      static_cast<int>(
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count()));
  expect_window_free(*source);
  // The same through GDAL: reproject the vectors, then rasterize.
  const auto utm = scratch / "utm.gpkg", tif = scratch / "gdal.tif";
  {
    const auto in = open(path, GDAL_OF_VECTOR);
    const char* const options[] = {"-t_srs", "EPSG:32651", "-clipsrc",         "115",  "30", "130", "45", "-segmentize",
                                   "0.01",   "-nlt",       "PROMOTE_TO_MULTI", nullptr};
    auto* parsed = GDALVectorTranslateOptionsNew(const_cast<char**>(options), nullptr);
    GDALDatasetH source_handle = in.get();
    const Dataset out{
        GDALDataset::FromHandle(GDALVectorTranslate(utm.c_str(), nullptr, 1, &source_handle, parsed, nullptr))};
    GDALVectorTranslateOptionsFree(parsed);
    ASSERT_TRUE(out);
  }
  {
    const auto in = open(utm, GDAL_OF_VECTOR);
    const char* const options[] = {"-burn",   "1",      "-init",   "0",   "-ot", "Byte", "-te",  "200000",
                                   "3850000", "650000", "4200000", "-tr", "500", "500",  nullptr};
    auto* parsed = GDALRasterizeOptionsNew(const_cast<char**>(options), nullptr);
    const Dataset out{GDALDataset::FromHandle(GDALRasterize(tif.c_str(), nullptr, in.get(), parsed, nullptr))};
    GDALRasterizeOptionsFree(parsed);
    ASSERT_TRUE(out);
  }
  const auto theirs = read_all<std::uint8_t>(*io.open(tif, {}));
  ASSERT_EQ(ours.size(), theirs.size());
  std::size_t differ = 0, land = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    differ += ours[i] != theirs[i];
    land += ours[i];
  }
  EXPECT_GT(land, 50000U);
  EXPECT_LT(differ, 60U);  // cells whose centre a differently densified edge passes within metres
}

TEST_F(OutlinesTest, RealMaskUnderTheLosAngelesScene) {
  FULMAR_NEEDS(scene_path, "sar_ship/s1_port_losangeles_20210105_30m_db.tif");
  FULMAR_NEEDS(mask_path, "coast/gshhg_f_mask_losangeles_0p0003.tif");
  const auto scene = io.open(scene_path, {});
  const auto source = outlines(mask_path, scene->grid());
  const auto ours = read_all<std::uint8_t>(*source);
  expect_window_free(*source);
  // Against a cell by cell look-up through the locator.
  const auto mask = io.open(mask_path, {});
  const auto cells = read_all<std::uint8_t>(*mask);
  const auto back = inverse(*mask->grid().affine).value();
  std::size_t differ = 0, land = 0;
  for (std::int64_t y = 0; y < 550; y += 3)
    for (std::int64_t x = 0; x < 756; x += 3) {
      const auto p = scene->grid().locator->lonlat(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5).value();
      const auto at = fulmar::apply(back, p.lon, p.lat);
      const auto truth =
          cells[static_cast<std::size_t>(std::floor(at.y)) * static_cast<std::size_t>(mask->grid().width) +
                static_cast<std::size_t>(std::floor(at.x))];
      land += truth;
      differ += ours[static_cast<std::size_t>(y * 756 + x)] != truth;
    }
  EXPECT_GT(land, 1000U);
  EXPECT_LT(differ, 20U);
}

TEST_F(OutlinesTest, ReadersWorkInSeveralThreads) {
  FULMAR_NEEDS(mask_path, "coast/gshhg_f_mask_losangeles_0p0003.tif");
  const auto source = outlines(mask_path, grid_at(600, 400, 380000, 3738000, 30, "EPSG:32611"));
  const auto whole = read_all<std::uint8_t>(*source);
  std::vector<std::thread> threads;
  std::vector<int> same(3);
  for (std::size_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] { same[t] = read_all<std::uint8_t>(*source) == whole; });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(same, (std::vector<int>{1, 1, 1}));
}

}  // namespace
}  // namespace fulmar::test
