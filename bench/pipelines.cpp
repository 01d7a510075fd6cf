// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whole pipelines in memory: ships from counts, the cost of a cell from small scenes to large ones, and what comes
/// before the first cell (parsing, binding, planning, the list of operators).
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <string>

#include "exec/run.hpp"
#include "memory_scene.hpp"
#include "plan/pipeline.hpp"
#include "plugins/builtin.hpp"

namespace fulmar::bench {
namespace {

constexpr const char* ships =
    "scene ! calibrate --with table ! cfar --model two_parameter --guard 7px --background 31px ! objects --min-area "
    "300 ! ships.features";

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

/// Rasters of any size: 2048 rows are held, far more than any cache, and repeat.
struct Ships {
  explicit Ships(std::int64_t side, bool gaps = true, std::int64_t rows = 2048) {
    const Unit counts{std::string{units::digital_number}};
    const Grid grid = metric_grid(side, side);
    const auto held = std::min(side, rows);
    io.sources["scene"] =
        std::make_shared<MemorySource>("scene", grid, make_cells(counts, false, gaps, side, held), counts, gaps);
    io.sources["table"] = std::make_shared<MemorySource>(
        "table", grid, make_cells({}, true, false, side, std::min(held, std::int64_t{64})), Unit{}, false, 1, true);
    graph = make_graph(parse_text(ships), ships, registry(), io, 1);
  }
  [[nodiscard]] Plan plan(int threads) const {
    Budget budget;
    budget.threads = threads;
    return make_plan(graph, budget);
  }
  MemoryIo io;
  Graph graph;
};

void time_ships(benchmark::State& state, bool gaps) {
  const std::int64_t side = state.range(0);
  const Ships scene(side, gaps);
  const Plan plan = scene.plan(static_cast<int>(state.range(1)));
  RunReport report;
  for (auto _ : state) report = run(scene.graph, plan, scene.io, {});
  state.SetItemsProcessed(state.iterations() * side * side);
  state.counters["objects"] = static_cast<double>(report.tables.at(0).rows.size());
  state.counters["pool_MiB"] = static_cast<double>(report.pool_peak) / (1 << 20);
}

/// The same number of cells as one scene of 16384 x 16384 or as many smaller ones, in turn, so that whatever else the
/// machine does falls on all. `spread`: the dearest cell over the cheapest, by the clock and by processor time.
void time_sizes(benchmark::State& state) {
  constexpr std::int64_t largest = 16384;
  std::map<std::int64_t, std::unique_ptr<Ships>> scenes;
  for (std::int64_t side = 2048; side <= largest; side *= 2) scenes[side] = std::make_unique<Ships>(side);
  std::map<std::int64_t, double> wall, cpu;
  for (auto _ : state)
    for (const auto& [side, scene] : scenes) {
      const Plan plan = scene->plan(static_cast<int>(state.range(0)));
      const auto start = std::chrono::steady_clock::now();
      const auto cpu_start = std::clock();
      for (std::int64_t cells = 0; cells < largest * largest; cells += side * side)
        run(scene->graph, plan, scene->io, {});
      wall[side] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      cpu[side] += static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    }
  const auto spread = [](const std::map<std::int64_t, double>& seconds) {
    const auto by_seconds = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end(), by_seconds);
    return most->second / least->second;
  };
  const double cells = static_cast<double>(state.iterations()) * static_cast<double>(largest * largest);
  for (const auto& [side, s] : wall) state.counters["ns_" + std::to_string(side)] = s * 1e9 / cells;
  state.counters["spread"] = spread(wall);
  state.counters["spread_cpu"] = spread(cpu);
}

/// A scene of 100000 x 100000 that nothing reads.
void plan_large(benchmark::State& state) {
  const Ships scene(100000, true, 1);
  for (auto _ : state) benchmark::DoNotOptimize(scene.plan(static_cast<int>(state.range(0))));
}
void bind_large(benchmark::State& state) {
  const Ships scene(100000, true, 1);
  const Pipeline pipeline = parse_text(ships);
  for (auto _ : state) benchmark::DoNotOptimize(make_graph(pipeline, ships, registry(), scene.io, 1));
}
void parse_ships(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(parse_text(ships));
}
/// What `fulmar list` asks of the engine: the registry from nothing, schemas read, a line for each operator.
void list_operators(benchmark::State& state) {
  for (auto _ : state) {
    const Registry all = builtin_registry();
    std::string text;
    for (const auto& [name, op] : all.operators()) text += name + "  " + op.summary() + "\n";
    benchmark::DoNotOptimize(text);
  }
}

}  // namespace
}  // namespace fulmar::bench

int main(int argc, char** argv) {
  using namespace fulmar::bench;
  const auto threads = thread_counts();
  for (const bool gaps : {false, true}) {
    auto* b = benchmark::RegisterBenchmark(gaps ? "ships/gaps:2%" : "ships/gaps:0",
                                           [gaps](benchmark::State& s) { time_ships(s, gaps); });
    b->ArgNames({"side", "threads"})->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();
    for (const std::int64_t side : {4096, 10980})
      for (const int t : threads) b->Args({side, t});
  }
  benchmark::RegisterBenchmark("ships_cost_per_cell", time_sizes)
      ->ArgName("threads")
      ->Arg(threads.back())
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond)
      ->MeasureProcessCPUTime()
      ->UseRealTime();
  benchmark::RegisterBenchmark("plan_100000", plan_large)
      ->ArgName("threads")
      ->Arg(threads.back())
      ->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("bind_100000", bind_large)->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("parse", parse_ships)->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark("list_operators", list_operators)->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
