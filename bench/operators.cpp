// SPDX-License-Identifier: Apache-2.0
/// @file
/// Every registered operator on a scene in memory, with nothing to write when one is added: the pipeline, the scene and
/// the companions come from its schema. No operator is timed whose product differs from the reference's.
#include <benchmark/benchmark.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "exec/run.hpp"
#include "memory_scene.hpp"
#include "plan/pipeline.hpp"
#include "plugins/builtin.hpp"

namespace fulmar::bench {
namespace {

constexpr std::int64_t side = 4096;
/// The crop on which the product is compared with the reference's: a block and a half high, from within the scene.
constexpr Window crop{200, 400, 512, 384};

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

/// An operator, one of its parameters perhaps given, on a scene with or without gaps.
struct Case {
  const Operator* op = nullptr;
  std::string name, value;  ///< of the parameter; empty: all by default
  bool gaps = false;

  [[nodiscard]] std::string label() const {
    return op->name() + (name.empty() ? "" : "/" + name + ":" + value) + (gaps ? "/gaps:2%" : "/gaps:0");
  }
};

/// The defaults, every choice of every parameter that has choices, and every length that is 0 by default given 250 m.
std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto& [name, op] : registry().operators())
    for (const bool gaps : {false, true}) {
      if (op.table().kind == FULMAR_KIND_WARPING) continue;  // timed from files, in peers/warp.py
      bool choices = false;
      for (const Param& p : op.params()) choices |= p.type == ParamType::choice;
      if (!choices) all.push_back({&op, {}, {}, gaps});
      for (const Param& p : op.params()) {
        for (const auto& choice : p.choices) all.push_back({&op, p.name, choice, gaps});
        if (p.type == ParamType::length && p.fallback == "0") all.push_back({&op, p.name, "250", gaps});
      }
    }
  return all;
}

/// A case bound to its rasters: all in memory, or a crop of the same.
class Bench {
 public:
  Bench(const Case& c, bool cropped) {
    const Operator& op = *c.op;
    std::string text = " ! " + op.name();
    for (std::size_t i = 1; i < op.inputs().size(); ++i) {
      const Port& port = op.inputs()[i];
      add(port, port.name, c.gaps, 1, cropped);
      text += " --" + port.name + (port.companion.empty() ? " [ " + port.name + " ]" : " " + port.name);
    }
    for (const Param& p : op.params())  // a text that must be given is taken from the operator's own example
      if (p.required && p.type == ParamType::text) text += " --" + p.name + " '" + example_value(op, p) + "'";
    for (const Param& p : op.params())  // and so is a length that it gives in cells
      if (p.type == ParamType::length && p.name != c.name && example_value(op, p).ends_with("px"))
        text += " --" + p.name + " " + example_value(op, p);
    if (!c.name.empty()) text += " --" + c.name + " " + c.value;
    text += op.table().kind == FULMAR_KIND_LABELLING || op.outputs().empty() ? " ! out.features" : " ! out";
    text_ = "scene" + text;
    // An operator of many bands gets as many as it asks for.
    for (int bands = 1;; ++bands) {
      add(op.inputs()[0], "scene", c.gaps, bands, cropped);
      try {
        graph_ = make_graph(parse_text(text_), text_, registry(), io_, 1);
        return;
      } catch (const Error&) {
        if (!op.variadic() || bands == 8) throw;
      }
    }
  }

