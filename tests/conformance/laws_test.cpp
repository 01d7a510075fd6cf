// SPDX-License-Identifier: Apache-2.0
// The laws (architecture.md, section 6), for every registered operator in all its variants. An operator added later is
// covered with nothing to write: scenes and parameters come from its schema.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

#include "core/error.hpp"
#include "support/scene.hpp"
#include "support/tables.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() { return tested_registry(); }

/// FULMAR_SEED tries other scenes.
std::uint32_t seed() {
  const char* given = std::getenv("FULMAR_SEED");
  return given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : 20260101u;
}

/// Two blocks of the lattice on each axis, none of them whole.
constexpr std::int64_t scene_width = 613, scene_height = 331;

class Law : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { RecordProperty("seed", std::to_string(seed())); }
  [[nodiscard]] const Operator& op() const { return *registry().find(GetParam().op); }
  [[nodiscard]] Scene scene(std::int64_t width = scene_width, std::int64_t height = scene_height) const {
    return make_scene(registry(), GetParam(), width, height, seed());
  }
};
#define TRACE(scene) SCOPED_TRACE((scene).text + "   (FULMAR_SEED=" + std::to_string(seed()) + ")")

class Everywhere : public Law {};

// 1. agree: the CPU's bits are the oracle's, and the backend asked for is the one that ran.
TEST_P(Everywhere, Agree) {
  const Scene s = scene();
  TRACE(s);
  if (GetParam().place == Place::unknown && needs_ground(registry(), s)) return;
  const Bound bound(registry(), s);
  const Results expected = bound.run(reference_budget()), got = bound.run(budget_of(0, 0));
  EXPECT_EQ(expected.report.backend, Backend::reference);
  EXPECT_EQ(got.report.backend, Backend::cpu);
  // "exactly" is the only agreement there is; the day another is stated, compare in units of the last place here.
  ASSERT_EQ(op().agrees(), "exactly");
  EXPECT_EQ(difference(expected, got, scene_width), "");

  // A law that compares nothing with nothing holds nothing.
  for (const auto& table : got.tables)
    EXPECT_GT(table.rows.size(), 10u) << "hardly an object is found: nothing is compared with nothing";
  for (const auto& table : got.summaries)
    EXPECT_GE(table.rows.size(), 1u) << "no number is found: nothing is compared with nothing";
  for (const auto& [path, bands] : got.rasters)
    for (const auto& band : bands) {
      std::set<std::uint32_t> different;
      std::size_t absent = 0;
      for (const float v : band)
        different.insert(std::bit_cast<std::uint32_t>(v)), absent += is_missing(v) || v == 255 ? 1 : 0;
      EXPECT_GE(different.size(), 3u) << path << " holds hardly two different values: nothing is compared with nothing";
      EXPECT_GT(absent, band.size() / 200) << path << " has hardly a missing cell, and the scene has many";
      EXPECT_LT(absent, band.size() - band.size() / 100) << path << " is missing nearly everywhere";
    }
}

// 2. tile-free: the same bytes from every tiling.
TEST_P(Everywhere, TileFree) {
  const Scene s = scene();
  TRACE(s);
  if (GetParam().place == Place::unknown && needs_ground(registry(), s)) return;
  const Bound bound(registry(), s);
  const Grid& grid = bound.grid();
  const Results expected = bound.run(budget_of(grid.width, grid.height));
  ASSERT_EQ(expected.plan.tiles, 1);
  for (const auto& [w, h] : tilings(grid)) {
    SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
    const Results got = bound.run(budget_of(w, h));
    ASSERT_EQ(got.plan.tile_width, w);
    ASSERT_EQ(got.plan.tile_height, h);
    EXPECT_EQ(difference(expected, got, scene_width), "");
  }
}

/// Where an input's cells may matter for a window of the operator's output.
Window reach_of(const Graph& graph, std::size_t input, const Window& target) {
  const Node& node = graph.nodes.back();
  return grow(node.anchored() ? whole_blocks(target, block_width, block_height) : target, node.halo(input, graph.grid));
}

