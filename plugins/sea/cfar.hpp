// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"
#include "sea/cfar_multipliers.hpp"

namespace fulmar::ops {

/// Constant false alarm rate detection of bright targets, such as ships, against the clutter around them.
///
/// s is the mean of the valid cells of the target window (the cell itself by default); the ring is what lies inside the
/// background window and outside the guard window, valid cells only, N of them, with mean m and variance v (ddof 0) of
/// the intensity. A cell is detected where s exceeds the threshold at which the model of the clutter is exceeded with
/// probability pfa:
///   ca             a(N) m             a = F^-1(1 - pfa; 2L, 2LN): L-look gamma clutter, uncertainty of m included
///   two_parameter  m + t sqrt(v)      t = Phi^-1(1 - pfa): Gaussian
///   lognormal      exp(m' + t sqrt(v'))  m', v' of the logarithm
///   k              T(nu) m            K distribution, 1/nu = mean(x^2) / (mean(x)^2 (1 + 1/L)) - 1; gamma where nu >
///   100
///   os             a(N) x_(k)         k = ceil(3/4 N)-th smallest of the ring, L = 1 whatever `looks` says:
///                                     product over i < k of (N - i) / (N - i + a) = pfa. Other targets in the ring do
///                                     not hide one, as long as they take less than a quarter of it. Speckle of more
///                                     looks alarms less often than pfa.
///   so, go         a(n) min(m1, m2), a(n) max(m1, m2)  m1, m2 of the halves of the ring left and right of the cell,
///                                     without its own column; n cells in the one that holds fewer, which is exact
///                                     where both hold as many and alarms less often elsewhere; L = 1 as for os. so
///                                     sees targets beside others, go is silent along edges of the clutter.
/// A cell without a value, or whose ring (for so and go either half) holds fewer valid cells than min-valid of a whole
/// one, is missing: unknown, not "no ship". Cells beyond the raster are not counted (edge: shrink). Windows are full
/// widths, odd. `background` is the ring's mean (for lognormal exp(m' + v' / 2), for os x_(k) over the sum of 1 / (N -
/// i), i < k, for so and go that of both halves).
struct Cfar {
  enum class Model { ca, two_parameter, lognormal, k, os, so, go };
  struct Params {
    Model model = Model::two_parameter;
    double pfa = 1e-6;
    double looks = 4.4;
    double min_valid = 0.25;
    Width target{0};
    Width guard{500};
    Width background{800};
    double t = 0;           ///< derived: the Gaussian quantile
    double fewest = 0;      ///< derived: valid cells a ring must hold
    double ring_cells = 0;  ///< derived: of a whole ring, or of half of it
  } params;

  static Schema schema() {
    return Schema{"cfar", "Detect targets brighter than the clutter around them."}
        .input("intensity", units::one, "Linear backscatter intensity, not decibels.")
        .output("detection", units::flag, "1 target, 0 none, missing where it cannot be told.")
        .output("background", units::one, "Mean of the ring.")
        .param("model", &Params::model, "How the threshold follows from the ring.",
               {"ca", "two_parameter", "lognormal", "k", "os", "so", "go"})
        .param("pfa", &Params::pfa, "Probability of false alarm.", units::one, strictly_between(1e-300, 0.5))
        .param("target", &Params::target, "Full width of the target window; 0 for the cell alone.", between(0, 1e5))
        .param("guard", &Params::guard, "Full width of the guard window, which the ring leaves out.", between(0, 1e6))
        .param("background", &Params::background, "Full width of the background window.", above(0))
        .param("looks", &Params::looks, "Equivalent number of looks (models ca and k).", units::one, between(0.1, 1e4))
        .param("min-valid", &Params::min_valid, "Fraction of the ring that must be valid.", units::one, between(0, 1))
        .example("scene_db.tif ! linear ! cfar --pfa 1e-6 --guard 210 --background 750 ! ships.tif")
        .cites("Finn & Johnson 1968, RCA Review 29, 414-464 (ca)")
        .cites("Goldstein 1973, IEEE Trans. AES 9(1), 84-92 (lognormal)")
        .cites("Ward 1981, Electronics Letters 17(16), 561-563 (k)")
        .cites(
            "Rohling 1983, IEEE Trans. AES 19(4), 608-621; Gandhi & Kassam 1988, IEEE Trans. AES 24(4), 427-445 (os)")
        .cites("Trunk 1978, IEEE Trans. AES 14(5), 750-757 (so)")
        .cites("Hansen & Sawyers 1980, IEEE Trans. AES 16(1), 115-118 (go)")
        .cites("Crisp 2004, DSTO-RR-0272 (two_parameter; survey)")
        .agrees(exactly);
  }

