// SPDX-License-Identifier: Apache-2.0
/// Loads, stores and atomics in every space, and what is reported of wrong ones.
#include "exec/windows.hpp"
#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

using U = std::uint32_t;

TEST(Memory, FillsARegisterByTheSign) {
  const Array<std::uint8_t> in{0x80, 0xff, 0x7f, 1, 0, 0, 0, 0};
  const auto load = [&](const std::string& type) {
    return eval_text("ld.global." + type + " %r0, [%a1];", {in.address()});
  };
  EXPECT_EQ(load("u8"), 0x80u);
  EXPECT_EQ(static_cast<std::int64_t>(load("s8")), -128);
  EXPECT_EQ(load("u16"), 0xff80u);
  EXPECT_EQ(static_cast<std::int64_t>(load("s16")), -128);
  EXPECT_EQ(load("b32"), 0x017fff80u);
  EXPECT_EQ(load("u64"), 0x017fff80u);
}

TEST(Memory, MovesVectors) {
  const Array<U> in{1, 2, 3, 4}, out{0, 0, 0, 0};
  run("ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%a0]; st.global.v2.u32 [%a1+8], {%r1, %r2}; st.global.v2.u32 [%a1], "
      "{%r3, %r4};",
      {in.address(), out.address()});
  EXPECT_EQ(out.read(), (std::vector<U>{3, 4, 1, 2}));
  run("ld.global.nc.v2.u64 {_, %r2}, [%a0]; st.global.v4.u32 [%a1], {%r2, 7, 8, 9};", {in.address(), out.address()});
  EXPECT_EQ(out.read(), (std::vector<U>{3, 7, 8, 9}));
}

TEST(Memory, PacksAndUnpacks) {
  EXPECT_EQ(eval_text("mov.b64 {%r1, %r2}, %a1; mov.b64 %r0, {%r2, %r1};", {0x1111111122222222u}), 0x2222222211111111u);
  EXPECT_EQ(eval_text("mov.b32 {%r1, %r2}, %a1; mov.b32 %r0, {%r2, %r1};", {0x11112222u}), 0x22221111u);
  EXPECT_EQ(eval_text("mov.b64 {%r1, %r2, %r3, %r4}, %a1; mov.b64 %r0, {%r4, %r3, %r2, %r1};", {0x1111222233334444u}),
            0x4444333322221111u);
  EXPECT_EQ(eval_text("mov.b64 {_, %r2}, %a1; mov.u64 %r0, %r2;", {0x1111111122222222u}), 0x11111111u);
}

TEST(Memory, HasSpacesAndGenericAddresses) {
  // shared, local and global through generic addresses and back
  EXPECT_EQ(
      eval_text(".shared .align 4 .b8 s[8]; mov.u64 %r1, s; cvta.shared.u64 %r2, %r1; st.u32 [%r2+4], 7;"
                "ld.shared.u32 %r0, [s+4]; isspacep.shared %p0, %r2; selp.u32 %r3, 100, 0, %p0; add.u32 %r0, %r0, %r3;"
                "cvta.to.shared.u64 %r4, %r2; sub.u64 %r4, %r4, %r1; add.u64 %r0, %r0, %r4;",
                {}),
      107u);
  EXPECT_EQ(
      eval_text(".local .align 8 .b8 depot[16]; mov.u64 %r1, depot; cvta.local.u64 %r2, %r1; st.local.u32 [%r1+4], 5;"
                "ld.u32 %r0, [%r2+4]; isspacep.local %p0, %r2; selp.u32 %r3, 100, 0, %p0; add.u32 %r0, %r0, %r3;",
                {}),
      105u);
  const Array<U> g{9};
  EXPECT_EQ(eval_text("cvta.to.global.u64 %r1, %a1; cvta.global.u64 %r2, %r1; ld.u32 %r0, [%r2];", {g.address()}), 9u);
  EXPECT_EQ(eval_text("cvta.to.global.u64 %r0, %a1;", {0}), 0u) << "null stays null";
}

TEST(Memory, HasVariables) {
  const Array<U> out{0, 0, 0};
  run("ld.global.u32 %r1, [numbers+4]; ld.const.u32 %r2, [few]; mov.u64 %r3, numbers; ld.global.u64 %r4, [pointer];"
      "sub.u64 %r5, %r4, %r3; st.global.u32 [%a0], %r1; st.global.u32 [%a0+4], %r2; st.global.u32 [%a0+8], %r5;",
      {out.address()}, {}, {},
      ".global .align 4 .u32 numbers[3] = {5, 6, 7};\n.const .align 4 .b8 few[4] = {1, 2, 0, 0};\n"
      ".global .align 8 .u64 pointer = numbers+8;\n");
  EXPECT_EQ(out.read(), (std::vector<U>{6, 0x201, 8}));
}

