// SPDX-License-Identifier: Apache-2.0
/// @file
/// Features drawn over the raster in which they were found, as a PNG.
#pragma once

#include <memory>
#include <string>

#include "core/source.hpp"

namespace fulmar {

/// An RGB picture whose longer side is at most 2048 cells, each the largest valid value of the cells beneath it: what
/// is small and bright stays visible. Grey from the 2nd to the 98th percentile, in decibels where all values are
/// positive and span more than two decades; missing cells dark blue; features as boxes 3 picture cells around them.
std::unique_ptr<FeatureSink> create_picture_sink(const std::string& path, const FileOptions& options, const Grid& grid,
                                                 const Metadata& metadata);

}  // namespace fulmar
