// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Statistics of a raster within zones: one row a zone, numbered from 1 in the order of the file.
///
/// A cell belongs to the zone that holds its centre (half open: a centre on a side that two zones share belongs to one
/// of them), or with all-touched also to one whose outline touches it; where zones overlap, to the later one. Missing
/// cells are left out. mean and std as in `stats`: Welford within a block of the raster's lattice, blocks merged by
/// Chan in a fixed tree, so tiles and threads do not show. sum = n mean. A zone without a valid cell, outside the
/// raster too, has n = 0 and no other number. With `percentile` p a value of type 7 (Hyndman & Fan) is added, h = (n -
/// 1) p / 100, x[h] interpolated between its neighbours in order; found exactly, by counting the leading, next, ...
/// eight bits of the values, for which the raster is read four times more. Errors: zones that do not overlap the raster
/// at all.
struct Zonal {
  struct Params {
    std::int32_t ddof = 0;
    std::int32_t count = 1000;
    double percentile = -1;
    bool all_touched = false;
  } params;
  static Schema schema() {
    return Schema{"zonal", "Describe the values of a raster within zones."}
        .input("value", units::any, "Any measurement.")
        .companion("zones", "shapes", "Vector file of polygons, in any CRS.")
        .summary("zone", units::one, "Number of the zone in its file, from 1.")
        .summary("n", units::cell, "Valid cells.")
        .summary("sum", units::any, "Sum of the valid cells.")
        .summary("mean", units::any, "Their mean.")
        .summary("min", units::any, "Least value.")
        .summary("max", units::any, "Largest value.")
        .summary("std", units::any, "Their standard deviation.")
        .summary("percentile", units::any, "The percentile that was asked for.")
        .param("percentile", &Params::percentile, "Of the values, 50 for the median; -1 for none.", "%",
               between(-1, 100))
        .param("ddof", &Params::ddof, "Degrees of freedom taken from n where the variance is divided.", units::one,
               between(0, 1))
        .param("all-touched", &Params::all_touched, "Zones hold every cell they touch.", units::flag, anything())
        .param("zones-count", &Params::count, "How many zones there are; the file tells.", units::one,
               between(0, 1000000))
        .example("ndvi.tif ! zonal --zones fields.gpkg --percentile 50 ! fields.csv")
        .cites("Chan, Golub & LeVeque 1983, The American Statistician 37(3), 242-247")
        .cites("Hyndman & Fan 1996, The American Statistician 50(4), 361-365")
        .agrees(exactly);
  }

  /// Behind it as many Zone or Counts as there are zones.
  struct State {
    double none;
  };
  struct Zone {
    double n, mean, m2, low, high;
  };
  /// How often each value of the next eight bits follows the leading bits of the two values looked for.
  struct Counts {
    std::uint64_t below[2][256];
  };
  /// What a round hands to the next, for each zone.
  struct Found {
    double n, mean, m2, low, high;
    double bits[2], place[2];  ///< leading bits of the values looked for, and their places among those that have them
  };
  static constexpr std::uint64_t found_doubles = sizeof(Found) / sizeof(double);

  [[nodiscard]] bool wants_percentile() const { return params.percentile >= 0; }
  [[nodiscard]] std::uint32_t rounds() const { return wants_percentile() ? 5 : 1; }
  [[nodiscard]] std::uint64_t zones() const { return static_cast<std::uint64_t>(params.count); }
  [[nodiscard]] std::uint64_t state_bytes(const Round& r) const {
    return sizeof(State) + zones() * (r.index == 0 ? sizeof(Zone) : sizeof(Counts));
  }

