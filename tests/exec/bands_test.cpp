// SPDX-License-Identifier: Apache-2.0
// Operators that see all bands of a cell, or all its dates: further inputs, several outputs, scratch, tables of dates.
#include <gtest/gtest.h>

#include <random>

#include "core/error.hpp"
#include "fulmar/op.hpp"
#include "op/apply.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

/// Every band times the ratio of pan to the mean of the bands: as many outputs as bands, and a further input.
struct Sharpen {
  struct Params {
    double gain = 1;
  } params;
  static Schema schema() {
    return Schema{"sharpen", "Sharpen all bands."}
        .bands("band", units::any, "Bands.")
        .input("pan", units::any, "Pan.")
        .outputs_per_band("sharp", units::any, "Bands.")
        .param("gain", &Params::gain, "Gain.", units::one, above(0))
        .example("a.tif ! sharpen --pan [ p.tif ] ! b.tif")
        .cites("none");
  }
  FULMAR_HD void operator()(Bands<float> in, float pan, Outputs<float> out) const {
    double sum = 0;
    for (std::int32_t b = 0; b < in.count; ++b) sum += static_cast<double>(in[b]);
    const double ratio = params.gain * static_cast<double>(pan) * in.count / sum;
    for (std::int32_t b = 0; b < in.count; ++b) out.set(b, static_cast<float>(static_cast<double>(in[b]) * ratio));
  }
};

/// Largest and smallest of the bands, by way of scratch; the pan's neighbour to the left is added to the first.
struct Spread {
  struct Params {
    double gain = 1;
  } params;
  static Schema schema() {
    return Schema{"spread", "Find the largest and the smallest band."}
        .bands("band", units::any, "Bands.")
        .input("pan", units::any, "Pan.")
        .output("largest", units::any, "Largest.")
        .output("smallest", units::any, "Smallest.")
        .param("gain", &Params::gain, "Gain.", units::one, above(0))
        .example("a.tif ! spread --pan [ p.tif ] ! b.tif")
        .cites("none");
  }
  std::int32_t bands() const { return 2; }
  Box halo() const { return {1, 0}; }
  std::uint64_t scratch(const Dates& dates) const { return static_cast<std::uint64_t>(dates.count * dates.bands); }
  FULMAR_HD Both<float, float> operator()(Bands<float> in, Near<float> pan, Scratch scratch) const {
    std::int32_t n = 0;
    for (std::int32_t b = 0; b < in.count; ++b)
      if (!is_missing(in[b])) scratch[n++] = static_cast<double>(in[b]);
    if (n == 0) return {missing<float>, missing<float>};
    double low = scratch[0], high = scratch[0];
    for (std::int32_t k = 1; k < n; ++k) {
      low = scratch[k] < low ? scratch[k] : low;
      high = scratch[k] > high ? scratch[k] : high;
    }
    return {static_cast<float>(high) + pan(-1, 0), static_cast<float>(low)};
  }
};

/// For each band the value at its latest date; refuses dates that are not known.
struct Latest {
  struct Params {
    double gain = 1;
  } params;
  static Schema schema() {
    return Schema{"latest", "Take the latest date."}
        .series("value", units::any, "Dates.")
        .outputs_per_band("value", units::any, "The latest.")
        .param("gain", &Params::gain, "Gain.", units::one, above(0))
        .example("a.tif ! latest ! b.tif")
        .cites("none");
  }
  std::uint64_t table(const Dates& dates, double* values) const {
    for (std::int64_t d = 0; d < dates.count; ++d)
      if (dates.times[d] != dates.times[d]) fail(Errc::input, "a date is not known");
    double latest = 0;
    for (std::int64_t d = 1; d < dates.count; ++d)
      if (dates.times[d] > dates.times[static_cast<std::int64_t>(latest)]) latest = static_cast<double>(d);
    if (values != nullptr) values[0] = latest;
    return 1;
  }
  FULMAR_HD void operator()(Series<float> in, Table table, Outputs<float> out) const {
    std::int32_t latest = 0;
    for (std::int32_t d = 1; d < in.count; ++d)
      if (in.time(d) > in.time(latest)) latest = d;
    const bool agreed = table[0] == latest;
    for (std::int32_t b = 0; b < in.bands; ++b) out.set(b, agreed ? in(latest, b) : -1.0f);
  }
};

