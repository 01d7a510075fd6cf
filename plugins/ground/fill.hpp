// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"
#include "ground/hydrology.hpp"

namespace fulmar::ops {

/// A terrain without depressions: every cell is raised to the lowest height from which water can run, over neighbours
/// in eight directions, to the raster's edge or to a missing cell; a raster that goes round the earth has no edge where
/// its columns meet. Nothing is lowered, no gradient is added; missing
/// cells stay missing. The whole raster is held in memory: 16 bytes a cell. At most 4294967294 cells.
struct Fill {
  struct Params {
    bool round = false;  ///< derived: the raster goes round the earth
  } params;
  static Schema schema() {
    return Schema{"fill", "Fill the depressions of a terrain."}
        .input("height", units::any, "Heights above any datum.")
        .output("height", units::any, "Heights from which water can run off.")
        .example("dem.tif ! fill ! filled.tif")
        .cites("Barnes, Lehman & Mulla 2014, Computers & Geosciences 62, 117-127")
        .agrees(exactly);
  }
  static void check(Params& p, const fulmar_ground& ground) { p.round = ground.width == 0 && ground.height > 0; }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t cells) const { return hydrology::fill_bytes(cells); }
  void whole(const Rows&, Plane<const float> heights, Plane<float> filled) const {
    hydrology::fill(heights.cells, filled.cells, {heights.width, heights.height, params.round});
  }
};

}  // namespace fulmar::ops
