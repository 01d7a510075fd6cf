// SPDX-License-Identifier: Apache-2.0
/// @file
/// A short look at the cells of a raster.
#pragma once

#include <cstdint>
#include <limits>

#include "core/source.hpp"

namespace fulmar {

/// What a short look at the cells finds: valid ones (about a million, spread over the raster), how many are negative or
/// above one, and their range, which is empty where there is none.
struct Sight {
  std::int64_t valid = 0, negative = 0, above_one = 0;
  double least = std::numeric_limits<double>::infinity(), most = -least;
};
FULMAR_API Sight look_at(const RasterSource& source, int band);

/// True if a short look at the cells (about a million, spread over the raster) finds most of them negative: what
/// RasterSource::looks_negative() is to answer.
FULMAR_API bool mostly_negative(const RasterSource& source, int band);

}  // namespace fulmar
