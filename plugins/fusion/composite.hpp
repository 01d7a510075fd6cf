// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>

#include "core/select.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops {

/// One scene out of many dates: what is typical of a cell, or its best date.
///
///   median      of each band; of an even number of dates the mean of the two in the middle
///   mean        of each band
///   max_ndvi    all bands of the date at which (nir - red) / (nir + red) is largest; the first such date
///   medoid      all bands of the date x_i whose distances to all dates, |x_i - x_j|, sum to the least; the first
///   geomedian   the point y with the smallest sum of distances to all dates: from their mean on,
///               y <- sum(x_i / d_i) / sum(1 / d_i), d_i = |x_i - y|, and where y meets dates the rule of Vardi and
///               Zhang. One date gives itself, two their middle. It ends when y moves by less than 1e-7 of the mean of
///               the d_i, or after 500 steps
///
/// |.| is Euclidean over the bands, which should be of like range. median and mean leave out the dates at which the
/// band is missing; the others leave out dates at which any band is. A cell without any date left is missing; for
/// max_ndvi also one whose every date has nir + red = 0. No edge. Errors: red or nir name a band that the dates do not
/// have.
struct Composite {
  enum class Method { median, mean, max_ndvi, medoid, geomedian };
  struct Params {
    Method method = Method::median;
    std::int32_t red = 1;
    std::int32_t nir = 2;
  } params;

  static Schema schema() {
    return Schema{"composite", "Make one scene of many dates."}
        .series("scene", units::any, "The dates, each with the same bands: several files, or the bands of one.")
        .outputs_per_band("composite", units::any, "The bands of the composite.")
        .param("method", &Params::method, "How the dates become one.",
               {"median", "mean", "max_ndvi", "medoid", "geomedian"})
        .positional()
        .param("red", &Params::red, "Number of the red band, for max_ndvi.", units::one, between(1, 100000))
        .param("nir", &Params::nir, "Number of the near infrared band, for max_ndvi.", units::one, between(1, 100000))
        .example("scenes/*.tif ! composite median ! composite.tif")
        .cites("Holben 1986, Int. J. Remote Sensing 7, 1417 (max_ndvi)")
        .cites("Flood 2013, Remote Sensing 5, 6481 (medoid)")
        .cites("Roberts, Mueller & McIntyre 2017, IEEE TGRS 55, 6254 (geomedian)")
        .cites("Vardi & Zhang 2000, PNAS 97, 1423")
        .agrees(exactly);
  }

  std::int32_t bands() const {
    return params.method != Method::max_ndvi ? 1 : params.red > params.nir ? params.red : params.nir;
  }
  std::uint64_t scratch(const Dates& dates) const { return static_cast<std::uint64_t>(dates.count + 2 * dates.bands); }

  FULMAR_HD void operator()(Series<float> in, Scratch scratch, Outputs<float> out) const {
    if (params.method == Method::median || params.method == Method::mean) return each_band(in, scratch.values, out);
    if (params.method == Method::geomedian) return geomedian(in, scratch.values, out);
    const std::int32_t best = params.method == Method::medoid ? medoid(in) : greenest(in);
    for (std::int32_t b = 0; b < in.bands; ++b) out.set(b, best < 0 ? missing<float> : in(best, b));
  }

  /// mean, max_ndvi and the median of few dates, for many cells at once, date by date.
  class Rows {
   public:
    explicit Rows(const Composite& composite) : op{composite} {}
    template <class Out, class Dates, class Work, class To>
    bool take(std::int64_t width, const Out&, const Dates& in, const Work&, const To& to) {
      const Series<float> first = in[0];
      const bool median = op.params.method == Method::median;
      if (op.params.method == Method::medoid || op.params.method == Method::geomedian) return false;
      if (median && first.count > most_few) return false;
      const std::int64_t all = std::int64_t{first.count} * first.bands;
      for (std::int64_t x = 0; x < width; x += together) {
        const Cells cells{first.values + x * all, all, width - x < together ? width - x : together};
        if (op.params.method == Method::max_ndvi)
          greenest(first, cells, to[x]);
        else
          for (std::int32_t b = 0; b < first.bands; ++b)
            median ? median_of_few(first, cells, b, to[x].at(b)) : mean(first, cells, b, to[x].at(b));
      }
      return true;
    }

