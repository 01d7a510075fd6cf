// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Counts its calls, so that its result depends on the order of the cells.
struct Unsteady {
  struct Params {
    float unused = 0;
  } params;
  static Schema schema() {
    return Schema{"unsteady", "Numbers cells in the order of the calls"}
        .input("value", units::any, "Any.")
        .output("Number", units::one, "Value and number.")
        .param("unused", &Params::unused, "Nothing", "", anything())
        .example("a.tif ! unsteady ! b.tif")
        .agrees(exactly);
  }
  float operator()(float value) const {
    static std::atomic<int> calls{0};
    return value + static_cast<float>(++calls % 1000);
  }
};

}  // namespace fulmar::ops
