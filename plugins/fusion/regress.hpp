// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <vector>

#include "fusion/scene_moments.hpp"

namespace fulmar::ops {

/// The linear combination of the bands that comes nearest to a target on their grid, w_0 + sum(w_k M_k), with the
/// weights of least squares over the cells that have every band and the target. A cell that lacks a band is missing,
/// one that lacks the target is not; all are where no more cells are whole than there are weights. A row for each
/// weight, that of band 0 being w_0; r2 is the part of the variance of the target that is explained, missing where it
/// has none. Errors: a covariance of the bands that is singular.
struct Regress : SceneMoments<float> {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"regress", "Fit a target by the bands of a scene."}
        .bands("band", units::any, "Bands of a scene.")
        .input("target", units::any, "What they are to come near to, on the same grid.")
        .output("fitted", units::any, "The sum of the weighted bands.")
        .summary("band", units::one, "Band, counted from 1; 0 for the constant.")
        .whole()
        .summary("weight", units::unknown, "Its weight, in the unit of the target per that of the band.")
        .summary("n", units::cell, "Cells that have every band and the target.")
        .whole()
        .summary("r2", units::one, "Part of the variance of the target that is explained.")
        .example("ms.tif ! regress --target [ pan.tif ! align --to ms.tif --resample average ] ! intensity.tif")
        .cites("Aiazzi, Baronti & Selva 2007, IEEE TGRS 45, 3230-3239")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return 1; }

  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    const std::int64_t k = s.k - 1;
    const auto count = static_cast<std::uint64_t>(columns * s.k);
    if (numbers == nullptr) return count;
    fill_missing(numbers, count);
    for (std::int64_t i = 0; i <= k; ++i) {
      numbers[columns * i] = static_cast<double>(i);
      numbers[columns * i + 2] = static_cast<double>(s.n);
    }
    if (s.n <= s.k) return count;
    std::vector<double> factor(static_cast<std::size_t>(moments::packed(k))), weights(static_cast<std::size_t>(k));
    factor_of(s, k, 0, factor.data());
    for (std::int64_t i = 0; i < k; ++i) weights[static_cast<std::size_t>(i)] = s.covariance(i, k, 0);
    moments::solve(factor.data(), k, weights.data());
    double constant = s.mean(k), explained = 0;
    for (std::int64_t i = 0; i < k; ++i) {
      const double weight = weights[static_cast<std::size_t>(i)];
      numbers[columns * (i + 1) + 1] = weight;
      constant -= weight * s.mean(i);
      explained += weight * s.covariance(i, k, 0);
    }
    numbers[1] = constant;
    const double variance = s.covariance(k, k, 0);
    for (std::int64_t i = 0; i <= k && variance > 0; ++i) numbers[columns * i + 3] = explained / variance;
    return count;
  }

  std::string remark(const Round&, const double* numbers) const {
    return is_missing(numbers[1]) ? "no more cells have a value in every band and the target than there are weights: "
                                    "every cell of the result is missing"
                                  : "";
  }

  FULMAR_HD float operator()(Bands<float> in, float, Table table) const {
    double sum = table[1];
    for (std::int32_t b = 0; b < in.count; ++b) sum += table[columns * (b + 1) + 1] * static_cast<double>(in[b]);
    return static_cast<float>(sum);
  }

 private:
  static constexpr std::int64_t columns = 4;  ///< of the summary
};

}  // namespace fulmar::ops
