// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/families.hpp"
#include "ops/rounding.hpp"

namespace fulmar::ptx {
namespace {

/// Between integers: the low bits, or the nearest value that the type holds.
template <class To, class From, bool Sat>
To integer_to_integer(From v) {
  if constexpr (Sat) {
    const auto wide = static_cast<Int128>(v);
    if (wide < static_cast<Int128>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (wide > static_cast<Int128>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
  }
  return static_cast<To>(v);
}

template <class M, class To, class From>
To integer_to_float(From v) {
  const Rounding<M::round> mode;
  volatile To result = static_cast<To>(v);
  return saturate<M::sat>(To{result});
}

template <Round M, class T>
T to_integral(T v) {
  switch (M) {
    case Round::rn:
      return std::nearbyint(v);
    case Round::rz:
      return std::trunc(v);
    case Round::rm:
      return std::floor(v);
    default:
      return std::ceil(v);
  }
}

/// Clamps to what the type holds. A NaN becomes 0 between types below 64 bits, else the highest bit alone.
template <Round M, bool Ftz, class To, class From>
To float_to_integer(From v) {
  v = flush<Ftz>(v);
  if (std::isnan(v)) {
    if (sizeof(From) < 8 && sizeof(To) < 8) return 0;
    return static_cast<To>(std::uint64_t{1} << (sizeof(To) * 8 - 1));
  }
  v = to_integral<M>(v);
  // Both bounds are exact in the float's type, or one beyond the largest integer is.
  const From low = static_cast<From>(std::numeric_limits<To>::min());
  const From beyond = std::ldexp(From{1}, std::numeric_limits<To>::digits);
  if (v < low) return std::numeric_limits<To>::min();
  if (v >= beyond) return std::numeric_limits<To>::max();
  return static_cast<To>(v);
}

template <class M, class To, class From>
To float_to_float(From v) {
  const Rounding<M::round> mode;
  volatile To result = static_cast<To>(flush<M::ftz>(v));
  return saturate<M::sat>(canonical(flush<M::ftz>(To{result})));
}
/// cvt.rni.f32.f32 and the like: to an integral value of the same type.
template <Round M, bool Ftz, bool Sat, class T>
T round_float(T v) {
  return saturate<Sat>(canonical(to_integral<M>(flush<Ftz>(v))));
}

// ---- Half precision and bfloat16: only converted.

float half_to_float(std::uint16_t h) {
  const std::uint32_t sign = std::uint32_t{h & 0x8000u} << 16, exponent = h >> 10 & 31, fraction = h & 1023;
  if (exponent == 31) return get<float>(fraction ? 0x7fffffffu : sign | 0x7f800000u);
  if (exponent == 0) {
    const float v = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -v : v;
  }
  return get<float>(sign | (exponent + 112) << 23 | fraction << 13);
}
float bfloat_to_float(std::uint16_t h) { return get<float>(std::uint64_t{h} << 16); }

/// To a float of `Fraction` bits and `Exponent` bits, nearest, ties to even.
template <int Exponent, int Fraction>
std::uint16_t narrow(float v) {
  const int bias = (1 << (Exponent - 1)) - 1;
  const auto sign = static_cast<std::uint16_t>(std::signbit(v) << 15);
  if (std::isnan(v)) return 0x7fff;
  const double a = std::fabs(double{v});
  const std::uint16_t infinite = static_cast<std::uint16_t>(((1 << Exponent) - 1) << Fraction);
  if (a == 0) return sign;
  if (std::isinf(v)) return sign | infinite;
  int e = std::max(std::ilogb(a), 1 - bias);
  double scaled = std::nearbyint(std::ldexp(a, Fraction - e));  // the fraction with its leading 1, if it has one
  if (scaled >= std::ldexp(1.0, Fraction + 1)) {
    scaled /= 2;
    ++e;
  }
  if (e > bias) return sign | infinite;
  const auto bits = static_cast<std::uint32_t>(scaled);
  const std::uint32_t leading = 1u << Fraction;
  if (bits < leading) return static_cast<std::uint16_t>(sign | bits);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(e + bias) << Fraction | (bits - leading));
}
std::uint16_t float_to_half(float v) { return narrow<5, 10>(v); }
std::uint16_t float_to_bfloat(float v) { return narrow<8, 7>(v); }

template <class Make>
Handler for_round(int round, Make make) {
  switch (round) {
    case 0:
      return make.template operator()<Round::rn>();
    case 1:
      return make.template operator()<Round::rz>();
    case 2:
      return make.template operator()<Round::rm>();
    default:
      return make.template operator()<Round::rp>();
  }
}

void decode_cvt(Decoder& d) {
  const int integral = d.take_one({"rni", "rzi", "rmi", "rpi"});
  std::string_view rounding;
  for (const std::string_view word : {"rn", "rz", "rm", "rp"})
    for (const auto w : d.statement().words)
      if (w == word) rounding = word;
  const Type to = d.type(), from = d.type();
  if (to == Type::f16 || from == Type::f16 || to == Type::bf16 || from == Type::bf16) {
    if (to == Type::f32 && rounding.empty()) {
      d.emit(from == Type::f16 ? pure<half_to_float> : pure<bfloat_to_float>, {from});
    } else if (from == Type::f32 && rounding == "rn") {
      d.take("rn");
      d.emit(to == Type::f16 ? pure<float_to_half> : pure<float_to_bfloat>, {from});
    } else {
      d.unsupported("half precision is only converted from and to f32, .rn");
    }
    return;
  }
  if (is_float(to) && is_float(from)) {
    if (integral >= 0) {
      if (to != from) d.unsupported("integral rounding is within a type");
      const bool ftz = d.take("ftz"), sat = d.take("sat");
      d.emit(for_float(d, to,
                       [&]<class T>() -> Handler {
                         return for_round(integral, [&]<Round M>() -> Handler {
                           if (ftz)
                             return sat ? pure<round_float<M, true, true, T>> : pure<round_float<M, true, false, T>>;
                           return sat ? pure<round_float<M, false, true, T>> : pure<round_float<M, false, false, T>>;
                         });
                       }),
             {from});
      return;
    }
    if (bytes_of(to) < bytes_of(from) && rounding.empty()) d.unsupported("it needs a rounding");
    d.emit(with_modes(d,
                      [&]<class M>() -> Handler {
                        if (to == Type::f32)
                          return from == Type::f32 ? pure<float_to_float<M, float, float>>
                                                   : pure<float_to_float<M, float, double>>;
                        return from == Type::f32 ? pure<float_to_float<M, double, float>>
                                                 : pure<float_to_float<M, double, double>>;
                      }),
           {from});
    return;
  }
  if (is_float(to)) {
    if (rounding.empty()) d.unsupported("it needs a rounding");
    d.emit(with_modes(d,
                      [&]<class M>() -> Handler {
                        return for_integer(d, from, [&]<class T>() -> Handler {
                          return to == Type::f32 ? pure<integer_to_float<M, float, T>>
                                                 : pure<integer_to_float<M, double, T>>;
                        });
                      }),
           {from});
    return;
  }
  if (is_float(from)) {
    if (integral < 0) d.unsupported("it needs a rounding to integral");
    const bool ftz = d.take("ftz");
    d.take("sat");  // it saturates anyway
    d.emit(for_round(integral,
                     [&]<Round M>() -> Handler {
                       return for_integer(d, to, [&]<class T>() -> Handler {
                         if (from == Type::f64) return pure<float_to_integer<M, false, T, double>>;
                         return ftz ? pure<float_to_integer<M, true, T, float>>
                                    : pure<float_to_integer<M, false, T, float>>;
                       });
                     }),
           {from});
    return;
  }
  const bool sat = d.take("sat");
  d.emit(for_integer(d, to,
                     [&]<class To>() -> Handler {
                       return for_integer(d, from, [&]<class From>() -> Handler {
                         return sat ? pure<integer_to_integer<To, From, true>>
                                    : pure<integer_to_integer<To, From, false>>;
                       });
                     }),
         {from});
}

}  // namespace

void add_convert(Table& t) { t.add("cvt", decode_cvt); }

}  // namespace fulmar::ptx
