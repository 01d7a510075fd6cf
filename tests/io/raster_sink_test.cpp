// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "io/crs.hpp"
#include "support.hpp"

namespace fulmar::test {
namespace {

class RasterSinkTest : public ::testing::Test {
 protected:
  GdalIo io;
  Scratch scratch;
  Grid grid = grid_at(700, 600, 500000, 4000000, 10, "EPSG:32631");

  std::vector<float> ramp() const {
    std::vector<float> cells(700 * 600);
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = i % 97 == 0 ? std::nanf("") : static_cast<float>(i % 700);
    return cells;
  }

  void write_ramp(const std::string& path, const FileOptions& options = {}) {
    const auto sink = io.create_raster(path, options, grid, {{"sigma0", DType::f32, std::nan(""), {"1"}}},
                                       {{"ACQUISITION", "2023-06-15"}, {"FULMAR_PIPELINE", "read ! cfar"}});
    const auto cells = ramp();
    for (std::int64_t y = 0; y < 600; y += 256)
      for (std::int64_t x = 0; x < 700; x += 512) {
        const auto w = intersect({x, y, 512, 256}, grid.window());
        sink->write(0, w, cells.data() + y * 700 + x, 700);
      }
    sink->commit();
  }

  void expect_ramp(const std::string& path) {
    const auto source = io.open(path, {});
    ASSERT_EQ(source->bands().size(), 1U);
    const auto cells = read_all<float>(*source), truth = ramp();
    for (std::size_t i = 0; i < cells.size(); ++i)
      ASSERT_TRUE(cells[i] == truth[i] || (std::isnan(cells[i]) && std::isnan(truth[i]))) << i;
    EXPECT_EQ(source->grid().affine, grid.affine);
    const auto crs = spatial_reference(grid.crs);
    EXPECT_TRUE(spatial_reference(source->grid().crs)->IsSame(&*crs));
    EXPECT_EQ(source->bands()[0].unit.symbol, "1");
    EXPECT_TRUE(source->bands()[0].nodata && std::isnan(*source->bands()[0].nodata));
  }
};

TEST_F(RasterSinkTest, GeoTiffCarriesEverything) {
  const auto path = scratch / "p.tif";
  write_ramp(path);
  expect_ramp(path);
  const auto source = io.open(path, {});
  EXPECT_EQ(source->bands()[0].description, "sigma0");
  EXPECT_EQ(source->metadata().at("FULMAR_PIPELINE"), "read ! cfar");
  EXPECT_EQ(source->metadata().at("ACQUISITION"), "2023-06-15");
  EXPECT_EQ(source->block(), (Window{0, 0, 512, 512}));
  const auto d = open(path);
  EXPECT_STREQ(d->GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE"), "ZSTD");
  EXPECT_STREQ(d->GetMetadataItem("PREDICTOR", "IMAGE_STRUCTURE"), "3");
  EXPECT_EQ(scratch.files(), std::vector<std::string>{"p.tif"});
}

TEST_F(RasterSinkTest, TheUsersOptionsComeFirst) {
  FileOptions options;
  options.creation_options = {"compress=LZW", "BLOCKXSIZE=256"};
  options.threads = 2;
  write_ramp(scratch / "p.tif", options);
  expect_ramp(scratch / "p.tif");
  const auto d = open(scratch / "p.tif");
  EXPECT_STREQ(d->GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE"), "LZW");
  int width = 0, height = 0;
  d->GetRasterBand(1)->GetBlockSize(&width, &height);
  EXPECT_EQ(width, 256);
  EXPECT_EQ(height, 512);
}

TEST_F(RasterSinkTest, CloudOptimised) {
  FileOptions options;
  options.format = "COG";
  write_ramp(scratch / "p.tif", options);
  expect_ramp(scratch / "p.tif");
  const auto d = open(scratch / "p.tif");
  EXPECT_STREQ(d->GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE"), "COG");
  EXPECT_GE(d->GetRasterBand(1)->GetOverviewCount(), 1);
  EXPECT_EQ(io.open(scratch / "p.tif", {})->metadata().at("ACQUISITION"), "2023-06-15");
  EXPECT_EQ(scratch.files(), std::vector<std::string>{"p.tif"});
}

TEST_F(RasterSinkTest, NetCdf) {
  write_ramp(scratch / "p.nc");
  expect_ramp(scratch / "p.nc");
  EXPECT_TRUE(open("NETCDF:\"" + (scratch / "p.nc") + "\":sigma0"));
  EXPECT_EQ(scratch.files(), std::vector<std::string>{"p.nc"});
}

TEST_F(RasterSinkTest, OtherFormats) {
  write_ramp(scratch / "p.img");
  const auto cells = read_all<float>(*io.open(scratch / "p.img", {}));
  EXPECT_EQ(cells[5], 5);
  FileOptions options;
  options.format = "ENVI";
  write_ramp(scratch / "p.dat", options);
  EXPECT_EQ(read_all<float>(*io.open(scratch / "p.dat", {}))[5], 5);
}

TEST_F(RasterSinkTest, FlagsAndMixedTypes) {
  {
    const auto sink = io.create_raster(scratch / "f.tif", {}, grid, {{"ship", DType::u8, 255.0, {"flag"}}}, {});
    std::vector<std::uint8_t> cells(700 * 600, 1);
    cells[3] = 255;
    sink->write(0, grid.window(), cells.data(), 700);
    sink->commit();
  }
  const auto flags = io.open(scratch / "f.tif", {});
  EXPECT_EQ(flags->bands()[0].dtype, DType::u8);
  EXPECT_EQ(flags->bands()[0].nodata, 255);
  EXPECT_EQ(flags->bands()[0].unit.symbol, "flag");
  {
    const auto sink = io.create_raster(scratch / "m.tif", {}, grid,
                                       {{"ship", DType::u8, 255.0, {}}, {"level", DType::f32, std::nan(""), {}}}, {});
    std::vector<std::uint8_t> cells(700 * 600, 1);
    cells[3] = 255;
    sink->write(0, grid.window(), cells.data(), 700);
    sink->write(1, grid.window(), ramp().data(), 700);
    sink->commit();
  }
  const auto mixed = io.open(scratch / "m.tif", {});
  const auto first = read_all<float>(*mixed, 0);
  EXPECT_EQ(first[2], 1);
  EXPECT_TRUE(std::isnan(first[3]));
  EXPECT_EQ(read_all<float>(*mixed, 1)[5], 5);
}

TEST_F(RasterSinkTest, EveryTypeComesBack) {
  for (const auto dtype : {DType::u8, DType::i8, DType::u16, DType::i16, DType::u32, DType::i32, DType::u64, DType::i64,
                           DType::f32, DType::f64}) {
    const auto path = scratch / (std::string{name_of(dtype)} + ".tif");
    const auto small = grid_at(40, 30, 0, 0, 1, "EPSG:4326");
    with_type(dtype, [&](auto zero) {
      using T = decltype(zero);
      std::vector<T> cells(40 * 30);
      for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<T>(i);
      const auto sink = io.create_raster(path, {}, small, {{"v", dtype, 7.0, {}}}, {});
      sink->write(0, small.window(), cells.data(), 40);
      sink->commit();
      const auto source = io.open(path, {});
      EXPECT_EQ(source->bands()[0].dtype, dtype);
      EXPECT_EQ(read_all<T>(*source), cells) << name_of(dtype);
      if (sizeof(T) == 8 && std::is_integral_v<T>) {
        EXPECT_EQ(source->bands()[0].nodata_i64, 7);
      } else {
        EXPECT_EQ(source->bands()[0].nodata, 7);
      }
    });
  }
}

TEST_F(RasterSinkTest, ControlPointsAreHandedOn) {
  FULMAR_NEEDS(path, "sar_cal/s1a_iw_grdh_20180716_vv_dec20_gcp.tif");
  const auto scene = io.open(path, {});
  const auto sink =
      io.create_raster(scratch / "g.tif", {}, scene->grid(), {{"v", DType::u16, {}, {}}}, scene->metadata());
  const auto cells = read_all<std::uint16_t>(*scene);
  sink->write(0, scene->grid().window(), cells.data(), scene->grid().width);
  sink->commit();
  const auto copy = io.open(scratch / "g.tif", {});
  ASSERT_EQ(copy->grid().control_points.size(), 210U);
  EXPECT_NEAR(copy->grid().control_points[99].x, scene->grid().control_points[99].x, 1e-12);
  EXPECT_EQ(copy->grid().crs, scene->grid().crs);
  EXPECT_EQ(read_all<std::uint16_t>(*copy), cells);
}

TEST_F(RasterSinkTest, Quicklook) {
  FULMAR_NEEDS(path, "sar_ship/s1_port_losangeles_20210105_30m_db.tif");
  const auto scene = io.open(path, {});
  auto cells = read_all<float>(*scene);
  for (auto& v : cells)
    if (v == 0) v = std::nanf("");
  std::fill(cells.begin(), cells.begin() + 756 * 20, std::nanf(""));
  const auto sink =
      io.create_raster(scratch / "q.png", {}, scene->grid(), {{"db", DType::f32, std::nan(""), {"dB"}}}, {});
  sink->write(0, scene->grid().window(), cells.data(), 756);
  sink->commit();
  const auto d = open(scratch / "q.png");
  ASSERT_TRUE(d);
  EXPECT_EQ(d->GetRasterXSize(), 756);
  ASSERT_EQ(d->GetRasterCount(), 2);
  const auto source = io.open(scratch / "q.png", {});
  ASSERT_TRUE(source->bands()[0].has_mask);
  std::vector<std::uint8_t> mask(756 * 550);
  source->reader()->read_mask(0, source->grid().window(), mask.data(), 756);
  EXPECT_EQ(mask[0], 0);
  EXPECT_EQ(mask[756 * 300 + 400], 255);
  EXPECT_EQ(source->grid().affine, scene->grid().affine);
  const auto grey = read_all<std::uint8_t>(*source);
  EXPECT_GT(std::count(grey.begin(), grey.end(), 255), 756 * 550 / 100);
}

TEST_F(RasterSinkTest, QuicklookOfAWideScene) {
  // 3 cells to one; blocks of 512 end inside a cell of the picture.
  grid = grid_at(5000, 1100, 500000, 4000000, 10, "EPSG:32631");
  std::vector<float> cells(5000 * 1100);
  for (std::int64_t y = 0; y < 1100; ++y)
    for (std::int64_t x = 0; x < 5000; ++x)
      cells[static_cast<std::size_t>(y * 5000 + x)] =
          x < 30 ? std::nanf("") : static_cast<float>(x / 3 % 2 * 100 + (x * 7 + y * 13) % 3);
  std::vector<std::vector<std::uint8_t>> pictures;
  for (const std::int64_t tile : {RasterSink::strip, std::int64_t{200}}) {
    const auto path = scratch / (std::to_string(tile) + ".png");
    const auto sink = io.create_raster(path, {}, grid, {{"v", DType::f32, std::nan(""), {}}}, {});
    const auto width = tile == RasterSink::strip ? 5000 : tile;
    for (std::int64_t x = 0; x < 5000; x += width)
      for (std::int64_t y = 0; y < 1100; y += tile) {
        const auto w = intersect({x, y, width, tile}, grid.window());
        sink->write(0, w, cells.data() + w.y * 5000 + w.x, 5000);
      }
    sink->commit();
    const auto picture = io.open(path, {});
    EXPECT_EQ(picture->grid().width, 1667);
    EXPECT_EQ(picture->grid().height, 367);
    EXPECT_EQ((*picture->grid().affine)[1], 30);
    pictures.push_back(read_all<std::uint8_t>(*picture));
  }
  EXPECT_EQ(pictures[0], pictures[1]);
  // The mean beneath each cell is 1 or 101: black or white, also where a block ends.
  for (std::size_t y = 0; y < 366; ++y)
    for (std::size_t x = 10; x < 1666; ++x) ASSERT_EQ(pictures[0][y * 1667 + x], x % 2 == 0 ? 0 : 255) << x << " " << y;
}

TEST_F(RasterSinkTest, ProcessesOnlyWhatLiesInside) {
  const auto sink = io.create_raster(scratch / "p.tif", {}, grid, {{"v", DType::f32, {}, {}}}, {});
  float cell = 0;
  EXPECT_EQ(thrown([&] { sink->write(0, {700, 0, 1, 1}, &cell, 1); }).code, 1);
  EXPECT_EQ(thrown([&] { sink->write(1, {0, 0, 1, 1}, &cell, 1); }).code, 1);
}

TEST_F(RasterSinkTest, OptionsThatGdalRefuses) {
  FileOptions options;
  options.creation_options = {"BLOCKXSIZE=17"};
  const auto error = thrown([&] { write_ramp(scratch / "p.tif", options); });
  EXPECT_EQ(error.code, 4);
  EXPECT_TRUE(error.says("17") || error.says("ultiple of 16")) << error.text;
  EXPECT_EQ(scratch.files(), std::vector<std::string>{});
}

}  // namespace
}  // namespace fulmar::test
