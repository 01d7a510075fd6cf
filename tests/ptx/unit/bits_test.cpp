// SPDX-License-Identifier: Apache-2.0
/// Bits, shifts, comparisons and selection.
#include <cmath>

#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

using U = std::uint32_t;
using L = std::uint64_t;

TEST(Bits, CombineBitwise) {
  EXPECT_EQ(eval<U>("and.b32", 0xff00ff00u, 0x0ff00ff0u), 0x0f000f00u);
  EXPECT_EQ(eval<L>("or.b64", L{1} << 40, L{3}), (L{1} << 40) + 3);
  EXPECT_EQ(eval<U>("xor.b32", 0xffffffffu, 0x0f0f0f0fu), 0xf0f0f0f0u);
  EXPECT_EQ(eval<std::uint16_t>("not.b16", std::uint16_t{0x00ff}), 0xff00);
  EXPECT_EQ(eval<U>("cnot.b32", 0u), 1u);
  EXPECT_EQ(eval<U>("cnot.b32", 9u), 0u);
  for (const U a : {0u, 1u})
    for (const U b : {0u, 1u}) {
      const auto of = [&](const std::string& op) {
        return eval_text("setp.ne.u32 %p1, %a1, 0; setp.ne.u32 %p2, %a2, 0; " + op + " selp.u32 %r0, 1, 0, %p0;",
                         {a, b});
      };
      EXPECT_EQ(of("and.pred %p0, %p1, %p2;"), a & b);
      EXPECT_EQ(of("or.pred %p0, %p1, %p2;"), a | b);
      EXPECT_EQ(of("xor.pred %p0, %p1, %p2;"), a ^ b);
      EXPECT_EQ(of("not.pred %p0, %p1;"), 1 - a);
    }
}

TEST(Bits, LookUpThreeInputs) {
  const U a = 0xf0f0f0f0u, b = 0xccccccccu, c = 0xaaaaaaaau;
  const auto lop3 = [&](U table) { return eval<U>("lop3.b32", a, b, c, table); };
  EXPECT_EQ(lop3(0x80), a & b & c);
  EXPECT_EQ(lop3(0xfe), a | b | c);
  EXPECT_EQ(lop3(0x96), a ^ b ^ c);
  for (U t = 0; t < 256; t += 17) EXPECT_EQ(lop3(t) & 0xff, t);  // these inputs spell the table out
}

TEST(Bits, ShiftByMoreThanTheWidth) {
  for (const U n : {0u, 1u, 15u, 16u, 31u, 32u, 33u, 63u, 64u, 255u, 0x80000000u}) {
    EXPECT_EQ(eval<U>("shl.b32", 0x80000001u, n), n > 31 ? 0 : 0x80000001u << n) << n;
    EXPECT_EQ(eval<U>("shr.u32", 0x80000001u, n), n > 31 ? 0 : 0x80000001u >> n) << n;
    EXPECT_EQ(eval<std::int32_t>("shr.s32", INT32_MIN, n), n > 31 ? -1 : INT32_MIN >> n) << n;
    EXPECT_EQ(eval<L>("shl.b64", L{3}, n), n > 63 ? 0 : L{3} << n) << n;
    EXPECT_EQ(eval<L>("shr.u64", ~L{0}, n), n > 63 ? 0 : ~L{0} >> n) << n;
    EXPECT_EQ(eval<std::int64_t>("shr.s64", INT64_MIN, n), n > 63 ? -1 : INT64_MIN >> n) << n;
    EXPECT_EQ(eval<std::uint16_t>("shl.b16", std::uint16_t{3}, n), n > 15 ? 0 : static_cast<std::uint16_t>(3u << n))
        << n;
    EXPECT_EQ(eval<std::int16_t>("shr.s16", std::int16_t{-4}, n), n > 15 ? -1 : -4 >> n) << n;
  }
}

TEST(Bits, ShiftPairs) {
  EXPECT_EQ(eval<U>("shf.l.wrap.b32", 0x80000000u, 1u, 1u), 3u);
  EXPECT_EQ(eval<U>("shf.l.wrap.b32", 7u, 9u, 32u), 9u);
  EXPECT_EQ(eval<U>("shf.l.clamp.b32", 7u, 9u, 40u), 7u);
  EXPECT_EQ(eval<U>("shf.r.wrap.b32", 0x80000000u, 1u, 1u), 0xc0000000u);
  EXPECT_EQ(eval<U>("shf.r.clamp.b32", 7u, 9u, 32u), 9u);
  EXPECT_EQ(eval<U>("shf.r.wrap.b32", 7u, 9u, 32u), 7u);
}

