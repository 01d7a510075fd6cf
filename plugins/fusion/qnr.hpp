// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fulmar/op.hpp"
#include "fusion/quality_blocks.hpp"

namespace fulmar::ops {

/// Quality of sharpened bands F_k without a reference, from the bands M_k before (on the panchromatic grid) and the
/// panchromatic band P, with Q the universal image quality index:
///   d_lambda  mean over k != l of |Q(F_k, F_l) - Q(M_k, M_l)|: spectral distortion
///   d_s       mean over k of |Q(F_k, P) - Q(M_k, P_L)|, P_L the mean of P over (2 ratio + 1)^2 cells: spatial
///   distortion qnr       (1 - d_lambda) (1 - d_s), 1 at best
/// Q is the mean over blocks of 32 x 32 cells counted from the raster's first cell. The first half
/// of the bands that flow is before, the second sharpened. Cells that lack a value are left out, as are blocks less
/// than half of which is left; without any block all is missing. Errors: an odd number of bands, or fewer than four.
struct Qnr {
  struct Params {
    std::int32_t ratio = 2;
  } params;
  static Schema schema() {
    return Schema{"qnr", "Rate a sharpened scene without a reference."}
        .bands("scene", units::any, "The bands on the panchromatic grid, then the sharpened bands.")
        .input("pan", units::any, "Panchromatic band.")
        .summary("d_lambda", units::one, "Spectral distortion.")
        .summary("d_s", units::one, "Spatial distortion.")
        .summary("qnr", units::one, "Quality with no reference.")
        .param("ratio", &Params::ratio, "Cells of the panchromatic band along the side of a cell of the bands.",
               units::one, between(2, 8))
        .example("pair_*.tif ! qnr --pan [ pan.tif ] --ratio 4 ! qnr.csv")
        .cites("Alparone et al. 2008, PE&RS 74, 193-200")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return 4; }
  FULMAR_HD Box box() const { return {params.ratio, params.ratio}; }
  std::uint64_t table(const Dates& dates, double*) const {
    if (const std::int64_t all = dates.count * dates.bands; all % 2 != 0)
      fail(Errc::usage, "qnr rates the two halves of the bands, those before and after sharpening, but gets " +
                            std::to_string(all) +
                            " bands: give two files of as many, by one name such as 'pair_*.tif'");
    return 0;
  }

