// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters that are read through GDAL.
#pragma once

#include <memory>
#include <string>

#include "core/source.hpp"

namespace fulmar {

/// Opens any raster GDAL reads. Errors: Errc::input, naming the file, the reason and the cure.
std::shared_ptr<const RasterSource> open_raster(const std::string& path, const FileOptions& options);

/// Fills in what follows from a grid's size, place and CRS: whether it counts degrees and wraps, its locator, the
/// length of its units on the ground.
void finish_grid(Grid& grid);

}  // namespace fulmar
