// SPDX-License-Identifier: Apache-2.0
/// @file
/// Several variables of one cube as one raster.
#pragma once

#include <memory>
#include <string>

#include "core/source.hpp"

namespace fulmar {

/// Opens the variables that `options.layer` names, with commas between: the bands of each step stand side by side, in
/// the order of the names. Null where it names one variable or none. The variables lie on one grid and have the same
/// steps at the same times. Errors: Errc::input where they do not, naming the two that differ; Errc::usage where a name
/// is empty or stands twice.
std::shared_ptr<const RasterSource> open_layers(const std::string& path, const FileOptions& options);

}  // namespace fulmar