  /// Sums of indices, of a pair of variables each: M_k and M_l, F_k and F_l for k > l; then M_k and P_L, F_k and P.
  using State = quality::Blocks;
  /// The panchromatic band is counted among the inputs; the variables are M, F, P_L and P.
  static std::int64_t bands_of(const Round& round) { return (static_cast<std::int64_t>(round.inputs) - 1) / 2; }
  FULMAR_HD static std::int64_t sums_of(std::int64_t k) { return k * (k - 1) + 2 * k; }
  [[nodiscard]] std::uint64_t state_bytes(const Round& round) const {
    const std::int64_t k = bands_of(round);
    return State::bytes(2 * k + 2, sums_of(k), 0, sums_of(k));
  }
  void begin(State& s, const Round& round) const {
    const std::int64_t k = bands_of(round);
    s.begin(2 * k + 2, sums_of(k), 0, sums_of(k));
  }
  template <class Use>
  FULMAR_HD static void each_pair(std::int64_t k, const Use& use) {
    std::int64_t pair = 0;
    for (std::int64_t first = 0; first <= k; first += k)
      for (std::int64_t i = 1; i < k; ++i)
        for (std::int64_t j = 0; j < i; ++j) use(pair++, first + i, first + j);
    for (std::int64_t i = 0; i < k; ++i) use(pair++, i, 2 * k);
    for (std::int64_t i = 0; i < k; ++i) use(pair++, k + i, 2 * k + 1);
  }
  /// A cell enters its block alone.
  [[nodiscard]] std::int64_t apart(const Round&) const { return State::side; }
  FULMAR_HD void step(State& s, const Round&, Bands<float> in, float pan, Moments around, Here here) const {
    const std::int32_t k = in.count / 2;
    if (is_missing(pan)) return;
    for (std::int32_t b = 0; b < k; ++b)
      if (is_missing(in[b]) || is_missing(in[k + b])) return;
    s.add(
        here.x, here.y,
        [&](std::int64_t i) {
          const auto b = static_cast<std::int32_t>(i);
          if (b < 2 * k) return static_cast<double>(in[b]);
          return b == 2 * k ? around.mean() : static_cast<double>(pan);
        },
        [&](const auto& use) { each_pair(k, use); }, [](std::int64_t) { return 0.0; });
  }
  struct Rows {
    const Qnr& op;
    State& s;
    template <class Scene, class Pan, class Around, class Place>
    bool take(const Round&, std::int64_t width, const Scene& in, const Pan& pan, const Around& around,
              const Place& here) {
      constexpr std::int64_t side = State::side;
      if (here[0].x % side != 0) return false;
      quality::RowOfBlocks row{s};
      const std::int64_t all = in[0].count;
      for (std::int64_t x = 0; x < width; x += side) {
        const std::int64_t n = width - x < side ? width - x : side;
        const auto fill = [&](std::int64_t variable, const auto& value) {
          double* to = row.of(variable);
          for (std::int64_t i = 0; i < n; ++i) to[i] = value(i);
          for (std::int64_t i = n; i < side; ++i) to[i] = missing<double>;
        };
        for (std::int64_t b = 0; b < all; ++b) {
          const float* from = in[x].values + b;
          fill(b, [&](std::int64_t i) { return static_cast<double>(from[i * all]); });
        }
        fill(all, [&](std::int64_t i) { return around[x + i].mean(); });
        fill(all + 1, [&](std::int64_t i) { return static_cast<double>(pan[x + i]); });
        double any[side];
        for (std::int64_t i = 0; i < side; ++i) any[i] = row.of(all + 1)[i];
        for (std::int64_t b = 0; b < all; ++b)
          for (std::int64_t i = 0; i < side; ++i) any[i] = is_missing(row.of(b)[i]) ? missing<double> : any[i];
        row.add(here[x].x, here[x].y, any, [&](const auto& use) { each_pair(all / 2, use); });
      }
      return true;
    }
    void end() {}
  };
  /// The index of a block in a sum.
  FULMAR_HD static void add(const quality::Block& block, bool known, std::int64_t which, double& sum) {
    if (!known) return;
    const std::int64_t k = (block.variables - 2) / 2, pairs = k * (k - 1) / 2;
    if (which >= 2 * pairs) {
      const std::int64_t band = which - 2 * pairs;  // of M, then of F
      sum += block.uiqi(band, 2 * k + (band < k ? 0 : 1), which);
      return;
    }
    const std::int64_t first = which < pairs ? 0 : k;
    std::int64_t one = 1, other = which < pairs ? which : which - pairs;
    for (; other >= one; ++one) other -= one;
    sum += block.uiqi(first + one, first + other, which);
  }
  [[nodiscard]] std::int64_t parts(const Round& round) const { return sums_of(bands_of(round)); }
  FULMAR_HD void merge_part(State& a, const State& b, const Round&, std::int64_t i) const {
    quality::merge_sum(a, b, i, add);
  }
  FULMAR_HD void merge_rest(State& a, const State& b, const Round&) const { quality::close_blocks(a, b); }
  std::uint64_t finish(const State& s, const Round&, double* numbers) const {
    if (numbers == nullptr) return 3;
    std::vector<double> sum;
    const auto blocks = static_cast<double>(quality::all_sums(s, sum, add));
    const std::int64_t k = (s.variables - 2) / 2, pairs = k * (k - 1) / 2;
    double spectral = 0, spatial = 0;
    for (std::int64_t p = 0; p < pairs; ++p)
      spectral += std::abs(sum[static_cast<std::size_t>(pairs + p)] - sum[static_cast<std::size_t>(p)]) / blocks;
    const double* pan = sum.data() + 2 * pairs;
    for (std::int64_t b = 0; b < k; ++b) spatial += std::abs(pan[k + b] - pan[b]) / blocks;
    numbers[0] = spectral / static_cast<double>(pairs);
    numbers[1] = spatial / static_cast<double>(k);
    numbers[2] = (1 - numbers[0]) * (1 - numbers[1]);
    return 3;
  }
};

}  // namespace fulmar::ops
