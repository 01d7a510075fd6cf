// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The local relief of a terrain: the highest minus the lowest height of a square window around the cell.
///
/// relief = max z_i - min z_i over the (2 r + 1)^2 cells, in metres, subtracted in f64. A missing height in the window,
/// as beyond the raster, makes the cell missing.
struct Relief {
  static constexpr std::int32_t most_reach = 8;
  struct Params {
    std::int32_t reach = 2;
  } params;
  static Schema schema() {
    return Schema{"relief", "Measure the local relief of a terrain."}
        .input("height", units::metre, "Heights.")
        .output("relief", units::metre, "Highest minus lowest height of the window.")
        .param("reach", &Params::reach, "Cells from the middle of the window to its edge.", units::cell,
               between(1, most_reach))
        .example("dem.tif ! relief --reach 3 ! relief.tif")
        .cites("Hammond 1964, Annals of the Association of American Geographers 54, 11-19")
        .agrees(exactly);
  }
  FULMAR_HD Box halo() const { return {params.reach, params.reach}; }
  FULMAR_HD static float between_extremes(float low, float high) {
    return static_cast<float>(static_cast<double>(high) - static_cast<double>(low));
  }
  FULMAR_HD float operator()(Near<float> z) const {
    float low = z(0, 0), high = low;
    bool gap = false;
    for (int y = -params.reach; y <= params.reach; ++y)
      for (int x = -params.reach; x <= params.reach; ++x) {
        const float height = z(x, y);
        gap = gap || is_missing(height);
        low = height < low ? height : low;
        high = height > high ? height : high;
      }
    return gap ? missing<float> : between_extremes(low, high);
  }
};

}  // namespace fulmar::ops
