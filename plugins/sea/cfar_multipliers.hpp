// SPDX-License-Identifier: Apache-2.0
/// @file
/// Threshold multipliers for constant-false-alarm-rate detection: upper quantiles of the clutter models of a ship
/// detector.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

/// Quantiles from a false-alarm probability, on the host, once per scene.
///
/// Everything is solved as ln(tail(exp v)) = ln(pfa): the logarithm of a tail is nearly straight and concave in v, so
/// that Newton's method needs a handful of steps and keeps all digits at pfa = 1e-15, where 1 - pfa has lost them.
/// An argument outside its domain (pfa outside (0, 1), looks, cells or order not positive) gives NaN.
namespace fulmar::cfar {

namespace detail {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double epsilon = std::numeric_limits<double>::epsilon();

/// ln Gamma(z) - [(z - 1/2) ln z - z + ln(2 pi)/2], z > 0: what Stirling's formula leaves out. Absolute error < 2e-15.
///
/// Factors x^a e^-x / Gamma(a) built on it (Loader 2000) do not cancel for large a, as they do with lgamma.
inline double stirling_error(double z) {
  constexpr double half_ln_two_pi = 0.91893853320467274178;
  if (z < 15.0) return std::log(std::tgamma(z)) - ((z - 0.5) * std::log(z) - z + half_ln_two_pi);
  const double w = 1.0 / (z * z);
  return (1.0 / 12 - w * (1.0 / 360 - w * (1.0 / 1260 - w * (1.0 / 1680 - w * (1.0 / 1188 - w * 691.0 / 360360))))) / z;
}

/// r - 1 - ln r for r = exp(v): the deviance of a ratio, without cancellation at r = 1.
inline double deviance(double v) { return std::expm1(v) - v; }

/// Upper tail at exp(v) of a positive law, and density there times exp(v), which is the tail's slope against -v.
struct Tail {
  double probability, slope;
};

/// The v at which tail(v) = p, for a tail that falls with v and whose logarithm is concave.
///
/// Newton inside a bracket that grows until it holds the root; a step of more than 2 (a factor of 7) is cut, since the
/// tail is flat on the left and underflows on the right. Stops when a step changes v by less than 4e-16 (1 + |v|).
template <class F>
double solve_tail(F tail, double p, double v) {
  const double target = std::log(p);
  double low = -infinity, high = infinity;
  for (int i = 0; i < 200; ++i) {
    const auto [probability, slope] = tail(v);
    const double excess = std::log(probability) - target;
    (excess > 0.0 ? low : high) = v;
    double step = excess * probability / slope;
    if (!std::isfinite(step)) step = excess > 0.0 ? 2.0 : -2.0;
    double next = v + std::clamp(step, -2.0, 2.0);
    if (next <= low || next >= high) {
      if (std::fabs(step) < 1e-14 * (1.0 + std::fabs(v))) return v;  // rounding alone left the bracket
      next = 0.5 * (low + high);
    }
    if (std::fabs(next - v) <= 4e-16 * (1.0 + std::fabs(v))) return next;
    v = next;
  }
  return v;
}

/// Upper tail Q(a, a e^v) of Gamma(a, 1/a) at e^v, and its slope. Relative error of either about 1e-14.
///
/// Series of P below the mean, Legendre's continued fraction of Q above it (DLMF 8.11.4, 8.9.2).
inline Tail gamma_tail(double a, double v) {
  const double r = std::exp(v), x = a * r;
  if (x > 1e6 + 100.0 * a) return {0.0, 0.0};
  // x^a e^-x / Gamma(a)
  const double slope = std::sqrt(a / (2.0 * std::numbers::pi)) * std::exp(-a * deviance(v) - stirling_error(a));
  if (x < a + 1.0) {
    double term = 1.0 / a, sum = term;
    for (double n = a + 1.0; term > 0.5 * epsilon * sum; n += 1.0) sum += term *= x / n;
    return {1.0 - slope * sum, slope};
  }
  double b = x + 1.0 - a, c = 1e300, d = 1.0 / b, h = d;
  for (int i = 1; i < 100'000; ++i) {
    const double an = -i * (i - a);
    b += 2.0;
    d = 1.0 / (an * d + b);
    c = b + an / c;
    h *= c * d;
    if (std::fabs(c * d - 1.0) < epsilon) break;
  }
  return {slope * h, slope};
}

/// Upper tail at f = e^v of Fisher's F with 2a and 2b degrees of freedom, I_y(b, a) with y = b/(b + a f), and its
/// slope.
///
/// Relative error about 1e-13 for the smaller of a and b up to 1e4, whatever the other.
inline Tail fisher_tail(double a, double b, double v) {
  const double f = std::exp(v);
  // f * density = x^a y^b / B(a, b), from the side of the smaller parameter, whose terms are small.
  const double small = std::min(a, b), w = a <= b ? v : -v;
  const double exponent = small * w - (a + b) * std::log1p(small * std::expm1(w) / (a + b));
  const double slope = std::sqrt(a * b / (2.0 * std::numbers::pi * (a + b))) *
                       std::exp(exponent + stirling_error(a + b) - stirling_error(a) - stirling_error(b));
  // The continued fraction of Didonato & Morris (1992, eq. 9) for I_y(p, q), by Lentz's method; `balance` is
  // p - (p + q) y, exact at f = 1.
  const auto fraction = [](double p, double q, double y, double balance) {
    constexpr double tiny = 1e-300;
    const auto nonzero = [](double x) { return std::fabs(x) < tiny ? tiny : x; };
    double h = nonzero(p * (balance + 1.0) / (p + 1.0)), c = h, d = 0.0;
    for (int m = 1; m < 200'000; ++m) {
      const double e = p + 2.0 * m, share = m * (q - m) * y / (e - 1.0);
      const double alpha = (p + m - 1.0) * (p + q + m - 1.0) * y * share / (e - 1.0);
      const double beta = m + share + (p + m) * (balance + 1.0 + m * (2.0 - y)) / (e + 1.0);
      d = 1.0 / nonzero(beta + alpha * d);
      c = nonzero(beta + alpha / c);
      h *= c * d;
      if (std::fabs(c * d - 1.0) < epsilon) break;
    }
    return h;
  };
  const double sum = b + a * f, y = b / sum, x = a * f / sum;
  const double balance = a * b * std::expm1(v) / sum;
  if (f >= 1.0) return {slope / fraction(b, a, y, balance), slope};
  return {1.0 - slope / fraction(a, b, x, -balance), slope};
}

}  // namespace detail

/// Upper quantile of the standard normal law, t with P(X > t) = p: `t = sqrt(2) erfc^-1(2p)`.
///
/// Relative error < 1e-13 for p from 1e-300 to 1 - 1e-16; infinite at 0 and 1. Starts from Abramowitz & Stegun 26.2.23
/// (error 4.5e-4) and takes three Halley steps. Used by the two-parameter and log-normal detectors, where SNAP's
/// approximation is good to 1e-7 only.
inline double normal_isf(double p) {
  if (!(p >= 0.0 && p <= 1.0)) return detail::nan;
  if (p > 0.5) return -normal_isf(1.0 - p);  // exact: p > 1/2
  if (p == 0.0) return detail::infinity;
  if (p == 0.5) return 0.0;
  const double u = std::sqrt(-2.0 * std::log(p));
  double t = u - (2.515517 + u * (0.802853 + u * 0.010328)) / (1.0 + u * (1.432788 + u * (0.189269 + u * 0.001308)));
  for (int i = 0; i < 3; ++i) {
    const double density = std::exp(-0.5 * t * t) / std::sqrt(2.0 * std::numbers::pi);
    // Near the median the tail is 1/2 less a small number: take the small number.
    const double excess =
        p > 0.25 ? (0.5 - p) - 0.5 * std::erf(t / std::numbers::sqrt2) : 0.5 * std::erfc(t / std::numbers::sqrt2) - p;
    const double step = excess / density;
    t += step / (1.0 + 0.5 * t * step);
  }
  return t;
}

/// Upper quantile of Fisher's F law with d1 and d2 degrees of freedom, f with P(F > f) = p.
///
/// From the regularised incomplete beta function by continued fraction. Relative error < 1e-12 for p in [1e-15, 1/2],
/// the smaller of d1 and d2 up to 1e4 and the other up to 1e7.
inline double fisher_isf(double p, double d1, double d2) {
  if (!(p > 0.0 && p < 1.0 && d1 > 0.0 && d2 > 0.0)) return detail::nan;
  if (p > 0.5) return 1.0 / fisher_isf(1.0 - p, d2, d1);
  return std::exp(detail::solve_tail([&](double v) { return detail::fisher_tail(0.5 * d1, 0.5 * d2, v); }, p, 0.0));
}

/// Cell-averaging detector (Finn & Johnson 1968): the multiplier of the ring's mean, for L-look gamma clutter.
///
/// `alpha = F^-1_{1-pfa}(2L, 2LN)`, F being Fisher's law with those degrees of freedom; for L = 1 this is
/// `N (pfa^(-1/N) - 1)`. `cells` (N) counts independent cells and need be no integer.
inline double ca_multiplier(double looks, double cells, double pfa) {
  if (!(pfa > 0.0 && pfa < 1.0 && looks > 0.0 && cells > 0.0)) return detail::nan;
  if (looks == 1.0) return cells * std::expm1(-std::log(pfa) / cells);
  return fisher_isf(pfa, 2.0 * looks, 2.0 * looks * cells);
}

/// Threshold over mean for L-look gamma clutter whose mean is known: the upper quantile of Gamma(L, 1/L).
///
/// `Q(L, L T) = pfa`. The limit of ca_multiplier for N, and of k_threshold for nu, to infinity. Relative error < 1e-12
/// for pfa in [1e-15, 1/2].
inline double gamma_threshold(double looks, double pfa) {
  if (!(pfa > 0.0 && pfa < 1.0 && looks > 0.0)) return detail::nan;
  if (looks == 1.0) return -std::log(pfa);
  return std::exp(detail::solve_tail([&](double v) { return detail::gamma_tail(looks, v); }, pfa, 0.0));
}

namespace detail {

/// Upper tail of K-distributed intensity of mean 1 at e^v, and its slope.
///
/// `integral of Q(L, L T / tau) Gamma(tau; nu, 1/nu) dtau` over the texture tau, by the trapezoidal rule in u = ln tau.
/// There the integrand dies as exp(-exp |u|) at both ends and is analytic within |Im u| < pi/2, so that the rule
/// converges exponentially: the step below, half the width of the narrowest feature, leaves less than 1e-14.
inline Tail k_tail(double looks, double nu, double v) {
  // The largest term of the density: nu w^2 - (nu - L) w - L T = 0, w = e^u; both forms of the root avoid cancellation.
  const double scaled = looks * std::exp(v), difference = nu - looks;
  const double root = std::sqrt(difference * difference + 4.0 * nu * scaled);
  const double w = difference > 0.0 ? (difference + root) / (2.0 * nu) : 2.0 * scaled / (root - difference);
  const double curvature = std::max({nu, looks, nu * w + scaled / w});
  const double step = std::min(0.2, 0.5 / std::sqrt(curvature));
  const double centre = std::log(w);
  const double scale = step * std::sqrt(nu / (2.0 * std::numbers::pi)) * std::exp(-stirling_error(nu));
  Tail sum{0.0, 0.0};
  // Outwards both ways until a term no longer counts; terms rise to one peak and fall, so none is missed.
  for (const int direction : {1, -1}) {
    for (int i = direction > 0 ? 0 : 1; i < 100'000; ++i) {
      const double u = centre + direction * i * step;
      const double weight = scale * std::exp(-nu * deviance(u));
      const Tail speckle = gamma_tail(looks, v - u);
      const double p = weight * speckle.probability, s = weight * speckle.slope;
      sum.probability += p;
      sum.slope += s;
      if (p <= 1e-18 * sum.probability && s <= 1e-18 * sum.slope) break;
    }
  }
  return sum;
}

}  // namespace detail

/// Threshold over mean for L-look K-distributed clutter of order nu (Ward 1981): T with `CCDF(T) = pfa`.
///
/// Relative error < 1e-10 for pfa in [1e-15, 1/2], looks in [1/2, 100], nu in [0.05, 1e4]. An infinite nu is
/// gamma_threshold(looks, pfa). A call takes some tens of microseconds.
inline double k_threshold(double looks, double nu, double pfa) {
  if (!(pfa > 0.0 && pfa < 1.0 && looks > 0.0 && nu > 0.0)) return detail::nan;
  if (std::isinf(nu)) return gamma_threshold(looks, pfa);
  return std::exp(detail::solve_tail([&](double v) { return detail::k_tail(looks, nu, v); }, pfa, 0.0));
}

namespace detail {

/// Derivative of ln Gamma, z > 0, to 1e-12: where Newton's method goes, not where it ends.
inline double digamma(double z) {
  double sum = 0;
  for (; z < 12; z += 1) sum -= 1 / z;
  const double w = 1 / (z * z);
  return sum + std::log(z) - 0.5 / z - w * (1.0 / 12 - w * (1.0 / 120 - w / 252));
}

/// Probability that an exponential cell exceeds e^v times the k-th smallest of N others, and its slope.
///
/// The product over i < k of (N - i) / (N - i + alpha), as Gamma functions; of their logarithms by Stirling's formula
/// the large terms cancel on paper.
inline Tail ordered_tail(double cells, double k, double v) {
  const double alpha = std::exp(v), a = cells - k + 1, b = cells + 1;
  const double logarithm = (a - 0.5) * std::log1p(alpha / a) - (b - 0.5) * std::log1p(alpha / b) +
                           alpha * std::log1p(-k / (b + alpha)) + stirling_error(a + alpha) - stirling_error(a) -
                           stirling_error(b + alpha) + stirling_error(b);
  const double probability = std::exp(logarithm);
  return {probability, probability * alpha * (digamma(b + alpha) - digamma(a + alpha))};
}

}  // namespace detail

/// Order-statistic detector (Rohling 1983; Gandhi & Kassam 1988): the multiplier of the k-th smallest of N exponential
/// cells (one look), alpha with `product over i < k of (N - i) / (N - i + alpha) = pfa`.
///
/// Relative error < 1e-12 for pfa in [1e-15, 1/2] and N up to 1e7; `start` is a guess.
inline double os_multiplier(double cells, double k, double pfa, double start = 10) {
  if (!(pfa > 0.0 && pfa < 1.0 && k > 0.0 && cells >= k && start > 0.0)) return detail::nan;
  return std::exp(
      detail::solve_tail([&](double v) { return detail::ordered_tail(cells, k, v); }, pfa, std::log(start)));
}

/// The rank that os looks at among N cells: three quarters of them, rounded up.
inline double os_rank(double cells) { return std::ceil(0.75 * cells); }

/// The multipliers of os for rings of 0 to `most` valid cells, on `entries` equal steps from 0 to most; entry 0 is
/// never detected with (infinite). `means` holds the mean over the expected k-th smallest of N exponential cells, 1
/// over the sum of 1 / (N - i), i < k: what makes of x_(k) an unbiased mean of such clutter.
inline void fill_os_multipliers(double most, double pfa, std::int64_t entries, double* multipliers, double* means) {
  multipliers[0] = detail::infinity, means[0] = detail::nan;
  for (std::int64_t i = 1; i < entries; ++i) {
    const double n = most * static_cast<double>(i) / static_cast<double>(entries - 1), k = os_rank(n);
    multipliers[i] = os_multiplier(n, k, pfa, i > 1 ? multipliers[i - 1] : 10);
    means[i] = 1 / (detail::digamma(n + 1) - detail::digamma(n - k + 1));
  }
}

namespace detail {

/// Probability that an exponential cell exceeds e^v times the mean of either half of 2n others (greatest), or of one of
/// them (smallest), and its slope: with a = e^v / n
///   greatest  2 (1 + a)^-n I_{1 / (2 + a)}(n, n)
///   smallest  2 (1 + a)^-n - that
/// where the sum over i < n of C(n - 1 + i, i) (2 + a)^-(n + i) is (1 + a)^-n I_{(1 + a) / (2 + a)}(n, n).
inline Tail half_tail(double n, bool greatest, double v) {
  const double a = std::exp(v) / n, w = std::log1p(a), share = a / (1 + a);
  const double both = 2 * std::exp(-n * w);
  const Tail beta = fisher_tail(n, n, w);
  if (greatest) return {both * beta.probability, both * share * (n * beta.probability + beta.slope)};
  const double rest = 1 - beta.probability;
  return {both * rest, both * share * (n * rest - beta.slope)};
}

/// Fills multiplier(N) for N from 0 to `most`, on `entries` equal steps; entry 0 is never detected with (infinite).
/// Exact for up to 256 cells and for `most`; between nodes one per cent apart linear in 1/N, along which multipliers
/// are nearly straight: relative error < 1e-6.
template <class Multiplier>
void fill(double most, std::int64_t entries, double* multipliers, Multiplier multiplier) {
  const auto cells = [&](std::int64_t i) { return most * static_cast<double>(i) / static_cast<double>(entries - 1); };
  multipliers[0] = infinity;
  std::int64_t before = 0;
  for (std::int64_t i = 1; i < entries;) {
    const double n = cells(i);
    multipliers[i] = multiplier(n);
    for (std::int64_t k = before + 1; k < i; ++k) {
      const double a = 1 / cells(before), b = 1 / n, u = (1 / cells(k) - b) / (a - b);
      multipliers[k] = multipliers[i] + u * (multipliers[before] - multipliers[i]);
    }
    before = i;
    if (i == entries - 1) break;
    const auto step = n < 256 ? 1 : std::max<std::int64_t>(1, i / 100);
    i = std::min(i + step, entries - 1);
  }
}

}  // namespace detail

/// The multipliers of ca for rings of 0 to `most` valid cells.
inline void fill_ca_multipliers(double looks, double most, double pfa, std::int64_t entries, double* multipliers) {
  detail::fill(most, entries, multipliers, [&](double n) { return ca_multiplier(looks, n, pfa); });
}

/// Smallest-of and greatest-of detectors (Trunk 1978; Hansen & Sawyers 1980): the multiplier of the smaller or the
/// greater of the means of two halves of n exponential cells each (one look). With a = alpha / n,
///   P_SO = 2 sum over i < n of C(n - 1 + i, i) (2 + a)^-(n + i),  P_GO = 2 (1 + a)^-n - P_SO.
/// Relative error < 1e-11 for pfa in [1e-15, 1/2] and n up to 1e4.
inline double half_multiplier(double n, bool greatest, double pfa) {
  if (!(pfa > 0.0 && pfa < 1.0 && n > 0.0)) return detail::nan;
  return std::exp(detail::solve_tail([&](double v) { return detail::half_tail(n, greatest, v); }, pfa, 2.0));
}

/// Those multipliers for halves of 0 to `most` valid cells.
inline void fill_half_multipliers(bool greatest, double most, double pfa, std::int64_t entries, double* multipliers) {
  detail::fill(most, entries, multipliers, [&](double n) { return half_multiplier(n, greatest, pfa); });
}

}  // namespace fulmar::cfar
