// SPDX-License-Identifier: Apache-2.0
/// @file
/// Sums over a box or a ring around every cell of one compute block, row after row.
#pragma once

#include <cstdint>

#include "exec/pool.hpp"
#include "plan/plan.hpp"

namespace fulmar {

/// The definition, which every backend follows to the bit. With v the valid cells in f64 (missing ones as 0), o and g
/// the half widths of the outer box and of the guard, on a block whose first row and column are 0:
///   columns  O(x, 0) = sum of v(x, -oy..oy) from the top;  O(x, y) = O(x, y-1) + (v(x, y+oy) - v(x, y-oy-1)); G alike
///   ring     R(0, y) = sum of O(-ox..ox, y) from the left - sum of G(-gx..gx, y) from the left
///            R(x, y) = R(x-1, y) + ((O(x+ox) - O(x-ox-1)) - (G(x+gx) - G(x-gx-1)))
/// and the same for v^2 and for the count of valid cells. A box is a ring without a guard. One side of a ring is the
/// same with -ox..-1 and -gx..-1, or 1..ox and 1..gx, in place of -ox..ox and -gx..gx. Blocks are anchored at the
/// raster's first cell, so nothing depends on tiles; rounding never travels further than one block. Where the raster
/// wraps, v runs on over the seam, and a block ends there.
/// Cost: O(1) per cell, plus the rows above the block.
class WindowRows {
 public:
  /// `cells` is the block's first cell in a plane that reaches at least the outer half widths beyond the block.
  WindowRows(const fulmar_view& view, const float* cells, std::int64_t stride, std::int64_t width, std::int64_t height,
             Arena& arena);

  /// Computes the next rows, at most window_rows, and leaves their sums in plane().
  void advance(std::int64_t rows);
  /// Layers count, sum, sum of squares of the rows last computed, as the C contract describes.
  [[nodiscard]] const double* cells() const { return out_; }
  [[nodiscard]] std::int64_t stride() const { return width_; }
  [[nodiscard]] std::int64_t layer() const { return width_ * window_rows; }

 private:
  template <bool gaps>
  void step(std::int64_t rows);
  template <bool gaps>
  void begin();

  /// The columns of a box of some half width that count: how many, and which is the first.
  [[nodiscard]] std::int64_t columns(std::int64_t half) const {
    return (left_ ? half : 0) + (left_ && right_ ? 1 : 0) + (right_ ? half : 0);
  }
  [[nodiscard]] std::int64_t first(std::int64_t half) const { return left_ ? 0 : half + 1; }

  const float* cells_;
  std::int64_t stride_, width_, height_;
  std::int64_t ox_, oy_, gx_, gy_;
  bool left_, right_;  ///< which side of the cell's own column counts; that column where both do
  bool ring_, gaps_ = false;
  std::int64_t next_row_ = 0;
  double *o1_, *o2_, *on_, *g1_, *g2_, *gn_;
  double* out_;
  double full_ = 0;
};

}  // namespace fulmar
