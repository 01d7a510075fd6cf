// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "fulmar/op.hpp"
#include "fusion/number_list.hpp"

namespace fulmar::ops {

/// The bands of a scene with the detail of a panchromatic band P on whose grid they already lie (`align --resample
/// cubic`), M_k:
///   brovey   M_k P / I with I = sum(w_k M_k) / sum(w_k); M_k where I is not above 0
///   hpf      M_k + weight (P - P_L), P_L the mean of the valid cells of (2 ratio + 1)^2 around the cell
///   mtf_glp  M_k + weight (P - P_L), P_L the generalised Laplacian pyramid of P: Gaussian means at the centres of
///   blocks
///            of ratio^2 cells, interpolated by cubic convolution (Keys, a = -1/2)
/// The Gaussian has the standard deviation ratio sqrt(-2 ln g) / pi cells, hence the frequency response g of the sensor
/// (`mtf`, a band each) at the Nyquist frequency of the bands; it is cut off at four of them. Blocks are counted from
/// the raster's first cell. Cells that are missing or beyond the raster are left out of P_L and its weights brought
/// back to a sum of 1; it is missing where less than half is left. A cell without P or any of the bands is missing in
/// all of them. `gsa` is another operator, since it looks at the whole scene first.
struct Pansharpen {
  enum class Method { brovey, hpf, mtf_glp };
  struct Params {
    Method method = Method::brovey;
    std::int32_t ratio = 2;
    double weight = 1;
    NumberList weights{{1}, 1}, mtf{{0.3}, 1};
    std::int32_t reach = 0;  ///< derived: how far the kernel of mtf_glp goes
  } params;

  static void read_weights(Params& p, std::string_view text) { p.weights = NumberList::read(text, 0, 1e6); }
  static void read_mtf(Params& p, std::string_view text) { p.mtf = NumberList::read(text, 0.05, 0.9); }
  static Schema schema() {
    return Schema{"pansharpen", "Sharpen bands by the detail of a panchromatic band."}
        .bands("band", units::any, "Bands on the grid of the panchromatic band.")
        .input("pan", units::any, "Panchromatic band.")
        .outputs_per_band("band", units::any, "Sharpened bands.")
        .param("method", &Params::method, "How the detail comes in.", {"brovey", "hpf", "mtf_glp"})
        .param("ratio", &Params::ratio, "Cells of the panchromatic band along the side of a cell of the bands.",
               units::one, between(2, 8))
        .param("weight", &Params::weight, "Part of the detail that is added (hpf, mtf_glp).", units::one,
               between(0, 10))
        .text("weights", &Pansharpen::read_weights,
              "Weight of each band in the intensity (brovey), the last for all further bands; equal if absent.", false)
        .text("mtf", &Pansharpen::read_mtf,
              "Response of the sensor at the Nyquist frequency, for each band, the last for all further bands; 0.3 if "
              "absent (mtf_glp).",
              false)
        .example("ms.tif ! pansharpen --pan [ pan.tif ] --method mtf_glp --ratio 4 ! sharp.tif")
        .cites("Gillespie, Kahle & Walker 1987, Remote Sensing of Environment 22, 343-365 (brovey)")
        .cites("Chavez, Sides & Anderson 1991, PE&RS 57, 295-303 (hpf)")
        .cites("Aiazzi et al. 2006, PE&RS 72, 591-596 (mtf_glp)")
        .cites("Vivone et al. 2015, IEEE TGRS 53, 2565-2586 (survey)")
        .agrees(exactly);
  }

  static double spread(double gain, double ratio) { return ratio * std::sqrt(-2 * std::log(gain)) / 3.141592653589793; }
  static void check(Params& p) {
    double widest = 0, sum = 0;
    for (std::int32_t b = 0; b < p.weights.count; ++b) sum += p.weights[b];
    if (!(sum > 0)) fail(Errc::usage, "the weights of the bands are all 0");
    for (std::int32_t b = 0; b < p.mtf.count; ++b) widest = std::max(widest, spread(p.mtf[b], p.ratio));
    p.reach = 2 * p.ratio + static_cast<std::int32_t>(std::ceil(4 * widest));
  }

