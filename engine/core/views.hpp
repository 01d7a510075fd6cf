// SPDX-License-Identifier: Apache-2.0
/// @file
/// What an operator's function may ask for: the types of its parameters. Each is a small value, made by the engine for
/// one cell; the function never sees a tile, an edge or another thread.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
#include "core/math.hpp"
#include "core/missing.hpp"
#include "fulmar_abi.h"

namespace fulmar {

/// A cell and its neighbours: near(dx, dy), within the halo the operator declares. Beyond the raster: missing; of one
/// that goes round the earth the columns go on.
template <class T>
struct Near {
  const T* centre = nullptr;
  std::int64_t stride = 0;

  FULMAR_HD T operator()(std::int64_t dx, std::int64_t dy) const { return centre[dy * stride + dx]; }
};

/// The same, where a neighbour beyond the raster is the cell of the raster's rim that is nearest to it (edge:
/// replicate).
template <class T>
struct Replicated {
  Near<T> near;
  std::int64_t left = 0, up = 0, right = 0, down = 0;  ///< cells of the raster on each side

  /// A width of 0: rows have no rim, since the raster goes round the earth.
  FULMAR_HD static Replicated at(Near<T> near, std::int64_t x, std::int64_t y, std::int64_t width,
                                 std::int64_t height) {
    constexpr std::int64_t endless = std::int64_t{1} << 40;
    if (width == 0) return {near, endless, y, endless, height - 1 - y};
    return {near, x, y, width - 1 - x, height - 1 - y};
  }
  FULMAR_HD T operator()(std::int64_t dx, std::int64_t dy) const {
    return near(dx < -left ? -left : dx > right ? right : dx, dy < -up ? -up : dy > down ? down : dy);
  }
  /// True if a box around the cell lies within the raster.
  FULMAR_HD bool holds(std::int64_t x, std::int64_t y) const { return x <= left && x <= right && y <= up && y <= down; }
};

/// Count, sum and sum of squares of the valid cells of a window. Sums are f64; see decision 5 of the architecture.
struct WindowSums {
  double n = 0;   ///< valid cells
  double s1 = 0;  ///< their sum
  double s2 = 0;  ///< the sum of their squares

  /// NaN where no cell is valid.
  FULMAR_HD double mean() const { return s1 / n; }
  /// Population variance (ddof 0), never negative; NaN where no cell is valid.
  FULMAR_HD double variance() const {
    const double m = s1 / n, v = s2 / n - m * m;
    return v < 0 ? 0 : v;
  }
};

/// Sums over the box of the half widths that the operator's box() returns.
struct Moments : WindowSums {};
/// Sums over the ring between the guard and the background that the operator's ring() returns.
struct RingMoments : WindowSums {};
/// Sums over the cells of that ring in the columns before the cell's own.
struct LeftMoments : WindowSums {};
/// Sums over the cells of that ring in the columns behind the cell's own.
struct RightMoments : WindowSums {};

/// Half widths of a box, in cells.
struct Box {
  std::int32_t x = 0, y = 0;
};
/// A box without the box at its middle.
struct RingShape {
  Box guard, background;
  FULMAR_HD double cells() const {
    return static_cast<double>(2 * background.x + 1) * (2 * background.y + 1) -
           static_cast<double>(2 * guard.x + 1) * (2 * guard.y + 1);
  }
};

/// Which of the valid cells of a window, in the order of their values, a function asks for.
struct RankShape {
  Box box;              ///< the window
  double fraction = 0;  ///< p, from 0 (the smallest) to 1 (the largest)
  /// False: the cells on either side of place (n - 1) p, counted from 0. True: the cell at place p n, counted from 1
  /// and rounded up.
  bool one = false;
  Box guard{};  ///< RingRanks: the box that is left out of the window
};

/// Order statistics of the valid cells of a window, whose values compare as numbers do (-0 reads as 0).
struct WindowRanks {
  double n = 0;      ///< valid cells
  double lower = 0;  ///< the cell asked for, or the lower of two; NaN where no cell is valid
  double upper = 0;  ///< the upper of two; the same cell where (n - 1) p is whole

