// SPDX-License-Identifier: Apache-2.0
// What the kernels of every operator load and store, counted by the interpreter of PTX, against the least that they
// must (least_bytes). Speed needs a card; the bytes that a card moves for a cell do not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cuda/backend.hpp"
#include "plan/device_plan.hpp"
#include "ptx/runtime/fulmar_ptx.h"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

/// A block of the lattice; fewer rows where kernels look at a cell hundreds of times.
constexpr std::int64_t across = 512;
std::int64_t down_for(const Graph& graph) {
  std::int64_t down = 128;
  for (const Node& n : graph.nodes) {
    if (n.op != nullptr && n.op->name() == "interpolate" && n.scratch() < 1024) return 96;
    if (n.op != nullptr && n.scratch() > 0) return 2;
    for (const fulmar_view& v : n.views)
      if (v.kind == FULMAR_VIEW_RANKS)
        return 16;
      else if (v.kind == FULMAR_VIEW_SERIES)
        return 8;
      else if (v.kind == FULMAR_VIEW_BOX || v.kind == FULMAR_VIEW_RING)
        down = 256;
  }
  return down;
}

/// What all kernels of operators in a plan must move at least, in one tile.
std::int64_t least_of(const Graph& graph, const Plan& plan) {
  std::int64_t bytes = 0;
  const auto add = [&](const Graph& g, const Plan& p) {
    EXPECT_EQ(p.tiles, 1);
    for (const Stage& stage : p.stages)
      for (std::size_t k = 0; k < stage.nodes.size(); ++k)
        if (const int n = stage.nodes[k]; stage.device && g.nodes[static_cast<std::size_t>(n)].op != nullptr)
          bytes += least_bytes(g, n, grow(stage_window(stage, g.grid.window(), g.grid), stage.margins[k]));
  };
  if (plan.passes.empty()) add(graph, plan);
  for (const Pass& pass : plan.passes) add(pass.graph, pass.plan);
  return bytes;
}

/// How many times the least, and what its algorithm keeps in memory, an operator's kernels may move.
double bound_of(const Operator& op) { return op.kind() == "windowed" || op.kind() == "ranked" ? 1.5 : 1.2; }

/// The share of a scene's cells that miss nothing.
double whole_share(const Scene& scene) {
  std::vector<char> whole(static_cast<std::size_t>(scene.grid.width * scene.grid.height), 1);
  for (const auto& [path, layers] : scene.files)
    for (const Layer& l : layers)
      for (std::size_t i = 0; i < whole.size(); ++i)
        if (l.valid[i] == 0) whole[i] = 0;
  return static_cast<double>(std::count(whole.begin(), whole.end(), 1)) / static_cast<double>(whole.size());
}

/// Bytes a cell that an algorithm keeps in the card's memory because shared memory does not hold them: of a state what
/// a step stores, scratch that is loaded once and stored whenever it changes.
double kept_by(const Operator& op, const Graph& graph, const Scene& scene) {
  if (op.name() == "zonal") return 8 * 8 * whole_share(scene);              // the numbers of the cell's zone
  if (op.name() == "bimodal") return (5 * 8 + 2 * 4) * whole_share(scene);  // those of the cell's block
  // Count, sums and squares of 4 + 4 bands, the pan and its mean; products of 20 pairs of them.
  if (op.name() == "qnr") return 8 * (1 + 2 * 10 + 20) * whole_share(scene);
  // Count, sums and squares of 4 + 4 bands; 4 products, and 6 numbers of the cell.
  if (op.name() == "quality") return 8 * (1 + 2 * 8 + 4 + 6) * whole_share(scene);
  if (op.name() == "interpolate") {
    // The system of equations, where shared memory does not hold it: made once, and what is left of it at each of n
    // steps.
    const double scratch = static_cast<double>(graph.nodes.back().scratch()), n = std::sqrt(2 * scratch + 72.25) - 8.5;
    return scratch < 1024 ? 0 : 8 * (n * n * n / 6 + 2 * n * n);
  }
  if (op.name() != "heatwave") return 0;
  // Normal and threshold of 366 days are made and copied, and smoothed where there are dates within 5 days; the values
  // of 11 days around each date are gathered, and half of them change places. A thread has its scratch for two cells.
  const Node& node = graph.nodes.back();
  const auto dates = static_cast<double>(node.times.size());
  return 8 * (static_cast<double>(node.scratch()) / 2 + 4 * 366 + 2 * (dates + 10) + 2 * 11 * dates);
}

/// Every operator, those over time by every method, and one with windows of a size that an interpreter has time for.
std::vector<Case> measured_cases() {
  std::vector<Case> cases;
  for (const Case& c : all_cases(false))
    if (c.op == "interpolate")
      cases.insert(cases.end(), {{c.op, {{"search", "7px"}, {"neighbours", "6"}}, c.place},
                                 {c.op, {{"search", "41px"}, {"neighbours", "40"}}, c.place}});
    else if (const std::string& kind = tested_registry().find(c.op)->kind(); kind != "reducing" || c.values.empty())
      cases.push_back(c);
  return cases;
}

