// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where the cells of a target grid lie in a source: the ways that are few numbers, the same bits on host and device.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"
#include "core/window.hpp"

namespace fulmar {

/// A place in a source, in columns and rows: whole numbers are the corners of cells; NaN where there is none.
struct Spot {
  double column, row;
};

/// The column less as many turns as bring it nearest to the middle of a raster.
FULMAR_HD inline double nearest_column(double column, std::int64_t width, double turn) {
  const double first = (static_cast<double>(width) - turn) / 2;
  return column - turn * ::floor((column - first) / turn);
}

/// Between grids of one CRS: an affine map of a cell's centre.
struct AffineWay {
  double target[6];    ///< the target's transform
  double from[2];      ///< its origin less the source's
  double inverse[4];   ///< of the source's transform
  std::int64_t width;  ///< of the source
  double turn;

  FULMAR_HD [[nodiscard]] Spot at(std::int64_t x, std::int64_t y) const {
    const double column = static_cast<double>(x) + 0.5, row = static_cast<double>(y) + 0.5;
    // Differences of origins first: the coordinates themselves may be large.
    const double u = from[0] + column * target[1] + row * target[2], v = from[1] + column * target[4] + row * target[5];
    const double c = u * inverse[0] + v * inverse[1];
    return {turn > 0 ? nearest_column(c, width, turn) : c, u * inverse[2] + v * inverse[3]};
  }
};

/// Side of the squares of target cells, anchored at the first, whose places follow from one surface of second order;
/// and its coefficients: of columns, then of rows, each by the power of the square's height, then of its width.
inline constexpr std::int64_t square_side = 32, surface_numbers = 18;

/// The coefficients in u, for a v, of the nine of a surface.
FULMAR_HD inline void surface_row(const double* c, double v, double* to) {
  for (int i = 0; i < 3; ++i) to[i] = c[i] + v * (c[3 + i] + v * c[6 + i]);
}
FULMAR_HD inline double surface_at(const double* row, double u) { return row[0] + u * (row[1] + u * row[2]); }
/// How far a cell's centre is into a square, of 1.
FULMAR_HD inline double into_square(std::int64_t cell, double first, double side) {
  return (static_cast<double>(cell) + 0.5 - first) / side;
}

/// Squares of target cells: each has a surface, or the places of its cells one by one.
struct SquaresWay {
  /// By square, row by row: twice the place of its first number among `numbers`, and one more where they are places.
  const std::int64_t* index;
  const double* numbers;
  Window squares;  ///< which there are, counted in squares
  std::int64_t width;
  double turn;

  FULMAR_HD [[nodiscard]] Spot at(std::int64_t x, std::int64_t y) const {
    const std::int64_t sx = x >> 5, sy = y >> 5;
    const std::int64_t entry = index[(sy - squares.y) * squares.width + (sx - squares.x)];
    const double* n = numbers + (entry >> 1);
    if ((entry & 1) != 0) {
      n += 2 * ((y - sy * square_side) * square_side + (x - sx * square_side));
      return {n[0], n[1]};
    }
    constexpr auto side = static_cast<double>(square_side);
    const double v = into_square(y, static_cast<double>(sy * square_side), side);
    const double u = into_square(x, static_cast<double>(sx * square_side), side);
    double columns[3], rows[3];
    surface_row(n, v, columns);
    surface_row(n + 9, v, rows);
    const double column = surface_at(columns, u);
    return {turn > 0 ? nearest_column(column, width, turn) : column, surface_at(rows, u)};
  }
};
static_assert(square_side == 1 << 5);

}  // namespace fulmar
