// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/shares.hpp"
#include "fulmar/op.hpp"
#include "fusion/number_list.hpp"

namespace fulmar::ops {

/// Statistics of a raster within zones: one row a zone, or a zone and date or band of a stack, with the zone's own
/// columns and shape before them.
///
/// Zones are polygons, of a file or a table, or a raster of whole numbers, each of which is one. A cell belongs to the
/// zone that holds its centre (one on its right side or its level upper side too, and on no other: a centre on a side
/// that two zones share belongs to one of them); with --cover all-touched also to one whose outline touches it; with
/// --cover fraction by the exact share f of its area that the zone covers. Where zones overlap, each has all its cells.
/// Missing cells are left out.
///
/// n = sum(f), f being 1 but for fractions; sum = sum(f x). mean = sum(w x) / sum(w) with w = f a, a being the cell's
/// area on the ground where --weights is area: it differs from cell to cell in longitude and latitude alone. std =
/// sqrt(sum(w (x - mean)^2) / (sum(w) (n - ddof) / n)): Welford within a block of the raster's lattice, blocks merged
/// by Chan in a fixed tree, so tiles and threads do not show. Each percentile p is of type 7 (Hyndman & Fan): h = (m -
/// 1) p / 100 over the m cells of which the zone holds any share, x[h] interpolated between its neighbours in order;
/// found exactly, by counting the leading, next, ... eight bits of the values, for which the raster is read four times
/// more. With --categories K the commonest and rarest value by n (of equals the smallest) and how many there are; a
/// zone with more than K values has none of the three.
///
/// A zone without a valid cell, outside the raster too, has n = 0 and no other number. Errors: zones that do not
/// overlap the raster at all; more cells that zones share, or hold a part of, than memory holds.
struct Zonal {
  enum class Cover { center, all_touched, fraction };
  enum class Weights { area, equal };
  struct Params {
    std::int32_t ddof = 0, count = 1000, categories = 0;
    Cover cover = Cover::center;
    Weights weights = Weights::area;
    NumberList percentile;
    double cell_area = 0;  ///< in the middle of the raster
  } params;
  static Schema schema() {
    return Schema{"zonal", "Describe the values of a raster within zones."}
        .input("value", units::any, "Any measurement.")
        .companion("zones", "shapes", "Polygons in any CRS, or a raster of whole numbers.")
        .summary("zone", units::one, "Number of the zone in its file, from 1; of a raster of zones, its value.")
        .whole()
        .summary("n", units::cell, "Valid cells.")
        .whole("cover=fraction")
        .summary("sum", units::any, "Sum of the valid cells.")
        .summary("mean", units::any, "Their mean.")
        .summary("min", units::any, "Least value.")
        .summary("max", units::any, "Largest value.")
        .summary("std", units::any, "Their standard deviation.")
        .summary("p", units::any, "A percentile that was asked for.")
        .each_of("percentile")
        .summary("majority", units::any, "The commonest value.")
        .each_of("categories")
        .summary("minority", units::any, "The rarest value.")
        .each_of("categories")
        .summary("variety", units::one, "How many values there are.")
        .each_of("categories")
        .whole()
        .text<Params>(
            "percentile", [](Params& p, std::string_view text) { p.percentile = NumberList::read(text, 0, 100); },
            "Percentiles of the values, such as 50 for the median or 5,50,95.", false)
        .param("categories", &Params::categories,
               "Most values of a zone of which the commonest, the rarest and their number are told; 0 for none.",
               units::one, between(0, 65536))
        .param("cover", &Params::cover, "Which cells a zone holds: by their centre, all it touches, or shares of them.",
               {"center", "all-touched", "fraction"})
        .param("weights", &Params::weights, "What mean and std weigh cells by.", {"area", "equal"})
        .param("ddof", &Params::ddof, "Degrees of freedom taken from n where the variance is divided.", units::one,
               between(0, 1))
        .param("zones-count", &Params::count, "How many zones there are; the file tells.", units::one,
               between(0, 10000000))
        .example("ndvi.tif ! zonal --zones fields.gpkg --percentile 5,50,95 ! described.gpkg")
        .cites("Chan, Golub & LeVeque 1983, The American Statistician 37(3), 242-247")
        .cites("Hyndman & Fan 1996, The American Statistician 50(4), 361-365")
        .agrees(exactly);
  }
  static void check(Params& p, const fulmar_ground& ground) { p.cell_area = ground.dx * ground.dy; }

