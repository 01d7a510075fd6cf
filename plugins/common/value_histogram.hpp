// SPDX-License-Identifier: Apache-2.0
/// @file
/// What operators that look at the histogram of a raster share: its bins, and counting into them in one round or two.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "common/row_extremes.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops {

/// K bins of equal width over [low, high]; bin i holds low + i w <= x < low + (i + 1) w, the last one high too. Edges
/// are those of numpy.linspace, so that counts equal numpy.histogram's.
struct Bins {
  double low = 0, high = 0;
  std::int64_t count = 0;

  FULMAR_HD [[nodiscard]] double width() const { return (high - low) / static_cast<double>(count); }
  FULMAR_HD [[nodiscard]] double edge(std::int64_t i) const {
    return i == count ? high : static_cast<double>(i) * width() + low;
  }
  [[nodiscard]] double centre(std::int64_t i) const { return (edge(i) + edge(i + 1)) / 2; }
};

/// Bins with what finding the bin of a value needs, divided once.
struct BinFinder {
  Bins bins;
  double width = 0, scale = 0;

  FULMAR_HD static BinFinder of(const Bins& bins) {
    return {bins, bins.width(), static_cast<double>(bins.count) / (bins.high - bins.low)};
  }
  FULMAR_HD [[nodiscard]] double edge(std::int64_t i) const {
    return i == bins.count ? bins.high : static_cast<double>(i) * width + bins.low;
  }
  /// The bin of a value; -1 outside.
  FULMAR_HD [[nodiscard]] std::int64_t operator()(double x) const {
    if (!(bins.high > bins.low)) return x == bins.low ? 0 : -1;
    if (!(x >= bins.low && x <= bins.high)) return -1;
    auto i = static_cast<std::int64_t>((x - bins.low) * scale);
    i = i >= bins.count ? bins.count - 1 : i;
    if (x < edge(i)) --i;
    if (i + 1 < bins.count && x >= edge(i + 1)) ++i;
    return i;
  }
};

/// Counts of a histogram, as the state of a reduction. Where no range is given, a first round finds the least and the
/// largest value. Whole numbers: exact in any order.
template <class Op>
struct HistogramOf {
  struct State {
    float least, largest;
    std::int64_t n, below, above;  // in the range (where counted, the counts tell), and on either side of it
    BinFinder bin;
  };
  FULMAR_HD static std::int64_t* counts(State& s) { return reinterpret_cast<std::int64_t*>(&s + 1); }
  FULMAR_HD static const std::int64_t* counts(const State& s) { return reinterpret_cast<const std::int64_t*>(&s + 1); }

  FULMAR_HD [[nodiscard]] bool ranged() const { return params().high > params().low; }
  FULMAR_HD [[nodiscard]] std::uint32_t rounds() const { return ranged() ? 1 : 2; }
  FULMAR_HD [[nodiscard]] bool counts_in(const Round& r) const { return r.index + 1 == rounds(); }
  [[nodiscard]] std::uint64_t state_bytes(const Round& r) const {
    return sizeof(State) + (counts_in(r) ? static_cast<std::uint64_t>(params().bins) * sizeof(std::int64_t) : 0);
  }
  FULMAR_HD [[nodiscard]] Bins bins(const Round& r) const {
    return ranged() ? Bins{params().low, params().high, params().bins}
                    : Bins{r.summary[0], r.summary[1], params().bins};
  }
  void begin(State& s, const Round& r) const {
    s = {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 0, 0, 0, {}};
    if (!counts_in(r)) return;
    s.bin = BinFinder::of(bins(r));
    for (std::int64_t i = 0; i < params().bins; ++i) counts(s)[i] = 0;
  }
  FULMAR_HD void step(State& s, const Round& r, float value) const {
    if (!is_finite(value)) return;
    if (!counts_in(r)) {
      s.least = value < s.least ? value : s.least;
      s.largest = value > s.largest ? value : s.largest;
      ++s.n;
      return;
    }
    add(s, static_cast<double>(value), 1);
  }
  /// Counts rows of cells in tables of its own. Neighbours often fall into one bin, and a count waits for the count
  /// before it: cells take turns among four. Whole numbers, as bytes and counts of a sensor are, are counted as they
  /// are, and their bins found once for each.
  struct Rows {
    static constexpr std::int64_t ways = 4, most_bins = 1024, most_codes = 4096;
    const HistogramOf& op;
    State& s;
    const std::int64_t bins;
    bool used = false, whole = true, coded = false;
    std::uint32_t tables[ways * most_bins];
    std::uint32_t codes[ways * (most_codes + 1)];  // the last of each for what is missing

