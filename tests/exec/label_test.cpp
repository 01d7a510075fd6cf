// SPDX-License-Identifier: Apache-2.0
// Connected objects against a flood fill written here, under tilings whose seams cut them hundreds of times.
#include <gtest/gtest.h>

#include <random>

#include "core/error.hpp"
#include "support/polygons.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

struct Mask {
  std::int64_t width, height;
  std::vector<std::uint8_t> set;
  Mask(std::int64_t w, std::int64_t h) : width{w}, height{h}, set(static_cast<std::size_t>(w * h)) {}
  std::uint8_t& at(std::int64_t x, std::int64_t y) { return set[static_cast<std::size_t>(y * width + x)]; }
  [[nodiscard]] bool is_set(std::int64_t x, std::int64_t y) const {
    return x >= 0 && x < width && y >= 0 && y < height && set[static_cast<std::size_t>(y * width + x)] == 1;
  }
};

struct Blob {
  std::int64_t cells = 0;
  double column = 0, row = 0;  // centroid, corners being whole numbers
  Window box;
  bool at_edge = false;
  Cells where;
};

/// Objects in order of their first cells.
std::vector<Blob> flood(const Mask& mask, bool eight) {
  std::vector<Blob> blobs;
  std::vector<char> seen(mask.set.size());
  for (std::int64_t y = 0; y < mask.height; ++y)
    for (std::int64_t x = 0; x < mask.width; ++x) {
      if (!mask.is_set(x, y) || seen[static_cast<std::size_t>(y * mask.width + x)] != 0) continue;
      Blob b;
      std::vector<std::pair<std::int64_t, std::int64_t>> stack{{x, y}};
      seen[static_cast<std::size_t>(y * mask.width + x)] = 1;
      std::int64_t sx = 0, sy = 0;
      while (!stack.empty()) {
        const auto [cx, cy] = stack.back();
        stack.pop_back();
        ++b.cells, sx += cx, sy += cy;
        b.box = hull(b.box, {cx, cy, 1, 1});
        b.where.emplace(cy, cx);
        b.at_edge |= cx == 0 || cy == 0 || cx == mask.width - 1 || cy == mask.height - 1;
        for (std::int64_t j = -1; j <= 1; ++j)
          for (std::int64_t i = -1; i <= 1; ++i) {
            if (!eight && i * j != 0) continue;
            if (!mask.is_set(cx + i, cy + j)) continue;
            auto& s = seen[static_cast<std::size_t>((cy + j) * mask.width + cx + i)];
            if (s == 0) s = 1, stack.emplace_back(cx + i, cy + j);
          }
      }
      b.column = static_cast<double>(sx) / static_cast<double>(b.cells) + 0.5;
      b.row = static_cast<double>(sy) / static_cast<double>(b.cells) + 0.5;
      blobs.push_back(std::move(b));
    }
  return blobs;
}

Graph graph_of(const Mask& mask, const std::string& step, MemoryIo& io) {
  const static Registry registry = builtin_registry();
  const Grid grid = make_grid(Place::metric, mask.width, mask.height);
  auto raster = std::make_shared<MemoryRaster>("mask.tif", grid, Window{0, 0, 37, 11});
  StoredBand band;
  band.dtype = DType::u8;
  band.nodata = 255;
  band.unit = Unit{"flag"};
  raster->add_band(band, mask.set);
  io.rasters["mask.tif"] = raster;
  const std::string text = "mask.tif ! " + step + " ! out.gpkg";
  return make_graph(parse_text(text), text, registry, io, 1);
}

FeatureTable objects(const Mask& mask, bool eight, std::int64_t tile_width, std::int64_t tile_height, int threads = 2) {
  MemoryIo io;
  const Graph graph = graph_of(mask, eight ? "objects" : "objects --connectivity 4", io);
  return run(graph, make_plan(graph, budget_of(tile_width, tile_height, threads)), io, {}).tables.at(0);
}

double value(const FeatureTable& t, std::size_t row, const char* name) {
  for (std::size_t k = 0; k < t.columns.size(); ++k)
    if (t.columns[k].name == name) return t.rows[row].values[k];
  ADD_FAILURE() << "no column " << name;
  return 0;
}

