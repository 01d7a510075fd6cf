// SPDX-License-Identifier: Apache-2.0
/// @file
/// Quantiles behind the CFAR thresholds: goldens of the specification, 30-digit references, identities and edges.
#include "sea/cfar_multipliers.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <vector>

namespace fulmar::cfar {
namespace {

/// |a / b - 1|.
double relative(double a, double b) { return std::fabs(a / b - 1.0); }

TEST(CfarMultipliers, goldens_of_the_specification) {
  // operators.md 2.1, with the digits given there (10, and 8 for K).
  EXPECT_LT(relative(ca_multiplier(1, 16, 1e-3), 8.638824417), 1e-9);
  EXPECT_LT(relative(ca_multiplier(1, 40, 1e-6), 16.50150178), 1e-9);
  EXPECT_LT(relative(ca_multiplier(4.4, 100, 1e-6), 5.153860835), 1e-9);
  EXPECT_LT(relative(ca_multiplier(4, 24, 1e-4), 4.256325179), 1e-9);
  EXPECT_LT(relative(normal_isf(std::pow(10.0, -6.5)), 4.981033610), 1e-9);
  EXPECT_LT(relative(normal_isf(1e-7), 5.199337582), 1e-9);
  EXPECT_LT(relative(normal_isf(std::pow(10.0, -12.5)), 7.193296149), 1e-9);
  EXPECT_NEAR(k_threshold(1, 0.5, 1e-6), 95.434166, 5e-7);
  EXPECT_NEAR(k_threshold(1, 1, 1e-6), 59.545237, 5e-7);
  EXPECT_NEAR(k_threshold(4.4, 2, 1e-6), 17.33751, 5e-6);
  EXPECT_NEAR(k_threshold(4.4, 10, 1e-6), 8.2291863, 5e-8);
}

TEST(CfarMultipliers, ordered_goldens_of_the_specification) {
  EXPECT_LT(relative(os_multiplier(16, 12, 1e-6), 20.95415996), 1e-9);
  EXPECT_LT(relative(os_multiplier(24, 18, 1e-6), 16.29328781), 1e-9);
  EXPECT_EQ(os_rank(16), 12);
  EXPECT_EQ(os_rank(17), 13);
}

TEST(CfarMultipliers, ordered_multiplier_makes_the_product) {
  for (const double pfa : {0.49, 1e-3, 1e-6, 1e-12, 1e-50})
    for (const int n : {1, 2, 3, 5, 16, 33, 80, 912, 3960, 60000}) {
      const double k = os_rank(n), alpha = os_multiplier(n, k, pfa);
      long double logarithm = 0, slope = 0;  // of the product, term by term
      for (int i = 0; i < static_cast<int>(k); ++i) {
        logarithm -= std::log1p(static_cast<long double>(alpha) / (n - i));
        slope += static_cast<long double>(alpha) / (n - i + static_cast<long double>(alpha));
      }
      // An error in the multiplier shows in the logarithm of the product, `slope` times as large.
      const auto error = static_cast<double>((logarithm - std::log(static_cast<long double>(pfa))) / slope);
      EXPECT_LT(std::fabs(error), 1e-12) << pfa << " " << n;
    }
  EXPECT_LT(relative(os_multiplier(1, 1, 1e-6), 1e6 - 1), 1e-12);
  EXPECT_TRUE(std::isnan(os_multiplier(3, 4, 1e-6)));
}

TEST(CfarMultipliers, ordered_table) {
  std::vector<double> table(913), means(913);
  fill_os_multipliers(912, 1e-6, 913, table.data(), means.data());
  EXPECT_EQ(table[0], std::numeric_limits<double>::infinity());
  EXPECT_LT(relative(table[16], 20.95415996), 1e-9);
  for (const int n : {1, 100, 911, 912}) {
    const auto entry = static_cast<std::size_t>(n);
    EXPECT_LT(relative(table[entry], os_multiplier(n, os_rank(n), 1e-6)), 1e-13);
    double expected = 0;  // of the k-th smallest, for clutter of mean 1
    for (int i = 0; i < static_cast<int>(os_rank(n)); ++i) expected += 1.0 / (n - i);
    EXPECT_LT(relative(means[entry] * expected, 1), 1e-12);
  }
}

TEST(CfarMultipliers, goldens_of_the_halves) {
  // operators.md 2.1, n = 8 on each side.
  EXPECT_LT(relative(half_multiplier(8, false, 1e-4), 19.55668231), 1e-9);
  EXPECT_LT(relative(half_multiplier(8, false, 1e-6), 41.05667029), 1e-9);
  EXPECT_LT(relative(half_multiplier(8, true, 1e-4), 10.87097148), 1e-9);
  EXPECT_LT(relative(half_multiplier(8, true, 1e-6), 19.35562340), 1e-9);
}

TEST(CfarMultipliers, multiplier_of_the_halves_makes_the_sums) {
  for (const double pfa : {0.3, 1e-3, 1e-6, 1e-9})
    for (const int n : {1, 2, 3, 8, 50, 400})
      for (const bool greatest : {false, true}) {
        const long double a = static_cast<long double>(half_multiplier(n, greatest, pfa)) / n;
        // P_SO term by term; P_GO as the terms behind, which its difference from the whole would drown.
        long double sum = 0, term = std::pow(2 + a, -static_cast<long double>(n));
        for (int i = 0; i < 200000; ++i) {
          if ((i >= n) == greatest) sum += term;
          term *= static_cast<long double>(n + i) / (i + 1) / (2 + a);
          if (i >= n && term < 1e-25L * sum) break;
        }
        EXPECT_LT(std::fabs(static_cast<double>(2 * sum / static_cast<long double>(pfa) - 1)), 1e-10)
            << n << " " << pfa << " " << greatest;
      }
  // One cell on each side: P_GO = 2 / (1 + a) - 2 / (2 + a), P_SO = 2 / (2 + a).
  EXPECT_LT(relative(half_multiplier(1, false, 1e-3), 2e3 - 2), 1e-12);
  const double a = half_multiplier(1, true, 1e-3);
  EXPECT_LT(relative(2 / (1 + a) / (2 + a), 1e-3), 1e-12);
  EXPECT_TRUE(std::isnan(half_multiplier(0, true, 1e-3)) && std::isnan(half_multiplier(8, true, 1)));
}

TEST(CfarMultipliers, table_of_the_halves) {
  for (const bool greatest : {false, true}) {
    std::vector<double> table(1981);
    fill_half_multipliers(greatest, 1980, 1e-6, 1981, table.data());
    EXPECT_EQ(table[0], std::numeric_limits<double>::infinity());
    for (std::size_t n = 1; n < table.size(); n += n < 300 ? 7 : 1)
      ASSERT_LT(relative(table[n], half_multiplier(static_cast<double>(n), greatest, 1e-6)), 1e-6) << n;
    EXPECT_EQ(table[1980], half_multiplier(1980, greatest, 1e-6));
  }
}

TEST(CfarMultipliers, normal_quantile_to_all_digits) {
  // mpmath, 40 digits: findroot(lambda t: log(erfc(t/sqrt(2))/2) - log(p), ...) with p the double nearest the decimal.
  struct Case {
    double p, t;
  };
  for (const auto& [p, t] :
       {Case{0.4999999, 2.50662827470310651e-7}, Case{0.499, 0.00250663089957176623}, Case{0.3, 0.524400512708040816},
        Case{1e-1, 1.28155156554460044}, Case{1e-3, 3.09023230616781354}, Case{1e-6, 4.75342430882289896},
        Case{1e-15, 7.94134532617099677}, Case{1e-50, 14.933337534788489}, Case{1e-300, 37.0470962993611992}}) {
    EXPECT_LT(relative(normal_isf(p), t), 1e-13) << p;
  }
  for (const double p : {0.05, 0.24, 0.25, 0.26, 0.4}) EXPECT_NEAR(normal_isf(1.0 - p), -normal_isf(p), 1e-14);
  EXPECT_EQ(normal_isf(0.5), 0.0);
  EXPECT_EQ(normal_isf(0.0), std::numeric_limits<double>::infinity());
  EXPECT_EQ(normal_isf(1.0), -std::numeric_limits<double>::infinity());
}

TEST(CfarMultipliers, fisher_quantile_to_all_digits) {
  // mpmath, 40 digits: root in ln f of log(betainc(d2/2, d1/2, 0, d2/(d2 + d1 f), regularized=True)) - log(p); for 1e7
  // degrees of freedom 1 - x^a y^b / (a B(a, b)) sum (a+b)_n / (a+1)_n x^n with 60 digits. Not scipy.stats.f.isf 1.10:
  // it gives 46328 for (1e-6, 8.8, 1e7) and is wrong in the second digit for (1e-15, 8.8, 880).
  struct Case {
    double p, d1, d2, f;
  };
  for (const auto& [p, d1, d2, f] :
       {Case{1e-6, 8.8, 880, 5.1538608350337872}, Case{1e-4, 8, 192, 4.25632517910057231},
        Case{0.5, 8.8, 880, 0.926054824660142415}, Case{1e-15, 8.8, 880, 10.7908876033641078},
        Case{1e-6, 8.8, 8.8, 56.5554453887452659}, Case{1e-9, 200, 4800, 1.74690526522240543},
        Case{1e-6, 200, 200, 1.97276985775201369}, Case{1e-3, 3, 7, 18.7722698150989902},
        Case{1e-6, 1, 1000, 24.2289341524646803}, Case{1e-6, 8.8, 1e7, 5.0447681641955037},
        Case{1e-12, 2.5, 1e7, 22.860808608729505}, Case{1e-4, 200, 1e7, 1.4153072884032056},
        Case{0.5, 8.8, 1e7, 0.92534839836205205}}) {
    EXPECT_LT(relative(fisher_isf(p, d1, d2), f), 1e-12) << p << " " << d1 << " " << d2;
  }
}

TEST(CfarMultipliers, fisher_quantile_identities) {
  for (const double p : {1e-12, 1e-6, 1e-3, 0.1, 0.4}) {
    // Two degrees of freedom on one side have closed forms.
    for (const double d : {0.5, 1.0, 7.0, 80.0, 1e4, 1e7})
      EXPECT_LT(relative(fisher_isf(p, 2, d), 0.5 * d * std::expm1(-2.0 / d * std::log(p))), 1e-12) << p << " " << d;
    // The lower tail is the upper tail of the inverse.
    EXPECT_LT(relative(fisher_isf(1.0 - p, 9, 30), 1.0 / fisher_isf(1.0 - (1.0 - p), 30, 9)), 1e-14);
  }
  EXPECT_NEAR(fisher_isf(0.5, 12, 12), 1.0, 1e-14);
}

TEST(CfarMultipliers, gamma_quantile_to_all_digits) {
  // mpmath, 30 digits: root in v of log(gammainc(L, L exp(v), inf, regularized=True)) - log(p).
  struct Case {
    double looks, p, t;
  };
  for (const auto& [looks, p, t] :
       {Case{4.4, 1e-6, 5.044758681583459}, Case{4.4, 0.5, 0.92534833622188458}, Case{100, 1e-15, 2.0119704679351866},
        Case{0.5, 1e-6, 23.928126976934829}, Case{2, 1e-15, 19.103824115299741}}) {
    EXPECT_LT(relative(gamma_threshold(looks, p), t), 1e-12) << looks << " " << p;
  }
  EXPECT_LT(relative(gamma_threshold(1.0 + 1e-13, 1e-9), gamma_threshold(1, 1e-9)), 1e-12);
}

TEST(CfarMultipliers, k_quantile_to_all_digits) {
  // mpmath, 30 digits, L = 1: root in v of log(2/gamma(n) (n e^v)^(n/2) besselk(n, 2 sqrt(n e^v))) - log(p).
  // L != 1: quad of gammainc(L, L T exp(-u), inf, regularized=True) n^n/gamma(n) exp(n u - n exp(u)) over u, 20 digits.
  struct Case {
    double looks, nu, p, t;
  };
  for (const auto& [looks, nu, p, t] : {Case{1, 0.5, 1e-6, 95.434165988611165}, Case{1, 1, 1e-6, 59.545236888991357},
                                        Case{1, 0.05, 1e-6, 567.65366140429539}, Case{1, 100, 1e-6, 14.601314219552137},
                                        Case{1, 0.05, 0.5, 6.0006559218509213e-6},
                                        Case{1, 3, 1e-15, 147.98310029573594}, Case{4.4, 2, 1e-6, 17.337509967017},
                                        Case{4.4, 10, 1e-6, 8.2291863308153}, Case{4.4, 0.5, 1e-9, 87.362972141106},
                                        Case{10, 5, 0.5, 0.8828932218256}, Case{100, 20, 1e-6, 2.7465808198464}}) {
    EXPECT_LT(relative(k_threshold(looks, nu, p), t), 1e-12) << looks << " " << nu << " " << p;
  }
}

#if defined(__cpp_lib_math_special_functions)
TEST(CfarMultipliers, k_tail_matches_the_closed_form_for_one_look) {
  for (double nu = 0.05; nu < 60.0; nu *= 1.7)
    for (double t = 1e-3; t < 300.0; t *= 2.3) {
      const double closed =
          2.0 / std::tgamma(nu) * std::pow(nu * t, 0.5 * nu) * std::cyl_bessel_k(nu, 2.0 * std::sqrt(nu * t));
      if (closed < 1e-280) continue;
      EXPECT_LT(relative(detail::k_tail(1.0, nu, std::log(t)).probability, closed), 1e-11) << nu << " " << t;
    }
}
#endif

TEST(CfarMultipliers, k_lies_above_gamma_and_tends_to_it) {
  for (const double looks : {0.5, 1.0, 4.4, 30.0, 100.0}) {
    for (const double p : {1e-15, 1e-9, 1e-6, 1e-3}) {
      double before = std::numeric_limits<double>::infinity();
      for (const double nu : {0.05, 0.3, 1.0, 4.4, 30.0, 100.0, 1e3, 1e4}) {
        const double t = k_threshold(looks, nu, p);
        EXPECT_LT(t, before);
        before = t;
        // The threshold is what it says: the tail there is the false-alarm probability.
        EXPECT_LT(relative(detail::k_tail(looks, nu, std::log(t)).probability, p), 1e-12);
      }
      const double limit = gamma_threshold(looks, p);
      EXPECT_GT(before, limit);
      EXPECT_LT(relative(before, limit), 0.1);
      EXPECT_EQ(k_threshold(looks, std::numeric_limits<double>::infinity(), p), limit);
      // The distance to the limit goes as 1/nu.
      const double far = k_threshold(looks, 1e6, p) - limit, further = k_threshold(looks, 1e7, p) - limit;
      EXPECT_NEAR(far / further, 10.0, 0.2) << looks << " " << p;
    }
  }
}

TEST(CfarMultipliers, swapping_looks_and_order_changes_nothing) {
  // The product of two gamma variates does not know which one is the speckle.
  for (const double a : {0.5, 2.0, 4.4, 12.0})
    for (const double b : {0.7, 3.0, 80.0})
      for (const double p : {0.5, 1e-6, 1e-15}) EXPECT_LT(relative(k_threshold(a, b, p), k_threshold(b, a, p)), 1e-11);
}

TEST(CfarMultipliers, edges) {
  EXPECT_DOUBLE_EQ(ca_multiplier(1, 1, 0.5), 1.0);
  EXPECT_LT(relative(ca_multiplier(1, 1, 1e-15), 1e15 - 1.0), 1e-12);
  EXPECT_LT(relative(ca_multiplier(1.0 + 1e-13, 1, 1e-15), 1e15), 1e-10);
  EXPECT_NEAR(ca_multiplier(100, 1, 0.5), 1.0, 1e-13);
  EXPECT_LT(relative(ca_multiplier(100, 1, 1e-15), 3.171749377234973), 1e-12);
  EXPECT_LT(relative(ca_multiplier(100, 5e4, 1e-15), gamma_threshold(100, 1e-15)), 1e-3);
  for (const double p : {1e-15, 1e-6, 0.5}) {
    EXPECT_GT(ca_multiplier(4.4, 10, p), ca_multiplier(4.4, 1e6, p));
    EXPECT_LT(relative(ca_multiplier(4.4, 1e6, p), gamma_threshold(4.4, p)), 1e-4);
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double p : {-0.1, 0.0, 1.0, 1.5, nan}) {
    EXPECT_TRUE(std::isnan(ca_multiplier(1, 16, p)) && std::isnan(ca_multiplier(2, 16, p))) << p;
    EXPECT_TRUE(std::isnan(gamma_threshold(4.4, p)) && std::isnan(k_threshold(4.4, 2, p))) << p;
    EXPECT_TRUE(std::isnan(fisher_isf(p, 3, 7))) << p;
  }
  for (const double p : {-1e-300, 1.0000001, nan}) EXPECT_TRUE(std::isnan(normal_isf(p)));
  for (const double bad : {0.0, -1.0, nan}) {
    EXPECT_TRUE(std::isnan(ca_multiplier(bad, 16, 1e-6)) && std::isnan(ca_multiplier(1, bad, 1e-6)));
    EXPECT_TRUE(std::isnan(k_threshold(bad, 2, 1e-6)) && std::isnan(k_threshold(4.4, bad, 1e-6)));
    EXPECT_TRUE(std::isnan(gamma_threshold(bad, 1e-6)) && std::isnan(fisher_isf(1e-6, bad, 3)));
  }
}

TEST(CfarMultipliers, a_table_over_the_order_fills_in_no_time) {
  for (const double looks : {1.0, 4.4, 100.0}) {
    const auto start = std::chrono::steady_clock::now();
    double sum = 0.0;
    for (int i = 0; i < 64; ++i) sum += k_threshold(looks, 0.05 * std::pow(2000.0, i / 63.0), 1e-6);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    EXPECT_TRUE(std::isfinite(sum));
    EXPECT_LT(elapsed.count(), 0.3);
    RecordProperty("table_ms_looks_" + std::to_string(looks), std::to_string(1e3 * elapsed.count()));
  }
}

}  // namespace
}  // namespace fulmar::cfar
