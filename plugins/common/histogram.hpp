// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/value_histogram.hpp"

namespace fulmar::ops {

/// How many cells of a raster fall into each of equal bins.
///
/// Bin i of `bins` over [low, high] holds low + i w <= x < low + (i + 1) w with w = (high - low) / bins, the last one
/// high too. Without a range (high not above low) it is that of the raster, found in a round of its own. Missing and
/// infinite cells are not counted. One row a bin; where a range is given, one before them for the values below it,
/// without a lower edge, and one after them for the values above it, without an upper edge.
struct Histogram : HistogramOf<Histogram> {
  struct Params {
    std::int32_t bins = 256;
    double low = 0, high = 0;
  } params;
  static Schema schema() {
    return Schema{"histogram", "Count the cells of a raster by their value."}
        .input("value", units::any, "Any measurement.")
        .summary("low", units::any, "Lower edge of the bin; missing for the values below the range.")
        .summary("high", units::any, "Upper edge of the bin; missing for the values above the range.")
        .summary("n", units::cell, "Cells in the bin.")
        .whole()
        .param("bins", &Params::bins, "Number of bins.", units::one, between(1, 65536))
        .param("low", &Params::low, "Lower end of the range.", units::any, between(-1e30, 1e30))
        .param("high", &Params::high, "Upper end of the range; the range of the raster where it is not above low.",
               units::any, between(-1e30, 1e30))
        .example("scene_db.tif ! histogram --bins 100 --low -30 --high 0 ! histogram.csv")
        .cites("Freedman & Diaconis 1981, Z. Wahrscheinlichkeitstheorie 57, 453-476")
        .agrees(exactly);
  }
  std::uint64_t found(const Bins& bins, const std::int64_t* counts, const State& s, double* numbers) const {
    const std::int64_t rows = bins.count + (ranged() ? 2 : 0);
    const auto row = [&](double low, double high, std::int64_t n) {
      *numbers++ = low, *numbers++ = high, *numbers++ = static_cast<double>(n);
    };
    if (numbers != nullptr) {
      if (ranged()) row(missing<double>, bins.low, s.below);
      // A raster without a value has no range.
      const bool nothing = !ranged() && std::all_of(counts, counts + bins.count, [](std::int64_t n) { return n == 0; });
      for (std::int64_t i = 0; i < bins.count; ++i)
        row(nothing ? missing<double> : bins.edge(i), nothing ? missing<double> : bins.edge(i + 1), counts[i]);
      if (ranged()) row(bins.high, missing<double>, s.above);
    }
    return static_cast<std::uint64_t>(3 * rows);
  }
};

}  // namespace fulmar::ops
