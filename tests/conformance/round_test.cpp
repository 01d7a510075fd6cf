// SPDX-License-Identifier: Apache-2.0
// Rasters that go round the earth: the first column is the neighbour of the last. Where a raster begins is nobody's
// business, so turning the scene turns the result, for every operator that looks beyond its own cell.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "support/polygons.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() { return tested_registry(); }

/// Operators of the kinds that look around, in all their variants.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& [name, op] : registry().operators()) {
    if (!is_tested(op)) continue;
    const auto kind = op.table().kind;
    if (kind != FULMAR_KIND_FOCAL && kind != FULMAR_KIND_WINDOWED && kind != FULMAR_KIND_RANKED &&
        kind != FULMAR_KIND_LABELLING && kind != FULMAR_KIND_REDUCING && kind != FULMAR_KIND_WHOLE)
      continue;
    for (Case c : variants_of(op)) {
      c.place = Place::global;
      all.push_back(std::move(c));
    }
  }
  return all;
}

class Round : public testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] static Scene scene(std::int64_t width, std::int64_t height) {
    return make_scene(registry(), GetParam(), width, height, 20261124);
  }
  [[nodiscard]] static bool reduces() { return registry().find(GetParam().op)->table().kind == FULMAR_KIND_REDUCING; }
};

TEST_P(Round, AgreeAndTileFree) {
  const Scene s = scene(613, 131);
  SCOPED_TRACE(s.text);
  const Bound oracle(registry(), s);
  const Results expected = oracle.run(reference_budget());
  for (const auto& [w, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {613, 131}, {256, 128}, {97, 61}, {613, 7}, {20, 131}, {600, 131}}) {
    SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
    const Bound bound(registry(), s);
    const Results got = bound.run(budget_of(w, h));
    EXPECT_EQ(difference(expected, got, s.grid.width), "");
    EXPECT_LE(got.report.pool_peak, buffers_of(got.plan));
    std::int64_t read = 0;
    for (const auto& source : bound.graph.sources)
      if (!source->computed() && !source->temporary()) read += dynamic_cast<const MemoryRaster&>(*source).bytes_read();
    EXPECT_EQ(read, got.plan.bytes_read);
  }
}

/// By any number of columns, where sums of the cells are exact wherever they begin.
TEST_P(Round, Rolls) {
  if (reduces()) return;  // numbers of the whole raster are merged in the order of its blocks
  Scene s = scene(612, 131);
  SCOPED_TRACE(s.text);
  for (auto& [path, layers] : s.files)
    for (Layer& l : layers)
      for (float& v : l.values) v = std::round(v * 1024) / 1024;
  const Bound bound(registry(), s);
  for (const fulmar_view& v : bound.graph.nodes.back().views)
    if (v.sampled != 0) return;  // its logarithms have more digits
  const Results expected = bound.run(budget_of(0, 0));
  // Multiples of 12: the cells of one that is a few times as coarse stay together.
  for (const std::int64_t k : {12, 300, 600}) {
    SCOPED_TRACE(std::to_string(k) + " columns");
    EXPECT_EQ(rolled_difference(expected, Bound(registry(), rolled(s, k)).run(budget_of(97, 61)), s.grid, k), "");
  }
}

/// By whole blocks, where a turn is whole blocks: window sums restart at the same cells, so to the bit.
TEST_P(Round, RollsByBlocks) {
  if (reduces()) return;
  const Scene s = scene(2 * block_width, 70);
  SCOPED_TRACE(s.text);
  const Results expected = Bound(registry(), s).run(budget_of(0, 0)),
                got = Bound(registry(), rolled(s, block_width)).run(budget_of(256, 50));
  EXPECT_EQ(rolled_difference(expected, got, s.grid, block_width), "");
}

/// The law is not empty: on a raster that does not go round, turning the scene does show.
TEST_P(Round, TheSeamMatters) {
  if (reduces()) return;
  Scene s = scene(612, 131);
  SCOPED_TRACE(s.text);
  for (auto& [path, c] : s.companions)
    for (std::int64_t y = 40; y < 50; ++y) c.values[static_cast<std::size_t>(y * s.grid.width)] = 1;
  const Bound bound(registry(), s);
  const Node& node = bound.graph.nodes.back();
  std::int64_t looks = node.labels() || !bound.graph.wholes.empty() ? 1 : 0;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) looks += node.halo(i, s.grid).x;
  if (looks == 0) return;
  const Results round = bound.run(budget_of(0, 0));
  s.grid.wraps = false;
  EXPECT_NE(difference(round, Bound(registry(), s).run(budget_of(0, 0)), s.grid.width), "");
}