/// Fills every input with rubbish where `where` says so.
template <class Where>
Scene poisoned(const Scene& scene, const Graph& graph, Where&& where) {
  constexpr float rubbish[] = {1e30f, std::numeric_limits<float>::infinity(), -1e30f,
                               std::numeric_limits<float>::quiet_NaN(), 0.0f};
  Scene out = scene;
  const Node& node = graph.nodes.back();
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.inputs[i].connected()) continue;
    const Node& source = graph.nodes[static_cast<std::size_t>(node.inputs[i].node)];
    const std::string& path = graph.sources[static_cast<std::size_t>(source.source)]->name();
    const bool beside = out.companions.contains(path);
    for (std::int64_t y = 0; y < scene.grid.height; ++y)
      for (std::int64_t x = 0; x < scene.grid.width; ++x) {
        if (!where(i, x, y)) continue;
        const auto k = static_cast<std::size_t>(y * scene.grid.width + x);
        if (beside) {
          auto& c = out.companions.at(path);
          c.values[k] = c.flags ? 1 - c.values[k] : 1e30f;
        } else {
          Layer& layer = out.files.at(path)[static_cast<std::size_t>(source.band)];
          layer.values[k] =
              node.port(i).type == DType::u8 ? (layer.values[k] == 0 ? 1.0f : 0.0f) : rubbish[(x + 3 * y) % 5];
          layer.valid[k] = 255;
        }
      }
  }
  return out;
}

/// Objects inside a window, away from its rim, where they do not touch what is outside; without their numbers.
std::vector<std::vector<double>> objects_inside(const FeatureTable& table, const Window& window) {
  const auto column = [&](const char* name) {
    return static_cast<std::size_t>(
        std::find_if(table.columns.begin(), table.columns.end(), [&](const Column& c) { return c.name == name; }) -
        table.columns.begin());
  };
  std::vector<std::vector<double>> inside;
  for (const Feature& f : table.rows) {
    const auto value = [&](const char* name) { return static_cast<std::int64_t>(f.values[column(name)]); };
    const Window box{value("box_column"), value("box_row"), value("box_width"), value("box_height")};
    if (!(intersect(box, grow(window, {-2, -2})) == box)) continue;
    inside.push_back(f.values);
    inside.back()[0] = 0;
    for (auto& v : inside.back())
      if (v != v) v = -999;
  }
  return inside;
}

// 3. halo-tight: rubbish beyond the declared halo changes nothing; within it, it does.
TEST_P(Law, HaloTight) {
  const Scene s = scene();
  TRACE(s);
  const Bound bound(registry(), s);
  const Results expected = bound.run(budget_of(0, 0));
  // What is reduced, or needs the raster as a whole, depends on every cell.
  if (op().table().kind == FULMAR_KIND_REDUCING || op().table().kind == FULMAR_KIND_WHOLE) return;
  // The cells of another grid are other cells: tests/exec/warp_test.cpp looks at which ones matter.
  if (op().table().kind == FULMAR_KIND_WARPING) return;
  for (const Window target :
       {Window{130, 70, 200, 150}, Window{530, 270, 60, 40}, Window{0, 0, 90, 90}, Window{300, 100, 1, 1}}) {
    SCOPED_TRACE("target at " + std::to_string(target.x) + "," + std::to_string(target.y));
    const auto compare = [&](const Scene& other) {
      const Results got = Bound(registry(), other).run(budget_of(0, 0));
      std::size_t differing = 0;
      for (const auto& [path, bands] : expected.rasters)
        for (std::size_t b = 0; b < bands.size(); ++b)
          for (std::int64_t y = target.y; y < target.bottom(); ++y)
            for (std::int64_t x = target.x; x < target.right(); ++x) {
              const auto k = static_cast<std::size_t>(y * scene_width + x);
              differing += same_bits(bands[b][k], got.rasters.at(path)[b][k]) ? 0 : 1;
            }
      for (std::size_t t = 0; t < expected.tables.size(); ++t)
        differing += objects_inside(expected.tables[t], target) == objects_inside(got.tables[t], target) ? 0 : 1;
      return differing;
    };
    const auto beyond = [&](std::size_t i, std::int64_t x, std::int64_t y) {
      return !reach_of(bound.graph, i, target).contains(x, y);
    };
    const auto rim = [&](std::size_t i, std::int64_t x, std::int64_t y) {
      return !target.contains(x, y) && grow(target, bound.graph.nodes.back().halo(i, bound.graph.grid)).contains(x, y);
    };
    EXPECT_EQ(compare(poisoned(s, bound.graph, beyond)), 0u) << "cells beyond the declared halo matter";
    bool looks_around = false;
    for (std::size_t i = 0; i < bound.graph.nodes.back().inputs.size(); ++i)
      looks_around |= !(bound.graph.nodes.back().halo(i, bound.graph.grid) == Halo{});
    if (looks_around && expected.tables.empty() && target.cells() > 1) {
      EXPECT_GT(compare(poisoned(s, bound.graph, rim)), 0u) << "no cell of the declared halo matters";
    }
  }
}

