// SPDX-License-Identifier: Apache-2.0
/// Instructions that threads run together: what they give, and what is reported of wrong ones.
#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

using U = std::uint32_t;

/// Runs `body` with a warp (or more); %r14 is the thread's number and its store goes to out[thread].
std::vector<U> warp(const std::string& body, U threads = 32) {
  const Array<U> out(std::vector<U>(threads, 0xdeadu));
  run("mov.u32 %r14, %tid.x; mul.wide.u32 %r15, %r14, 4; add.u64 %r15, %a0, %r15;" + body +
          "st.global.u32 [%r15], %r0;",
      {out.address()}, {}, {threads, 1, 1});
  return out.read();
}

/// The definition in the ISA, in its own words.
U shuffled(const std::string& mode, U lane, U b, U c) {
  const U segment = c >> 8 & 31, clamp = c & 31;
  const int most = static_cast<int>((lane & segment) | (clamp & ~segment)), least = static_cast<int>(lane & segment);
  int j = 0;
  bool p = false;
  if (mode == "up") j = static_cast<int>(lane) - static_cast<int>(b), p = j >= most;
  if (mode == "down") j = static_cast<int>(lane + b), p = j <= most;
  if (mode == "bfly") j = static_cast<int>(lane ^ b), p = j <= most;
  if (mode == "idx") j = least | static_cast<int>(b & ~segment), p = j <= most;
  return static_cast<U>(p ? j : static_cast<int>(lane)) * 2 + p;
}

TEST(Warp, Shuffles) {
  for (const std::string mode : {"up", "down", "bfly", "idx"})
    for (const U b : {0u, 1u, 3u, 16u, 31u})
      for (const U c : {31u, 0u, 7u | 24u << 8, 24u << 8, 31u | 16u << 8}) {
        const auto got = warp("shfl.sync." + mode + ".b32 %r1|%p0, %r14, " + std::to_string(b) + ", " +
                              std::to_string(c) + ", -1; selp.u32 %r2, 1, 0, %p0; mad.lo.u32 %r0, %r1, 2, %r2;");
        for (U lane = 0; lane < 32; ++lane)
          ASSERT_EQ(got[lane], shuffled(mode, lane, b, c)) << mode << " b " << b << " c " << c << " lane " << lane;
      }
}

TEST(Warp, ShufflesWithinAMask) {
  const auto got = warp("setp.lt.u32 %p0, %r14, 8; mov.u32 %r0, 99; @%p0 shfl.sync.bfly.b32 %r0, %r14, 3, 31, 0xff;");
  for (U lane = 0; lane < 32; ++lane) EXPECT_EQ(got[lane], lane < 8 ? lane ^ 3 : 99);
}

TEST(Warp, Votes) {
  const std::string p = "setp.lt.u32 %p0, %r14, 5;";
  EXPECT_EQ(warp(p + "vote.sync.ballot.b32 %r0, %p0, -1;")[9], 31u);
  EXPECT_EQ(warp(p + "vote.sync.ballot.b32 %r0, !%p0, -1;")[9], ~31u);
  EXPECT_EQ(warp(p + "vote.sync.any.pred %p1, %p0, -1; selp.u32 %r0, 1, 0, %p1;")[9], 1u);
  EXPECT_EQ(warp(p + "vote.sync.all.pred %p1, %p0, -1; selp.u32 %r0, 1, 0, %p1;")[0], 0u);
  EXPECT_EQ(warp(p + "vote.sync.uni.pred %p1, %p0, -1; selp.u32 %r0, 1, 0, %p1;")[0], 0u);
  EXPECT_EQ(warp("setp.lt.u32 %p0, %r14, 99; vote.sync.all.pred %p1, %p0, -1; selp.u32 %r0, 1, 0, %p1;")[3], 1u);
}

TEST(Warp, MatchesAndReduces) {
  const auto any = warp("and.b32 %r1, %r14, 3; match.any.sync.b32 %r0, %r1, -1;");
  for (U lane = 0; lane < 32; ++lane) EXPECT_EQ(any[lane], 0x11111111u << (lane & 3));
  EXPECT_EQ(warp("match.all.sync.b32 %r0|%p0, %r14, -1;")[0], 0u);
  EXPECT_EQ(warp("match.all.sync.b64 %r1|%p0, %a0, -1; selp.u32 %r0, %r1, 7, %p0;")[4], ~0u);
  EXPECT_EQ(warp("redux.sync.add.u32 %r0, %r14, -1;")[3], 496u);
  EXPECT_EQ(warp("neg.s32 %r1, %r14; redux.sync.min.s32 %r0, %r1, -1;")[3], static_cast<U>(-31));
  EXPECT_EQ(warp("redux.sync.xor.b32 %r0, %r14, -1;")[3], 0u);
  EXPECT_EQ(warp("redux.sync.max.u32 %r0, %r14, -1;")[3], 31u);
}

