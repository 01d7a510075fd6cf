// SPDX-License-Identifier: Apache-2.0
/// @file
/// The fundamental types of PTX (PTX ISA, "Types") and the state spaces.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fulmar::ptx {

enum class Type : std::uint8_t {
  u8,
  u16,
  u32,
  u64,
  s8,
  s16,
  s32,
  s64,
  b8,
  b16,
  b32,
  b64,
  b128,
  f16,
  f16x2,
  bf16,
  f32,
  f64,
  pred
};

enum class Space : std::uint8_t { generic, global, shared, local, param, constant };

std::optional<Type> type_named(std::string_view name);
std::string_view name_of(Type type);
std::string_view name_of(Space space);
/// Bytes in memory; a predicate has none and counts as 1.
unsigned bytes_of(Type type);

constexpr bool is_signed(Type t) { return t >= Type::s8 && t <= Type::s64; }
constexpr bool is_unsigned(Type t) { return t <= Type::u64; }
constexpr bool is_bits(Type t) { return t >= Type::b8 && t <= Type::b128; }
constexpr bool is_float(Type t) { return t >= Type::f16 && t <= Type::f64; }

}  // namespace fulmar::ptx
