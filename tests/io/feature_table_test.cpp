// SPDX-License-Identifier: Apache-2.0
// Tables of any geometry, written and read again. Expected values are written out by hand.
#include <ogrsf_frmts.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/iso_time.hpp"
#include "io/crs.hpp"
#include "support.hpp"

namespace fulmar::test {
namespace {

constexpr std::int64_t plenty = std::int64_t{1} << 30;
const double nan_value = std::nan("");

FeatureTable ships() {
  FeatureTable t;
  t.geometry = Geometry::point;
  t.columns = {{"mmsi", ColumnType::integer, {}, "identity"},
               {"name", ColumnType::text, {}, ""},
               {"when", ColumnType::time, {}, ""},
               {"sog", ColumnType::real, {"m s-1"}, ""},
               {"moored", ColumnType::flag, {}, ""}};
  t.words = {"ANNA \"B\", the second", "Ørsted"};
  // date -u -d '2021-01-05T13:44:00.25Z' +%s.%N
  t.rows.push_back({{}, {224651000, 0, 1609854240.25, 6.5, 1}, {}, {-118.25, 33.7}});
  t.rows.push_back({{}, {9007199254740991.0, 1, nan_value, nan_value, 0}, {}, {179.75, -10}});
  t.rows.push_back({{}, {3, nan_value, -86400, 0, nan_value}});
  return t;
}

FeatureTable zones(Geometry geometry) {
  FeatureTable t;
  t.geometry = geometry;
  t.columns = {{"zone", ColumnType::integer, {}, ""}};
  const auto crs = spatial_reference("EPSG:32631");
  t.crs = wkt2(&*crs);
  const Path square{{500000, 4000000}, {500100, 4000000}, {500100, 4000100}, {500000, 4000100}},
      hole{{500020, 4000020}, {500020, 4000040}, {500040, 4000040}, {500040, 4000020}},
      far{{500200, 4000000}, {500210, 4000000}, {500210, 4000010}};
  if (geometry == Geometry::polygon)
    t.rows.push_back({{}, {7}, {{square, hole}, {far}}});
  else
    t.rows.push_back({{}, {7}, {{square}, {far}}});
  return t;
}

class FeatureTableTest : public ::testing::Test {
 protected:
  GdalIo io;
  Scratch scratch;

