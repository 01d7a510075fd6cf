// SPDX-License-Identifier: Apache-2.0
/// @file
/// The weights of a resampling kernel along one axis.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/math.hpp"
#include "plan/warp.hpp"

namespace fulmar {

/// A target cell in the source: its place and footprint, in columns and rows; NaN where it has none.
struct Place {
  double column, row;
  double width, height;
};

/// Footprints up to this wide do not stretch a kernel.
inline constexpr double least_stretch = 1 / 0.95;

inline double stretch_of(double footprint) { return footprint > least_stretch ? footprint : 1.0; }

/// Half the cells a kernel spans where it is not stretched.
inline constexpr int radius_of(Resampling method) {
  return method == Resampling::cubic ? 2 : method == Resampling::lanczos ? 3 : 1;
}

/// How far from a place its kernel reaches along an axis, in cells.
inline double reach_of(Resampling method, double footprint) {
  if (method == Resampling::nearest) return 0.5;
  if (method == Resampling::average) return footprint / 2;
  return radius_of(method) * stretch_of(footprint);
}

/// The 2 * radius weights of an unstretched kernel for a place at `f` of a cell beyond the centre of cell radius - 1.
template <Resampling method>
inline void plain_weights(double f, double* w) {
  if constexpr (method == Resampling::bilinear) {
    w[0] = 1 - f;
    w[1] = f;
  } else if constexpr (method == Resampling::cubic) {
    w[0] = ((-0.5 * f + 1) * f - 0.5) * f;
    w[1] = (1.5 * f - 2.5) * f * f + 1;
    w[2] = ((-1.5 * f + 2) * f + 0.5) * f;
    w[3] = (0.5 * f - 0.5) * f * f;
  } else {
    if (f == 0) {
      for (int k = 0; k < 6; ++k) w[k] = k == 2 ? 1 : 0;
      return;
    }
    // sin(pi (f - k)) and sin(pi (f - k) / 3) from those of f alone; constant factors go with the normalisation.
    constexpr double pi = 3.14159265358979323846, half = 0.5, root = 0.86602540378443864676;
    const double s1 = math::sin(pi * f), s3 = math::sin(pi * f / 3), c3 = math::cos(pi * f / 3);
    const double third[6] = {-half * s3 + root * c3, half * s3 + root * c3,  s3,
                             half * s3 - root * c3,  -half * s3 - root * c3, -s3};
    double sum = 0;
    for (int k = 0; k < 6; ++k) {
      const double d = f + 2 - k;
      w[k] = (k % 2 == 0 ? s1 : -s1) * third[k] / (d * d);
      sum += w[k];
    }
    for (int k = 0; k < 6; ++k) w[k] /= sum;
  }
}

/// The first cell of an unstretched kernel, and how far the place lies beyond the centre of its cell radius - 1.
inline double plain_first(double place, int radius, std::int64_t& first) {
  const double low = std::floor(place - 0.5);
  first = static_cast<std::int64_t>(low) - (radius - 1);
  return place - 0.5 - low;
}

/// Weights of one axis, adding up to one.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;

  [[nodiscard]] std::int64_t end() const { return first + static_cast<std::int64_t>(weights.size()); }
  /// Of any method but nearest.
  void set(Resampling method, double place, double footprint);
};

}  // namespace fulmar
