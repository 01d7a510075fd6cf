// SPDX-License-Identifier: Apache-2.0
/// Branches, calls, and what is refused when a kernel is loaded.
#include "machine.hpp"

namespace fulmar::ptx::test {
namespace {

using U = std::uint32_t;

U on(const std::string& body, const std::string& outside, std::uint64_t argument) {
  const Array<std::uint64_t> out(Unwritten(1));
  run(body + "st.global.b64 [%a0], %r0;", {out.address(), argument}, {}, {}, outside);
  return static_cast<U>(out.read()[0]);
}

TEST(Control, Loops) {
  EXPECT_EQ(on("mov.u32 %r0, 0; mov.u32 %r1, 0; AGAIN: add.u32 %r0, %r0, %r1; add.u32 %r1, %r1, 1;"
               "setp.le.u32 %p0, %r1, %a1; @%p0 bra AGAIN;",
               "", 10),
            55u);
}

TEST(Control, BranchesByATable) {
  const std::string body =
      "mov.u32 %r0, 9; TABLE: .branchtargets ONE, TWO, ONE; brx.idx %a1, TABLE;"
      "ONE: mov.u32 %r0, 1; bra OUT; TWO: mov.u32 %r0, 2; OUT:";
  EXPECT_EQ(on(body, "", 0), 1u);
  EXPECT_EQ(on(body, "", 1), 2u);
  EXPECT_EQ(on(body, "", 2), 1u);
  expect_fault(FaultKind::out_of_bounds, "targets", [&] { on(body, "", 3); });
}

const char* const factorial = R"(
.func (.param .b32 result) factorial(.param .b32 n)
{
  .reg .b32 %r<8>;
  .reg .pred %p<2>;
  .local .align 4 .b8 kept[4];
  ld.param.u32 %r1, [n];
  st.local.u32 [kept], %r1;
  setp.gt.u32 %p1, %r1, 1;
  @%p1 bra MORE;
  st.param.b32 [result], 1;
  ret;
MORE:
  sub.u32 %r2, %r1, 1;
  {
    .param .b32 given;
    .param .b32 back;
    st.param.b32 [given], %r2;
    call.uni (back), factorial, (given);
    ld.param.b32 %r3, [back];
  }
  ld.local.u32 %r4, [kept];
  mul.lo.u32 %r5, %r3, %r4;
  st.param.b32 [result], %r5;
  ret;
}
)";

TEST(Control, CallsAndRecurses) {
  const std::string call = "{ .param .b32 given; .param .b32 back; st.param.b32 [given], %a1; call (back), ";
  EXPECT_EQ(on(call + "factorial, (given); ld.param.b32 %r0, [back]; }", factorial, 6), 720u);
  EXPECT_EQ(on("mov.u64 %r5, factorial; PROTO: .callprototype (.param .b32 _) _ (.param .b32 _);" + call +
                   "%r5, (given), PROTO; ld.param.b32 %r0, [back]; }",
               factorial, 5),
            120u)
      << "through a pointer";
}

TEST(Control, KeepsScopesApart) {
  EXPECT_EQ(on("mov.u32 %r0, 1; { .reg .b32 %r<2>; mov.u32 %r0, 2; { .reg .pred p; setp.eq.u32 p, %r0, 2; } } add.u32 "
               "%r0, %r0, 10;",
               "", 0),
            11u);
}

TEST(Control, TrapsAreReported) {
  expect_fault(FaultKind::trap, "trap", [] { on("mov.u32 %r0, 0; trap;", "", 0); });
  expect_fault(FaultKind::trap, "assertion", [] {
    on("mov.u32 %r0, 0; { call.uni __assertfail, (); }", ".extern .func __assertfail(.param .b64 message);\n", 0);
  });
}

void expect_refused(const std::string& part, const std::string& body) {
  try {
    on(body, "", 0);
    ADD_FAILURE() << "accepted: " << body;
  } catch (const Unsupported& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find(body.substr(0, 8)), std::string::npos) << "the PTX line is in: " << e.what();
  }
}

TEST(Refused, WhatIsNotKnown) {
  expect_refused("instruction is not known", "wgmma.fence.sync.aligned;");
  expect_refused("modifier '.frob'", "add.frob.s32 %r0, %r1, %r2;");
  expect_refused("not for this type", "min.f16 %r0, %r1, %r2;");
  expect_refused("not declared", "add.s32 %r0, %r1, %nosuch;");
  expect_refused("operands", "add.s32 %r0, %r1;");
  expect_refused("needs a rounding", "cvt.f32.f64 %r0, %r1;");
  expect_refused("bits are only equal", "setp.lt.b32 %p0, %r1, %r2;");
}

TEST(Refused, WhatEndsEarly) {
  EXPECT_THROW(Program(device(), module_text(".visible .entry k() { ret;")), Unsupported);
  Program p(device(), module_text(".visible .entry k() { bra NOWHERE; }"));
  EXPECT_THROW(p.kernel("k"), Unsupported);
  EXPECT_THROW(p.kernel("other"), Unsupported);
}

TEST(Report, NamesKernelThreadAndLines) {
  const Array<U> a{1};
  try {
    run("\n.loc 1 42 3\nld.global.u32 %r0, [%a0+4];", {a.address()}, {2, 1, 1}, {3, 1, 1},
        ".file 1 \"somewhere/code.cu\"\n");
    FAIL();
  } catch (const Fault& f) {
    const std::string r = f.what();
    for (const char* part :
         {"kernel k", "block (", "thread (", "somewhere/code.cu:42", "ld.global.u32 %r0, [%a0+4];", "array (4 bytes)"})
      EXPECT_NE(r.find(part), std::string::npos) << part << " in: " << r;
  }
}

}  // namespace
}  // namespace fulmar::ptx::test