  static void check(Params& p) {
    if (p.background.x <= p.guard.x || p.background.y <= p.guard.y)
      fail(Errc::usage, "guard must be smaller than background: they are " + std::to_string(p.guard.x) + " and " +
                            std::to_string(p.background.x) + " cells wide");
    if (p.target.x > p.guard.x || p.target.y > p.guard.y)
      fail(Errc::usage, "target must not be larger than guard, or the target takes part in its own background");
    const RingShape ring{p.guard.half(), p.background.half()};
    p.ring_cells = ring.cells();
    if (p.model == Model::so || p.model == Model::go)
      p.ring_cells =
          static_cast<double>(ring.background.x) * p.background.y - static_cast<double>(ring.guard.x) * p.guard.y;
    p.fewest = p.min_valid * p.ring_cells < 1 ? 1 : p.min_valid * p.ring_cells;
    p.t = cfar::normal_isf(p.pfa);
  }

  /// Multipliers a(N) of ca, os, so or go for N = 0... of the ring; then thresholds T(nu) of k on `nu_nodes` steps of
  /// ln nu, or for os what makes a mean of x_(k).
  static constexpr std::int64_t most_entries = 65536, nu_nodes = 96;
  static constexpr double ln_nu_first = -2.995732273553991 /* ln 0.05 */, ln_nu_last = 4.605170185988092 /* ln 100 */;
  std::uint64_t table(double* values) const {
    if (params.model == Model::two_parameter || params.model == Model::lognormal) return 0;
    const auto entries = table_entries();
    const bool greatest = params.model == Model::go;
    if (greatest || params.model == Model::so) {
      if (values != nullptr) cfar::fill_half_multipliers(greatest, params.ring_cells, params.pfa, entries, values);
      return static_cast<std::uint64_t>(entries);
    }
    if (values != nullptr && params.model == Model::os) {
      cfar::fill_os_multipliers(params.ring_cells, params.pfa, entries, values, values + entries);
    } else if (values != nullptr) {
      cfar::fill_ca_multipliers(params.looks, params.ring_cells, params.pfa, entries, values);
      if (params.model == Model::k)
        for (std::int64_t i = 0; i < nu_nodes; ++i) {
          const double step = (ln_nu_last - ln_nu_first) / static_cast<double>(nu_nodes - 1);
          values[entries + i] =
              cfar::k_threshold(params.looks, std::exp(ln_nu_first + static_cast<double>(i) * step), params.pfa);
        }
    }
    const std::int64_t more = params.model == Model::k ? nu_nodes : params.model == Model::os ? entries : 0;
    return static_cast<std::uint64_t>(entries + more);
  }
  FULMAR_HD std::int64_t table_entries() const {
    return params.ring_cells + 1 < most_entries ? static_cast<std::int64_t>(params.ring_cells) + 1 : most_entries;
  }

  /// A difference smaller than half the resolution of f32 is rounding, not contrast: on a flat, saturated plateau the
  /// sums' own rounding would otherwise make targets of nothing.
  static constexpr double resolution = 0x1p-23;

  /// One model, whatever the target's window.
  template <Model model>
  struct Test {
    Params params;
    FULMAR_HD RingShape ring() const { return {params.guard.half(), params.background.half()}; }
    FULMAR_HD Box box() const { return params.target.half(); }

    FULMAR_HD float sample(float x) const requires(model == Model::lognormal) {
      return x > 0 ? static_cast<float>(math::log(static_cast<double>(x))) : missing<float>;
    }

