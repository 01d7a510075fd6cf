// SPDX-License-Identifier: Apache-2.0
// What the scenes of the laws do not meet of reductions on a card: blocks of a scene that speak, shares of cells,
// percentiles, states too large for shared memory, and how much of them comes down.
#include <gtest/gtest.h>

#include "core/shares.hpp"
#include "device/checked_device.hpp"
#include "plan/device_plan.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

using Values = std::vector<std::pair<std::string, std::string>>;
using Tilings = std::vector<std::pair<std::int64_t, std::int64_t>>;

class CardReductions : public testing::Test {
 protected:
  void SetUp() override {
    if (card() == nullptr) GTEST_SKIP() << cuda::devices().trouble;
  }
  static Budget budget(std::int64_t width, std::int64_t height) {
    Budget b = budget_of(width, height, 1, Backend::cuda);
    b.device_memory = std::int64_t{1} << 30;
    return b;
  }
  /// A bit more than a block across.
  static Scene scene(const std::string& op, const Values& values, std::int64_t height = 40) {
    return make_scene(tested_registry(), {op, values, Place::metric}, block_width + 9, height, 7);
  }
  /// Runs it by the definition and on the card, and returns what was found.
  static std::vector<FeatureTable> expect_the_same(const Bound& bound, const Tilings& tilings = {{0, 0}, {200, 17}}) {
    const Results expected = bound.run(reference_budget());
    for (const auto& [w, h] : tilings) {
      SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
      const Results got = bound.run(budget(w, h), card());
      EXPECT_EQ(got.report.backend, Backend::cuda);
      EXPECT_EQ(difference(expected, got, bound.graph.grid.width), "");
      EXPECT_LE(got.report.device_peak, got.plan.card_bytes);
      for (const Pass& pass : got.plan.passes)
        for (const Stage& stage : pass.plan.stages) EXPECT_TRUE(stage.device) << why_on_host(pass.graph, stage);
    }
    return expected.summaries;
  }
  static double number(const FeatureTable& table, const std::string& column, std::size_t row = 0) {
    for (std::size_t c = 0; c < table.columns.size(); ++c)
      if (table.columns[c].name == column) return table.rows[row].values[c];
    ADD_FAILURE() << "there is no column " << column;
    return 0;
  }
};

TEST_F(CardReductions, BlocksWithWaterAndLandSpeak) {
  // Blocks that lie across those of the lattice, and some that it holds whole.
  for (const char* side : {"24", "64"})
    for (const char* select : {"hsba", "cv"}) {
      Scene s = scene("bimodal", {{"block", side}, {"select", select}, {"bins", "64"}}, 70);
      SCOPED_TRACE(s.text);
      Layer& layer = s.files["in.tif"][0];
      std::mt19937 random{9};
      std::normal_distribution<float> speckle(0, 1);
      const bool varied = std::string{select} == "cv";
      for (std::size_t i = 0; i < layer.values.size(); ++i) {
        const auto x = static_cast<std::int64_t>(i) % s.grid.width, y = static_cast<std::int64_t>(i) / s.grid.width;
        // Stripes; or dark water with a few bright cells in a corner of land.
        const float level = !varied              ? (x / 12 % 2 == 0 ? -21.0f : -9.0f)
                            : x >= 24 || y >= 24 ? -3.0f
                            : (x + y) % 20 == 0  ? 5.0f
                                                 : -21.0f;
        layer.values[i] = level + speckle(random);
        layer.valid[i] = random() % 200 == 0 ? 0 : 255;
      }
      const auto found = expect_the_same(Bound(tested_registry(), s));
      EXPECT_GT(number(found[0], "blocks"), 0) << "no block was to be thresholded";
    }
}