    Rows(const Op& o, State& state) : op{o}, s{state}, bins{o.params.bins} {}
    template <class Row>
    bool take(const Round& r, std::int64_t width, const Row& row) {
      const bool counting = op.counts_in(r);
      if (counting && (bins > most_bins || !(s.bin.bins.high > s.bin.bins.low))) return false;
      std::int32_t places[most_together];
      for (std::int64_t x = 0; x < width; x += most_together) {
        const std::int64_t n = width - x < most_together ? width - x : most_together;
        if (!counting) {
          s.n += n - take_extremes(s.least, s.largest, row, x, n);
          continue;
        }
        whole = whole && find_codes(n, row, x, places);
        if (whole) {
          if (!coded) std::fill_n(codes, ways * (most_codes + 1), 0u), coded = true;
          count<true>(n, places, codes, most_codes + 1);
          continue;
        }
        if (!used) std::fill_n(tables, ways * bins, 0u), used = true;
        if (all_inside(s, n, row, x)) {
          find_places<true>(s, n, row, x, places);
          count<true>(n, places, tables, bins);
        } else {
          find_places<false>(s, n, row, x, places);
          count<false>(n, places, tables, bins);
          count_outside(s, n, row, x);
        }
      }
      return true;
    }
    void end() {
      for (std::int64_t i = 0; used && i < ways * bins; ++i) counts(s)[i % bins] += tables[i];
      for (std::int64_t code = 0; coded && code < most_codes; ++code) {
        std::int64_t n = 0;
        for (std::int64_t way = 0; way < ways; ++way) n += codes[way * (most_codes + 1) + code];
        if (n > 0) add(s, static_cast<double>(code), n);
      }
    }

   private:
    template <bool all>
    static void count(std::int64_t n, const std::int32_t* places, std::uint32_t* table, std::int64_t size) {
      const auto one = [&](std::int64_t way, std::int32_t place) {
        if (all || place >= 0) ++table[way * size + place];
      };
      std::int64_t x = 0;
      for (; x + ways <= n; x += ways)
        for (int k = 0; k < ways; ++k) one(k, places[x + k]);
      for (; x < n; ++x) one(0, places[x]);
    }
    /// The numbers themselves; false where one is neither missing nor a whole number with a place of its own.
    template <class Row>
    static bool find_codes(std::int64_t n, const Row& row, std::int64_t from, std::int32_t* places) {
      constexpr auto gap = static_cast<std::int32_t>(most_codes);
      std::int32_t others = 0;
      for (std::int64_t x = 0; x < n; ++x) {
        const float value = row[from + x];
        const bool in = (value >= 0.0f) & (value < static_cast<float>(most_codes));
        const auto code = static_cast<std::int32_t>(in ? value : 0.0f);
        const bool missing = value != value;
        others |= !missing & !(in & (static_cast<float>(code) == value));
        places[x] = missing ? gap : code;
      }
      return others == 0;
    }
  };
  [[nodiscard]] std::int64_t parts(const Round& r) const { return counts_in(r) ? params().bins : 0; }
  FULMAR_HD void merge_part(State& a, const State& b, const Round&, std::int64_t bin) const {
    counts(a)[bin] += counts(b)[bin];
  }
  FULMAR_HD void merge_rest(State& a, const State& b, const Round&) const {
    a.least = b.least < a.least ? b.least : a.least;
    a.largest = b.largest > a.largest ? b.largest : a.largest;
    a.n += b.n, a.below += b.below, a.above += b.above;
  }
  std::uint64_t finish(const State& s, const Round& r, double* numbers) const {
    if (!counts_in(r)) {
      // A raster without a valid cell has an empty range, in which nothing is counted.
      if (numbers != nullptr) numbers[0] = s.n > 0 ? s.least + 0.0f : 0, numbers[1] = s.n > 0 ? s.largest + 0.0f : 0;
      return 2;
    }
    State all = s;
    for (std::int64_t i = 0; i < params().bins; ++i) all.n += counts(s)[i];
    return static_cast<const Op&>(*this).found(bins(r), counts(s), all, numbers);
  }

