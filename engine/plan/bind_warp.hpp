// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the binder needs to know of warping operators: their parameters, and the grids they lead to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "op/operator.hpp"
#include "plan/warp.hpp"

namespace fulmar {

/// What a warping operator asks for, by the names of its parameters: crs, resolution, extent, to, resample.
struct WarpRequest {
  GridRequest grid;
  std::string to;  ///< a raster whose grid it is
  Resampling method = Resampling::bilinear;
};
/// Errors: Errc::usage naming the parameter.
WarpRequest warp_request(const Operator& op, const std::vector<ParamValue>& values);

/// The grid that a request makes of the first raster, made to cover all of them unless the request says how far.
Grid mosaic_grid(const Io& io, const std::vector<const Grid*>& rasters, const GridRequest& request);

/// Errors: where a raster does not reach the grid of the file `to`, or that grid cannot be one to bring rasters to.
void check_target(const Io& io, const Grid& raster, const Grid& target, const std::string& to);

/// A raster as an input of a warped one. `near`: with the window of the target that it can reach, for one of many.
WarpInput warp_input(const Io& io, std::shared_ptr<const RasterSource> source, const Grid& target, bool near);

}  // namespace fulmar
