// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// One probability out of many: every band is what one sensor or detector gives for "a target is here".
///
///   bayes     L = L0 + sum (ln(p / (1 - p)) - L0), L0 = ln(prior / (1 - prior)), p held in [1e-9, 1 - 1e-9], L in
///             [-20, 20]; probability 1 / (1 + exp(-L)); uncertainty is its entropy in bits, from 0 to 1. Sensors err
///             independently of one another
///   dempster  masses r p on target, r (1 - p) on none, 1 - r on either, r the reliability of the band; combined by
///             Dempster's rule, all that contradicts itself being shared out; missing where everything does
///   yager     the same masses, but what contradicts itself goes to either, once all bands are combined
/// The probability of dempster and yager is pignistic, the mass on target and half of that on either; uncertainty is
/// the mass on either. A band that is missing, or no probability, says nothing; where no band says anything, the result
/// is missing. The order of the bands does not matter, but for rounding. Errors: a list of reliabilities with another
/// number of entries than there are bands.
struct Evidence {
  enum class Rule { bayes, dempster, yager };
  static constexpr std::int32_t most_bands = 64;
  struct Params {
    Rule rule = Rule::bayes;
    double prior = 0.5;
    double reliability[most_bands] = {0.9};
    std::int32_t reliabilities = 1;
  } params;

  static Schema schema() {
    return Schema{"evidence", "Fuse the probabilities of several sensors into one."}
        .bands("probability", units::one, "Probability of a target, one band for each sensor.")
        .output("probability", units::one, "Probability of a target by all sensors.")
        .output("uncertainty", units::one, "Entropy in bits (bayes), or the mass on either (dempster, yager).")
        .param("rule", &Params::rule, "How evidence is combined.", {"bayes", "dempster", "yager"})
        .param("prior", &Params::prior, "Probability of a target before any sensor is asked (bayes).", units::one,
               strictly_between(0, 1))
        .text(
            "reliability", &read_reliability,
            "Trust in [0, 1], one number for all bands or one each, as in 0.9,0.6 (dempster, yager); 0.9 if not given.",
            false)
        .example("sensors.tif ! evidence --prior 0.1 ! fused.tif")
        .cites("Moravec & Elfes 1985, Proc. IEEE ICRA, 116-121 (bayes)")
        .cites("Shafer 1976, A Mathematical Theory of Evidence (dempster, reliability)")
        .cites("Yager 1987, Information Sciences 41(2), 93-137 (yager)")
        .cites("Smets & Kennes 1994, Artificial Intelligence 66, 191-234 (pignistic)")
        .agrees(exactly);
  }

  static void read_reliability(Params& p, std::string_view text) {
    const auto wrong = [&] {
      fail(Errc::usage, "reliability must be numbers in [0, 1] joined by commas, such as 0.9,0.6, not '" +
                            std::string{text.substr(0, 60)} + "'");
    };
    p.reliabilities = 0;
    for (const char *at = text.data(), *end = at + text.size();; ++at) {
      if (p.reliabilities == most_bands)
        fail(Errc::usage, "reliability takes no more than " + std::to_string(most_bands) + " numbers");
      double& r = p.reliability[p.reliabilities++];
      const auto [after, error] = std::from_chars(at, end, r);
      if (error != std::errc{} || !(r >= 0 && r <= 1) || (after != end && *after != ',')) wrong();
      if (after == end) return;
      at = after;
    }
  }

  /// The reliability of each band.
  std::uint64_t table(const Dates& dates, double* values) const {
    if (params.reliabilities > 1 && params.reliabilities != dates.bands)
      fail(Errc::usage, "reliability has " + std::to_string(params.reliabilities) + " numbers, but there are " +
                            std::to_string(dates.bands) + " bands");
    for (std::int64_t b = 0; b < dates.bands && values != nullptr; ++b)
      values[b] = params.reliability[params.reliabilities > 1 ? b : 0];
    return static_cast<std::uint64_t>(dates.bands);
  }

