// SPDX-License-Identifier: Apache-2.0
// The laws on a card, for every registered operator in all its variants: the bits are the reference's, no copy is made
// but those the plan counts, and no more memory is held. Without a card they run on the project's own interpreter of
// PTX (tests/ptx), so scenes are small.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "cuda/backend.hpp"
#include "device/checked_device.hpp"
#include "plan/device_plan.hpp"
#include "plan/warp.hpp"
#include "ptx/runtime/fulmar_ptx.h"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() { return tested_registry(); }

/// FULMAR_SEED tries other scenes.
std::uint32_t seed() {
  const char* given = std::getenv("FULMAR_SEED");
  return given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : 20260101u;
}

Budget card_budget(std::int64_t width, std::int64_t height, std::int64_t memory = std::int64_t{1} << 30) {
  Budget b = budget_of(width, height, 1, Backend::cuda);
  b.device_memory = memory;
  return b;
}

/// Of a whole plan: how many operators and warped sources run on the card, and how many there are.
std::pair<int, int> on_card(const Graph& graph, const Plan& plan) {
  std::pair<int, int> count{0, 0};
  const auto add = [&](const Graph& g, const Plan& p) {
    for (const Stage& stage : p.stages)
      for (const int n : stage.nodes) {
        const Node& node = g.nodes[static_cast<std::size_t>(n)];
        const RasterSource* source = node.source < 0 ? nullptr : g.sources[static_cast<std::size_t>(node.source)].get();
        const bool warped = source != nullptr && warped_of(*source) != nullptr;
        if (node.op == nullptr && !warped) continue;
        ++count.second, count.first += stage.device && (!warped || warps_on_card(*source)) ? 1 : 0;
      }
  };
  if (plan.passes.empty()) add(graph, plan);
  for (const Pass& pass : plan.passes) add(pass.graph, pass.plan);
  return count;
}

/// True if the centre of a cell of the window lies on the raster.
bool meets(const WarpInput& input, const Window& w) {
  std::vector<double> columns(static_cast<std::size_t>(w.cells())), rows(columns.size());
  input.transformer->copy()->places(w, columns.data(), rows.data());
  const Grid& g = input.source->grid();
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i] >= 0 && columns[i] < static_cast<double>(g.width) && rows[i] >= 0 &&
        rows[i] < static_cast<double>(g.height))
      return true;
  return false;
}

/// What a tile sends beside its stored bands: the source cells under its warped bands, and their masks, before which,
/// once for all bands, what of the source they need comes down; and states that were merged there, unless all of its
/// blocks begin in other tiles.
void add_tile(const Graph& g, const Stage& stage, const Window& tile, DeviceTraffic& t) {
  std::set<std::pair<int, std::int64_t>> looked;
  for (std::size_t k = 0; k < stage.nodes.size(); ++k) {
    const Node& node = g.nodes[static_cast<std::size_t>(stage.nodes[k])];
    if (node.round >= 0) {
      const bool begins = ceil_to(tile.x, block_width) < tile.right() && ceil_to(tile.y, block_height) < tile.bottom();
      ++t.uploads, t.downloads += begins || !merges_on_card(node) ? 1 : 0;
    }
    if (node.source < 0 || !warps_on_card(*g.sources[static_cast<std::size_t>(node.source)])) continue;
    const WarpInput& input = warped_of(*g.sources[static_cast<std::size_t>(node.source)])->inputs.front();
    const Window own = intersect(grow(stage_window(stage, tile, g.grid), stage.margins[k]), g.grid.window());
    t.downloads += looked.emplace(node.source, own.cells()).second ? 1 : 0;
    if (!meets(input, own)) continue;
    const StoredBand& band = input.source->bands()[static_cast<std::size_t>(input.band < 0 ? node.band : input.band)];
    t.uploads += band.has_mask ? 2 : 1;
  }
}