// 4. gaps: what lies under a missing cell never leaks.
TEST_P(Law, Gaps) {
  const Scene s = scene();
  TRACE(s);
  const Results expected = Bound(registry(), s).run(budget_of(0, 0));
  for (const float hidden :
       {1e30f, -1e30f, 0.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    SCOPED_TRACE("hidden: " + std::to_string(hidden));
    Scene other = s;
    for (auto& [path, layers] : other.files)
      for (Layer& l : layers)
        for (std::size_t k = 0; k < l.values.size(); ++k)
          if (l.valid[k] == 0) l.values[k] = hidden;
    EXPECT_EQ(difference(expected, Bound(registry(), other).run(budget_of(0, 0)), scene_width), "");
  }
}

TEST_P(Law, AllMissingInAllMissingOut) {
  for (const bool nan : {false, true}) {
    Scene s = scene();
    TRACE(s);
    for (auto& [path, layers] : s.files)
      for (Layer& l : layers) {
        if (nan) std::fill(l.values.begin(), l.values.end(), missing<float>);
        std::fill(l.valid.begin(), l.valid.end(), std::uint8_t{nan});
      }
    const Results got = Bound(registry(), s).run(budget_of(256, 256));
    for (const auto& [path, bands] : got.rasters)
      for (std::size_t b = 0; b < bands.size(); ++b) {
        const bool flags = op().outputs()[std::min(b, op().outputs().size() - 1)].type == DType::u8;
        const auto present =
            std::count_if(bands[b].begin(), bands[b].end(), [&](float v) { return flags ? v != 255 : !is_missing(v); });
        if (present > 0)
          ADD_FAILURE() << "where every cell of the inputs is missing (" << (nan ? "as NaN" : "as nodata") << "), "
                        << present << " cells of " << path << " band " << b + 1 << " have a value";
      }
    for (const auto& table : got.tables)
      if (!table.rows.empty())
        ADD_FAILURE() << "where every cell is missing, " << table.rows.size() << " objects are found";
  }
}

// 5. order-free: any number of threads, and every time again.
TEST_P(Law, OrderFree) {
  const Scene s = scene();
  TRACE(s);
  const Bound bound(registry(), s);
  const Results expected = bound.run(budget_of(128, 128, 1));
  for (const int threads : {1, 2, 4, 2, 4}) {
    SCOPED_TRACE(std::to_string(threads) + " threads");
    EXPECT_EQ(difference(expected, bound.run(budget_of(128, 128, threads)), scene_width), "");
  }
}

// 6. sizes: thin, small, and on either side of a block's edge.
TEST_P(Law, Sizes) {
  std::vector<std::pair<std::int64_t, std::int64_t>> sizes;
  for (const std::int64_t n : {1, 31, 32, 33, 63, 64, 65}) sizes.insert(sizes.end(), {{n, 1}, {1, n}, {n, n}, {n, 33}});
  for (const std::int64_t n : {block_width - 1, block_width, block_width + 1})
    sizes.insert(sizes.end(), {{n, 1}, {n, 9}, {1, n}});
  for (const std::int64_t n : {block_height - 1, block_height, block_height + 1})
    sizes.insert(sizes.end(), {{1, n}, {9, n}, {n, 1}});
  sizes.emplace_back(block_width, block_height);
  sizes.emplace_back(block_width + 1, block_height + 1);
  for (const auto& [w, h] : sizes) {
    const Scene s = scene(w, h);
    TRACE(s);
    SCOPED_TRACE(std::to_string(w) + " x " + std::to_string(h));
    const Bound bound(registry(), s);
    const Results expected = bound.run(reference_budget());
    EXPECT_EQ(difference(expected, bound.run(budget_of(0, 0)), w), "");
    EXPECT_EQ(difference(expected, bound.run(budget_of(32, 32)), w), "");
  }
}

TEST_P(Law, NoCellsIsAClearError) {
  for (const auto& [w, h] : {std::pair{0, 0}, {0, 7}, {7, 0}}) {
    Scene s = scene(7, 7);
    TRACE(s);
    s.grid.width = w, s.grid.height = h;
    for (auto& [path, own] : s.grids) own.width = w, own.height = h;
    for (auto& [path, layers] : s.files)
      for (Layer& l : layers) l.values.clear(), l.valid.clear();
    for (auto& [path, c] : s.companions) c.values.clear();
    try {
      static_cast<void>(Bound(registry(), s).run(budget_of(0, 0)));
      FAIL() << "a scene of " << w << " x " << h << " cells runs, and leaves nothing";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::input) << e.what();
      EXPECT_NE(e.message().find("no cells"), std::string::npos) << e.what();
    }
  }
}

