// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Ends the process at the first cell that is missing.
struct Crashing {
  struct Params {
    float plus = 0;
  } params;
  static Schema schema() {
    return Schema{"crashing", "Add a number."}
        .input("value", units::any, "Any.")
        .output("sum", units::any, "Value and number.")
        .param("plus", &Params::plus, "The number.", units::one, between(0, 1))
        .example("a.tif ! crashing ! b.tif")
        .cites("none")
        .agrees(exactly);
  }
  float operator()(float value) const {
    if (is_missing(value)) std::raise(SIGSEGV);
    return value + params.plus;
  }
};

}  // namespace fulmar::ops
