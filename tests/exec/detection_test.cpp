// SPDX-License-Identifier: Apache-2.0
// What cfar detects, against plain loops over its definition, and how often it is wrong on clutter alone.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "sea/cfar_multipliers.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

struct Detected {
  std::vector<float> flags, background;
  [[nodiscard]] std::size_t count(float v) const {
    return static_cast<std::size_t>(std::count(flags.begin(), flags.end(), v));
  }
};

Detected detect(std::int64_t width, std::int64_t height, const std::vector<float>& cells,
                const std::string& arguments) {
  static const Registry registry = builtin_registry();
  Scene s;
  s.grid = make_grid(Place::unknown, width, height);
  s.text = "in.tif ! cfar " + arguments + " ! out.tif";
  s.files["in.tif"] = {{cells, {}, Unit{"1"}}};
  const Bound bound(registry, s);
  auto r = bound.run(budget_of(0, 0));
  return {r.rasters.at("out.tif")[0], r.rasters.at("out.tif")[1]};
}

std::vector<float> gamma_cells(std::int64_t n, double looks, double mean, unsigned seed) {
  std::mt19937_64 rng(seed);
  std::gamma_distribution<double> g(looks, mean / looks);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (auto& x : v) x = static_cast<float>(g(rng));
  return v;
}

struct Rings {
  std::int64_t target, guard, background;  // half widths
};

/// The definition, cell by cell, in long double.
template <class Decide>
std::vector<float> plain(std::int64_t width, std::int64_t height, const std::vector<float>& cells, const Rings& r,
                         double min_valid, bool logs, Decide&& exceeds) {
  const auto at = [&](std::int64_t x, std::int64_t y) { return cells[static_cast<std::size_t>(y * width + x)]; };
  const auto inside = [&](std::int64_t x, std::int64_t y) { return x >= 0 && x < width && y >= 0 && y < height; };
  const double whole =
      static_cast<double>((2 * r.background + 1) * (2 * r.background + 1) - (2 * r.guard + 1) * (2 * r.guard + 1));
  std::vector<float> out;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      std::vector<long double> ring;
      long double target = 0, in_target = 0;
      for (std::int64_t j = -r.background; j <= r.background; ++j)
        for (std::int64_t i = -r.background; i <= r.background; ++i) {
          if (!inside(x + i, y + j) || is_missing(at(x + i, y + j))) continue;
          const long double v = at(x + i, y + j);
          if (std::max(std::abs(i), std::abs(j)) <= r.target) target += v, in_target += 1;
          if (std::max(std::abs(i), std::abs(j)) <= r.guard) continue;
          if (logs && !(v > 0)) continue;
          ring.push_back(logs ? std::log(v) : v);
        }
      const auto n = static_cast<long double>(ring.size());
      if (is_missing(at(x, y)) || n < std::max(1.0, min_valid * whole)) {
        out.push_back(255);
        continue;
      }
      long double mean = 0, variance = 0;
      for (const auto v : ring) mean += v;
      mean /= n;
      for (const auto v : ring) variance += (v - mean) * (v - mean);
      out.push_back(exceeds(target / in_target, n, mean, std::sqrt(variance / n)) ? 1.0f : 0.0f);
    }
  return out;
}

std::vector<float> scene_with_gaps(std::int64_t width, std::int64_t height, unsigned seed) {
  auto v = gamma_cells(width * height, 4.4, 0.02, seed);
  std::mt19937 rng(seed + 1);
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      auto& c = v[static_cast<std::size_t>(y * width + x)];
      if (rng() % 300 == 0) c *= 12;
      if (rng() % 40 == 0 || (x > 60 && x < 95 && y > 30 && y < 70 && (x + y) % 9 != 0)) c = missing<float>;
      if (rng() % 500 == 0) c = 0;
    }
  return v;
}

