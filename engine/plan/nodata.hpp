// SPDX-License-Identifier: Apache-2.0
/// @file
/// A raster of which the user says what its file does not: which stored value means missing.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/source.hpp"

namespace fulmar {

/// The same raster, in which cells that hold `value` (a number, or nan) are missing too. Bands whose type cannot hold
/// it stay as they are. Where a band has another nodata value already, both are missing.
/// Errors: Errc::usage for what is no number, or that no band of the raster can hold.
std::shared_ptr<const RasterSource> with_nodata(std::shared_ptr<const RasterSource> source, const std::string& value);

/// The number that a text is in a type of cells; nothing where it has none there.
std::optional<double> nodata_of(const std::string& text, DType type);

}  // namespace fulmar
