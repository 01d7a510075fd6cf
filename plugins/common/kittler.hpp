// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/value_histogram.hpp"

namespace fulmar::ops {

/// The minimum-error threshold of a histogram taken for two Gaussians, and what lies above it.
///
/// J(t) = 1 + 2 (P1 ln s1 + P2 ln s2) - 2 (P1 ln P1 + P2 ln P2) over the bins up to t (class 1) and after it (class 2),
/// P being shares of the cells and s the standard deviations of the bins' centres. Splits with a class that is nearly
/// empty (P < 1e-6) or no wider than one bin (s^2 <= w^2 / 12) are skipped. The threshold is the centre of the bin t of
/// least J, of several the first; a minimum at the first or last split that counts is none (one class alone). Then, or
/// where a raster has one value, there is no threshold: its cells are missing, for unknown. Missing cells stay missing.
struct Kittler : ThresholdOf<Kittler> {
  static Schema schema() {
    return schema_of("kittler", "Threshold a raster between two Gaussians of least error (Kittler-Illingworth).",
                     "criterion", "J at the threshold.")
        .example("scene_db.tif ! kittler --below ! water.tif")
        .cites("Kittler & Illingworth 1986, Pattern Recognition 19(1), 41-47");
  }
  static constexpr const char* alone = "the histogram shows one class alone";
  static void threshold(const Bins& bins, const std::int64_t* counts, std::int64_t n, double* numbers) {
    numbers[0] = numbers[1] = missing<double>;
    numbers[2] = static_cast<double>(n);
    if (n == 0 || !(bins.high > bins.low)) return;
    // About the middle of the range, so that squares lose nothing to a large mean.
    const double middle = (bins.low + bins.high) / 2, narrow = bins.width() * bins.width() / 12;
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < bins.count; ++i) {
      const double c = static_cast<double>(counts[i]), x = bins.centre(i) - middle;
      sum += c * x;
      squares += c * x * x;
    }
    std::int64_t n1 = 0, first = -1, last = -1, best = -1;
    double s1 = 0, q1 = 0, least = std::numeric_limits<double>::infinity();
    for (std::int64_t t = 0; t + 1 < bins.count; ++t) {
      const double c = static_cast<double>(counts[t]), x = bins.centre(t) - middle;
      n1 += counts[t];
      s1 += c * x;
      q1 += c * x * x;
      const double a = static_cast<double>(n1), b = static_cast<double>(n - n1);
      const double p1 = a / static_cast<double>(n), p2 = b / static_cast<double>(n);
      if (p1 < 1e-6 || p2 < 1e-6) continue;
      const double v1 = q1 / a - (s1 / a) * (s1 / a);
      const double v2 = (squares - q1) / b - ((sum - s1) / b) * ((sum - s1) / b);
      if (!(v1 > narrow) || !(v2 > narrow)) continue;
      // 2 ln s = ln s^2.
      const double j = 1 + p1 * std::log(v1) + p2 * std::log(v2) - 2 * (p1 * std::log(p1) + p2 * std::log(p2));
      if (first < 0) first = t;
      last = t;
      if (j < least) least = j, best = t;
    }
    if (best < 0 || best == first || best == last) return;
    numbers[0] = bins.centre(best);
    numbers[1] = least;
  }
};

}  // namespace fulmar::ops
