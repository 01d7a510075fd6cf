// SPDX-License-Identifier: Apache-2.0
/// @file
/// core/math.hpp against long double libm on seeded samples within the ulps it promises, and at the edges of each
/// domain.
#include "core/math.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace fulmar {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double least = 0x1p-1074;  // the smallest denormal
constexpr int samples = 400'000;

/// |got - want| in units of the last place of the double next to `want`.
double ulps(double got, long double want) {
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want) ? 0.0 : inf;
  if (static_cast<double>(want) == got && std::isinf(got)) return 0.0;
  if (std::isinf(got) || std::isinf(static_cast<double>(want))) return inf;
  return static_cast<double>(std::fabs(got - want) / std::ldexp(1.0L, std::max(std::ilogb(want), -1022) - 52));
}

/// Half the samples uniform in [low, high], half uniform in their logarithm with either sign, as far as the range goes.
std::vector<double> draw(double low, double high, double closest = 1e-12) {
  std::mt19937_64 random{20240607};
  std::vector<double> x;
  std::uniform_real_distribution<double> linear{low, high};
  const double largest = std::max(std::fabs(low), std::fabs(high));
  std::uniform_real_distribution<double> logarithmic{std::log2(closest), std::log2(largest)};
  while (x.size() < samples) {
    x.push_back(linear(random));
    const double a = std::exp2(logarithmic(random));
    if (a <= high) x.push_back(a);
    if (-a >= low) x.push_back(-a);
  }
  return x;
}

template <class F, class G>
void expect_close(const char* name, F ours, G reference, const std::vector<double>& x, double bound) {
  double worst = 0.0, where = 0.0;
  for (const double v : x) {
    const double e = ulps(ours(v), reference(static_cast<long double>(v)));
    if (e > worst) worst = e, where = v;
  }
  EXPECT_LT(worst, bound) << name << " at " << std::hexfloat << where;
  testing::Test::RecordProperty(name, std::to_string(worst));
}

/// Expects the very value, with the sign of a zero; any NaN equals any other.
void expect_same(double got, double want, const std::string& what) {
  if (std::isnan(want)) {
    EXPECT_TRUE(std::isnan(got)) << what << " = " << got;
  } else {
    EXPECT_EQ(got, want) << what;
    EXPECT_EQ(std::signbit(got), std::signbit(want)) << what;
  }
}

TEST(Math, exponentials_are_within_their_ulps) {
  expect_close("exp", math::exp, expl, draw(-708.0, 709.7), 1.0);
  expect_close("exp, denormal results", math::exp, expl, draw(-745.13, -708.0, 708.0), 1.5);
  expect_close("exp10", math::exp10, exp10l, draw(-307.6, 308.25), 1.5);
  expect_close("exp10, denormal results", math::exp10, exp10l, draw(-323.3, -307.6, 307.6), 1.5);
}

TEST(Math, logarithms_are_within_their_ulps) {
  std::vector<double> x = draw(0.0, 1e300, 1e-320);
  for (const double v : draw(0.5, 2.0, 0.5)) x.push_back(v);
  for (const double v : draw(-0.3, 0.4)) x.push_back(1.0 + v);  // through 1, where the result vanishes
  for (int i = 1; i < 2000; ++i) x.push_back(i * least);
  expect_close("log", math::log, logl, x, 1.0);
  expect_close("log10", math::log10, log10l, x, 1.0);
  expect_close("log2", math::log2, log2l, x, 1.0);
  for (int k = -1074; k <= 1023; ++k) EXPECT_EQ(math::log2(std::ldexp(1.0, k)), k);
}