void expect_blobs(const FeatureTable& t, const std::vector<Blob>& blobs) {
  ASSERT_EQ(t.rows.size(), blobs.size());
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    SCOPED_TRACE("object " + std::to_string(i + 1));
    const Blob& b = blobs[i];
    ASSERT_EQ(value(t, i, "id"), static_cast<double>(i + 1));
    ASSERT_EQ(value(t, i, "cells"), static_cast<double>(b.cells));
    ASSERT_EQ(value(t, i, "area"), static_cast<double>(b.cells) * 1e4);
    ASSERT_DOUBLE_EQ(value(t, i, "column"), b.column);
    ASSERT_DOUBLE_EQ(value(t, i, "row"), b.row);
    ASSERT_EQ(value(t, i, "box_column"), static_cast<double>(b.box.x));
    ASSERT_EQ(value(t, i, "box_row"), static_cast<double>(b.box.y));
    ASSERT_EQ(value(t, i, "box_width"), static_cast<double>(b.box.width));
    ASSERT_EQ(value(t, i, "box_height"), static_cast<double>(b.box.height));
    ASSERT_EQ(value(t, i, "at_edge"), b.at_edge ? 1 : 0);
    Cells all;
    for (const Polygon& p : t.rows[i].polygons)
      for (const auto& c : filled(p)) ASSERT_TRUE(all.insert(c).second);
    ASSERT_EQ(all, b.where);
  }
}

void check(const Mask& mask, const std::vector<std::pair<std::int64_t, std::int64_t>>& tiles) {
  for (const bool eight : {true, false}) {
    SCOPED_TRACE(eight ? "8" : "4");
    const auto blobs = flood(mask, eight);
    const FeatureTable whole = objects(mask, eight, mask.width, mask.height);
    expect_blobs(whole, blobs);
    for (const auto& [w, h] : tiles) {
      SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
      EXPECT_EQ(difference(whole, objects(mask, eight, w, h)), "");
    }
  }
}

std::vector<std::pair<std::int64_t, std::int64_t>> many_tilings(const Mask& m) {
  return {{256, 256},    {97, 61},      {m.width, 1},
          {1, m.height}, {13, 7},       {2, 3},
          {m.width, 5},  {5, m.height}, {m.width - 1, m.height - 1}};
}

TEST(Labels, RandomMasks) {
  for (const double density : {0.01, 0.1, 0.3, 0.41, 0.5, 0.59, 0.7, 0.9}) {
    SCOPED_TRACE(density);
    std::mt19937 rng(41);
    std::uniform_real_distribution<double> u;
    Mask m(131, 89);
    for (auto& c : m.set) c = u(rng) < density ? 1 : u(rng) < 0.02 ? 255 : 0;
    check(m, many_tilings(m));
  }
}

TEST(Labels, RandomMasksOverSeveralBlocks) {
  for (const double density : {0.02, 0.4}) {
    std::mt19937 rng(42);
    std::uniform_real_distribution<double> u;
    Mask m(1100, 530);
    for (auto& c : m.set) c = u(rng) < density ? 1 : 0;
    check(m, {{256, 256}, {97, 61}, {512, 256}, {700, 300}});
  }
}

TEST(Labels, ASpiral) {
  Mask m(201, 203);
  std::int64_t x = 0, y = 0, dx = 1, dy = 0;
  m.at(0, 0) = 1;
  for (std::int64_t turns = 0; turns < 2;) {  // one cell wide, one cell apart, inwards until it cannot go on
    const std::int64_t nx = x + dx, ny = y + dy;
    const bool free =
        nx >= 0 && nx < m.width && ny >= 0 && ny < m.height && !m.is_set(nx, ny) && !m.is_set(nx + dx, ny + dy);
    if (free) {
      x = nx, y = ny, turns = 0;
      m.at(x, y) = 1;
    } else {
      const auto old = dx;
      dx = -dy, dy = old, ++turns;
    }
  }
  EXPECT_EQ(flood(m, false).size(), 1u);
  EXPECT_GT(flood(m, false)[0].cells, 18000);
  check(m, many_tilings(m));
}

TEST(Labels, CombsThatInterlock) {
  Mask m(160, 121);
  for (std::int64_t x = 0; x < m.width; ++x)
    for (std::int64_t y = 0; y < m.height; ++y) {
      if (y == 0 || (x % 4 == 0 && y < m.height - 2)) m.at(x, y) = 1;  // hangs from the top
      if (y == m.height - 1 || (x % 4 == 2 && y > 1)) m.at(x, y) = 1;  // stands on the bottom
    }
  EXPECT_EQ(flood(m, true).size(), 2u);
  check(m, many_tilings(m));
}

TEST(Labels, CombsOnTheirSide) {
  Mask m(121, 160);
  for (std::int64_t y = 0; y < m.height; ++y)
    for (std::int64_t x = 0; x < m.width; ++x) {
      if (x == m.width - 1 || (y % 2 == 0 && y % 4 == 0 && x > 1)) m.at(x, y) = 1;
      if (x == 0 || (y % 4 == 2 && x < m.width - 2)) m.at(x, y) = 1;
    }
  EXPECT_EQ(flood(m, true).size(), 2u);
  check(m, many_tilings(m));
}