  FeatureTable round(const FeatureTable& table, const std::string& name, const FileOptions& options = {}) {
    const auto path = scratch / name;
    const auto sink = io.create_table(path, options, table, {});
    sink->write(table);
    sink->commit();
    EXPECT_TRUE(io.holds_features(path, {})) << name;
    return io.open_features(path, {}, plenty);
  }
  std::string file(const std::string& name, const std::string& text) {
    const auto path = scratch / name;
    std::ofstream{path} << text;
    return path;
  }
  static std::size_t at(const FeatureTable& t, const std::string& name) {
    for (std::size_t i = 0; i < t.columns.size(); ++i)
      if (t.columns[i].name == name) return i;
    ADD_FAILURE() << name;
    return 0;
  }
};

TEST(IsoTime, IsWhatDateSays) {
  // Each with `date -u -d TEXT +%s`.
  EXPECT_EQ(parse_iso_time("2021-01-05T13:44:00"), 1609854240);
  EXPECT_EQ(parse_iso_time("2000-02-29"), 951782400);
  EXPECT_EQ(parse_iso_time("1969-12-31T23:59:59Z"), -1);
  EXPECT_EQ(parse_iso_time("2019-08-10 04:17:41.648000+00:00").value_or(0), 1565410661.648);
  EXPECT_EQ(parse_iso_time("2023/01/11 00:00:06+09:00"), 1673362806);
  EXPECT_EQ(parse_iso_time("1600-03-01"), -11670912000);
  for (const char* wrong :
       {"", "2021", "2021-13-01", "2021-02-29", "2021-01-05T", "2021-01-05T24:00", "2021-01-05T1:00",
        "2021-01-05T13:44:00+99:00", "2021-01-05x", "2021-01/05", "2021-01-05T13:44:00.", "12:00"})
    EXPECT_FALSE(parse_iso_time(wrong)) << wrong;
  EXPECT_EQ(iso_time(1609854240.25), "2021-01-05T13:44:00.250Z");
  EXPECT_EQ(iso_time(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(iso_time(59.9996), "1970-01-01T00:01:00Z");
  for (double t = -3e10; t < 3e10; t += 86399.25 * 1234.5)
    EXPECT_NEAR(parse_iso_time(iso_time(t)).value_or(0), t, 6e-4);
}

TEST_F(FeatureTableTest, PointsComeBackFromEveryFormat) {
  for (const char* name : {"s.gpkg", "s.fgb", "s.geojson", "s.csv"}) {
    auto t = ships();
    if (std::string{name} == "s.fgb") {
      EXPECT_TRUE(thrown([&] { round(t, "f.fgb"); }).says("drops rows without a geometry"));
      t.rows[2].place = {0, 0};
    }
    const auto back = round(t, name);
    ASSERT_EQ(back.rows.size(), 3U) << name;
    EXPECT_EQ(back.geometry, Geometry::point) << name;
    const auto mmsi = at(back, "mmsi"), word = at(back, "name"), when = at(back, "when"), sog = at(back, "sog"),
               moored = at(back, "moored");
    EXPECT_EQ(back.columns[word].type, ColumnType::text) << name;
    EXPECT_EQ(back.columns[when].type, ColumnType::time) << name;
    EXPECT_EQ(back.columns[mmsi].type, ColumnType::integer) << name;
    int seen = 0;
    for (const auto& row : back.rows) {
      if (row.values[mmsi] == 224651000) {
        seen |= 1;
        EXPECT_EQ(back.word(row.values[word]), t.words[0]) << name;
        EXPECT_EQ(row.values[when], 1609854240.25) << name;
        EXPECT_EQ(row.values[sog], 6.5) << name;
        EXPECT_EQ(row.values[moored], 1) << name;
        EXPECT_EQ(row.place.lon, -118.25) << name;
        EXPECT_EQ(row.place.lat, 33.7) << name;
      } else if (row.values[mmsi] == 9007199254740991.0) {
        seen |= 2;
        EXPECT_EQ(back.word(row.values[word]), "Ørsted") << name;
        EXPECT_TRUE(std::isnan(row.values[when])) << name;
        EXPECT_TRUE(std::isnan(row.values[sog])) << name;
        EXPECT_EQ(row.place.lon, 179.75) << name;
      } else {
        seen |= 4;
        EXPECT_EQ(row.values[when], -86400) << name;
        EXPECT_TRUE(std::isnan(row.values[word])) << name;
        EXPECT_TRUE(std::isnan(row.place.lon) || row.place.lon == 0) << name;
      }
    }
    EXPECT_EQ(seen, 7) << name;
  }
}

TEST_F(FeatureTableTest, LinesAndPolygonsComeBack) {
  for (const auto geometry : {Geometry::line, Geometry::polygon})
    for (const char* name : {"z.gpkg", "z.fgb", "z.csv"}) {
      const auto t = zones(geometry);
      FileOptions options;
      options.overwrite = true;
      const auto back = round(t, name, options);
      ASSERT_EQ(back.rows.size(), 1U) << name;
      EXPECT_EQ(back.geometry, geometry) << name;
      EXPECT_EQ(back.rows[0].shape.size(), 2U) << name;
      ASSERT_EQ(back.rows[0].shape[0][0].size(), 4U) << name;
      EXPECT_EQ(back.rows[0].shape[0].size(), geometry == Geometry::polygon ? 2U : 1U) << name;
      EXPECT_EQ(back.rows[0].values.size(), 1U) << name;
      if (std::string{name} == "z.csv") continue;
      // gdaltransform -s_srs EPSG:32631 -t_srs EPSG:4326: 500050 4000050 -> 3.00055578928254 36.1451688838138. The
      // small part pulls the middle some 30 m to the east.
      EXPECT_NEAR(back.rows[0].place.lon, 3.00055578928254, 5e-4) << name;
      EXPECT_NEAR(back.rows[0].place.lat, 36.1451688838138, 5e-4) << name;
    }
  const auto json = round(zones(Geometry::polygon), "z.geojson");
  EXPECT_NEAR(json.rows.at(0).shape[0][0][0].x, 3.0, 1e-2);
}

TEST_F(FeatureTableTest, NoGeometry) {
  auto t = ships();
  t.geometry = Geometry::none;
  for (const char* name : {"n.gpkg", "n.geojson", "n.csv"}) {
    const auto back = round(t, name);
    EXPECT_EQ(back.rows.size(), 3U) << name;
    EXPECT_EQ(back.geometry, Geometry::none) << name;
  }
}

TEST_F(FeatureTableTest, CsvIsTypedByAllOfItsValues) {
  std::string text = "id,code,value,when,mixed,LON,Lat,empty\n";
  for (int i = 0; i < 3000; ++i) text += "1,007,0.5,2021-01-05,3,10,20,\n";
  text += "-2,1,1e3,2021-01-05T12:00:00+01:00,three,181,91,\n";
  const auto t = io.open_features(file("t.csv", text), {}, plenty);
  using C = ColumnType;
  const std::vector<C> types{C::integer, C::text, C::real, C::time, C::text, C::integer, C::integer, C::text};
  for (std::size_t i = 0; i < types.size(); ++i) EXPECT_EQ(t.columns[i].type, types[i]) << t.columns[i].name;
  EXPECT_EQ(t.rows[0].place.lon, 10);
  EXPECT_EQ(t.rows.back().values[2], 1000);
  EXPECT_EQ(t.rows.back().values[3], *parse_iso_time("2021-01-05T11:00:00"));
  EXPECT_EQ(t.word(t.rows.back().values[4]), "three");
  // No place on earth, but still values.
  EXPECT_TRUE(std::isnan(t.rows.back().place.lon));
  EXPECT_EQ(t.rows.back().values[5], 181);
}

TEST_F(FeatureTableTest, SentencesAreRows) {
  const auto t = io.open_features(
      file("a.nmea", "!AIVDM,1,1,,A,13,0*00\r\n\n\\s:x*00\\!AIVDM,1\n" + std::string(5000, 'x')), {}, plenty);
  ASSERT_EQ(t.rows.size(), 3U);
  EXPECT_EQ(t.word(t.rows[0].values[0]), "!AIVDM,1,1,,A,13,0*00");
  EXPECT_EQ(t.word(t.rows[2].values[0]).size(), 1024U);
}

TEST_F(FeatureTableTest, WhatCannotBeReadIsSaid) {
  const auto wrong = [&](const std::string& path, const FileOptions& options, std::int64_t most, const char* words) {
    try {
      static_cast<void>(io.open_features(path, options, most));
      ADD_FAILURE() << path;
    } catch (const Error& e) {
      EXPECT_NE(std::string{e.what()}.find(words), std::string::npos) << e.what();
    }
  };
  wrong(scratch / "absent.csv", {}, plenty, "absent.csv");
  wrong(file("e.csv", ""), {}, plenty, "e.csv");
  wrong(file("o.csv", "alone\n1\n"), {}, plenty, "two columns");
  wrong(file("b.gpkg", "not a database"), {}, plenty, "b.gpkg");
  wrong(file("t.geojson", R"({"type":"FeatureCollection","features":[{"type":"Fea)"), {}, plenty, "t.geojson");
  std::string many = "a,b\n";
  for (int i = 0; i < 20000; ++i) many += std::to_string(i) + ",\n";
  wrong(file("m.csv", many), {}, 1 << 20, "--memory");
  wrong(
      file(
          "x.geojson",
          R"({"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[1,2]}},{"type":"Feature","properties":{},"geometry":{"type":"LineString","coordinates":[[1,2],[3,4]]}}]})"),
      {}, plenty, "mixes");
  FileOptions other;
  other.layer = "other";
  wrong(file("l.csv", "a,b\n1,\n"), other, plenty, "no layer 'other'");
}

TEST_F(FeatureTableTest, RealTables) {
  const char* folder = std::getenv("FULMAR_TEST_DATA");
  const std::string data = folder != nullptr ? folder : FULMAR_TEST_DATA_DEFAULT;
  if (!std::filesystem::exists(data + "/ais")) GTEST_SKIP() << "no " << data << "/ais";
  const auto ais = io.open_features(data + "/ais/marinecadastre_20230111_sample.csv", {}, plenty);
  ASSERT_EQ(ais.rows.size(), 1000U);
  EXPECT_EQ(ais.geometry, Geometry::point);
  EXPECT_EQ(ais.columns[at(ais, "BaseDateTime")].type, ColumnType::time);
  EXPECT_EQ(ais.rows[3].values[at(ais, "BaseDateTime")], 1673395203);
  EXPECT_EQ(ais.rows[0].place.lat, 43.07917);
  EXPECT_EQ(ais.word(ais.rows[1].values[at(ais, "IMO")]), "IMO9307839");
  const auto sar = io.open_features(data + "/ais/gfw_ksat_sar_detections_pacific.csv", {}, plenty);
  ASSERT_EQ(sar.rows.size(), 173U);
  EXPECT_EQ(sar.rows[0].values[at(sar, "ProductStartTime")], 1565410661.648);
  EXPECT_EQ(sar.rows[0].values[at(sar, "Length")], 65.61);
  const auto nmea = io.open_features(data + "/ais/libais_tagblock.nmea", {}, plenty);
  EXPECT_EQ(nmea.rows.size(), 5U);
  EXPECT_EQ(nmea.geometry, Geometry::none);
}

}  // namespace
}  // namespace fulmar::test