TEST(Warp, KnowsWhoIsActive) {
  EXPECT_EQ(warp("activemask.b32 %r0;")[7], ~0u);
  const auto half = warp("setp.lt.u32 %p0, %r14, 16; mov.u32 %r0, 0; @!%p0 bra OUT; activemask.b32 %r0; OUT:");
  EXPECT_EQ(half[3], 0xffffu);
  const auto special = warp(
      "mov.u32 %r1, %laneid; mov.u32 %r2, %lanemask_lt; popc.b32 %r2, %r2; mov.u32 %r3, %warpid;"
      "mad.lo.u32 %r0, %r3, 1000, %r1; mad.lo.u32 %r0, %r2, 10000, %r0;",
      64);
  EXPECT_EQ(special[37], 5u * 10000 + 1000 + 5);
}

TEST(Block, ReducesAtABarrier) {
  const std::string p = "setp.lt.u32 %p0, %r14, 40;";
  EXPECT_EQ(warp(p + "bar.red.popc.u32 %r0, 0, %p0;", 96)[77], 40u);
  EXPECT_EQ(warp(p + "bar.red.or.pred %p1, 0, %p0; selp.u32 %r0, 1, 0, %p1;", 96)[77], 1u);
  EXPECT_EQ(warp(p + "bar.red.and.pred %p1, 0, %p0; selp.u32 %r0, 1, 0, %p1;", 96)[77], 0u);
}

TEST(Block, MeetsInPart) {
  // Two warps meet at barrier 1, the third goes past.
  const auto got =
      warp("setp.ge.u32 %p0, %r14, 64; mov.u32 %r0, 3; @%p0 bra OUT; bar.sync 1, 64; mov.u32 %r0, 4; OUT:", 96);
  EXPECT_EQ(got[0], 4u);
  EXPECT_EQ(got[95], 3u);
}

// ---- What is wrong.

TEST(Wrong, Masks) {
  expect_fault(FaultKind::warp_mask, "not in the mask", [] { warp("shfl.sync.idx.b32 %r0, %r14, 0, 31, 0xffff;"); });
  expect_fault(FaultKind::warp_mask, "reads lane", [] {
    warp("setp.lt.u32 %p0, %r14, 16; mov.u32 %r0, 0; @!%p0 bra OUT; shfl.sync.down.b32 %r0, %r14, 16, 31, -1; OUT:");
  });
  expect_fault(FaultKind::warp_mask, "another warp instruction", [] {
    warp(
        "setp.lt.u32 %p0, %r14, 16; @%p0 bra LOW; vote.sync.ballot.b32 %r0, %p0, -1; bra OUT;"
        "LOW: shfl.sync.idx.b32 %r0, %r14, 0, 31, -1; OUT:");
  });
  expect_fault(FaultKind::warp_mask, "another mask", [] {
    warp("setp.lt.u32 %p0, %r14, 16; selp.b32 %r1, 0xffffffff, 0xffff00ff, %p0; mov.u32 %r0, 0; bar.warp.sync %r1;");
  });
}

TEST(Wrong, Barriers) {
  expect_fault(FaultKind::divergent_barrier, "have left",
               [] { warp("setp.lt.u32 %p0, %r14, 40; mov.u32 %r0, 0; @!%p0 bra OUT; bar.sync 0; OUT:", 64); });
  expect_fault(FaultKind::divergent_barrier, "different barriers", [] {
    warp("setp.lt.u32 %p0, %r14, 40; mov.u32 %r0, 0; @!%p0 bra HIGH; bar.sync 0; bra OUT; HIGH: bar.sync 0; OUT:", 64);
  });
  expect_fault(FaultKind::divergent_barrier, "do not come", [] {
    warp("setp.lt.u32 %p0, %r14, 32; mov.u32 %r0, 0; @!%p0 bra HIGH; bar.sync 0; bra OUT; HIGH: bar.sync 1; OUT:", 64);
  });
  expect_fault(FaultKind::endless, "without an end", [] { warp("HERE: bra HERE;"); });
}

}  // namespace
}  // namespace fulmar::ptx::test