   private:
    static constexpr std::int64_t together = 128;
    static constexpr int lanes = 32;  // of a network: fewer are unrolled and then become no vectors
    /// Cells of a row: their values stand one cell after the other.
    struct Cells {
      const float* values;
      std::int64_t all, n;
      /// One value of each.
      void read(std::int64_t which, float* into) const {
        const float* from = values + which;
        for (std::int64_t i = 0; i < n; ++i) into[i] = from[i * all];
      }
    };
    const Composite& op;

    static void mean(const Series<float>& dates, const Cells& cells, std::int32_t b, float* to) {
      float value[together];
      double sum[together] = {}, n[together] = {};
      for (std::int32_t d = 0; d < dates.count; ++d) {
        cells.read(std::int64_t{d} * dates.bands + b, value);
        for (std::int64_t i = 0; i < cells.n; ++i) {
          const double v = static_cast<double>(value[i]), more = sum[i] + v;
          sum[i] = is_missing(v) ? sum[i] : more;
          n[i] += is_missing(v) ? 0 : 1;
        }
      }
      for (std::int64_t i = 0; i < cells.n; ++i) to[i] = settled(static_cast<float>(sum[i] / n[i]));
    }
    static void median_of_few(const Series<float>& dates, const Cells& cells, std::int32_t b, float* to) {
      for (std::int64_t x = 0; x < cells.n; x += lanes) {
        const std::int64_t n = cells.n - x < lanes ? cells.n - x : lanes;
        float found[lanes];
        const Set set{cells.values + x * cells.all + b, cells.all, n, dates.bands, dates.count};
        Composite::median_of_few<lanes>(set, found);
        for (std::int64_t i = 0; i < n; ++i) to[x + i] = settled(found[i]);
      }
    }
    void greenest(const Series<float>& dates, const Cells& cells, const Outputs<float>& to) const {
      float red[together], nir[together], value[together];
      double best[together], most[together];
      for (std::int64_t i = 0; i < cells.n; ++i) best[i] = -1, most[i] = 0;
      for (std::int32_t d = 0; d < dates.count; ++d) {
        const std::int64_t date = std::int64_t{d} * dates.bands;
        cells.read(date + op.params.red - 1, red);
        cells.read(date + op.params.nir - 1, nir);
        double ndvi[together];
        for (std::int64_t i = 0; i < cells.n; ++i)
          ndvi[i] = index(static_cast<double>(red[i]), static_cast<double>(nir[i]));
        for (std::int32_t b = 0; b < dates.bands; ++b) {
          if (b == op.params.red - 1 || b == op.params.nir - 1) continue;
          cells.read(date + b, value);
          for (std::int64_t i = 0; i < cells.n; ++i) ndvi[i] = is_missing(value[i]) ? missing<double> : ndvi[i];
        }
        for (std::int64_t i = 0; i < cells.n; ++i) {
          const bool better = (ndvi[i] > most[i]) | ((best[i] < 0) & !is_missing(ndvi[i]));
          best[i] = better ? d : best[i];
          most[i] = better ? ndvi[i] : most[i];
        }
      }
      for (std::int32_t b = 0; b < dates.bands; ++b) {
        float* out = to.at(b);
        const float* from = cells.values + b;
        for (std::int64_t i = 0; i < cells.n; ++i)
          out[i] =
              best[i] < 0 ? missing<float> : from[i * cells.all + static_cast<std::int64_t>(best[i]) * dates.bands];
      }
    }
  };

