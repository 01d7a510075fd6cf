// SPDX-License-Identifier: Apache-2.0
/// @file
/// Order statistics of a few numbers in scratch memory, the same on host and device.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"
#include "core/missing.hpp"

namespace fulmar {

/// Places from 0 of the cells that a RankShape asks for.
struct RankPlaces {
  std::uint32_t low = 0, high = 0;
};

/// Among n > 0 cells.
FULMAR_HD inline RankPlaces places_among(std::uint32_t n, double fraction, bool one) {
  if (one) {
    const double k = fraction * n;
    auto place = static_cast<std::uint32_t>(k);
    place += k > place ? 1 : 0;
    place = (place < 1 ? 1 : place > n ? n : place) - 1;
    return {place, place};
  }
  const double h = (n - 1) * fraction;
  const auto low = static_cast<std::uint32_t>(h);
  return {low, low + (h > low ? 1 : 0)};
}

/// Bits in the order of the numbers they stand for; the numbers are not NaN.
FULMAR_HD inline std::uint32_t key_of(float v) {
  const auto b = __builtin_bit_cast(std::uint32_t, v);
  return b ^ ((b >> 31) != 0 ? 0xffffffffu : 0x80000000u);
}
FULMAR_HD inline float number_of(std::uint32_t key) {
  return __builtin_bit_cast(float, key ^ ((key >> 31) != 0 ? 0x80000000u : 0xffffffffu));
}

/// The k-th smallest (from 0) of n numbers, none of them NaN. Afterwards none of v[0..k) is larger and none of v(k..n)
/// smaller than v[k] (Hoare 1961, Find).
FULMAR_HD inline double select_kth(double* v, std::int64_t n, std::int64_t k) {
  std::int64_t low = 0, high = n - 1;
  while (low < high) {
    // The middle one of three as pivot, so that what is sorted already costs no more.
    const double a = v[low], b = v[low + (high - low) / 2], c = v[high];
    const double pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
    std::int64_t i = low, j = high;
    while (i <= j) {
      while (v[i] < pivot) ++i;
      while (pivot < v[j]) --j;
      if (i <= j) {
        const double t = v[i];
        v[i] = v[j], v[j] = t;
        ++i, --j;
      }
    }
    if (k <= j)
      high = j;
    else if (k >= i)
      low = i;
    else
      break;
  }
  return v[k];
}

/// Percentile by linear interpolation between order statistics (Hyndman & Fan 1996, type 7; NumPy's default): at
/// h = (n - 1) p / 100, x[floor h] + (h - floor h) (x[floor h + 1] - x[floor h]). NaN where n is 0. Reorders v.
FULMAR_HD inline double percentile(double* v, std::int64_t n, double p) {
  if (n <= 0) return missing<double>;
  const double h = static_cast<double>(n - 1) * (p / 100);
  auto k = static_cast<std::int64_t>(h);
  k = k < 0 ? 0 : k > n - 1 ? n - 1 : k;
  const double below = select_kth(v, n, k);
  if (k == n - 1) return below;
  double above = v[k + 1];
  for (std::int64_t i = k + 2; i < n; ++i) above = v[i] < above ? v[i] : above;
  return below + (h - static_cast<double>(k)) * (above - below);
}

/// The middle one; of an even number the mean of the two in the middle. NaN where n is 0. Reorders v.
FULMAR_HD inline double median(double* v, std::int64_t n) {
  if (n <= 0) return missing<double>;
  const std::int64_t k = (n - 1) / 2;
  const double below = select_kth(v, n, k);
  if (n % 2 == 1) return below;
  double above = v[k + 1];
  for (std::int64_t i = k + 2; i < n; ++i) above = v[i] < above ? v[i] : above;
  return (below + above) / 2;
}

}  // namespace fulmar