  /// Behind it as many Zone, each with its Category, or Counts as there are zones.
  struct State {
    double none;
  };
  struct Zone {
    double cells, n, weight, sum, mean, m2, low, high;
    double values;  ///< of its categories; infinite where there were more than fit
  };
  struct Category {
    double value, n;
  };
  /// How often each value of the next eight bits follows the leading bits of the two values looked for.
  struct Counts {
    std::uint64_t below[2][256];
  };
  /// What a round hands to the next, for each zone; behind it one Sought for each percentile.
  struct Found {
    double cells, n, weight, sum, mean, m2, low, high, majority, minority, variety;
  };
  struct Sought {
    double bits[2], place[2];  ///< leading bits of the values looked for, and their places among those that have them
  };

  [[nodiscard]] std::uint32_t rounds() const { return params.percentile.count > 0 ? 5 : 1; }
  FULMAR_HD [[nodiscard]] std::uint64_t zones() const { return static_cast<std::uint64_t>(params.count); }
  [[nodiscard]] std::uint64_t state_bytes(const Round& r) const {
    return sizeof(State) +
           zones() * (r.index == 0 ? sizeof(Zone) + categories() * sizeof(Category) : percentiles() * sizeof(Counts));
  }

  void begin(State& s, const Round& r) const {
    s.none = 0;
    for (std::uint64_t z = 0; z < zones(); ++z)
      if (r.index == 0)
        zone(s)[z] = {0, 0, 0, 0, 0, 0, infinite, -infinite, 0};
      else
        for (std::uint64_t k = 0; k < percentiles(); ++k) counts(s, z)[k] = {};
  }
  FULMAR_HD void step(State& s, const Round& r, float value, float number, Here here, Table shares) const {
    if (is_missing(value)) return;
    if (number >= 1 && number <= static_cast<float>(params.count)) {
      enter(s, r, static_cast<std::uint64_t>(number) - 1, value, 1, here);
    } else if (number < 0 && shares.values != nullptr) {
      const double* list = shares.values + place_of_shares(number);
      for (double k = *list++; k > 0; --k, list += 2)
        enter(s, r, static_cast<std::uint64_t>(list[0]) - 1, value, list[1], here);
    }
  }
  /// Zones; of counts, each.
  [[nodiscard]] std::int64_t parts(const Round& r) const {
    return static_cast<std::int64_t>(r.index == 0 ? zones() : zones() * percentiles() * (sizeof(Counts) / 8));
  }
  FULMAR_HD void merge_part(State& a, const State& b, const Round& r, std::int64_t part) const {
    if (r.index > 0) {
      reinterpret_cast<std::uint64_t*>(&a + 1)[part] += reinterpret_cast<const std::uint64_t*>(&b + 1)[part];
      return;
    }
    const auto z = static_cast<std::uint64_t>(part);
    Zone& to = zone(a)[z];
    const Zone& from = zone(b)[z];
    if (from.cells == 0) return;
    merge_categories(a, b, z);
    const double weight = to.weight + from.weight, d = from.mean - to.mean;
    to.mean = to.weight == 0 ? from.mean : to.mean + d * (from.weight / weight);
    to.m2 += from.m2 + (to.weight == 0 ? 0 : d * d * (to.weight * from.weight / weight));
    to.weight = weight;
    to.cells += from.cells, to.n += from.n, to.sum += from.sum;
    to.low = from.low < to.low ? from.low : to.low;
    to.high = from.high > to.high ? from.high : to.high;
  }
  std::uint64_t finish(const State& s, const Round& r, double* numbers) const {
    const bool last = r.index + 1 == rounds();
    const std::uint64_t width = last ? 7 + percentiles() + (categories() > 0 ? 3 : 0) : found_doubles();
    if (numbers == nullptr) return zones() * width;
    for (std::uint64_t z = 0; z < zones(); ++z) {
      Found f = r.index == 0 ? found_in(s, z) : *found(r, z);
      Sought sought[NumberList::most];
      for (std::uint64_t p = 0; p < percentiles(); ++p) {
        Sought& each = sought[p];
        if (r.index == 0) {
          each = {{0, 0}, {math::floor(place(f, p)), 0}};
          each.place[1] = each.place[0] + 1 < f.cells ? each.place[0] + 1 : each.place[0];
        } else {
          each = reinterpret_cast<const Sought*>(found(r, z) + 1)[p];
          for (int k = 0; k < 2 && f.cells > 0; ++k) narrow(counts(s, z)[p].below[k], each.bits[k], each.place[k]);
        }
      }
      double* row = numbers + width * z;
      if (last) {
        write(z, f, sought, row);
        continue;
      }
      *reinterpret_cast<Found*>(row) = f;
      for (std::uint64_t p = 0; p < percentiles(); ++p)
        reinterpret_cast<Sought*>(reinterpret_cast<Found*>(row) + 1)[p] = sought[p];
    }
    return zones() * width;
  }

