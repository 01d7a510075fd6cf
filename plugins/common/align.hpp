// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The bands on the grid of another raster, cell for cell, so that both can be used together.
///
/// As `warp`, with the coordinate system, cells and extent of that raster; its values do not matter. A raster that lies
/// on the grid already stays as it is. Errors: the two do not overlap, or the place of one cannot be told.
struct Align {
  enum class Method { nearest, bilinear, cubic, lanczos, average };
  struct Params {
    Method resample = Method::bilinear;
  } params;
  static constexpr int warps = 2;
  static Schema schema() {
    return Schema{"align", "Lay bands onto the grid of another raster."}
        .input("value", units::any, "The bands, from any grid.")
        .companion("to", "grid", "The raster onto whose grid they are brought.")
        .output("value", units::any, "The bands on that grid.")
        .param("resample", &Params::resample, "How the value of a cell is taken from the cells around its place.",
               {"nearest", "bilinear", "cubic", "lanczos", "average"})
        .example("sst.tif ! align --to scene.tif ! sst_scene.tif")
        .cites("Keys 1981, IEEE Trans. ASSP 29(6), 1153-1160 (cubic convolution)")
        .agrees(exactly);
  }
};

}  // namespace fulmar::ops
