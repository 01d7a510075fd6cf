// SPDX-License-Identifier: Apache-2.0
/// @file
/// The contextual median filter "MF3in5" of Belkin & O'Reilly (2009, J. Marine Systems 78, 319-326).
#pragma once

#include "core/host_device.hpp"
#include "core/missing.hpp"

namespace fulmar::ops {

/// f of the field at (x, y), filtered: a cell that is strictly the largest, or strictly the smallest, of its 3 x 3 but
/// not of all four of its profiles of 5 cells (E-W, N-S, NW-SE, NE-SW) becomes the median of its 3 x 3; every other
/// cell stays. Only cells that f holds count; any other is missing, and stays so. The median of an even number is the
/// mean of the two in the middle. `field(dx, dy)` is read two cells around; f is increasing where it holds.
template <class Field, class F>
FULMAR_HD double contextual_median(const Field& field, int x, int y, const F& f) {
  constexpr double infinity = __builtin_huge_val();
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

  double sorted[9];
  int n = 0;
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx) {
      const double cell = field(x + dx, y + dy);
      if (!f.holds(cell)) continue;
      const double v = f(cell);
      int i = n++;
      for (; i > 0 && sorted[i - 1] > v; --i) sorted[i] = sorted[i - 1];
      sorted[i] = v;
    }
  return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

}  // namespace fulmar::ops