TEST(Memory, HasDynamicSharedMemory) {
  const Array<U> out{0};
  run("mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 2; mov.u32 %r3, d; add.u32 %r3, %r3, %r2; st.shared.u32 [%r3], %r1; "
      "bar.sync 0;"
      "setp.ne.u32 %p0, %r1, 0; @%p0 bra END; ld.shared.u32 %r4, [d+124]; st.global.u32 [%a0], %r4; END:",
      {out.address()}, {}, {32, 1, 1}, ".extern .shared .align 16 .b8 d[];\n", 128);
  EXPECT_EQ(out.read()[0], 31u);
}

template <class T>
std::vector<std::uint64_t> atom(const std::string& op, T start, std::initializer_list<T> values) {
  const Array<T> at(std::vector<T>{start});
  std::string text = "atom.global." + op + " %r0, [%a1]";
  std::vector<std::uint64_t> arguments{at.address()};
  for (const T v : values) {
    text += ", %a" + std::to_string(arguments.size() + 1);
    arguments.push_back(bits(v));
  }
  const std::uint64_t old = eval_text(text + ";", arguments);
  return {bits(value<T>(old)), bits(at.read()[0])};
}
template <class T>
std::vector<std::uint64_t> two(T a, T b) {
  return {bits(a), bits(b)};
}

TEST(Memory, IsAtomic) {
  EXPECT_EQ(atom<U>("add.u32", 5, {7}), two<U>(5, 12));
  EXPECT_EQ(atom<std::uint64_t>("add.u64", ~0ull, {2}), two<std::uint64_t>(~0ull, 1));
  EXPECT_EQ(atom<float>("add.f32", 0.5f, {0.25f}), two(0.5f, 0.75f));
  EXPECT_EQ(atom<double>("add.f64", 0.5, {0.25}), two(0.5, 0.75));
  EXPECT_EQ(atom<std::int32_t>("min.s32", 5, {-7}), two(5, -7));
  EXPECT_EQ(atom<U>("min.u32", 5, {~0u}), two<U>(5, 5));
  EXPECT_EQ(atom<std::int64_t>("max.s64", -5, {-7}), two<std::int64_t>(-5, -5));
  EXPECT_EQ(atom<U>("and.b32", 12, {10}), two<U>(12, 8));
  EXPECT_EQ(atom<U>("or.b32", 12, {10}), two<U>(12, 14));
  EXPECT_EQ(atom<U>("xor.b32", 12, {10}), two<U>(12, 6));
  EXPECT_EQ(atom<U>("exch.b32", 12, {10}), two<U>(12, 10));
  EXPECT_EQ(atom<U>("cas.b32", 12, {12, 99}), two<U>(12, 99));
  EXPECT_EQ(atom<U>("cas.b32", 12, {13, 99}), two<U>(12, 12));
  EXPECT_EQ(atom<std::uint64_t>("cas.b64", 1, {1, ~0ull}), two<std::uint64_t>(1, ~0ull));
  EXPECT_EQ(atom<U>("inc.u32", 3, {3}), two<U>(3, 0));
  EXPECT_EQ(atom<U>("inc.u32", 2, {3}), two<U>(2, 3));
  EXPECT_EQ(atom<U>("dec.u32", 0, {3}), two<U>(0, 3));
  EXPECT_EQ(atom<U>("dec.u32", 9, {3}), two<U>(9, 3));
  EXPECT_EQ(atom<U>("dec.u32", 2, {3}), two<U>(2, 1));
  const Array<U> sum{0};
  run("red.global.add.u32 [%a0], 1;", {sum.address()}, {7, 1, 1}, {33, 1, 1});
  EXPECT_EQ(sum.read()[0], 7u * 33);
  const Array<U> shared{0};
  run(".shared .align 4 .u32 s; mov.u32 %r1, %tid.x; setp.ne.u32 %p0, %r1, 0; @!%p0 st.shared.u32 [s], 0; bar.sync 0;"
      "atom.shared.add.u32 _, [s], %r1; bar.sync 0; @%p0 bra END; ld.shared.u32 %r2, [s]; st.global.u32 [%a0], %r2; "
      "END:",
      {shared.address()}, {}, {64, 1, 1});
  EXPECT_EQ(shared.read()[0], 63u * 32);
}