 private:
  /// Counts a value n times.
  FULMAR_HD static void add(State& s, double value, std::int64_t n) {
    const std::int64_t i = s.bin(value);
    if (i >= 0)
      counts(s)[i] += n;
    else
      (value < s.bin.bins.low ? s.below : s.above) += n;
  }
  FULMAR_HD [[nodiscard]] const auto& params() const { return static_cast<const Op&>(*this).params; }
  template <class Row>
  static bool all_inside(const State& s, std::int64_t n, const Row& row, std::int64_t from) {
    const double low = s.bin.bins.low, high = s.bin.bins.high;
    std::int32_t inside = 0;
    for (std::int64_t x = 0; x < n; ++x) {
      const auto value = static_cast<double>(row[from + x]);
      inside += (value >= low) & (value <= high);
    }
    return inside == n;
  }
  /// BinFinder without a branch; -1 for what is in no bin.
  template <bool all, class Row>
  static void find_places(const State& s, std::int64_t n, const Row& row, std::int64_t from, std::int32_t* places) {
    const double low = s.bin.bins.low, high = s.bin.bins.high, scale = s.bin.scale, wide = s.bin.width;
    const auto last = static_cast<std::int32_t>(s.bin.bins.count - 1);
    for (std::int64_t x = 0; x < n; ++x) {
      const auto value = static_cast<double>(row[from + x]);
      const bool in = all || ((value >= low) & (value <= high));
      auto i = static_cast<std::int32_t>(in ? (value - low) * scale : 0.0);
      i = i > last ? last : i;
      const std::int32_t less = value < static_cast<double>(i) * wide + low;
      const std::int32_t more = (i < last) & (value >= static_cast<double>(i + 1) * wide + low);
      places[x] = in ? i - less + more : -1;
    }
  }
  template <class Row>
  static void count_outside(State& s, std::int64_t n, const Row& row, std::int64_t from) {
    const double low = s.bin.bins.low, high = s.bin.bins.high;
    std::int32_t below = 0, above = 0;
    for (std::int64_t x = 0; x < n; ++x) {
      const auto value = static_cast<double>(row[from + x]);
      const bool there = is_finite(row[from + x]);
      below += there & (value < low);
      above += there & (value > high);
    }
    s.below += below, s.above += above;
  }
};

/// A threshold that is found in the histogram, as the first of its numbers, and what lies on either side of it.
template <class Op>
struct ThresholdOf : HistogramOf<Op> {
  struct Params {
    std::int32_t bins = 256;
    double low = 0, high = 0;
    bool below = false;
  } params;
  /// The second number tells how good the threshold is.
  static Schema schema_of(std::string_view name, std::string_view summary, std::string_view measure,
                          std::string_view measure_words) {
    return Schema{name, summary}
        .input("value", units::any, "Decibels, an index, or any measurement with two classes.")
        .output("detection", units::flag, "1 above the threshold (below it with --below), 0 elsewhere.")
        .summary("threshold", units::any, "Centre of the last bin of the lower class; missing where there is none.")
        .summary(measure, units::one, measure_words)
        .summary("n", units::cell, "Cells in the histogram.")
        .whole()
        .param("bins", &Params::bins, "Number of bins.", units::one, between(2, 65536))
        .param("low", &Params::low, "Lower end of the range.", units::any, between(-1e30, 1e30))
        .param("high", &Params::high, "Upper end of the range; the range of the raster where it is not above low.",
               units::any, between(-1e30, 1e30))
        .param("below", &Params::below, "Detect what is at or below the threshold, such as water in radar.",
               units::flag, anything())
        .agrees(exactly);
  }
  std::uint64_t found(const Bins& bins, const std::int64_t* counts, const typename HistogramOf<Op>::State& s,
                      double* numbers) const {
    if (numbers != nullptr) static_cast<const Op&>(*this).threshold(bins, counts, s.n, numbers);
    return 3;
  }
  /// What a run says where there is no threshold.
  [[nodiscard]] std::string remark(const Round& r, const double* numbers) const {
    if (!this->counts_in(r) || !is_missing(numbers[0])) return {};
    return std::string{"there is no threshold, because "} +
           (numbers[2] == 0 ? this->ranged() ? "no cell has a value in the range" : "no cell has a value" : Op::alone) +
           ": every cell of the result is missing";
  }
  FULMAR_HD std::uint8_t operator()(float value, Table found) const {
    const double threshold = found[0];
    const std::uint8_t set = (static_cast<double>(value) > threshold) != params.below ? 1 : 0;
    return is_missing(value) | is_missing(threshold) ? missing<std::uint8_t> : set;
  }
};

}  // namespace fulmar::ops