  /// The weights of the cells around one along an axis: for every gain, and every place of the cell in its block.
  std::uint64_t table(double* values) const {
    if (params.method != Method::mtf_glp) return 0;
    const std::int64_t taps = 2 * params.reach + 1;
    for (std::int32_t b = 0; values != nullptr && b < params.mtf.count; ++b)
      for (std::int32_t phase = 0; phase < params.ratio; ++phase)
        kernel(params.mtf[b], phase, values + (b * params.ratio + phase) * taps);
    return static_cast<std::uint64_t>(params.mtf.count * params.ratio * taps);
  }
  void kernel(double gain, std::int32_t phase, double* weights) const {
    const double r = params.ratio, sigma = spread(gain, r), middle = (r - 1) / 2;
    const auto cut = static_cast<std::int32_t>(std::ceil(4 * sigma));
    for (std::int32_t t = -params.reach; t <= params.reach; ++t) weights[t + params.reach] = 0;
    const double place = (phase - middle) / r;
    const double first = std::floor(place);
    for (std::int32_t k = -1; k <= 2; ++k) {
      const double t = std::abs(place - (first + k));
      const double cubic = t <= 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
      // The centre of that block, in cells from the one that is sharpened.
      const double centre = (first + k) * r + middle - phase;
      double total = 0;
      for (int pass = 0; pass < 2; ++pass)
        for (std::int32_t x = -params.reach; x <= params.reach; ++x) {
          const double d = x - centre;
          if (std::abs(d) > cut) continue;
          const double g = std::exp(-d * d / (2 * sigma * sigma));
          if (pass == 0)
            total += g;
          else
            weights[x + params.reach] += cubic * g / total;
        }
    }
  }

  struct Brovey {
    Params params;
    [[nodiscard]] std::int32_t bands() const { return params.weights.count; }
    FULMAR_HD void operator()(Bands<float> in, float pan, Outputs<float> out) const {
      double intensity = 0, total = 0;
      for (std::int32_t b = 0; b < in.count; ++b) {
        intensity += params.weights[b] * static_cast<double>(in[b]);
        total += params.weights[b];
      }
      intensity /= total;
      const double gain = intensity > 0 ? static_cast<double>(pan) / intensity : 1;
      const bool gone = is_missing(intensity) || is_missing(pan);
      for (std::int32_t b = 0; b < in.count; ++b)
        out.set(b, gone ? missing<float> : static_cast<float>(static_cast<double>(in[b]) * gain));
    }
  };

  FULMAR_HD static void add(Bands<float> in, std::int32_t b, double detail, bool gone, Outputs<float> out) {
    out.set(b, gone ? missing<float> : static_cast<float>(static_cast<double>(in[b]) + detail));
  }
  FULMAR_HD static bool any_missing(Bands<float> in) {
    bool gone = false;
    for (std::int32_t b = 0; b < in.count; ++b) gone |= is_missing(in[b]);
    return gone;
  }

  struct HighPass {
    Params params;
    [[nodiscard]] std::int32_t bands() const { return 1; }
    FULMAR_HD Box box() const { return {params.ratio, params.ratio}; }
    FULMAR_HD void operator()(Bands<float> in, float pan, Moments around, Outputs<float> out) const {
      const double detail = params.weight * (static_cast<double>(pan) - around.mean());
      const bool gone = any_missing(in) || is_missing(detail);
      for (std::int32_t b = 0; b < in.count; ++b) add(in, b, detail, gone, out);
    }
  };

