// SPDX-License-Identifier: Apache-2.0
/// Races: what is ordered must pass under every seed, what is not must be reported.
#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

using U = std::uint32_t;

/// %r14: thread, %r13: block; %a0: an array of zeros, with an element a thread; s: as much in shared memory.
void kernel(const std::string& body, Dim grid, Dim block, std::uint64_t seed) {
  Given options;
  options->seed = seed;
  const Array<U> zeros(std::vector<U>(grid.count() * block.count() + 64));
  run(".shared .align 4 .b8 s[4096]; mov.u32 %r14, %tid.x; mov.u32 %r13, %ctaid.x; mov.u32 %r12, s; shl.b32 %r11, "
      "%r14, 2;"
      "add.u32 %r12, %r12, %r11; cvt.u64.u32 %r11, %r11; add.u64 %r11, %a0, %r11;" +
          body,
      {zeros.address()}, grid, block);
}
void expect_clean(const std::string& body, Dim grid, Dim block) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) EXPECT_NO_THROW(kernel(body, grid, block, seed)) << body;
}
void expect_race(const std::string& body, Dim grid, Dim block, const std::string& part = "race") {
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    expect_fault(FaultKind::race, part, [&] { kernel(body, grid, block, seed); });
}

const std::string store = "st.shared.u32 [%r12], %r14;";
// The neighbour's element: of this warp, or of another.
const std::string near =
    "xor.b32 %r1, %r14, 1; shl.b32 %r1, %r1, 2; mov.u32 %r2, s; add.u32 %r1, %r1, %r2; ld.shared.u32 %r3, [%r1];";
const std::string far =
    "xor.b32 %r1, %r14, 32; shl.b32 %r1, %r1, 2; mov.u32 %r2, s; add.u32 %r1, %r1, %r2; ld.shared.u32 %r3, [%r1];";

TEST(Order, BarriersOrderABlock) {
  expect_clean(store + "bar.sync 0;" + far, {}, {64, 1, 1});
  expect_clean(store + "bar.sync 0;" + far + "bar.sync 0;" + store, {}, {64, 1, 1});
  Given options;
  options->initialised = 0;
  expect_race(store + far, {}, {64, 1, 1}, "no barrier lies between");
  expect_race(store + "bar.sync 0;" + far + store, {}, {64, 1, 1}, "no barrier lies between");
  expect_race("st.shared.u32 [s], %r14;", {}, {64, 1, 1}, "write");
}

TEST(Order, BarWarpSyncOrdersAWarp) {
  expect_clean(store + "bar.warp.sync -1;" + near, {}, {32, 1, 1});
  Given options;
  options->initialised = 0;
  expect_race(store + near, {}, {32, 1, 1});
  expect_race(store + "bar.warp.sync -1;" + far, {}, {64, 1, 1});
  // A shuffle or a vote lets lanes meet, but orders no memory.
  expect_race(store + "shfl.sync.idx.b32 %r5, %r14, 0, 31, -1;" + near, {}, {32, 1, 1});
}

TEST(Order, PartsOfAWarp) {
  const std::string halves = "setp.lt.u32 %p0, %r14, 16; selp.b32 %r4, 0xffff, 0xffff0000, %p0;";
  expect_clean(halves + store + "bar.warp.sync %r4;" + near, {}, {32, 1, 1});
  Given options;
  options->initialised = 0;
  const std::string across =
      "xor.b32 %r1, %r14, 16; shl.b32 %r1, %r1, 2; mov.u32 %r2, s; add.u32 %r1, %r1, %r2; ld.shared.u32 %r3, [%r1];";
  expect_race(halves + store + "bar.warp.sync %r4;" + across, {}, {32, 1, 1});
}

TEST(Order, AtomicsDoNotRaceWithAtomics) {
  expect_clean("red.global.add.u32 [%a0], 1;", {4, 1, 1}, {32, 1, 1});
  expect_race("ld.global.u32 %r1, [%a0]; add.u32 %r1, %r1, 1; st.global.u32 [%a0], %r1;", {4, 1, 1}, {32, 1, 1});
  expect_race("red.global.add.u32 [%a0], 1; ld.global.u32 %r1, [%a0];", {4, 1, 1}, {32, 1, 1});
  expect_clean("red.global.add.u32 [%a0], 1; ld.relaxed.gpu.global.u32 %r1, [%a0];", {4, 1, 1}, {32, 1, 1});
  expect_clean("ld.global.u32 %r1, [%a0];", {4, 1, 1}, {32, 1, 1});
}

TEST(Order, NothingOrdersBlocks) {
  expect_race("bar.sync 0; st.global.u32 [%a0], %r13; bar.sync 0;", {2, 1, 1}, {1, 1, 1},
              "nothing orders the two blocks");
  expect_race("st.global.u32 [%r11], 1;", {2, 1, 1}, {32, 1, 1});
}