const Registry& registry() {
  static const Registry r = [] {
    static const fulmar_operator* const operators[] = {&op::table_of<Sharpen>(), &op::table_of<Spread>(),
                                                       &op::table_of<Latest>()};
    Registry made;
    made.add({sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "test", "1", "", "", "", 3, operators});
    return made;
  }();
  return r;
}

constexpr std::int64_t w = 530, h = 270;

std::vector<float> noise(std::uint32_t seed) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> d(1, 2);
  std::vector<float> v(static_cast<std::size_t>(w * h));
  for (auto& x : v) x = rng() % 50 == 0 ? missing<float> : d(rng);
  return v;
}

MemoryIo bands_and_pan(int bands, const std::vector<double>& times = {}) {
  MemoryIo io;
  const Grid grid = make_grid(Place::metric, w, h);
  auto in = std::make_shared<MemoryRaster>("in.tif", grid, Window{0, 0, 64, 48});
  for (int b = 0; b < bands; ++b) {
    StoredBand band{DType::f32, {}, {}, 1, 0, false, Unit{"K"}, "band " + std::to_string(b + 1)};
    if (!times.empty()) band.time = times[static_cast<std::size_t>(b)];
    in->add_band(band, noise(static_cast<std::uint32_t>(b)));
  }
  io.rasters["in.tif"] = in;
  io.rasters["pan.tif"] = one_band("pan.tif", grid, noise(1000));
  return io;
}

/// Runs a text on both backends in several tilings; all must leave the same bytes.
std::vector<std::vector<float>> run_everywhere(const std::string& text, const MemoryIo& io) {
  const Graph graph = make_graph(parse_text(text), text, registry(), io, 2);
  std::vector<std::vector<float>> expected;
  for (const Budget& b : {reference_budget(), budget_of(0, 0), budget_of(97, 61), budget_of(w, 1)}) {
    io.products = {};
    const Plan plan = make_plan(graph, b);
    const auto report = run(graph, plan, io, {});
    if (b.backend != Backend::reference) {
      EXPECT_LE(report.pool_peak, plan.buffer_bytes);
    }
    const auto& got = io.products.rasters.at("out.tif").cells;
    if (expected.empty()) expected = got;
    EXPECT_EQ(got.size(), expected.size());
    std::size_t differing = 0;
    for (std::size_t k = 0; k < std::min(got.size(), expected.size()); ++k)
      for (std::size_t i = 0; i < got[k].size(); ++i) differing += same_bits(got[k][i], expected[k][i]) ? 0 : 1;
    EXPECT_EQ(differing, 0u) << b.tile_width;
  }
  return expected;
}

TEST(AllBands, ManyBandsAFurtherInputAndAnOutputForEach) {
  for (const int bands : {1, 4, 21}) {
    const MemoryIo io = bands_and_pan(bands);
    const auto got = run_everywhere("in.tif ! sharpen --pan [ pan.tif ] ! out.tif", io);
    ASSERT_EQ(got.size(), static_cast<std::size_t>(bands));
    EXPECT_EQ(io.products.rasters.at("out.tif").bands[0].name, "band 1");
    EXPECT_EQ(io.products.rasters.at("out.tif").bands.back().unit.symbol, "K");
    const auto pan = noise(1000);
    std::vector<std::vector<float>> in;
    for (int b = 0; b < bands; ++b) in.push_back(noise(static_cast<std::uint32_t>(b)));
    for (std::size_t i = 0; i < pan.size(); i += 7) {
      double sum = 0;
      for (const auto& band : in) sum += static_cast<double>(band[i]);
      for (std::size_t b = 0; b < in.size(); ++b) {
        const auto value =
            static_cast<float>(static_cast<double>(in[b][i]) * (1.0 * static_cast<double>(pan[i]) * bands / sum));
        ASSERT_TRUE(same_bits(got[b][i], value)) << i << ": " << got[b][i] << " against " << value;
      }
    }
  }
}

