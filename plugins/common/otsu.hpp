// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/value_histogram.hpp"

namespace fulmar::ops {

/// The threshold that separates the two classes of a histogram best, and what lies above it.
///
/// Of `bins` equal bins over [low, high] (of the raster where no range is given), class 1 holds the bins up to t. The
/// threshold is the centre of the bin t that maximises w1 w2 (m1 - m2)^2, w being cells and m the mean of the bins'
/// centres; of several the first. separability = that maximum over n^2 and the total variance, in [0, 1]. Missing cells
/// are not counted and stay missing. A raster of one value has no threshold: its cells are missing, for unknown.
struct Otsu : ThresholdOf<Otsu> {
  static Schema schema() {
    return schema_of("otsu", "Threshold a raster where its histogram falls apart into two classes (Otsu).",
                     "separability", "Variance between the classes over total variance.")
        .example("scene_db.tif ! otsu --below ! water.tif")
        .cites("Otsu 1979, IEEE Trans. SMC 9(1), 62-66");
  }
  static constexpr const char* alone = "all values fall into one bin";
  static void threshold(const Bins& bins, const std::int64_t* counts, std::int64_t n, double* numbers) {
    numbers[0] = numbers[1] = missing<double>;
    numbers[2] = static_cast<double>(n);
    if (n == 0 || !(bins.high > bins.low)) return;
    // The variance about the middle of the range, so that it keeps its digits beside a large mean.
    const double middle = (bins.low + bins.high) / 2;
    double total = 0, about = 0, squares = 0;
    for (std::int64_t i = 0; i < bins.count; ++i) {
      const double c = static_cast<double>(counts[i]), x = bins.centre(i);
      total += c * x;
      const double d = x - middle;
      about += c * d;
      squares += c * d * d;
    }
    std::int64_t n1 = 0, best = -1;
    double lower = 0, most = -1;
    for (std::int64_t t = 0; t + 1 < bins.count; ++t) {
      n1 += counts[t];
      lower += static_cast<double>(counts[t]) * bins.centre(t);
      if (n1 == 0 || n1 == n) continue;
      const double w1 = static_cast<double>(n1), w2 = static_cast<double>(n - n1);
      const double apart = lower / w1 - (total - lower) / w2, between = w1 * w2 * (apart * apart);
      if (between > most) most = between, best = t;
    }
    if (best < 0) return;
    const double count = static_cast<double>(n), shift = about / count, variance = squares / count - shift * shift;
    numbers[0] = bins.centre(best);
    numbers[1] = most / (count * count) / variance;
  }
};

}  // namespace fulmar::ops