  struct Pyramid {
    Params params;
    [[nodiscard]] std::int32_t bands() const { return params.mtf.count; }
    FULMAR_HD Box halo() const { return {params.reach, params.reach}; }
    /// The place in its block; cells beyond the raster's edge have one as well.
    FULMAR_HD std::int64_t phase(std::int64_t x) const { return (x % params.ratio + params.ratio) % params.ratio; }
    /// Column by column: down first, then across.
    FULMAR_HD double smooth(Near<float> pan, const double* across, const double* down) const {
      double sum = 0, total = 0;
      for (std::int32_t x = -params.reach; x <= params.reach; ++x) {
        if (across[x + params.reach] == 0) continue;
        double column = 0, weights = 0;
        for (std::int32_t y = -params.reach; y <= params.reach; ++y) {
          const float p = pan(x, y);
          const double w = is_missing(p) ? 0 : down[y + params.reach];
          column += w * (is_missing(p) ? 0 : static_cast<double>(p));
          weights += w;
        }
        sum += across[x + params.reach] * column;
        total += across[x + params.reach] * weights;
      }
      return total >= 0.5 ? sum / total : missing<double>;
    }
    FULMAR_HD void operator()(Bands<float> in, Near<float> pan, Here here, Table table, Outputs<float> out) const {
      const bool gone = any_missing(in) || is_missing(pan(0, 0));
      const std::int64_t taps = 2 * params.reach + 1;
      double detail = 0;
      for (std::int32_t b = 0; b < in.count; ++b) {
        if (b < params.mtf.count && !gone) {
          const double* of_gain = table.values + b * params.ratio * taps;
          const double low = smooth(pan, of_gain + phase(here.x) * taps, of_gain + phase(here.y) * taps);
          detail = params.weight * (static_cast<double>(pan(0, 0)) - low);
        }
        add(in, b, detail, gone || is_missing(detail), out);
      }
    }

    /// Each column is weighed once for all cells of a row that look at it.
    class Rows {
     public:
      explicit Rows(const Pyramid& functor) : op{functor}, reach{functor.params.reach} {}

      template <class Out, class Scene, class Pan, class Place, class Numbers, class To>
      bool take(std::int64_t width, const Out&, const Scene& in, const Pan& pan, const Place& here,
                const Numbers& numbers, const To& to) {
        const Near<float> near = pan[0];
        if (y == 0) begin(width, here[0].x, numbers[0], near);
        last_gap = any_gap(width, near, reach) ? y + reach : last_gap;
        const Outputs<float> out = to[0];
        const std::int32_t count = in[0].count, gains = op.params.mtf.count;
        for (std::int64_t x = 0; x < width; ++x) {
          bool missed = is_missing(near(x, 0));
          for (std::int32_t b = 0; b < count; ++b) missed |= is_missing(in[x][b]);
          gone[at(x)] = missed ? missing<double> : 0;
        }
        for (std::int32_t b = 0; b < count; ++b) {
          if (b < gains) {
            const double* of_gain = numbers[0].values + b * op.params.ratio * taps();
            low_frequencies(width, near, of_gain + op.phase(here[0].y) * taps(), wide.data() + b * taps() * lanes);
            for (std::int64_t x = 0; x < width; ++x)
              detail[at(x)] = is_missing(gone[at(x)])
                                  ? gone[at(x)]
                                  : op.params.weight * (static_cast<double>(near(x, 0)) - low[at(x)]);
          }
          float* const cells = out.at(b);
          const float* const band = in[0].values + b;
#pragma GCC ivdep
          for (std::int64_t x = 0; x < width; ++x)
            cells[x] = settled(static_cast<float>(static_cast<double>(band[x * count]) + detail[at(x)]));
        }
        ++y;
        return true;
      }

     private:
      static constexpr int lanes = 16;
      const Pyramid& op;
      std::int64_t reach, y = 0, last_gap = 0;
      // Weights across, for cells that are a whole number of blocks after the row's first; rows as wide as they are
      // read.
      std::vector<double> wide, column, weights, low, detail, gone;