void expect_equal_masks(const std::vector<float>& got, const std::vector<float>& expected, std::int64_t width) {
  std::size_t differing = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    if (got[i] != expected[i] && differing++ < 5)
      ADD_FAILURE() << "column " << static_cast<std::int64_t>(i) % width << ", row "
                    << static_cast<std::int64_t>(i) / width << ": " << got[i] << " where the definition gives "
                    << expected[i];
  EXPECT_EQ(differing, 0u);
  const auto count = [&](float v) { return std::count(expected.begin(), expected.end(), v); };
  EXPECT_GT(count(1), 20);  // or the comparison says little
  EXPECT_GT(count(255), 50);
}

constexpr std::int64_t w = 211, h = 137;

TEST(Cfar, TwoParameterEqualsItsDefinition) {
  const auto cells = scene_with_gaps(w, h, 51);
  const long double t = cfar::normal_isf(1e-4);
  const auto exceeds = [&](long double s, long double, long double mean, long double sigma) {
    return s > mean + t * sigma;
  };
  expect_equal_masks(detect(w, h, cells, "--pfa 1e-4 --guard 7px --background 15px").flags,
                     plain(w, h, cells, {0, 3, 7}, 0.25, false, exceeds), w);
  expect_equal_masks(detect(w, h, cells, "--pfa 1e-4 --guard 5px --background 9px --target 3px --min-valid 0.8").flags,
                     plain(w, h, cells, {1, 2, 4}, 0.8, false, exceeds), w);
}

TEST(Cfar, LognormalEqualsItsDefinition) {
  const auto cells = scene_with_gaps(w, h, 52);
  const long double t = cfar::normal_isf(1e-3);
  const auto exceeds = [&](long double s, long double, long double mean, long double sigma) {
    return s > 0 && std::log(s) > mean + t * sigma;
  };
  expect_equal_masks(detect(w, h, cells, "--model lognormal --pfa 1e-3 --guard 7px --background 15px").flags,
                     plain(w, h, cells, {0, 3, 7}, 0.25, true, exceeds), w);
  expect_equal_masks(
      detect(w, h, cells, "--model lognormal --pfa 1e-3 --guard 5px --background 11px --target 3px").flags,
      plain(w, h, cells, {1, 2, 5}, 0.25, true, exceeds), w);
}

TEST(Cfar, CellAveragingEqualsItsDefinition) {
  const auto cells = scene_with_gaps(w, h, 53);
  std::map<long, double> multipliers;
  const auto exceeds = [&](long double s, long double n, long double mean, long double) {
    auto& a = multipliers[static_cast<long>(n)];
    if (a == 0) a = cfar::ca_multiplier(4.4, static_cast<double>(n), 1e-4);
    return s > a * mean;
  };
  expect_equal_masks(detect(w, h, cells, "--model ca --looks 4.4 --pfa 1e-4 --guard 7px --background 15px").flags,
                     plain(w, h, cells, {0, 3, 7}, 0.25, false, exceeds), w);
}

TEST(Cfar, KEqualsItsDefinition) {
  const auto cells = scene_with_gaps(w, h, 54);
  std::map<long double, bool> seen;
  const double looks = 4.4, pfa = 1e-3;
  const auto exceeds = [&](long double s, long double n, long double mean, long double sigma) {
    const auto inverse = static_cast<double>((sigma * sigma + mean * mean) / (mean * mean) / (1 + 1 / looks) - 1);
    const auto ratio = static_cast<double>(s / mean);
    // Most cells are far from any threshold: those near it cost the exact one.
    if (ratio < 2) return false;
    return ratio > (inverse > 0.01 ? cfar::k_threshold(looks, 1 / inverse, pfa)
                                   : cfar::ca_multiplier(looks, static_cast<double>(n), pfa));
  };
  expect_equal_masks(detect(w, h, cells, "--model k --looks 4.4 --pfa 1e-3 --guard 7px --background 15px").flags,
                     plain(w, h, cells, {0, 3, 7}, 0.25, false, exceeds), w);
}