  /// The quantile p, linear between the two cells around h = (n - 1) p (Hyndman & Fan 1996, type 7); p is that of the
  /// shape. NaN where no cell is valid.
  FULMAR_HD double quantile(double p) const {
    const double h = (n - 1) * p;
    return lower + (h - math::floor(h)) * (upper - lower);
  }
};

/// Ranks in the box that the operator's ranks() returns.
struct Ranks : WindowRanks {};
/// Ranks in that box without its guard.
struct RingRanks : WindowRanks {};

/// Whether any cell that is set lies within the operator's reach() of metres, centre to centre.
struct Within {
  bool any = false;
};

/// The operator's own table, made once when the graph is bound.
struct Table {
  const double* values = nullptr;
  FULMAR_HD double operator[](std::int64_t i) const { return values[i]; }
};

/// Where the cell is, and how large it is on the ground in metres (0 where unknown).
struct Here {
  std::int64_t x = 0, y = 0;
  double dx = 0, dy = 0;
};

/// All bands of the cell, as floats, or of a pack of cells.
template <class V>
struct Bands {
  const V* values = nullptr;
  std::int32_t count = 0;
  FULMAR_HD const V& operator[](std::int32_t i) const { return values[i]; }
};

/// All dates of the cell, in the order in which they flow, each with the same number of bands.
template <class T>
struct Series {
  const T* values = nullptr;
  std::int32_t count = 0;  ///< dates
  std::int32_t bands = 1;  ///< of one date
  const double* times = nullptr;

  FULMAR_HD T operator[](std::int32_t date) const { return values[static_cast<std::int64_t>(date) * bands]; }
  FULMAR_HD T operator()(std::int32_t date, std::int32_t band) const {
    return values[static_cast<std::int64_t>(date) * bands + band];
  }
  /// Seconds since 1970-01-01T00:00:00Z; NaN where the source does not tell.
  FULMAR_HD double time(std::int32_t date) const { return times[date]; }
};

/// What is known of the dates when the graph is bound: for the operator's table.
struct Dates {
  const double* times = nullptr;  ///< as Series::time
  std::int64_t count = 0;
  std::int64_t bands = 1;  ///< of one date
};

/// Memory for this cell alone: as many doubles as the operator's scratch() asks for, with what the last cell left.
struct Scratch {
  double* values = nullptr;
  FULMAR_HD double& operator[](std::int64_t i) const { return values[i]; }
};

/// The outputs that the schema names, or one for each band of a date. Every one of them must be set.
template <class T>
struct Outputs {
  const fulmar_plane* planes = nullptr;
  std::int32_t count = 0;
  std::int64_t x = 0, y = 0;  ///< in the planes
  FULMAR_HD void set(std::int32_t i, T value) const { *at(i) = settled(value); }
  /// Where output i of the cell lies, and those of the cells that follow in its row: for a functor's Rows.
  FULMAR_HD T* at(std::int32_t i) const { return static_cast<T*>(planes[i].cells) + y * planes[i].stride + x; }
};

/// A round of a reduction: the first is 0. `summary` is what the round before found, `width` x `height` the raster.
struct Round {
  std::uint32_t index = 0, inputs = 0;
  const double* summary = nullptr;
  std::uint64_t count = 0;
  std::int64_t width = 0, height = 0;
};

/// A whole raster of one band, as a Whole operator sees it; row by row without gaps.
template <class T>
struct Plane {
  T* cells = nullptr;
  std::int64_t width = 0, height = 0;
  FULMAR_HD T& operator()(std::int64_t x, std::int64_t y) const { return cells[y * width + x]; }
};

/// Ground size of the cells, row by row, in metres (0 where unknown).
struct Rows {
  const double* ground = nullptr;
  FULMAR_HD double dx(std::int64_t y) const { return ground[2 * y]; }
  FULMAR_HD double dy(std::int64_t y) const { return ground[2 * y + 1]; }
};

/// Two outputs of one cell.
template <class A, class B>
struct Both {
  A first;
  B second;
};

/// A full width that the user gives in metres or in cells, made an odd number of cells by rounding up.
struct Width {
  double value = 0;  ///< as given; the default is in metres, or in cells where in_cells says so
  bool in_cells = false;
  std::int32_t x = 1, y = 1;  ///< cells along a row and a column, both odd

  FULMAR_HD Box half() const { return {(x - 1) / 2, (y - 1) / 2}; }
};

/// A distance on the ground that the user gives in metres or in cells.
struct Distance {
  double metres = 0;
};

}  // namespace fulmar