TEST(Traffic, IsNearTheLeast) {
  if (fulmar_ptx_get_traffic == nullptr || cuda::devices().devices.empty())
    GTEST_SKIP() << "bytes are counted by the interpreter of PTX";
  const auto card = cuda::open(0);
  fulmar_ptx_set("BLOCKS", "1");  // the interpreter remembers two thread blocks a sector
  const Registry registry = builtin_registry();
  std::printf(
      "bytes a cell of all planes: at least; loaded, each sector of 32 bytes once a launch, once a thread block, and\n"
      "every time it is asked for; stored; kept; what a thread block moves over the least and what is kept, and what "
      "is\n"
      "allowed\n\n"
      "    least   launch    block    asked   stored     kept   ratio  bound\n");
  for (const Case& c : measured_cases()) {
    const std::int64_t down = down_for(Bound(registry, make_scene(registry, c, 64, 64, 20260101u)).graph);
    const Scene scene = make_scene(registry, c, across, down, 20260101u);
    const Bound bound(registry, scene);
    fulmar_ptx_reset_counts();
    Budget budget = budget_of(across, down, 1, Backend::cuda);
    budget.device_memory = std::int64_t{1} << 30;
    const Results got = bound.run(budget, card.get());
    fulmar_ptx_traffic t{};
    if (got.report.backend != Backend::cuda || fulmar_ptx_get_traffic("each_", &t) == 0) continue;
    const auto cells = static_cast<double>(across * down), least = static_cast<double>(least_of(bound.graph, got.plan));
    const Operator& op = *registry.find(c.op);
    const double moved = static_cast<double>(t.block_sector_bytes + t.store_bytes),
                 kept = kept_by(op, bound.graph, scene);
    const double ratio = moved / (least + kept * cells), most = bound_of(op);
    std::printf("%9.2f%9.2f%9.2f%9.2f%9.2f%9.2f%8.2f%7.2f  %s %s\n", least / cells,
                static_cast<double>(t.grid_sector_bytes) / cells, static_cast<double>(t.block_sector_bytes) / cells,
                static_cast<double>(t.load_bytes) / cells, static_cast<double>(t.store_bytes) / cells, kept, ratio,
                most, op.kind().c_str(), c.label().c_str());
    // A step leaves a cell out as soon as it misses one value of it.
    EXPECT_GE(moved / least, op.kind() == "reducing" ? 0.9 : 0.99) << c.label() << ": the least is not the least";
    EXPECT_LE(ratio, most) << c.label();
  }
  fulmar_ptx_set("BLOCKS", "4");
}

/// Of rasters on other grids: every cell of the source that the target covers once, widened, and every target cell
/// once.
TEST(Traffic, OfWarpsIsNearTheLeast) {
  if (fulmar_ptx_get_traffic == nullptr || cuda::devices().devices.empty())
    GTEST_SKIP() << "bytes are counted by the interpreter of PTX";
  const auto card = cuda::open(0);
  fulmar_ptx_set("BLOCKS", "1");
  const Registry registry = builtin_registry();
  std::printf("bytes a target cell: at least; loaded once a thread block; stored; over the least\n");
  for (const char* method : {"nearest", "bilinear", "cubic", "lanczos", "average"})
    for (const char* resolution : {"87", "240"}) {
      Scene s = make_scene(registry, {"warp", {{"resample", method}}, Place::metric}, across, 128, 20260101u);
      s.text.replace(s.text.find("--resolution 87"), 15, std::string{"--resolution "} + resolution);
      const Bound bound(registry, s);
      fulmar_ptx_reset_counts();
      Budget budget = budget_of(0, 0, 1, Backend::cuda);
      budget.device_memory = std::int64_t{1} << 30;
      static_cast<void>(bound.run(budget, card.get()));
      fulmar_ptx_traffic t{};
      ASSERT_GT(fulmar_ptx_get_traffic("warp_cells", &t), 0u);
      const double cells = static_cast<double>(bound.grid().window().cells()),
                   least = 4 * (cells + static_cast<double>(across * 128));
      const double ratio = static_cast<double>(t.block_sector_bytes + t.store_bytes) / least;
      std::printf("%9.2f%9.2f%9.2f%8.2f  %s to %s m\n", least / cells,
                  static_cast<double>(t.block_sector_bytes) / cells, static_cast<double>(t.store_bytes) / cells, ratio,
                  method, resolution);
      // Of coarser cells the nearest of a few is read.
      EXPECT_GE(ratio, std::string{method} == "nearest" ? 0.5 : 0.99);
      EXPECT_LE(ratio, 1.2);
    }
  fulmar_ptx_set("BLOCKS", "4");
}

}  // namespace
}  // namespace fulmar::test
