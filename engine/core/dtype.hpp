// SPDX-License-Identifier: Apache-2.0
/// @file
/// The types a cell can have in a file. Inside the engine a port has one compute type only: f32, or u8 for flags.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/error.hpp"
#include "fulmar_abi.h"

namespace fulmar {

enum class DType : std::int32_t {
  u8 = FULMAR_U8,
  i8 = FULMAR_I8,
  u16 = FULMAR_U16,
  i16 = FULMAR_I16,
  u32 = FULMAR_U32,
  i32 = FULMAR_I32,
  u64 = FULMAR_U64,
  i64 = FULMAR_I64,
  f32 = FULMAR_F32,
  f64 = FULMAR_F64,
};

/// Calls use(T{}) with the C++ type of dtype: the only place where a cell's stored type becomes code.
template <class Use>
decltype(auto) with_type(DType dtype, Use&& use) {
  switch (dtype) {
    case DType::u8:
      return use(std::uint8_t{});
    case DType::i8:
      return use(std::int8_t{});
    case DType::u16:
      return use(std::uint16_t{});
    case DType::i16:
      return use(std::int16_t{});
    case DType::u32:
      return use(std::uint32_t{});
    case DType::i32:
      return use(std::int32_t{});
    case DType::u64:
      return use(std::uint64_t{});
    case DType::i64:
      return use(std::int64_t{});
    case DType::f32:
      return use(float{});
    case DType::f64:
      return use(double{});
  }
  fail(Errc::runtime, "unknown cell type");
}

inline std::size_t size_of(DType dtype) {
  return with_type(dtype, [](auto t) { return sizeof t; });
}

inline const char* name_of(DType dtype) {
  static constexpr const char* names[] = {"?", "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"};
  return names[static_cast<int>(dtype)];
}

}  // namespace fulmar