TEST(Bits, Count) {
  EXPECT_EQ(eval<U>("popc.b32", 0xf0f0u), 8u);
  EXPECT_EQ(eval<U>("popc.b64", ~L{0}), 64u);
  EXPECT_EQ(eval<U>("clz.b32", 0u), 32u);
  EXPECT_EQ(eval<U>("clz.b32", 1u), 31u);
  EXPECT_EQ(eval<U>("clz.b64", L{1} << 40), 23u);
  EXPECT_EQ(eval<U>("clz.b64", L{0}), 64u);
  EXPECT_EQ(eval<U>("brev.b32", 1u), 0x80000000u);
  EXPECT_EQ(eval<L>("brev.b64", L{6}), L{3} << 61);
  EXPECT_EQ(eval<U>("bfind.u32", 0u), ~0u);
  EXPECT_EQ(eval<U>("bfind.u32", 0x80000000u), 31u);
  EXPECT_EQ(eval<U>("bfind.shiftamt.u32", 0x00010000u), 15u);
  EXPECT_EQ(eval<U>("bfind.s32", -1), ~0u);
  EXPECT_EQ(eval<U>("bfind.s32", -2), 0u);
  EXPECT_EQ(eval<U>("bfind.s32", INT32_MIN), 30u);
  EXPECT_EQ(eval<U>("bfind.u64", L{1} << 63), 63u);
}

TEST(Bits, TakeAndPutFields) {
  EXPECT_EQ(eval<U>("bfe.u32", 0xabcd1234u, 8u, 8u), 0x12u);
  EXPECT_EQ(eval<std::int32_t>("bfe.s32", 0x0000f000, 12u, 4u), -1);
  EXPECT_EQ(eval<std::int32_t>("bfe.s32", INT32_MIN, 28u, 16u), -8);  // past the top: the top bit is repeated
  EXPECT_EQ(eval<U>("bfe.u32", 0xffffffffu, 28u, 16u), 0xfu);
  EXPECT_EQ(eval<U>("bfe.u32", 0xffffffffu, 4u, 0u), 0u);
  EXPECT_EQ(eval<std::int32_t>("bfe.s32", -1, 40u, 4u), -1);
  EXPECT_EQ(eval<U>("bfe.u32", 0xffffffffu, 256u, 4u), 0xfu);  // 8 bits of the position count
  EXPECT_EQ(eval<L>("bfe.u64", ~L{0}, 60u, 8u), 15u);
  EXPECT_EQ(eval<U>("bfi.b32", 0xffu, 0u, 8u, 4u), 0xf00u);
  EXPECT_EQ(eval<U>("bfi.b32", 0u, ~0u, 28u, 16u), 0x0fffffffu);
  EXPECT_EQ(eval<U>("bfi.b32", 5u, 7u, 3u, 0u), 7u);
  EXPECT_EQ(eval<L>("bfi.b64", L{1}, L{0}, 63u, 1u), L{1} << 63);
  EXPECT_EQ(eval<U>("bmsk.clamp.b32", 4u, 8u), 0xff0u);
  EXPECT_EQ(eval<U>("bmsk.clamp.b32", 40u, 8u), 0u);
  EXPECT_EQ(eval<U>("bmsk.clamp.b32", 0u, 40u), ~0u);
  EXPECT_EQ(eval<U>("bmsk.wrap.b32", 36u, 8u), 0xff0u);
}

TEST(Bits, PermuteBytes) {
  const U a = 0x33221100u, b = 0x77665544u;
  EXPECT_EQ(eval<U>("prmt.b32", a, b, 0x3210u), a);
  EXPECT_EQ(eval<U>("prmt.b32", a, b, 0x7531u), 0x77553311u);
  EXPECT_EQ(eval<U>("prmt.b32", 0x00008000u, 0u, 0x9999u), ~0u);  // the sign of byte 1, repeated
  EXPECT_EQ(eval<U>("prmt.b32.f4e", a, b, 1u), 0x44332211u);
  EXPECT_EQ(eval<U>("prmt.b32.b4e", a, b, 1u), 0x66770011u);
  EXPECT_EQ(eval<U>("prmt.b32.rc8", a, b, 2u), 0x22222222u);
  EXPECT_EQ(eval<U>("prmt.b32.ecl", a, b, 2u), 0x33222222u);
  EXPECT_EQ(eval<U>("prmt.b32.ecr", a, b, 1u), 0x11111100u);
  EXPECT_EQ(eval<U>("prmt.b32.rc16", a, b, 1u), 0x33223322u);
}

