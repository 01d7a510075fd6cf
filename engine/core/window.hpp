// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rectangles of cells, in the raster's own columns and rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/host_device.hpp"

namespace fulmar {

/// How far an operator looks beyond the cell it computes, in cells.
struct Halo {
  std::int64_t x = 0;
  std::int64_t y = 0;

  friend bool operator==(const Halo&, const Halo&) = default;
};

inline Halo operator+(Halo a, Halo b) { return {a.x + b.x, a.y + b.y}; }
inline Halo widest(Halo a, Halo b) { return {std::max(a.x, b.x), std::max(a.y, b.y)}; }

/// A half-open rectangle of cells: columns [x, x + width), rows [y, y + height). May reach outside the raster.
struct Window {
  std::int64_t x = 0;
  std::int64_t y = 0;
  std::int64_t width = 0;
  std::int64_t height = 0;

  FULMAR_HD [[nodiscard]] std::int64_t right() const { return x + width; }
  FULMAR_HD [[nodiscard]] std::int64_t bottom() const { return y + height; }
  FULMAR_HD [[nodiscard]] std::int64_t cells() const { return width * height; }
  FULMAR_HD [[nodiscard]] bool empty() const { return width <= 0 || height <= 0; }
  FULMAR_HD [[nodiscard]] bool contains(std::int64_t column, std::int64_t row) const {
    return column >= x && column < right() && row >= y && row < bottom();
  }

  friend bool operator==(const Window&, const Window&) = default;
};

inline Window grow(Window w, Halo h) { return {w.x - h.x, w.y - h.y, w.width + 2 * h.x, w.height + 2 * h.y}; }

inline Window intersect(Window a, Window b) {
  const auto x = std::max(a.x, b.x), y = std::max(a.y, b.y);
  return {x, y, std::max<std::int64_t>(0, std::min(a.right(), b.right()) - x),
          std::max<std::int64_t>(0, std::min(a.bottom(), b.bottom()) - y)};
}

/// The smallest window that holds both; an empty one counts for nothing.
inline Window hull(Window a, Window b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  const auto x = std::min(a.x, b.x), y = std::min(a.y, b.y);
  return {x, y, std::max(a.right(), b.right()) - x, std::max(a.bottom(), b.bottom()) - y};
}

inline std::int64_t floor_to(std::int64_t value, std::int64_t step) {
  const auto rest = value % step;
  return value - (rest < 0 ? rest + step : rest);
}
inline std::int64_t ceil_to(std::int64_t value, std::int64_t step) { return floor_to(value + step - 1, step); }

/// The anchored lattice of compute blocks, in cells. Sums restart in every block, so no result depends on tiles.
inline constexpr std::int64_t block_width = 512;
inline constexpr std::int64_t block_height = 256;

/// Grows a window to whole blocks of a lattice anchored at the raster's first cell.
inline Window whole_blocks(Window w, std::int64_t across, std::int64_t down) {
  const auto x = floor_to(w.x, across), y = floor_to(w.y, down);
  return {x, y, ceil_to(w.right(), across) - x, ceil_to(w.bottom(), down) - y};
}
/// The same where cells repeat after `turn` columns: every turn begins a lattice of its own, whose last block is what
/// is left of the turn. 0: nothing repeats.
inline Window whole_blocks(Window w, std::int64_t across, std::int64_t down, std::int64_t turn) {
  Window all = whole_blocks(w, across, down);
  if (turn == 0 || w.empty()) return all;
  const auto first = floor_to(w.x, turn), last = floor_to(w.right() - 1, turn);
  all.x = first + floor_to(w.x - first, across);
  all.width = last + std::min(turn, ceil_to(w.right() - last, across)) - all.x;
  return all;
}

/// Calls use(x, at, count) for each run of the columns [first, end) that lies among the columns [from, from + width):
/// the columns x, x + 1... are the columns at, at + 1... there, whole turns away. With a turn of 0, just those that
/// both have.
template <class Use>
void each_run(std::int64_t first, std::int64_t end, std::int64_t from, std::int64_t width, std::int64_t turn,
              Use&& use) {
  if (turn == 0) {
    const auto x = std::max(first, from), right = std::min(end, from + width);
    if (x < right) use(x, x, right - x);
    return;
  }
  for (auto x = first; x < end;) {
    const auto into = x - from - floor_to(x - from, turn);
    const auto count = std::min(end - x, (into < width ? width : turn) - into);
    if (into < width) use(x, from + into, count);
    x += count;
  }
}

}  // namespace fulmar
