// SPDX-License-Identifier: Apache-2.0
/// @file
/// Elementary functions whose bits do not depend on the processor, so that CPU and GPU agree exactly.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/host_device.hpp"

/// A loop vectorises only if every function in it is inlined, which a compiler's size limits would refuse in a functor
/// with several calls; hence by force.
#if defined(__GNUC__)
#define FULMAR_MATH FULMAR_HD [[gnu::always_inline]] inline
#else
#define FULMAR_MATH FULMAR_HD inline
#endif

/// Elementary functions in double precision, the same bits on every processor.
///
/// libm, CUDA and a vectorised loop each round exp and its kin differently. These functions use + - * / sqrt and
/// integer operations on the bits alone, each of which IEEE 754 (or two's complement) fixes to the last bit; compiled
/// without contraction (`-ffp-contract=off`, `--fmad=false`) they therefore give the same result everywhere. They have
/// no branches, so a plain loop over them vectorises.
///
/// Missing in, missing out: NaN in any argument gives NaN, in pow too (where C says pow(NaN, 0) = 1). The payload and
/// the sign of a NaN are not fixed.
///
/// Methods: Cody & Waite (1980) argument reduction; the compensated sums of fdlibm (Sun Microsystems, 1993) for log and
/// log10; Dekker's (1971) exact product for pow. Polynomials interpolate at Chebyshev nodes, computed with 60 digits;
/// the truncation error of each stays below 0.12 ulp of the result.
///
/// Error bounds are the largest seen by tests/core/math_test.cpp against long double libm, rounded up.
namespace fulmar::math {

namespace detail {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr std::uint64_t sign_bit = 0x8000000000000000u;

// The built-in of g++, clang and nvcc, since std::bit_cast is a host function to nvcc.
FULMAR_MATH std::uint64_t to_bits(double x) { return __builtin_bit_cast(std::uint64_t, x); }
FULMAR_MATH double from_bits(std::uint64_t x) { return __builtin_bit_cast(double, x); }

/// c0 + x (c1 + x (c2 + ...)).
FULMAR_MATH constexpr double horner(double, double c) { return c; }
template <class... C>
FULMAR_MATH constexpr double horner(double x, double c, C... rest) {
  return c + x * horner(x, rest...);
}

/// Adding this to |x| < 2^51 rounds x to an integer, ties to even, and leaves it in the low bits of the sum.
inline constexpr double shifter = 6755399441055744.0;  // 1.5 * 2^52

/// A sum of two doubles, the second of which is the rounding error of the first.
struct Double2 {
  double high, low;
};

/// a + b exactly, for |a| >= |b|.
FULMAR_MATH Double2 fast_two_sum(double a, double b) {
  const double s = a + b;
  return {s, b - (s - a)};
}

/// a + b exactly (Knuth).
FULMAR_MATH Double2 two_sum(double a, double b) {
  const double s = a + b;
  const double t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}

/// a * b exactly (Dekker), for |a|, |b| < 2^990. Without fma on purpose: it must not matter whether there is one.
FULMAR_MATH Double2 two_product(double a, double b) {
  constexpr double splitter = 134217729.0;  // 2^27 + 1
  const double ca = splitter * a, cb = splitter * b;
  const double ah = ca - (ca - a), bh = cb - (cb - b);
  const double al = a - ah, bl = b - bh;
  const double p = a * b;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

/// p * 2^k for an integer k in [-1100, 1100]; in two steps, so that the result may be denormal or overflow.
FULMAR_MATH double scale(double p, double k) {
  const double half = k * 0.5 + shifter;
  const double rest = (k - (half - shifter)) + shifter;
  const double first = from_bits((to_bits(half) + 1023u) << 52);
  const double second = from_bits((to_bits(rest) + 1023u) << 52);
  return (p * first) * second;
}

/// 2^shift * exp(high + low), with low no more than an ulp or so of high.
FULMAR_MATH double exp_sum(double high, double low, double shift) {
  constexpr double log2_e = 0x1.71547652b82fep+0;
  constexpr double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
  // Beyond these the result is 0 or infinite; a comparison with NaN is false and lets it pass. `low` was an ulp of what
  // `high` was, which may have been enormous.
  high = high > 711.0 ? 711.0 : high;
  high = high < -748.0 ? -748.0 : high;
  low = low > 1.0 ? 1.0 : low;
  low = low < -1.0 ? -1.0 : low;
  const double k = (high * log2_e + shifter) - shifter;
  const double a = high - k * ln2_high;  // exact: ln2_high has 32 bits
  const double b = k * ln2_low - low;
  const double r = a - b;
  const double tail = (a - r) - b;
  const double p = horner(r, 0.5000000000000001, 0.16666666666666669, 0.04166666666662413, 0.008333333333330062,
                          0.0013888888917213717, 0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06,
                          2.7620088445409746e-07, 2.510038549551032e-08);
  return scale(1.0 + (r + (r * r * p + tail)), k + shift);
}

/// x = 2^exponent * (1 + fraction) with 1 + fraction in [sqrt(1/2), sqrt(2)), for positive finite x.
struct Binary {
  double exponent, fraction;
};
FULMAR_MATH Binary split_binary(double x) {
  constexpr std::uint64_t sqrt_half = 0x3fe6a09e667f3bcdu, one = 0x3ff0000000000000u, mantissa = 0x000fffffffffffffu;
  const bool tiny = x < 0x1p-1022;
  const double y = tiny ? x * 0x1p54 : x;
  const std::uint64_t u = to_bits(y) + (one - sqrt_half);
  // The exponent becomes a double by writing it into the low bits of 2^52: AVX2 has no conversion from 64-bit integers.
  const double biased = from_bits((u >> 52) | 0x4330000000000000u) - 4503599627370496.0;
  return {biased - (tiny ? 1077.0 : 1023.0), from_bits((u & mantissa) + sqrt_half) - 1.0};
}

/// What a logarithm is at the edges of its domain, and r inside.
FULMAR_MATH double log_domain(double x, double r) {
  const double outside = x == 0.0 ? -infinity : nan;
  const double finite = x > 0.0 ? r : outside;
  return x == infinity ? infinity : finite;
}

/// ln(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))), s = f / (2 + f).
struct LogTerms {
  double half_square, correction;
};
FULMAR_MATH LogTerms log_terms(double f) {
  const double s = f / (2.0 + f);
  const double z = s * s;
  const double series = z * horner(z, 0.666666666666667, 0.3999999999989938, 0.28571428626031065, 0.2222221112572281,
                                   0.18182889786191042, 0.15331699633543858, 0.14616721179861816);
  const double half_square = 0.5 * f * f;
  return {half_square, s * (half_square + series)};
}

/// ln x in twice the precision, relative error about 2^-64, for positive finite x.
FULMAR_MATH Double2 log_long(double x) {
  constexpr double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
  constexpr double two_thirds = 0x1.5555555555555p-1, two_thirds_low = 0x1.5555555555555p-55;
  const Binary v = split_binary(x);
  const double f = v.fraction;
  // s = f / (2 + f), the divisor as a sum of two and the quotient corrected by its exact residual.
  const Double2 d = fast_two_sum(2.0, f);
  const double inverse = 1.0 / d.high;
  const double s = f * inverse;
  const Double2 product = two_product(s, d.high);
  const double s_low = (((f - product.high) - product.low) - s * d.low) * inverse;
  // q = 2 + 2/3 s^2 + s^4 (...): the last term is so small that plain precision is enough.
  const Double2 square = two_product(s, s);
  const double z = square.high, z_low = square.low + 2.0 * s * s_low;
  const Double2 third = two_product(z, two_thirds);
  const double third_low = third.low + (z * two_thirds_low + z_low * two_thirds);
  const double tail = z * z *
                      horner(z, 0.4, 0.2857142857142937, 0.2222222222165554, 0.1818181833547124, 0.15384594954137945,
                             0.13334805149611875, 0.11706224135460942, 0.11723306234080849);
  const Double2 q = fast_two_sum(2.0, third.high);
  const double q_low = q.low + (third_low + tail);
  const Double2 m = two_product(s, q.high);
  const double m_low = m.low + (s * q_low + s_low * q.high);
  const Double2 sum = two_sum(v.exponent * ln2_high, m.high);
  return fast_two_sum(sum.high, sum.low + (m_low + v.exponent * ln2_low));
}

/// x - n pi/2 as a sum of two, and n as the bits of an integer (the low two are right for negative n as well).
struct Quadrant {
  double high, low;
  std::uint64_t n;
};
FULMAR_MATH Quadrant reduce_angle(double x) {
  constexpr double two_over_pi = 0x1.45f306dc9c883p-1;
  constexpr double p1 = 0x1.921fb54400000p+0, p2 = 0x1.0b4611a600000p-34, p3 = 0x1.3198a2e037073p-69;
  const double shifted = x * two_over_pi + shifter;
  const double k = shifted - shifter;
  const double a = x - k * p1;  // exact for |k| < 2^20: p1 has 33 bits
  const double b = k * p2;      // exact too
  const double r = a - b;
  const double rest = ((a - r) - b) - k * p3;
  const double high = r + rest;
  return {high, (r - high) + rest, to_bits(shifted)};
}

FULMAR_MATH double sin_kernel(double r, double low) {
  const double z = r * r;
  const double p = horner(z, -0.16666666666666666, 0.008333333333330946, -0.0001984126983675497, 2.755731610068303e-06,
                          -2.5051131455427946e-08, 1.591810123027412e-10);
  return r + (r * z * p + low * (1.0 - 0.5 * z));
}

FULMAR_MATH double cos_kernel(double r, double low) {
  const double z = r * r;
  const double p = horner(z, 0.041666666666666664, -0.0013888888888887395, 2.4801587298763433e-05,
                          -2.7557317270560326e-07, 2.0876146024689747e-09, -1.1382614868556325e-11);
  const double half = 0.5 * z;
  const double w = 1.0 - half;
  return w + (((1.0 - w) - half) + (z * z * p - r * low));
}

/// asin(t) for t in [0, 1/2].
FULMAR_MATH double asin_kernel(double t) {
  const double z = t * t;
  const double p =
      horner(z, 0.16666666666666669, 0.07499999999998433, 0.04464285714635543, 0.030381944138531247,
             0.02237217294214989, 0.017352392720869973, 0.013971212973552933, 0.011479177415184906, 0.01032281435018578,
             0.005457506718640358, 0.01740087944269402, -0.014851887071247204, 0.028757851367421566);
  return t + t * z * p;
}

/// sinh(x) for |x| <= 1.
FULMAR_MATH double sinh_kernel(double x) {
  const double z = x * x;
  const double p = horner(z, 0.16666666666666666, 0.008333333333333299, 0.00019841269841324198, 2.7557319191381816e-06,
                          2.5052117695907823e-08, 1.6057679623801638e-10, 7.746178593018827e-13);
  return x + x * z * p;
}

}  // namespace detail

/// |x|, exact.
FULMAR_MATH double abs(double x) { return detail::from_bits(detail::to_bits(x) & ~detail::sign_bit); }

/// |x| with the sign of y, exact.
FULMAR_MATH double copysign(double x, double y) {
  using namespace detail;
  return from_bits((to_bits(x) & ~sign_bit) | (to_bits(y) & sign_bit));
}

/// The nearest integer, ties to even, exact; the sign of zero is kept.
FULMAR_MATH double rint(double x) {
  const double a = abs(x);
  const double rounded = (a + 4503599627370496.0) - 4503599627370496.0;
  return a < 4503599627370496.0 ? copysign(rounded, x) : x;
}

/// The largest integer that is no larger than x, exact.
FULMAR_MATH double floor(double x) {
  const double r = rint(x);
  return r > x ? r - 1.0 : r;
}

/// Square root, correctly rounded; NaN below zero.
FULMAR_MATH double sqrt(double x) { return ::sqrt(x); }

/// e^x. Error < 1 ulp (one denormal step where the result is denormal); 0 below -745.2, infinite above 709.79.
FULMAR_MATH double exp(double x) { return detail::exp_sum(x, 0.0, 0.0); }

/// 10^x. Error < 1.5 ulp (one denormal step where the result is denormal); 0 below -323.7, infinite above 308.26.
FULMAR_MATH double exp10(double x) {
  constexpr double log2_10 = 0x1.a934f0979a371p+1, ln10 = 0x1.26bb1bbb55516p+1;
  constexpr double log10_2_high = 0x1.3441350800000p-2, log10_2_low = 0x1.f79fef311f12bp-34;
  x = x > 309.0 ? 309.0 : x;
  x = x < -324.0 ? -324.0 : x;
  const double k = (x * log2_10 + detail::shifter) - detail::shifter;
  const double r = (x - k * log10_2_high) - k * log10_2_low;
  const double p = detail::horner(r, 2.6509490552391997, 2.0346785922934765, 1.1712551489110712, 0.5393829291953697,
                                  0.20699584911901286, 0.06808936514919253, 0.01959764247021038, 0.005013919597498674,
                                  0.0011571294633909092, 0.00024213243369661138);
  return detail::scale(1.0 + (r * ln10 + r * r * p), k);
}

/// ln x. Error < 1 ulp; ln 0 = -infinity, NaN below zero.
FULMAR_MATH double log(double x) {
  constexpr double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
  const auto [k, f] = detail::split_binary(x);
  const auto [half_square, correction] = detail::log_terms(f);
  const double r = k * ln2_high - ((half_square - (correction + k * ln2_low)) - f);
  return detail::log_domain(x, r);
}

namespace detail {

/// log_b x = log_b(2) k + ln(1 + f) / ln b, the products with the leading 26 bits being exact.
FULMAR_MATH double log_base(double x, double inverse_high, double inverse_low, double two_high, double two_low) {
  const auto [k, f] = split_binary(x);
  const auto [half_square, correction] = log_terms(f);
  const double high = from_bits(to_bits(f - half_square) & 0xfffffffff8000000u);
  const double low = ((f - high) - half_square) + correction;
  const double main = high * inverse_high;
  const double rest = (low + high) * inverse_low + low * inverse_high + k * two_low;
  const Double2 sum = two_sum(k * two_high, main);
  return log_domain(x, sum.high + (sum.low + rest));
}

}  // namespace detail

/// log10 x. Error < 1 ulp; log10 0 = -infinity, NaN below zero.
FULMAR_MATH double log10(double x) {
  return detail::log_base(x, 0x1.bcb7b10000000p-2, 0x1.49b9438ca9aaep-28, 0x1.3441350800000p-2, 0x1.f79fef311f12bp-34);
}

/// log2 x. Error < 1 ulp, exact for powers of two; log2 0 = -infinity, NaN below zero.
FULMAR_MATH double log2(double x) { return detail::log_base(x, 0x1.7154760000000p+0, 0x1.4ae0bf85ddf44p-26, 1.0, 0.0); }

/// x^y. Error < 2 ulp: the logarithm and its product with y carry twice the precision.
///
/// x < 0 takes an integer y, else NaN. pow(x, 0) = 1 and pow(1, y) = 1 for numbers; unlike C, NaN in either is NaN.
FULMAR_MATH double pow(double x, double y) {
  using namespace detail;
  const double a = abs(x);
  const bool whole = rint(y) == y;
  const bool odd = whole & (rint(0.5 * y) != 0.5 * y);
  // Larger exponents overflow, underflow or meet x = 1 all the same, and would overflow the exact product.
  const double bounded = y > 1e20 ? 1e20 : y < -1e20 ? -1e20 : y;
  const Double2 l = log_long(a);
  const Double2 e = two_product(bounded, l.high);
  double r = exp_sum(e.high, e.low + bounded * l.low, 0.0);
  const double at_zero = y < 0.0 ? infinity : 0.0;
  const double at_infinity = y < 0.0 ? 0.0 : infinity;
  r = a == 0.0 ? at_zero : r;
  r = a == infinity ? at_infinity : r;
  const double mirrored = odd ? copysign(r, x) : r;
  const bool undefined = (x < 0.0) & !whole & (a != infinity);
  r = undefined ? nan : mirrored;
  r = y == 0.0 ? 1.0 : r;
  return ((x == x) & (y == y)) ? r : nan;
}

/// sin x, x in radians. Error < 1 ulp for |x| < 1e5; NaN for |x| > 1.6e6, where the reduction would no longer be exact.
FULMAR_MATH double sin(double x) {
  using namespace detail;
  const Quadrant q = reduce_angle(x);
  const double s = sin_kernel(q.high, q.low), c = cos_kernel(q.high, q.low);
  const double r = (q.n & 1u) != 0 ? c : s;
  const double y = from_bits(to_bits(r) ^ ((q.n & 2u) << 62));
  const double kept = x == 0.0 ? x : y;
  return abs(x) < 1.6e6 ? kept : nan;
}

/// cos x, x in radians. Error < 1 ulp for |x| < 1e5; NaN for |x| > 1.6e6.
FULMAR_MATH double cos(double x) {
  using namespace detail;
  const Quadrant q = reduce_angle(x);
  const double s = sin_kernel(q.high, q.low), c = cos_kernel(q.high, q.low);
  const double r = (q.n & 1u) != 0 ? s : c;
  const double y = from_bits(to_bits(r) ^ (((q.n + 1u) & 2u) << 62));
  return abs(x) < 1.6e6 ? y : nan;
}

/// tan x, x in radians. Error < 2.5 ulp for |x| < 1e5; NaN for |x| > 1.6e6.
FULMAR_MATH double tan(double x) {
  using namespace detail;
  const Quadrant q = reduce_angle(x);
  const double s = sin_kernel(q.high, q.low), c = cos_kernel(q.high, q.low);
  const bool odd = (q.n & 1u) != 0;
  const double y = (odd ? -c : s) / (odd ? s : c);
  const double kept = x == 0.0 ? x : y;
  return abs(x) < 1.6e6 ? kept : nan;
}

/// asin x in [-pi/2, pi/2]. Error < 2.5 ulp; NaN for |x| > 1.
FULMAR_MATH double asin(double x) {
  using namespace detail;
  constexpr double half_pi = 0x1.921fb54442d18p+0, half_pi_low = 0x1.1a62633145c07p-54;
  const double a = abs(x);
  const bool outer = a > 0.5;  // asin a = pi/2 - 2 asin sqrt((1 - a) / 2)
  const double t = asin_kernel(outer ? ::sqrt(0.5 * (1.0 - a)) : a);
  const double y = outer ? half_pi - (2.0 * t - half_pi_low) : t;
  return copysign(y, x);
}

/// acos x in [0, pi]. Error < 1.5 ulp; NaN for |x| > 1.
FULMAR_MATH double acos(double x) {
  using namespace detail;
  constexpr double half_pi = 0x1.921fb54442d18p+0, half_pi_low = 0x1.1a62633145c07p-54;
  const double a = abs(x);
  const bool outer = a > 0.5;
  const double t = asin_kernel(outer ? ::sqrt(0.5 * (1.0 - a)) : a);
  const double inner = half_pi - (copysign(t, x) - half_pi_low);
  const double ends = x < 0.0 ? 2.0 * half_pi - (2.0 * t - 2.0 * half_pi_low) : 2.0 * t;
  return outer ? ends : inner;
}

/// atan x in [-pi/2, pi/2]. Error < 2 ulp.
FULMAR_MATH double atan(double x) {
  using namespace detail;
  constexpr double half_pi = 0x1.921fb54442d18p+0, half_pi_low = 0x1.1a62633145c07p-54;
  const double a = abs(x);
  const bool far = a > 0x1.3504f333f9de6p+1;   // tan(3 pi/8)
  const bool near = a < 0x1.a827999fcef32p-2;  // tan(pi/8)
  const double middle_n = near ? a : a - 1.0, middle_d = near ? 1.0 : a + 1.0;
  const double t = (far ? -1.0 : middle_n) / (far ? a : middle_d);
  const double share = far ? 1.0 : near ? 0.0 : 0.5;  // of pi/2
  const double z = t * t;
  const double p = horner(z, -0.3333333333333333, 0.19999999999995513, -0.1428571428466482, 0.11111111015117626,
                          -0.09090904572487347, 0.07692183059894114, -0.06664509603255386, 0.05858132894427922,
                          -0.05085365922344248, 0.03922923713835943, -0.01917392228554793);
  const double y = share * half_pi + (t + (t * z * p + share * half_pi_low));
  return x == x ? copysign(y, x) : nan;
}

/// The angle of (x, y) from the x axis, in [-pi, pi], with the signed zeros and infinities of C. Error < 2.5 ulp.
FULMAR_MATH double atan2(double y, double x) {
  using namespace detail;
  constexpr double pi = 0x1.921fb54442d18p+1, pi_low = 0x1.1a62633145c07p-53;
  const double ay = abs(y), ax = abs(x);
  const bool both_infinite = (ay == infinity) & (ax == infinity);
  const double ratio = both_infinite ? 1.0 : ay / ax;
  const double t = atan(ay == 0.0 ? 0.0 : ratio);
  const bool left = (to_bits(x) & sign_bit) != 0;
  const double r = left ? pi - (t - pi_low) : t;
  return ((x == x) & (y == y)) ? copysign(r, y) : nan;
}

/// sinh x. Error < 2 ulp.
FULMAR_MATH double sinh(double x) {
  const double a = abs(x);
  const double half = detail::exp_sum(a, 0.0, -1.0);  // e^a / 2, which is finite as long as sinh a is
  const double large = half - 0.25 / half;
  return copysign(a < 1.0 ? detail::sinh_kernel(a) : large, x);
}

/// cosh x. Error < 2 ulp.
FULMAR_MATH double cosh(double x) {
  const double half = detail::exp_sum(abs(x), 0.0, -1.0);
  return half + 0.25 / half;
}

/// tanh x. Error < 3 ulp.
FULMAR_MATH double tanh(double x) {
  const double a = abs(x);
  const double s = detail::sinh_kernel(a);
  const double small = s / ::sqrt(1.0 + s * s);
  const double large = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);
  const double y = copysign(a < 1.0 ? small : large, x);
  return x == x ? y : detail::nan;
}

}  // namespace fulmar::math

#undef FULMAR_MATH
