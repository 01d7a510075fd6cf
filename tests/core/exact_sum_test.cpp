// SPDX-License-Identifier: Apache-2.0
#include "core/exact_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace fulmar {
namespace {

__extension__ typedef __float128 Quad;  // 113 bits: exact for what the tests add up with it

using Terms = std::vector<std::pair<float, std::int64_t>>;

std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }

double sum_of(const Terms& terms) {
  ExactSum s;
  for (const auto& [v, w] : terms) s.add(v, w);
  return s.value();
}

double reference(const Terms& terms) {
  Quad s = 0;
  for (const auto& [v, w] : terms) s += static_cast<Quad>(v) * static_cast<Quad>(w);
  return static_cast<double>(s);
}

void expect_within_an_ulp(double got, double expected) {
  EXPECT_GE(got, std::nextafter(expected, -std::numeric_limits<double>::infinity()));
  EXPECT_LE(got, std::nextafter(expected, std::numeric_limits<double>::infinity()));
}

/// Terms of magnitudes 2^-low to 2^high, of both signs.
Terms random_terms(std::mt19937& rng, std::size_t n, int low, int high, std::int64_t weights) {
  std::uniform_real_distribution<float> mantissa(1, 2);
  std::uniform_int_distribution<int> exponent(low, high);
  std::uniform_int_distribution<std::int64_t> weight(-weights, weights);
  Terms t;
  for (std::size_t i = 0; i < n; ++i)
    t.emplace_back(std::ldexp(mantissa(rng), exponent(rng)) * (rng() % 2 == 0 ? 1.0f : -1.0f),
                   weights == 1 ? 1 : weight(rng));
  return t;
}

TEST(ExactSum, IsEmptyAtFirst) {
  EXPECT_EQ(bits(ExactSum{}.value()), bits(0.0));
  EXPECT_EQ(sum_of({{0.0f, 5}, {-0.0f, 1}}), 0.0);
}

TEST(ExactSum, OneTermIsItself) {
  for (const float v : {1.0f, -1.0f, 0.1f, 3e38f, -3e38f, std::numeric_limits<float>::max(),
                        std::numeric_limits<float>::lowest(), std::numeric_limits<float>::min(),
                        std::numeric_limits<float>::denorm_min(), -std::numeric_limits<float>::denorm_min(), 1e-40f})
    EXPECT_EQ(sum_of({{v, 1}}), static_cast<double>(v)) << v;
  EXPECT_EQ(sum_of({{0.1f, 12345}}), 0.1f * 12345.0);
  EXPECT_EQ(sum_of({{0.1f, -12345}}), 0.1f * -12345.0);
}

TEST(ExactSum, EveryOrderGivesTheSameBits) {
  std::mt19937 rng(1);
  for (int round = 0; round < 20; ++round) {
    Terms t = random_terms(rng, 3000, -120, 120, round % 2 == 0 ? 1 : std::int64_t{1} << 36);
    const double first = sum_of(t);
    std::reverse(t.begin(), t.end());
    EXPECT_EQ(bits(sum_of(t)), bits(first));
    for (int k = 0; k < 5; ++k) {
      std::shuffle(t.begin(), t.end(), rng);
      EXPECT_EQ(bits(sum_of(t)), bits(first)) << "round " << round;
    }
  }
}

TEST(ExactSum, EveryWayOfMergingGivesTheSameBits) {
  std::mt19937 rng(2);
  const Terms t = random_terms(rng, 4096, -100, 100, 1000);
  const double whole = sum_of(t);
  for (int round = 0; round < 50; ++round) {
    std::vector<ExactSum> parts(1 + rng() % 40);
    for (const auto& [v, w] : t) parts[rng() % parts.size()].add(v, w);
    while (parts.size() > 1) {  // in any tree
      const std::size_t a = rng() % parts.size();
      const ExactSum taken = parts[a];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(a));
      parts[rng() % parts.size()].merge(taken);
    }
    ASSERT_EQ(bits(parts[0].value()), bits(whole));
  }
}

