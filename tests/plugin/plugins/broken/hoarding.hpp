// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Takes memory for every 32 cells and never gives it back.
struct Hoarding {
  struct Params {
    float plus = 0;
  } params;
  struct Held {
    Held* before;
    std::array<double, 127> rest;
  };
  static Schema schema() {
    return Schema{"hoarding", "Add a number."}
        .input("value", units::any, "Any.")
        .output("sum", units::any, "Value and number.")
        .param("plus", &Params::plus, "The number.", units::one, between(0, 1))
        .example("a.tif ! hoarding ! b.tif")
        .cites("none")
        .agrees(exactly);
  }
  float operator()(float value) const {
    static std::atomic<unsigned> cells{0};
    static std::atomic<Held*> all{nullptr};
    if (++cells % 32 == 0) {
      auto* more = new Held{};
      more->before = all.exchange(more);
    }
    return value + params.plus;
  }
};

}  // namespace fulmar::ops
