// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The median of the window around each cell: specks go, edges stay.
///
/// The middle one of the valid cells of the window, the cell itself included; of an even number the mean of the two in
/// the middle, in f64, rounded to f32 once. The window is a box of full width `window`, odd, in metres or cells. A
/// missing cell stays missing; missing neighbours and what lies beyond the raster are left out (edge: shrink); where
/// fewer cells are valid than min-valid of a whole window, the result is missing. Unit: that of the input. Source:
/// Tukey 1977; Huang, Yang & Tang 1979.
struct Median {
  struct Params {
    double min_valid = 0;
    Width window{3, true};
    double fewest = 0;  ///< derived: valid cells a window must hold
  } params;

  static Schema schema() {
    return Schema{"median", "Replace a cell by the median of the window around it."}
        .input("value", units::any, "Any measurement.")
        .output("value", units::any, "The median, missing where the cell is.")
        .param("window", &Params::window, "Full width of the window.", above(0))
        .param("min-valid", &Params::min_valid, "Fraction of the window that must be valid.", units::one, between(0, 1))
        .example("scene.tif ! median --window 5px ! smooth.tif")
        .cites("Tukey 1977, Exploratory Data Analysis, ch. 7")
        .cites("Huang, Yang & Tang 1979, IEEE Trans. ASSP 27(1), 13-18 (two-dimensional)")
        .agrees(exactly);
  }

  static void check(Params& p) {
    p.fewest = p.min_valid * static_cast<double>(p.window.x) * static_cast<double>(p.window.y);
  }

  FULMAR_HD RankShape ranks() const { return {params.window.half(), 0.5}; }
  FULMAR_HD float operator()(float value, Ranks around) const {
    const bool absent = is_missing(value) | (around.n < params.fewest);
    return absent ? missing<float> : static_cast<float>(around.quantile(0.5));
  }
};

}  // namespace fulmar::ops
