// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fusion/scene_moments.hpp"

namespace fulmar::ops {

/// How far the spectrum of a cell is from those of the whole scene (global RX): the squared Mahalanobis distance
/// (x - m)' C^-1 (x - m), with the mean m and the covariance C (ddof 1) of all cells that have every band. On Gaussian
/// clutter it follows chi-squared with as many degrees of freedom as there are bands. A cell that lacks a band is left
/// out and missing; so are all where no more cells are whole than there are bands. Errors: a covariance that is
/// singular, by a band that is constant or that others add up to.
struct Rx : SceneMoments<> {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"rx", "Measure how unlike the scene each spectrum is."}
        .bands("band", units::any, "Bands of a scene, two at least.")
        .output("rx", units::one, "Squared Mahalanobis distance.")
        .summary("value", units::any, "Means of the bands, then the factor of their covariance.")
        .example("scene.tif ! rx ! anomaly.tif")
        .cites("Reed & Yu 1990, IEEE Trans. ASSP 38, 1760-1770")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return 2; }

  /// The means, then the factor of the covariance with the inverse of its diagonal.
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    const auto count = static_cast<std::uint64_t>(s.k + moments::packed(s.k));
    if (numbers == nullptr) return count;
    if (s.n <= s.k) {
      fill_missing(numbers, count);
      return count;
    }
    double* factor = numbers + s.k;
    for (std::int64_t i = 0; i < s.k; ++i) numbers[i] = s.mean(i);
    factor_of(s, s.k, 1, factor);
    for (std::int64_t i = 0; i < s.k; ++i) factor[moments::at(i, i)] = 1 / factor[moments::at(i, i)];
    return count;
  }

  std::string remark(const Round&, const double* numbers) const {
    return is_missing(numbers[0]) ? "no more cells have a value in every band than there are bands: every cell of the "
                                    "result is missing"
                                  : "";
  }

  [[nodiscard]] std::uint64_t scratch(const Dates& dates) const {
    return static_cast<std::uint64_t>(dates.count * dates.bands);
  }
  FULMAR_HD float operator()(Bands<float> in, Table table, Scratch scratch) const {
    const double* factor = table.values + in.count;
    double distance = 0;
    for (std::int32_t i = 0; i < in.count; ++i) {
      double z = static_cast<double>(in[i]) - table[i];
      for (std::int32_t j = 0; j < i; ++j) z -= factor[j] * scratch[j];
      z *= factor[i];
      scratch[i] = z;
      distance += z * z;
      factor += i + 1;
    }
    return static_cast<float>(distance);
  }
  /// Band by band over many cells.
  struct CellRows {
    const Rx& op;
    template <class Out, class Scene, class Numbers, class Work>
    bool take(std::int64_t width, const Out& out, const Scene& in, const Numbers& numbers, const Work&) {
      constexpr std::int64_t together = 128;
      const std::int64_t bands = in[0].count;
      const Table table = numbers[0];
      std::vector<double> found(static_cast<std::size_t>(bands * together));
      double distance[together];
      for (std::int64_t from = 0; from < width; from += together) {
        const std::int64_t n = width - from < together ? width - from : together;
        const double* factor = table.values + bands;
        for (std::int64_t x = 0; x < n; ++x) distance[x] = 0;
        for (std::int64_t i = 0; i < bands; ++i) {
          double* const z = found.data() + i * together;
          const float* const band = in[from].values + i;
          for (std::int64_t x = 0; x < n; ++x) z[x] = static_cast<double>(band[x * bands]) - table[i];
          for (std::int64_t j = 0; j < i; ++j) {
            const double* const before = found.data() + j * together;
            const double part = factor[j];
#pragma GCC ivdep
            for (std::int64_t x = 0; x < n; ++x) z[x] -= part * before[x];
          }
          const double scale = factor[i];
          for (std::int64_t x = 0; x < n; ++x) z[x] *= scale;
          for (std::int64_t x = 0; x < n; ++x) distance[x] += z[x] * z[x];
          factor += i + 1;
        }
#pragma GCC ivdep
        for (std::int64_t x = 0; x < n; ++x) out.store(from + x, static_cast<float>(distance[x]));
      }
      return true;
    }
  };
};

}  // namespace fulmar::ops