/// The copies that a plan means: each stored band of a tile goes up once, each band that the host needs comes down
/// once, and so does what was found of objects. Nothing where a stage on the host stands among those on the card, or
/// where one raster gives what another lacks, which depends on its gaps.
std::optional<DeviceTraffic> planned_copies(const Graph& graph, const Plan& plan) {
  DeviceTraffic t;
  bool mixed = false;
  const auto add = [&](const Graph& g, const Plan& p) {
    if (p.lane_bytes == 0) return;
    std::int64_t up = 0, down = 0;
    for (const SourceUse& use : p.sources)
      for (const int band : use.bands)
        up += g.sources[static_cast<std::size_t>(use.source)]->bands()[static_cast<std::size_t>(band)].has_mask ? 2 : 1;
    for (const Stage& stage : p.stages) {
      mixed |= !stage.device;
      for (const Edge& e : stage.results) down += needed_on_host(g, p, e) ? 1 : 0;
      for (const int n : stage.nodes) {
        const Node& node = g.nodes[static_cast<std::size_t>(n)];
        const RasterSource* source = node.source < 0 ? nullptr : g.sources[static_cast<std::size_t>(node.source)].get();
        const bool warped = source != nullptr && warps_on_card(*source);
        mixed |= warped && warped_of(*source)->inputs.size() > 1;
        if (source != nullptr) up += source->computed() && !warped ? 1 : 0;
        if (node.labels()) ++down;
      }
    }
    t.uploads += up * p.tiles, t.downloads += down * p.tiles;
    for (std::int64_t x = 0; x < g.grid.width; x += p.tile_width)
      for (std::int64_t y = 0; y < g.grid.height; y += p.tile_height)
        for (const Stage& stage : p.stages)
          if (stage.device) add_tile(g, stage, tile_window(g, p, x / p.tile_width, y / p.tile_height), t);
  };
  if (plan.passes.empty()) add(graph, plan);
  for (const Pass& pass : plan.passes) add(pass.graph, pass.plan);
  return mixed ? std::nullopt : std::optional{t};
}

class OnCard : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (card() != nullptr) return;
    // Where the test was given a card, or what stands in for one, there must be one.
    ASSERT_EQ(std::getenv("FULMAR_CARD_EXPECTED"), nullptr) << cuda::devices().trouble;
    GTEST_SKIP() << cuda::devices().trouble;
  }
  /// Operators that reduce on the host alone; those that have no cells are not in any stage.
  [[nodiscard]] static bool works_on_host() {
    const std::string& op = GetParam().op;
    // One of a plugin may have no twin.
    if (const fulmar_operator& table = registry().find(op)->table();
        !tested_plugin().empty() && table.run_cuda == nullptr && table.step_cuda == nullptr)
      return true;
    return false;
  }
  [[nodiscard]] Scene scene(std::int64_t width, std::int64_t height) const {
    return make_scene(registry(), GetParam(), width, height, seed());
  }
};
#define TRACE(scene) SCOPED_TRACE((scene).text + "   (FULMAR_SEED=" + std::to_string(seed()) + ")")

TEST_P(OnCard, AgreesInEveryTiling) {
  const Scene s = scene(67, 45);
  TRACE(s);
  if (GetParam().place == Place::unknown && needs_ground(registry(), s)) return;
  const Bound bound(registry(), s);
  const Results expected = bound.run(reference_budget());
  std::vector<std::pair<std::int64_t, std::int64_t>> tilings{{67, 45}};
  if (GetParam().place == Place::metric) tilings.insert(tilings.end(), {{64, 17}, {19, 45}});
  for (const auto& [w, h] : tilings) {
    SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
    const Results got = bound.run(card_budget(w, h), card());
    EXPECT_EQ(difference(expected, got, s.grid.width), "");
    const auto [there, all] = on_card(bound.graph, got.plan);
    if (!works_on_host()) {
      EXPECT_EQ(there, all) << "an operator lost its device twin";
    }
    EXPECT_EQ(got.report.backend, there > 0 ? Backend::cuda : Backend::cpu);
    // A chain crosses the bus once down and once up, however long it is.
    if (const auto planned = planned_copies(bound.graph, got.plan)) {
      EXPECT_EQ(got.report.traffic.uploads, planned->uploads);
      // What a first copy had no room for of a tile full of objects comes in another.
      EXPECT_EQ(got.report.traffic.downloads, planned->downloads + got.report.traffic.rests);
    }
  }
}