TEST(Compare, Integers) {
  EXPECT_TRUE(holds("setp.lt.s32", -1, 1));
  EXPECT_FALSE(holds("setp.lt.u32", -1, 1));
  EXPECT_FALSE(holds("setp.lo.u32", -1, 1));
  EXPECT_TRUE(holds("setp.hi.u32", -1, 1));
  EXPECT_TRUE(holds("setp.ls.u64", L{5}, L{5}));
  EXPECT_TRUE(holds("setp.hs.u64", L{5}, L{5}));
  EXPECT_TRUE(holds("setp.ge.s64", INT64_MAX, INT64_MIN));
  EXPECT_TRUE(holds("setp.eq.b32", 7, 7));
  EXPECT_TRUE(holds("setp.ne.s16", std::int16_t{-1}, std::int16_t{1}));
  EXPECT_TRUE(holds("setp.gt.s32", INT32_MAX, INT32_MIN));
  EXPECT_TRUE(holds("setp.le.s32", INT32_MIN, INT32_MIN));
}

TEST(Compare, FloatsOrderedAndNot) {
  const double n = std::nan("");
  for (const double a : {-1.0, 0.0, 1.0, n})
    for (const double b : {-1.0, -0.0, 1.0, n}) {
      const bool u = std::isnan(a) || std::isnan(b);
      const std::pair<const char*, bool> wanted[] = {
          {"eq", a == b},      {"ne", !u && a != b}, {"lt", a < b},        {"le", a <= b},      {"gt", a > b},
          {"ge", a >= b},      {"equ", u || a == b}, {"neu", u || a != b}, {"ltu", u || a < b}, {"leu", u || a <= b},
          {"gtu", u || a > b}, {"geu", u || a >= b}, {"num", !u},          {"nan", u}};
      for (const auto& [name, is] : wanted) {
        EXPECT_EQ(holds(std::string("setp.") + name + ".f64", a, b), is) << name << " " << a << " " << b;
        EXPECT_EQ(holds(std::string("setp.") + name + ".f32", static_cast<float>(a), static_cast<float>(b)), is)
            << name;
      }
    }
}

TEST(Compare, JoinsAThirdAndGivesTheComplement) {
  for (const U c : {0u, 1u})
    for (const U a : {0u, 1u}) {
      const auto both = [&](const std::string& op, const char* third) {
        return eval_text("setp.ne.u32 %p3, %a2, 0; setp." + op + ".s32 %p0|%p1, %a1, 1, " + third +
                             "; selp.u32 %r1, 1, 0, %p0; selp.u32 %r0, 2, 0, %p1; add.u32 %r0, %r0, %r1;",
                         {a, c});
      };
      const U is = a == 1;
      EXPECT_EQ(both("eq.and", "%p3"), (is & c) + 2 * (~is & 1 & c));
      EXPECT_EQ(both("eq.or", "%p3"), (is | c) + 2 * ((~is & 1) | c));
      EXPECT_EQ(both("eq.xor", "%p3"), (is ^ c) + 2 * ((~is & 1) ^ c));
      EXPECT_EQ(both("eq.and", "!%p3"), (is & ~c & 1) + 2 * (~is & ~c & 1));
    }
  EXPECT_EQ(eval_text("setp.lt.s32 %p0|%p1, %a1, 5; selp.u32 %r0, 1, 0, %p1;", {9}), 1u);
}

TEST(Compare, SetsAndSelects) {
  EXPECT_EQ(eval<U>("set.lt.u32.s32", -1, 1), ~0u);
  EXPECT_EQ(eval<float>("set.gt.f32.f32", 2.0f, 1.0f), 1.0f);
  EXPECT_EQ(eval<U>("set.eq.u32.f64", 1.0, 2.0), 0u);
  EXPECT_EQ(eval<std::int32_t>("slct.s32.s32", 4, 5, -1), 5);
  EXPECT_EQ(eval<std::int32_t>("slct.s32.f32", 4, 5, -0.0f), 4);
  EXPECT_EQ(eval<std::int32_t>("slct.s32.f32", 4, 5, std::nanf("")), 5);
  EXPECT_EQ(eval_text("setp.eq.s32 %p0, 1, 2; selp.b64 %r0, 3, %a1, %p0;", {77}), 77u);
  EXPECT_EQ(eval_text("setp.eq.s32 %p0, 1, 2; mov.u32 %r0, 1; @%p0 mov.u32 %r0, 2; @!%p0 add.u32 %r0, %r0, 10;", {}),
            11u);
}

}  // namespace
}  // namespace fulmar::ptx::test