      [[nodiscard]] std::int64_t taps() const { return 2 * reach + 1; }
      static std::size_t at(std::int64_t x) { return static_cast<std::size_t>(x); }
      bool any_gap(std::int64_t width, Near<float> near, std::int64_t row) const {
        int found = 0;
        for (std::int64_t x = -reach; x < width + reach; ++x) found |= is_missing(near(x, row)) ? 1 : 0;
        return found != 0;
      }
      void begin(std::int64_t width, std::int64_t first, Table table, Near<float> near) {
        wide.resize(at(op.params.mtf.count * taps() * lanes));
        for (std::int64_t k = 0; k < op.params.mtf.count * taps() * lanes; ++k) {
          const std::int64_t gain = k / lanes / taps(), tap = k / lanes % taps();
          wide[at(k)] = table[(gain * op.params.ratio + op.phase(first + k % lanes)) * taps() + tap];
        }
        for (auto* row : {&column, &weights}) row->assign(at(width + 2 * reach + lanes), 0.0);
        for (auto* row : {&low, &detail, &gone}) row->assign(at(width + lanes), 0.0);
        last_gap = -reach - 1;
        for (std::int64_t row = -reach; row < reach; ++row) last_gap = any_gap(width, near, row) ? row : last_gap;
      }
      void low_frequencies(std::int64_t width, Near<float> near, const double* down, const double* across) {
        const std::int64_t all = width + 2 * reach;
        const bool gaps = last_gap >= y - reach;
        for (std::int64_t x = 0; x < all; x += lanes) {
          const std::int64_t n = std::min<std::int64_t>(lanes, all - x);
          gaps ? weigh<true>(n, x, near, down) : weigh<false>(n, x, near, down);
        }
        double total[lanes], whole = 0;
        if (!gaps) {
          for (std::int64_t k = 0; k < taps(); ++k) whole += down[k];
          sum_across(total, across, [&](std::int64_t, int) { return whole; });
        }
        // As many cells at a time as are whole blocks.
        const std::int64_t step = lanes / op.params.ratio * op.params.ratio;
        for (std::int64_t x = 0; x < width; x += step) {
          double sum[lanes];
          const double *columns = column.data() + x, *known = weights.data() + x;
          sum_across(sum, across, [&](std::int64_t k, int i) { return columns[k + i]; });
          if (gaps) sum_across(total, across, [&](std::int64_t k, int i) { return known[k + i]; });
          for (int i = 0; i < lanes; ++i) low[at(x + i)] = total[i] >= 0.5 ? sum[i] / total[i] : missing<double>;
        }
      }
      /// Sums of n columns from x on, counted from the first one read.
      template <bool gaps>
      void weigh(std::int64_t n, std::int64_t x, Near<float> near, const double* down) {
        double sum[lanes] = {}, weight[lanes] = {};
        const float* cells = near.centre + x - reach - reach * near.stride;
        const auto add = [&](std::int64_t count, const float* row, double w) {
          for (std::int64_t i = 0; i < count; ++i) {
            const bool gap = gaps && is_missing(row[i]);
            const double here = gap ? 0 : w;
            sum[i] += here * (gap ? 0 : static_cast<double>(row[i]));
            if constexpr (gaps) weight[i] += here;
          }
        };
        if (n == lanes)
          for (std::int64_t k = 0; k < taps(); ++k) add(lanes, cells + k * near.stride, down[k]);
        else
          for (std::int64_t k = 0; k < taps(); ++k) add(n, cells + k * near.stride, down[k]);
        for (std::int64_t i = 0; i < n; ++i) column[at(x + i)] = sum[i];
        if constexpr (gaps)
          for (std::int64_t i = 0; i < n; ++i) weights[at(x + i)] = weight[i];
      }
      template <class Value>
      void sum_across(double* to, const double* across, const Value& value) const {
        double sum[lanes] = {};
        for (std::int64_t k = 0; k < taps(); ++k)
          for (int i = 0; i < lanes; ++i) sum[i] += across[k * lanes + i] * value(k, i);
        for (int i = 0; i < lanes; ++i) to[i] = sum[i];
      }
    };
  };

  using Variant = Brovey;
  template <class Use>
  decltype(auto) variant(Use&& use) const {
    if (params.method == Method::hpf) return use(HighPass{params});
    if (params.method == Method::mtf_glp) return use(Pyramid{params});
    return use(Brovey{params});
  }
};

}  // namespace fulmar::ops