INSTANTIATE_TEST_SUITE_P(Operators, Round, testing::ValuesIn(cases()),
                         [](const testing::TestParamInfo<Case>& i) { return i.param.label(); });

// ---- objects ----

struct Drawn {
  Grid grid;
  std::vector<float> flags, intensity;
  explicit Drawn(std::int64_t width, std::int64_t height) : grid{make_grid(Place::global, width, height)} {
    flags.resize(static_cast<std::size_t>(width * height));
    intensity.assign(flags.size(), 1);
  }
  void set(std::int64_t x, std::int64_t y, float value = 1) {
    const auto k = static_cast<std::size_t>(y * grid.width + (x % grid.width + grid.width) % grid.width);
    flags[k] = 1, intensity[k] = value;
  }
  [[nodiscard]] FeatureTable objects(const std::string& options, const Budget& budget) const {
    Scene s;
    s.grid = grid;
    s.files["in.tif"] = {Layer{flags, {}, Unit{"flag"}}};
    s.files["i.tif"] = {Layer{intensity, {}, Unit{"1"}}};
    s.text = "in.tif ! objects " + options + " --intensity [ i.tif ] ! o.gpkg";
    return Bound(registry(), s).run(budget).tables.at(0);
  }
};

double value(const FeatureTable& t, std::size_t row, const std::string& name) {
  for (std::size_t k = 0; k < t.columns.size(); ++k)
    if (t.columns[k].name == name) return t.rows.at(row).values[k];
  ADD_FAILURE() << "no column " << name;
  return 0;
}

const std::vector<std::pair<std::int64_t, std::int64_t>> tiles{{0, 0}, {10, 10}, {7, 3}, {60, 1}, {1, 40}};

/// A bar of 6 x 2 cells, four of its columns east of the seam.
TEST(Seam, OneObjectWithItsMeasures) {
  Drawn d{60, 40};
  for (std::int64_t x = -2; x < 4; ++x)
    for (std::int64_t y = 20; y < 22; ++y) d.set(x, y, x >= 0 ? 3 : 1);
  d.set(30, 5);
  Drawn inland{60, 40};  // the same, away from the seam
  for (std::int64_t x = 28; x < 34; ++x)
    for (std::int64_t y = 20; y < 22; ++y) inland.set(x, y, x >= 30 ? 3 : 1);
  const FeatureTable other = inland.objects("", budget_of(0, 0));
  for (const auto& [w, h] : tiles) {
    SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
    const FeatureTable t = d.objects("", budget_of(w, h));
    ASSERT_EQ(t.rows.size(), 2u);
    EXPECT_EQ(value(t, 0, "row"), 5.5);
    EXPECT_EQ(value(t, 1, "cells"), 12);
    for (const char* same : {"area", "length", "width", "heading", "mean", "maximum", "row", "lat", "at_edge"})
      EXPECT_EQ(value(t, 1, same), value(other, 0, same)) << same;
    EXPECT_EQ(value(t, 1, "column"), 1);
    EXPECT_NEAR(value(t, 1, "lon"), -180 + 6, 1e-9);
    // Weights 1, 1, 3, 3, 3, 3 at -1.5, -0.5, 0.5, 1.5, 2.5, 3.5.
    EXPECT_NEAR(value(t, 1, "weighted_column"), (24 - 2) / 14.0, 1e-12);
    EXPECT_EQ(value(t, 1, "box_column"), 58);
    EXPECT_EQ(value(t, 1, "box_width"), 6);
    EXPECT_EQ(value(t, 1, "box_row"), 20);
    // The outline is cut where the raster is: a part on either side.
    ASSERT_EQ(t.rows[1].polygons.size(), 2u);
    EXPECT_EQ(t.rows[1].polygons[0].size(), 1u);
    EXPECT_EQ(filled(t.rows[1].polygons[0]),
              (Cells{{20, 0}, {20, 1}, {20, 2}, {20, 3}, {21, 0}, {21, 1}, {21, 2}, {21, 3}}));
    EXPECT_EQ(filled(t.rows[1].polygons[1]), (Cells{{20, 58}, {20, 59}, {21, 58}, {21, 59}}));
  }
}