TEST(Order, NarrowNeighboursDoNotRace) {
  expect_clean("cvt.u64.u32 %r1, %r14; add.u64 %r1, %a0, %r1; st.global.u8 [%r1], 1;", {}, {64, 1, 1});
  // Words first, then bytes of another word of the same page.
  expect_clean("st.global.u32 [%r11], 1; cvt.u64.u32 %r1, %r14; add.u64 %r1, %a0, %r1; st.global.u8 [%r1+256], 1;", {},
               {64, 1, 1});
  expect_race("cvt.u64.u32 %r1, %r14; shr.u64 %r1, %r1, 1; add.u64 %r1, %a0, %r1; st.global.u8 [%r1], 1;", {},
              {64, 1, 1});
}

/// Block 0 writes data and then a flag; block 1 waits for the flag and reads.
std::string message(const std::string& publish, const std::string& wait) {
  return "setp.ne.u32 %p0, %r13, 0; @%p0 bra READER; st.global.u32 [%a0+64], 7;" + publish +
         "ret; READER: AGAIN:" + wait + "ld.global.u32 %r2, [%a0+64];";
}

TEST(Order, FencesAndStrongAccessesCarryAMessage) {
  const std::string flag = "st.relaxed.gpu.global.u32 [%a0], 1;";
  const std::string poll = "ld.relaxed.gpu.global.u32 %r1, [%a0]; setp.eq.u32 %p1, %r1, 0; @%p1 bra AGAIN;";
  const Dim two{2, 1, 1}, one{};
  expect_clean(message("fence.acq_rel.gpu;" + flag, poll + "fence.acq_rel.gpu;"), two, one);
  expect_clean(message("membar.gl;" + flag, poll + "membar.gl;"), two, one);
  expect_clean(message("st.release.gpu.global.u32 [%a0], 1;",
                       "ld.acquire.gpu.global.u32 %r1, [%a0]; setp.eq.u32 %p1, %r1, 0; @%p1 bra AGAIN;"),
               two, one);
  expect_race(message(flag, poll + "fence.acq_rel.gpu;"), two, one);
  expect_race(message("fence.acq_rel.gpu;" + flag, poll), two, one);
  expect_race(message(flag + "fence.acq_rel.gpu;", poll + "fence.acq_rel.gpu;"), two, one);
}

TEST(Order, TheLastBlockMayReadWhatAllHaveWritten) {
  // Partial results, a fence, a ticket; the last block reads them all after a fence and a barrier.
  const std::string part =
      "shl.b32 %r1, %r13, 2; cvt.u64.u32 %r1, %r1; add.u64 %r1, %a0, %r1; setp.ne.u32 %p0, %r14, 0;"
      "@%p0 bra WAIT; st.global.u32 [%r1+64], %r13;";
  const std::string ticket = "atom.global.add.u32 %r2, [%a0], 1; st.shared.u32 [s], %r2;";
  const std::string last =
      "WAIT: bar.sync 0; ld.shared.u32 %r3, [s]; setp.ne.u32 %p1, %r3, 2; @%p1 bra END;"
      "ld.global.u32 %r4, [%a0+64]; ld.global.u32 %r5, [%a0+68]; ld.global.u32 %r6, [%a0+72]; END:";
  const Dim three{3, 1, 1}, warp{32, 1, 1};
  expect_clean(part + "fence.acq_rel.gpu;" + ticket + "fence.acq_rel.gpu;" + last, three, warp);
  expect_race(part + ticket + "fence.acq_rel.gpu;" + last, three, warp);
}

TEST(Order, ReadOnlyLoadsOfWhatIsWritten) {
  expect_race("st.global.u32 [%r11], 1; ld.global.nc.u32 %r1, [%r11];", {}, {32, 1, 1}, "ld.global.nc");
  expect_clean("ld.global.nc.u32 %r1, [%r11];", {}, {32, 1, 1});
}

TEST(Order, ChecksCanBeLeftOut) {
  Given options;
  options->global_races = options->shared_races = false;
  options->initialised = 0;
  EXPECT_NO_THROW(kernel(store + far + "st.global.u32 [%a0], %r14;", {2, 1, 1}, {64, 1, 1}, 1));
}

TEST(Order, SeedsGiveTheSameRunAgain) {
  // The order in which threads come is the seed's.
  const auto order = [](std::uint64_t seed) {
    Given options;
    options->seed = seed;
    device().launches = 0;
    const Array<U> out(std::vector<U>(65));
    run("mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mad.lo.u32 %r1, %r2, 32, %r1; atom.global.add.u32 %r3, [%a0], 1;"
        "mul.wide.u32 %r4, %r3, 4; add.u64 %r4, %a0, %r4; st.global.u32 [%r4+4], %r1;",
        {out.address()}, {2, 1, 1}, {32, 1, 1});
    return out.read();
  };
  EXPECT_EQ(order(3), order(3));
  EXPECT_NE(order(3), order(4));
}

}  // namespace
}  // namespace fulmar::ptx::test
