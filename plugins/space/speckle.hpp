// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// A speckle filter of radar intensity. With I the cell, m and v the mean and the variance (ddof 1) of the valid cells
/// of the (2 radius + 1)2 around it, Ci2 = v / m2, Cu2 = 1 / looks, L = looks:
///
///   boxcar       m
///   lee          m + w (I - m), w = 1 - Cu2 / Ci2, not below 0
///   kuan         m + w (I - m), w = (1 - Cu2 / Ci2) / (1 + Cu2), not below 0
///   frost        sum K x / sum K, K = exp(-damping Ci2 d), d the distance in cells, centre to centre
///   gamma_map    m where Ci <= Cu, I where Ci >= sqrt(2) Cu, else (b m + sqrt(m2 b2 + 4 a L m I)) / 2a with
///                a = (1 + Cu2) / (Ci2 - Cu2), b = a - L - 1
///   refined_lee  m + b (I - m) over that half of the 7 x 7 on the cell's side of the strongest edge, b = varX / v,
///                varX = (v - m2 s2) / (1 + s2), not below 0; s2 is the mean of the five smallest v / m2 of the nine 3
///                x 3 windows that tile the 7 x 7 with their rims shared. Neither radius nor looks matter. Where any of
///                the 49 is missing, all valid ones take the place of the half.
/// Where m or v is not above 0, the result is m. A missing cell stays missing; missing cells are not counted. Beyond
/// the raster no cell counts (edge shrink), or what counts is the nearest cell of its rim (replicate, as in the Orfeo
/// Toolbox). looks is never estimated, so that no tile differs from another.
struct Speckle {
  enum class Filter { boxcar, lee, kuan, frost, gamma_map, refined_lee };
  enum class Edge { shrink, replicate };
  struct Params {
    Filter filter = Filter::lee;
    std::int32_t radius = 2;
    double looks = 4.4;
    double damping = 2;
    Edge edge = Edge::shrink;
    std::int64_t width = 0, height = 0;  ///< derived: of the raster
  } params;

  static Schema schema() {
    return Schema{"speckle", "Smooth the speckle of a radar scene, and keep its edges."}
        .input("intensity", units::one, "Linear backscatter intensity, not decibels.")
        .output("intensity", units::one, "The intensity without most of its speckle.")
        .param("filter", &Params::filter, "How.", {"boxcar", "lee", "kuan", "frost", "gamma_map", "refined_lee"})
        .param("radius", &Params::radius, "The window is 2 radius + 1 cells wide; 7 for refined_lee.", units::cell,
               between(1, 25))
        .param("looks", &Params::looks, "Equivalent number of looks (lee, kuan, gamma_map).", units::one,
               between(0.1, 1e4))
        .param("damping", &Params::damping, "How fast weights fall with distance (frost).", units::one, between(0, 100))
        .param("edge", &Params::edge, "What lies beyond the raster.", {"shrink", "replicate"})
        .example("scene_db.tif ! linear ! speckle --filter refined_lee ! decibel ! smooth_db.tif")
        .cites("Lee 1980, IEEE Trans. PAMI 2(2), 165-168 (lee)")
        .cites("Kuan et al. 1985, IEEE Trans. PAMI 7(2), 165-177 (kuan)")
        .cites("Frost et al. 1982, IEEE Trans. PAMI 4(2), 157-166 (frost)")
        .cites("Lopes et al. 1990, Proc. IGARSS, 2409-2412 (gamma_map)")
        .cites("Lee 1981, Computer Graphics and Image Processing 17(1), 24-32 (refined_lee)")
        .agrees(exactly);
  }

  static void check(Params& p, const fulmar_ground& ground) { p.width = ground.width, p.height = ground.height; }

  /// Mean and variance (ddof 1) of some cells.
  struct Statistics {
    double mean, variance;
    FULMAR_HD bool flat() const { return !((mean > 0) & (variance > 0)); }
  };
  FULMAR_HD static Statistics statistics(const WindowSums& w) {
    return {w.mean(), w.n > 1 ? (w.s2 - w.s1 * w.s1 / w.n) / (w.n - 1) : 0};
  }
  FULMAR_HD static float result(float centre, double value) {
    return is_missing(centre) ? centre : static_cast<float>(value);
  }

