// SPDX-License-Identifier: Apache-2.0
/// @file
/// Order statistics of a few numbers in scratch memory, the same on host and device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

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

/// Comparisons that sort `count` numbers whatever they are: odd-even merges (Batcher 1968).
template <int count>
struct SortingNetwork {
  FULMAR_HD static constexpr int size() {
    int n = 0;
    visit([&](int, int) { ++n; });
    return n;
  }
  /// The place of the smaller number of comparison `which`, or that of the larger.
  FULMAR_HD static constexpr int place(int which, bool larger) {
    int n = 0, found = 0;
    visit([&](int a, int b) {
      if (n++ == which) found = larger ? b : a;
    });
    return found;
  }

 private:
  template <class Use>
  FULMAR_HD static constexpr void visit(Use use) {
    for (int p = 1; p < count; p *= 2)
      for (int k = p; k >= 1; k /= 2)
        for (int j = k % p; j + k < count; j += 2 * k)
          for (int i = j; i < j + k && i + k < count; ++i)
            if (i / (2 * p) == (i + k) / (2 * p)) use(i, i + k);
  }
};

template <int a, int b, int lanes, class T>
FULMAR_HD inline void compare_exchange(T* v) {
  for (int k = 0; k < lanes; ++k) {
    T &first = v[a * lanes + k], &second = v[b * lanes + k];
    const T low = first < second ? first : second, high = first < second ? second : first;
    first = low, second = high;
  }
}
template <int count, int lanes, class T, std::size_t... I>
FULMAR_HD inline void sort_by(T* v, std::index_sequence<I...>) {
  using Network = SortingNetwork<count>;
  (compare_exchange<Network::place(static_cast<int>(I), false), Network::place(static_cast<int>(I), true), lanes>(v),
   ...);
}
/// Sorts `count` numbers, none of them NaN, without a branch. With several lanes as many sets of numbers, side by side:
/// the first number of every set, then the second.
template <int count, int lanes = 1, class T>
FULMAR_HD inline void sort_few(T* v) {
  sort_by<count, lanes>(v, std::make_index_sequence<static_cast<std::size_t>(SortingNetwork<count>::size())>{});
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
