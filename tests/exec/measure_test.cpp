// SPDX-License-Identifier: Apache-2.0
#include "exec/measure.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "support/scene.hpp"

namespace fulmar::test {
namespace {

using Runs = std::vector<fulmar::Run>;
constexpr double degree = std::numbers::pi / 180;

Grid cells_of(double dx, double dy) {
  Grid g = make_grid(Place::metric, 400, 400);
  g.affine = {0, dx, 0, 0, 0, -dy};
  return g;
}

Runs bar(std::int64_t x, std::int64_t y, std::int64_t w, std::int64_t h) {
  Runs runs;
  for (std::int64_t j = 0; j < h; ++j) runs.push_back({y + j, x, x + w});
  return runs;
}

/// Cells whose centres lie in a bar turned by an angle, clockwise on the raster.
Runs turned_bar(double length, double width, double angle, double cx = 200.3, double cy = 199.8) {
  Runs runs;
  for (std::int64_t y = 0; y < 400; ++y)
    for (std::int64_t x = 0; x < 400; ++x) {
      const double u = static_cast<double>(x) + 0.5 - cx, v = static_cast<double>(y) + 0.5 - cy;
      const double along = u * std::cos(angle * degree) + v * std::sin(angle * degree);
      const double across = -u * std::sin(angle * degree) + v * std::cos(angle * degree);
      if (std::abs(along) >= length / 2 || std::abs(across) >= width / 2) continue;
      if (!runs.empty() && runs.back().y == y && runs.back().x1 == x)
        ++runs.back().x1;
      else
        runs.push_back({y, x, x + 1});
    }
  return runs;
}

TEST(Shape, ABarOfWholeCellsHasItsTrueSides) {
  for (const auto& [dx, dy] : {std::pair{1.0, 1.0}, {10.0, 10.0}, {84.0, 111.0}})
    for (std::int64_t n = 1; n <= 40; n += 3)
      for (std::int64_t m = 1; m <= n; m += 2) {
        const Grid g = cells_of(dx, dy);
        const auto lying = shape_of(bar(17, 301, n, m), g);
        const double a = static_cast<double>(n) * dx, b = static_cast<double>(m) * dy;
        EXPECT_NEAR(lying.length, std::max(a, b), 1e-9 * a) << n << " x " << m;
        EXPECT_NEAR(lying.width, std::min(a, b), 1e-9 * a) << n << " x " << m;
        EXPECT_DOUBLE_EQ(lying.area, a * b);
        EXPECT_DOUBLE_EQ(lying.column, 17 + static_cast<double>(n) / 2);
        EXPECT_DOUBLE_EQ(lying.row, 301 + static_cast<double>(m) / 2);
        EXPECT_EQ(lying.box, (Window{17, 301, n, m}));
        const auto standing = shape_of(bar(17, 301, m, n), g);
        EXPECT_NEAR(standing.length, std::max(static_cast<double>(n) * dy, static_cast<double>(m) * dx), 1e-9 * a);
        EXPECT_NEAR(std::abs(lying.axis_column), a >= b ? 1 : 0, 1e-12);
        if (n > m) {
          EXPECT_NEAR(std::abs(standing.axis_row), 1, 1e-12);
        }
      }
}

TEST(Shape, ABarAtAnyAngleKeepsItsSides) {
  const Grid g = cells_of(10, 10);
  for (double angle = 0; angle < 180; angle += 15) {
    SCOPED_TRACE(angle);
    const auto s = shape_of(turned_bar(40, 10, angle), g);
    EXPECT_NEAR(s.length, 400, 0.03 * 400);
    EXPECT_NEAR(s.width, 100, 0.05 * 100);
    EXPECT_NEAR(s.column, 200.3, 0.5);
    EXPECT_NEAR(s.row, 199.8, 0.5);
    double found = std::atan2(s.axis_row, s.axis_column) / degree;
    while (found - angle > 90) found -= 180;
    while (found - angle < -90) found += 180;
    EXPECT_NEAR(found, angle, 1.0);
  }
}

TEST(Shape, MatchesThePrintedExample) {
  // operators.md 2.2: a 40 x 10 bar at 30 degrees.
  const auto s = shape_of(turned_bar(40, 10, 30), cells_of(1, 1));
  EXPECT_NEAR(s.length, 40, 1.2);
  EXPECT_NEAR(s.width, 10, 0.3);
}

TEST(Shape, CellsThatAreNotSquareAreMeasuredOnTheGround) {
  // The same bar on the ground, at 45 degrees, on cells of 20 x 10 m.
  Runs runs;
  for (std::int64_t y = 0; y < 400; ++y)
    for (std::int64_t x = 0; x < 400; ++x) {
      const double u = (static_cast<double>(x) + 0.5 - 100) * 20, v = (static_cast<double>(y) + 0.5 - 200) * 10;
      if (std::abs(u + v) >= 800 * std::numbers::sqrt2 / 2 || std::abs(u - v) >= 200 * std::numbers::sqrt2 / 2)
        continue;
      runs.push_back({y, x, x + 1});
    }
  const auto s = shape_of(runs, cells_of(20, 10));
  EXPECT_NEAR(s.length, 800, 0.03 * 800);
  EXPECT_NEAR(s.width, 200, 0.05 * 200);
}

TEST(Shape, WithoutAGroundLengthsAreInCells) {
  Grid g;
  g.width = g.height = 100;
  const auto s = shape_of(bar(3, 4, 12, 5), g);
  EXPECT_NEAR(s.length, 12, 1e-9);
  EXPECT_NEAR(s.width, 5, 1e-9);
  EXPECT_EQ(s.area, 60);
}

TEST(Shape, FarFromTheFirstCellNothingIsLost) {
  Grid g = cells_of(1, 1);
  g.width = g.height = 2000000;
  const auto near = shape_of(bar(0, 0, 13, 4), g), far = shape_of(bar(1900000, 1900000, 13, 4), g);
  EXPECT_EQ(near.length, far.length);
  EXPECT_EQ(near.width, far.width);
}

TEST(Shape, AreaOnAGeographicGridIsTheEllipsoids) {
  Grid g = make_grid(Place::geographic, 400, 4000);
  const auto runs = bar(50, 700, 100, 2000);
  double lon_span = 100 * 0.0015 * degree;
  const auto zone = [](double latitude) {  // from the equator, one radian wide: Snyder (1987), eq. 3-12
    const double e2 = 0.00669437999014, e = std::sqrt(e2), a = 6378137.0, s = std::sin(latitude * degree);
    const double q = (1 - e2) * (s / (1 - e2 * s * s) - 1 / (2 * e) * std::log((1 - e * s) / (1 + e * s)));
    return a * a * q / 2;
  };
  const double expected = lon_span * (zone(60.2 - 0.7) - zone(60.2 - 2.7));
  EXPECT_NEAR(shape_of(runs, g).area / expected, 1, 1e-9);
}

// ---- through the pipeline ----

struct Reported {
  FeatureTable table;
  double operator()(const char* name, std::size_t row = 0) const {
    for (std::size_t k = 0; k < table.columns.size(); ++k)
      if (table.columns[k].name == name) return table.rows.at(row).values[k];
    ADD_FAILURE() << "no column " << name;
    return 0;
  }
};

Reported report(const Grid& grid, const Runs& runs, const std::vector<float>& intensity,
                const std::vector<float>& background) {
  static const Registry registry = builtin_registry();
  MemoryIo io;
  std::vector<float> set(static_cast<std::size_t>(grid.width * grid.height));
  for (const fulmar::Run& r : runs)
    for (std::int64_t x = r.x0; x < r.x1; ++x) set[static_cast<std::size_t>(r.y * grid.width + x)] = 1;
  io.rasters["set.tif"] = one_band("set.tif", grid, set, Unit{"flag"});
  std::string text = "set.tif ! objects";
  if (!intensity.empty()) {
    io.rasters["i.tif"] = one_band("i.tif", grid, intensity);
    text += " --intensity [ i.tif ]";
  }
  if (!background.empty()) {
    io.rasters["b.tif"] = one_band("b.tif", grid, background);
    text += " --background [ b.tif ]";
  }
  text += " ! out.gpkg";
  const Graph graph = make_graph(parse_text(text), text, registry, io, 1);
  Reported whole{run(graph, make_plan(graph, budget_of(0, 0)), io, {}).tables.at(0)};
  Reported tiled{run(graph, make_plan(graph, budget_of(7, 5)), io, {}).tables.at(0)};
  EXPECT_EQ(difference(whole.table, tiled.table), "");
  return whole;
}

TEST(Objects, MeanMaximumContrastAndWeightedCentroid) {
  const Grid g = make_grid(Place::metric, 60, 50);
  std::vector<float> i(3000, 0.5f), b(3000, 0.25f);
  double total = 0, wx = 0, wy = 0;
  for (std::int64_t y = 20; y < 23; ++y)
    for (std::int64_t x = 30; x < 37; ++x) {
      const float v = static_cast<float>(x - 29) * static_cast<float>(y - 18);
      i[static_cast<std::size_t>(y * 60 + x)] = v;
      total += v, wx += v * (static_cast<double>(x) + 0.5), wy += v * (static_cast<double>(y) + 0.5);
    }
  const auto r = report(g, bar(30, 20, 7, 3), i, b);
  EXPECT_EQ(r("mean"), total / 21);
  EXPECT_EQ(r("maximum"), 28);
  EXPECT_EQ(r("background"), 0.25);
  EXPECT_NEAR(r("contrast"), 10 * std::log10(total / 21 / 0.25), 1e-12);
  EXPECT_NEAR(r("weighted_column"), wx / total, 1e-12);
  EXPECT_NEAR(r("weighted_row"), wy / total, 1e-12);
  EXPECT_EQ(r("column"), 33.5);
  EXPECT_EQ(r("row"), 21.5);
  EXPECT_EQ(r("at_edge"), 0);
  EXPECT_EQ(r("at_mask"), 0);
  EXPECT_TRUE(std::isnan(r("lon")));
  EXPECT_TRUE(std::isnan(r("heading")));
}

TEST(Objects, WhatIsNotMeasuredIsMissing) {
  const auto r = report(make_grid(Place::metric, 60, 50), bar(30, 20, 7, 3), {}, {});
  for (const char* name : {"mean", "maximum", "background", "contrast", "weighted_column", "weighted_row"})
    EXPECT_TRUE(std::isnan(r(name))) << name;
  EXPECT_TRUE(std::isnan(r("at_mask"))) << "nobody looked around";
}

TEST(Objects, GapsInsideAnObjectLeaveItsMean) {
  std::vector<float> i(3000, 2);
  i[20 * 60 + 31] = missing<float>;
  i[20 * 60 + 32] = 4;
  const auto r = report(make_grid(Place::metric, 60, 50), bar(30, 20, 4, 1), i, {});
  EXPECT_EQ(r("cells"), 4);
  EXPECT_DOUBLE_EQ(r("mean"), 8.0 / 3);
  EXPECT_EQ(r("at_mask"), 1);
}

TEST(Objects, AtEdgeOnEverySide) {
  const Grid g = make_grid(Place::metric, 60, 50);
  EXPECT_EQ(report(g, bar(0, 20, 2, 2), {}, {})("at_edge"), 1);
  EXPECT_EQ(report(g, bar(58, 20, 2, 2), {}, {})("at_edge"), 1);
  EXPECT_EQ(report(g, bar(20, 0, 2, 2), {}, {})("at_edge"), 1);
  EXPECT_EQ(report(g, bar(20, 48, 2, 2), {}, {})("at_edge"), 1);
  EXPECT_EQ(report(g, bar(1, 1, 58, 48), {}, {})("at_edge"), 0);
}

TEST(Objects, AtMaskIsAGapBesideTheObjectCornersIncluded) {
  const Grid g = make_grid(Place::metric, 60, 50);
  for (std::int64_t y = 18; y <= 24; ++y)
    for (std::int64_t x = 28; x <= 36; ++x) {
      std::vector<float> i(3000, 1);
      i[static_cast<std::size_t>(y * 60 + x)] = missing<float>;
      const bool beside = x >= 29 && x <= 35 && y >= 19 && y <= 23;  // around 30..34, 20..22
      EXPECT_EQ(report(g, bar(30, 20, 5, 3), i, {})("at_mask"), beside ? 1 : 0) << x << "," << y;
    }
  // The raster's edge is no gap.
  EXPECT_EQ(report(g, bar(0, 0, 5, 3), std::vector<float>(3000, 1), {})("at_mask"), 0);
}

TEST(Objects, NegativeIntensityHasNoContrastAndNoWeightedPlace) {
  const auto r = report(make_grid(Place::metric, 60, 50), bar(30, 20, 4, 1), std::vector<float>(3000, -3),
                        std::vector<float>(3000, 1));
  EXPECT_EQ(r("mean"), -3);
  EXPECT_EQ(r("maximum"), -3);
  EXPECT_TRUE(std::isnan(r("contrast")));
  EXPECT_TRUE(std::isnan(r("weighted_column")));
}

TEST(Objects, HeadingIsATrueBearing) {
  const Grid g = make_grid(Place::geographic, 400, 400);
  const auto heading = [&](const Runs& runs) { return report(g, runs, {}, {})("heading"); };
  EXPECT_NEAR(heading(bar(100, 100, 40, 3)), 90, 1e-6);
  const double north = heading(bar(100, 100, 3, 40));
  EXPECT_NEAR(std::min(north, 180 - north), 0, 1e-6);
  // A staircase down to the right: as far in columns as in rows, so its bearing on the ground follows the cells' sides.
  Runs stairs, up;
  for (std::int64_t i = 0; i < 60; ++i)
    stairs.push_back({100 + i, 100 + i, 103 + i}), up.push_back({100 + i, 200 - i, 203 - i});
  const Ground ground = g.ground(130);
  const double expected = std::atan2(ground.dx, ground.dy) / degree;  // east over north
  EXPECT_NEAR(heading(stairs), 180 - expected, 0.1);
  EXPECT_NEAR(heading(up), expected, 0.1);
}

/// A projection whose north is turned.
struct TurnedLocator : Locator {
  [[nodiscard]] std::optional<LonLat> lonlat(double column, double row) const override {
    const double x = column * 10, y = -row * 10;  // metres in the projection
    const double east = x * std::cos(turn * degree) + y * std::sin(turn * degree),
                 north = -x * std::sin(turn * degree) + y * std::cos(turn * degree);
    const double s = std::sin(50 * degree), w = 1 - 0.00669437999014 * s * s;
    return LonLat{5 + east / (6378137 * std::cos(50 * degree) / std::sqrt(w)) / degree,
                  50 + north / (6378137 * (1 - 0.00669437999014) / (w * std::sqrt(w))) / degree};
  }
  double turn = 30;
};

TEST(Objects, HeadingFollowsTheProjectionsNorth) {
  Grid g = make_grid(Place::metric, 400, 400);
  g.affine = {0, 10, 0, 0, 0, -10};
  g.locator = std::make_shared<TurnedLocator>();
  // Along the rows of the raster: east in the projection, turned clockwise by 30 degrees on earth.
  EXPECT_NEAR(report(g, bar(0, 0, 40, 3), {}, {})("heading"), 120, 0.05);
  EXPECT_NEAR(report(g, bar(0, 0, 3, 40), {}, {})("heading"), 30, 0.05);
}

TEST(Objects, HeadingAcrossTheAntimeridian) {
  Grid g = make_grid(Place::geographic, 400, 400);
  struct Wrapping : AffineLocator {
    using AffineLocator::AffineLocator;
    [[nodiscard]] std::optional<LonLat> lonlat(double column, double row) const override {
      LonLat p = *AffineLocator::lonlat(column, row);
      if (p.lon > 180) p.lon -= 360;
      return p;
    }
  };
  g.affine = {179.85, 0.0015, 0, 60.2, 0, -0.001};
  g.locator = std::make_shared<Wrapping>(*g.affine);
  EXPECT_NEAR(report(g, bar(80, 100, 40, 3), {}, {})("heading"), 90, 1e-6);  // centre at exactly 180 degrees
}

TEST(Objects, PlacesAreThoseOfTheCentroids) {
  const Grid g = make_grid(Place::geographic, 60, 50);
  std::vector<float> i(3000, 1);
  const auto r = report(g, bar(30, 20, 7, 3), i, {});
  EXPECT_NEAR(r("lon"), 10 + 33.5 * 0.0015, 1e-12);
  EXPECT_NEAR(r("lat"), 60.2 - 21.5 * 0.001, 1e-12);
  EXPECT_NEAR(r("weighted_lon"), r("lon"), 1e-12);
  EXPECT_NEAR(r("weighted_lat"), r("lat"), 1e-12);
}

}  // namespace
}  // namespace fulmar::test
