// SPDX-License-Identifier: Apache-2.0
// Graphs that need several passes: numbers that are reduced before cells can be computed, operators that need the whole
// raster, and chains that mix both with everything else. The laws hold for them as for one pass.
#include <gtest/gtest.h>

#include <stdexcept>

#include "core/error.hpp"
#include "fulmar/op.hpp"
#include "op/apply.hpp"
#include "support/scene.hpp"

namespace fulmar::ops {

/// The difference from the mean of the whole raster, in two rounds: the second finds the mean distance from the mean.
struct Anomaly {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"anomaly", "Take the difference from the mean, in mean distances."}
        .input("value", units::any, "The scene.")
        .output("value", units::any, "Its anomaly.")
        .summary("mean", units::any, "Mean of the scene.")
        .summary("distance", units::any, "Mean distance from the mean.")
        .example("in.tif ! anomaly ! out.tif")
        .cites("this test")
        .agrees(exactly);
  }
  struct State {
    double n, sum;
  };
  std::uint32_t rounds() const { return 2; }
  void step(State& s, const Round& r, float value) const {
    if (is_missing(value)) return;
    s.n += 1;
    const double x = value, d = r.index == 0 ? x : x - r.summary[0];
    s.sum += r.index == 1 && d < 0 ? -d : d;
  }
  void merge(State& a, const State& b, const Round&) const { a.n += b.n, a.sum += b.sum; }
  std::uint64_t finish(const State& s, const Round& r, double* numbers) const {
    if (numbers == nullptr) return 2;
    numbers[0] = r.index == 0 ? s.sum / s.n : r.summary[0];
    numbers[1] = r.index == 0 ? 0 : s.sum / s.n;
    return 2;
  }
  FULMAR_HD float operator()(float value, Table found) const {
    return static_cast<float>((static_cast<double>(value) - found[0]) / found[1]);
  }
};

/// The raster upside down, and where it has no value.
struct Mirror {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"mirror", "Turn the scene upside down."}
        .input("value", units::any, "The scene.")
        .output("value", units::any, "The scene, last row first.")
        .output("gap", units::flag, "Where it has no value.")
        .example("in.tif ! mirror ! out.tif")
        .cites("this test")
        .agrees(exactly);
  }
  std::uint64_t bytes(std::uint64_t cells) const { return cells; }
  void whole(const Rows& rows, Plane<const float> in, Plane<float> out, Plane<std::uint8_t> gap) const {
    for (std::int64_t y = 0; y < in.height; ++y)
      for (std::int64_t x = 0; x < in.width; ++x) {
        out(x, in.height - 1 - y) = in(x, y) + static_cast<float>(rows.dx(y) * 0);
        gap(x, in.height - 1 - y) = is_missing(in(x, y)) ? 1 : 0;
      }
  }
};

/// Fails where the raster has no cell with a value.
struct Demanding {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"demanding", "Count the cells, and refuse to count none."}
        .input("value", units::any, "The scene.")
        .summary("n", units::cell, "Valid cells.")
        .example("in.tif ! demanding ! out.csv")
        .cites("this test")
        .agrees(exactly);
  }
  struct State {
    std::int64_t n;
  };
  void step(State& s, const Round&, float value) const { s.n += is_missing(value) ? 0 : 1; }
  void merge(State& a, const State& b, const Round&) const { a.n += b.n; }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (s.n == 0) fail(Errc::input, "there is nothing to count");
    if (numbers != nullptr) numbers[0] = static_cast<double>(s.n);
    return 1;
  }
};

