// SPDX-License-Identifier: Apache-2.0
/// @file
/// Every operator on a card: how fast its kernels move the bytes that they must, against what the card copies, and how
/// long a raster takes from memory to memory, beside the processor. See README.md.
#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/device_warp.hpp"
#include "core/error.hpp"
#include "cuda/backend.hpp"
#include "cuda/status.hpp"
#include "device/forwarding_lane.hpp"
#include "plan/device_plan.hpp"
#include "ptx/runtime/fulmar_ptx.h"
#include "support/scene.hpp"

namespace fulmar::bench {
namespace {

using cuda::check;
using test::Bound;
using test::Case;
using test::Results;
using test::Scene;

struct Options {
  std::int64_t side = 4096;
  int repeat = 5;
  std::string filter;
  bool all = false;
};

// ---- the time of kernels ----

/// Before and after the kernels of one call.
struct Span {
  cudaEvent_t begin = nullptr, end = nullptr;
};

/// The operator whose kernels are timed, and its calls so far. Its table has two functions of ours in their place,
/// which is how any plugin's would be timed. Of warps, bytes that their kernels must move are counted beside.
struct Watched {
  const fulmar_operator* table = nullptr;
  std::deque<Span> spans;
  std::size_t used = 0;
  std::int64_t warped_bytes = 0;
  std::mutex mutex;  // tiles in flight have a thread each

  const Span& next(std::int64_t warped = 0) {
    const std::lock_guard lock{mutex};
    warped_bytes += warped;
    if (used == spans.size()) {
      spans.emplace_back();
      check(cudaEventCreate(&spans.back().begin), "making an event");
      check(cudaEventCreate(&spans.back().end), "making an event");
    }
    return spans[used++];
  }
  /// Milliseconds of all calls since the last time; all are done.
  double taken() {
    double sum = 0;
    for (std::size_t i = 0; i < used; ++i) {
      float ms = 0;
      check(cudaEventElapsedTime(&ms, spans[i].begin, spans[i].end), "asking for a time");
      sum += static_cast<double>(ms);
    }
    used = 0;
    return sum;
  }
  void forget() { used = 0, warped_bytes = 0; }
};
Watched watched;

template <class Call>
int timed(void* stream, Call&& call, std::int64_t warped = 0) {
  const Span& span = watched.next(warped);
  const auto s = static_cast<cudaStream_t>(stream);
  check(cudaEventRecord(span.begin, s), "recording an event");
  const int failed = call();
  check(cudaEventRecord(span.end, s), "recording an event");
  return failed;
}

/// A card on which finding objects and making cells of other grids are timed as an operator's kernels are.
class TimedLane final : public test::ForwardingLane {
 public:
  using ForwardingLane::ForwardingLane;
  void find(const FindWork& work) override {
    timed(stream(), [&] { return lane().find(work), 0; });
  }
  void look(const WarpCells& warp, SquareNeed* needs) override {
    timed(stream(), [&] { return lane().look(warp, needs), 0; });
  }
  void warp(const WarpCells& warp) override {
    // Every target cell once, read as well where some have a value already; every widened cell that is held once.
    const std::int64_t cells = (warp.fresh ? 1 : 2) * warp.target.cells() + warp.held.window.cells();
    timed(
        stream(), [&] { return lane().warp(warp), 0; }, 4 * cells);
  }
};
class TimedCard final : public Device {
 public:
  explicit TimedCard(std::unique_ptr<Device> card) : card_{std::move(card)} {}
  const DeviceFacts& facts() const override { return card_->facts(); }
  std::unique_ptr<DeviceLane> lane(std::int64_t bytes) override {
    return std::make_unique<TimedLane>(card_->lane(bytes));
  }
  void pin(void* memory, std::int64_t bytes) override { card_->pin(memory, bytes); }
  void unpin(void* memory) override { card_->unpin(memory); }

