// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Takes a missing cell for one that lies below the threshold.
struct Filling {
  struct Params {
    float threshold = 0.5f;
  } params;
  static Schema schema() {
    return Schema{"filling", "Clip values from above."}
        .input("value", units::any, "Any.")
        .output("value", units::any, "The value, or the threshold.")
        .param("threshold", &Params::threshold, "The threshold.", units::one, between(0, 1))
        .example("a.tif ! filling ! b.tif")
        .cites("none")
        .agrees(exactly);
  }
  FULMAR_HD float operator()(float value) const { return value < params.threshold ? value : params.threshold; }
};

}  // namespace fulmar::ops
