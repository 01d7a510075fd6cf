// SPDX-License-Identifier: Apache-2.0
/// @file
/// A histogram as the sum of two Gaussians, and whether it is one. Host only.
#pragma once

#include <algorithm>
#include <cmath>

#include "common/value_histogram.hpp"

namespace fulmar::ops {

/// Two Gaussians of greatest likelihood, by expectation and maximisation over the bins' centres: from the classes on
/// either side of `split` until no share, mean or variance moves by more than 1e-6, or for 200 rounds. A variance is
/// never below that of one bin, w^2 / 12. Source: Dempster, Laird & Rubin 1977, J. R. Stat. Soc. B 39(1), 1-38.
class TwoGaussians {
 public:
  TwoGaussians(const Bins& bins, const std::int64_t* counts, std::int64_t n, double split)
      : bins_{bins}, counts_{counts}, n_{static_cast<double>(n)} {
    fit([&](double x) { return x <= split ? 1.0 : 0.0; });
    for (int round = 0; round < 200; ++round) {
      const Class a = a_, b = b_;
      fit([&](double x) {
        const double low = density(a, x), both = low + density(b, x);
        // Where neither reaches, the nearer one.
        return both > 0 ? low / both : (x - a.mean) * (x - a.mean) < (x - b.mean) * (x - b.mean) ? 1.0 : 0.0;
      });
      if (!(moved(a, a_) > 1e-6 || moved(b, b_) > 1e-6)) break;
    }
  }

  /// Ashman's D above 2, a tenth of the cells in the smaller class, a Bhattacharyya coefficient above 0.99.
  [[nodiscard]] bool bimodal() const {
    const double d = std::sqrt(2.0) * std::abs(a_.mean - b_.mean) / std::sqrt(a_.variance + b_.variance);
    return d > 2 && std::min(a_.share, b_.share) >= 0.1 && likeness() > 0.99;
  }

 private:
  struct Class {
    double share = 0, mean = 0, variance = 1;
  };

  [[nodiscard]] static double density(const Class& c, double x) {
    const double d = x - c.mean;
    return c.share / std::sqrt(c.variance) * std::exp(-0.5 * d * d / c.variance);
  }
  [[nodiscard]] static double moved(const Class& from, const Class& to) {
    return std::max(
        {std::abs(from.share - to.share), std::abs(from.mean - to.mean), std::abs(from.variance - to.variance)});
  }
  /// Both classes anew, from how much each bin belongs to the first.
  template <class Part>
  void fit(Part&& part) {
    double weight[2] = {0, 0}, sum[2] = {0, 0}, squares[2] = {0, 0};
    // About the middle of the range, so that squares lose nothing to a large mean.
    const double middle = (bins_.low + bins_.high) / 2;
    for (std::int64_t i = 0; i < bins_.count; ++i) {
      if (counts_[i] == 0) continue;
      const double x = bins_.centre(i), c = static_cast<double>(counts_[i]), first = c * part(x), d = x - middle;
      const double parts[2] = {first, c - first};
      for (int k = 0; k < 2; ++k) weight[k] += parts[k], sum[k] += parts[k] * d, squares[k] += parts[k] * d * d;
    }
    const double narrow = bins_.width() * bins_.width() / 12;
    Class* const classes[2] = {&a_, &b_};
    for (int k = 0; k < 2; ++k) {
      Class& c = *classes[k];
      c.share = weight[k] / n_;
      if (!(weight[k] > 0)) continue;  // a class that died out keeps its place
      const double mean = sum[k] / weight[k];
      c.mean = middle + mean;
      c.variance = std::max(narrow, squares[k] / weight[k] - mean * mean);
    }
  }
  [[nodiscard]] double likeness() const {
    const double scale = bins_.width() / std::sqrt(2 * 3.141592653589793238462643);
    double sum = 0;
    for (std::int64_t i = 0; i < bins_.count; ++i)
      if (counts_[i] > 0) {
        const double x = bins_.centre(i);
        sum += std::sqrt(static_cast<double>(counts_[i]) / n_ * scale * (density(a_, x) + density(b_, x)));
      }
    return sum;
  }

  const Bins bins_;
  const std::int64_t* counts_;
  const double n_;
  Class a_, b_;
};

}  // namespace fulmar::ops
