// SPDX-License-Identifier: Apache-2.0
/// @file
/// A warp as a card is asked for it: some target cells, the way to their places, and the source cells at hand.
#pragma once

#include "core/resample.hpp"

namespace fulmar {

struct WarpCells {
  Resampling method = Resampling::nearest;
  SourceRaster source{};
  bool by_squares = false;
  AffineWay affine{};
  SquaresWay squares{};  ///< of the target and the cells around it
  Window target;         ///< cells of the target
  float* out = nullptr;  ///< the first of them; those that have a value keep it
  std::int64_t stride = 0;
  bool fresh = false;  ///< none has one: nothing is read, and what gets none is set to missing
  HeldCells held{};
  bool over_seam = false;  ///< the columns that are held run on over the seam: those of the first half turn come last
  int taps = 0;            ///< weights along a row that a thread may keep, at most

  FULMAR_HD [[nodiscard]] Spot spot(std::int64_t x, std::int64_t y) const {
    return by_squares ? squares.at(x, y) : affine.at(x, y);
  }
  /// The place and footprint of a cell; false where it is not on the source.
  FULMAR_HD bool place(std::int64_t x, std::int64_t y, bool sized, Place& p) const {
    const Spot here = spot(x, y);
    if (!set_place(here.column, here.row, source, p)) return false;
    if (sized) set_footprint(spot(x - 1, y), spot(x, y - 1), here, spot(x + 1, y), spot(x, y + 1), source, p);
    return true;
  }
  /// True for a place in the first half of a turn.
  FULMAR_HD [[nodiscard]] bool early(const Place& p) const {
    return source.wraps && 2 * p.column < static_cast<double>(source.width);
  }
};

/// What the target cells of a square need of the source: from left to right and top to bottom, in columns and rows;
/// infinite, and the wrong way round, where none lies on it.
struct SquareNeed {
  double left, right;
  double left_over, right_over;  ///< with the columns of the first half turn taken a turn further on
  double top, bottom;
  double footprint;  ///< the widest
};

}  // namespace fulmar
