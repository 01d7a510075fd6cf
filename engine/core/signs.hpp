// SPDX-License-Identifier: Apache-2.0
/// @file
/// A short look at the cells of a raster.
#pragma once

#include "core/source.hpp"

namespace fulmar {

/// True if a short look at the cells (about a million, spread over the raster) finds most of them negative: what
/// RasterSource::looks_negative() is to answer.
FULMAR_API bool mostly_negative(const RasterSource& source, int band);

}  // namespace fulmar
