// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ways between the grids of rasters, through PROJ.
#pragma once

#include <memory>

#include "core/transform.hpp"

namespace fulmar {

/// From the cells of `target` to the places of `source`, which lies by an affine transform or by control points.
/// Places are good to a hundred-thousandth of a source cell: squares of 32, 16, 8 or 4 target cells that begin at the
/// raster's origin are fitted by surfaces of second order through nine exact places, as large as four more exact places
/// allow; where none does, every cell is exact.
std::shared_ptr<const GridTransformer> make_transformer(const Grid& target, const Grid& source);

/// The grid onto which a raster is to be brought: in the CRS of the request, of square cells of its resolution whose
/// edges lie on whole multiples of it, over its extent. Without a resolution cells have the area of the source's middle
/// cell, or are those of the source where the CRS stays; without an extent the grid covers all of the raster.
Grid make_grid_for(const Grid& source, const GridRequest& request);

}  // namespace fulmar
