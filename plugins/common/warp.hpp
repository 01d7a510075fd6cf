// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The bands on another grid: another coordinate system, cell size, or part of the earth.
///
/// The grid has square cells whose edges lie on whole multiples of the resolution. How values are taken, and what gaps
/// and edges do, is told in engine/plan/warp.hpp; it is the engine that does it. Decibels and flags are taken as they
/// are (nearest) or refused. Errors: a CRS, resolution or extent that means nothing, or that the raster does not reach.
struct Warp {
  enum class Method { nearest, bilinear, cubic, lanczos, average };
  struct Params {
    double resolution = 0;
    Method resample = Method::bilinear;
  } params;
  static constexpr int warps = 1;
  static Schema schema() {
    return Schema{"warp", "Take bands to another coordinate system, cell size or extent."}
        .input("value", units::any, "The bands; several files, such as tiles or dates, each from its own grid.")
        .output("value", units::any, "The bands on the new grid.")
        .text<Params>(
            "crs", [](Params&, std::string_view) {},
            "The coordinate system, such as EPSG:32651, WKT or PROJ text; empty keeps it.", false)
        .param("resolution", &Params::resolution,
               "Side of a cell in the unit of the CRS; 0 keeps about as many cells as there are.", "CRS unit",
               at_least(0))
        .text<Params>(
            "extent", [](Params&, std::string_view) {},
            "xmin,ymin,xmax,ymax in the unit of the CRS; empty takes all of the raster.", false)
        .param("resample", &Params::resample, "How the value of a cell is taken from the cells around its place.",
               {"nearest", "bilinear", "cubic", "lanczos", "average"})
        .example("scene.tif ! warp --crs EPSG:32651 --resolution 30 --resample cubic ! utm.tif")
        .cites("Keys 1981, IEEE Trans. ASSP 29(6), 1153-1160 (cubic convolution)")
        .cites("Duchon 1979, J. Appl. Meteorol. 18, 1016-1022 (Lanczos window)")
        .agrees(exactly);
  }
};

}  // namespace fulmar::ops