 private:
  FULMAR_HD void each_band(Series<float> in, double* values, Outputs<float> out) const {
    for (std::int32_t b = 0; b < in.bands; ++b) {
      if (params.method == Method::median && in.count <= most_few) {
        float found = missing<float>;
        median_of_few<1>(Set{in.values + b, 0, 1, in.bands, in.count}, &found);
        out.set(b, found);
        continue;
      }
      std::int64_t n = 0;
      double sum = 0;
      for (std::int32_t d = 0; d < in.count; ++d) {
        const auto v = static_cast<double>(in(d, b));
        if (is_missing(v)) continue;
        values[n++] = v;
        sum += v;
      }
      out.set(b, static_cast<float>(params.method == Method::mean ? sum / static_cast<double>(n) : median(values, n)));
    }
  }

  /// Dates that are sorted by a network.
  static constexpr std::int32_t most_few = 32;
  static constexpr float infinite = std::numeric_limits<float>::infinity();
  /// A band of some cells of a row at all dates.
  struct Set {
    const float* first;
    std::int64_t to_next, cells, to_later, dates;
  };
  template <int lanes>
  FULMAR_HD static void median_of_few(const Set& set, float* found) {
    const std::int64_t n = set.dates;
    if (n <= 4) return median_of<4, lanes>(set, found);
    if (n <= 6) return median_of<6, lanes>(set, found);
    if (n <= 8) return median_of<8, lanes>(set, found);
    if (n <= 10) return median_of<10, lanes>(set, found);
    if (n <= 12) return median_of<12, lanes>(set, found);
    if (n <= 16) return median_of<16, lanes>(set, found);
    if (n <= 24) return median_of<24, lanes>(set, found);
    median_of<most_few, lanes>(set, found);
  }
  /// Of at most `most` dates, an even number. What is missing counts as infinite, on either side in turn, so that the
  /// middle is in the same place whatever is missing.
  template <int most, int lanes>
  FULMAR_HD static void median_of(const Set& set, float* found) {
    float v[most * lanes], side[lanes], n[lanes];
    for (int d = 0; d < most; ++d) {
      const std::int64_t known = d < set.dates ? set.cells : 0;
      const float* const from = set.first + d * set.to_later;
      float* const to = v + d * lanes;
      for (std::int64_t k = 0; k < known; ++k) to[k] = from[k * set.to_next];
      for (std::int64_t k = known; k < lanes; ++k) to[k] = missing<float>;
    }
    for (int k = 0; k < lanes; ++k) side[k] = infinite, n[k] = 0;
    for (int d = 0; d < most; ++d)
      for (int k = 0; k < lanes; ++k) {
        const float value = v[d * lanes + k];
        const bool gone = is_missing(value);
        v[d * lanes + k] = gone ? side[k] : value;
        side[k] = gone ? -side[k] : side[k];
        n[k] += gone ? 0.0f : 1.0f;
      }
    sort_few<most, lanes>(v);
    for (int k = 0; k < lanes; ++k) {
      const double below = static_cast<double>(v[(most / 2 - 1) * lanes + k]);
      const double above = static_cast<double>(v[most / 2 * lanes + k]);
      const double middle = static_cast<std::int32_t>(n[k]) % 2 == 0 ? (below + above) / 2 : below;
      found[k] = n[k] > 0 ? static_cast<float>(middle) : missing<float>;
    }
  }

  /// True if every band was measured at the date.
  FULMAR_HD static bool whole(Series<float> in, std::int32_t date) {
    for (std::int32_t b = 0; b < in.bands; ++b)
      if (is_missing(in(date, b))) return false;
    return true;
  }

  FULMAR_HD static double distance(Series<float> in, std::int32_t date, std::int32_t other) {
    double sum = 0;
    for (std::int32_t b = 0; b < in.bands; ++b) {
      const double d = static_cast<double>(in(date, b)) - static_cast<double>(in(other, b));
      sum += d * d;
    }
    return math::sqrt(sum);
  }