TEST(AllBands, TwoOutputsScratchAndANeighbour) {
  const MemoryIo io = bands_and_pan(3);
  const auto got = run_everywhere("in.tif ! spread --pan [ pan.tif ] ! out.tif", io);
  ASSERT_EQ(got.size(), 1u);
  const auto pan = noise(1000);
  const auto a = noise(0), b = noise(1), c = noise(2);
  for (std::size_t i = 1; i < pan.size(); ++i) {
    const float largest = std::fmax(std::fmax(a[i], b[i]), c[i]);
    const float left = static_cast<std::int64_t>(i) % w == 0 ? missing<float> : pan[i - 1];
    ASSERT_TRUE(same_bits(got[0][i], largest + left)) << i;
  }
  EXPECT_THROW(run_everywhere("in.tif --band 1 ! spread --pan [ pan.tif ] ! out.tif", io), Error);
}

TEST(AllDates, EveryBandOfAFileIsADate) {
  const MemoryIo io = bands_and_pan(5, {10, 40, 50, 20, 30});
  const auto got = run_everywhere("in.tif ! latest ! out.tif", io);
  ASSERT_EQ(got.size(), 1u);
  const auto third = noise(2);
  for (std::size_t i = 0; i < third.size(); ++i) ASSERT_TRUE(same_bits(got[0][i], third[i]));
  const auto fourth = run_everywhere("in.tif --band 1,4,5 ! latest ! out.tif", io);
  const auto fifth = noise(4);
  for (std::size_t i = 0; i < fifth.size(); ++i) ASSERT_TRUE(same_bits(fourth[0][i], fifth[i]));
}

TEST(AllDates, AnOperatorMayRefuseThem) {
  const MemoryIo io = bands_and_pan(3);
  const std::string text = "in.tif ! latest ! out.tif";
  try {
    static_cast<void>(make_graph(parse_text(text), text, registry(), io, 2));
    FAIL() << "dates that are not known were taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::input);
    EXPECT_NE(e.message().find("a date is not known"), std::string::npos) << e.what();
    EXPECT_NE(e.message().find("^"), std::string::npos) << e.what();
  }
}

TEST(AllDates, OperatorsTellTheirKind) {
  EXPECT_EQ(registry().find("latest")->kind(), "temporal");
  EXPECT_EQ(registry().find("sharpen")->kind(), "cellwise");
  EXPECT_EQ(registry().find("spread")->kind(), "focal");
}

MemoryIo files(const std::vector<std::pair<std::vector<double>, int>>& each, bool another_grid = false) {
  MemoryIo io;
  for (std::size_t f = 0; f < each.size(); ++f) {
    const std::string name = "s" + std::to_string(f + 1) + ".tif";
    const bool odd = another_grid && f + 1 == each.size();
    auto in = std::make_shared<MemoryRaster>(name, make_grid(odd ? Place::geographic : Place::metric, w, h),
                                             Window{0, 0, 64, 48});
    for (int b = 0; b < each[f].second; ++b) {
      StoredBand band{DType::f32, {}, {}, 1, 0, false, Unit{"K"}, "band " + std::to_string(b + 1)};
      if (!each[f].first.empty()) band.time = each[f].first[static_cast<std::size_t>(b) % each[f].first.size()];
      in->add_band(band, noise(static_cast<std::uint32_t>(10 * f) + static_cast<std::uint32_t>(b)));
    }
    io.rasters[name] = in;
  }
  return io;
}

std::string trouble_of(const std::string& text, const MemoryIo& io) {
  try {
    static_cast<void>(make_graph(parse_text(text), text, registry(), io, 2));
  } catch (const Error& e) {
    return e.message();
  }
  return {};
}

TEST(AllDates, EachOfSeveralFilesIsADate) {
  const MemoryIo io = files({{{10}, 2}, {{30}, 2}, {{20}, 2}});
  const auto got = run_everywhere("s* ! latest ! out.tif", io);
  ASSERT_EQ(got.size(), 2u);
  for (std::size_t b = 0; b < 2; ++b) {
    const auto expected = noise(10 + static_cast<std::uint32_t>(b));
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_TRUE(same_bits(got[b][i], expected[i]));
  }
  const auto second = run_everywhere("s* --band 2 ! latest ! out.tif", io);
  ASSERT_EQ(second.size(), 1u);
  const auto expected = noise(11);
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_TRUE(same_bits(second[0][i], expected[i]));
}