    FULMAR_HD bool exceeds(double s, const WindowSums& r, Table table) const {
      const double excess = r.n * s - r.s1;
      const bool resolved = excess > resolution * r.n * (s < 0 ? -s : s);
      if constexpr (model == Model::two_parameter) {
        (void)table;
        // (s - m)^2 > t^2 v, multiplied by N^2: neither a root nor a division.
        return resolved & (excess * excess > params.t * params.t * (r.n * r.s2 - r.s1 * r.s1));
      } else if constexpr (model == Model::lognormal) {
        (void)table;
        const double level = math::log(s), over = r.n * level - r.s1;
        const double spread = params.t * params.t * (r.n * r.s2 - r.s1 * r.s1);
        // The ring's logarithms were rounded to f32, so their resolution follows their size.
        return (s > 0) & (over > resolution * r.n * (1 + (level < 0 ? -level : level))) & (over * over > spread);
      } else {
        const std::int64_t entries = Cfar{params}.table_entries();
        double multiplier = table[entry_of(r.n)];
        if constexpr (model == Model::k) {
          const double inverse = r.n * r.s2 / (r.s1 * r.s1) / (1 + 1 / params.looks) - 1;
          if (inverse > 0.01) multiplier = k_multiplier(-math::log(inverse), entries, table);
        }
        return resolved & (r.n * s > multiplier * r.s1);
      }
    }

    /// The entry of the table nearest to n cells.
    FULMAR_HD std::int32_t entry_of(double n) const {
      const double place = n * (static_cast<double>(Cfar{params}.table_entries() - 1) / params.ring_cells);
      // 32 bits: a processor without AVX-512 has no vector conversion to 64.
      return static_cast<std::int32_t>(place + 0.5);
    }

    /// T at ln nu, by the cubic through the four nodes around it.
    FULMAR_HD static double k_multiplier(double ln_nu, std::int64_t first, Table table) {
      const double scale = static_cast<double>(nu_nodes - 1) / (ln_nu_last - ln_nu_first);
      double u = (ln_nu - ln_nu_first) * scale;
      u = u < 0 ? 0 : u > nu_nodes - 1 ? nu_nodes - 1 : u;
      std::int64_t i = static_cast<std::int32_t>(u) - 1;
      i = i < 0 ? 0 : i > nu_nodes - 4 ? nu_nodes - 4 : i;
      const double a = u - static_cast<double>(i), b = a - 1, c = a - 2, d = a - 3;
      return table[first + i] * (b * c * d / -6) + table[first + i + 1] * (a * c * d / 2) +
             table[first + i + 2] * (a * b * d / -2) + table[first + i + 3] * (a * b * c / 6);
    }

