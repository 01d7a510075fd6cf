// SPDX-License-Identifier: Apache-2.0
/// @file
/// The calibration table of a Sentinel-1 product as a raster on the scene's own cells.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// A(line, sample) of a calibration annotation (calibration-*.xml, also gzipped): value = |DN|^2 / A^2.
///
/// A is interpolated linearly along each of the two calibration vectors around the line, each with its own list of
/// pixels, then linearly in azimuth time between the two. Before the first and beyond the last vector or pixel the
/// nearest interval runs on as a straight line. The time of a line is t_first + line (t_last - t_first) / (lines - 1),
/// from the product's annotation (NAME.xml in the folder above a calibration-NAME.xml); where that is not found A is
/// interpolated in the line number instead, which differs by the rounding of the vectors' lines (half a line).
///
/// values: "lut" one of sigma, beta, gamma (default sigma); "line-offset" and "sample-offset", the place of the
/// scene's first cell in the full product (default 0). An empty path is looked for beside the scene, as in a SAFE
/// folder. Errors: Errc::usage for a table that is not found or a wrong value, Errc::input for a damaged one.
/// Source: N. Miranda and P. J. Meadows, Radiometric Calibration of S-1 Level-1 Products, ESA-EOPG-CSCOP-TN-0002, 2015.
std::shared_ptr<const RasterSource> open_sentinel1_lut(const CompanionRequest& request, const Grid& grid);

}  // namespace fulmar
