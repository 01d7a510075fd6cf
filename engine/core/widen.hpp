// SPDX-License-Identifier: Apache-2.0
/// @file
/// One stored cell as the engine computes with it, the same bits on host and device.
#pragma once

#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "core/host_device.hpp"
#include "core/missing.hpp"
#include "core/source.hpp"

namespace fulmar {

/// The nodata value in the stored type, if it has one there.
template <class T>
std::optional<T> stored_nodata(const StoredBand& band) {
  if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
    if (band.nodata_i64) return static_cast<T>(*band.nodata_i64);
  }
  if (!band.nodata) return std::nullopt;
  const double n = *band.nodata;
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(n);
  } else {
    // The end itself is excluded: of 64-bit types a double cannot hold the largest value, only the one after it.
    const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
    const bool fits = n >= static_cast<double>(std::numeric_limits<T>::lowest()) && n < end && n == std::floor(n);
    return fits ? std::optional{static_cast<T>(n)} : std::nullopt;
  }
}

inline constexpr float largest_float = std::numeric_limits<float>::max();

/// f32, missing as NaN: nodata is compared in the stored type, then value * scale + offset in f64, rounded once; what
/// is infinite is missing.
template <class T, bool scaled, bool has_nodata>
FULMAR_HD inline float widened(T stored, T nodata, double scale, double offset) {
  float v;
  if constexpr (scaled)
    v = static_cast<float>(static_cast<double>(stored) * scale + offset);
  else
    v = static_cast<float>(stored);
  if constexpr (has_nodata) v = stored == nodata ? missing<float> : v;
  if constexpr (std::is_floating_point_v<T> || scaled) {
    v = v >= -largest_float && v <= largest_float ? v : missing<float>;
  }
  return v;
}

}  // namespace fulmar