/// How far this process outgrows what it holds now.
class Growth {
 public:
  Growth() : from_peak_{static_cast<bool>(std::ofstream{"/proc/self/clear_refs"} << 5 << std::flush)} {
    before_ = bytes("VmRSS:");
  }
  [[nodiscard]] std::int64_t bytes() const { return bytes(from_peak_ ? "VmHWM:" : "VmRSS:") - before_; }

 private:
  static std::int64_t bytes(const std::string& what) {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);)
      if (line.starts_with(what)) return std::int64_t{1024} * std::atoll(line.c_str() + what.size());
    return 0;
  }
  const bool from_peak_;
  std::int64_t before_;
};
// Of the program's own operators the pool is looked at alone, as tests of many operators share a process; sanitizers
// keep what was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool growth_tells = false;
#else
constexpr bool growth_tells = true;
#endif
/// What the memory of threads, allocators and the scene's own products may come to.
constexpr std::int64_t growth_slack = std::int64_t{64} << 20;

// 8. memory: the pool never holds more than the plan promised, down to the least budget, and the result is the same.
TEST_P(Law, Memory) {
  const Scene s = scene();
  TRACE(s);
  const Bound bound(registry(), s);
  const Results expected = bound.run(budget_of(scene_width, scene_height));
  const auto accepted = [&](std::int64_t memory, int threads) {
    Budget b = budget_of(0, 0, threads);
    b.memory = memory;
    try {
      make_plan(bound.graph, b);
      return true;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::usage) << e.what();
      EXPECT_NE(e.message().find("--memory"), std::string::npos) << e.what();
      return false;
    }
  };
  const Growth growth;
  std::int64_t promised = 0, runs = 0;
  for (const int threads : {1, 3}) {
    SCOPED_TRACE(std::to_string(threads) + " threads");
    std::int64_t low = 0, high = std::int64_t{4} << 30;  // the least budget, to the byte
    ASSERT_FALSE(accepted(low, threads));
    ASSERT_TRUE(accepted(high, threads));
    while (high - low > 1) {
      const auto middle = low + (high - low) / 2;
      (accepted(middle, threads) ? high : low) = middle;
    }
    for (const std::int64_t memory :
         {high, high + high / 16, high + high / 4, std::int64_t{512} << 20, std::int64_t{4} << 30}) {
      SCOPED_TRACE("budget of " + std::to_string(memory) + " bytes");
      if (memory < high) continue;
      Budget b = budget_of(0, 0, threads);
      b.memory = memory;
      const Results got = bound.run(b);
      promised = std::max(promised, buffers_of(got.plan)), ++runs;
      EXPECT_LE(got.report.pool_peak, buffers_of(got.plan)) << "the run holds more bytes than its plan promised";
      EXPECT_LE(got.plan.peak_bytes + got.plan.feature_bytes, memory) << "the plan promises more bytes than it may";
      EXPECT_EQ(got.plan.peak_bytes, got.plan.process_bytes + got.plan.decoder_bytes + got.plan.encoder_bytes +
                                         got.plan.cache_bytes + got.plan.buffer_bytes);
      EXPECT_EQ(difference(expected, got, scene_width), "");
    }
  }
  for (const auto& [w, h] : tilings(s.grid)) {
    const Results got = bound.run(budget_of(w, h, 2));
    promised = std::max(promised, buffers_of(got.plan)), ++runs;
    EXPECT_LE(got.report.pool_peak, buffers_of(got.plan))
        << "in tiles of " << w << " x " << h << " the run holds more bytes than its plan promised";
  }
  if (growth_tells && !tested_plugin().empty()) {
    EXPECT_LE(growth.bytes(), promised + growth_slack)
        << "in " << runs << " runs the process grew by more than any of them was planned with: the operator holds "
        << "memory that nothing declares";
  }
}

