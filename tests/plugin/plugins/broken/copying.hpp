// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Copies a raster as a whole.
struct Copying {
  struct Params {
    float plus = 0;
  } params;
  static Schema schema() {
    return Schema{"copying", "Add a number."}
        .input("value", units::any, "Any.")
        .output("sum", units::any, "Value and number.")
        .param("plus", &Params::plus, "The number.", units::one, between(0, 1))
        .example("a.tif ! copying ! b.tif")
        .cites("none")
        .agrees(exactly);
  }
  static std::uint64_t bytes(std::uint64_t) { return 0; }
  void whole(const Rows&, Plane<const float> in, Plane<float> out) const {
    for (std::int64_t y = 0; y < in.height; ++y)
      for (std::int64_t x = 0; x < in.width; ++x) out(x, y) = in(x, y) + params.plus;
  }
};

}  // namespace fulmar::ops