 private:
  static constexpr double infinite = std::numeric_limits<double>::infinity();
  FULMAR_HD [[nodiscard]] std::uint64_t percentiles() const {
    return static_cast<std::uint64_t>(params.percentile.count);
  }
  FULMAR_HD [[nodiscard]] std::uint64_t categories() const { return static_cast<std::uint64_t>(params.categories); }
  FULMAR_HD [[nodiscard]] std::uint64_t found_doubles() const {
    return (sizeof(Found) + percentiles() * sizeof(Sought)) / sizeof(double);
  }
  FULMAR_HD static Zone* zone(State& s) { return reinterpret_cast<Zone*>(&s + 1); }
  FULMAR_HD static const Zone* zone(const State& s) { return reinterpret_cast<const Zone*>(&s + 1); }
  FULMAR_HD Category* category(State& s, std::uint64_t z) const {
    return reinterpret_cast<Category*>(zone(s) + zones()) + z * categories();
  }
  FULMAR_HD const Category* category(const State& s, std::uint64_t z) const {
    return reinterpret_cast<const Category*>(zone(s) + zones()) + z * categories();
  }
  FULMAR_HD Counts* counts(State& s, std::uint64_t z) const {
    return reinterpret_cast<Counts*>(&s + 1) + z * percentiles();
  }
  FULMAR_HD const Counts* counts(const State& s, std::uint64_t z) const {
    return reinterpret_cast<const Counts*>(&s + 1) + z * percentiles();
  }
  FULMAR_HD const Found* found(const Round& r, std::uint64_t z) const {
    return reinterpret_cast<const Found*>(r.summary + found_doubles() * z);
  }

  FULMAR_HD void enter(State& s, const Round& r, std::uint64_t z, float value, double share, const Here& here) const {
    if (r.index > 0) {
      count(s, r, z, value);
      return;
    }
    Zone& each = zone(s)[z];
    const bool by_area = params.weights == Weights::area && params.cell_area > 0;
    // One exactly where all cells have one size.
    const double weight = share * (by_area ? here.dx * here.dy / params.cell_area : 1.0);
    const double x = value, d = x - each.mean;
    each.cells += 1;
    each.n += share;
    each.sum += share * x;
    each.low = x < each.low ? x : each.low;
    each.high = x > each.high ? x : each.high;
    if (weight > 0) {
      each.weight += weight;
      each.mean += d * weight / each.weight;
      each.m2 += weight * d * (x - each.mean);
    }
    if (categories() > 0) add_category(each, category(s, z), x, share);
  }
  FULMAR_HD void count(State& s, const Round& r, std::uint64_t z, float value) const {
    const std::uint32_t key = ordered(value), shift = 32 - 8 * r.index;
    const auto* sought = reinterpret_cast<const Sought*>(found(r, z) + 1);
    for (std::uint64_t p = 0; p < percentiles(); ++p)
      for (int k = 0; k < 2; ++k)
        // The bits before those that are counted now; all of none in the first of these rounds.
        if (r.index == 1 || key >> (shift + 8) == static_cast<std::uint32_t>(sought[p].bits[k]))
          ++counts(s, z)[p].below[k][(key >> shift) & 255];
  }