TEST(ExactSum, MergesOfMergesDoNotOverflow) {
  ExactSum s;
  s.add(3.0f, 7);
  for (int i = 0; i < 60; ++i) s.merge(ExactSum{s});  // doubles
  EXPECT_EQ(s.value(), std::ldexp(21.0, 60));
}

TEST(ExactSum, EqualsTheExactSumToAnUlp) {
  std::mt19937 rng(3);
  for (int round = 0; round < 200; ++round) {
    const Terms t = random_terms(rng, 1 + rng() % 2000, -25, 25, round % 3 == 0 ? 1 : std::int64_t{1} << 20);
    SCOPED_TRACE(round);
    expect_within_an_ulp(sum_of(t), reference(t));
  }
}

TEST(ExactSum, GammaData) {
  std::mt19937 rng(4);
  std::gamma_distribution<float> g(4.4f, 0.02f / 4.4f);
  Terms t;
  for (int i = 0; i < 200000; ++i) t.emplace_back(g(rng), 2 * i + 1);
  expect_within_an_ulp(sum_of(t), reference(t));
}

TEST(ExactSum, CancelsExactly) {
  EXPECT_EQ(sum_of({{1e30f, 1}, {1.0f, 1}, {-1e30f, 1}}), 1.0);
  EXPECT_EQ(sum_of({{3e38f, 1}, {1e-45f, 1}, {-3e38f, 1}}), static_cast<double>(1e-45f));
  EXPECT_EQ(sum_of({{3e38f, 1}, {-1e-45f, 1}, {-3e38f, 1}}), -static_cast<double>(1e-45f));
  EXPECT_EQ(sum_of({{0.1f, 10}, {-1.0f, 1}}), 0.1f * 10.0 - 1.0);
  EXPECT_EQ(bits(sum_of({{5.5f, 3}, {-5.5f, 3}})), bits(0.0));
}

TEST(ExactSum, Denormals) {
  const float least = std::numeric_limits<float>::denorm_min();
  ExactSum s;
  for (int i = 0; i < 1000; ++i) s.add(least);
  for (int i = 0; i < 400; ++i) s.add(-least);
  EXPECT_EQ(s.value(), 600.0 * static_cast<double>(least));
}

TEST(ExactSum, Negative) {
  std::mt19937 rng(5);
  Terms t = random_terms(rng, 5000, -20, 20, 100);
  const double sum = sum_of(t);
  for (auto& term : t) term.first = -term.first;
  EXPECT_EQ(bits(sum_of(t)), bits(-sum));
}

TEST(ExactSum, ATimesASumIsTheSumOfItsTermsTimes) {
  std::mt19937 rng(6);
  for (const std::int64_t times : {std::int64_t{0}, std::int64_t{1}, std::int64_t{2880}, std::int64_t{1} << 32})
    for (const int terms : {1, 3, 2000}) {
      ExactSum once, all, expected;
      all.add(-7.25f, 3), expected.add(-7.25f, 3);
      for (const auto& [value, weight] : random_terms(rng, terms, -60, 60, 16)) {
        once.add(value, weight);
        expected.add(value, weight * times);
      }
      all.merge(once, times);
      EXPECT_EQ(bits(all.value()), bits(expected.value())) << times << " times, " << terms << " terms";
    }
}

TEST(ExactSum, LargestWeights) {
  const std::int64_t w = (std::int64_t{1} << 37) - 1;
  ExactSum s;
  for (int i = 0; i < 1000; ++i) s.add(std::numeric_limits<float>::max(), w);
  const double term =
      static_cast<double>(static_cast<Quad>(std::numeric_limits<float>::max()) * static_cast<Quad>(w) * 1000);
  expect_within_an_ulp(s.value(), term);
  for (int i = 0; i < 1000; ++i) s.add(std::numeric_limits<float>::max(), -w);
  EXPECT_EQ(s.value(), 0.0);
}

}  // namespace
}  // namespace fulmar
