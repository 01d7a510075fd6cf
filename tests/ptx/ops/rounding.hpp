// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rounding modes, flushing of subnormals, saturation and the canonical NaN. Files that use this are compiled with
/// -frounding-math and without contraction.
#pragma once

#include <cfenv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "ops/pure.hpp"

namespace fulmar::ptx {

enum class Round : std::uint8_t { rn, rz, rm, rp };

/// Sets the processor's mode while it lives.
template <Round M>
class Rounding {
 public:
  Rounding() {
    if constexpr (M != Round::rn) {
      before_ = std::fegetround();
      std::fesetround(M == Round::rz ? FE_TOWARDZERO : M == Round::rm ? FE_DOWNWARD : FE_UPWARD);
    }
  }
  ~Rounding() {
    if constexpr (M != Round::rn) std::fesetround(before_);
  }
  Rounding(const Rounding&) = delete;
  Rounding& operator=(const Rounding&) = delete;

 private:
  int before_ = 0;
};

/// f32 results that are not numbers are this one NaN (PTX ISA, "Floating Point Comparisons", canonical NaN).
inline float canonical(float v) { return std::isnan(v) ? get<float>(0x7fffffffu) : v; }
inline double canonical(double v) { return v; }

/// .ftz: subnormal values count as zero of their sign.
template <bool Ftz>
float flush(float v) {
  if constexpr (Ftz)
    if (std::fabs(v) < std::numeric_limits<float>::min()) return std::copysign(0.0f, v);
  return v;
}
template <bool Ftz>
double flush(double v) {
  return v;
}

/// .sat: to [0, 1], not a number to +0.
template <bool Sat, class T>
T saturate(T v) {
  if constexpr (Sat) return v > T{0} ? (v < T{1} ? v : T{1}) : T{0};
  return v;
}

/// The modifiers of a float instruction, as template arguments.
template <Round M, bool Ftz, bool Sat>
struct Modes {
  static constexpr Round round = M;
  static constexpr bool ftz = Ftz;
  static constexpr bool sat = Sat;
};

/// Reads .rn .rz .rm .rp, .ftz and .sat and calls `make` with Modes.
template <class Make>
Handler with_modes(Decoder& d, Make make) {
  const int round = d.take_one({"rn", "rz", "rm", "rp"});
  const bool ftz = d.take("ftz"), sat = d.take("sat");
  const auto flags = [&]<Round M>() -> Handler {
    if (ftz)
      return sat ? make.template operator()<Modes<M, true, true>>() : make.template operator()<Modes<M, true, false>>();
    return sat ? make.template operator()<Modes<M, false, true>>() : make.template operator()<Modes<M, false, false>>();
  };
  switch (round) {
    case 1:
      return flags.template operator()<Round::rz>();
    case 2:
      return flags.template operator()<Round::rm>();
    case 3:
      return flags.template operator()<Round::rp>();
    default:
      return flags.template operator()<Round::rn>();
  }
}

}  // namespace fulmar::ptx