  /// The categories of a zone are kept in the order of their values.
  FULMAR_HD void add_category(Zone& each, Category* list, double x, double n) const {
    if (!(each.values <= static_cast<double>(categories()))) return;
    auto used = static_cast<std::uint64_t>(each.values);
    std::uint64_t low = 0, high = used;
    while (low < high) {
      const std::uint64_t middle = (low + high) / 2;
      if (list[middle].value < x)
        low = middle + 1;
      else
        high = middle;
    }
    if (low < used && list[low].value == x) {
      list[low].n += n;
      return;
    }
    if (used == categories()) {
      each.values = infinite;
      return;
    }
    for (std::uint64_t i = used; i > low; --i) list[i] = list[i - 1];
    list[low] = {x, n};
    each.values += 1;
  }
  FULMAR_HD void merge_categories(State& a, const State& b, std::uint64_t z) const {
    if (categories() == 0) return;
    Zone& to = zone(a)[z];
    const double more = zone(b)[z].values;
    if (!(more <= static_cast<double>(categories()))) to.values = infinite;
    for (std::uint64_t i = 0; static_cast<double>(i) < more && to.values <= static_cast<double>(categories()); ++i)
      add_category(to, category(a, z), category(b, z)[i].value, category(b, z)[i].n);
  }

  [[nodiscard]] Found found_in(const State& s, std::uint64_t z) const {
    const Zone& each = zone(s)[z];
    const double none = missing<double>;
    Found f{each.cells, each.n, each.weight, each.sum, each.mean, each.m2, each.low, each.high, none, none, none};
    if (categories() == 0 || each.cells == 0 || !(each.values <= static_cast<double>(categories()))) return f;
    const Category* list = category(s, z);
    const Category *most = list, *least = list;
    for (const Category* c = list; c < list + static_cast<std::uint64_t>(each.values); ++c) {
      if (c->n > most->n) most = c;
      if (c->n < least->n) least = c;
    }
    f.majority = most->value, f.minority = least->value, f.variety = each.values;
    return f;
  }

  /// Bits that are in the order of the values; both noughts are one.
  FULMAR_HD static std::uint32_t ordered(float x) {
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
  [[nodiscard]] double place(const Found& f, std::uint64_t p) const {
    return f.cells > 0 ? (f.cells - 1) * params.percentile.values[p] / 100 : 0;
  }

  void write(std::uint64_t z, const Found& f, const Sought* sought, double* row) const {
    const double none = missing<double>, divisor = f.n > 0 ? f.weight * (f.n - params.ddof) / f.n : 0;
    const bool any = f.cells > 0;
    *row++ = static_cast<double>(z + 1);
    *row++ = f.n;
    for (const double number : {f.sum, f.weight > 0 ? f.mean : none, f.low, f.high}) *row++ = any ? number : none;
    *row++ = divisor > 0 ? math::sqrt(f.m2 / divisor) : none;
    for (std::uint64_t p = 0; p < percentiles(); ++p) {
      const double h = place(f, p), a = value_of(static_cast<std::uint32_t>(sought[p].bits[0])),
                   b = value_of(static_cast<std::uint32_t>(sought[p].bits[1]));
      *row++ = any ? a + (h - math::floor(h)) * (b - a) : none;
    }
    if (categories() == 0) return;
    for (const double number : {f.majority, f.minority, f.variety}) *row++ = number;
  }
};

}  // namespace fulmar::ops
