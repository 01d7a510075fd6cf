// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// How much of a raster lies above a threshold: valid cells, those above, and their share.
///
/// Missing cells are left out; without a valid cell the share is missing.
struct Exceed {
  struct Params {
    float threshold = 0;
  } params;
  static Schema schema() {
    return Schema{"exceed", "Count the cells above a threshold."}
        .input("value", units::any, "Any measurement.")
        .summary("valid", units::cell, "Cells that are not missing.")
        .whole()
        .summary("above", units::cell, "Valid cells above the threshold.")
        .whole()
        .summary("share", units::one, "Above over valid.")
        .param("threshold", &Params::threshold, "The threshold, which itself is not above.", units::any,
               between(-1e30, 1e30))
        .example("scene.tif ! exceed --threshold 0.5 ! share.csv")
        .cites("von Storch & Zwiers 1999, Statistical Analysis in Climate Research, 2.6")
        .agrees(exactly);
  }

  struct State {  // plain bytes: one for each block of the raster, merged in a fixed tree
    std::int64_t valid, above;
  };
  FULMAR_HD void step(State& s, const Round&, float value) const {
    s.valid += is_missing(value) ? 0 : 1;
    s.above += value > params.threshold ? 1 : 0;
  }
  void merge(State& into, const State& from, const Round&) const {
    into.valid += from.valid;
    into.above += from.above;
  }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (numbers == nullptr) return 3;
    numbers[0] = static_cast<double>(s.valid);
    numbers[1] = static_cast<double>(s.above);
    numbers[2] = s.valid > 0 ? numbers[1] / numbers[0] : missing<double>;
    return 3;
  }
};

}  // namespace fulmar::ops
