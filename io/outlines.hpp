// SPDX-License-Identifier: Apache-2.0
/// @file
/// Land masks and other outlines, from rasters or vectors of any CRS, on the cells of a scene.
#pragma once

#include <memory>

#include "core/source.hpp"

namespace fulmar {

/// One band of u8: 1 inside, 0 outside.
///
/// From a raster: its nearest cell; inside is what is neither 0 nor missing, and beyond its extent all is outside.
/// From a vector layer (options.layer, or the only one): polygons hold the cells whose centre they hold, lines and
/// points the cells they touch. A scene with control points is reached through its longitudes and latitudes. A file
/// without CRS must have the scene's size, and then means the scene's cells. Errors: Errc::input where the file cannot
/// be read, has no CRS, or does not overlap the scene; Errc::usage for a layer that is not there.
std::shared_ptr<const RasterSource> open_outlines(const CompanionRequest& request, const Grid& grid);

/// One band of f32: the value of the shape that holds the cell, NaN outside all of them; by the same rules as outlines,
/// from vector layers alone. The value is that of the parameter `column`, or the number of the feature from 1, in the
/// order in which the layer gives them; metadata() then tells their count as FULMAR_COUNT. With `all-touched` polygons
/// also hold the cells that their outlines touch. Where shapes overlap the later one is on top; but where they are
/// zones (a parameter `zones-count`) such a cell holds a mark (core/shares.hpp), and so do, with `cover` fraction,
/// those that a zone holds a part of: numbers() lists which zones and shares. Zones may also be a raster: each of its
/// values is one, numbered in their order; labels() lists them. Errors: as open_outlines(); Errc::usage for a column
/// that is not there or holds no numbers.
std::shared_ptr<const RasterSource> open_shape_values(const CompanionRequest& request, const Grid& grid);

/// The same from a table, once it is drawn: polygons, lines, points, or the outlines of cells.
std::shared_ptr<DrawnSource> shapes_of_table(const CompanionRequest& request, const Grid& grid);

}  // namespace fulmar
