// SPDX-License-Identifier: Apache-2.0
#include "exec/outline.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <tuple>

#include "support/polygons.hpp"

#ifdef FULMAR_HAS_GEOS
#include <geos_c.h>
#endif

namespace fulmar {
namespace {

using test::Cells;
using test::filled;
using test::twice_area;

Cells drawn(const std::vector<std::string>& picture) {
  Cells c;
  for (std::size_t y = 0; y < picture.size(); ++y)
    for (std::size_t x = 0; x < picture[y].size(); ++x)
      if (picture[y][x] == '#') c.emplace(static_cast<std::int64_t>(y), static_cast<std::int64_t>(x));
  return c;
}

std::vector<Run> runs_of(const Cells& cells) {
  std::vector<Run> runs;
  for (const auto& [y, x] : cells)
    if (!runs.empty() && runs.back().y == y && runs.back().x1 == x)
      ++runs.back().x1;
    else
      runs.push_back({y, x, x + 1});
  return runs;
}

/// Every lattice point that the ring passes.
std::vector<std::pair<std::int64_t, std::int64_t>> points_of(const Ring& r) {
  std::vector<std::pair<std::int64_t, std::int64_t>> points;
  for (std::size_t i = 0; i < r.size(); ++i) {
    Corner p = r[i];
    const Corner& q = r[(i + 1) % r.size()];
    while (!(p == q)) {
      points.emplace_back(p.row, p.column);
      p.column += (q.column > p.column) - (q.column < p.column);
      p.row += (q.row > p.row) - (q.row < p.row);
    }
  }
  return points;
}

std::size_t pieces_by_edge(Cells cells) {
  std::size_t pieces = 0;
  while (!cells.empty()) {
    ++pieces;
    std::vector<std::pair<std::int64_t, std::int64_t>> front{*cells.begin()};
    cells.erase(cells.begin());
    while (!front.empty()) {
      const auto [y, x] = front.back();
      front.pop_back();
      for (const auto& next : {std::pair{y - 1, x}, {y + 1, x}, {y, x - 1}, {y, x + 1}})
        if (cells.erase(next) > 0) front.push_back(next);
    }
  }
  return pieces;
}

void expect_valid_by_geos([[maybe_unused]] const Polygon& polygon) {
#ifdef FULMAR_HAS_GEOS
  std::string wkt = "POLYGON(";
  for (const Ring& r : polygon) {
    wkt += wkt.back() == '(' ? "(" : ",(";
    for (std::size_t i = 0; i <= r.size(); ++i)
      wkt += (i > 0 ? "," : "") + std::to_string(r[i % r.size()].column) + " " + std::to_string(r[i % r.size()].row);
    wkt += ")";
  }
  wkt += ")";
  const GEOSContextHandle_t geos = GEOS_init_r();
  GEOSWKTReader* reader = GEOSWKTReader_create_r(geos);
  GEOSGeometry* geometry = GEOSWKTReader_read_r(geos, reader, wkt.c_str());
  ASSERT_NE(geometry, nullptr) << wkt;
  char* reason = GEOSisValidReason_r(geos, geometry);
  EXPECT_STREQ(reason, "Valid Geometry") << wkt;
  GEOSFree_r(geos, reason);
  GEOSGeom_destroy_r(geos, geometry);
  GEOSWKTReader_destroy_r(geos, reader);
  GEOS_finish_r(geos);
#endif
}

/// Everything that outlines() promises.
std::vector<Polygon> check(const Cells& cells) {
  const std::vector<Polygon> polygons = outlines(runs_of(cells));
  std::int64_t area = 0;
  Cells all;
  for (const Polygon& polygon : polygons) {
    EXPECT_FALSE(polygon.empty());
    for (std::size_t i = 0; i < polygon.size(); ++i) {
      const Ring& r = polygon[i];
      EXPECT_GE(r.size(), 4u);
      EXPECT_EQ(twice_area(r) > 0, i == 0) << "the shell is clockwise and first, holes are the other way round";
      area += twice_area(r);
      auto points = points_of(r);
      const auto length = points.size();
      std::sort(points.begin(), points.end());
      points.erase(std::unique(points.begin(), points.end()), points.end());
      EXPECT_EQ(points.size(), length) << "a ring touches itself";
      for (std::size_t k = 0; k < r.size(); ++k) {  // every corner turns
        const Corner &a = r[k], &b = r[(k + 1) % r.size()], &c = r[(k + 2) % r.size()];
        EXPECT_TRUE((a.row == b.row) != (a.column == b.column));
        EXPECT_TRUE((a.row == b.row) != (b.row == c.row));
      }
    }
    const Cells inside = filled(polygon);
    EXPECT_EQ(pieces_by_edge(inside), 1u);
    for (const auto& c : inside) EXPECT_TRUE(all.insert(c).second) << "two polygons overlap";
    expect_valid_by_geos(polygon);
  }
  EXPECT_EQ(area, 2 * static_cast<std::int64_t>(cells.size()));
  EXPECT_EQ(all, cells);
  EXPECT_EQ(polygons.size(), pieces_by_edge(cells));
  return polygons;
}

TEST(Outlines, OfNothing) { EXPECT_TRUE(outlines({}).empty()); }

TEST(Outlines, OneCellIsClockwise) {
  const auto p = check(drawn({"#"}));
  ASSERT_EQ(p.size(), 1u);
  EXPECT_EQ(p[0], (Polygon{{{0, 0}, {1, 0}, {1, 1}, {0, 1}}}));
}

TEST(Outlines, ABarHasFourCorners) {
  const auto p = check(drawn({"....", ".###", ".###"}));
  ASSERT_EQ(p.size(), 1u);
  EXPECT_EQ(p[0][0].size(), 4u);
}

TEST(Outlines, CornersThatTouchMakeTwoPolygons) {
  EXPECT_EQ(check(drawn({"#.", ".#"})).size(), 2u);
  EXPECT_EQ(check(drawn({".#", "#."})).size(), 2u);
  EXPECT_EQ(check(drawn({"##..", "##..", "..##", "..##"})).size(), 2u);
}

TEST(Outlines, AHole) {
  const auto p = check(drawn({"###", "#.#", "###"}));
  ASSERT_EQ(p.size(), 1u);
  EXPECT_EQ(p[0].size(), 2u);
}

TEST(Outlines, TwoHolesThatTouchAtACorner) {
  const auto p = check(drawn({"####", "#.##", "##.#", "####"}));
  ASSERT_EQ(p.size(), 1u);
  EXPECT_EQ(p[0].size(), 3u);
}

TEST(Outlines, ACClosesOnItselfAtACorner) {
  // The hole touches the shell in one point.
  const auto p = check(drawn({"###", "#.#", "##.", "###"}));
  ASSERT_EQ(p.size(), 1u);
  EXPECT_EQ(p[0].size(), 2u);
  check(drawn({".##", "#.#", "###"}));
  check(drawn({"##.", "#.#", "###"}));
  check(drawn({"###", "#.#", ".##"}));
  check(drawn({"###", "#.#", "##."}));
  check(drawn({"#####", "#...#", "#.#.#", "#..##", "###.#", "#####"}));
}

TEST(Outlines, AnIslandInALake) {
  const auto p = check(drawn({"#####", "#...#", "#.#.#", "#...#", "#####"}));
  ASSERT_EQ(p.size(), 2u);
  EXPECT_EQ(p[0].size() + p[1].size(), 3u);
}

TEST(Outlines, ALakeInAnIslandInALake) {
  check(drawn({"#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######"}));
}

TEST(Outlines, ACheckerboardOfHoles) {
  Cells cells;
  for (std::int64_t y = 0; y < 21; ++y)
    for (std::int64_t x = 0; x < 21; ++x)
      if (y % 20 == 0 || x % 20 == 0 || (x + y) % 2 == 0 || x % 2 == 0) cells.emplace(y, x);
  check(cells);
}

TEST(Outlines, RandomMasks) {
  std::mt19937 rng(31);
  for (const double density : {0.02, 0.2, 0.4, 0.5, 0.59, 0.7, 0.9, 0.98})
    for (int round = 0; round < 25; ++round) {
      SCOPED_TRACE(testing::Message() << "density " << density << ", round " << round);
      std::uniform_real_distribution<double> u;
      Cells cells;
      const std::int64_t w = 1 + static_cast<std::int64_t>(rng() % 40), h = 1 + static_cast<std::int64_t>(rng() % 40);
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x)
          if (u(rng) < density) cells.emplace(y, x);
      check(cells);
    }
}

TEST(Outlines, FarFromTheFirstCell) {
  Cells cells;
  for (const auto& [y, x] : drawn({"###", "#.#", "###"})) cells.emplace(y + 90000, x + 80000);
  check(cells);
}

}  // namespace
}  // namespace fulmar