TEST(Labels, DiagonalsMeetAtCornersOnly) {
  for (const bool falling : {true, false}) {
    Mask m(128, 128);
    for (std::int64_t i = 0; i < 128; ++i) m.at(i, falling ? i : 127 - i) = 1;
    EXPECT_EQ(flood(m, true).size(), 1u);
    EXPECT_EQ(flood(m, false).size(), 128u);
    check(m, {{16, 16}, {32, 32}, {1, 128}, {128, 1}, {17, 31}, {1, 1}});  // seams pass exactly through the corners
  }
}

TEST(Labels, ACheckerboardIsOneByCornersAndManyByEdges) {
  Mask m(40, 40);
  for (std::int64_t y = 0; y < 40; ++y)
    for (std::int64_t x = 0; x < 40; ++x) m.at(x, y) = (x + y) % 2 == 0 ? 1 : 0;
  EXPECT_EQ(flood(m, true).size(), 1u);
  EXPECT_EQ(flood(m, false).size(), 800u);
  check(m, many_tilings(m));
}

TEST(Labels, JoinsLateFromTheRight) {
  // A fork whose prongs lie in the first column of tiles and meet far to the right: the column's end must not close
  // them.
  Mask m(300, 60);
  for (std::int64_t y = 0; y < 60; y += 2)
    for (std::int64_t x = 0; x < 300; ++x) m.at(x, y) = 1;
  for (std::int64_t y = 0; y < 60; ++y) m.at(299, y) = 1;
  EXPECT_EQ(flood(m, false).size(), 1u);
  check(m, {{10, 10}, {50, 60}, {299, 7}, {299, 60}, {1, 60}});
}

TEST(Labels, EverythingAndNothing) {
  Mask m(97, 61);
  check(m, many_tilings(m));
  for (auto& c : m.set) c = 1;
  check(m, many_tilings(m));
}

TEST(Labels, MissingCellsBelongToNothing) {
  Mask m(30, 30);
  for (auto& c : m.set) c = 255;
  m.at(3, 3) = m.at(5, 3) = 1;
  const auto t = objects(m, true, 7, 7);
  ASSERT_EQ(t.rows.size(), 2u);
  EXPECT_EQ(value(t, 0, "cells"), 1);
}

TEST(Labels, KeepsOnlyWhatIsLargeEnough) {
  Mask m(60, 60);
  for (std::int64_t i = 0; i < 5; ++i) m.at(10 + i, 10) = 1;  // 5 x 1: 500 m long, 100 m wide
  m.at(30, 30) = m.at(31, 30) = 1;
  for (std::int64_t i = 0; i < 20; ++i) m.at(5 + i, 50) = 1;
  const auto kept = [&](const std::string& step) {
    MemoryIo io;
    const Graph graph = graph_of(m, step, io);
    std::vector<double> cells;
    const auto t = run(graph, make_plan(graph, budget_of(8, 8)), io, {}).tables.at(0);
    for (std::size_t i = 0; i < t.rows.size(); ++i) {
      cells.push_back(value(t, i, "cells"));
      EXPECT_EQ(value(t, i, "id"), static_cast<double>(i + 1)) << "numbers have no gaps";
    }
    return cells;
  };
  EXPECT_EQ(kept("objects"), (std::vector<double>{5, 2, 20}));
  EXPECT_EQ(kept("objects --min-area 50000"), (std::vector<double>{5, 20}));
  EXPECT_EQ(kept("objects --min-area 50001"), (std::vector<double>{20}));
  EXPECT_EQ(kept("objects --min-size 300"), (std::vector<double>{5, 20}));
  EXPECT_EQ(kept("objects --max-size 600"), (std::vector<double>{5, 2}));
  EXPECT_EQ(kept("objects --min-size 300 --max-size 600"), (std::vector<double>{5}));
}

TEST(Labels, MoreObjectsThanMemoryIsAnErrorWithACure) {
  Mask m(3000, 300);
  for (std::int64_t y = 0; y < m.height; y += 2)
    for (std::int64_t x = 0; x < m.width; x += 2) m.at(x, y) = 1;
  MemoryIo io;
  const Graph graph = graph_of(m, "objects", io);
  Budget b = budget_of(0, 0, 1);
  b.memory = std::int64_t{190} << 20;
  try {
    run(graph, make_plan(graph, b), io, {});
    FAIL() << "225000 objects fitted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::runtime);
    EXPECT_NE(e.message().find("--min-area"), std::string::npos) << e.what();
    EXPECT_NE(e.message().find("--memory"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace fulmar::test
