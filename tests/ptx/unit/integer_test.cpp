// SPDX-License-Identifier: Apache-2.0
/// Integer arithmetic against arithmetic of the host in a wider type.
#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

__extension__ using Wide = __int128;

template <class T>
const char* suffix();
template <>
const char* suffix<std::int16_t>() {
  return "s16";
}
template <>
const char* suffix<std::uint16_t>() {
  return "u16";
}
template <>
const char* suffix<std::int32_t>() {
  return "s32";
}
template <>
const char* suffix<std::uint32_t>() {
  return "u32";
}
template <>
const char* suffix<std::int64_t>() {
  return "s64";
}
template <>
const char* suffix<std::uint64_t>() {
  return "u64";
}

template <class T>
class Integers : public testing::Test {};
using Types = testing::Types<std::int16_t, std::uint16_t, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>;
TYPED_TEST_SUITE(Integers, Types);

/// All pairs of edges in one launch: a thread a pair.
template <class R, class T, class Oracle>
void check_pairs(const std::string& opcode, Oracle oracle) {
  const std::vector<T> e = edges<T>();
  std::vector<std::uint64_t> a, b;
  for (const T x : e)
    for (const T y : e) {
      a.push_back(bits(x));
      b.push_back(bits(y));
    }
  const Array<std::uint64_t> da(a), db(b);
  const Array<std::uint64_t> out(Unwritten(a.size()));
  run("mov.u32 %r1, %tid.x; mul.wide.u32 %r2, %r1, 8; add.u64 %a0, %a0, %r2; add.u64 %a1, %a1, %r2; add.u64 %a2, %a2, "
      "%r2;"
      "ld.global.b64 %r3, [%a0]; ld.global.b64 %r4, [%a1];" +
          opcode + " %r5, %r3, %r4; st.global.b64 [%a2], %r5;",
      {da.address(), db.address(), out.address()}, {}, {static_cast<std::uint32_t>(a.size()), 1, 1});
  const auto got = out.read();
  for (std::size_t n = 0; n < a.size(); ++n)
    ASSERT_EQ(value<R>(got[n]), oracle(value<T>(a[n]), value<T>(b[n])))
        << opcode << " of " << +value<T>(a[n]) << " and " << +value<T>(b[n]);
}

TYPED_TEST(Integers, WrapWhereTheyOverflow) {
  using T = TypeParam;
  const std::string s = suffix<T>();
  check_pairs<T, T>("add." + s, [](T a, T b) { return static_cast<T>(Wide{a} + b); });
  check_pairs<T, T>("sub." + s, [](T a, T b) { return static_cast<T>(Wide{a} - b); });
  check_pairs<T, T>("mul.lo." + s, [](T a, T b) { return static_cast<T>(Wide{a} * b); });
}

TYPED_TEST(Integers, GiveTheUpperHalfOfAProduct) {
  using T = TypeParam;
  check_pairs<T, T>(std::string("mul.hi.") + suffix<T>(), [](T a, T b) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      const std::uint64_t al = a & 0xffffffffu, ah = a >> 32, bl = b & 0xffffffffu, bh = b >> 32;
      const std::uint64_t mid = ah * bl + (al * bl >> 32), other = al * bh + (mid & 0xffffffffu);
      return ah * bh + (mid >> 32) + (other >> 32);
    } else {
      return static_cast<T>((Wide{a} * b) >> (8 * sizeof(T)));
    }
  });
}

TYPED_TEST(Integers, TakeTheLeastAndTheGreatest) {
  using T = TypeParam;
  check_pairs<T, T>(std::string("min.") + suffix<T>(), [](T a, T b) { return std::min(a, b); });
  check_pairs<T, T>(std::string("max.") + suffix<T>(), [](T a, T b) { return std::max(a, b); });
}

TEST(Integer, MultipliesWide) {
  check_pairs<std::int32_t, std::int16_t>("mul.wide.s16", [](std::int32_t a, std::int32_t b) { return a * b; });
  check_pairs<std::int64_t, std::int32_t>("mul.wide.s32", [](std::int64_t a, std::int64_t b) { return a * b; });
  check_pairs<std::uint64_t, std::uint32_t>("mul.wide.u32", [](std::uint64_t a, std::uint64_t b) { return a * b; });
}

TEST(Integer, MultipliesAndAdds) {
  EXPECT_EQ(eval<std::int32_t>("mad.lo.s32", 100000, 100000, -7), static_cast<std::int32_t>(10000000000 - 7));
  EXPECT_EQ(eval<std::int32_t>("mad.hi.s32", INT32_MIN, INT32_MIN, 5), (1 << 30) + 5);
  EXPECT_EQ(eval<std::int32_t>("mad.hi.sat.s32", INT32_MIN, INT32_MIN, INT32_MAX), INT32_MAX);
  EXPECT_EQ(eval<std::int64_t>("mad.wide.s32", INT32_MIN, 3, std::int64_t{-1}), std::int64_t{INT32_MIN} * 3 - 1);
  EXPECT_EQ(eval<std::uint64_t>("mad.wide.u32", 0xffffffffu, 0xffffffffu, std::uint64_t{1}), 0xfffffffe00000002u);
  EXPECT_EQ(eval<std::uint64_t>("mad.lo.u64", ~0ull, 3ull, 5ull), 2u);
  EXPECT_EQ(eval<std::uint32_t>("mul24.lo.u32", 0x01000003u, 5u), 15u);
  EXPECT_EQ(eval<std::int32_t>("mul24.lo.s32", 0x00ffffff, 5), -5);
  EXPECT_EQ(eval<std::uint32_t>("mul24.hi.u32", 0x00ffffffu, 0x00ffffffu), 0xfffffe00u);
  EXPECT_EQ(eval<std::int32_t>("mad24.lo.s32", 0x00ffffff, 5, 7), 2);
}

