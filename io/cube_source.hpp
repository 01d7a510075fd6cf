// SPDX-License-Identifier: Apache-2.0
/// @file
/// Cubes: variables of netCDF, HDF5 and Zarr, with time and other axes, through GDAL's multidimensional interface.
#pragma once

#include <memory>
#include <string>

#include "core/source.hpp"

namespace fulmar {

/// Opens a variable of a cube as a raster whose bands are its steps in time (and along any other axis, the first axis
/// slowest, as the file has them). The variable is the file's only one on a grid, or the one that
/// NETCDF:"file":variable, HDF5:"file"://variable, ZARR:"folder":/variable or `options.layer` names.
///
/// Place: x and y are found by the axes' attributes (axis, standard_name, units) or names; rows come out from north to
/// south and columns from west to east, whatever the file's order. Coordinates are the centres of cells and must be
/// evenly spaced to a twentieth of a cell. Longitudes: a global grid is rolled so that it starts at 180 degrees west
/// where a column begins there, else kept; a regional grid that lies wholly beyond 180 degrees is moved by a turn, one
/// across the antimeridian is kept. Longitudes and latitudes without a datum are WGS84. Two-dimensional longitudes and
/// latitudes become control points (a lattice of up to 31 x 31 cells).
///
/// Cells: missing are _FillValue (or netCDF's default of the type), every missing_value, and what lies outside of
/// valid_range, valid_min, valid_max, all compared as packed; a range that holds nothing is ignored. Integers marked
/// _Unsigned are read so.
///
/// Returns null where the file is no cube, or the variable has no coordinates: then it is a plain raster to GDAL.
/// Errors: Errc::input, naming the file, what is wrong (time axis, spacing, several variables) and the cure.
std::shared_ptr<const RasterSource> open_cube(const std::string& path, const FileOptions& options);

}  // namespace fulmar