 private:
  std::unique_ptr<Device> card_;
};

/// The operators, their kernels between events.
Registry timed_registry() {
  static const Registry builtin = builtin_registry();
  static std::deque<fulmar_operator> tables;
  static std::vector<const fulmar_operator*> places;
  for (const auto& [name, op] : builtin.operators()) {
    fulmar_operator& t = tables.emplace_back(op.table());
    if (t.run_cuda != nullptr)
      t.run_cuda = [](const void* params, const fulmar_call* call, void* stream, fulmar_error* error) {
        return timed(stream, [&] { return watched.table->run_cuda(params, call, stream, error); });
      };
    if (t.step_cuda != nullptr)
      t.step_cuda = [](const void* params, const fulmar_round* round, const fulmar_call* call, void* states,
                       std::uint64_t bytes, void* stream, fulmar_error* error) {
        return timed(stream,
                     [&] { return watched.table->step_cuda(params, round, call, states, bytes, stream, error); });
      };
    if (t.merge_cuda != nullptr)
      t.merge_cuda = [](const void* params, const fulmar_round* round, const std::uint32_t* pairs, std::uint64_t count,
                        void* states, std::uint64_t bytes, void* stream, fulmar_error* error) {
        return timed(stream, [&] {
          return watched.table->merge_cuda(params, round, pairs, count, states, bytes, stream, error);
        });
      };
    places.push_back(&t);
  }
  static const fulmar_plugin plugin{sizeof(fulmar_plugin),
                                    FULMAR_ABI_MAJOR,
                                    FULMAR_ABI_MINOR,
                                    "timed",
                                    "1",
                                    "Apache-2.0",
                                    "Fulmar",
                                    "",
                                    static_cast<std::uint32_t>(places.size()),
                                    places.data()};
  Registry registry;
  registry.add(plugin);
  return registry;
}

/// The operator of a graph, null where none works on cells: a warp is a source. Two would be timed as one.
const Operator* only_operator(const Graph& graph) {
  const Operator* only = nullptr;
  for (const Node& n : graph.nodes) {
    if (n.op == nullptr) continue;
    if (only != nullptr && only != n.op) fail(Errc::usage, "a pipeline of several operators cannot be timed");
    only = n.op;
  }
  return only;
}

// ---- the limit ----

/// Bytes a second that the card copies within its memory, read plus written: the best of several.
double copy_bandwidth(std::int64_t free) {
  const auto bytes = static_cast<std::size_t>(std::min<std::int64_t>(std::int64_t{512} << 20, free / 8));
  void *from = nullptr, *to = nullptr;
  check(cudaMalloc(&from, bytes), "allocating");
  check(cudaMalloc(&to, bytes), "allocating");
  check(cudaMemset(from, 1, bytes), "setting memory");
  Span span;
  check(cudaEventCreate(&span.begin), "making an event");
  check(cudaEventCreate(&span.end), "making an event");
  double best = 0;
  for (int turn = 0; turn < 9; ++turn) {
    check(cudaEventRecord(span.begin, nullptr), "recording an event");
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, nullptr), "copying");
    check(cudaEventRecord(span.end, nullptr), "recording an event");
    check(cudaDeviceSynchronize(), "waiting for the device");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, span.begin, span.end), "asking for a time");
    best = std::max(best, 2e3 * static_cast<double>(bytes) / static_cast<double>(ms));
  }
  check(cudaFree(from), "freeing"), check(cudaFree(to), "freeing");
  check(cudaEventDestroy(span.begin), "giving an event back"),
      check(cudaEventDestroy(span.end), "giving an event back");
  return best;
}

// ---- one operator ----

Budget budget_for(Backend backend, std::int64_t tile, std::int64_t device_memory) {
  Budget b;
  b.memory = std::int64_t{16} << 30;
  b.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  b.tile_width = b.tile_height = tile;
  b.backend = backend;
  b.device_memory = backend == Backend::cuda ? device_memory : 0;
  return b;
}

template <class Run>
double best_of(int repeat, Run&& run) {
  double best = 0;
  for (int i = 0; i < repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    best = i == 0 ? ms : std::min(best, ms);
  }
  return best;
}

/// What all kernels of operators of a plan must move at least, in one tile; and whether anything is made on the card.
std::pair<std::int64_t, bool> least_of(const Graph& graph, const Plan& plan) {
  std::int64_t bytes = 0;
  bool there = false;
  const auto add = [&](const Graph& g, const Plan& p) {
    for (const Stage& stage : p.stages)
      for (std::size_t k = 0; k < stage.nodes.size(); ++k)
        if (const Node& node = g.nodes[static_cast<std::size_t>(stage.nodes[k])]; stage.device) {
          there |= node.op != nullptr || warps_on_card(*g.sources[static_cast<std::size_t>(node.source)]);
          if (node.op != nullptr)
            bytes +=
                least_bytes(g, stage.nodes[k], grow(stage_window(stage, g.grid.window(), g.grid), stage.margins[k]));
        }
  };
  if (plan.passes.empty()) add(graph, plan);
  for (const Pass& pass : plan.passes) add(pass.graph, pass.plan);
  return {bytes, there};
}

