// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters that tell of other cells: which lie inside, and to which zone each belongs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// The value of a stored cell; NaN where it is missing.
template <class T>
double value_of(const StoredBand& band, T stored) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  if constexpr (std::is_integral_v<T> && sizeof(T) == 8)
    if (band.nodata_i64 && stored == static_cast<T>(*band.nodata_i64)) return none;
  const auto value = static_cast<double>(stored);
  if (!std::isfinite(value) || (band.nodata && value == *band.nodata)) return none;
  return value * band.scale + band.offset;
}

/// Turns the value of a raster of outlines into a flag: 1 where it is neither 0 nor missing.
struct Inside {
  using Cell = std::uint8_t;
  static constexpr Cell outside = 0;
  explicit Inside(const std::vector<double>& /*labels*/) {}
  [[nodiscard]] Cell operator()(double value) const { return !std::isnan(value) && value != 0 ? 1 : 0; }
};

/// Turns the value of a raster of zones into the number of its zone, from 1.
struct ZoneNumber {
  using Cell = float;
  static constexpr Cell outside = std::numeric_limits<float>::quiet_NaN();
  explicit ZoneNumber(const std::vector<double>& labels) : labels_{labels} {}
  [[nodiscard]] Cell operator()(double value) const {
    const auto at = std::lower_bound(labels_.begin(), labels_.end(), value);
    return at == labels_.end() || *at != value ? outside : static_cast<float>(at - labels_.begin() + 1);
  }

 private:
  const std::vector<double>& labels_;
};

/// A reader's request for one band, with its mask; cells of any type lie aligned.
class FULMAR_API StoredCells {
 public:
  explicit StoredCells(const RasterSource& source) : band_{source.bands().front()}, reader_{source.reader()} {}
  /// Cells that are best loaded at once, and what a load of some number of them takes.
  static constexpr std::int64_t slice_width = 512, slice_height = 64;
  static constexpr std::int64_t bytes(std::int64_t cells) { return cells * 9; }
  /// Calls use(slice) for the parts of a window that are best loaded at once.
  template <class Use>
  static void each_slice(const Window& window, Use&& use) {
    for (std::int64_t y = window.y; y < window.bottom(); y += slice_height)
      for (std::int64_t x = window.x; x < window.right(); x += slice_width)
        use(intersect(window, {x, y, slice_width, slice_height}));
  }
  /// Reads a window, whose cells stand row by row without gaps then.
  void load(const Window& window);
  [[nodiscard]] const StoredBand& band() const { return band_; }
  /// Of the type of the band.
  template <class T>
  [[nodiscard]] double value(std::size_t cell) const {
    if (band_.has_mask && valid_[cell] == 0) return std::numeric_limits<double>::quiet_NaN();
    return value_of(band_, reinterpret_cast<const T*>(stored_.data())[cell]);
  }

 private:
  const StoredBand& band_;
  std::unique_ptr<RasterReader> reader_;
  std::vector<double> stored_;  // of the widest type
  std::vector<std::uint8_t> valid_;
};

/// The values that the first band of a raster of zones holds, in their order.
/// Errors: Errc::input for a value that is no whole number, and for more than a million of them.
FULMAR_API std::vector<double> labels_of(const RasterSource& source);

}  // namespace fulmar
