// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// A percentile of the window around each cell.
///
/// Of the n valid cells x_0 <= ... <= x_(n-1) of the window, the cell itself included, linear between two neighbours:
///   h = (n - 1) p / 100,  x_floor(h) + (h - floor(h)) (x_ceil(h) - x_floor(h))
/// in f64, rounded to f32 once. The window is a box of full width `window`, odd, in metres or cells. A missing cell
/// stays missing; missing neighbours and what lies beyond the raster are left out (edge: shrink); where fewer cells are
/// valid than min-valid of a whole window, the result is missing. Unit: that of the input. Source: Hyndman & Fan 1996,
/// type 7 (the default of numpy.percentile).
struct Percentile {
  struct Params {
    double p = 50;
    double min_valid = 0;
    Width window{3, true};
    double fewest = 0;  ///< derived: valid cells a window must hold
  } params;

  static Schema schema() {
    return Schema{"percentile", "Replace a cell by a percentile of the window around it."}
        .input("value", units::any, "Any measurement.")
        .output("value", units::any, "The percentile, missing where the cell is.")
        .param("p", &Params::p, "Which percentile: 0 the smallest value, 50 the median, 100 the largest.", units::one,
               between(0, 100))
        .positional()
        .param("window", &Params::window, "Full width of the window.", above(0))
        .param("min-valid", &Params::min_valid, "Fraction of the window that must be valid.", units::one, between(0, 1))
        .example("scene.tif ! percentile 90 --window 7px ! upper.tif")
        .cites("Hyndman & Fan 1996, The American Statistician 50(4), 361-365 (type 7)")
        .agrees(exactly);
  }

  static void check(Params& p) {
    p.fewest = p.min_valid * static_cast<double>(p.window.x) * static_cast<double>(p.window.y);
  }

  FULMAR_HD RankShape ranks() const { return {params.window.half(), params.p / 100}; }
  FULMAR_HD float operator()(float value, Ranks around) const {
    const bool absent = is_missing(value) | (around.n < params.fewest);
    return absent ? missing<float> : static_cast<float>(around.quantile(params.p / 100));
  }
};

}  // namespace fulmar::ops