TEST_F(CardReductions, ZonesWithShares) {
  for (const Values& values : std::vector<Values>{{},
                                                  {{"weights", "equal"}, {"ddof", "1"}},
                                                  {{"percentile", "5,50,99"}},
                                                  {{"categories", "7"}},
                                                  {{"categories", "40"}, {"percentile", "25"}}}) {
    Scene s = scene("zonal", values);
    s.text.replace(s.text.find(" ! out"), 0, " --zones-count 40");
    SCOPED_TRACE(s.text);
    for (float& v : s.files["in.tif"][0].values) v = std::floor(20 * v);
    // Zones as stripes that cross the lattice; here and there a cell that two or three of them hold a part of.
    std::vector<double> shares{2, 3, 0.25, 9, 0.75, 3, 1, 0.125, 40, 0.5, 17, 0.375};
    auto& zones = s.companions["zones"].values;
    for (std::size_t i = 0; i < zones.size(); ++i) {
      const auto x = static_cast<std::int64_t>(i) % s.grid.width, y = static_cast<std::int64_t>(i) / s.grid.width;
      zones[i] = x % 37 == 5 ? mark_of_shares(y % 2 == 0 ? 0 : 5) : static_cast<float>((x + y) / 20 % 44);
    }
    Bound bound(tested_registry(), s);
    for (Node& node : bound.graph.nodes)
      if (node.op != nullptr) node.table = shares;
    const auto found = expect_the_same(bound);
    ASSERT_EQ(found[0].rows.size(), 40u);
    const double n = number(found[0], "n", 8);
    EXPECT_NE(n, std::floor(n)) << "a zone that holds parts of cells was to be among them";
  }
}

TEST_F(CardReductions, LargeStatesAreMergedAndOneComesDown) {
  // 8 KiB, which fits into shared memory, and 512 KiB, which does not.
  for (const char* bins : {"1000", "65536"}) {
    const Scene s = scene("histogram", {{"bins", bins}, {"low", "0"}, {"high", "1"}});
    SCOPED_TRACE(s.text);
    const Bound bound(tested_registry(), s);
    const auto found = expect_the_same(bound);
    double cells = 0;
    for (std::size_t row = 1; row + 1 < found[0].rows.size(); ++row) cells += number(found[0], "n", row);
    EXPECT_GT(cells, 10000);
    const Results got = bound.run(budget(0, 0), card());
    EXPECT_EQ(got.report.traffic.downloads, 1);
    Node counting = bound.graph.nodes.back();
    counting.round = 0;
    const std::int64_t state = state_bytes(counting, s.grid);
    EXPECT_GT(state, std::stoll(bins) * 8);
    EXPECT_EQ(got.report.traffic.downloaded, state);
    // A state goes up once, however many blocks begin with it.
    EXPECT_LT(got.report.traffic.uploaded, s.grid.width * s.grid.height * 5 + state + 1000);
  }
}

TEST_F(CardReductions, QualityOfManyBlocks) {
  for (const char* ratio : {"2", "8"}) expect_the_same(Bound(tested_registry(), scene("qnr", {{"ratio", ratio}})));
  const auto found = expect_the_same(Bound(tested_registry(), scene("quality", {})));
  EXPECT_GT(number(found[0], "uiqi"), -1);
}

/// A window with sums reaches over the seam; every cell is stepped once all the same.
TEST_F(CardReductions, RoundTheEarth) {
  for (const char* op : {"qnr", "quality", "bimodal", "zonal", "histogram", "stats"}) {
    const Scene s = make_scene(tested_registry(), {op, {}, Place::global}, block_width + 9, 21, 7);
    SCOPED_TRACE(s.text);
    expect_the_same(Bound(tested_registry(), s), {{0, 0}, {200, 17}});
  }
}

/// States of a mebibyte and more stay on the card; those of which a few fill it do not, and explain says so.
TEST_F(CardReductions, StatesHaveABound) {
  for (const auto& [count, fits] : std::vector<std::pair<const char*, bool>>{{"20000", true}, {"300000", false}}) {
    Scene s = scene("zonal", {{"zones-count", count}}, 5);
    SCOPED_TRACE(s.text);
    const Bound bound(tested_registry(), s);
    if (fits) {
      expect_the_same(bound, {{0, 0}});
      continue;
    }
    const Plan plan = make_plan(bound.graph, budget(0, 0));
    EXPECT_NE(explain(bound.graph, plan).find("the states of zonal are too large for a card"), std::string::npos)
        << explain(bound.graph, plan);
  }
}

}  // namespace
}  // namespace fulmar::test