  FULMAR_HD static bool says(float p) { return (p >= 0.0f) & (p <= 1.0f); }

  struct Bayes {
    Params params;
    FULMAR_HD [[nodiscard]] double before() const { return math::log(params.prior / (1 - params.prior)); }
    /// What a probability adds to the odds.
    FULMAR_HD [[gnu::always_inline]] static double evidence(double p, double before) {
      constexpr double least = 1e-9;
      p = p < least ? least : p > 1 - least ? 1 - least : p;
      return math::log(p / (1 - p)) - before;
    }
    FULMAR_HD [[gnu::always_inline]] static Both<float, float> fused(double odds, bool heard) {
      constexpr double most = 20;
      odds = odds > most ? most : odds < -most ? -most : odds;
      const double p = 1 / (1 + math::exp(-odds)), q = 1 / (1 + math::exp(odds));
      const double entropy = -(p * math::log2(p) + q * math::log2(q));
      return {heard ? static_cast<float>(p) : missing<float>, heard ? static_cast<float>(entropy) : missing<float>};
    }
    FULMAR_HD Both<float, float> operator()(Bands<float> in, Table) const {
      const double prior = before();
      double odds = prior;
      bool heard = false;
      for (std::int32_t b = 0; b < in.count; ++b) {
        if (!says(in[b])) continue;
        odds += evidence(static_cast<double>(in[b]), prior);
        heard = true;
      }
      return fused(odds, heard);
    }
    /// Band by band, so that loops become vectors.
    struct Rows {
      const Bayes& op;
      template <class Out, class Scene, class Numbers>
      bool take(std::int64_t width, const Out& out, const Scene& in, const Numbers&) {
        constexpr std::int64_t together = 128;
        const double prior = op.before();
        const std::int64_t count = in[0].count;
        float p[together];
        double odds[together], heard[together];
        for (std::int64_t from = 0; from < width; from += together) {
          const std::int64_t n = width - from < together ? width - from : together;
          for (std::int64_t i = 0; i < n; ++i) odds[i] = prior, heard[i] = 0;
          for (std::int64_t b = 0; b < count; ++b) {
            const float* const band = in[from].values + b;
            for (std::int64_t i = 0; i < n; ++i) p[i] = band[i * count];
            for (std::int64_t i = 0; i < n; ++i) {
              const double more = odds[i] + evidence(static_cast<double>(p[i]), prior);
              odds[i] = says(p[i]) ? more : odds[i];
              heard[i] = says(p[i]) ? 1 : heard[i];
            }
          }
#pragma GCC ivdep
          for (std::int64_t i = 0; i < n; ++i) out.store(from + i, fused(odds[i], heard[i] != 0));
        }
        return true;
      }
    };
  };

  template <Rule rule>
  struct Masses {
    Params params;
    FULMAR_HD Both<float, float> operator()(Bands<float> in, Table reliability) const {
      double target = 0, none = 0, either = 1, conflict = 0;
      int heard = 0;
      for (std::int32_t b = 0; b < in.count; ++b) {
        if (!says(in[b])) continue;
        const double r = reliability[b], yes = r * static_cast<double>(in[b]), no = r - yes, unsure = 1 - r;
        conflict += target * no + none * yes;
        target = target * (yes + unsure) + either * yes;
        none = none * (no + unsure) + either * no;
        either *= unsure;
        ++heard;
      }
      if constexpr (rule == Rule::yager) {
        either += conflict;
      } else {
        const double kept = target + none + either;
        target /= kept, either /= kept;  // 0 / 0 is missing: total contradiction
      }
      if (heard == 0) return {missing<float>, missing<float>};
      return {static_cast<float>(target + either / 2), static_cast<float>(either)};
    }
  };
  using Variant = Bayes;

  template <class Use>
  decltype(auto) variant(Use&& use) const {
    if (params.rule == Rule::dempster) return use(Masses<Rule::dempster>{params});
    if (params.rule == Rule::yager) return use(Masses<Rule::yager>{params});
    return use(Bayes{params});
  }
};

}  // namespace fulmar::ops