/// Throws where it is told to, which the contract knows nothing of.
struct Thrower {
  enum class Where { rounds, state, begin, step, merge, finish, cells };
  struct Params {
    Where where = Where::rounds;
  } params;
  static Schema schema() {
    return Schema{"thrower", "Throw what is not expected."}
        .input("value", units::any, "The scene.")
        .output("value", units::any, "The scene again.")
        .summary("n", units::cell, "Nothing.")
        .param("where", &Params::where, "Where it throws.",
               {"rounds", "state", "begin", "step", "merge", "finish", "cells"})
        .example("in.tif ! thrower ! out.csv")
        .cites("this test")
        .agrees(exactly);
  }
  struct State {
    std::int64_t n;
  };
  void at(Where here) const {
    if (params.where == here) throw std::runtime_error{"boom"};
  }
  std::uint32_t rounds() const { return at(Where::rounds), 1; }
  std::uint64_t state_bytes(const Round&) const { return at(Where::state), sizeof(State); }
  void begin(State& s, const Round&) const { at(Where::begin), s.n = 0; }
  void step(State&, const Round&, float) const { at(Where::step); }
  void merge(State&, const State&, const Round&) const { at(Where::merge); }
  std::uint64_t finish(const State&, const Round&, double* numbers) const {
    at(Where::finish);
    if (numbers != nullptr) numbers[0] = 0;
    return 1;
  }
  float operator()(float value, Table) const { return at(Where::cells), value; }
};

/// A whole operator that throws what is no exception.
struct WholeThrower {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"whole_thrower", "Throw what is not even an exception."}
        .input("value", units::any, "The scene.")
        .output("value", units::any, "Nothing.")
        .example("in.tif ! whole_thrower ! out.tif")
        .cites("this test")
        .agrees(exactly);
  }
  void whole(const Rows&, Plane<const float>, Plane<float>) const { throw 7; }
};

}  // namespace fulmar::ops

