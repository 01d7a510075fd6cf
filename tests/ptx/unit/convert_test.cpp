// SPDX-License-Identifier: Apache-2.0
/// cvt: every kind of pair, with saturation, rounding and what is not a number.
#include <cmath>

#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
const float nan = std::nanf("");

TEST(Convert, BetweenIntegers) {
  EXPECT_EQ(eval<std::int64_t>("cvt.s64.s32", -5), -5);
  EXPECT_EQ(eval<std::uint64_t>("cvt.u64.u32", -5), 0xfffffffbu);
  EXPECT_EQ(eval<std::uint32_t>("cvt.u32.u64", std::uint64_t{0x123456789abcdef0}), 0x9abcdef0u);
  EXPECT_EQ(eval<std::int64_t>("cvt.s32.s8", 0x80), -128) << "the whole register is filled by the sign";
  EXPECT_EQ(eval<std::uint64_t>("cvt.u32.u8", 0x1ff), 0xffu);
  EXPECT_EQ(eval<std::uint64_t>("cvt.u16.u32", 0x12345), 0x2345u);
  EXPECT_EQ(eval<std::int32_t>("cvt.s16.s32", 0x18000) & 0xffff, 0x8000);
  EXPECT_EQ(eval<std::uint32_t>("cvt.u32.s16", std::int16_t{-1}), 0xffffffffu);
}

TEST(Convert, BetweenIntegersSaturating) {
  EXPECT_EQ(eval<std::uint8_t>("cvt.sat.u8.s32", -5), 0);
  EXPECT_EQ(eval<std::uint8_t>("cvt.sat.u8.s32", 300), 255);
  EXPECT_EQ(eval<std::int8_t>("cvt.sat.s8.s32", -300), -128);
  EXPECT_EQ(eval<std::int32_t>("cvt.sat.s32.u32", 0xffffffffu), INT32_MAX);
  EXPECT_EQ(eval<std::uint32_t>("cvt.sat.u32.s64", std::int64_t{-1}), 0u);
  EXPECT_EQ(eval<std::uint16_t>("cvt.sat.u16.u64", ~0ull), 65535);
}

TEST(Convert, IntegersToFloats) {
  EXPECT_EQ(eval<float>("cvt.rn.f32.s32", 16777217), 16777216.0f);
  EXPECT_EQ(eval<float>("cvt.rp.f32.s32", 16777217), 16777218.0f);
  EXPECT_EQ(eval<float>("cvt.rz.f32.s32", -16777219), -16777218.0f);
  EXPECT_EQ(eval<float>("cvt.rm.f32.s32", -16777217), -16777218.0f);
  EXPECT_EQ(eval<float>("cvt.rn.f32.u32", 0xffffffffu), 4294967296.0f);
  EXPECT_EQ(eval<float>("cvt.rn.f32.u8", 0x1ff), 255.0f);
  EXPECT_EQ(eval<float>("cvt.rn.f32.s16", std::int16_t{-32768}), -32768.0f);
  EXPECT_EQ(eval<float>("cvt.rn.f32.u64", ~0ull), 18446744073709551616.0f);
  EXPECT_EQ(eval<double>("cvt.rn.f64.s32", INT32_MIN), -2147483648.0);
  EXPECT_EQ(eval<double>("cvt.rn.f64.s64", INT64_MAX), 9223372036854775808.0);
  EXPECT_EQ(eval<double>("cvt.rz.f64.s64", INT64_MAX), 9223372036854774784.0);
  EXPECT_EQ(eval<double>("cvt.rn.f64.u32", 0xffffffffu), 4294967295.0);
}

TEST(Convert, FloatsToIntegersRounding) {
  for (const float v : {-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 2.4999998f, -7.99f, 1e9f}) {
    EXPECT_EQ(eval<std::int32_t>("cvt.rni.s32.f32", v), static_cast<std::int32_t>(std::nearbyint(v)));
    EXPECT_EQ(eval<std::int32_t>("cvt.rzi.s32.f32", v), static_cast<std::int32_t>(v));
    EXPECT_EQ(eval<std::int32_t>("cvt.rmi.s32.f32", v), static_cast<std::int32_t>(std::floor(v)));
    EXPECT_EQ(eval<std::int32_t>("cvt.rpi.s32.f64", static_cast<double>(v)), static_cast<std::int32_t>(std::ceil(v)));
    EXPECT_EQ(eval<std::int64_t>("cvt.rzi.s64.f64", v * 1e6), static_cast<std::int64_t>(v * 1e6));
  }
}

