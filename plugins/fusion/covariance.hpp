// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <vector>

#include "fusion/scene_moments.hpp"

namespace fulmar::ops {

/// Means, covariance and correlation of the bands of a scene, over the cells that have every band: a row for each pair
/// of bands, one pair after the other along the rows of the matrix.
///
/// covariance = sum((x - mean x) (y - mean y)) / (n - ddof), gathered block by block about the block's own means and
/// merged (Chan, Golub & LeVeque 1983); correlation = covariance / sqrt(var x var y); condition = the largest
/// eigenvalue of the covariance matrix over the smallest, the same in every row. What cannot be told is missing: all
/// but the counts without a whole cell, the covariance where n is not above ddof, the correlation with a band that is
/// constant, the condition of a matrix that is singular (a band is constant or a sum of multiples of others).
struct Covariance : SceneMoments<> {
  struct Params {
    std::int32_t ddof = 1;
  } params;
  static Schema schema() {
    return Schema{"covariance", "Tell how the bands of a scene vary together."}
        .bands("band", units::any, "Bands of a scene.")
        .summary("band", units::one, "Band, counted from 1.")
        .whole()
        .summary("with", units::one, "The other band.")
        .whole()
        .summary("n", units::cell, "Cells that have every band.")
        .whole()
        .summary("mean", units::any, "Mean of the band.")
        .summary("mean_with", units::any, "Mean of the other band.")
        .summary("covariance", units::unknown, "Covariance of the two, in the product of their units.")
        .summary("correlation", units::one, "Pearson's correlation of the two.")
        .summary("condition", units::one, "Condition number of the whole covariance matrix; missing if singular.")
        .param("ddof", &Params::ddof, "Degrees of freedom taken from n where the sums are divided.", units::one,
               between(0, 1))
        .example("scene.tif ! covariance ! covariance.csv")
        .cites("Chan, Golub & LeVeque 1983, The American Statistician 37(3), 242-247")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return 1; }

  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    const auto rows = static_cast<std::uint64_t>(s.k * s.k);
    if (numbers == nullptr) return 8 * rows;
    const double none = missing<double>, condition = condition_of(s);
    for (std::int64_t i = 0; i < s.k; ++i)
      for (std::int64_t j = 0; j < s.k; ++j, numbers += 8) {
        const double of_both = std::sqrt(s.covariance(i, i, 0)) * std::sqrt(s.covariance(j, j, 0));
        numbers[0] = static_cast<double>(i + 1);
        numbers[1] = static_cast<double>(j + 1);
        numbers[2] = static_cast<double>(s.n);
        numbers[3] = s.n > 0 ? s.mean(i) : none;
        numbers[4] = s.n > 0 ? s.mean(j) : none;
        numbers[5] = s.n > params.ddof ? s.covariance(i, j, params.ddof) : none;
        numbers[6] = of_both > 0 ? (i == j ? 1 : s.covariance(i, j, 0) / of_both) : none;
        numbers[7] = condition;
      }
    return 8 * rows;
  }

 private:
  [[nodiscard]] double condition_of(const State& s) const {
    if (s.n <= params.ddof) return missing<double>;
    std::vector<double> matrix(static_cast<std::size_t>(moments::packed(s.k)));
    for (std::int64_t i = 0; i < s.k; ++i)
      for (std::int64_t j = 0; j <= i; ++j) matrix[static_cast<std::size_t>(moments::at(i, j))] = s.covariance(i, j, 0);
    std::vector<double> factor = matrix;
    if (moments::factor(factor.data(), s.k) >= 0) return missing<double>;
    moments::diagonalise(matrix.data(), s.k);
    double least = matrix[0], largest = matrix[0];
    for (std::int64_t i = 1; i < s.k; ++i) {
      const double value = matrix[static_cast<std::size_t>(moments::at(i, i))];
      least = value < least ? value : least;
      largest = value > largest ? value : largest;
    }
    return least > 0 ? largest / least : missing<double>;
  }
};

}  // namespace fulmar::ops
