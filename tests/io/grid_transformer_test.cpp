// SPDX-License-Identifier: Apache-2.0
// Places against PROJ asked point by point, and grids against what GDAL suggests.
#include "io/grid_transformer.hpp"

#include <gdal_alg.h>
#include <gdal_utils.h>

#include <cmath>
#include <cstring>

#include "io/crs.hpp"
#include "io/raster_source.hpp"
#include "support.hpp"

namespace fulmar::test {
namespace {

/// The exact place of a target cell's centre, point by point through GDAL's own interface.
Point place_of(OGRCoordinateTransformation& way, const Grid& target, const Grid& source, double x, double y) {
  const auto p = transform(way, apply(*target.affine, x + 0.5, y + 0.5));
  if (!p) return {NAN, NAN};
  const auto back = inverse(*source.affine);
  return apply(*back, p->x, p->y);
}

void expect_exact(const Grid& target, const Grid& source, double turn = 0) {
  const auto way = make_transformer(target, source)->copy();
  const Window all = target.window();
  std::vector<double> columns(static_cast<std::size_t>(all.cells())), rows = columns;
  way->places(all, columns.data(), rows.data());
  const auto from = spatial_reference(target.crs), to = spatial_reference(source.crs);
  const auto exact = transformation(*from, *to);
  std::size_t found = 0;
  for (std::int64_t y = 0; y < all.height; y += 7)
    for (std::int64_t x = 0; x < all.width; x += 5) {
      const auto truth = place_of(*exact, target, source, static_cast<double>(x), static_cast<double>(y));
      const auto at = static_cast<std::size_t>(y * all.width + x);
      ASSERT_EQ(std::isfinite(truth.x), std::isfinite(columns[at])) << x << ", " << y;
      if (!std::isfinite(truth.x)) continue;
      ++found;
      const double off = columns[at] - truth.x;
      ASSERT_NEAR(turn > 0 ? off - turn * std::rint(off / turn) : off, 0, 2e-5) << x << ", " << y;
      ASSERT_NEAR(rows[at], truth.y, 2e-5) << x << ", " << y;
    }
  EXPECT_GT(found, 100u);
  // The same bits whatever the window, and whatever was asked before.
  for (const Window& window : {Window{13, 29, 41, 37}, {110, 120, 150, 140}}) {
    const Window part = intersect(window, all);
    std::vector<double> some(static_cast<std::size_t>(part.cells())), other = some;
    way->copy()->places(part, some.data(), other.data());
    for (std::int64_t y = 0; y < part.height; ++y)
      ASSERT_EQ(std::memcmp(some.data() + y * part.width, columns.data() + (part.y + y) * all.width + part.x,
                            static_cast<std::size_t>(part.width) * 8),
                0);
  }
}

TEST(GridTransformer, IsExactFromDegreesToUtmAndBack) {
  const auto degrees = grid_at(2000, 1500, 11.0, 47.0, 0.0001, "EPSG:4326");
  const auto utm = grid_at(500, 400, 660000, 5200000, 10, "EPSG:32632");
  expect_exact(utm, degrees);
  expect_exact(grid_at(500, 400, 11.02, 46.99, 0.0001, "EPSG:4326"),
               grid_at(2000, 1500, 650000, 5210000, 10, "EPSG:32632"));
}

TEST(GridTransformer, IsExactOverCoarseCellsOfTheWholeEarth) {
  const auto earth = grid_at(720, 360, -180, 90, 0.5, "EPSG:4326");
  expect_exact(grid_at(300, 300, -3e6, 3e6, 20000, "EPSG:3413"), earth, 720);   // a pole in the middle
  expect_exact(grid_at(400, 200, -2e7, 1e7, 100000, "EPSG:6933"), earth, 720);  // beyond the projection
  expect_exact(grid_at(300, 200, 170, 40, 0.1, "EPSG:4326"), earth, 720);       // across the antimeridian
  expect_exact(grid_at(300, 300, -6.5e6, 6.5e6, 43000, "+proj=ortho +lat_0=30 +lon_0=170 +datum=WGS84"), earth, 720);
}

TEST(GridTransformer, IsExactWhereOneSurfaceServesManyCells) {
  expect_exact(grid_at(270, 260, 150000, 5290000, 10, "EPSG:32632"),
               grid_at(4000, 4000, 600000, 5300040, 10, "EPSG:32631"));
  expect_exact(grid_at(270, 260, 3900000, 2800000, 100, "EPSG:3035"),
               grid_at(4000, 4000, 5.0, 50.0, 0.001, "EPSG:4326"));
  // Regions of cells beyond a narrow grid would go round the earth more than once.
  auto narrow = grid_at(32, 180, -180, 90, 11.25, "EPSG:4258");
  (*narrow.affine)[5] = -1;
  expect_exact(narrow, grid_at(720, 360, -180, 90, 0.5, "EPSG:4326"), 720);
}

TEST(GridTransformer, ColumnsRunOnAcrossTheAntimeridian) {
  auto earth = grid_at(360, 180, 0, 90, 1, "EPSG:4326");
  finish_grid(earth);
  ASSERT_TRUE(earth.wraps);
  const auto way = make_transformer(grid_at(40, 40, 170, 10, 0.5, "EPSG:4326"), earth)->copy();
  EXPECT_EQ(way->turn(), 360);
  std::vector<double> columns(40), rows(40);
  way->places({0, 0, 40, 1}, columns.data(), rows.data());
  for (std::size_t i = 1; i < 40; ++i) EXPECT_NEAR(columns[i] - columns[i - 1], 0.5, 1e-9);
  EXPECT_NEAR(columns[0], 170.25, 1e-9);
  // A grid of the Pacific that does not go round: its own turn.
  const auto pacific = grid_at(40, 20, 160, 10, 1, "EPSG:4326");
  const auto there = make_transformer(grid_at(10, 4, -175, 5, 1, "EPSG:4326"), pacific)->copy();
  there->places({0, 0, 10, 1}, columns.data(), rows.data());
  EXPECT_NEAR(columns[0], 25.5, 1e-9);
}

TEST(GridTransformer, FollowsControlPoints) {
  FULMAR_NEEDS(file, "sar_cal/s1a_iw_grdh_20180716_vv_dec20_gcp.tif");
  const auto source = GdalIo{}.open(file, {});
  const Grid target = make_grid_for(source->grid(), {"EPSG:32643", 400, {}});
  const auto dataset = open(file);
  // GDAL's own way there and through the same spline.
  const char* const options[] = {"METHOD=GCP_TPS", "DST_SRS=EPSG:32643", nullptr};
  void* transformer = GDALCreateGenImgProjTransformer2(dataset.get(), nullptr, const_cast<char**>(options));
  ASSERT_NE(transformer, nullptr);
  const auto way = make_transformer(target, source->grid())->copy();
  std::vector<double> columns(static_cast<std::size_t>(target.width)), rows = columns;
  std::size_t inside = 0;
  for (std::int64_t y = 0; y < target.height; y += 37) {
    way->places({0, y, target.width, 1}, columns.data(), rows.data());
    for (std::int64_t x = 0; x < target.width; x += 31) {
      auto p = apply(*target.affine, static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
      double z = 0;
      int ok = FALSE;
      GDALGenImgProjTransform(transformer, TRUE, 1, &p.x, &p.y, &z, &ok);
      const auto at = static_cast<std::size_t>(x);
      if (!ok || p.x < 0 || p.y < 0 || p.x > 1280 || p.y > 837) continue;
      ++inside;
      EXPECT_NEAR(columns[at], p.x, 1e-4);
      EXPECT_NEAR(rows[at], p.y, 1e-4);
    }
  }
  EXPECT_GT(inside, 100u);
  GDALDestroyGenImgProjTransformer(transformer);
}

TEST(GridFor, CoversWhatGdalSuggestsOnWholeMultiples) {
  for (const auto& [name, regional] :
       {std::pair{"terrain/bigtujunga_srtm30_crop400.tif", "EPSG:5070"}, {"terrain/rome_30m_dem.tif", "EPSG:3035"}}) {
    FULMAR_NEEDS(file, name);
    const auto source = GdalIo{}.open(file, {});
    for (const auto& [crs, resolution] : {std::pair{"EPSG:3857", 35.0}, {"EPSG:4326", 0.0003}, {regional, 50.0}}) {
      const auto grid = make_grid_for(source->grid(), {crs, resolution, {}});
      const auto dataset = open(file);
      const std::string to = std::string{"DST_SRS="} + crs;
      const char* const options[] = {to.c_str(), nullptr};
      void* transformer = GDALCreateGenImgProjTransformer2(dataset.get(), nullptr, const_cast<char**>(options));
      double affine[6], extent[4];
      int width = 0, height = 0;
      ASSERT_EQ(GDALSuggestedWarpOutput2(dataset.get(), GDALGenImgProjTransform, transformer, affine, &width, &height,
                                         extent, 0),
                CE_None);
      GDALDestroyGenImgProjTransformer(transformer);
      const auto end = apply(*grid.affine, static_cast<double>(grid.width), static_cast<double>(grid.height));
      const auto& a = *grid.affine;
      // All that GDAL would write, and less than two cells more on any side. GDAL counts whole cells of its own from
      // the upper left, so that its other edges are off by up to one.
      EXPECT_LE(a[0], extent[0] + 0.01 * resolution);
      EXPECT_GT(a[0], extent[0] - 2 * resolution);
      EXPECT_GE(a[3], extent[3] - 0.01 * resolution);
      EXPECT_LT(a[3], extent[3] + 2 * resolution);
      EXPECT_GE(end.x, extent[2] - affine[1]);
      EXPECT_LT(end.x, extent[2] + affine[1] + 2 * resolution);
      EXPECT_LE(end.y, extent[1] + affine[1]);
      EXPECT_GT(end.y, extent[1] - affine[1] - 2 * resolution);
      EXPECT_NEAR(a[0] / resolution, std::rint(a[0] / resolution), 1e-6);
      EXPECT_NEAR(a[3] / resolution, std::rint(a[3] / resolution), 1e-6);
      // Without a resolution, cells of about the area GDAL would give them.
      const auto guess = make_grid_for(source->grid(), {crs, 0, {}});
      EXPECT_NEAR((*guess.affine)[1] / affine[1], 1, 0.03) << crs;
    }
  }
}

TEST(GridFor, KeepsTheLatticeWhereNothingElseIsAsked) {
  const auto source = grid_at(300, 200, 500017, 4000003, 30, "EPSG:32611");
  EXPECT_TRUE(make_grid_for(source, {"", 0, {}}).same_cells(source));
  const auto part = make_grid_for(source, {"EPSG:32611", 0, Extent{500017 + 301, 3999003, 500017 + 600, 4000003 - 31}});
  EXPECT_EQ((*part.affine)[0], 500017 + 300);
  EXPECT_EQ((*part.affine)[3], 4000003 - 30);
  EXPECT_EQ(part.width, 10);
  EXPECT_EQ(part.height, 33);
}

TEST(GridFor, SeesAPoleAndTheAntimeridian) {
  const auto arctic = make_grid_for(grid_at(400, 400, -2e6, 2e6, 10000, "EPSG:3413"), {"EPSG:4326", 0.25, {}});
  EXPECT_DOUBLE_EQ((*arctic.affine)[0], -180);
  EXPECT_DOUBLE_EQ((*arctic.affine)[3], 90);
  EXPECT_EQ(arctic.width, 1440);
  EXPECT_TRUE(arctic.wraps);
  const auto fiji = make_grid_for(grid_at(500, 500, 600000, 8100000, 1000, "EPSG:32760"), {"EPSG:4326", 0.01, {}});
  EXPECT_LT(fiji.width, 700);
  const auto pacific = make_grid_for(grid_at(360, 180, -180, 90, 1, "EPSG:4326"), {"", 1, Extent{170, -10, -170, 10}});
  EXPECT_EQ(pacific.width, 20);
}

TEST(GridFor, SaysWhatIsWrong) {
  const auto source = grid_at(300, 200, 500000, 4000000, 30, "EPSG:32611");
  EXPECT_TRUE(thrown([&] { make_grid_for(source, {"EPSG:nowhere", 0, {}}); }).says("names no coordinate system"));
  EXPECT_TRUE(thrown([&] { make_grid_for(source, {"", 30, Extent{0, 0, 1000, 1000}}); }).says("does not reach"));
  EXPECT_TRUE(thrown([&] { make_grid_for(source, {"", 30, Extent{10, 0, 0, 1000}}); }).says("empty"));
  EXPECT_TRUE(thrown([&] { make_grid_for(source, {"EPSG:3857", 1e-9, {}}); }).says("coarser"));
  auto nowhere = source;
  nowhere.crs.clear();
  EXPECT_EQ(thrown([&] { make_grid_for(nowhere, {"EPSG:3857", 30, {}}); }).code, 3);
  EXPECT_EQ(thrown([&] { make_transformer(source, nowhere); }).code, 3);
}

}  // namespace
}  // namespace fulmar::test
