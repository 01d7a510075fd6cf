// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters of a program's own memory as sources, and rasters that a run leaves for its next pass.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fulmar/raster.hpp"

namespace fulmar {

/// A raster that is read where it lies. `unit`: what the pipeline says of all bands, or empty.
/// Errors: Errc::usage, naming what does not make sense.
std::shared_ptr<const RasterSource> memory_source(const std::string& name, const RasterView& view,
                                                  const std::string& unit);

/// Bands in memory, for engines without files.
std::shared_ptr<TemporaryRaster> memory_temporary(const std::string& name, const Grid& grid,
                                                  const std::vector<StoredBand>& bands);

}  // namespace fulmar
