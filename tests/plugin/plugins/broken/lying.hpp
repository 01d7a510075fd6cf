// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Declares one cell around it, and reads three columns to the right and two rows up.
struct Lying {
  struct Params {
    bool honest = false;
  } params;
  static Schema schema() {
    return Schema{"lying", "Add some neighbours."}
        .input("height", units::metre, "Heights.")
        .output("sum", units::metre, "The cell and its neighbours.")
        .param("honest", &Params::honest, "Declare what is read.", "", anything())
        .example("a.tif ! lying ! b.tif")
        .cites("none")
        .agrees(exactly);
  }
  FULMAR_HD Box halo() const { return params.honest ? Box{3, 2} : Box{1, 1}; }
  FULMAR_HD float operator()(Near<float> z) const { return z(0, 0) + z(3, 0) + z(0, -2); }
};

}  // namespace fulmar::ops