TEST_P(OnCard, AgreesAcrossBlocks) {
  if (GetParam().place != Place::metric) return;
  const Scene s = scene(block_width + 9, 21);
  TRACE(s);
  const Bound bound(registry(), s);
  EXPECT_EQ(difference(bound.run(reference_budget()), bound.run(card_budget(0, 0), card()), s.grid.width), "");
  const Scene tall = scene(11, block_height + 5);
  const Bound other(registry(), tall);
  EXPECT_EQ(difference(other.run(reference_budget()), other.run(card_budget(0, 0), card()), tall.grid.width), "");
}

TEST_P(OnCard, AgreesAtEverySize) {
  if (GetParam().place != Place::metric) return;
  for (const auto& [w, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {31, 1}, {1, 31}, {32, 8}, {33, 9}, {31, 7}, {64, 2}, {65, 3}, {257, 1}, {37, 23}}) {
    const Scene s = scene(w, h);
    TRACE(s);
    SCOPED_TRACE(std::to_string(w) + " x " + std::to_string(h));
    const Bound bound(registry(), s);
    EXPECT_EQ(difference(bound.run(reference_budget()), bound.run(card_budget(0, 0), card()), w), "");
  }
}

/// Threads and blocks in other orders leave the same bits, and no race is seen in any. Kernels with atomics are run
/// twenty times more.
TEST_P(OnCard, AgreesUnderEverySchedule) {
  if (GetParam().place != Place::metric) return;
  if (fulmar_ptx_set == nullptr) GTEST_SKIP() << "a card runs threads as it likes";
  for (const auto& [w, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{{block_width + 3, 3}, {37, 29}}) {
    const Scene s = scene(w, h);
    TRACE(s);
    const Bound bound(registry(), s);
    const Results expected = bound.run(reference_budget());
    std::vector<Schedule> schedules{{1, 4, 0, false}, {2, 16, 3, true}, {3, 2, 40, true}};
    for (std::size_t i = 0; i < schedules.size(); ++i) {
      const Schedule& how = schedules[i];
      SCOPED_TRACE("FULMAR_PTX_SEED=" + std::to_string(how.seed) + " _BLOCKS=" + std::to_string(how.blocks) +
                   " _QUANTUM=" + std::to_string(how.quantum) + " _SHUFFLE=" + (how.shuffle ? "1" : "0"));
      choose(how);
      fulmar_ptx_reset_counts();
      EXPECT_EQ(difference(expected, bound.run(card_budget(0, 0), card()), w), "");
      fulmar_ptx_traffic traffic{};
      if (i == 2 && fulmar_ptx_get_traffic("", &traffic) > 0 && traffic.atomics > 0)
        for (std::uint32_t seed = 0; seed < seeds_for_atomics; ++seed) schedules.push_back(for_atomics(seed));
    }
    choose(usual_schedule);
  }
}

/// A small card has smaller tiles, one that is too small is refused with the numbers, and nothing depends on it. No
/// more is held than was planned.
TEST_P(OnCard, FitsTheMemoryOfTheCard) {
  if (GetParam().place != Place::metric) return;
  // Some operators take many looks at a cell, and an interpreter has all day but not all week.
  const Scene s = scene(block_width + 9, block_height + 5);
  TRACE(s);
  const Bound bound(registry(), s);
  const auto plan_with = [&](std::int64_t memory) { return make_plan(bound.graph, card_budget(0, 0, memory)); };
  const auto taken = [](const Plan& plan) {
    std::int64_t most = plan.lane_bytes * plan.tokens;
    for (const Pass& pass : plan.passes) most = std::max(most, pass.plan.lane_bytes * pass.plan.tokens);
    return most;
  };
  const Plan large = plan_with(std::int64_t{4} << 30);
  if (taken(large) == 0) return;
  std::int64_t low = 0, high = taken(large);
  while (high - low > 1) {  // the smallest card, to the byte
    const std::int64_t middle = low + (high - low) / 2;
    try {
      EXPECT_LE(taken(plan_with(middle)), middle);
      high = middle;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::device) << e.what();
      EXPECT_NE(e.message().find("MiB of device memory do not suffice"), std::string::npos) << e.what();
      low = middle;
    }
  }
  EXPECT_LT(high, taken(large));
  const Scene small = scene(67, 45);
  const Bound other(registry(), small);
  if (fulmar_ptx_reset_counts != nullptr) fulmar_ptx_reset_counts();
  const Results got = other.run(card_budget(32, 16), card());
  EXPECT_LE(got.report.device_peak, got.plan.card_bytes);
  if (fulmar_ptx_get_counts == nullptr) return;
  fulmar_ptx_counts counts{};
  fulmar_ptx_get_counts(&counts);
  // The runtime gives memory out in units of 256 bytes. No allocation after the first tile: one for each in flight.
  EXPECT_LE(counts.bytes_highest, static_cast<std::uint64_t>(got.plan.card_bytes + 3 * 256));
  int lanes = other.graph.temporaries.empty() && got.plan.passes.empty() ? got.plan.tokens : 0;
  for (const Pass& pass : got.plan.passes) lanes += pass.plan.lane_bytes > 0 ? pass.plan.tokens : 0;
  EXPECT_EQ(counts.allocations, static_cast<std::uint64_t>(lanes));
}

