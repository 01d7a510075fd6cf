// SPDX-License-Identifier: Apache-2.0
/// @file
/// Most instructions are functions of their operands: `pure<f>` makes a handler of an ordinary C++ function, and
/// `for_integer`, `for_float` choose the instance of a template by a PTX type.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "exec/decoder.hpp"
#include "exec/launch.hpp"

namespace fulmar::ptx {

__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

/// The low bytes of a register as a value. Registers hold what was written in their low bytes; the rest is not read.
template <class T>
T get(std::uint64_t bits) {
  if constexpr (std::is_same_v<T, bool>) {
    return bits & 1;
  } else {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
}

/// A value as a register. Narrow integers fill the register as the ISA says of loads: by their sign.
template <class T>
std::uint64_t put(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<std::uint64_t>(value);
  } else {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
  }
}

namespace detail {
template <auto F, class R, class... A, std::size_t... N>
const Instruction* call(Thread& t, const Instruction* i, R (*)(A...), std::index_sequence<N...>) {
  std::uint64_t* const r = t.r;
  r[i->slot[0]] = put<R>(F(get<A>(r[i->slot[N + 1]])...));
  return i + 1;
}
template <class R, class... A>
constexpr std::index_sequence_for<A...> positions(R (*)(A...)) {
  return {};
}
}  // namespace detail

/// Result in slot 0, arguments in the slots behind it.
template <auto F>
const Instruction* pure(Thread& t, const Instruction* i) {
  return detail::call<F>(t, i, F, decltype(detail::positions(F)){});
}

/// `make` is a lambda template called with the C++ type of an integer (or bits) type.
template <class Make>
Handler for_integer(const Decoder& d, Type type, Make make) {
  switch (type) {
    case Type::u8:
    case Type::b8:
      return make.template operator()<std::uint8_t>();
    case Type::u16:
    case Type::b16:
      return make.template operator()<std::uint16_t>();
    case Type::u32:
    case Type::b32:
      return make.template operator()<std::uint32_t>();
    case Type::u64:
    case Type::b64:
      return make.template operator()<std::uint64_t>();
    case Type::s8:
      return make.template operator()<std::int8_t>();
    case Type::s16:
      return make.template operator()<std::int16_t>();
    case Type::s32:
      return make.template operator()<std::int32_t>();
    case Type::s64:
      return make.template operator()<std::int64_t>();
    default:
      d.unsupported("not for this type");
  }
}

template <class Make>
Handler for_float(const Decoder& d, Type type, Make make) {
  switch (type) {
    case Type::f32:
      return make.template operator()<float>();
    case Type::f64:
      return make.template operator()<double>();
    default:
      d.unsupported("not for this type");
  }
}

}  // namespace fulmar::ptx
