// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The scene without the cells that lie inside an outline, or within a distance of it.
///
/// A cell is masked if the centre of any cell inside the outline lies within `buffer` metres of its own centre. Masked
/// cells are missing, so they leave the statistics of every operator that follows, not only its result. A cell that was
/// missing stays missing. Errors: the outline does not overlap the scene, or its place cannot be told.
struct Mask {
  struct Params {
    Distance buffer{0};
    bool invert = false;
  } params;
  static Schema schema() {
    return Schema{"mask", "Remove the cells inside an outline, such as land."}
        .input("value", units::any, "The scene.")
        .companion("with", "outlines",
                   "Raster or vector file of what to remove, in any CRS. Of a raster what is neither 0 nor missing "
                   "is inside.")
        .output("value", units::any, "The scene, missing where masked.")
        .param("buffer", &Params::buffer,
               "Mask also cells whose centre lies this near to that of a cell inside the outline.", between(0, 1e5))
        .param("invert", &Params::invert, "Keep what is inside (and within the buffer) instead.", units::flag,
               anything())
        .example("scene_db.tif ! linear ! mask --with coast.tif --buffer 250 ! sea.tif")
        .cites("Greidanus et al. 2017, Remote Sensing 9(3), 246 (buffered land mask)")
        .agrees(exactly);
  }
  FULMAR_HD Distance reach() const { return params.buffer; }
  FULMAR_HD float operator()(float value, Within outline) const {
    return outline.any != params.invert ? missing<float> : value;
  }
};

}  // namespace fulmar::ops
