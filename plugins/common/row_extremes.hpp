// SPDX-License-Identifier: Apache-2.0
/// @file
/// The least and the largest of a row of cells, in loops that become vectors.
#pragma once

#include <cstdint>
#include <limits>

#include "core/host_device.hpp"

namespace fulmar::ops {

/// Cells that are looked at together: what a first cache holds of several rows.
inline constexpr std::int64_t most_together = 512;

/// What counts as a value in statistics: neither missing nor beyond every number, as a computed cell may be.
FULMAR_HD inline bool is_finite(float value) { return value - value == 0.0f; }

/// Takes columns [from, from + n) of a row into least and largest; n is at most most_together. Cells that are not
/// finite are left out; returns how many. Of equal values either counts: -0 for 0. A minimum waits for the minimum
/// before it: halves of the row are compared instead.
template <class Row>
std::int64_t take_extremes(float& least, float& largest, const Row& row, std::int64_t from, std::int64_t n) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  float low[most_together], high[most_together];
  std::int32_t gaps = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = row[from + i];
    const bool gap = !is_finite(value);
    low[i] = gap ? infinity : value;
    high[i] = gap ? -infinity : value;
    gaps += gap ? 1 : 0;
  }
  for (std::int64_t left = n, half = 0; left > 1; left = half) {
    half = (left + 1) / 2;
    for (std::int64_t i = 0; i < left - half; ++i) low[i] = low[i + half] < low[i] ? low[i + half] : low[i];
    for (std::int64_t i = 0; i < left - half; ++i) high[i] = high[i + half] > high[i] ? high[i + half] : high[i];
  }
  if (n > 0) {
    least = low[0] < least ? low[0] : least;
    largest = high[0] > largest ? high[0] : largest;
  }
  return gaps;
}

}  // namespace fulmar::ops