/// False where an answer was wrong; nothing is timed then.
bool measure(const Registry& registry, const Case& c, Device& card, double copy, const Options& options) {
  const std::uint32_t seed = 20260101u;
  const std::int64_t memory = card.facts().free * 3 / 4;
  // A small scene over several blocks of the lattice, against the definitions.
  const std::int64_t w = std::min<std::int64_t>(options.side, 700), h = std::min<std::int64_t>(options.side, 300);
  const Bound small(registry, make_scene(registry, c, w, h, seed));
  // The registry's own table is not the watched one: that calls the original.
  static const Registry builtin = builtin_registry();
  const Operator* const op = only_operator(small.graph);
  watched.table = op == nullptr ? nullptr : &builtin.find(op->name())->table();
  if (!least_of(small.graph, make_plan(small.graph, budget_for(Backend::cuda, 0, memory))).second) return true;
  const auto wrong = [&](const std::string& difference) {
    if (!difference.empty()) std::printf("%-44s WRONG, not timed: %s\n", c.label().c_str(), difference.c_str());
    return !difference.empty();
  };
  if (wrong(difference(small.run(test::reference_budget()), small.run(budget_for(Backend::cuda, 0, memory), &card), w)))
    return false;

  // And the scene that is timed, against the processor.
  const Bound bound(registry, make_scene(registry, c, options.side, options.side, seed));
  const Window grid = bound.grid().window();  // of warps not the scene's
  const Budget whole = budget_for(Backend::cuda, std::max(grid.width, grid.height), memory),
               planned = budget_for(Backend::cuda, 0, memory), processor = budget_for(Backend::cpu, 0, 0);
  Results expected = bound.run(processor), got = bound.run(planned, &card);
  if (wrong(difference(expected, got, options.side))) return false;
  auto least = static_cast<double>(least_of(bound.graph, make_plan(bound.graph, whole)).first);
  expected = {}, got = {};

  double kernels = 0;
  watched.forget();
  for (int i = 0; i < options.repeat; ++i) {  // one tile, so that no other work is on the card
    const Results made = bound.run(whole, &card);
    const double ms = watched.taken();
    kernels = i == 0 ? ms : std::min(kernels, ms);
    if (i == 0) least += static_cast<double>(watched.warped_bytes);
  }
  const double on_card = best_of(options.repeat, [&] {
    const Results made = bound.run(planned, &card);
    watched.forget();
  });
  const double on_processor = best_of(options.repeat, [&] { const Results made = bound.run(processor); });
  const double rate = 1e3 * least / kernels;
  std::printf("%-44s %8.2f %10.3f %9.1f %8.3f %10.1f %10.1f %7.2f\n", c.label().c_str(),
              least / static_cast<double>(grid.cells()), kernels, rate / 1e9, rate / copy, on_card, on_processor,
              on_processor / on_card);
  std::fflush(stdout);
  return true;
}

int run(const Options& options) {
  const cuda::Found found = cuda::devices();
  if (!found.trouble.empty()) fail(Errc::device, "there is no card to measure: " + found.trouble);
  const auto card = std::make_unique<TimedCard>(cuda::open(found.devices.front().number));
  const DeviceFacts& facts = card->facts();
  const double copy = copy_bandwidth(facts.free);
  std::printf("%s, %s, driver %d.%d; copies %.0f GB/s (read plus written)\n", facts.name.c_str(),
              facts.architecture.c_str(), facts.driver / 1000, facts.driver % 1000 / 10, copy / 1e9);
  std::printf("%lld x %lld cells, the best of %d; the processor with %u threads\n",
              static_cast<long long>(options.side), static_cast<long long>(options.side), options.repeat,
              std::max(1u, std::thread::hardware_concurrency()));
  if (fulmar_ptx_get_counts != nullptr)
    std::printf("THE CARD IS AN INTERPRETER: its times mean nothing. Answers are checked all the same.\n");
  std::printf("\n%-44s %8s %10s %9s %8s %10s %10s %7s\n%-44s %8s %10s %9s %8s %10s %10s %7s\n", "", "bytes a",
              "kernels", "", "of", "memory to", "the same,", "", "operator", "cell", "ms", "GB/s", "copy", "memory ms",
              "proc. ms", "times");
  const Registry registry = timed_registry();
  bool right = true;
  for (const Case& c : test::all_cases(false)) {
    if (!options.all && c.values.size() > 1) continue;
    if (c.label().find(options.filter) == std::string::npos) continue;
    right &= measure(registry, c, *card, copy, options);
  }
  return right ? 0 : 1;
}

}  // namespace
}  // namespace fulmar::bench

int main(int argc, char** argv) {
  using namespace fulmar;
  bench::Options options;
  for (int i = 1; i < argc; ++i) {
    const auto value = [&](const char* name) { return std::strcmp(argv[i], name) == 0 && i + 1 < argc; };
    if (value("--side"))
      options.side = std::atoll(argv[++i]);
    else if (value("--repeat"))
      options.repeat = std::atoi(argv[++i]);
    else if (value("--filter"))
      options.filter = argv[++i];
    else if (std::strcmp(argv[i], "--all") == 0)
      options.all = true;
    else
      options.side = 0;
  }
  if (options.side < 8 || options.repeat < 1) {
    std::fprintf(stderr, "usage: %s [--side CELLS] [--repeat TIMES] [--filter TEXT] [--all]\n", argv[0]);
    return 2;
  }
  try {
    return bench::run(options);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
}
