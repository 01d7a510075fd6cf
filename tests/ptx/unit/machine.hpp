// SPDX-License-Identifier: Apache-2.0
/// @file
/// Runs pieces of PTX written in a test: one instruction on values, or a whole kernel on arrays.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "exec/program.hpp"

namespace fulmar::ptx::test {

inline Device& device() {
  static Device d{[] {
    Options o;
    o.limit = 50;
    return o;
  }()};
  return d;
}

/// Options changed for the length of a test.
class Given {
 public:
  Given() : before_{device().options} {}
  ~Given() { device().options = before_; }
  Given(const Given&) = delete;
  Given& operator=(const Given&) = delete;
  Options* operator->() { return &device().options; }

 private:
  Options before_;
};

template <class T>
std::uint64_t bits(T v) {
  std::uint64_t b = 0;
  std::memcpy(&b, &v, sizeof v);
  return b;
}
template <class T>
T value(std::uint64_t b) {
  T v;
  std::memcpy(&v, &b, sizeof v);
  return v;
}

/// A text with its module's head.
inline std::string module_text(const std::string& body) {
  return ".version 9.0\n.target sm_75\n.address_size 64\n" + body;
}

/// How many elements a device array has that is not written.
struct Unwritten {
  explicit Unwritten(std::size_t n) : elements{n} {}
  std::size_t elements;
};

/// A device array.
template <class T>
class Array {
 public:
  explicit Array(Unwritten u) : n_{u.elements}, at_{device().memory.allocate(u.elements * sizeof(T), "array")} {}
  explicit Array(const std::vector<T>& v) : Array(Unwritten(v.size())) {
    std::memcpy(device().memory.bytes(at_), v.data(), n_ * sizeof(T));
    std::memset(device().memory.initialised(at_), 1, n_ * sizeof(T));
  }
  Array(std::initializer_list<T> v) : Array(std::vector<T>(v)) {}
  ~Array() {
    if (device().memory.find(at_)->live) device().memory.release(at_);
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  std::uint64_t address() const { return at_; }
  std::vector<T> read() const {
    std::vector<T> v(n_);
    std::memcpy(v.data(), device().memory.bytes(at_), n_ * sizeof(T));
    return v;
  }

 private:
  std::size_t n_;
  std::uint64_t at_;
};

/// Runs `body` in a kernel of 64-bit parameters, which are in %a0, %a1, ..; %r0-%r15 and %p0-%p7 are free, as are the
/// usual special registers. `outside` stands before the kernel.
inline Traffic run(const std::string& body, std::vector<std::uint64_t> arguments, Dim grid = {}, Dim block = {},
                   const std::string& outside = {}, std::uint32_t dynamic_shared = 0) {
  std::string text = outside + ".visible .entry k(";
  std::string loads;
  std::vector<const void*> given;
  for (std::size_t n = 0; n < arguments.size(); ++n) {
    const std::string name = "k_param_" + std::to_string(n);
    text += (n ? ", .param .u64 " : ".param .u64 ") + name;
    loads += "ld.param.u64 %a" + std::to_string(n) + ", [" + name + "];\n";
    given.push_back(&arguments[n]);
  }
  text += ")\n{\n.reg .b64 %a<8>;\n.reg .b64 %r<16>;\n.reg .pred %p<8>;\n" + loads + body + "\nret;\n}\n";
  Program program(device(), module_text(text));
  return program.launch("k", grid, block, given, dynamic_shared);
}

/// One instruction on values: results are taken from %r0, arguments are %a1, %a2, ...
inline std::uint64_t eval_text(const std::string& text, const std::vector<std::uint64_t>& arguments) {
  Array<std::uint64_t> out(Unwritten(1));
  std::vector<std::uint64_t> all{out.address()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  run(text + "\nst.global.b64 [%a0], %r0;", all);
  return out.read()[0];
}

/// "add.s32" on two values = "add.s32 %r0, %a1, %a2;".
template <class R, class... A>
R eval(const std::string& opcode, A... arguments) {
  std::string text = opcode + " %r0";
  for (std::size_t n = 1; n <= sizeof...(A); ++n) text += ", %a" + std::to_string(n);
  return value<R>(eval_text(text + ";", {bits(arguments)...}));
}

/// The same for an instruction that gives a predicate.
template <class... A>
bool holds(const std::string& opcode, A... arguments) {
  std::string text = opcode + " %p0";
  for (std::size_t n = 1; n <= sizeof...(A); ++n) text += ", %a" + std::to_string(n);
  return eval_text(text + "; selp.b64 %r0, 1, 0, %p0;", {bits(arguments)...}) == 1;
}

/// Runs what must fail, and checks how.
template <class F>
void expect_fault(FaultKind kind, const std::string& part, F f) {
  try {
    f();
    ADD_FAILURE() << "nothing was reported; expected: " << name_of(kind);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.kind, kind) << fault.what();
    EXPECT_NE(std::string(fault.what()).find(part), std::string::npos) << fault.what();
  }
}

template <class T>
std::vector<T> edges() {
  using L = std::numeric_limits<T>;
  if constexpr (std::is_floating_point_v<T>) {
    return {T(0),          T(-0.0),  T(1),        T(-1),           T(0.5),
            T(1.5),        T(2.5),   T(-2.5),     T(3) / T(7),     T(1e10),
            T(-123.75),    L::min(), -L::min(),   L::denorm_min(), -L::denorm_min(),
            L::min() / 2,  L::max(), L::lowest(), L::infinity(),   -L::infinity(),
            L::quiet_NaN()};
  } else {
    return {T(0),
            T(1),
            T(2),
            T(3),
            T(7),
            T(31),
            T(32),
            T(63),
            T(-1),
            T(-2),
            L::min(),
            T(L::min() + 1),
            L::max(),
            T(L::max() - 1),
            T(0x5a5a5a5a5a5a5a5a),
            T(0x123456789abcdef0)};
  }
}

}  // namespace fulmar::ptx::test
