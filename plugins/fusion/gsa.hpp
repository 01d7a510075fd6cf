// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fulmar/op.hpp"
#include "fusion/moments.hpp"

namespace fulmar::ops {

/// Bands M_k sharpened by a panchromatic band P on whose grid they already lie (adaptive Gram-Schmidt):
///   M_k + g_k (P' - I),  I = w_0 + sum(w_k M_k),  g_k = cov(M_k, I) / var(I),  P' = (P - mean P) std I / std P + mean
///   I
/// The weights w are the least squares of the low-passed P, its mean over (2 ratio + 1)^2 cells, on the bands; all
/// statistics are of the cells of the whole scene that have every band and P. A cell that lacks one is missing in all
/// bands; so are all where fewer cells are whole than the statistics take. Errors: bands that add up to one another, a
/// constant P.
struct Gsa {
  struct Params {
    std::int32_t ratio = 2;
  } params;
  static Schema schema() {
    return Schema{"gsa", "Sharpen bands by substituting their intensity, as the whole scene tells it."}
        .bands("band", units::any, "Bands on the grid of the panchromatic band.")
        .input("pan", units::any, "Panchromatic band.")
        .outputs_per_band("band", units::any, "Sharpened bands.")
        .summary("value", units::any,
                 "Weights and gains of the bands, the offset, slope and offset of the panchromatic band.")
        .param("ratio", &Params::ratio, "Cells of the panchromatic band along the side of a cell of the bands.",
               units::one, between(2, 8))
        .example("ms.tif ! gsa --pan [ pan.tif ] --ratio 4 ! sharp.tif")
        .cites("Aiazzi, Baronti & Selva 2007, IEEE TGRS 45, 3230-3239")
        .cites("Vivone et al. 2015, IEEE TGRS 53, 2565-2586 (survey)")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return 1; }
  FULMAR_HD Box box() const { return {params.ratio, params.ratio}; }

  /// Of the bands, then the low-passed and the plain panchromatic band.
  using State = moments::Joint;
  /// `inputs` counts the panchromatic band too.
  [[nodiscard]] std::uint64_t state_bytes(const Round& round) const { return State::bytes(round.inputs + 1); }
  void begin(State& s, const Round& round) const { s.begin(round.inputs + 1); }
  void step(State& s, const Round&, Bands<float> in, float pan, Moments around) const {
    if (is_missing(pan)) return;
    for (std::int32_t b = 0; b < in.count; ++b)
      if (is_missing(in[b])) return;
    s.add([&](std::int64_t i) {
      if (i < in.count) return static_cast<double>(in[static_cast<std::int32_t>(i)]);
      return i == in.count ? around.mean() : static_cast<double>(pan);
    });
  }
  void merge(State& a, const State& b, const Round&) const { a.merge(b); }
  /// Weights and gains of the bands, then w_0, and P' = a P + c.
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    const std::int64_t k = s.k - 2;
    const auto count = static_cast<std::uint64_t>(2 * k + 3);
    if (numbers == nullptr) return count;
    if (s.n <= s.k) {
      for (std::uint64_t i = 0; i < count; ++i) numbers[i] = missing<double>;
      return count;
    }
    double *weights = numbers, *gains = numbers + k;
    std::vector<double> factor(static_cast<std::size_t>(moments::packed(k)));
    for (std::int64_t i = 0; i < k; ++i) {
      weights[i] = s.covariance(i, k, 0);
      for (std::int64_t j = 0; j <= i; ++j) factor[static_cast<std::size_t>(moments::at(i, j))] = s.covariance(i, j, 0);
    }
    if (const std::int64_t band = moments::factor(factor.data(), k); band >= 0)
      fail(Errc::input, "the covariance of the bands is singular: band " + std::to_string(band + 1) +
                            " is constant, or a sum of multiples of the bands before it; leave it out with --band");
    moments::solve(factor.data(), k, weights);
    double variance = 0, mean = 0, offset = s.means()[k];
    for (std::int64_t i = 0; i < k; ++i) {
      gains[i] = 0;
      for (std::int64_t j = 0; j < k; ++j) gains[i] += s.covariance(i, j, 0) * weights[j];
      variance += weights[i] * gains[i];
      offset -= weights[i] * s.means()[i];
      mean += weights[i] * s.means()[i];
    }
    const double pan = s.covariance(k + 1, k + 1, 0);
    if (!(variance > 0) || !(pan > 0))
      fail(Errc::input,
           "the panchromatic band is constant, or has nothing in common with the bands: is it of this scene?");
    for (std::int64_t i = 0; i < k; ++i) gains[i] /= variance;
    const double slope = std::sqrt(variance / pan);
    numbers[2 * k] = offset;
    numbers[2 * k + 1] = slope;
    numbers[2 * k + 2] = mean + offset - slope * s.means()[k + 1];
    return count;
  }

  FULMAR_HD void operator()(Bands<float> in, float pan, Moments, Table table, Outputs<float> out) const {
    const double *weights = table.values, *gains = weights + in.count, *rest = gains + in.count;
    double intensity = rest[0];
    for (std::int32_t b = 0; b < in.count; ++b) intensity += weights[b] * static_cast<double>(in[b]);
    const double detail = rest[1] * static_cast<double>(pan) + rest[2] - intensity;
    for (std::int32_t b = 0; b < in.count; ++b)
      out.set(b,
              is_missing(detail) ? missing<float> : static_cast<float>(static_cast<double>(in[b]) + gains[b] * detail));
  }
};

}  // namespace fulmar::ops
