// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Count, extremes, mean and spread of the valid cells of a raster.
///
/// mean = sum(x) / n; the sum of squared differences is gathered block by block about the block's own mean (Welford; in
/// eight parts, each of every eighth valid cell) and merged by M2 = M2a + M2b + d^2 na nb / n with d = mb - ma (Chan);
/// std = sqrt(M2 / n) with ddof 0, or / (n - 1) with ddof 1. Missing cells are left out; a raster without a valid cell
/// has n = 0 and no other number. Blocks lie on the raster's own lattice and are merged in a fixed tree, so tiles,
/// threads and backends do not show.
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

  /// Of some of the cells.
  struct Part {
    std::int64_t n;
    double mean, m2;
    FULMAR_HD void add(double x) {
      const double d = x - mean;
      mean += d / static_cast<double>(++n);
      m2 += d * (x - mean);
    }
    void add(const Part& other) {
      if (other.n == 0) return;
      if (n == 0) {
        *this = other;
        return;
      }
      const double na = static_cast<double>(n), nb = static_cast<double>(other.n), all = na + nb, d = other.mean - mean;
      mean += d * (nb / all);
      m2 += other.m2 + d * d * (na * nb / all);
      n += other.n;
    }
  };
  /// A mean waits for the mean before it and a division: parts that take turns do not wait for each other.
  static constexpr int parts = 8;
  struct State {
    std::int64_t n, missing;
    float low, high;
    Part part[parts];
  };
  void begin(State& s, const Round&) const {
    s = {0, 0, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), {}};
  }
  FULMAR_HD void step(State& s, const Round&, float value) const {
    if (is_missing(value)) {
      ++s.missing;
      return;
    }
    s.part[s.n & (parts - 1)].add(static_cast<double>(value));
    ++s.n;
    s.low = value < s.low ? value : s.low;
    s.high = value > s.high ? value : s.high;
  }
  void merge(State& a, const State& b, const Round&) const {
    a.n += b.n;
    a.missing += b.missing;
    a.low = b.low < a.low ? b.low : a.low;
    a.high = b.high > a.high ? b.high : a.high;
    for (int k = 0; k < parts; ++k) a.part[k].add(b.part[k]);
  }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (numbers == nullptr) return 6;
    Part all = s.part[0];
    for (int k = 1; k < parts; ++k) all.add(s.part[k]);
    const double none = missing<double>, n = static_cast<double>(s.n), divisor = n - params.ddof;
    numbers[0] = n;
    numbers[1] = static_cast<double>(s.missing);
    numbers[2] = s.n > 0 ? static_cast<double>(s.low) : none;
    numbers[3] = s.n > 0 ? static_cast<double>(s.high) : none;
    numbers[4] = s.n > 0 ? all.mean : none;
    numbers[5] = divisor > 0 ? std::sqrt(all.m2 / divisor) : none;
    return 6;
  }
};

}  // namespace fulmar::ops
