// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters in memory: those of a program that Fulmar reads or writes where they lie, and those that a run leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/dtype.hpp"
#include "core/grid.hpp"
#include "core/source.hpp"

namespace fulmar {

/// The cell type of a C++ type.
template <class T>
constexpr DType dtype_of() {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, "cells are numbers");
  if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? DType::f32 : DType::f64;
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? DType::i8 : sizeof(T) == 2 ? DType::i16 : sizeof(T) == 4 ? DType::i32 : DType::i64;
  else
    return sizeof(T) == 1 ? DType::u8 : sizeof(T) == 2 ? DType::u16 : sizeof(T) == 4 ? DType::u32 : DType::u64;
}

/// One band that somebody else owns and that is read where it lies. A cell's value is stored * scale + offset; it is
/// missing where it equals `nodata` as stored, is NaN or infinite, or where `mask` is 0.
struct BandView {
  const void* cells = nullptr;
  DType type = DType::f32;
  std::int64_t row = 0;     ///< cells from a row to the next; 0: as many as a row has
  std::int64_t column = 1;  ///< cells from a column to the next: 3 where three bands stand side by side in each cell
  const std::uint8_t* mask = nullptr;  ///< rows of the raster's width without gaps; may be null
  std::optional<double> nodata = {};
  std::optional<std::int64_t> nodata_i64 = {};  ///< of i64 and u64 (as its bits), where a double cannot hold it
  double scale = 1, offset = 0;
  std::string name = {};
  std::string unit = {};            ///< "dB", "K", "1"...; empty: taken on trust
  std::optional<double> time = {};  ///< when it was measured: seconds since 1970-01-01T00:00:00Z
};

/// A raster that somebody else owns. Its cells must stay as they are while a job that reads it runs.
struct RasterView {
  /// Width and height; where it lies (affine, crs as WKT or a code such as "EPSG:32651"), or nothing of that. What else
  /// a Grid holds is found out where the engine has files(); without, geographic and metres_per_unit are as they stand.
  Grid grid;
  std::vector<BandView> bands;
  std::int64_t bands_of_date = 1;          ///< bands that stand side by side for one date
  Metadata metadata = {};                  ///< handed on to products
  std::shared_ptr<const void> owner = {};  ///< kept as long as the job; may be null

  /// One band of cells in rows without gaps.
  template <class T>
  static RasterView of(const T* cells, Grid grid, std::string unit = {}) {
    BandView band;
    band.cells = cells, band.type = dtype_of<T>(), band.unit = std::move(unit);
    return {std::move(grid), {std::move(band)}};
  }
};

/// Where a product's band is to be written. The caller owns the cells, which no input of the job may share.
struct BandTarget {
  void* cells = nullptr;
  DType type = DType::f32;  ///< as Job::products() tells it: f32, or u8 for flags
  std::int64_t row = 0;     ///< cells from a row to the next; 0: as many as a row has

  template <class T>
  static BandTarget of(T* cells, std::int64_t row = 0) {
    return {cells, dtype_of<T>(), row};
  }
};

/// A raster product that a run left in memory: f32 with NaN, or u8 with 255, where a cell is missing.
struct Raster {
  Grid grid;
  std::vector<ProductBand> bands;
  Metadata metadata;
  /// By band; empty for one that went to a BandTarget.
  std::vector<std::shared_ptr<std::byte[]>> cells;

  /// The cells of a band, row by row. Errors: Errc::usage where they are of another type, or not here.
  template <class T>
  [[nodiscard]] std::span<const T> band(std::size_t b = 0) const {
    if (b >= bands.size()) fail(Errc::usage, "the raster has " + std::to_string(bands.size()) + " bands");
    if (bands[b].dtype != dtype_of<T>())
      fail(Errc::usage,
           "band '" + bands[b].name + "' holds " + name_of(bands[b].dtype) + ", not " + name_of(dtype_of<T>()));
    if (!cells[b]) fail(Errc::usage, "band '" + bands[b].name + "' was written to memory of the caller's");
    return {reinterpret_cast<const T*>(cells[b].get()), static_cast<std::size_t>(grid.width * grid.height)};
  }

  /// The raster as an input of another job, with what is missing, units, names and times. It keeps the cells alive.
  /// Errors: Errc::usage where a band is not here.
  [[nodiscard]] RasterView view() const {
    RasterView view;
    view.grid = grid, view.metadata = metadata;
    view.owner = std::make_shared<const std::vector<std::shared_ptr<std::byte[]>>>(cells);
    for (std::size_t b = 0; b < bands.size(); ++b) {
      if (!cells[b]) fail(Errc::usage, "band '" + bands[b].name + "' was written to memory of the caller's");
      BandView band;
      band.cells = cells[b].get(), band.type = bands[b].dtype, band.nodata = bands[b].nodata;
      band.name = bands[b].name, band.unit = bands[b].unit.symbol, band.time = bands[b].time;
      view.bands.push_back(std::move(band));
    }
    return view;
  }
};

}  // namespace fulmar
