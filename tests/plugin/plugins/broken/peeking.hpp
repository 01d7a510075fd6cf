// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Adds the cell to the right, which it does not declare to read.
struct Peeking {
  struct Params {
    float plus = 0;
  } params;
  static Schema schema() {
    return Schema{"peeking", "Add all cells."}
        .input("value", units::any, "Any.")
        .summary("sum", units::any, "The sum.")
        .param("plus", &Params::plus, "A number for each.", units::one, between(0, 1))
        .example("a.tif ! peeking ! b.csv")
        .cites("none")
        .agrees(exactly);
  }
  struct State {
    double sum;
  };
  FULMAR_HD Box halo() const { return {0, 0}; }
  FULMAR_HD void step(State& s, const Round&, Near<float> z) const {
    if (!is_missing(z(1, 0))) s.sum += z(1, 0) + params.plus;
  }
  void merge(State& into, const State& from, const Round&) const { into.sum += from.sum; }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (numbers != nullptr) numbers[0] = s.sum;
    return 1;
  }
};

}  // namespace fulmar::ops