/// How often a stored cell is decoded is what the plan says.
TEST_P(Law, DecodesWhatThePlanSays) {
  // Which blocks of another grid a cache still holds is not planned.
  if (op().table().kind == FULMAR_KIND_WARPING) return;
  const Scene s = scene();
  TRACE(s);
  std::int64_t least = 0;
  for (const auto& [w, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {scene_width, scene_height}, {256, 256}, {97, 61}, {scene_width, 16}, {-1, -1}}) {
    SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
    const Bound bound(registry(), s);
    Budget budget = budget_of(std::max<std::int64_t>(w, 0), std::max<std::int64_t>(h, 0));
    if (w < 0) {  // so little memory that one tile alone is in flight
      budget = budget_of(128, 128);
      budget.memory = least;
    }
    const Results got = bound.run(budget);
    if (w == 97) {
      Budget small = budget_of(128, 128);
      for (least = std::int64_t{256} << 20; least > 0; least -= 1 << 14) {
        small.memory = least;
        try {
          const Plan plan = make_plan(bound.graph, small);
          if (plan.tokens == 1) break;
        } catch (const Error&) {
          least += 1 << 14;
          break;
        }
      }
    }
    std::int64_t read = 0;
    for (const auto& source : bound.graph.sources)
      if (!source->computed() && !source->temporary()) read += dynamic_cast<const MemoryRaster&>(*source).bytes_read();
    EXPECT_EQ(read, got.plan.bytes_read) << "the run reads other bytes than its plan says";
  }
}

const auto by_label = [](const testing::TestParamInfo<Case>& i) { return i.param.label(); };
INSTANTIATE_TEST_SUITE_P(Operators, Law, testing::ValuesIn(all_cases(false)), by_label);
INSTANTIATE_TEST_SUITE_P(Operators, Everywhere, testing::ValuesIn(all_cases(true)), by_label);

// 7. words: the schema lints; its example parses, prints back, plans and runs.
class Words : public testing::TestWithParam<std::string> {};

TEST_P(Words, Lint) {
  const auto wrong = registry().find(GetParam())->lint();
  std::string all;
  for (const std::string& complaint : wrong) all += (all.empty() ? "" : "\n") + complaint;
  if (!all.empty()) ADD_FAILURE() << all;
}

TEST_P(Words, ExampleParsesPrintsBackAndRuns) {
  const Operator& op = *registry().find(GetParam());
  const Pipeline p = parse_text(op.example());
  EXPECT_EQ(parse_text(to_text(p)), p);
  EXPECT_EQ(parse_json(to_json(p)), p);
  if (!example_step(op)) FAIL() << "its example has no step of its own: " << op.example();
  if (op.kind() == "tabular") {
    const FittedTables fitted{registry(), op.example()};
    if (!fitted.trouble.empty()) FAIL() << fitted.trouble;
    EXPECT_EQ(TableRun(registry(), op.example(), fitted.files).report.products.size(), 1u);
    return;
  }

  // The scene that its first operator asks for.
  Scene s;
  s.text = op.example();
  s.grid = make_grid(Place::metric, 120, 90);
  s.grid.affine = {500000, 30, 0, 4000000, 0, -30};
  std::mt19937 rng(seed());
  const Operator* first = nullptr;
  for (const Step& step : p) {
    if (step.kind != Step::Kind::apply) continue;
    const Operator* each = registry().find(step.name);
    ASSERT_NE(each, nullptr) << step.name;
    if (first == nullptr) first = each;
    for (const Argument& a : step.arguments)
      for (const Port& port : each->inputs())
        if (port.name == a.name && (port.companion == "grid" || !a.pipeline.empty())) {
          const std::string path = a.pipeline.empty() ? a.value : a.pipeline.front().name;
          s.files[path] = {layer_for(port.unit, s.grid, rng)};
          if (each->table().kind == FULMAR_KIND_WARPING) s.grids[path] = shifted(s.grid);
        } else if (port.name == a.name && !port.companion.empty()) {
          const bool flags = port.type == DType::u8;
          s.companions[a.value] = {flags, flags ? blobs(s.grid, rng) : smooth_field(s.grid, 300, 600)};
        }
  }
  for (int b = 0; b < (first->variadic() ? 8 : 1); ++b) {
    s.files[p.front().name].push_back(layer_for(first->inputs()[0].unit, s.grid, rng));
    s.files[p.front().name].back().time = 631152000.0 + 86400.0 * b;  // days from 1990-01-01 on
  }
  const Bound bound(registry(), s, false);
  const Results got = bound.run(budget_of(0, 0));
  EXPECT_EQ(got.report.products.size(), bound.graph.products.size());
  EXPECT_EQ(difference(bound.run(reference_budget()), got, s.grid.width), "");
}

const auto by_name = [](const testing::TestParamInfo<std::string>& i) { return Case{i.param, {}, {}}.label(); };
INSTANTIATE_TEST_SUITE_P(Operators, Words, testing::ValuesIn(tested_names()), by_name);

}  // namespace
}  // namespace fulmar::test
