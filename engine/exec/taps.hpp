// SPDX-License-Identifier: Apache-2.0
/// @file
/// The weights of a resampling kernel along one axis, on the processor: found once a cell and kept.
#pragma once

#include <cstdint>
#include <vector>

#include "core/resample.hpp"

namespace fulmar {

/// Weights of one axis, adding up to one.
struct Taps {
  std::int64_t first = 0, count = 0;
  std::vector<double> weights;

  [[nodiscard]] double weight(std::int64_t k) const { return weights[static_cast<std::size_t>(k)]; }
  /// Of any method but nearest.
  template <Resampling method>
  void set(double place, double footprint) {
    const AxisKernel k = axis_kernel<method>(place, footprint);
    first = k.first, count = k.count;
    if constexpr (method != Resampling::average) {
      if (k.plain && count > 1) {
        weights.resize(static_cast<std::size_t>(count));
        plain_weights<method>(k.f, weights.data());
        return;
      }
      if (k.plain) {
        weights.assign(1, 1.0);
        return;
      }
    }
    weights.resize(static_cast<std::size_t>(count));
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += weights[static_cast<std::size_t>(i)] = k.weight<method>(i);
    if constexpr (method != Resampling::average)
      for (double& w : weights) w /= sum;
  }
};

}  // namespace fulmar
