// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Count, extremes, mean and spread of the valid cells of a raster.
///
/// mean = sum(x) / n; the sum of squared differences is gathered block by block about the block's own mean (Welford)
/// and merged by M2 = M2a + M2b + d^2 na nb / n with d = mb - ma (Chan); std = sqrt(M2 / n) with ddof 0, or / (n - 1)
/// with ddof 1. Missing cells are left out; a raster without a valid cell has n = 0 and no other number. Blocks lie on
/// the raster's own lattice and are merged in a fixed tree, so tiles, threads and backends do not show.
struct Stats {
  struct Params {
    std::int32_t ddof = 0;
  } params;
  static Schema schema() {
    return Schema{"stats", "Count the valid cells of a raster and describe their values."}
        .input("value", units::any, "Any measurement.")
        .summary("n", units::cell, "Valid cells.")
        .summary("missing", units::cell, "Cells without a value.")
        .summary("min", units::any, "Least value.")
        .summary("max", units::any, "Largest value.")
        .summary("mean", units::any, "Mean of the valid cells.")
        .summary("std", units::any, "Standard deviation of the valid cells.")
        .param("ddof", &Params::ddof, "Degrees of freedom taken from n where the variance is divided.", units::one,
               between(0, 1))
        .example("scene.tif --band 1 ! stats ! scene.csv")
        .cites("Welford 1962, Technometrics 4(3), 419-420")
        .cites("Chan, Golub & LeVeque 1983, The American Statistician 37(3), 242-247")
        .agrees(exactly);
  }

  struct State {
    std::int64_t n, missing;
    double mean, m2;
    float low, high;
  };
  void begin(State& s, const Round&) const {
    s = {0, 0, 0, 0, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  }
  FULMAR_HD void step(State& s, const Round&, float value) const {
    if (is_missing(value)) {
      ++s.missing;
      return;
    }
    ++s.n;
    const double x = value, d = x - s.mean;
    s.mean += d / static_cast<double>(s.n);
    s.m2 += d * (x - s.mean);
    s.low = value < s.low ? value : s.low;
    s.high = value > s.high ? value : s.high;
  }
  void merge(State& a, const State& b, const Round&) const {
    a.missing += b.missing;
    if (b.n == 0) return;
    if (a.n == 0) {
      const std::int64_t gaps = a.missing;
      a = b;
      a.missing = gaps;
      return;
    }
    const double na = static_cast<double>(a.n), nb = static_cast<double>(b.n), n = na + nb, d = b.mean - a.mean;
    a.mean += d * (nb / n);
    a.m2 += b.m2 + d * d * (na * nb / n);
    a.n += b.n;
    a.low = b.low < a.low ? b.low : a.low;
    a.high = b.high > a.high ? b.high : a.high;
  }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (numbers == nullptr) return 6;
    const double none = missing<double>, n = static_cast<double>(s.n), divisor = n - params.ddof;
    numbers[0] = n;
    numbers[1] = static_cast<double>(s.missing);
    numbers[2] = s.n > 0 ? static_cast<double>(s.low) : none;
    numbers[3] = s.n > 0 ? static_cast<double>(s.high) : none;
    numbers[4] = s.n > 0 ? s.mean : none;
    numbers[5] = divisor > 0 ? std::sqrt(s.m2 / divisor) : none;
    return 6;
  }
};

}  // namespace fulmar::ops
