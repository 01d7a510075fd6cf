// SPDX-License-Identifier: Apache-2.0
/// @file
/// What operators share that look at the covariance of the bands of a whole scene.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "fulmar/op.hpp"
#include "fusion/moments.hpp"

namespace fulmar::ops {

/// The first pass: means and sums of products of all bands, and of further inputs beside them, over the cells that have
/// every one. The variables stand in the order of the inputs.
template <class... Beside>
struct SceneMoments {
  using State = moments::Joint;
  [[nodiscard]] std::uint64_t state_bytes(const Round& round) const { return State::bytes(round.inputs); }
  void begin(State& s, const Round& round) const { s.begin(round.inputs); }
  FULMAR_HD void step(State& s, const Round&, Bands<float> in, Beside... beside) const {
    bool whole = !(is_missing(beside) || ...);
    for (std::int32_t b = 0; b < in.count; ++b) whole &= !is_missing(in[b]);
    if (!whole) return s.pass();
    const double others[] = {static_cast<double>(beside)..., 0};
    s.add([&](std::int64_t i) {
      return i < in.count ? static_cast<double>(in[static_cast<std::int32_t>(i)]) : others[i - in.count];
    });
  }
  struct Rows {
    const SceneMoments& op;
    State& s;
    template <class Scene, class... More>
    bool take(const Round& round, std::int64_t width, const Scene& in, const More&... beside) {
      constexpr std::int64_t most = 64;
      const std::int64_t bands = in[0].count;
      std::vector<double> rows(static_cast<std::size_t>(s.k * most));
      double skipped[most];
      for (std::int64_t x = 0, n = 0; x < width; x += n) {
        const std::int64_t left = State::together - s.seen % State::together;
        n = std::min({width - x, left, most}) / State::parts * State::parts;
        if (n == 0 || s.seen % State::parts != 0) {
          op.step(s, round, in[x], beside[x]...);
          n = 1;
          continue;
        }
        std::int64_t variable = 0;
        for (std::int64_t i = 0; i < n; ++i) skipped[i] = 0;
        const auto fill = [&](const float* from, std::int64_t step) {
          double* const row = rows.data() + variable++ * most;
          for (std::int64_t i = 0; i < n; ++i) row[i] = static_cast<double>(from[i * step]);
          for (std::int64_t i = 0; i < n; ++i) skipped[i] = is_missing(row[i]) ? row[i] : skipped[i];
        };
        for (std::int64_t b = 0; b < bands; ++b) fill(in[x].values + b, bands);
        (fill(beside.cells + x, 1), ...);
        std::int64_t known = 0, first = 0;
        for (std::int64_t i = n; i-- > 0;)
          if (!is_missing(skipped[i])) ++known, first = i;
        s.add_row(rows.data(), most, skipped, n, known, first);
      }
      return true;
    }
    void end() {}
  };
  static constexpr bool merges_on_card = true;
  FULMAR_HD void merge(State& a, const State& b, const Round&) const { a.merge(b); }

 protected:
  /// The Cholesky factor of the covariance of the first k variables, packed. Errors: a covariance that is singular.
  static void factor_of(const State& s, std::int64_t k, double ddof, double* factor) {
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j <= i; ++j) factor[moments::at(i, j)] = s.covariance(i, j, ddof);
    if (const std::int64_t band = moments::factor(factor, k); band >= 0)
      fail(Errc::input, "the covariance of the bands is singular: band " + std::to_string(band + 1) +
                            " is constant, or a sum of multiples of the bands before it; leave it out with --band");
  }
  static void fill_missing(double* numbers, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) numbers[i] = missing<double>;
  }
};

}  // namespace fulmar::ops
