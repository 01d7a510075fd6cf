// SPDX-License-Identifier: Apache-2.0
#include "core/grid.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace fulmar {
namespace {

Grid geographic(double west, double dlon, double north, double dlat, std::int64_t width, std::int64_t height) {
  Grid g;
  g.width = width;
  g.height = height;
  g.affine = {west, dlon, 0, north, 0, -dlat};
  g.geographic = true;
  g.crs = "lon/lat";
  return g;
}

TEST(Grid, GroundIsUnknownWithoutAPlaceOnEarth) {
  Grid g;
  g.width = g.height = 10;
  EXPECT_EQ(g.ground().dx, 0);
  g.affine = {0, 1, 0, 0, 0, 1};  // what GDAL says of a picture
  EXPECT_EQ(g.ground().dx, 0);
  EXPECT_EQ(g.ground().area, 0);
}

TEST(Grid, ProjectedGroundIsTheLengthOfTheTransformsColumns) {
  Grid g;
  g.width = g.height = 10;
  g.crs = "projected";
  g.affine = {0, 30, 0, 0, 0, -20};
  EXPECT_DOUBLE_EQ(g.ground(3).dx, 30);
  EXPECT_DOUBLE_EQ(g.ground(3).dy, 20);
  EXPECT_DOUBLE_EQ(g.ground(3).area, 600);
  g.affine = {0, 3, 4, 0, 4, -3};  // turned
  EXPECT_DOUBLE_EQ(g.ground(3).dx, 5);
  EXPECT_DOUBLE_EQ(g.ground(3).dy, 5);
  EXPECT_DOUBLE_EQ(g.ground(3).area, 25);
  g.metres_per_unit = 0.3048;
  EXPECT_DOUBLE_EQ(g.ground(3).dx, 5 * 0.3048);
  EXPECT_DOUBLE_EQ(g.ground(3).area, 25 * 0.3048 * 0.3048);
}

TEST(Grid, ControlPointsTellTheGroundOnlyThroughTheSource) {
  Grid g;
  g.width = g.height = 10;
  g.centre_ground = {12, 13, 156};
  EXPECT_EQ(g.ground(7).dx, 12);
  EXPECT_EQ(g.ground(7).dy, 13);
}

// Lengths of a degree on WGS84, from published tables, in metres.
TEST(Grid, DegreesOnTheEllipsoid) {
  struct {
    double latitude, lon, lat;
  } rows[] = {{0, 111320, 110574}, {15, 107550, 110649}, {30, 96486, 110852},
              {45, 78847, 111132}, {60, 55800, 111412},  {75, 28902, 111618}};
  for (const auto& r : rows) {
    const Grid g = geographic(0, 1e-3, r.latitude + 0.5e-3, 1e-3, 10, 1);
    EXPECT_NEAR(g.ground(0).dx * 1e3, r.lon, 1) << r.latitude;
    EXPECT_NEAR(g.ground(0).dy * 1e3, r.lat, 1) << r.latitude;
  }
}

TEST(Grid, AllCellsTogetherAreTheEarth) {
  const Grid g = geographic(-180, 0.5, 90, 0.5, 720, 360);
  double area = 0;
  for (std::int64_t y = 0; y < g.height; ++y) area += g.ground(y).area * static_cast<double>(g.width);
  EXPECT_NEAR(area / 510065621724000.0, 1, 1e-9);  // of the WGS84 ellipsoid, in square metres
}

TEST(Grid, TheAreaOfACellIsNearItsSidesProduct) {
  const Grid g = geographic(10, 0.001, 60, 0.001, 10, 10);
  EXPECT_NEAR(g.ground(4).area / (g.ground(4).dx * g.ground(4).dy), 1, 1e-8);
}

TEST(Grid, SouthIsAsNorth) {
  const Grid n = geographic(0, 0.01, 50.01, 0.01, 4, 1), s = geographic(0, 0.01, -50, 0.01, 4, 1);
  EXPECT_NEAR(n.ground(0).area, s.ground(0).area, 1e-6 * n.ground(0).area);
  EXPECT_NEAR(n.ground(0).dx, s.ground(0).dx, 1e-9 * n.ground(0).dx);
}

TEST(Grid, BeyondThePoleIsNothing) {
  const Grid g = geographic(0, 1, 95, 1, 4, 10);
  EXPECT_GE(g.ground(0).dx, 0);
  EXPECT_EQ(g.ground(0).area, 0);
}

TEST(Grid, CentreIsTheMiddleRow) {
  const Grid g = geographic(0, 0.1, 70, 0.1, 4, 100);
  EXPECT_EQ(g.ground().dx, g.ground(50).dx);
  EXPECT_GT(g.ground(99).dx, g.ground(0).dx);
}

TEST(Grid, SameCells) {
  const Grid a = geographic(0, 0.1, 70, 0.1, 100, 100);
  Grid b = a;
  EXPECT_TRUE(a.same_cells(b));
  (*b.affine)[0] += 0.5e-4;  // half a thousandth of a cell
  EXPECT_TRUE(a.same_cells(b));
  (*b.affine)[0] += 1e-3;
  EXPECT_FALSE(a.same_cells(b));
  b = a;
  (*b.affine)[1] *= 1 + 1e-4;  // a hundredth of a cell at the far end
  EXPECT_FALSE(a.same_cells(b));
  b = a;
  b.width = 99;
  EXPECT_FALSE(a.same_cells(b));
  b = a;
  b.crs = "another";
  EXPECT_FALSE(a.same_cells(b));
  b.crs = "";
  EXPECT_TRUE(a.same_cells(b));
  b.affine.reset();
  EXPECT_FALSE(a.same_cells(b));
}

}  // namespace
}  // namespace fulmar