/// Windows whose column sums do not fit into shared memory keep them in the card's, and make the same bits.
TEST(LargeWindows, AgreeToo) {
  if (card() == nullptr) GTEST_SKIP() << cuda::devices().trouble;
  const Case c{
      "cfar", {{"model", "go"}, {"target", "250"}, {"guard", "20000"}, {"background", "48000"}}, Place::metric};
  const Scene s = make_scene(registry(), c, 260, 9, seed());
  TRACE(s);
  const Bound bound(registry(), s);
  EXPECT_TRUE(std::any_of(bound.graph.nodes.begin(), bound.graph.nodes.end(), [&](const Node& n) {
    return n.op != nullptr && device_scratch(bound.graph, n, s.grid.window()) > 0;
  })) << "these windows fit into shared memory";
  EXPECT_EQ(difference(bound.run(reference_budget()), bound.run(card_budget(0, 0), card()), s.grid.width), "");
}

/// The laws see what runs from one plane of a lane into the next, and what is left there from the tile before.
TEST(CheckedDevice, WatchesEveryPiece) {
  if (fulmar_ptx_set == nullptr || card() == nullptr) GTEST_SKIP() << "the interpreter of PTX watches memory";
  const auto trouble = [](std::int64_t rows_cleared, std::int64_t rows_copied, bool next_tile) {
    const auto lane = card()->lane(1 << 16);
    constexpr std::int64_t width = 40, height = 10, bytes = width * height * 4;
    const auto plane = [&](std::byte* cells, std::int64_t rows) {
      fulmar_plane p{};
      p.cells = cells, p.stride = p.width = width, p.height = rows, p.dtype = FULMAR_F32;
      lane->use(cells, bytes);
      return p;
    };
    fulmar_ptx_set("STICKY", "1");
    std::string report;
    try {
      lane->give_back(lane->memory());
      fulmar_plane from = plane(lane->memory(), rows_cleared), to = plane(lane->memory() + room_on_card(bytes), 0);
      lane->clear(from);
      if (next_tile) {
        lane->give_back(lane->memory());
        from = plane(lane->memory(), 0), to = plane(lane->memory() + room_on_card(bytes), 0);
      }
      from.height = to.height = rows_copied;
      lane->copy(from, to);
      lane->wait();
    } catch (const Error&) {
      report = fulmar_ptx_report();
      fulmar_ptx_clear_fault();
    }
    fulmar_ptx_set("STICKY", "0");
    return report;
  };
  EXPECT_EQ(trouble(10, 10, false), "");
  EXPECT_NE(trouble(11, 10, false), "") << "a row too many was written";
  EXPECT_NE(trouble(10, 11, false), "") << "a row too many was read";
  EXPECT_NE(trouble(10, 10, true), "") << "the cells of the tile before were read";
}

const auto by_label = [](const testing::TestParamInfo<Case>& i) { return i.param.label(); };
INSTANTIATE_TEST_SUITE_P(Operators, OnCard, testing::ValuesIn(all_cases(true)), by_label);

}  // namespace
}  // namespace fulmar::test
