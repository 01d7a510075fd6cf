// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fulmar/op.hpp"
#include "fusion/moments.hpp"

namespace fulmar::ops {

/// How far the spectrum of a cell is from those of the whole scene (global RX): the squared Mahalanobis distance
/// (x - m)' C^-1 (x - m), with the mean m and the covariance C (ddof 1) of all cells that have every band. On Gaussian
/// clutter it follows chi-squared with as many degrees of freedom as there are bands. A cell that lacks a band is left
/// out and missing; so are all where no more cells are whole than there are bands. Errors: a covariance that is
/// singular, by a band that is constant or that others add up to.
struct Rx {
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

  using State = moments::Joint;
  [[nodiscard]] std::uint64_t state_bytes(const Round& round) const { return State::bytes(round.inputs); }
  void begin(State& s, const Round& round) const { s.begin(round.inputs); }
  void step(State& s, const Round&, Bands<float> in) const {
    for (std::int32_t b = 0; b < in.count; ++b)
      if (is_missing(in[b])) return;
    s.add([&](std::int64_t b) { return static_cast<double>(in[static_cast<std::int32_t>(b)]); });
  }
  void merge(State& a, const State& b, const Round&) const { a.merge(b); }
  /// The means, then the factor of the covariance with the inverse of its diagonal.
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    const auto count = static_cast<std::uint64_t>(s.k + moments::packed(s.k));
    if (numbers == nullptr) return count;
    if (s.n <= s.k) {
      for (std::uint64_t i = 0; i < count; ++i) numbers[i] = missing<double>;
      return count;
    }
    double* factor = numbers + s.k;
    for (std::int64_t i = 0; i < s.k; ++i) {
      numbers[i] = s.means()[i];
      for (std::int64_t j = 0; j <= i; ++j) factor[moments::at(i, j)] = s.covariance(i, j, 1);
    }
    if (const std::int64_t band = moments::factor(factor, s.k); band >= 0)
      fail(Errc::input, "the covariance of the bands is singular: band " + std::to_string(band + 1) +
                            " is constant, or a sum of multiples of the bands before it; leave it out with --band");
    for (std::int64_t i = 0; i < s.k; ++i) factor[moments::at(i, i)] = 1 / factor[moments::at(i, i)];
    return count;
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
};

}  // namespace fulmar::ops
