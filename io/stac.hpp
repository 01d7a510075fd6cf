// SPDX-License-Identifier: Apache-2.0
/// @file
/// STAC Items beside products.
#pragma once

#include <string>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// How the name of an Item ends that stands beside NAME.tif: NAME.stac.json.
inline constexpr const char* stac_ending = "stac.json";

/// A STAC Item (1.0.0) of a product, as JSON, with the extensions projection 1.1, raster 1.1 and processing 1.1: where
/// it lies (footprint in WGS84, cut at the antimeridian; null where the grid lies nowhere), when it was measured (from
/// the bands' times, else TIME_START and TIME_END of the metadata), its bands, and how it was made (the pipeline's text
/// as expression and lineage, software and versions, the plan's hash). `bands` is empty for features. Errors:
/// Errc::usage where nothing tells when it was measured.
std::string stac_item(const std::string& path, const std::string& driver, const Grid& grid,
                      const std::vector<ProductBand>& bands, const Metadata& metadata);

}  // namespace fulmar
