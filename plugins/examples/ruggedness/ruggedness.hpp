// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The ruggedness of a terrain: the root of the summed squared differences in height to the eight neighbours.
///
/// TRI = sqrt(sum (z_i - z)^2), in metres. A missing neighbour, as beyond the raster, makes the cell missing.
struct Ruggedness {
  struct Params {
    float floor = 0;
  } params;
  static Schema schema() {
    return Schema{"ruggedness", "Measure how rugged a terrain is."}
        .input("height", units::metre, "Heights.")
        .output("ruggedness", units::metre, "Root of the summed squared differences to the neighbours.")
        .param("floor", &Params::floor, "Tell smaller values as 0.", units::metre, between(0, 9000))
        .example("dem.tif ! ruggedness ! rugged.tif")
        .cites("Riley, DeGloria & Elliot 1999, Intermountain Journal of Sciences 5, 23-27")
        .agrees(exactly);
  }
  FULMAR_HD Box halo() const { return {1, 1}; }
  FULMAR_HD float operator()(Near<float> z) const {
    double sum = 0;
    for (int y = -1; y <= 1; ++y)
      for (int x = -1; x <= 1; ++x) {
        const double d = static_cast<double>(z(x, y)) - static_cast<double>(z(0, 0));
        sum += d * d;
      }
    const auto tri = static_cast<float>(std::sqrt(sum));
    return tri < params.floor ? 0.0f : tri;
  }
};

}  // namespace fulmar::ops