TEST(Cfar, BackgroundIsTheRingsMean) {
  const auto cells = scene_with_gaps(w, h, 55);
  const auto got = detect(w, h, cells, "--guard 7px --background 15px");
  std::vector<double> means;
  plain(w, h, cells, {0, 3, 7}, 0.25, false, [&](long double, long double, long double mean, long double) {
    means.push_back(static_cast<double>(mean));
    return false;
  });
  std::size_t k = 0;
  for (std::size_t i = 0; i < got.background.size(); ++i) {
    if (got.flags[i] == 255) {
      EXPECT_TRUE(is_missing(got.background[i]));
      continue;
    }
    ASSERT_NEAR(got.background[i] / means[k], 1, 3e-7);
    ++k;
  }
  EXPECT_EQ(k, means.size());
}

TEST(Cfar, AStarvedRingIsUnknownNotEmpty) {
  // One ship in a narrow harbour: hardly any water around it.
  std::vector<float> cells(61 * 61, missing<float>);
  for (std::int64_t y = 28; y < 33; ++y)
    for (std::int64_t x = 28; x < 33; ++x)
      cells[static_cast<std::size_t>(y * 61 + x)] = 0.01f + 0.001f * static_cast<float>(x % 3);
  cells[30 * 61 + 30] = 50;
  for (const char* model : {"ca", "two_parameter", "lognormal", "k"}) {
    SCOPED_TRACE(model);
    const auto starved = detect(61, 61, cells, std::string{"--guard 3px --background 15px --model "} + model);
    EXPECT_EQ(starved.count(255), 61u * 61u);
    const auto fed =
        detect(61, 61, cells, std::string{"--guard 3px --background 15px --min-valid 0.01 --model "} + model);
    EXPECT_EQ(fed.flags[30 * 61 + 30], model == std::string{"k"} ? fed.flags[30 * 61 + 30] : 1);
    EXPECT_EQ(fed.count(255), 61u * 61u - 25u);
  }
  // min-valid 0 still asks for one cell.
  std::vector<float> alone(61 * 61, missing<float>);
  alone[30 * 61 + 30] = 5;
  EXPECT_EQ(detect(61, 61, alone, "--guard 3px --background 15px --min-valid 0").count(255), 61u * 61u);
}

TEST(Cfar, AFlatPlateauHoldsNoTarget) {
  for (const float level : {65535.0f, 0.1f, 1e-6f, 0.02f, 0.3f, 1e6f, 0.0f})
    for (const char* model : {"ca", "two_parameter", "lognormal", "k"})
      for (const char* target : {"", " --target 3px"}) {
        SCOPED_TRACE(testing::Message() << "level " << level << ", model " << model << target);
        std::vector<float> cells(600 * 300, level);
        for (std::int64_t y = 0; y < 300; ++y)
          for (std::int64_t x = 0; x < 600; ++x)
            if ((x * 7 + y * 13) % 101 == 0) cells[static_cast<std::size_t>(y * 600 + x)] = missing<float>;
        EXPECT_EQ(
            detect(600, 300, cells, std::string{"--pfa 1e-3 --guard 7px --background 31px --model "} + model + target)
                .count(1),
            0u);
      }
}

TEST(Cfar, APlateauBesideABrightTargetHoldsNoOther) {
  // The running sums saw the target pass; what rounding it left behind must not become targets.
  for (const float bright : {10.0f, 1e4f, 1e6f})
    for (const char* model : {"ca", "two_parameter", "lognormal", "k"}) {
      SCOPED_TRACE(testing::Message() << "bright " << bright << ", model " << model);
      std::vector<float> cells(500 * 250, 0.1f);
      cells[100 * 500 + 100] = bright;
      const auto got =
          detect(500, 250, cells, std::string{"--pfa 1e-3 --guard 7px --background 31px --model "} + model);
      EXPECT_EQ(got.flags[100 * 500 + 100], 1);
      EXPECT_EQ(got.count(1), 1u);
    }
}