TEST(Memory, CountsWhatMoves) {
  const Array<U> in{1, 2, 3, 4}, out{0, 0, 0, 0};
  const Traffic t = run("ld.global.v2.u32 {%r1, %r2}, [%a0]; st.global.u32 [%a1], %r1;", {in.address(), out.address()});
  EXPECT_EQ(t.load_bytes, 8u);
  EXPECT_EQ(t.store_bytes, 4u);
  EXPECT_EQ(t.instructions, 5u);
}

// ---- What is wrong.

TEST(Wrong, Bounds) {
  const Array<U> a{1, 2, 3};
  expect_fault(FaultKind::out_of_bounds, "0 bytes behind the end",
               [&] { eval_text("ld.global.u32 %r0, [%a1+12];", {a.address()}); });
  expect_fault(FaultKind::out_of_bounds, "4 bytes before",
               [&] { eval_text("ld.global.u32 %r0, [%a1+-4];", {a.address()}); });
  expect_fault(FaultKind::out_of_bounds, "4 bytes before the end",
               [&] { eval_text("ld.global.u64 %r0, [%a1+8];", {a.address()}); });
  expect_fault(FaultKind::out_of_bounds, "no allocation", [] { eval_text("ld.global.u32 %r0, [%a1];", {0}); });
  expect_fault(FaultKind::out_of_bounds, "behind the end of s (8 bytes)", [] {
    eval_text(".shared .align 4 .b8 s[8]; .shared .align 4 .b8 t[8]; st.shared.u32 [s+8], 1; mov.u64 %r0, t;", {});
  });
  expect_fault(FaultKind::out_of_bounds, "out of bounds",
               [] { eval_text(".local .align 4 .b8 s[8]; st.local.u32 [s+8], 1;", {}); });
  expect_fault(FaultKind::out_of_bounds, "constant",
               [] { run("mov.u64 %r1, c; st.global.u32 [%r1], 1;", {}, {}, {}, ".const .align 4 .u32 c = 3;\n"); });
}

TEST(Wrong, Alignment) {
  const Array<U> a{1, 2, 3, 4, 5};
  expect_fault(FaultKind::misaligned, "multiple of 4",
               [&] { eval_text("ld.global.u32 %r0, [%a1+2];", {a.address()}); });
  expect_fault(FaultKind::misaligned, "multiple of 8",
               [&] { eval_text("ld.global.v2.u32 {%r0, %r1}, [%a1+4];", {a.address()}); });
  expect_fault(FaultKind::misaligned, "shared",
               [] { eval_text(".shared .align 8 .b8 s[16]; st.shared.u64 [s+4], 1;", {}); });
}

TEST(Wrong, Life) {
  std::uint64_t old = 0;
  {
    const Array<U> a{1};
    old = a.address();
  }
  expect_fault(FaultKind::use_after_free, "freed", [&] { eval_text("ld.global.u32 %r0, [%a1];", {old}); });
  U host = 5;
  expect_fault(FaultKind::host_pointer, "host pointer",
               [&] { eval_text("ld.global.u32 %r0, [%a1];", {reinterpret_cast<std::uint64_t>(&host)}); });
}

TEST(Wrong, NeverWritten) {
  const Array<U> a(Unwritten(4));
  expect_fault(FaultKind::uninitialised, "never written",
               [&] { eval_text("ld.global.u32 %r0, [%a1+4];", {a.address()}); });
  EXPECT_EQ(eval_text("st.global.u32 [%a1+4], 3; ld.global.u32 %r0, [%a1+4];", {a.address()}), 3u);
  expect_fault(FaultKind::uninitialised, "never written",
               [&] { eval_text("ld.global.u64 %r0, [%a1];", {a.address()}); });
  expect_fault(FaultKind::uninitialised, "this block",
               [] { eval_text(".shared .align 4 .b8 s[8]; ld.shared.u32 %r0, [s];", {}); });
  expect_fault(FaultKind::uninitialised, "local",
               [] { eval_text(".local .align 4 .b8 s[8]; ld.local.u32 %r0, [s];", {}); });
  Given options;
  options->initialised = 1;
  EXPECT_EQ(eval_text("ld.global.u64 %r0, [%a1]; shr.u64 %r0, %r0, 32;", {a.address()}), 3u)
      << "one written byte is enough";
  options->initialised = 0;
  EXPECT_NO_THROW(eval_text("ld.global.u32 %r0, [%a1+8];", {a.address()}));
}

}  // namespace
}  // namespace fulmar::ptx::test