/// A year in each file, and the years are not equally long.
TEST(AllDates, FilesThatHoldManyDatesFollowEachOther) {
  const auto got = run_everywhere("s* ! latest ! out.tif", files({{{10, 20, 30}, 3}, {{40, 60, 50, 45}, 4}}));
  ASSERT_EQ(got.size(), 1u);
  const auto expected = noise(11);
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_TRUE(same_bits(got[0][i], expected[i]));
}

TEST(AllDates, TheOddFileIsNamed) {
  const auto grid = trouble_of("s* ! latest ! out.tif", files({{{1}, 1}, {{2}, 1}, {{3}, 1}}, true));
  EXPECT_NE(grid.find("s3.tif does not lie on the grid of s1.tif"), std::string::npos) << grid;
  const auto bands = trouble_of("s* ! latest ! out.tif", files({{{1}, 2}, {{2}, 3}}));
  EXPECT_NE(bands.find("s2.tif has 3 bands"), std::string::npos) << bands;
  EXPECT_NE(bands.find("--band"), std::string::npos) << bands;
  EXPECT_EQ(trouble_of("s* --band 1,2 ! latest ! out.tif", files({{{1}, 2}, {{2}, 3}})), "");
  EXPECT_NE(trouble_of("t* ! latest ! out.tif", files({{{1}, 2}})).find("t*"), std::string::npos);
  EXPECT_NE(trouble_of("s* ! latest ! s2.tif", files({{{1}, 1}, {{2}, 1}})).find("is read by this pipeline"),
            std::string::npos);
}

/// More dates than a block of the lattice can hold in memory: blocks and tiles become smaller, and nothing else
/// changes.
TEST(AllDates, ATallStackInLittleMemory) {
  const Grid grid = make_grid(Place::metric, 70, 41);
  const int dates = 6000;
  MemoryIo io;
  auto cube = std::make_shared<MemoryRaster>("in.tif", grid, Window{0, 0, 70, 1});
  std::vector<float> latest;
  for (int d = 0; d < dates; ++d) {
    StoredBand band{DType::f32, {}, {}, 1, 0, false, Unit{"K"}, "sst"};
    band.time = d == 4711 ? 1e9 : d;
    std::vector<float> cells(static_cast<std::size_t>(grid.width * grid.height));
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<float>(d) + static_cast<float>(i) / 4096;
    if (d == 4711) latest = cells;
    cube->add_band(band, cells);
  }
  io.rasters["in.tif"] = cube;
  const std::string text = "in.tif ! latest ! out.tif";
  const Graph graph = make_graph(parse_text(text), text, registry(), io, 2);
  for (const std::int64_t mebibytes : {512, 192}) {
    io.products = {};
    Budget budget = budget_of(0, 0, 2);
    budget.memory = mebibytes << 20;
    const Plan plan = make_plan(graph, budget);
    EXPECT_LE(plan.peak_bytes, budget.memory);
    EXPECT_LT(plan.stages.back().down, block_height);
    const auto report = run(graph, plan, io, {});
    EXPECT_LE(report.pool_peak, plan.buffer_bytes);
    EXPECT_EQ(io.products.rasters.at("out.tif").cells.at(0), latest);
  }
}

/// A plugin built for version 1.0 of the contract: its table ends before what was appended.
TEST(AllDates, TablesOfOlderVersionsAreReadNoFurther) {
  fulmar_operator old = op::table_of<Sharpen>();
  old.size = offsetof(fulmar_operator, scratch);
  old.scratch = [](const void*, std::uint64_t, std::uint64_t) -> std::uint64_t { std::abort(); };
  const fulmar_operator* const operators[] = {&old};
  Registry made;
  made.add({sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, 0, "old", "1", "", "", "", 1, operators});
  const MemoryIo io = bands_and_pan(2);
  const std::string text = "in.tif ! sharpen --pan [ pan.tif ] ! out.tif";
  const Graph graph = make_graph(parse_text(text), text, made, io, 2);
  EXPECT_NO_THROW(run(graph, make_plan(graph, budget_of(0, 0)), io, {}));
}

}  // namespace
}  // namespace fulmar::test
