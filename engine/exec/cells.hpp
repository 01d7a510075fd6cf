// SPDX-License-Identifier: Apache-2.0
/// @file
/// From stored cells to the engine's compute types, and between those.
#pragma once

#include <cstdint>

#include "core/source.hpp"

namespace fulmar {

/// Stored cells of a window as f32, missing as NaN: nodata is compared in the stored type, then value * scale + offset
/// in f64, rounded once; infinite values are missing. `mask` may be null.
void widen(const StoredBand& band, const void* cells, std::int64_t stride, const std::uint8_t* mask,
           std::int64_t mask_stride, std::int64_t width, std::int64_t height, float* out, std::int64_t out_stride);

/// f32 to flags: missing stays missing, anything but zero is 1.
void to_flags(const float* cells, std::int64_t stride, std::int64_t width, std::int64_t height, std::uint8_t* out,
              std::int64_t out_stride);
/// Flags to f32: missing stays missing.
void to_floats(const std::uint8_t* cells, std::int64_t stride, std::int64_t width, std::int64_t height, float* out,
               std::int64_t out_stride);

/// For every cell of a block, 1 if a cell that is set (1) lies within `reach` metres, centre to centre: the cell (i, j)
/// cells away counts if (i dx)^2 + (j dy)^2 <= reach^2, with dx and dy of the row that is asked about: `ground` holds
/// both for every row of the block (0 where unknown: then a cell counts as one metre). `cells` is the block's first
/// cell in a plane that reaches rx, ry further. `scratch` holds (height + 2 ry) * width values.
void within(const std::uint8_t* cells, std::int64_t stride, std::int64_t width, std::int64_t height, std::int64_t rx,
            std::int64_t ry, const double* ground, double reach, std::uint16_t* scratch, std::uint8_t* out);

}  // namespace fulmar
