// SPDX-License-Identifier: Apache-2.0
/// @file
/// A raster brought onto another grid: what the binder asks for and the executor makes.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/resample.hpp"
#include "core/source.hpp"
#include "core/transform.hpp"

namespace fulmar {

inline constexpr std::array<std::string_view, 5> resampling_words{"nearest", "bilinear", "cubic", "lanczos", "average"};

/// One raster that gives cells to a warped one.
struct WarpInput {
  std::shared_ptr<const RasterSource> source;
  std::shared_ptr<const GridTransformer> transformer;  ///< from the target's cells to the source's places
  Window reach;                                        ///< target cells that may lie on the source
  int band = -1;  ///< the only band it gives, or -1: bands are numbered alike in all inputs
};

/// What a warped source is made of.
struct WarpParts {
  Grid grid;
  std::vector<WarpInput> inputs;
  Resampling method = Resampling::nearest;
};

/// How far apart in a source the places of two target cells are that are neighbours in a row or a column: the most that
/// a few samples find.
struct WarpSteps {
  double columns_along = 0, columns_down = 0, rows_along = 0, rows_down = 0;
};

/// A source on `grid` whose cells come from those of other rasters, the first of `inputs` that has a value at a cell
/// giving it. Its bands are those of the first input, f32, missing as NaN.
///
/// Every cell is computed from its own place alone: the centre of the target cell in columns and rows of the source, to
/// a millionth of a cell rounded to whole and half cells, so that a grid shifted by whole cells gives the same values
/// and ties go right and down. The weights are those of
///
///   nearest   the cell that holds the place;
///   bilinear  1 - |d|, for |d| < 1;
///   cubic     Keys' convolution with a = -1/2, for |d| < 2;
///   lanczos   sinc(d) sinc(d / 3), for |d| < 3;
///   average   the share of the cell that the footprint of the target cell covers,
///
/// along columns and rows, with d the distance in cells to the source cell's centre. The footprint is an upright
/// rectangle around the place, as wide as the larger of the steps in columns that one step along the target's row or
/// column makes (half the step from the cell before to the cell after), and as high. Where it is wider than 1 / 0.95
/// cells, distances are divided by its width, so that all cells that a coarser one covers have their say.
///
/// Gaps and edges: cells beyond the raster are missing, those beyond the first and last column of one that goes round
/// the earth excepted. Where a cell under the kernel is missing the others share its weight, of the bilinear kernel in
/// place of cubic and lanczos, whose negative weights would overshoot; the result is missing if the nearest cell is.
/// An average is missing where less than half of the footprint has values. Places outside the raster or beyond the
/// projection are missing. Sums are f64, in the order of columns, then rows.
///
/// Sources: Keys 1981, IEEE Trans. ASSP 29(6), 1153-1160; Duchon 1979, J. Appl. Meteorol. 18, 1016-1022.
std::shared_ptr<const RasterSource> warped_source(std::string name, Grid grid, std::vector<WarpInput> inputs,
                                                  Resampling method);
/// Of a source that warped_source() made; null for any other.
const WarpParts* warped_of(const RasterSource& source);
/// Of such a source, found when it is first asked for.
const WarpSteps& steps_of(const RasterSource& source);

}  // namespace fulmar