  void begin(State& s, const Round& r) const {
    s.none = 0;
    for (std::uint64_t z = 0; z < zones(); ++z)
      if (r.index == 0)
        zone(s)[z] = {0, 0, 0, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
      else
        counts(s)[z] = {};
  }
  void step(State& s, const Round& r, float value, float number) const {
    if (is_missing(value) || !(number >= 1 && number <= static_cast<float>(params.count))) return;
    const auto z = static_cast<std::uint64_t>(number) - 1;
    if (r.index == 0) {
      Zone& each = zone(s)[z];
      const double x = value, d = x - each.mean;
      each.n += 1;
      each.mean += d / each.n;
      each.m2 += d * (x - each.mean);
      each.low = x < each.low ? x : each.low;
      each.high = x > each.high ? x : each.high;
      return;
    }
    const Found& f = found(r)[z];
    const std::uint32_t key = ordered(value), shift = 32 - 8 * r.index;
    for (int k = 0; k < 2; ++k)
      // The bits before those that are counted now; all of none in the first of these rounds.
      if (r.index == 1 || key >> (shift + 8) == static_cast<std::uint32_t>(f.bits[k]))
        ++counts(s)[z].below[k][(key >> shift) & 255];
  }
  void merge(State& a, const State& b, const Round& r) const {
    for (std::uint64_t z = 0; z < zones(); ++z) {
      if (r.index > 0) {
        for (int k = 0; k < 2; ++k)
          for (int i = 0; i < 256; ++i) counts(a)[z].below[k][i] += counts(b)[z].below[k][i];
        continue;
      }
      Zone& to = zone(a)[z];
      const Zone& from = zone(b)[z];
      if (from.n == 0) continue;
      if (to.n == 0) {
        to = from;
        continue;
      }
      const double n = to.n + from.n, d = from.mean - to.mean;
      to.mean += d * (from.n / n);
      to.m2 += from.m2 + d * d * (to.n * from.n / n);
      to.n = n;
      to.low = from.low < to.low ? from.low : to.low;
      to.high = from.high > to.high ? from.high : to.high;
    }
  }
  std::uint64_t finish(const State& s, const Round& r, double* numbers) const {
    const bool last = r.index + 1 == rounds();
    if (numbers == nullptr) return zones() * (last ? 8 : found_doubles);
    for (std::uint64_t z = 0; z < zones(); ++z) {
      Found f;
      if (r.index == 0) {
        const Zone& each = zone(s)[z];
        f = {each.n, each.mean, each.m2, each.low, each.high, {0, 0}, {0, 0}};
        const double h = f.n > 0 ? (f.n - 1) * params.percentile / 100 : 0;
        f.place[0] = math::floor(h);
        f.place[1] = f.place[0] + 1 < f.n ? f.place[0] + 1 : f.place[0];
      } else {
        f = found(r)[z];
        for (int k = 0; k < 2 && f.n > 0; ++k) narrow(counts(s)[z].below[k], f.bits[k], f.place[k]);
      }
      if (last)
        write(z, f, numbers + 8 * z);
      else
        *(reinterpret_cast<Found*>(numbers) + z) = f;
    }
    return zones() * (last ? 8 : found_doubles);
  }

 private:
  static Zone* zone(State& s) { return reinterpret_cast<Zone*>(&s + 1); }
  static const Zone* zone(const State& s) { return reinterpret_cast<const Zone*>(&s + 1); }
  static Counts* counts(State& s) { return reinterpret_cast<Counts*>(&s + 1); }
  static const Counts* counts(const State& s) { return reinterpret_cast<const Counts*>(&s + 1); }
  static const Found* found(const Round& r) { return reinterpret_cast<const Found*>(r.summary); }

  /// Bits that are in the order of the values; both noughts are one.
  static std::uint32_t ordered(float x) {
    const auto bits = __builtin_bit_cast(std::uint32_t, x == 0 ? 0.0f : x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  }
  static float value_of(std::uint32_t key) {
    return __builtin_bit_cast(float, key & 0x80000000u ? key & 0x7fffffffu : ~key);
  }
  /// The bits that the value in that place has next, and its place among the values that have them too.
  static void narrow(const std::uint64_t* below, double& bits, double& place) {
    int i = 0;
    for (; i < 255 && place >= static_cast<double>(below[i]); ++i) place -= static_cast<double>(below[i]);
    bits = bits * 256 + i;
  }

  void write(std::uint64_t z, const Found& f, double* row) const {
    const double none = missing<double>, divisor = f.n - params.ddof;
    const bool any = f.n > 0;
    row[0] = static_cast<double>(z + 1);
    row[1] = f.n;
    row[2] = any ? f.n * f.mean : none;
    row[3] = any ? f.mean : none;
    row[4] = any ? f.low : none;
    row[5] = any ? f.high : none;
    row[6] = divisor > 0 ? std::sqrt(f.m2 / divisor) : none;
    row[7] = none;
    if (!any || !wants_percentile()) return;
    const double a = value_of(static_cast<std::uint32_t>(f.bits[0])),
                 b = value_of(static_cast<std::uint32_t>(f.bits[1]));
    const double h = (f.n - 1) * params.percentile / 100;
    row[7] = a + (h - math::floor(h)) * (b - a);
  }
};

}  // namespace fulmar::ops