TEST(Integer, SaturatesWhereAsked) {
  EXPECT_EQ(eval<std::int32_t>("add.sat.s32", INT32_MAX, 1), INT32_MAX);
  EXPECT_EQ(eval<std::int32_t>("add.sat.s32", INT32_MIN, -1), INT32_MIN);
  EXPECT_EQ(eval<std::int32_t>("sub.sat.s32", INT32_MIN, 1), INT32_MIN);
  EXPECT_EQ(eval<std::int32_t>("sub.sat.s32", -2, INT32_MIN), INT32_MAX - 1);
}

TEST(Integer, DividesTowardsZero) {
  for (const std::int32_t a : edges<std::int32_t>())
    for (const std::int32_t b : {1, 2, -3, 7, INT32_MAX, INT32_MIN}) {
      EXPECT_EQ(eval<std::int32_t>("div.s32", a, b), static_cast<std::int32_t>(std::int64_t{a} / b));
      EXPECT_EQ(eval<std::int32_t>("rem.s32", a, b), static_cast<std::int32_t>(std::int64_t{a} % b));
    }
  EXPECT_EQ(eval<std::int32_t>("div.s32", INT32_MIN, -1), INT32_MIN);
  EXPECT_EQ(eval<std::int32_t>("rem.s32", INT32_MIN, -1), 0);
  EXPECT_EQ(eval<std::int64_t>("div.s64", INT64_MIN, std::int64_t{-1}), INT64_MIN);
  EXPECT_EQ(eval<std::uint32_t>("div.u32", 0xffffffffu, 2u), 0x7fffffffu);
  EXPECT_EQ(eval<std::uint64_t>("rem.u64", ~0ull, 10ull), 5u);
  expect_fault(FaultKind::arithmetic, "division by zero", [] { eval<std::int32_t>("div.s32", 1, 0); });
}

TEST(Integer, CarriesThroughWords) {
  const auto chain = [](std::uint64_t a, std::uint64_t b, const std::string& first, const std::string& second) {
    return eval_text("cvt.u32.u64 %r1, %a1; shr.u64 %r2, %a1, 32; cvt.u32.u64 %r3, %a2; shr.u64 %r4, %a2, 32;" + first +
                         " %r5, %r1, %r3;" + second + " %r6, %r2, %r4; mov.b64 %r0, {%r5, %r6};",
                     {a, b});
  };
  for (const std::uint64_t a : edges<std::uint64_t>())
    for (const std::uint64_t b : edges<std::uint64_t>()) {
      EXPECT_EQ(chain(a, b, "add.cc.u32", "addc.u32"), a + b);
      EXPECT_EQ(chain(a, b, "sub.cc.u32", "subc.u32"), a - b);
    }
  // (2^32 - 1)^2 + 1, by words: the low word carries into the high one.
  EXPECT_EQ(eval_text("mad.lo.cc.u32 %r1, %a1, %a1, %a2; madc.hi.u32 %r2, %a1, %a1, 0; mov.b64 %r0, {%r1, %r2};",
                      {0xffffffffu, 0xffffffffu}),
            0xffffffffull * 0xffffffffull + 0xffffffffull);
}

TEST(Integer, HasSignsAndDistances) {
  EXPECT_EQ(eval<std::int32_t>("abs.s32", -5), 5);
  EXPECT_EQ(eval<std::int32_t>("abs.s32", INT32_MIN), INT32_MIN);
  EXPECT_EQ(eval<std::int64_t>("abs.s64", std::int64_t{-5}), 5);
  EXPECT_EQ(eval<std::int32_t>("neg.s32", INT32_MIN), INT32_MIN);
  EXPECT_EQ(eval<std::int16_t>("neg.s16", std::int16_t{7}), -7);
  EXPECT_EQ(eval<std::int32_t>("sad.s32", -5, 6, 100), 111);
  EXPECT_EQ(eval<std::uint32_t>("sad.u32", 5u, 0xffffffffu, 1u), 0xfffffffbu);
  EXPECT_EQ(eval<std::int32_t>("dp4a.s32.s32", 0x80ff0102, 0x7f020304, 10), 10 + 2 * 4 + 1 * 3 - 1 * 2 - 128 * 127);
  EXPECT_EQ(eval<std::uint32_t>("dp4a.u32.u32", 0x80ff0102u, 0x01010101u, 1u), 1u + 2 + 1 + 255 + 128);
}

TEST(Integer, TakesNumbersInTheText) {
  EXPECT_EQ(eval_text("add.s32 %r0, 0x10, -3;", {}) & 0xffffffffu, 13u);
  EXPECT_EQ(eval_text("mov.b32 %r0, 0b101;", {}), 5u);
  EXPECT_EQ(eval_text("mov.b32 %r0, 017;", {}), 15u);
  EXPECT_EQ(eval_text("mov.u64 %r0, 18446744073709551615U;", {}), ~0ull);
  EXPECT_EQ(value<float>(eval_text("mov.f32 %r0, 0f3FC00000;", {})), 1.5f);
  EXPECT_EQ(value<double>(eval_text("mov.f64 %r0, 0d4004000000000000;", {})), 2.5);
}

}  // namespace
}  // namespace fulmar::ptx::test