  /// The filters that look at nothing but the cell and the sums around it.
  template <Filter filter>
  struct OfSums {
    Params params;
    FULMAR_HD Box box() const { return {params.radius, params.radius}; }
    FULMAR_HD float operator()(float intensity, Moments around) const { return of(intensity, around); }
    template <class Cells>
    FULMAR_HD float at(const Cells& cells, const WindowSums& around) const {
      return of(cells(0, 0), around);
    }
    FULMAR_HD float of(float intensity, const WindowSums& around) const {
      const auto s = statistics(around);
      const double m = s.mean, own = intensity;
      if constexpr (filter == Filter::boxcar) return result(intensity, m);
      const double ci2 = s.variance / (m * m), cu2 = 1 / params.looks;
      double value = m;
      if constexpr (filter == Filter::lee || filter == Filter::kuan) {
        double w = 1 - cu2 / ci2;
        if constexpr (filter == Filter::kuan) w /= 1 + cu2;
        value = m + (w > 0 ? w : 0.0) * (own - m);
      } else if constexpr (filter == Filter::gamma_map) {
        const double a = (1 + cu2) / (ci2 - cu2), b = a - params.looks - 1;
        const double root = m * m * b * b + 4 * a * params.looks * m * own;
        const double between = (b * m + math::sqrt(root)) / (2 * a);
        value = ci2 <= cu2 ? m : (ci2 >= 2 * cu2) | (root < 0) ? own : between;
      }
      return result(intensity, s.flat() ? m : value);
    }
  };

  struct Frost {
    Params params;
    FULMAR_HD Box halo() const { return {params.radius, params.radius}; }
    FULMAR_HD Box box() const { return {params.radius, params.radius}; }
    FULMAR_HD float operator()(Near<float> near, Moments around) const { return at(near, around); }
    template <class Cells>
    FULMAR_HD float at(const Cells& near, const WindowSums& around) const {
      const auto s = statistics(around);
      const double decay = params.damping * s.variance / (s.mean * s.mean);
      double sum = near(0, 0), weights = 1;
      for (int j = 1; j <= params.radius; ++j)
        for (int i = 0; i <= j; ++i) {  // an eighth of the window: the others have the same weights
          double cells = 0, n = 0;
          const auto four = [&](int x, int y) {
            const float v[4] = {near(x, y), near(-y, x), near(-x, -y), near(y, -x)};
            for (const float each : v) {
              cells += is_missing(each) ? 0.0 : static_cast<double>(each);
              n += is_missing(each) ? 0.0 : 1.0;
            }
          };
          four(i, j);
          if (i != 0 && i != j) four(j, i);
          const double k = math::exp(-decay * math::sqrt(static_cast<double>(i * i + j * j)));
          sum += k * cells, weights += k * n;
        }
      return result(near(0, 0), s.flat() ? s.mean : sum / weights);
    }
  };

  struct RefinedLee {
    Params params;
    FULMAR_HD Box halo() const { return {3, 3}; }
    /// Those of the 7 x 7 (x and y from 0) with a x + b y + c >= 0.
    struct Half {
      int a, b, c;
    };

    template <class Cells>
    FULMAR_HD static Statistics over(const Cells& near, int x0, int y0, int size, Half half, double& n) {
      double sum = 0, squares = 0;
      n = 0;
      const auto each = [&](const auto& add) {
        for (int y = y0; y < y0 + size; ++y)
          for (int x = x0; x < x0 + size; ++x) {
            const float v = near(x - 3, y - 3);
            const bool counts = (half.a * x + half.b * y + half.c >= 0) & !is_missing(v);
            add(counts, static_cast<double>(v));
          }
      };
      each([&](bool counts, double v) { sum += counts ? v : 0.0, n += counts ? 1.0 : 0.0; });
      const double mean = sum / n;
      each([&](bool counts, double v) { squares += counts ? (v - mean) * (v - mean) : 0.0; });
      return {mean, n > 1 ? squares / (n - 1) : 0};
    }

