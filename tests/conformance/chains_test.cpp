// SPDX-License-Identifier: Apache-2.0
// Chains of operators: one that looks around itself after one that works in whole blocks needs neighbours from other
// blocks, which is where tiles, stages and margins meet. The laws hold for the chain as for its links.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "fulmar/op.hpp"
#include "op/apply.hpp"
#include "support/scene.hpp"

namespace fulmar::ops {

/// Sets what lies within two rows or three columns of a set cell.
struct Dilate {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"dilate", "Widen what is set."}
        .input("detection", units::flag, "What is set.")
        .output("detection", units::flag, "The same, wider.")
        .example("in.tif ! dilate ! out.tif")
        .cites("this test")
        .agrees(exactly);
  }
  FULMAR_HD Box halo() const { return {3, 2}; }
  FULMAR_HD std::uint8_t operator()(Near<std::uint8_t> near) const {
    std::uint8_t any = 0;
    for (std::int64_t j = -2; j <= 2; ++j)
      for (std::int64_t i = -3; i <= 3; ++i) any |= near(i, j) == 1 ? 1 : 0;
    return is_missing(near(0, 0)) ? missing<std::uint8_t> : any;
  }
};

/// Mean of 11 x 7 cells: works in whole blocks.
struct Smooth {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"smooth", "Average the neighbourhood."}
        .input("value", units::any, "The scene.")
        .output("value", units::any, "Its mean over 11 x 7 cells.")
        .example("in.tif ! smooth ! out.tif")
        .cites("this test")
        .agrees(exactly);
  }
  FULMAR_HD Box box() const { return {5, 3}; }
  FULMAR_HD float operator()(float value, Moments m) const {
    return is_missing(value) ? value : static_cast<float>(m.mean());
  }
};

/// A lopsided difference that also knows where it stands.
struct Slope {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"slope", "Take the difference of two neighbours."}
        .input("value", units::any, "The scene.")
        .output("value", units::any, "A difference.")
        .example("in.tif ! slope ! out.tif")
        .cites("this test")
        .agrees(exactly);
  }
  FULMAR_HD Box halo() const { return {4, 9}; }
  FULMAR_HD float operator()(Near<float> near, Here here) const {
    const float a = near(4, -9), b = near(-1, 3), c = near(0, 0);
    const float place =
        static_cast<float>((here.x * 7 + here.y * 13) % 11) * 1e-4f + static_cast<float>(here.dy * 1e-9);
    return is_missing(a) | is_missing(b) ? c : c + (a - b) * 0.25f + place;
  }
};

/// The last bits of window sums. An operator that rounds to f32 hides how its sums came about; this one shows it.
struct Digits {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"digits", "Show the last digits of window sums."}
        .input("value", units::any, "The scene.")
        .output("box", units::any, "Low bits of a box's sums.")
        .output("ring", units::any, "Low bits of a ring's sums.")
        .example("in.tif ! digits ! out.tif")
        .cites("this test")
        .agrees(exactly);
  }
  FULMAR_HD Box box() const { return {2, 6}; }
  FULMAR_HD RingShape ring() const { return {{1, 2}, {9, 4}}; }
  FULMAR_HD static float low(const WindowSums& w) {
    const auto bits = __builtin_bit_cast(std::uint64_t, w.s1) ^ (__builtin_bit_cast(std::uint64_t, w.s2) << 5);
    return static_cast<float>(bits & 0xffffff) + static_cast<float>(w.n) * 0x1p-10f;
  }
  FULMAR_HD Both<float, float> operator()(float value, Moments m, RingMoments r) const {
    return {is_missing(value) ? value : low(m), low(r)};
  }
};

}  // namespace fulmar::ops

