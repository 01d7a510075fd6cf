// SPDX-License-Identifier: Apache-2.0
/// @file
/// Raster products: GeoTIFF, COG, PNG quicklooks and whatever else GDAL writes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {

/// GeoTIFF is written straight away; every other format from a GeoTIFF beside it, when all cells are there. A PNG is a
/// quicklook, averaged until its longer side has at most 2048 cells, each band from its 2nd to its 98th percentile,
/// missing cells transparent: three bands of one unit and time are red, green and blue; else it is the first band in
/// grey. Bands of several types share the smallest type that holds them all. Errors: Errc::output with GDAL's words.
std::unique_ptr<RasterSink> create_raster_sink(const std::string& path, const FileOptions& options, const Grid& grid,
                                               const std::vector<ProductBand>& bands, const Metadata& metadata);

/// Gives a dataset the place of a grid whose cells are `scale` times as large: affine transform or control points, CRS.
void set_place(GDALDataset& dataset, const Grid& grid, double scale = 1.0);

/// The 2nd and 98th percentile of values that are not NaN; nothing where there are none. Reorders the values.
struct Stretch {
  float low = 0, high = 1;
  /// 0 to 255.
  [[nodiscard]] std::uint8_t grey(float value) const;
};
Stretch stretch_of(std::vector<float> values);

}  // namespace fulmar
