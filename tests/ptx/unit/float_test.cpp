// SPDX-License-Identifier: Apache-2.0
/// Floating point against IEEE arithmetic of the host, and against exact arithmetic for the directed roundings.
#include <cmath>

#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float tiny = std::numeric_limits<float>::denorm_min();
constexpr std::uint32_t canonical = 0x7fffffffu;

template <class T>
void expect_same(T got, T wanted, const std::string& what) {
  if (std::isnan(wanted))
    EXPECT_TRUE(std::isnan(got)) << what;
  else
    EXPECT_EQ(bits(got), bits(wanted)) << what << ": " << got << " for " << wanted;
}

template <class T, class Oracle>
void check_pairs(const std::string& opcode, Oracle oracle) {
  for (const T a : edges<T>())
    for (const T b : edges<T>())
      expect_same(eval<T>(opcode, a, b), static_cast<T>(oracle(a, b)),
                  opcode + " " + std::to_string(a) + " " + std::to_string(b));
}

TEST(Float, RoundsToNearest) {
  check_pairs<float>("add.rn.f32", [](float a, float b) {
    volatile float x = a, y = b;
    return x + y;
  });
  check_pairs<float>("sub.f32", [](float a, float b) {
    volatile float x = a, y = b;
    return x - y;
  });
  check_pairs<float>("mul.rn.f32", [](float a, float b) {
    volatile float x = a, y = b;
    return x * y;
  });
  check_pairs<float>("div.rn.f32", [](float a, float b) {
    volatile float x = a, y = b;
    return x / y;
  });
  check_pairs<double>("add.rn.f64", [](double a, double b) {
    volatile double x = a, y = b;
    return x + y;
  });
  check_pairs<double>("mul.rn.f64", [](double a, double b) {
    volatile double x = a, y = b;
    return x * y;
  });
  check_pairs<double>("div.rn.f64", [](double a, double b) {
    volatile double x = a, y = b;
    return x / y;
  });
}

/// In double precision the sum and the product of two floats of like size are exact: round them by hand.
float rounded(double exact, char mode) {
  const auto nearest = static_cast<float>(exact);
  const double n = nearest;
  switch (mode) {
    case 'z':
      return std::fabs(n) > std::fabs(exact) ? std::nextafterf(nearest, 0) : nearest;
    case 'm':
      return n > exact ? std::nextafterf(nearest, -inf) : nearest;
    default:
      return n < exact ? std::nextafterf(nearest, inf) : nearest;
  }
}

TEST(Float, RoundsInEveryDirection) {
  const float values[] = {1.0f, 1.0f / 3, -1.0f / 3, 1e-3f, 16777215.0f, -0.1f, 3.1415927f};
  for (const char mode : {'z', 'm', 'p'}) {
    const std::string r = std::string(".r") + mode;
    for (const float a : values)
      for (const float b : values) {
        expect_same(eval<float>("mul" + r + ".f32", a, b), rounded(double{a} * b, mode), "mul" + r);
        expect_same(eval<float>("add" + r + ".f32", a, b * 0.37f), rounded(double{a} + double{b * 0.37f}, mode),
                    "add" + r);
        expect_same(eval<float>("div" + r + ".f32", a, b), rounded(double{a} / b, mode), "div" + r);
        expect_same(eval<float>("fma" + r + ".f32", a, b, 0.25f), rounded(double{a} * b + 0.25, mode), "fma" + r);
      }
    expect_same(eval<float>("sqrt" + r + ".f32", 2.0f), rounded(std::sqrt(2.0), mode), "sqrt" + r);
    expect_same(eval<float>("rcp" + r + ".f32", 3.0f), rounded(1.0 / 3.0, mode), "rcp" + r);
  }
}

TEST(Float, FusesMultiplyAndAdd) {
  EXPECT_EQ(eval<float>("fma.rn.f32", 1.0f + 0x1p-12f, 1.0f - 0x1p-12f, -1.0f), -0x1p-24f);
  EXPECT_EQ(eval<double>("fma.rn.f64", 1.0 + 0x1p-30, 1.0 - 0x1p-30, -1.0), -0x1p-60);
  EXPECT_EQ(bits(eval<float>("fma.rn.f32", inf, 0.0f, 1.0f)), canonical);
  EXPECT_EQ(eval<float>("mad.rn.f32", 2.0f, 3.0f, 4.0f), 10.0f);
}

TEST(Float, FlushesSubnormalsWhereAsked) {
  EXPECT_EQ(eval<float>("add.f32", tiny, tiny), 2 * tiny);
  EXPECT_EQ(bits(eval<float>("add.ftz.f32", tiny, tiny)), 0u);
  EXPECT_EQ(bits(eval<float>("mul.ftz.f32", 0x1p-100f, -0x1p-40f)), 0x80000000u);  // a subnormal result, its sign kept
  EXPECT_EQ(eval<float>("fma.rn.ftz.f32", tiny, 1e30f, 1.0f), 1.0f);
  EXPECT_EQ(eval<float>("rcp.rn.ftz.f32", tiny), inf);
  EXPECT_EQ(eval<float>("rcp.approx.ftz.f32", -tiny), -inf);
  EXPECT_EQ(bits(eval<float>("abs.ftz.f32", -tiny)), 0u);
  EXPECT_EQ(bits(eval<float>("neg.ftz.f32", tiny)), 0x80000000u);
  EXPECT_TRUE(holds("setp.eq.ftz.f32", tiny, 0.0f));
  EXPECT_FALSE(holds("setp.eq.f32", tiny, 0.0f));
}