TEST(Seam, CornersTouchOverIt) {
  Drawn d{60, 40};
  d.set(59, 10), d.set(60, 11);
  for (const auto& [w, h] : tiles) {
    EXPECT_EQ(d.objects("", budget_of(w, h)).rows.size(), 1u) << w << " x " << h;
    EXPECT_EQ(d.objects("--connectivity 4", budget_of(w, h)).rows.size(), 2u) << w << " x " << h;
  }
}

/// West of the middle of the earth: its centre is in the last column.
TEST(Seam, TheCentreMayLieWest) {
  Drawn d{60, 40};
  for (std::int64_t x = -9; x < 2; ++x) d.set(x, 7);
  const FeatureTable t = d.objects("", budget_of(0, 0));
  ASSERT_EQ(t.rows.size(), 1u);
  EXPECT_EQ(value(t, 0, "column"), 56.5);
  EXPECT_NEAR(value(t, 0, "lon"), -180 + 56.5 * 6, 1e-9);
}

/// A belt has no beginning; it is one object, and its cells are all there.
TEST(Seam, ABeltGoesRound) {
  Drawn d{60, 40};
  for (std::int64_t x = 0; x < 60; ++x) d.set(x, 12), d.set(x, 13);
  for (const auto& [w, h] : tiles) {
    const FeatureTable t = d.objects("", budget_of(w, h));
    ASSERT_EQ(t.rows.size(), 1u);
    EXPECT_EQ(value(t, 0, "cells"), 120);
    EXPECT_EQ(value(t, 0, "box_column"), 0);
    EXPECT_EQ(value(t, 0, "box_width"), 60);
    EXPECT_EQ(value(t, 0, "column"), 30);
    EXPECT_EQ(value(t, 0, "at_edge"), 0);
    EXPECT_EQ(difference(d.objects("", reference_budget()), t), "");
  }
}

/// Combs whose teeth meet over the seam, spirals and noise: what meets where, in any order of tiles.
TEST(Seam, ShapesThatMeetOften) {
  for (int shape = 0; shape < 40; ++shape) {
    SCOPED_TRACE("shape " + std::to_string(shape));
    Drawn d{60, 40};
    std::mt19937 rng(static_cast<std::uint32_t>(shape));
    if (shape < 10) {
      for (std::int64_t y = 1; y < 39; y += 2)
        for (std::int64_t x = -static_cast<std::int64_t>(rng() % 9); x < static_cast<std::int64_t>(rng() % 9); ++x)
          d.set(x, y, static_cast<float>(1 + rng() % 7));
      for (std::int64_t y = 3; y < 30; ++y) d.set(shape % 2 == 0 ? 5 : -5, y);
    } else if (shape < 20) {
      for (std::int64_t i = 0; i < 60 * shape / 6; ++i) d.set(i + shape, 2 + i / 30);
    } else {
      for (int i = 0; i < 400 + 60 * (shape - 20); ++i)
        d.set(static_cast<std::int64_t>(rng() % 60), static_cast<std::int64_t>(rng() % 40),
              static_cast<float>(rng() % 9));
    }
    for (const char* options : {"", "--connectivity 4"}) {
      const FeatureTable expected = d.objects(options, reference_budget());
      for (const auto& [w, h] : tiles)
        EXPECT_EQ(difference(expected, d.objects(options, budget_of(w, h))), "")
            << options << " tiles of " << w << " x " << h;
    }
  }
}

TEST(Seam, AWindowWiderThanTheEarthIsRefused) {
  Scene s;
  s.grid = make_grid(Place::global, 20, 30);
  std::mt19937 rng(1);
  s.files["in.tif"] = {layer_for(Unit{"1"}, s.grid, rng)};
  s.text = "in.tif ! median --window 21px ! out.tif";
  try {
    static_cast<void>(Bound(registry(), s));
    FAIL() << "it was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    EXPECT_NE(e.message().find("round the earth with 20"), std::string::npos) << e.message();
  }
  s.text = "in.tif ! median --window 19px ! out.tif";
  static_cast<void>(Bound(registry(), s).run(budget_of(0, 0)));
}

}  // namespace
}  // namespace fulmar::test
