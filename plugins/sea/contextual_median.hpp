// SPDX-License-Identifier: Apache-2.0
/// @file
/// The contextual median filter "MF3in5" of Belkin & O'Reilly (2009, J. Marine Systems 78, 319-326).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/host_device.hpp"
#include "core/missing.hpp"
#include "core/select.hpp"

namespace fulmar::ops {

namespace contextual {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
/// Places in a network that sorts 3 x 3 cells: an even number.
inline constexpr int places = 10;

/// Puts nine cells into one of several sets; returns how many are there. What is missing counts as infinite, on either
/// side in turn, so that the middle is in the same place whatever is missing.
template <class Cell>
FULMAR_HD int put(double* set, int lanes, const Cell& cell) {
  double side = infinity;
  int n = 0;
  for (int i = 0; i < places; ++i) {
    const double value = i < 9 ? cell(i) : missing<double>;
    const bool gone = is_missing(value);
    set[i * lanes] = gone ? side : value;
    side = gone ? -side : side;
    n += gone ? 0 : 1;
  }
  return n;
}
/// The median of a sorted set of n cells.
FULMAR_HD inline double middle(const double* set, int lanes, int n) {
  const double below = set[(places / 2 - 1) * lanes], above = set[places / 2 * lanes];
  return n % 2 == 0 ? (below + above) / 2 : below;
}

}  // namespace contextual

/// f of the field at (x, y), filtered: a cell that is strictly the largest, or strictly the smallest, of its 3 x 3 but
/// not of all four of its profiles of 5 cells (E-W, N-S, NW-SE, NE-SW) becomes the median of its 3 x 3; every other
/// cell stays. Only cells that f holds count; any other is missing, and stays so. The median of an even number is the
/// mean of the two in the middle. `field(dx, dy)` is read two cells around; f is increasing where it holds.
template <class Field, class F>
FULMAR_HD double contextual_median(const Field& field, int x, int y, const F& f) {
  constexpr double infinity = contextual::infinity;
  const double centre = field(x, y);
  if (!f.holds(centre)) return missing<double>;
  double high = -infinity, low = infinity;
  const auto meet = [&](int dx, int dy) {
    const double v = field(x + dx, y + dy);
    high = f.holds(v) & (v > high) ? v : high;
    low = f.holds(v) & (v < low) ? v : low;
  };
  meet(-1, -1), meet(0, -1), meet(1, -1), meet(-1, 0), meet(1, 0), meet(-1, 1), meet(0, 1), meet(1, 1);
  const bool above = centre > high, below = centre < low;
  if (!(above | below)) return f(centre);
  // The 3 x 3 are the inner halves of the profiles; these are the outer.
  meet(-2, -2), meet(0, -2), meet(2, -2), meet(-2, 0), meet(2, 0), meet(-2, 2), meet(0, 2), meet(2, 2);
  if ((above & (centre > high)) | (below & (centre < low))) return f(centre);

  double sorted[contextual::places];
  const int n = contextual::put(sorted, 1, [&](int i) {
    const double cell = field(x + i % 3 - 1, y + i / 3 - 1);
    return f.holds(cell) ? f(cell) : missing<double>;
  });
  sort_few<contextual::places>(sorted);
  return contextual::middle(sorted, 1, n);
}

/// The same of a row of cells that are either missing or hold: around[2] is its first cell, the others are those of two
/// rows above and below. The rows are read two columns further on both sides.
template <class T>
void contextual_median(const T* const (&around)[5], std::int64_t width, double* filtered) {
  constexpr std::int64_t together = 256;
  constexpr int lanes = 4;
  constexpr T infinity = static_cast<T>(contextual::infinity);
  T moved[together];
  std::int32_t list[together + lanes];
  for (std::int64_t from = 0; from < width; from += together) {
    const std::int64_t count = std::min(together, width - from);
    const T *a = around[0] + from, *b = around[1] + from, *c = around[2] + from, *d = around[3] + from,
            *e = around[4] + from;
    double* to = filtered + from;
    for (std::int64_t x = 0; x < count; ++x) {
      const T centre = c[x];
      T high = -infinity, low = infinity;
      const auto meet = [&](T v) {
        high = v > high ? v : high;
        low = v < low ? v : low;
      };
      meet(b[x - 1]), meet(b[x]), meet(b[x + 1]), meet(c[x - 1]), meet(c[x + 1]), meet(d[x - 1]), meet(d[x]),
          meet(d[x + 1]);
      const bool above = centre > high, below = centre < low;
      meet(a[x - 2]), meet(a[x]), meet(a[x + 2]), meet(c[x - 2]), meet(c[x + 2]), meet(e[x - 2]), meet(e[x]),
          meet(e[x + 2]);
      const bool stays = (above & (centre > high)) | (below & (centre < low));
      moved[x] = (above | below) & !stays ? T{1} : T{0};
    }
    for (std::int64_t x = 0; x < count; ++x) to[x] = static_cast<double>(c[x]);
    int found = 0;
    for (std::int64_t x = 0; x < count; ++x) {
      list[found] = static_cast<std::int32_t>(x);
      found += moved[x] != 0 ? 1 : 0;
    }
    // Lanes beyond the last cell do it again.
    for (int k = found; k < found + lanes; ++k) list[k] = found > 0 ? list[found - 1] : 0;
    double sorted[contextual::places * lanes];
    int n[lanes];
    for (int first = 0; first < found; first += lanes) {
      for (int k = 0; k < lanes; ++k) {
        const std::int64_t x = list[first + k];
        n[k] = contextual::put(sorted + k, lanes, [&](int i) {
          const T* row = i < 3 ? b : i < 6 ? c : d;
          return static_cast<double>(row[x + i % 3 - 1]);
        });
      }
      sort_few<contextual::places, lanes>(sorted);
      for (int k = 0; k < lanes; ++k) to[list[first + k]] = contextual::middle(sorted + k, lanes, n[k]);
    }
  }
}

}  // namespace fulmar::ops