    FULMAR_HD Both<std::uint8_t, float> decide(double s, bool absent, const WindowSums& r, Table table) const {
      const bool unknown = absent | (r.n < params.fewest);
      const std::uint8_t detected = exceeds(s, r, table) ? 1 : 0;
      const float mean = static_cast<float>(r.s1) / static_cast<float>(r.n);
      float background = mean;
      if constexpr (model == Model::lognormal) background = static_cast<float>(math::exp(r.mean() + r.variance() / 2));
      return {unknown ? missing<std::uint8_t> : detected, unknown ? missing<float> : background};
    }
  };
  template <Model model>
  struct CellTarget : Test<model> {
    FULMAR_HD Both<std::uint8_t, float> operator()(float intensity, RingMoments r, Table table) const {
      return this->decide(static_cast<double>(intensity), is_missing(intensity), r, table);
    }
  };
  template <Model model>
  struct WindowTarget : Test<model> {
    FULMAR_HD Both<std::uint8_t, float> operator()(float intensity, Moments target, RingMoments r, Table table) const {
      return this->decide(target.mean(), is_missing(intensity), r, table);
    }
  };
  /// Order statistics, whatever the target's window.
  struct Ordered : Test<Model::os> {
    FULMAR_HD RankShape ranks() const { return {params.background.half(), 0.75, true, params.guard.half()}; }
    FULMAR_HD Both<std::uint8_t, float> decide_by_rank(double s, bool absent, const WindowRanks& r, Table table) const {
      const bool unknown = absent | (r.n < params.fewest);
      const std::int32_t i = entry_of(r.n);
      const std::uint8_t detected = s > table[i] * r.lower ? 1 : 0;
      const float mean = static_cast<float>(r.lower * table[Cfar{params}.table_entries() + i]);
      return {unknown ? missing<std::uint8_t> : detected, unknown ? missing<float> : mean};
    }
  };
  struct OrderedCell : Ordered {
    FULMAR_HD Both<std::uint8_t, float> operator()(float intensity, RingRanks r, Table table) const {
      return decide_by_rank(static_cast<double>(intensity), is_missing(intensity), r, table);
    }
  };
  struct OrderedWindow : Ordered {
    FULMAR_HD Both<std::uint8_t, float> operator()(float intensity, Moments target, RingRanks r, Table table) const {
      return decide_by_rank(target.mean(), is_missing(intensity), r, table);
    }
  };
  /// The smaller or the greater of the means of two halves, whatever the target's window.
  template <Model model>
  struct Halves : Test<model> {
    FULMAR_HD Both<std::uint8_t, float> decide_by_half(double s, bool absent, const WindowSums& a, const WindowSums& b,
                                                       Table table) const {
      const double n = a.n < b.n ? a.n : b.n;
      const bool unknown = absent | (n < this->params.fewest);
      const bool first = (a.s1 * b.n < b.s1 * a.n) == (model == Model::so);
      const double sum = first ? a.s1 : b.s1, cells = first ? a.n : b.n;
      const bool resolved = cells * s - sum > resolution * cells * (s < 0 ? -s : s);
      const std::uint8_t detected = resolved & (cells * s > table[this->entry_of(n)] * sum) ? 1 : 0;
      const float mean = static_cast<float>((a.s1 + b.s1) / (a.n + b.n));
      return {unknown ? missing<std::uint8_t> : detected, unknown ? missing<float> : mean};
    }
  };
  template <Model model>
  struct HalvesCell : Halves<model> {
    FULMAR_HD Both<std::uint8_t, float> operator()(float intensity, LeftMoments a, RightMoments b, Table table) const {
      return this->decide_by_half(static_cast<double>(intensity), is_missing(intensity), a, b, table);
    }
  };
  template <Model model>
  struct HalvesWindow : Halves<model> {
    FULMAR_HD Both<std::uint8_t, float> operator()(float intensity, Moments target, LeftMoments a, RightMoments b,
                                                   Table table) const {
      return this->decide_by_half(target.mean(), is_missing(intensity), a, b, table);
    }
  };
  using Variant = CellTarget<Model::two_parameter>;

  template <class Use>
  decltype(auto) variant(Use&& use) const {
    switch (params.model) {
      case Model::ca:
        return with_target<Model::ca>(use);
      case Model::lognormal:
        return with_target<Model::lognormal>(use);
      case Model::k:
        return with_target<Model::k>(use);
      case Model::os:
        if (one_cell()) return use(OrderedCell{{{params}}});
        return use(OrderedWindow{{{params}}});
      case Model::so:
        return with_halves<Model::so>(use);
      case Model::go:
        return with_halves<Model::go>(use);
      case Model::two_parameter:
        break;
    }
    return with_target<Model::two_parameter>(use);
  }

 private:
  [[nodiscard]] bool one_cell() const { return params.target.x == 1 && params.target.y == 1; }
  template <Model model, class Use>
  decltype(auto) with_target(Use& use) const {
    if (one_cell()) return use(CellTarget<model>{{params}});
    return use(WindowTarget<model>{{params}});
  }
  template <Model model, class Use>
  decltype(auto) with_halves(Use& use) const {
    if (one_cell()) return use(HalvesCell<model>{{{params}}});
    return use(HalvesWindow<model>{{{params}}});
  }
};

}  // namespace fulmar::ops
