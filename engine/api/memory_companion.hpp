// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters of a program's own memory that tell of the cells of a scene: what lies inside, zones, calibration.
#pragma once

#include <memory>

#include "core/source.hpp"

namespace fulmar {

/// The companion that request.raster makes, which lies on the scene's own cells: it has the scene's size, and its place
/// where both have one. Its first band counts. Outlines: 1 where it is neither 0 nor missing. Shapes: the number of the
/// zone that the value stands for. Calibration: the amplitude A of each cell.
/// Errors: Errc::input for a raster of other cells, and for zones that are no whole numbers.
std::shared_ptr<const RasterSource> memory_companion(const CompanionRequest& request, const Grid& scene);

}  // namespace fulmar
