// SPDX-License-Identifier: Apache-2.0
/// @file
/// Products made of features: GeoPackage, FlatGeobuf, GeoJSON, CSV and whatever else GDAL writes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// Multipolygons in the scene's CRS, or in WGS84 where the format or the scene (control points) asks for it. A scene
/// that lies nowhere gives coordinates in cells, x = column and y = -row, without CRS; GeoJSON too is then written so.
/// Shells run anticlockwise, holes clockwise. Missing values are NULL. CSV has no geometry. One layer, named like the
/// file; no features still make a whole file with all its columns. Errors: Errc::output with GDAL's words.
std::unique_ptr<FeatureSink> create_feature_sink(const std::string& path, const FileOptions& options, const Grid& grid,
                                                 const std::vector<Column>& columns, const Metadata& metadata);

}  // namespace fulmar
