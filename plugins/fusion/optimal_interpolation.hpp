// SPDX-License-Identifier: Apache-2.0
/// @file
/// Optimal interpolation of one place: the nearest observations, and the analysis they give. Host and device.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
#include "core/math.hpp"

namespace fulmar::optimal_interpolation {

/// What is to be added to the first guess, and the error variance of the sum as a fraction of the first guess's.
struct Increment {
  double value = 0, variance = 1;
};

/// The nearest observations of a place, at most `most`, and what is computed with them, in the caller's memory.
///
/// Places are in correlation lengths from the place of the analysis: d^2 = (dx / Lx)^2 + (dy / Ly)^2. Of observations
/// as near the one with the smaller row, then column, comes first, so that the choice does not depend on the order in
/// which they were seen.
class Nearest {
 public:
  /// Doubles that the memory must hold.
  FULMAR_HD static std::int64_t memory(std::int64_t most) { return most * (most + 1) / 2 + 8 * most; }

  FULMAR_HD Nearest(double* memory, std::int32_t most, double x_step, double y_step)
      : most_{most},
        x_step_{x_step},
        y_step_{y_step},
        distance_{memory},
        x_{memory + most},
        y_{memory + 2 * most},
        innovation_{memory + 3 * most},
        noise_{memory + 4 * most},
        to_guess_{memory + 5 * most},
        column_{memory + 6 * most},
        rest_{memory + 7 * most},
        matrix_{memory + 8 * most} {}

  [[nodiscard]] FULMAR_HD std::int32_t count() const { return count_; }
  /// True if no observation at least so many columns or rows away can be chosen any more.
  [[nodiscard]] FULMAR_HD bool complete(double columns, double rows) const {
    if (count_ < most_) return false;
    const double x = columns * x_step_, y = rows * y_step_;
    const double nearest = x * x < y * y ? x * x : y * y;
    return nearest > distance_[count_ - 1];
  }

  /// An observation so many columns and rows away; `noise` is its error variance over that of the first guess.
  FULMAR_HD void add(std::int64_t columns, std::int64_t rows, double innovation, double noise) {
    const double x = static_cast<double>(columns) * x_step_, y = static_cast<double>(rows) * y_step_;
    const double d = x * x + y * y;
    const auto after = [&](std::int32_t i) {
      return distance_[i] > d || (distance_[i] == d && (y_[i] > y || (y_[i] == y && x_[i] > x)));
    };
    if (count_ == most_ && !after(count_ - 1)) return;
    std::int32_t i = count_ < most_ ? count_++ : count_ - 1;
    for (; i > 0 && after(i - 1); --i) {
      distance_[i] = distance_[i - 1], x_[i] = x_[i - 1], y_[i] = y_[i - 1];
      innovation_[i] = innovation_[i - 1], noise_[i] = noise_[i - 1];
    }
    distance_[i] = d, x_[i] = x, y_[i] = y, innovation_[i] = innovation, noise_[i] = noise;
  }

  /// b' (B + R)^-1 d and 1 - b' (B + R)^-1 b, with B and b from the correlation exp(-d^2), by one Cholesky factor that
  /// is never kept: its columns are used as they come. NaN where B + R is not positive definite.
  FULMAR_HD Increment solve() {
    for (std::int32_t i = 0; i < count_; ++i) {
      double* row = matrix_ + static_cast<std::int64_t>(i) * (i + 1) / 2;
      for (std::int32_t j = 0; j < i; ++j) {
        const double x = x_[i] - x_[j], y = y_[i] - y_[j];
        row[j] = math::exp(-(x * x + y * y));
      }
      row[i] = 1 + noise_[i];
      to_guess_[i] = math::exp(-distance_[i]);
      rest_[i] = innovation_[i];
    }
    Increment result;
    for (std::int32_t k = 0; k < count_; ++k) {
      const double pivot = math::sqrt(matrix_[static_cast<std::int64_t>(k) * (k + 1) / 2 + k]);
      const double z = to_guess_[k] / pivot, w = rest_[k] / pivot;
      result.value += z * w;
      result.variance -= z * z;
      for (std::int32_t i = k + 1; i < count_; ++i) {
        column_[i] = matrix_[static_cast<std::int64_t>(i) * (i + 1) / 2 + k] / pivot;
        to_guess_[i] -= column_[i] * z;
        rest_[i] -= column_[i] * w;
      }
      for (std::int32_t i = k + 1; i < count_; ++i) {
        double* row = matrix_ + static_cast<std::int64_t>(i) * (i + 1) / 2;
        const double c = column_[i];
        for (std::int32_t j = k + 1; j <= i; ++j) row[j] -= c * column_[j];
      }
    }
    if (result.variance < 0) result.variance = 0;
    return result;
  }

 private:
  std::int32_t most_, count_ = 0;
  double x_step_, y_step_;
  double *distance_, *x_, *y_, *innovation_, *noise_, *to_guess_, *column_, *rest_, *matrix_;
};

}  // namespace fulmar::optimal_interpolation
