// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fulmar/op.hpp"
#include "fusion/quality_blocks.hpp"

namespace fulmar::ops {

/// How near the bands F_k of a scene are to those of a reference R_k on the same grid, in one number each:
///   ergas  100 / ratio sqrt(mean over k of (rmse_k^2 / mean(R_k)^2)), in per cent
///   sam    mean angle between the spectra, in degrees; spectra of zeros are left out
///   uiqi   universal image quality index of F_k and R_k, mean over blocks of 32 x 32 cells counted from the raster's
///          first cell, and over the bands; 1 for equal images
///   rmse   root of the mean squared difference, all bands together
/// The first half of the bands that flow is the reference, the second the scene. A cell that lacks any value is left
/// out; so is a block less than half of which is left. A number without a cell to found it on is missing. Errors: an
/// odd number of bands.
struct Quality {
  struct Params {
    double ratio = 2;
  } params;
  static Schema schema() {
    return Schema{"quality", "Compare a sharpened scene with a reference."}
        .bands("scene", units::any, "The reference, then the scene, with the same bands.")
        .summary("n", units::cell, "Cells compared.")
        .whole()
        .summary("ergas", units::one, "Relative dimensionless global error, per cent.")
        .summary("sam", units::degree, "Mean spectral angle.")
        .summary("uiqi", units::one, "Universal image quality index, blocks of 32 x 32.")
        .summary("rmse", units::any, "Root mean squared difference.")
        .param("ratio", &Params::ratio, "Cells of the panchromatic band along the side of a cell of the bands.",
               units::one, between(1, 100))
        .example("pair_*.tif ! quality --ratio 4 ! quality.csv")
        .cites("Wald 2000, Fusion of Earth Data, 99-103 (ergas)")
        .cites("Yuhas, Goetz & Boardman 1992, JPL Airborne Geoscience Workshop (sam)")
        .cites("Wang & Bovik 2002, IEEE Signal Processing Letters 9, 81-84 (uiqi)")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return 2; }
  std::uint64_t table(const Dates& dates, double*) const {
    if (const std::int64_t all = dates.count * dates.bands; all % 2 != 0)
      fail(Errc::usage, "quality compares the two halves of the bands, a reference and a scene, but gets " +
                            std::to_string(all) +
                            " bands: give two files of as many, by one name such as 'pair_*.tif'");
    return 0;
  }

  /// Sums: cells, angles, cells with an angle; then for each band differences^2, values of the reference, indices.
  using State = quality::Blocks;
  static std::int64_t sums_of(std::int64_t bands) { return 3 + 3 * bands; }
  [[nodiscard]] std::uint64_t state_bytes(const Round& round) const {
    return State::bytes(round.inputs, sums_of(round.inputs / 2));
  }
  void begin(State& s, const Round& round) const { s.begin(round.inputs, sums_of(round.inputs / 2)); }
  FULMAR_HD void step(State& s, const Round&, Bands<float> in, Here here) const {
    const std::int32_t k = in.count / 2;
    double rr = 0, ff = 0, rf = 0;
    for (std::int32_t b = 0; b < k; ++b) {
      const double r = static_cast<double>(in[b]), f = static_cast<double>(in[k + b]);
      rr += r * r, ff += f * f, rf += r * f;
    }
    if (is_missing(rf)) return;
    double* sum = s.sum();
    sum[0] += 1;
    if (rr > 0 && ff > 0) {
      const double cosine = rf / math::sqrt(rr * ff);
      sum[1] += math::acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
      sum[2] += 1;
    }
    for (std::int32_t b = 0; b < k; ++b) {
      const double r = static_cast<double>(in[b]), d = static_cast<double>(in[k + b]) - r;
      sum[3 + 3 * b] += d * d;
      sum[4 + 3 * b] += r;
    }
    s.at(here.x, here.y).add([&](std::int64_t i) {
      const auto b = static_cast<std::int32_t>(i);
      return static_cast<double>(in[b]);
    });
  }
  /// The index of a block in the sums: each third of those of the bands.
  FULMAR_HD static void add(const moments::Joint& block, std::int64_t i, double& sum) {
    if (i >= 3 && i % 3 == 2) sum += quality::uiqi(block, i / 3 - 1, i / 3 - 1 + block.k / 2);
  }
  [[nodiscard]] std::int64_t parts(const Round& round) const { return sums_of(round.inputs / 2); }
  FULMAR_HD void merge_part(State& a, const State& b, const Round&, std::int64_t i) const {
    quality::merge_sum(a, b, i, add);
  }
  FULMAR_HD void merge_rest(State& a, const State& b, const Round&) const { quality::close_blocks(a, b); }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (numbers == nullptr) return 5;
    std::vector<double> sum;
    const auto blocks = static_cast<double>(quality::all_sums(s, sum, add));
    const double n = sum[0], k = static_cast<double>(s.variables / 2);
    double error = 0, index = 0, squares = 0;
    for (std::int64_t b = 0; b < s.variables / 2; ++b) {
      const auto* of = sum.data() + 3 + 3 * b;
      error += of[0] / n / ((of[1] / n) * (of[1] / n));
      squares += of[0];
      index += of[2];
    }
    numbers[0] = n;
    numbers[1] = n > 0 ? 100 / params.ratio * std::sqrt(error / k) : missing<double>;
    numbers[2] = sum[2] > 0 ? sum[1] / sum[2] * (180 / 3.141592653589793) : missing<double>;
    numbers[3] = blocks > 0 ? index / (blocks * k) : missing<double>;
    numbers[4] = n > 0 ? std::sqrt(squares / (n * k)) : missing<double>;
    return 5;
  }
};

}  // namespace fulmar::ops