TEST(Float, Saturates) {
  EXPECT_EQ(eval<float>("add.sat.f32", 0.75f, 0.75f), 1.0f);
  EXPECT_EQ(bits(eval<float>("sub.sat.f32", 0.25f, 0.75f)), 0u);
  EXPECT_EQ(bits(eval<float>("mul.sat.f32", nan, 1.0f)), 0u);
  EXPECT_EQ(eval<float>("fma.rn.sat.f32", 0.5f, 0.5f, 0.25f), 0.5f);
}

TEST(Float, HasOneNaN) {
  for (const std::uint32_t payload : {0x7fc00001u, 0xffc12345u, 0x7f800001u})
    EXPECT_EQ(bits(eval<float>("add.f32", value<float>(payload), 1.0f)), canonical);
  EXPECT_EQ(bits(eval<float>("sub.f32", inf, inf)), canonical);
  EXPECT_EQ(bits(eval<float>("sqrt.rn.f32", -1.0f)), canonical);
  EXPECT_TRUE(std::isnan(eval<double>("sqrt.rn.f64", -1.0)));
}

TEST(Float, PicksTheNumber) {
  EXPECT_EQ(eval<float>("min.f32", nan, 2.0f), 2.0f);
  EXPECT_EQ(eval<float>("max.f32", 2.0f, nan), 2.0f);
  EXPECT_EQ(bits(eval<float>("max.f32", nan, nan)), canonical);
  EXPECT_EQ(bits(eval<float>("max.NaN.f32", 2.0f, nan)), canonical);
  EXPECT_EQ(bits(eval<float>("max.f32", -0.0f, 0.0f)), 0u);
  EXPECT_EQ(bits(eval<float>("min.f32", 0.0f, -0.0f)), 0x80000000u);
  EXPECT_EQ(bits(eval<float>("max.f32", 0.0f, -0.0f)), 0u);
  EXPECT_EQ(eval<double>("min.f64", std::nan(""), -3.0), -3.0);
  EXPECT_EQ(eval<double>("max.f64", -std::numeric_limits<double>::infinity(), -3.0), -3.0);
  EXPECT_EQ(bits(eval<float>("min.ftz.f32", tiny, 1.0f)), 0u);
}

TEST(Float, HasSigns) {
  EXPECT_EQ(bits(eval<float>("neg.f32", 0.0f)), 0x80000000u);
  EXPECT_EQ(eval<double>("abs.f64", -0.5), 0.5);
  EXPECT_EQ(eval<float>("copysign.f32", -0.0f, 3.0f), -3.0f);  // the sign is the first operand's
  EXPECT_EQ(eval<double>("copysign.f64", 1.0, -3.0), 3.0);
}

TEST(Float, RootsAndReciprocals) {
  for (const double v : {0.0, 2.0, 1e-310, 1e300}) {
    EXPECT_EQ(eval<double>("sqrt.rn.f64", v), std::sqrt(v));
    EXPECT_EQ(eval<double>("rcp.rn.f64", v), 1.0 / v);
  }
  EXPECT_EQ(bits(eval<float>("sqrt.rn.f32", -0.0f)), 0x80000000u);
  // The upper word alone; what a card gives is within 2^-20 of it.
  EXPECT_EQ(bits(eval<double>("rcp.approx.ftz.f64", 3.0)), bits(1.0 / 3.0) & 0xffffffff00000000u);
  EXPECT_NEAR(eval<float>("rsqrt.approx.f32", 4.0f), 0.5f, 1e-7f);
  EXPECT_EQ(eval<float>("rsqrt.approx.f32", 0.0f), inf);
  EXPECT_NEAR(eval<double>("rsqrt.approx.f64", 2.0), std::sqrt(0.5), 1e-9);
}

TEST(Float, ApproximatesFunctions) {
  EXPECT_NEAR(eval<float>("sin.approx.f32", 0.5f), std::sin(0.5f), 1e-6f);
  EXPECT_NEAR(eval<float>("cos.approx.ftz.f32", 0.5f), std::cos(0.5f), 1e-6f);
  EXPECT_NEAR(eval<float>("lg2.approx.f32", 10.0f), std::log2(10.0f), 1e-6f);
  EXPECT_EQ(eval<float>("lg2.approx.f32", 0.0f), -inf);
  EXPECT_EQ(bits(eval<float>("lg2.approx.f32", -1.0f)), canonical);
  EXPECT_EQ(eval<float>("ex2.approx.ftz.f32", 3.0f), 8.0f);
  EXPECT_EQ(bits(eval<float>("ex2.approx.ftz.f32", -inf)), 0u);
  EXPECT_NEAR(eval<float>("tanh.approx.f32", 0.5f), std::tanh(0.5f), 1e-6f);
  EXPECT_NEAR(eval<float>("div.approx.f32", 1.0f, 3.0f), 1.0f / 3, 1e-7f);
  EXPECT_NEAR(eval<float>("div.full.f32", 1.0f, 3.0f), 1.0f / 3, 1e-7f);
}

TEST(Float, TellsClassesApart) {
  const auto classes = [](float v) {
    std::string s;
    for (const char* c : {"finite", "infinite", "number", "notanumber", "normal", "subnormal"})
      s += holds(std::string("testp.") + c + ".f32", v) ? '1' : '0';
    return s;
  };
  EXPECT_EQ(classes(1.0f), "101010");
  EXPECT_EQ(classes(-0.0f), "101010");  // zero counts as normal
  EXPECT_EQ(classes(tiny), "101001");
  EXPECT_EQ(classes(-inf), "011000");
  EXPECT_EQ(classes(nan), "000100");
  EXPECT_TRUE(holds("testp.subnormal.f64", 1e-310));
}

}  // namespace
}  // namespace fulmar::ptx::test
