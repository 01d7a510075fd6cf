// SPDX-License-Identifier: Apache-2.0
/// @file
/// Tables of features from files: GeoPackage, GeoJSON, FlatGeobuf, CSV, whatever vector GDAL reads, and lines of NMEA.
#pragma once

#include <cstdint>
#include <string>

#include "core/source.hpp"

namespace fulmar {

/// True if the file holds features and no raster: by its first bytes (NMEA), its extension (.csv), or GDAL's drivers.
bool is_feature_file(const std::string& path, const FileOptions& options);

/// The whole table. Columns keep their order and names; times become UTC. Of CSV, every column is typed by all of its
/// values: whole numbers, numbers, ISO 8601 times, else text; columns such as lon/lat, longitude/latitude or LON/LAT
/// make points. Points come in longitude and latitude, lines and polygons in the file's CRS, with the middle of each as
/// its place. Receivers' logs (NMEA) give one text column, `sentence`, a row a line; what of a line lies beyond 1024
/// characters is left out.
///
/// Errors: Errc::input where the file cannot be opened or read to its end, mixes geometries of different dimension, or
/// needs more than `most_bytes`; Errc::usage for a layer that is not there.
FeatureTable read_features(const std::string& path, const FileOptions& options, std::int64_t most_bytes);

}  // namespace fulmar