    /// The half on the cell's side of the strongest edge that the nine means show.
    FULMAR_HD static Half half_of(const double (&mean)[3][3]) {
      const double centre = mean[1][1];
      const double g[4] = {math::abs(mean[1][0] - mean[1][2]), math::abs(mean[0][2] - mean[2][0]),
                           math::abs(mean[0][1] - mean[2][1]), math::abs(mean[0][0] - mean[2][2])};
      int strongest = 0;
      for (int k = 1; k < 4; ++k) strongest = g[k] > g[strongest] ? k : strongest;
      const auto nearer = [centre](double one, double other) {
        return math::abs(one - centre) < math::abs(centre - other);
      };
      switch (strongest) {
        case 0:
          return nearer(mean[1][0], mean[1][2]) ? Half{-1, 0, 3} : Half{1, 0, -3};
        case 1:
          return nearer(mean[0][2], mean[2][0]) ? Half{1, -1, 0} : Half{-1, 1, 0};
        case 2:
          return nearer(mean[0][1], mean[2][1]) ? Half{0, -1, 3} : Half{0, 1, -3};
        default:
          return nearer(mean[0][0], mean[2][2]) ? Half{-1, -1, 6} : Half{1, 1, -6};
      }
    }

    FULMAR_HD float operator()(Near<float> near) const { return at(near, {}); }
    template <class Cells>
    FULMAR_HD float at(const Cells& near, const WindowSums&) const {
      const float own = near(0, 0);
      if (is_missing(own)) return own;
      double mean[3][3], smallest[9], n = 0, all = 0;
      int count = 0;
      for (int j = 0; j < 3; ++j)
        for (int i = 0; i < 3; ++i) {
          const Statistics s = over(near, 2 * i, 2 * j, 3, {0, 0, 0}, n);
          mean[j][i] = s.mean;
          if (!(n > 1 && s.mean > 0)) continue;
          const double noise = s.variance / (s.mean * s.mean);
          int k = count++;
          for (; k > 0 && smallest[k - 1] > noise; --k) smallest[k] = smallest[k - 1];
          smallest[k] = noise;
        }
      Statistics s = over(near, 0, 0, 7, {0, 0, 0}, all);
      if (all == 49) s = over(near, 0, 0, 7, half_of(mean), n);
      if (s.flat() || count == 0) return static_cast<float>(s.mean);
      const int most = count < 5 ? count : 5;
      double noise = 0;
      for (int k = 0; k < most; ++k) noise += smallest[k];
      noise /= most;
      const double clean = (s.variance - s.mean * s.mean * noise) / (1 + noise);
      const double b = clean > 0 ? clean / s.variance : 0;
      return static_cast<float>(s.mean + b * (static_cast<double>(own) - s.mean));
    }
  };

  /// A filter whose window sees the rim of the raster repeated beyond it.
  template <class Inner>
  struct Beyond {
    Inner inner;
    FULMAR_HD Box box() const { return {inner.params.radius, inner.params.radius}; }
    FULMAR_HD Box halo() const {
      if constexpr (requires { inner.halo(); })
        return inner.halo();
      else
        return box();
    }
    FULMAR_HD float operator()(Near<float> near, Moments around, Here here) const {
      const auto cells = Replicated<float>::at(near, here.x, here.y, inner.params.width, inner.params.height);
      const int r = inner.params.radius;
      WindowSums sums = around;
      if (!cells.holds(r, r)) {
        sums = {};
        for (int y = -r; y <= r; ++y)
          for (int x = -r; x <= r; ++x) {
            const float v = cells(x, y);
            const double value = is_missing(v) ? 0.0 : static_cast<double>(v);
            sums.n += is_missing(v) ? 0.0 : 1.0;
            sums.s1 += value;
            sums.s2 += value * value;
          }
      }
      return inner.at(cells, sums);
    }
  };
  using Variant = OfSums<Filter::lee>;

  template <class Use>
  decltype(auto) variant(Use&& use) const {
    switch (params.filter) {
      case Filter::boxcar:
        return with_edge(use, OfSums<Filter::boxcar>{params});
      case Filter::kuan:
        return with_edge(use, OfSums<Filter::kuan>{params});
      case Filter::gamma_map:
        return with_edge(use, OfSums<Filter::gamma_map>{params});
      case Filter::frost:
        return with_edge(use, Frost{params});
      case Filter::refined_lee:
        return with_edge(use, RefinedLee{params});
      case Filter::lee:
        break;
    }
    return with_edge(use, OfSums<Filter::lee>{params});
  }

 private:
  template <class Use, class Inner>
  decltype(auto) with_edge(Use& use, const Inner& inner) const {
    if (params.edge == Edge::replicate) return use(Beyond<Inner>{inner});
    return use(inner);
  }
};

}  // namespace fulmar::ops