TEST(Math, powers_are_within_their_ulps) {
  std::mt19937_64 random{7};
  std::uniform_real_distribution<double> exponent{-300.0, 300.0}, near_one{0.5, 2.0}, result{-307.0, 307.0};
  double worst = 0.0, worst_x = 0.0, worst_y = 0.0;
  const auto check = [&](double x, double y) {
    const double e = ulps(math::pow(x, y), powl(x, y));
    if (e > worst) worst = e, worst_x = x, worst_y = y;
  };
  for (int i = 0; i < samples; ++i) {
    const double x = std::pow(10.0, exponent(random));
    check(x, result(random) / std::log10(x));
    const double b = near_one(random);
    check(b, result(random) / std::log10(b));
    check(1.0 + 1e-9 * exponent(random), 1e7 * near_one(random));
    check(-b, std::nearbyint(exponent(random)));
  }
  EXPECT_LT(worst, 2.0) << std::hexfloat << worst_x << " ^ " << worst_y;
  RecordProperty("pow", std::to_string(worst));
}

TEST(Math, angles_are_within_their_ulps) {
  std::vector<double> x = draw(-1e5, 1e5);
  for (const double v : draw(-7.0, 7.0)) x.push_back(v);
  for (int k = -63'000; k <= 63'000; ++k) x.push_back(k * 1.5707963267948966);  // next to the zeros
  expect_close("sin", math::sin, sinl, x, 1.0);
  expect_close("cos", math::cos, cosl, x, 1.0);
  expect_close("tan", math::tan, tanl, x, 2.5);
  expect_close("asin", math::asin, asinl, draw(-1.0, 1.0), 2.5);
  expect_close("acos", math::acos, acosl, draw(-1.0, 1.0), 1.5);
  std::vector<double> wide = draw(-1e10, 1e10);
  for (const double v : draw(-3.0, 3.0)) wide.push_back(v);
  expect_close("atan", math::atan, atanl, wide, 2.0);
  std::mt19937_64 random{11};
  std::uniform_real_distribution<double> uniform{-10.0, 10.0};
  double worst = 0.0;
  for (int i = 0; i < samples; ++i) {
    const double a = uniform(random), b = uniform(random) * (i % 2 ? 1.0 : 1e-6);
    worst = std::max({worst, ulps(math::atan2(a, b), atan2l(a, b)), ulps(math::atan2(b, a), atan2l(b, a))});
  }
  EXPECT_LT(worst, 2.5);
  RecordProperty("atan2", std::to_string(worst));
}

TEST(Math, hyperbolics_are_within_their_ulps) {
  std::vector<double> x = draw(-710.0, 710.0);
  for (const double v : draw(-3.0, 3.0)) x.push_back(v);
  expect_close("sinh", math::sinh, sinhl, x, 2.0);
  expect_close("cosh", math::cosh, coshl, x, 2.0);
  expect_close("tanh", math::tanh, tanhl, x, 3.0);
}

TEST(Math, rounding_and_root_are_exact) {
  std::vector<double> x = draw(-1e17, 1e17);
  for (int i = -4000; i <= 4000; ++i) x.push_back(0.25 * i);
  for (const double v : {0.0, -0.0, 0.49999999999999994, -0.49999999999999994, 0x1p52, 0x1p52 - 0.5, 0x1p53, inf, -inf,
                         least, -least, nan, 1.7e308})
    x.push_back(v);
  for (const double v : x) {
    expect_same(math::rint(v), std::nearbyint(v), "rint " + std::to_string(v));
    EXPECT_EQ(std::isnan(v) || math::floor(v) == std::floor(v), true) << v;
    expect_same(math::abs(v), std::fabs(v), "abs");
    expect_same(math::sqrt(v), std::sqrt(v), "sqrt");
  }
}

