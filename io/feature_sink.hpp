// SPDX-License-Identifier: Apache-2.0
/// @file
/// Products made of features: GeoPackage, FlatGeobuf, GeoJSON, CSV and whatever else GDAL writes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// Objects on a grid: multipolygons in the scene's CRS, or in WGS84 where the format or the scene (control points) asks
/// for it. A scene that lies nowhere gives coordinates in cells, x = column and y = -row, without CRS; GeoJSON too is
/// then written so. Points are in longitude and latitude; lines and polygons, always as multi-geometries, in the
/// table's CRS. Shells run anticlockwise, holes clockwise. Missing values are NULL, times are UTC. CSV has no geometry
/// for objects on a grid, columns lon and lat for points (its own, where the table has such), and WKT for the rest. One
/// layer, named like the file; no features still make a whole file with all its columns. Errors: Errc::output with
/// GDAL's words.
std::unique_ptr<FeatureSink> create_feature_sink(const std::string& path, const FileOptions& options,
                                                 const FeatureTable& like, const Metadata& metadata);

}  // namespace fulmar