  FULMAR_HD static std::int32_t medoid(Series<float> in) {
    std::int32_t best = -1;
    double least = 0;
    for (std::int32_t i = 0; i < in.count; ++i) {
      if (!whole(in, i)) continue;
      double sum = 0;
      for (std::int32_t j = 0; j < in.count; ++j)
        if (whole(in, j)) sum += distance(in, i, j);
      if (best < 0 || sum < least) best = i, least = sum;
    }
    return best;
  }

  FULMAR_HD [[gnu::always_inline]] static double index(double red, double nir) {
    const double sum = nir + red, ratio = (nir - red) / sum;
    return sum == 0 ? missing<double> : ratio;
  }
  FULMAR_HD std::int32_t greenest(Series<float> in) const {
    std::int32_t best = -1;
    double most = 0;
    for (std::int32_t d = 0; d < in.count; ++d) {
      if (!whole(in, d)) continue;
      const auto red = static_cast<double>(in(d, params.red - 1)), nir = static_cast<double>(in(d, params.nir - 1));
      const double ndvi = index(red, nir);
      if (ndvi > most || (best < 0 && !is_missing(ndvi))) best = d, most = ndvi;
    }
    return best;
  }

  FULMAR_HD static void geomedian(Series<float> in, double* values, Outputs<float> out) {
    constexpr double least = 1e-7;
    constexpr int most_steps = 500;
    const std::int32_t bands = in.bands;
    double* const y = values;
    double* const mean = values + bands;  // of the dates, weighted by the inverse of their distance
    std::int32_t n = 0;
    for (std::int32_t b = 0; b < bands; ++b) y[b] = 0;
    for (std::int32_t d = 0; d < in.count; ++d) {
      if (!whole(in, d)) continue;
      ++n;
      for (std::int32_t b = 0; b < bands; ++b) y[b] += static_cast<double>(in(d, b));
    }
    for (std::int32_t b = 0; b < bands; ++b) y[b] /= n;
    // Of one date the mean is the date, of two their middle.
    double near = 0;
    for (int step = 0; n > 2 && step < most_steps; ++step) {
      double weights = 0, distances = 0;
      std::int32_t met = 0;
      for (std::int32_t b = 0; b < bands; ++b) mean[b] = 0;
      for (std::int32_t d = 0; d < in.count; ++d) {
        if (!whole(in, d)) continue;
        double square = 0;
        for (std::int32_t b = 0; b < bands; ++b) {
          const double apart = static_cast<double>(in(d, b)) - y[b];
          square += apart * apart;
        }
        const double away = math::sqrt(square);
        distances += away;
        if (!(away > near)) {
          ++met;
          continue;
        }
        weights += 1 / away;
        for (std::int32_t b = 0; b < bands; ++b) mean[b] += static_cast<double>(in(d, b)) / away;
      }
      if (met == n) break;
      double pull = 0, moved = 0;
      for (std::int32_t b = 0; b < bands; ++b) {
        mean[b] /= weights;
        pull += (mean[b] - y[b]) * (mean[b] - y[b]);
      }
      // How far the dates that y has met hold it back: all the way where their number exceeds the others' pull.
      pull = math::sqrt(pull) * weights;
      const double held = met == 0 ? 0 : pull > met ? met / pull : 1;
      for (std::int32_t b = 0; b < bands; ++b) {
        const double next = (1 - held) * mean[b] + held * y[b];
        moved += (next - y[b]) * (next - y[b]);
        y[b] = next;
      }
      near = least * distances / n;
      if (!(math::sqrt(moved) > near)) break;
    }
    for (std::int32_t b = 0; b < bands; ++b) out.set(b, n == 0 ? missing<float> : static_cast<float>(y[b]));
  }
};

}  // namespace fulmar::ops
