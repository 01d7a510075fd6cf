// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/row_extremes.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Count, extremes, mean and spread of the valid cells of a raster.
///
/// Every 512 cells of a block, missing or not, gather sum(d) and sum(d^2) in f64, d = x - k, in eight parts, each of
/// every eighth cell; k is the mean of the block's cells before them, or its first valid cell. With their mean m = k +
/// sum(d) / n and M2 = sum(d^2) - sum(d)^2 / n they are merged into those before by M2 = M2a + M2b + d^2 na nb / n, d =
/// mb - ma (Chan), and so are blocks. std = sqrt(M2 / n) with ddof 0, or / (n - 1) with ddof 1. Missing and infinite
/// cells are left out; a raster without a valid cell has n = 0 and no other number. Blocks lie on the raster's own
/// lattice and are merged in a fixed tree, so tiles, threads and backends do not show.
struct Stats {
  struct Params {
    std::int32_t ddof = 0;
  } params;
  static Schema schema() {
    return Schema{"stats", "Count the valid cells of a raster and describe their values."}
        .input("value", units::any, "Any measurement.")
        .summary("n", units::cell, "Valid cells.")
        .whole()
        .summary("missing", units::cell, "Cells without a finite value.")
        .whole()
        .summary("min", units::any, "Least value.")
        .summary("max", units::any, "Largest value.")
        .summary("mean", units::any, "Mean of the valid cells.")
        .summary("std", units::any, "Standard deviation of the valid cells.")
        .param("ddof", &Params::ddof, "Degrees of freedom taken from n where the variance is divided.", units::one,
               between(0, 1))
        .example("scene.tif --band 1 ! stats ! scene.csv")
        .cites("Chan, Golub & LeVeque 1983, The American Statistician 37(3), 242-247")
        .agrees(exactly);
  }

  /// A sum waits for the sum before it: parts that take turns do not wait for each other.
  static constexpr int parts = 8;
  static constexpr std::int64_t together = 512;
  struct State {
    std::int64_t n, missing;
    float low, high;
    double pivot, sum[parts], squares[parts];  // of the cells since the last `together`
    std::int64_t merged;                       // cells before those, and
    double mean, m2;                           // what they have
  };
  void begin(State& s, const Round&) const {
    s = {0, 0, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 0, {}, {}, 0, 0, 0};
  }
  FULMAR_HD void step(State& s, const Round&, float value) const {
    const std::int64_t place = s.n + s.missing;
    if (place % together == 0) gather(s);
    if (!is_finite(value)) {
      ++s.missing;
      return;
    }
    if (s.n == 0) s.pivot = static_cast<double>(value);
    const double d = static_cast<double>(value) - s.pivot;
    s.sum[place % parts] += d;
    s.squares[place % parts] += d * d;
    ++s.n;
    s.low = value < s.low ? value : s.low;
    s.high = value > s.high ? value : s.high;
  }
  struct Rows {
    const Stats& op;
    State& s;
    template <class Row>
    bool take(const Round& r, std::int64_t width, const Row& row) {
      double d[together];
      for (std::int64_t x = 0, n = 0; x < width; x += n) {
        const std::int64_t place = s.n + s.missing, left = together - place % together;
        n = (width - x < left ? width - x : left) / parts * parts;
        if (n == 0 || s.n == 0 || place % parts != 0) {
          op.step(s, r, row[x]);
          n = 1;
          continue;
        }
        if (place % together == 0) gather(s);
        const std::int64_t gaps = take_extremes(s.low, s.high, row, x, n);
        s.missing += gaps, s.n += n - gaps;
        // Short loops of one kind each, which become vectors.
        const double pivot = s.pivot;
        for (std::int64_t i = 0; i < n; ++i) {
          const float value = row[x + i];
          d[i] = is_finite(value) ? static_cast<double>(value) - pivot : 0.0;
        }
        add(d, n, s.sum);
        for (std::int64_t i = 0; i < n; ++i) d[i] *= d[i];
        add(d, n, s.squares);
      }
      return true;
    }
    void end() {}
  };
  static constexpr bool merges_on_card = true;
  FULMAR_HD void merge(State& a, const State& b, const Round&) const {
    State other = b;
    gather(a), gather(other);
    join(a, static_cast<double>(a.n), other.mean, other.m2, static_cast<double>(other.n));
    a.n += other.n, a.merged = a.n;
    a.missing += other.missing;
    a.low = other.low < a.low ? other.low : a.low;
    a.high = other.high > a.high ? other.high : a.high;
  }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (numbers == nullptr) return 6;
    State all = s;
    gather(all);
    const double none = missing<double>, n = static_cast<double>(s.n), divisor = n - params.ddof;
    numbers[0] = n;
    numbers[1] = static_cast<double>(s.missing);
    numbers[2] = s.n > 0 ? static_cast<double>(s.low + 0.0f) : none;
    numbers[3] = s.n > 0 ? static_cast<double>(s.high + 0.0f) : none;
    numbers[4] = s.n > 0 ? all.mean : none;
    numbers[5] = divisor > 0 ? std::sqrt(all.m2 / divisor) : none;
    return 6;
  }

 private:
  static void add(const double* d, std::int64_t n, double* sums) {
    double sum[parts];
    for (int k = 0; k < parts; ++k) sum[k] = sums[k];
    for (std::int64_t i = 0; i < n; i += parts)
      for (int k = 0; k < parts; ++k) sum[k] += d[i + k];
    for (int k = 0; k < parts; ++k) sums[k] = sum[k];
  }
  /// Merges the mean and M2 of nb cells into those of na.
  FULMAR_HD static void join(State& a, double na, double mean, double m2, double nb) {
    if (!(nb > 0)) return;
    const double all = na + nb, d = mean - a.mean;
    a.mean = na > 0 ? a.mean + d * (nb / all) : mean;
    a.m2 = na > 0 ? a.m2 + m2 + d * d * (na * nb / all) : m2;
  }
  /// Takes the sums since the last time into mean and M2.
  FULMAR_HD static void gather(State& s) {
    const auto n = static_cast<double>(s.n - s.merged);
    if (!(n > 0)) return;
    double sum = 0, squares = 0;
    for (int k = 0; k < parts; ++k) {
      sum += s.sum[k], squares += s.squares[k];
      s.sum[k] = s.squares[k] = 0;
    }
    const double m2 = squares - sum * (sum / n);
    join(s, static_cast<double>(s.merged), s.pivot + sum / n, m2 < 0 ? 0 : m2, n);
    s.merged = s.n;
    s.pivot = s.mean;
  }
};

}  // namespace fulmar::ops
