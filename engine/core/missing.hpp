// SPDX-License-Identifier: Apache-2.0
/// @file
/// Missing cells: NaN in floating ports, one declared value in integer ports.
#pragma once

#include <cstdint>
#include <limits>

#include "core/host_device.hpp"

namespace fulmar {

FULMAR_HD constexpr bool is_missing(float x) { return x != x; }
FULMAR_HD constexpr bool is_missing(double x) { return x != x; }

/// The missing value of a compute type; a flag (u8) uses 255 so that 0 and 1 keep their meaning.
template <class T>
inline constexpr T missing = std::numeric_limits<T>::quiet_NaN();
template <>
inline constexpr std::uint8_t missing<std::uint8_t> = 255;
FULMAR_HD constexpr bool is_missing(std::uint8_t x) { return x == 255; }

/// A cell as it is stored: whatever NaN arithmetic left, a missing cell has one bit pattern. Processors and cards make
/// different ones, and which operand's a sum keeps is the compiler's choice.
FULMAR_HD constexpr float settled(float x) { return is_missing(x) ? missing<float> : x; }
FULMAR_HD constexpr std::uint8_t settled(std::uint8_t x) { return x; }

}  // namespace fulmar
