// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "io/crs.hpp"
#include "support.hpp"

namespace fulmar::test {
namespace {

Grid with_points(const std::function<LonLat(double, double)>& place, int across, int down, double width,
                 double height) {
  Grid grid;
  grid.width = static_cast<std::int64_t>(width);
  grid.height = static_cast<std::int64_t>(height);
  const auto wgs84 = spatial_reference("EPSG:4326");
  grid.crs = wkt2(&*wgs84);
  grid.geographic = true;
  for (int j = 0; j < down; ++j)
    for (int i = 0; i < across; ++i) {
      const double column = width * i / (across - 1), row = height * j / (down - 1);
      const auto p = place(column, row);
      grid.control_points.push_back({column, row, p.lon, p.lat, 0});
    }
  grid.locator = make_locator(grid);
  return grid;
}

LonLat swath(double column, double row) {
  return {10 + column * 2e-3 + row * 3e-4 + 1e-9 * column * row, 50 - row * 1e-3 + column * 2e-4};
}

TEST(Locator, FitsFewAndManyControlPoints) {
  for (const auto& [across, down, tolerance] :
       {std::tuple{2, 2, 2e-3}, {3, 3, 2e-3}, {5, 5, 1e-4}, {21, 10, 2e-5}, {40, 40, 1e-6}}) {
    const auto grid = with_points(swath, across, down, 1000, 800);
    ASSERT_TRUE(grid.locator) << across;
    for (const auto& [column, row] : {std::pair{500.0, 400.0}, {123.0, 77.0}, {990.0, 10.0}}) {
      const auto found = grid.locator->lonlat(column, row);
      ASSERT_TRUE(found);
      EXPECT_NEAR(found->lon, swath(column, row).lon, tolerance) << across;
      EXPECT_NEAR(found->lat, swath(column, row).lat, tolerance) << across;
    }
  }
}

TEST(Locator, TwoOrCollinearControlPointsTellNothing) {
  EXPECT_FALSE(with_points(swath, 2, 2, 1000, 800).control_points.empty());
  auto grid = with_points(swath, 2, 2, 1000, 800);
  grid.control_points.resize(2);
  EXPECT_FALSE(make_locator(grid));
  grid.control_points = {{0, 0, 1, 1, 0}, {10, 10, 2, 2, 0}, {20, 20, 3, 3, 0}};
  EXPECT_FALSE(make_locator(grid));
}

TEST(Locator, ControlPointsAcrossTheAntimeridian) {
  const auto place = [](double column, double row) {
    return LonLat{nearest_longitude(179 + column * 2e-3, 0), 50 - row * 1e-3};
  };
  const auto grid = with_points(place, 12, 12, 1000, 800);
  ASSERT_TRUE(grid.locator);
  const auto found = grid.locator->lonlat(750, 400);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->lon, -179.5, 1e-6);
  EXPECT_NEAR(found->lat, 49.6, 1e-6);
}

TEST(Locator, CentreGroundByGeodesics) {
  const auto grid = with_points(
      [](double c, double r) {
        return LonLat{10 + c * 1e-3, 60 - r * 1e-3};
      },
      6, 6, 100, 100);
  const auto ground = measure_centre(grid, *grid.locator);
  // One thousandth of a degree at 59.95 N: the ellipsoid's radii give 55.9 m and 111.41 m.
  EXPECT_NEAR(ground.dx, 55.88, 0.05);
  EXPECT_NEAR(ground.dy, 111.41, 0.02);
  EXPECT_DOUBLE_EQ(ground.area, ground.dx * ground.dy);
}

TEST(Locator, GeodesicFlindersPeakToBuninyong) {
  // Vincenty's own example, Geoscience Australia: 54972.271 m (GRS80; WGS84 is the same to the millimetre).
  const LonLat flinders{144 + 25 / 60.0 + 29.5244 / 3600, -(37 + 57 / 60.0 + 3.7203 / 3600)};
  const LonLat buninyong{143 + 55 / 60.0 + 35.3839 / 3600, -(37 + 39 / 60.0 + 10.1561 / 3600)};
  EXPECT_NEAR(geodesic_distance(flinders, buninyong), 54972.271, 0.002);
}

TEST(Locator, RealSentinel1ControlPoints) {
  FULMAR_NEEDS(path, "sar_cal/s1a_iw_grdh_20180716_vv_dec20_gcp.tif");
  const auto source = GdalIo{}.open(path, {});
  const auto& grid = source->grid();
  EXPECT_FALSE(grid.affine);
  EXPECT_EQ(grid.control_points.size(), 210U);
  EXPECT_TRUE(grid.geographic);
  ASSERT_TRUE(grid.locator);
  for (const auto& p : grid.control_points) {
    const auto found = grid.locator->lonlat(p.column, p.row);
    ASSERT_TRUE(found);
    EXPECT_NEAR(found->lon, p.x, 1e-6);
    EXPECT_NEAR(found->lat, p.y, 1e-6);
  }
  // 10 m cells decimated by 20.
  EXPECT_NEAR(grid.ground().dx, 200, 5);
  EXPECT_NEAR(grid.ground().dy, 200, 5);
}

TEST(Lattice, IsRightToATwentiethOfACellAndFreeOfWindows) {
  const auto grid = grid_at(300, 200, 380000, 3740000, 30, "EPSG:32611");
  const auto wgs84 = grid_at(1, 1, 0, 0, 1, "EPSG:4326").crs;
  LatticeTransformer lattice{grid, wgs84}, other{grid, wgs84};
  std::vector<Point> row(300), part(7);
  for (const std::int64_t y : {0, 31, 32, 100, 199}) {
    lattice.centres(y, 0, 300, row.data());
    // Nor on what was asked for before.
    LatticeTransformer fresh{grid, wgs84};
    std::vector<Point> again(300);
    fresh.centres(y, 0, 300, again.data());
    for (std::size_t i = 0; i < 300; ++i) {
      EXPECT_EQ(again[i].x, row[i].x);
      EXPECT_EQ(again[i].y, row[i].y);
    }
    for (std::int64_t x = 0; x + 7 <= 300; x += 5) {
      other.centres(y, x, 7, part.data());
      for (std::int64_t i = 0; i < 7; ++i) {
        EXPECT_EQ(part[static_cast<std::size_t>(i)].x, row[static_cast<std::size_t>(x + i)].x);
        EXPECT_EQ(part[static_cast<std::size_t>(i)].y, row[static_cast<std::size_t>(x + i)].y);
      }
      const auto truth = lattice.exact(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
      EXPECT_NEAR(truth.x, row[static_cast<std::size_t>(x)].x, 0.05 * 30 / 93000);
      EXPECT_NEAR(truth.y, row[static_cast<std::size_t>(x)].y, 0.05 * 30 / 111000);
    }
  }
}

TEST(Lattice, CoarseCellsAreComputedOneByOne) {
  // Two degrees a cell to polar stereographic: no straight lines anywhere, the pole in the middle.
  const auto grid = grid_at(180, 15, -180, 90, 2, "EPSG:4326");
  LatticeTransformer lattice{grid, grid_at(1, 1, 0, 0, 1, "EPSG:3413").crs};
  std::vector<Point> row(180);
  for (std::int64_t y = 0; y < 15; ++y) {
    lattice.centres(y, 0, 180, row.data());
    for (std::int64_t x = 0; x < 180; x += 7) {
      const auto truth = lattice.exact(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
      EXPECT_NEAR(truth.x, row[static_cast<std::size_t>(x)].x, 12000);
      EXPECT_NEAR(truth.y, row[static_cast<std::size_t>(x)].y, 12000);
    }
  }
}

}  // namespace
}  // namespace fulmar::test
