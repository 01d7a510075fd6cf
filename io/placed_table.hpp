// SPDX-License-Identifier: Apache-2.0
/// @file
/// Tables of a program's own: where their rows lie on earth.
#pragma once

#include "core/features.hpp"

namespace fulmar {

/// The table with its CRS as WKT2 and, in every row that has a shape and no place, the longitude and latitude of the
/// shape's middle: the mean of its vertices weighted by area (OGR's centroid). A point that comes as a shape of one
/// coordinate becomes its place alone. Errors: Errc::usage for a CRS that means nothing, for points in a table without
/// one, and for points that have no longitude and latitude.
FeatureTable place_rows(FeatureTable table);

}  // namespace fulmar