// ---- false alarms ----

/// Checks that the share of false alarms is the one asked for, within `sigmas` of a binomial's standard deviations.
void expect_rate(const Detected& d, double pfa, double sigmas) {
  const auto n = static_cast<double>(d.flags.size() - d.count(255));
  const double found = static_cast<double>(d.count(1)), sigma = std::sqrt(n * pfa * (1 - pfa));
  testing::Test::RecordProperty("false_alarms", std::to_string(found));
  EXPECT_NEAR(found, n * pfa, sigmas * sigma) << (found - n * pfa) / sigma << " sigma off; rate " << found / n;
}

constexpr std::int64_t side = 2000;

TEST(FalseAlarms, CellAveragingOneLook) {
  expect_rate(detect(side, side, gamma_cells(side * side, 1, 0.02, 61),
                     "--model ca --looks 1 --pfa 1e-3 --guard 5px --background 11px"),
              1e-3, 3);
}
TEST(FalseAlarms, CellAveragingFourLooks) {
  expect_rate(detect(side, side, gamma_cells(side * side, 4, 0.02, 62),
                     "--model ca --looks 4 --pfa 1e-3 --guard 5px --background 11px"),
              1e-3, 3);
}
TEST(FalseAlarms, CellAveragingWithGaps) {
  // Fewer valid cells, a larger multiplier: the rate stays.
  auto cells = gamma_cells(side * side, 1, 0.02, 63);
  std::mt19937 rng(64);
  for (auto& c : cells)
    if (rng() % 2 == 0) c = missing<float>;
  expect_rate(detect(side, side, cells, "--model ca --looks 1 --pfa 1e-3 --guard 3px --background 7px"), 1e-3, 3);
}
TEST(FalseAlarms, LognormalOnLognormalClutter) {
  // The threshold takes the ring's moments for the true ones: with a ring of 1800 cells that adds 2 % to the rate,
  // within the noise of the count; the width asked for is that of the binomial and the bias.
  std::mt19937_64 rng(65);
  std::normal_distribution<double> d(-4, 0.7);
  std::vector<float> cells(static_cast<std::size_t>(side * side));
  for (auto& c : cells) c = static_cast<float>(std::exp(d(rng)));
  expect_rate(detect(side, side, cells, "--model lognormal --pfa 1e-3 --guard 7px --background 43px"), 1e-3, 4);
}

TEST(FalseAlarms, KOnKClutter) {
  // L = 4, nu = 5, pixels independent. nu is estimated in every ring from its second moment, so its noise adds to the
  // rate; with a ring of 10000 cells the estimate is good enough for the binomial's width to hold.
  std::mt19937_64 rng(66);
  const double looks = 4, nu = 5;
  std::gamma_distribution<double> texture(nu, 0.02 / nu), speckle(looks, 1 / looks);
  std::vector<float> cells(static_cast<std::size_t>(side * side));
  for (auto& c : cells) c = static_cast<float>(texture(rng) * speckle(rng));
  expect_rate(detect(side, side, cells, "--model k --looks 4 --pfa 1e-3 --guard 7px --background 101px"), 1e-3, 3);
}

TEST(FalseAlarms, KOnGammaClutterIsCellAveraging) {
  const auto cells = gamma_cells(1000 * 1000, 4, 0.02, 67);
  const auto k = detect(1000, 1000, cells, "--model k --looks 4 --pfa 1e-3 --guard 7px --background 101px");
  const auto ca = detect(1000, 1000, cells, "--model ca --looks 4 --pfa 1e-3 --guard 7px --background 101px");
  // nu is estimated as infinite or just below 100 half of the time: thresholds a little higher, never lower.
  EXPECT_LE(k.count(1), ca.count(1));
  EXPECT_GT(static_cast<double>(k.count(1)), 0.85 * static_cast<double>(ca.count(1)));
}

}  // namespace
}  // namespace fulmar::test