namespace fulmar::test {
namespace {

const Registry& registry() {
  static const Registry r = [] {
    static const fulmar_operator* const operators[] = {&op::table_of<ops::Dilate>(), &op::table_of<ops::Smooth>(),
                                                       &op::table_of<ops::Slope>(), &op::table_of<ops::Digits>()};
    static const fulmar_plugin plugin{
        sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "test", "1", "Apache-2.0", "", "", 4, operators};
    Registry made = builtin_registry();
    made.add(plugin);
    return made;
  }();
  return r;
}

struct Chain {
  const char* name;
  const char* text;
  std::size_t stages;
};
void PrintTo(const Chain& c, std::ostream* out) { *out << c.text; }

class Chains : public testing::TestWithParam<Chain> {
 protected:
  static Scene scene(std::int64_t width, std::int64_t height, Place place = Place::metric) {
    Scene s;
    s.grid = make_grid(place, width, height);
    s.text = GetParam().text;
    std::mt19937 rng(4711);
    s.files["in.tif"] = {layer_for(Unit{"1"}, s.grid, rng)};
    s.files["other.tif"] = {layer_for(Unit{"1"}, s.grid, rng)};
    Layer wide = layer_for(Unit{"1"}, s.grid, rng);  // so different in size that every sum rounds
    for (float& v : wide.values) v = std::ldexp(v, static_cast<int>(rng() % 50) - 25);
    s.files["wide.tif"] = {std::move(wide)};
    // The block in the middle has no gap, not even the raster's border: sums without gaps have a way of their own.
    for (auto& [path, layers] : s.files)
      for (std::int64_t y = block_height - 40; y < height; ++y)
        for (std::int64_t x = block_width - 40; x < std::min(width, 2 * block_width + 40); ++x)
          layers[0].valid[static_cast<std::size_t>(y * width + x)] = 255;
    s.companions["coast"] = {true, blobs(s.grid, rng)};
    return s;
  }
};

// One lattice block has 512 x 256 cells: three across, two and a bit down.
constexpr std::int64_t w = 1187, h = 531;

TEST_P(Chains, AgreeAndTileFree) {
  // The last one is the second, on a planet so small that it goes round.
  for (const auto& [place, wraps] :
       {std::pair{Place::metric, false}, {Place::geographic, false}, {Place::geographic, true}}) {
    Scene s = scene(w, h, place);
    s.grid.wraps = wraps;
    SCOPED_TRACE(s.text + (wraps ? "  round" : ""));
    const Bound bound(registry(), s);
    const Results expected = bound.run(reference_budget());
    for (const auto& [tw, th] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {w, h}, {0, 0}, {256, 256}, {97, 61}, {512, 256}, {513, 257}, {40, h}}) {
      SCOPED_TRACE("tiles of " + std::to_string(tw) + " x " + std::to_string(th));
      const Results got = bound.run(budget_of(tw, th));
      EXPECT_EQ(got.plan.stages.size(), GetParam().stages);
      EXPECT_LE(got.report.pool_peak, got.plan.buffer_bytes);
      EXPECT_EQ(difference(expected, got, w), "");
    }
    for (const auto& table : expected.tables) EXPECT_GT(table.rows.size(), 20u);
    if (place == Place::metric) {  // one row at a time, in a scene small enough for it
      Scene small = scene(600, 270);
      const Bound b(registry(), small);
      EXPECT_EQ(difference(b.run(reference_budget()), b.run(budget_of(600, 1)), 600), "") << "tiles of one row";
    }
  }
}

/// Turned by whole blocks, a planet of whole blocks keeps every bit.
TEST_P(Chains, Rolls) {
  constexpr std::int64_t width = 2 * block_width, height = 300;
  Scene s = scene(width, height, Place::geographic);
  s.grid.wraps = true;
  // What else depends on the place of a cell: `slope` adds (7 x) % 11.
  if (s.text.find("slope") != std::string::npos) return;
  SCOPED_TRACE(s.text);
  const Results expected = Bound(registry(), s).run(budget_of(0, 0));
  const Results got = Bound(registry(), rolled(s, block_width)).run(budget_of(97, 61));
  EXPECT_EQ(rolled_difference(expected, got, s.grid, block_width), "");
}

TEST_P(Chains, OrderFree) {
  const Scene s = scene(w, h);
  SCOPED_TRACE(s.text);
  const Bound bound(registry(), s);
  const Results expected = bound.run(budget_of(256, 256, 1));
  for (const int threads : {1, 2, 4, 4})
    EXPECT_EQ(difference(expected, bound.run(budget_of(256, 256, threads)), w), "") << threads;
}

TEST_P(Chains, LeastMemory) {
  const Scene s = scene(w, h);
  SCOPED_TRACE(s.text);
  const Bound bound(registry(), s);
  const Results expected = bound.run(budget_of(0, 0));
  std::int64_t low = 0, high = std::int64_t{2} << 30;
  while (high - low > 1) {
    Budget b = budget_of(0, 0);
    b.memory = low + (high - low) / 2;
    try {
      make_plan(bound.graph, b);
      high = b.memory;
    } catch (const Error&) {
      low = b.memory;
    }
  }
  Budget least = budget_of(0, 0);
  least.memory = high;
  const Results got = bound.run(least);
  EXPECT_LE(got.report.pool_peak, got.plan.buffer_bytes);
  EXPECT_LE(got.plan.peak_bytes + got.plan.feature_bytes, high);
  EXPECT_EQ(difference(expected, got, w), "");
}

TEST_P(Chains, Sizes) {
  for (const auto& [sw, sh] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1},
                                                                                 {1, 40},
                                                                                 {40, 1},
                                                                                 {7, 5},
                                                                                 {512, 256},
                                                                                 {513, 257},
                                                                                 {511, 255},
                                                                                 {1024, 3},
                                                                                 {3, 512},
                                                                                 {1025, 2},
                                                                                 {2, 513}}) {
    const Scene s = scene(sw, sh);
    SCOPED_TRACE(s.text + "  " + std::to_string(sw) + " x " + std::to_string(sh));
    const Bound bound(registry(), s);
    EXPECT_EQ(difference(bound.run(reference_budget()), bound.run(budget_of(0, 0)), sw), "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Chains,
    testing::Values(
        Chain{"detect_widen_objects", "in.tif ! cfar ! [ d.tif ] ! dilate ! [ g.tif ] ! objects ! o.gpkg", 2},
        Chain{"smooth_detect_widen_objects",
              "in.tif ! smooth ! [ s.tif ] ! cfar --pfa 1e-3 ! [ d.tif ] ! dilate ! [ g.tif ] ! objects ! o.gpkg", 3},
        Chain{"slope_smooth_slope", "in.tif ! slope ! smooth ! slope ! out.tif", 2},
        Chain{"digits_of_sums", "wide.tif ! digits ! out.tif", 1},
        Chain{"digits_of_sums_of_sums", "wide.tif ! smooth ! slope ! digits ! out.tif", 2},
        Chain{"slope_slope_slope", "in.tif ! slope ! slope ! slope ! out.tif", 1},
        Chain{"smooth_smooth_smooth", "in.tif ! smooth ! smooth ! smooth ! out.tif", 3},
        Chain{"mask_detect_objects",
              "in.tif ! mask --with coast --buffer 350 ! [ m.tif ] ! cfar --model ca --target 250 ! [ d.tif ] ! "
              "objects ! o.gpkg",
              1},
        Chain{"smooth_mask_detect",
              "in.tif ! smooth ! mask --with coast --buffer 350 ! cfar --model lognormal --pfa 1e-3 ! [ d.tif ] ! "
              "objects ! o.gpkg",
              2},
        Chain{"two_scenes",
              "in.tif ! cfar --pfa 1e-3 ! dilate ! objects --connectivity 4 --intensity [ other.tif ! slope ! smooth ] "
              "! o.gpkg",
              2},
        Chain{"source_again_in_a_later_stage",
              "in.tif ! smooth ! slope ! cfar --pfa 1e-2 ! objects --background [ in.tif ] ! o.gpkg", 2},
        Chain{"decibels_and_back",
              "in.tif ! decibel ! [ db.tif ] ! linear ! cfar --model k --pfa 1e-4 ! objects ! o.gpkg", 1}),
    [](const testing::TestParamInfo<Chain>& i) { return std::string{i.param.name}; });

}  // namespace
}  // namespace fulmar::test