  [[nodiscard]] Plan plan(Backend backend, int threads) const {
    Budget budget;
    budget.threads = threads;
    budget.backend = backend;
    return make_plan(graph_, budget);
  }
  void run(const Plan& plan) const { fulmar::run(graph_, plan, io_, {}); }
  [[nodiscard]] Checksum checksum(Backend backend) {
    Checksum sum;
    io_.checksum = &sum;
    run(plan(backend, 1));
    io_.checksum = nullptr;
    return sum;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  static std::string example_value(const Operator& op, const Param& p) {
    for (const Step& s : parse_text(op.example()))
      if (s.kind == Step::Kind::apply && s.name == op.name())
        for (const Argument& a : s.arguments)
          if (a.name == p.name || (a.name.empty() && p.positional)) return a.value;
    return p.fallback;
  }

  /// Scenes are large, so cells are kept between cases and shared by all rasters of the same unit.
  static std::shared_ptr<const Cells> cells_of(const Unit& unit, bool computed, bool gaps) {
    static std::map<std::string, std::weak_ptr<const Cells>> known;
    static std::vector<std::shared_ptr<const Cells>> recent;  // no more than four at once
    auto& slot = known[unit.symbol + (computed ? " computed" : "") + (gaps ? " gaps" : "")];
    if (auto cells = slot.lock()) return cells;
    auto cells = make_cells(unit, computed, gaps, side, side);
    slot = cells;
    recent.push_back(cells);
    if (recent.size() > 4) recent.erase(recent.begin());
    return cells;
  }

  void add(const Port& port, const std::string& name, bool gaps, int bands, bool cropped) {
    const bool computed = !port.companion.empty();
    const Unit unit = port.type == DType::u8 ? Unit{std::string{units::flag}} : port.unit;
    const Unit said = unit.symbol == units::any ? Unit{} : unit;
    const bool missing_cells = gaps && !computed;
    const Grid grid = cropped ? metric_grid(crop.width, crop.height) : metric_grid(side, side);
    io_.sources[name] =
        std::make_shared<MemorySource>(name, grid, cells_of(unit, computed, missing_cells), said, missing_cells, bands,
                                       computed, cropped ? crop.x : 0, cropped ? crop.y : 0);
  }

  std::string text_;
  MemoryIo io_;
  Graph graph_;
};

/// Empty if the processor's product on the crop is the reference's; else what is wrong.
std::string disagreement(const Case& c) {
  static std::map<std::string, std::string> known;
  const auto [it, fresh] = known.emplace(c.label(), "");
  if (!fresh) return it->second;
  try {
    Bench bench(c, true);
    const Checksum expected = bench.checksum(Backend::reference), got = bench.checksum(Backend::cpu);
    if (expected.count() == 0)
      it->second = "the reference gave no product: " + bench.text();
    else if (!(expected == got))
      it->second = "the product differs from the reference's: " + bench.text();
  } catch (const std::exception& e) {
    it->second = e.what();
  }
  return it->second;
}

void time_operator(benchmark::State& state, const Case& c) {
  const auto threads = static_cast<int>(state.range(0));
  if (const auto wrong = disagreement(c); !wrong.empty()) {
    state.SkipWithError(wrong.c_str());
    return;
  }
  const Bench bench(c, false);
  const Plan plan = bench.plan(Backend::cpu, threads);
  const double bandwidth = copy_bandwidth(threads);
  bench.run(plan);  // warm
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) bench.run(plan);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto runs = static_cast<double>(state.iterations());
  // What must move at least: stored cells in, each once, and the product out.
  const double bytes =
      static_cast<double>(plan.bytes_read) / plan.decoded_times + static_cast<double>(plan.bytes_written);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * side * side);
  state.SetBytesProcessed(static_cast<std::int64_t>(runs * bytes));
  state.counters["of_copy"] = runs * bytes / seconds / bandwidth;
}

}  // namespace
}  // namespace fulmar::bench

int main(int argc, char** argv) {
  using namespace fulmar::bench;
  for (const auto& c : all_cases()) {
    auto* b =
        benchmark::RegisterBenchmark(c.label().c_str(), [c](benchmark::State& state) { time_operator(state, c); });
    b->ArgName("threads")->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();
    for (const int threads : thread_counts()) b->Arg(threads);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const int threads : thread_counts())
    benchmark::AddCustomContext("copy, GB/s, " + std::to_string(threads) + " threads",
                                std::to_string(copy_bandwidth(threads) / 1e9));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
