// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "fusion/scene_moments.hpp"

namespace fulmar::ops {

/// Bands M_k sharpened by a panchromatic band P on whose grid they already lie (adaptive Gram-Schmidt):
///   M_k + g_k (P' - I),  g_k = cov(M_k, I) / var(I),  P' = (P - mean P) std I / std P + mean I
/// with statistics over the cells of the whole scene that have every band, P and I. The intensity I is what the bands
/// see of P: fitted at the scale of the bands by `regress` to P averaged over their cells, and brought onto the grid of
/// P as the bands were. A cell that lacks any input is missing in all bands; so are all where fewer cells are whole
/// than there are inputs. Errors: a constant P or I.
struct Gsa : SceneMoments<float, float> {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"gsa", "Sharpen bands by substituting their intensity, as the whole scene tells it."}
        .bands("band", units::any, "Bands on the grid of the panchromatic band.")
        .input("pan", units::any, "Panchromatic band.")
        .input("intensity", units::any, "The panchromatic band as the bands see it (regress), on the same grid.")
        .outputs_per_band("band", units::any, "Sharpened bands.")
        .summary("value", units::any, "Gains of the bands, then slope and offset of the panchromatic band.")
        .example(
            "ms.tif ! align --to pan.tif --resample cubic ! gsa --pan [ pan.tif ] --intensity [ ms.tif ! regress "
            "--target [ pan.tif ! align --to ms.tif --resample average ] ! align --to pan.tif --resample cubic ] ! "
            "sharp.tif")
        .cites("Aiazzi, Baronti & Selva 2007, IEEE TGRS 45, 3230-3239")
        .cites("Vivone et al. 2015, IEEE TGRS 53, 2565-2586 (survey)")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return 1; }

  /// Gains of the bands, then P' = a P + c.
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    const std::int64_t k = s.k - 2, pan = k, intensity = k + 1;
    const auto count = static_cast<std::uint64_t>(s.k);
    if (numbers == nullptr) return count;
    if (s.n < s.k) {
      fill_missing(numbers, count);
      return count;
    }
    const double of_pan = s.covariance(pan, pan, 0), of_intensity = s.covariance(intensity, intensity, 0);
    if (!(of_pan > 0)) fail(Errc::input, "the panchromatic band is constant: is it of this scene?");
    if (!(of_intensity > 0))
      fail(Errc::input,
           "the intensity is constant: the bands have nothing in common with what it was fitted to; is it of this "
           "scene?");
    for (std::int64_t i = 0; i < k; ++i) numbers[i] = s.covariance(i, intensity, 0) / of_intensity;
    const double slope = std::sqrt(of_intensity / of_pan);
    numbers[k] = slope;
    numbers[k + 1] = s.mean(intensity) - slope * s.mean(pan);
    return count;
  }

  FULMAR_HD void operator()(Bands<float> in, float pan, float intensity, Table gains, Outputs<float> out) const {
    const double slope = gains[in.count], offset = gains[in.count + 1];
    double detail = slope * static_cast<double>(pan) + offset - static_cast<double>(intensity);
    for (std::int32_t b = 0; b < in.count; ++b) detail = is_missing(in[b]) ? missing<double> : detail;
    for (std::int32_t b = 0; b < in.count; ++b)
      out.set(b,
              is_missing(detail) ? missing<float> : static_cast<float>(static_cast<double>(in[b]) + gains[b] * detail));
  }
};

}  // namespace fulmar::ops
