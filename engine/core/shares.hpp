// SPDX-License-Identifier: Apache-2.0
/// @file
/// Cells of which several zones hold a share: the value of such a cell is a mark, negative, that tells where in a list
/// of numbers its shares begin: how many there are, and for each the zone (from 1) and its share of the cell.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"

namespace fulmar {

/// Marks begin here, so that none is a subnormal number.
inline constexpr std::uint32_t first_mark = 0x00800000u;
/// Beyond this they would not be finite.
inline constexpr std::uint32_t most_shares = 0x7f000000u - first_mark;

FULMAR_HD inline float mark_of_shares(std::uint32_t place) {
  return __builtin_bit_cast(float, 0x80000000u | (first_mark + place));
}
FULMAR_HD inline std::uint32_t place_of_shares(float mark) {
  return (__builtin_bit_cast(std::uint32_t, mark) & 0x7fffffffu) - first_mark;
}

}  // namespace fulmar
