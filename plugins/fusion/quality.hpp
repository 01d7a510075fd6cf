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

  /// Sums: cells, angles, cells with an angle; then for each band differences^2, values of the reference, indices. The
  /// numbers of a cell: its angle, 1 if it has one, and the differences^2.
  using State = quality::Blocks;
  static std::int64_t bands_of(const Round& round) { return round.inputs / 2; }
  [[nodiscard]] std::uint64_t state_bytes(const Round& round) const {
    const std::int64_t k = bands_of(round);
    return State::bytes(2 * k, k, 2 + k, 3 + 3 * k);
  }
  void begin(State& s, const Round& round) const {
    const std::int64_t k = bands_of(round);
    s.begin(2 * k, k, 2 + k, 3 + 3 * k);
  }
  /// A cell enters its block alone.
  [[nodiscard]] std::int64_t apart(const Round&) const { return State::side; }
  template <class Use>
  FULMAR_HD static void each_pair(std::int64_t k, const Use& use) {
    for (std::int64_t b = 0; b < k; ++b) use(b, b, k + b);
  }
  FULMAR_HD [[gnu::always_inline]] static bool has_angle(double rr, double ff) { return (rr > 0) & (ff > 0); }
  /// Of two spectra, by their products; 0 where has_angle says no.
  FULMAR_HD [[gnu::always_inline]] static double cosine(double rr, double ff, double rf) {
    const double ratio = rf / math::sqrt(rr * ff), held = ratio > 1 ? 1 : ratio < -1 ? -1 : ratio;
    return has_angle(rr, ff) ? held : 1;
  }
  FULMAR_HD void step(State& s, const Round&, Bands<float> in, Here here) const {
    const std::int32_t k = in.count / 2;
    double rr = 0, ff = 0, rf = 0;
    for (std::int32_t b = 0; b < k; ++b) {
      const double r = static_cast<double>(in[b]), f = static_cast<double>(in[k + b]);
      rr += r * r, ff += f * f, rf += r * f;
    }
    if (is_missing(rf)) return;
    const auto value = [&](std::int64_t i) { return static_cast<double>(in[static_cast<std::int32_t>(i)]); };
    s.add(
        here.x, here.y, value, [&](const auto& use) { each_pair(k, use); },
        [&](std::int64_t i) {
          if (i == 0) return math::acos(cosine(rr, ff, rf));
          if (i == 1) return has_angle(rr, ff) ? 1.0 : 0.0;
          const double d = value(k + i - 2) - value(i - 2);
          return d * d;
        });
  }
  struct Rows {
    const Quality& op;
    State& s;
    template <class Scene, class Place>
    bool take(const Round&, std::int64_t width, const Scene& in, const Place& here) {
      constexpr std::int64_t side = State::side;
      if (here[0].x % side != 0) return false;
      quality::RowOfBlocks row{s};
      const std::int64_t all = in[0].count, k = all / 2;
      for (std::int64_t x = 0; x < width; x += side) {
        const std::int64_t n = width - x < side ? width - x : side;
        for (std::int64_t b = 0; b < all; ++b) {
          const float* from = in[x].values + b;
          double* to = row.of(b);
          for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<double>(from[i * all]);
          for (std::int64_t i = n; i < side; ++i) to[i] = missing<double>;
        }
        double rr[side] = {}, ff[side] = {}, rf[side] = {};
        for (std::int64_t b = 0; b < k; ++b) {
          const double *r = row.of(b), *f = row.of(k + b);
          double* square = row.of(all + 2 + b);
          for (std::int64_t i = 0; i < side; ++i) {
            rr[i] += r[i] * r[i], ff[i] += f[i] * f[i], rf[i] += r[i] * f[i];
            const double d = f[i] - r[i];
            square[i] = d * d;
          }
        }
        double *angles = row.of(all), *with_angle = row.of(all + 1);
        // Loops of one kind each, which become vectors.
        for (std::int64_t i = 0; i < side; ++i) angles[i] = cosine(rr[i], ff[i], rf[i]);
        for (std::int64_t i = 0; i < side; ++i) angles[i] = math::acos(angles[i]);
        for (std::int64_t i = 0; i < side; ++i) with_angle[i] = has_angle(rr[i], ff[i]) ? 1 : 0;
        row.add(here[x].x, here[x].y, rf, [&](const auto& use) { each_pair(k, use); });
      }
      return true;
    }
    void end() {}
  };
  FULMAR_HD static void add(const quality::Block& block, bool known, std::int64_t i, double& sum) {
    const std::int64_t k = block.variables / 2, b = i / 3 - 1, numbers = 2 * block.variables + k;
    if (i == 0)
      sum += block.n();
    else if (i < 3)
      sum += block.sum(numbers + i - 1);
    else if (i % 3 == 0)
      sum += block.sum(numbers + 2 + b);
    else if (i % 3 == 1)
      sum += block.n() * block.pivot(b) + block.sum(b);
    else if (known)
      sum += block.uiqi(b, k + b, b);
  }
  [[nodiscard]] std::int64_t parts(const Round& round) const { return 3 + 3 * bands_of(round); }
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
