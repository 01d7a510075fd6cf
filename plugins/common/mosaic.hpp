// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Several rasters as one: of those that have a value at a cell, the first gives it.
///
/// The files of the pipeline count in their order (those of a pattern by name), then those given beside it. The grid is
/// that of the first, made to cover all of them, unless a coordinate system, resolution or extent is given; how values
/// are taken from it is told in engine/plan/warp.hpp. Errors: rasters of differing numbers of bands or units.
struct Mosaic {
  enum class Method { nearest, bilinear, cubic, lanczos, average };
  struct Params {
    double resolution = 0;
    Method resample = Method::nearest;
  } params;
  static constexpr int warps = 1;
  static Schema schema() {
    return Schema{"mosaic", "Put rasters side by side; where they overlap, the first counts."}
        .input("value", units::any, "The rasters, such as the tiles of a scene.")
        .input("with", units::any, "A raster that counts after them; may be given several times.", true)
        .output("value", units::any, "All of them on one grid.")
        .text<Params>(
            "crs", [](Params&, std::string_view) {},
            "The coordinate system, such as EPSG:32651, WKT or PROJ text; empty keeps that of the first.", false)
        .param("resolution", &Params::resolution, "Side of a cell in the unit of the CRS; 0 keeps that of the first.",
               "CRS unit", at_least(0))
        .text<Params>(
            "extent", [](Params&, std::string_view) {},
            "xmin,ymin,xmax,ymax in the unit of the CRS; empty takes all of the rasters.", false)
        .param("resample", &Params::resample, "How the value of a cell is taken from the cells around its place.",
               {"nearest", "bilinear", "cubic", "lanczos", "average"})
        .example("west.tif ! mosaic --with [ east.tif ] ! both.tif")
        .cites("GDAL 3.6, gdalwarp: several source files (there the last counts)")
        .agrees(exactly);
  }
};

}  // namespace fulmar::ops