namespace fulmar::test {
namespace {

const Registry& registry() {
  static const Registry r = [] {
    static const fulmar_operator* const operators[] = {&op::table_of<ops::Anomaly>(), &op::table_of<ops::Mirror>(),
                                                       &op::table_of<ops::Demanding>(), &op::table_of<ops::Thrower>(),
                                                       &op::table_of<ops::WholeThrower>()};
    static const fulmar_plugin plugin{
        sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "test", "1", "Apache-2.0", "", "", 5, operators};
    Registry made = builtin_registry();
    made.add(plugin);
    return made;
  }();
  return r;
}

Scene scene(const std::string& text, std::int64_t width = 613, std::int64_t height = 331) {
  Scene s;
  s.grid = make_grid(Place::metric, width, height);
  s.text = text;
  std::mt19937 rng(4711);
  s.files["in.tif"] = {layer_for(Unit{"1"}, s.grid, rng)};
  s.files["other.tif"] = {layer_for(Unit{"1"}, s.grid, rng)};
  return s;
}

struct Work {
  const char* name;
  const char* text;
  std::size_t passes, wholes;
};
void PrintTo(const Work& w, std::ostream* out) { *out << w.text; }

class Passes : public testing::TestWithParam<Work> {};

TEST_P(Passes, AreAsManyAsNeededAndLeaveTheSameBytes) {
  for (const auto& [width, height] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{613, 331}, {1100, 30}, {7, 5}}) {
    const Scene s = scene(GetParam().text, width, height);
    const Bound bound(registry(), s, false);
    const Results expected = bound.run(reference_budget());
    ASSERT_EQ(expected.plan.passes.size(), GetParam().passes);
    std::size_t wholes = 0;
    for (const Pass& p : expected.plan.passes) wholes += p.wholes.size();
    EXPECT_EQ(wholes, GetParam().wholes);
    for (const auto& [w, h] : tilings(s.grid))
      for (const int threads : {1, 4}) {
        SCOPED_TRACE(std::to_string(w) + " x " + std::to_string(h));
        const Results got = bound.run(budget_of(w, h, threads));
        EXPECT_EQ(difference(expected, got, width), "");
        EXPECT_LE(got.report.pool_peak, buffers_of(got.plan));
      }
    const std::string words = explain(bound.graph, expected.plan);
    EXPECT_NE(words.find("pass " + std::to_string(GetParam().passes) + " "), std::string::npos) << words;
    if (wholes > 0) {
      EXPECT_NE(words.find("the raster at once"), std::string::npos) << words;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Passes,
    testing::Values(
        Work{"numbers", "in.tif ! stats ! [ a.csv ] ! out.csv", 1, 0},
        Work{"cells", "in.tif ! anomaly ! out.tif", 3, 0},
        Work{"both", "in.tif ! anomaly ! [ a.tif ] ! expression 'b1 > 3' ! objects ! out.gpkg", 3, 0},
        Work{"twice", "in.tif ! anomaly ! anomaly ! out.tif", 5, 0},
        Work{"besides", "in.tif ! [ a.tif ] ! [ otsu ! b.tif ] ! [ stats ! c.csv ] ! cfar --model ca ! out.tif", 3, 0},
        Work{"whole", "in.tif ! mirror ! out.tif", 1, 1},
        Work{"whole_twice", "in.tif ! mirror ! mirror ! out.tif", 1, 2},
        Work{"whole_of_computed", "in.tif ! decibel ! mirror ! linear ! out.tif", 2, 1},
        Work{"mixed", "in.tif ! decibel ! [ db.tif ] ! mirror ! anomaly ! [ a.tif ] ! mirror ! out.tif", 5, 2},
        Work{"with_other", "in.tif ! mirror ! mask --with [ other.tif ! mirror ! expression 'b1 > 1' ] ! out.tif", 1,
             2}),
    [](const testing::TestParamInfo<Work>& i) { return std::string{i.param.name}; });

TEST(Passes, AWholeOperatorTurnsTheSceneAndTwoTurnItBack) {
  const Scene s = scene("in.tif ! [ mirror ! a.tif ] ! mirror ! mirror ! b.tif");
  const Results got = Bound(registry(), s, false).run(budget_of(97, 61));
  const Layer& in = s.files.at("in.tif")[0];
  const auto& a = got.rasters.at("a.tif")[0];
  const auto& b = got.rasters.at("b.tif")[0];
  for (std::int64_t y = 0; y < 331; ++y)
    for (std::int64_t x = 0; x < 613; ++x) {
      const auto k = static_cast<std::size_t>(y * 613 + x), up = static_cast<std::size_t>((330 - y) * 613 + x);
      const float v = in.valid[k] == 0 ? missing<float> : in.values[k];
      ASSERT_TRUE(same_bits(a[up], v));
      ASSERT_TRUE(same_bits(b[k], v));
    }
}

TEST(Passes, TheNumbersAreThoseOfTheScene) {
  const Scene s = scene("in.tif ! anomaly ! out.tif");
  const Results got = Bound(registry(), s, false).run(budget_of(97, 61));
  double n = 0, sum = 0, distance = 0;
  const Layer& in = s.files.at("in.tif")[0];
  for (std::size_t k = 0; k < in.values.size(); ++k)
    if (in.valid[k] != 0 && !is_missing(in.values[k])) n += 1, sum += static_cast<double>(in.values[k]);
  for (std::size_t k = 0; k < in.values.size(); ++k)
    if (in.valid[k] != 0 && !is_missing(in.values[k]))
      distance += std::abs(static_cast<double>(in.values[k]) - sum / n);
  ASSERT_EQ(got.summaries.size(), 1u);
  EXPECT_NEAR(got.summaries[0].rows[0].values[0], sum / n, 1e-12);
  EXPECT_NEAR(got.summaries[0].rows[0].values[1], distance / n, 1e-12);
}

TEST(Passes, AFailureInAnyOfThemLeavesNothing) {
  Scene s = scene("in.tif ! [ a.tif ] ! [ mirror ! b.tif ] ! demanding ! out.csv");
  std::fill(s.files["in.tif"][0].valid.begin(), s.files["in.tif"][0].valid.end(), std::uint8_t{0});
  const Bound bound(registry(), s, false);
  try {
    static_cast<void>(bound.run(budget_of(97, 61)));
    FAIL() << "counted nothing";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::input);
    EXPECT_NE(std::string{e.what()}.find("there is nothing to count"), std::string::npos) << e.what();
    EXPECT_NE(std::string{e.what()}.find("demanding"), std::string::npos) << e.what();
  }
  for (const auto& [path, raster] : bound.io->products.rasters) EXPECT_FALSE(raster.whole) << path;
}

TEST(Passes, WhatAnOperatorThrowsNamesIt) {
  std::vector<std::string> pipelines{"in.tif ! whole_thrower ! out.tif"};
  for (const char* where : {"rounds", "state", "begin", "step", "merge", "finish", "cells"})
    pipelines.push_back(std::string{"in.tif ! thrower --where "} + where + " ! out.tif");
  for (const std::string& text : pipelines)
    for (const bool reference : {false, true}) {
      SCOPED_TRACE(text);
      const Bound bound(registry(), scene(text), false);
      try {
        static_cast<void>(bound.run(reference ? reference_budget() : budget_of(128, 64, 3)));
        FAIL() << "ran";
      } catch (const Error& e) {
        const std::string said = e.what();
        EXPECT_NE(said.find("operator " + text.substr(9, text.find(' ', 9) - 9) + " of plugin test"), std::string::npos)
            << said;
        EXPECT_TRUE(said.find("boom") != std::string::npos || said.find("not an exception") != std::string::npos)
            << said;
      }
      for (const auto& [path, raster] : bound.io->products.rasters) EXPECT_FALSE(raster.whole) << path;
    }
}

TEST(Passes, TheSameWorkIsDoneOnce) {
  const Scene s = scene("in.tif ! [ decibel ! a.tif ] ! decibel ! [ linear ! b.tif ] ! c.tif");
  const Bound bound(registry(), s, false);
  std::size_t operators = 0;
  for (const Node& n : bound.graph.nodes) operators += n.op != nullptr ? 1 : 0;
  EXPECT_EQ(operators, 2u);
  const Results got = bound.run(budget_of(97, 61));
  for (std::size_t k = 0; k < got.rasters.at("a.tif")[0].size(); ++k)
    ASSERT_TRUE(same_bits(got.rasters.at("a.tif")[0][k], got.rasters.at("c.tif")[0][k]));
}

TEST(Passes, InputsGoOnWithWhatFlowsOrTakeAValueByItsName) {
  const auto cells = [](const std::string& text) {
    return Bound(registry(), scene(text), false).run(budget_of(97, 61)).rasters.at("out.tif")[0];
  };
  const auto expected = cells("in.tif ! expression 'b1 + 10 * log10(b1)' ! out.tif");
  const auto onward = cells("in.tif ! expression --band [ ! expression '10 * log10(b1)' ] 'b1 + b2' ! out.tif");
  const auto beside = cells("in.tif --with [ ! expression '10 * log10(b1)' ] ! expression 'b1 + b2' ! out.tif");
  const auto named = cells("in.tif ! anomaly ! expression --band value 'b2' ! out.tif");
  const auto plain = cells("in.tif ! anomaly ! out.tif");
  for (std::size_t k = 0; k < expected.size(); ++k) {
    if (!is_missing(expected[k])) {
      ASSERT_NEAR(expected[k], onward[k], 1e-4) << k;
    }
    ASSERT_TRUE(same_bits(onward[k], beside[k])) << k;
    ASSERT_TRUE(same_bits(named[k], plain[k])) << k;
  }
}

TEST(Passes, AWholeOperatorBeyondTheBudgetIsRefusedWithTheNumbers) {
  Scene s = scene("in.tif ! mirror ! out.tif", 7, 5);
  Bound bound(registry(), s, false);
  bound.graph.grid.width = 100000, bound.graph.grid.height = 50000;
  try {
    static_cast<void>(make_plan(bound.graph, Budget{}));
    FAIL() << "planned";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    for (const char* word : {"mirror", "100000 x 50000", "--memory", "512 MiB"})
      EXPECT_NE(e.message().find(word), std::string::npos) << e.message();
  }
}

TEST(Passes, NumbersDoNotGoIntoARaster) {
  const Scene s = scene("in.tif ! stats ! out.tif");
  try {
    const Bound bound(registry(), s, false);
    FAIL() << "bound";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    EXPECT_NE(e.message().find("write .csv"), std::string::npos) << e.message();
  }
}

}  // namespace
}  // namespace fulmar::test