TEST(Math, edges_are_those_of_c) {
  using Function = double (*)(double);
  struct Case {
    const char* name;
    Function ours, reference;
  };
  const std::array<Case, 15> cases{{{"exp", math::exp, std::exp},
                                    {"exp10", math::exp10, ::exp10},
                                    {"log", math::log, std::log},
                                    {"log10", math::log10, std::log10},
                                    {"log2", math::log2, std::log2},
                                    {"sin", math::sin, std::sin},
                                    {"cos", math::cos, std::cos},
                                    {"tan", math::tan, std::tan},
                                    {"asin", math::asin, std::asin},
                                    {"acos", math::acos, std::acos},
                                    {"atan", math::atan, std::atan},
                                    {"sinh", math::sinh, std::sinh},
                                    {"cosh", math::cosh, std::cosh},
                                    {"tanh", math::tanh, std::tanh},
                                    {"sqrt", math::sqrt, std::sqrt}}};
  for (const auto& c : cases) {
    for (const double x : {0.0, -0.0, inf, -inf, nan, least, -least, 1e-300, -1e-300, 1.0, -1.0})
      if (const double want = c.reference(x); want == 0.0 || !std::isfinite(want) || std::fabs(x) < 1e-200)
        expect_same(c.ours(x), want, std::string{c.name} + " " + std::to_string(x));
  }
  for (const double x : {710.0, 1e4, 1e300, inf}) expect_same(math::exp(x), inf, "exp overflow");
  for (const double x : {-746.0, -1e4, -1e300, -inf}) expect_same(math::exp(x), 0.0, "exp underflow");
  for (const double x : {308.3, 309.0, 1e300}) expect_same(math::exp10(x), inf, "exp10 overflow");
  for (const double x : {-324.0, -400.0, -1e300}) expect_same(math::exp10(x), 0.0, "exp10 underflow");
  for (const double x : {-least, -1.0, -inf, nan}) {
    expect_same(math::log(x), nan, "log");
    expect_same(math::log10(x), nan, "log10");
    expect_same(math::log2(x), nan, "log2");
  }
  for (const double x : {1.6e6, 1e20, -1e300}) {
    expect_same(math::sin(x), nan, "sin far out");
    expect_same(math::cos(x), nan, "cos far out");
    expect_same(math::tan(x), nan, "tan far out");
  }
  for (const double x : {1.0000000000000002, -2.0, inf}) {
    expect_same(math::asin(x), nan, "asin");
    expect_same(math::acos(x), nan, "acos");
  }
  for (const double x : {710.4, -710.4}) EXPECT_TRUE(std::isfinite(math::sinh(x)) && std::isfinite(math::cosh(x)));
}

TEST(Math, power_edges_are_those_of_c_but_for_nan) {
  const std::array<double, 27> values{0.0,
                                      -0.0,
                                      1.0,
                                      -1.0,
                                      2.0,
                                      -2.0,
                                      3.0,
                                      -3.0,
                                      0.5,
                                      -0.5,
                                      1.5,
                                      -1.5,
                                      inf,
                                      -inf,
                                      1e300,
                                      -1e300,
                                      1e-300,
                                      -1e-300,
                                      least,
                                      -least,
                                      1e17,
                                      -1e17,
                                      0x1.fffffffffffffp-1,
                                      0x1.0000000000001p0,
                                      9007199254740991.0,
                                      -9007199254740991.0,
                                      4503599627370496.5};
  for (const double x : values) {
    for (const double y : values) {
      const double want = std::pow(x, y), got = math::pow(x, y);
      const std::string what = std::to_string(x) + " ^ " + std::to_string(y);
      if (want == 0.0 || !std::isfinite(want))
        expect_same(got, want, what);
      else
        EXPECT_LT(ulps(got, powl(x, y)), 2.0) << what;
    }
    expect_same(math::pow(x, nan), nan, "pow(x, NaN)");
    expect_same(math::pow(nan, x), nan, "pow(NaN, x)");
  }
}

TEST(Math, atan2_edges_are_those_of_c) {
  for (const double y : {0.0, -0.0, 1.0, -1.0, inf, -inf, least, 1e300, nan})
    for (const double x : {0.0, -0.0, 1.0, -1.0, inf, -inf, -least, -1e300, nan}) {
      const double want = std::atan2(y, x), got = math::atan2(y, x);
      const std::string what = "atan2 " + std::to_string(y) + ", " + std::to_string(x);
      if (want == 0.0 || std::isnan(want))
        expect_same(got, want, what);
      else
        EXPECT_LT(ulps(got, atan2l(y, x)), 2.5) << what;
    }
}

}  // namespace
}  // namespace fulmar
