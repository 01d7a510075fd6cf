// SPDX-License-Identifier: Apache-2.0
// Pipelines that change their grid on the way: of what is read, of what is computed, of two rasters that meet.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

struct Chain {
  const char* name;
  const char* text;
};
void PrintTo(const Chain& c, std::ostream* out) { *out << c.text; }

Scene scene_of(const std::string& text, std::int64_t width, std::int64_t height) {
  Scene s;
  s.grid = make_grid(Place::metric, width, height);
  s.text = text;
  std::mt19937 rng(4712);
  s.files["in.tif"] = {layer_for(Unit{"1"}, s.grid, rng)};
  s.files["other.tif"] = {layer_for(Unit{"1"}, s.grid, rng)};
  s.grids["other.tif"] = shifted(s.grid);
  return s;
}

class Warps : public testing::TestWithParam<Chain> {};

TEST_P(Warps, AgreeAndTileFree) {
  const Scene s = scene_of(GetParam().text, 613, 331);
  SCOPED_TRACE(s.text);
  const Bound bound(registry(), s, false);
  const Results expected = bound.run(reference_budget());
  for (const auto& [tw, th] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0}, {256, 256}, {97, 61}, {1024, 1}, {40, 2000}}) {
    SCOPED_TRACE("tiles of " + std::to_string(tw) + " x " + std::to_string(th));
    const Results got = bound.run(budget_of(tw, th));
    EXPECT_EQ(difference(expected, got, 613), "");
  }
  for (const int threads : {1, 3}) EXPECT_EQ(difference(expected, bound.run(budget_of(128, 128, threads)), 613), "");
  for (const auto& table : expected.tables) EXPECT_GT(table.rows.size(), 5u);
  for (const auto& [path, bands] : expected.rasters)
    for (const auto& band : bands)
      EXPECT_GT(std::count_if(band.begin(), band.end(), [](float v) { return !is_missing(v) && v != 255; }),
                static_cast<std::ptrdiff_t>(band.size() / 4))
          << path;
}

TEST_P(Warps, Sizes) {
  for (const auto& [w, h] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{60, 40}, {33, 31}, {513, 30}, {25, 257}}) {
    const Scene s = scene_of(GetParam().text, w, h);
    SCOPED_TRACE(s.text + "  " + std::to_string(w) + " x " + std::to_string(h));
    const Bound bound(registry(), s, false);
    EXPECT_EQ(difference(bound.run(reference_budget()), bound.run(budget_of(0, 0)), w), "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Warps,
    testing::Values(
        Chain{"read", "in.tif ! warp --resolution 87 ! cfar ! objects ! o.gpkg"},
        Chain{"computed", "in.tif ! expression b1*2 ! warp --resolution 130 --resample average ! out.tif"},
        Chain{"flags", "in.tif ! cfar ! warp --resolution 87 --resample nearest ! out.tif"},
        Chain{"twice", "in.tif ! warp --resolution 87 ! warp --resolution 230 --resample lanczos ! out.tif"},
        Chain{"branches", "in.tif ! [ a.tif ] ! cfar ! [ d.tif ] ! warp --resolution 77 --resample nearest ! w.tif"},
        Chain{"aligned", "in.tif ! cfar ! objects --intensity [ other.tif ! align --to in.tif ] ! o.gpkg"},
        Chain{"both_ways", "other.tif ! decibel ! linear ! align --to in.tif --resample cubic ! decibel ! out.tif"},
        Chain{"mosaic", "in.tif ! mosaic --with [ other.tif ] ! cfar ! [ d.tif ] ! objects ! o.gpkg"},
        Chain{"mosaic_of_computed",
              "in.tif ! expression b1+1 ! mosaic --with [ other.tif ! expression b1+2 ] --resample cubic ! out.tif"}),
    [](const testing::TestParamInfo<Chain>& i) { return std::string{i.param.name}; });

TEST(Warps, WhatIsKeptForAPassIsWarpedAsWhatIsRead) {
  const auto cells = [](const std::string& text) {
    return Bound(registry(), scene_of(text, 300, 200), false).run(budget_of(128, 128)).rasters.at("out.tif");
  };
  for (const char* method : {"nearest", "bilinear", "cubic", "lanczos", "average"}) {
    const std::string warp = std::string{" ! warp --resolution 133 --resample "} + method + " ! out.tif";
    const auto read = cells("in.tif" + warp), kept = cells("in.tif ! expression b1" + warp);
    ASSERT_EQ(read.front().size(), kept.front().size());
    for (std::size_t i = 0; i < read.front().size(); ++i)
      ASSERT_TRUE(same_bits(read.front()[i], kept.front()[i])) << method << " " << i;
  }
}

TEST(Warps, MemoryIsPlannedForEveryThread) {
  const Bound bound(registry(), scene_of("in.tif ! warp --resolution 87 ! out.tif", 300, 200), false);
  const auto one = make_plan(bound.graph, budget_of(0, 0, 1)), four = make_plan(bound.graph, budget_of(0, 0, 4));
  const std::int64_t each = (four.decoder_bytes - one.decoder_bytes) / 3;
  EXPECT_GT(each, std::int64_t{2} << 20);
  EXPECT_LT(each, std::int64_t{16} << 20);
  EXPECT_NE(explain(bound.graph, one).find("warp         in.tif on another grid band 1"), std::string::npos)
      << explain(bound.graph, one);
}

}  // namespace
}  // namespace fulmar::test
