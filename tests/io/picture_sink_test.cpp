// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <random>

#include "support.hpp"

namespace fulmar::test {
namespace {

std::array<int, 3> pixel(GDALDataset& d, int x, int y) {
  std::uint8_t rgb[3]{};
  EXPECT_EQ(d.RasterIO(GF_Read, x, y, 1, 1, rgb, 1, 1, GDT_Byte, 3, nullptr, 0, 0, 0, nullptr), CE_None);
  return {rgb[0], rgb[1], rgb[2]};
}

TEST(PictureSink, ShowsTheLargestOfTheCellsBeneathAndBoxes) {
  const GdalIo io;
  const Scratch scratch;
  const auto grid = grid_at(4100, 300, 500000, 4000000, 10, "EPSG:32631");  // 3 cells to one
  std::vector<float> cells(4100 * 300);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<float>(i % 100) / 100;
  for (int x = 0; x < 300; ++x)
    for (int y = 0; y < 300; ++y) cells[static_cast<std::size_t>(y * 4100 + x)] = std::nanf("");
  cells[150 * 4100 + 3001] = 1000;  // one bright cell
  FeatureTable table;
  table.grid = grid;
  table.rows.push_back({{{{{3001, 150}, {3002, 150}, {3002, 151}, {3001, 151}}}}, {}});
  std::vector<std::string> paths;
  for (const int tile : {64, 500}) {
    const auto path = scratch / ("p" + std::to_string(tile) + ".png");
    const auto sink = io.create_features(path, {}, grid, {}, {});
    ASSERT_TRUE(sink->wants_raster());
    sink->write(table);
    for (std::int64_t y = 0; y < 300; y += tile)
      for (std::int64_t x = 0; x < 4100; x += tile) {
        const auto w = intersect({x, y, tile, tile}, grid.window());
        sink->write_raster(w, cells.data() + w.y * 4100 + w.x, 4100);
      }
    sink->commit();
    paths.push_back(path);
  }
  const auto a = open(paths[0]), b = open(paths[1]);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->GetRasterXSize(), 1367);
  EXPECT_EQ(a->GetRasterYSize(), 100);
  EXPECT_EQ(pixel(*a, 50, 50), (std::array{20, 24, 40}));
  EXPECT_EQ(pixel(*a, 1000, 50), (std::array{255, 255, 255}));
  for (const auto& [x, y] : {std::pair{997, 50}, {1003, 50}, {1000, 47}, {1000, 53}, {997, 47}})
    EXPECT_EQ(pixel(*a, x, y), (std::array{255, 196, 0})) << x << " " << y;
  EXPECT_NE(pixel(*a, 998, 50), (std::array{255, 196, 0}));
  double affine[6];
  ASSERT_EQ(a->GetGeoTransform(affine), CE_None);
  EXPECT_EQ(affine[1], 30);
  EXPECT_EQ(affine[0], 500000);
  // Tiles of any size make the same picture.
  for (int x = 0; x < 1367; x += 3) ASSERT_EQ(pixel(*a, x, 60), pixel(*b, x, 60));
}

TEST(PictureSink, ABoxGoesRoundTheEarth) {
  const GdalIo io;
  const Scratch scratch;
  auto grid = grid_at(4100, 300, -180, 90, 360.0 / 4100, "EPSG:4326");  // 3 cells to one
  grid.wraps = true;
  FeatureTable table;
  table.grid = grid;
  table.rows.push_back(
      {{{{{0, 150}, {6, 150}, {6, 153}, {0, 153}}}, {{{4094, 150}, {4100, 150}, {4100, 153}, {4094, 153}}}}, {}});
  const auto sink = io.create_features(scratch / "p.png", {}, grid, {}, {});
  sink->write(table);
  sink->commit();
  const auto d = open(scratch / "p.png");
  const std::array yellow{255, 196, 0};
  // 1367 pixels, the last of them two cells wide: 1364 to 1 and a margin of 3 on either side.
  for (int x = 0; x < 1367; ++x) {
    const bool within = x <= 4 || x >= 1361;
    EXPECT_EQ(pixel(*d, x, 47) == yellow, within) << x;
    EXPECT_EQ(pixel(*d, x, 50) == yellow, x == 4 || x == 1361) << x;
  }
}

TEST(PictureSink, LinearBackscatterIsShownInDecibels) {
  const GdalIo io;
  const Scratch scratch;
  const auto grid = grid_at(100, 100, 0, 0, 1, "EPSG:4326");
  std::vector<float> cells(100 * 100);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = std::pow(10.0F, -3 + 4 * static_cast<float>(i % 100) / 99);
  const auto sink = io.create_features(scratch / "p.png", {}, grid, {}, {});
  sink->write_raster(grid.window(), cells.data(), 100);
  sink->commit();
  const auto d = open(scratch / "p.png");
  // Half way in decibels is half grey.
  EXPECT_NEAR(pixel(*d, 50, 10)[0], 128, 4);
}

TEST(PictureSink, AllMissingIsStillAPicture) {
  const GdalIo io;
  const Scratch scratch;
  const auto grid = grid_at(10, 10, 0, 0, 1, "EPSG:4326");
  const auto sink = io.create_features(scratch / "p.png", {}, grid, {}, {});
  sink->commit();
  EXPECT_EQ(pixel(*open(scratch / "p.png"), 5, 5), (std::array{20, 24, 40}));
}

}  // namespace
}  // namespace fulmar::test