TEST(Convert, FloatsToIntegersClamped) {
  EXPECT_EQ(eval<std::int32_t>("cvt.rzi.s32.f32", 3e9f), INT32_MAX);
  EXPECT_EQ(eval<std::int32_t>("cvt.rzi.s32.f32", -inf), INT32_MIN);
  EXPECT_EQ(eval<std::uint32_t>("cvt.rzi.u32.f32", -1.0f), 0u);
  EXPECT_EQ(eval<std::uint32_t>("cvt.rzi.u32.f32", 4294967296.0f), 0xffffffffu);
  EXPECT_EQ(eval<std::uint32_t>("cvt.rni.u32.f64", 4294967295.4), 0xffffffffu);
  EXPECT_EQ(eval<std::uint8_t>("cvt.rzi.u8.f32", 300.0f), 255);
  EXPECT_EQ(eval<std::int16_t>("cvt.rni.s16.f32", -4e4f), INT16_MIN);
  EXPECT_EQ(eval<std::int64_t>("cvt.rzi.s64.f32", 1e19f), INT64_MAX);
  EXPECT_EQ(eval<std::uint64_t>("cvt.rzi.u64.f64", 1e20), UINT64_MAX);
  EXPECT_EQ(eval<std::int64_t>("cvt.rzi.s64.f64", -9223372036854775808.0), INT64_MIN);
}

TEST(Convert, WhatIsNotANumberToAnInteger) {
  EXPECT_EQ(eval<std::int32_t>("cvt.rzi.s32.f32", nan), 0);
  EXPECT_EQ(eval<std::uint8_t>("cvt.rzi.u8.f32", nan), 0);
  EXPECT_EQ(eval<std::int64_t>("cvt.rzi.s64.f32", nan), INT64_MIN);
  EXPECT_EQ(eval<std::int32_t>("cvt.rzi.s32.f64", std::nan("")), INT32_MIN);
  EXPECT_EQ(eval<std::uint32_t>("cvt.rzi.u32.f64", std::nan("")), 0x80000000u);
  EXPECT_EQ(eval<std::uint64_t>("cvt.rzi.u64.f64", std::nan("")), std::uint64_t{1} << 63);
}

TEST(Convert, BetweenFloats) {
  EXPECT_EQ(eval<double>("cvt.f64.f32", 0.1f), double{0.1f});
  EXPECT_EQ(eval<float>("cvt.rn.f32.f64", 0.1), 0.1f);
  EXPECT_EQ(eval<float>("cvt.rz.f32.f64", 0.1), std::nextafterf(0.1f, 0.0f));
  EXPECT_EQ(eval<float>("cvt.rp.f32.f64", 1e-300), std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(eval<float>("cvt.rm.f32.f64", 1e300), std::numeric_limits<float>::max());
  EXPECT_EQ(eval<float>("cvt.rn.f32.f64", 1e300), inf);
  EXPECT_EQ(bits(eval<float>("cvt.rn.ftz.f32.f64", -1e-40)), 0x80000000u);
  EXPECT_EQ(bits(eval<float>("cvt.rn.f32.f64", std::nan(""))), 0x7fffffffu);
  EXPECT_EQ(eval<float>("cvt.rn.sat.f32.f64", 7.0), 1.0f);
  EXPECT_EQ(eval<float>("cvt.sat.f32.f32", nan), 0.0f);
}

TEST(Convert, ToIntegralFloats) {
  for (const double v : {-2.5, -0.4, 0.5, 1.5, 1e300}) {
    EXPECT_EQ(bits(eval<double>("cvt.rni.f64.f64", v)), bits(std::nearbyint(v)));
    EXPECT_EQ(bits(eval<double>("cvt.rzi.f64.f64", v)), bits(std::trunc(v)));
    EXPECT_EQ(bits(eval<double>("cvt.rmi.f64.f64", v)), bits(std::floor(v)));
    EXPECT_EQ(bits(eval<double>("cvt.rpi.f64.f64", v)), bits(std::ceil(v)));
  }
  EXPECT_EQ(eval<float>("cvt.rmi.ftz.f32.f32", -1e-40f), 0.0f);
  EXPECT_EQ(eval<float>("cvt.rzi.sat.f32.f32", 2.5f), 1.0f);
}

TEST(Convert, HalfPrecision) {
  EXPECT_EQ(eval<float>("cvt.f32.f16", std::uint16_t{0x3c00}), 1.0f);
  EXPECT_EQ(eval<float>("cvt.f32.f16", std::uint16_t{0x8001}), -0x1p-24f);
  EXPECT_EQ(eval<float>("cvt.f32.f16", std::uint16_t{0xfc00}), -inf);
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", 1.0f), 0x3c00);
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", 65520.0f), 0x7c00);
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", 65519.0f), 0x7bff);
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", 1.0f + 0x1p-11f), 0x3c00) << "a tie goes to even";
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", 1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", 0x1p-24f), 1);
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", 0x1p-25f), 0);
  for (std::uint32_t h = 0; h < 0x7c00; h += 37)
    EXPECT_EQ(eval<std::uint16_t>("cvt.rn.f16.f32", eval<float>("cvt.f32.f16", static_cast<std::uint16_t>(h))), h);
  EXPECT_EQ(eval<float>("cvt.f32.bf16", std::uint16_t{0x3f80}), 1.0f);
  EXPECT_EQ(eval<std::uint16_t>("cvt.rn.bf16.f32", 3.140625f), 0x4049);
}

}  // namespace
}  // namespace fulmar::ptx::test
