// SPDX-License-Identifier: Apache-2.0
/// @file
/// Cubes as products: netCDF by the CF conventions, and Zarr (version 2), through GDAL's multidimensional interface.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {

/// What a cube is made of besides its cells.
struct CubePlan {
  std::string driver;  ///< "netCDF" or "Zarr"
  std::vector<std::string> creation_options;
  Grid grid;
  std::vector<ProductBand> bands;
  Metadata metadata;
  DType dtype = DType::f32;      ///< of all cells
  std::optional<double> nodata;  ///< likewise
};

/// Fails with Errc::usage where a creation option cannot be: netCDF takes FORMAT (not NC4C, which turns UInt16 into
/// float), COMPRESS and ZLEVEL; Zarr COMPRESS and FORMAT=ZARR_V2 (ZARR_V3 of GDAL before 3.8 is a draft that nothing
/// else reads).
void check_cube_options(const std::string& driver, const std::vector<std::string>& creation_options);

/// Copies the bands of `cells` into a new cube at `path`. Bands of one name and unit that have times become one
/// variable along a time axis (seconds since 1970, proleptic_gregorian, in order of time); a second band of the same
/// name and time begins a second variable. Where a stack names a band differently from date to date, the words that all
/// dates share name it. Variables of the same times share an axis; bands without a time are variables of two
/// dimensions. Whole chunks are written, in an order of their own. Returns null where GDAL failed; its words are then
/// with the caller's ErrorTrap.
DatasetPtr write_cube(const std::string& path, GDALDataset& cells, const CubePlan& plan,
                      const std::atomic<bool>* cancel);

/// Writes what is not ASCII in the texts of a closed Zarr as JSON's escapes of four digits, the same to any reader of
/// JSON: zarr-python 2 takes nothing else, and the names of many coordinate systems have degree signs. False where a
/// file could not be written.
bool escape_zarr(const std::string& folder);

}  // namespace fulmar
