// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The values of polygons, lines or points on the cells of a scene.
///
/// A polygon gives its value to the cells whose centre it holds (a centre on a side that two polygons share belongs to
/// one of them), or with all-touched also to those that its outline touches; lines and points to the cells they touch.
/// The value is that of `column`, or the number of the feature from 1. Where shapes overlap the later one is on top.
/// Any CRS. Cells outside all shapes are missing, and so are those where the scene is. Errors: a file that does not
/// overlap the scene, a column that is not there or holds no numbers.
struct Rasterize {
  struct Params {
    bool all_touched = false;
  } params;
  static Schema schema() {
    return Schema{"rasterize", "Draw the values of shapes on the cells of a scene."}
        .input("like", units::any, "The scene whose cells are drawn on.")
        .companion("shapes", "shapes", "Vector file, in any CRS.")
        .output("value", units::unknown, "The value of the shape that holds the cell.")
        .text<Params>(
            "column", [](Params&, std::string_view) {}, "Column of the values; the feature's number where empty.",
            false)
        .param("all-touched", &Params::all_touched, "Polygons hold every cell they touch.", units::flag, anything())
        .example("scene.tif ! rasterize --shapes zones.gpkg --column class ! classes.tif")
        .cites("Foley et al. 1990, Computer Graphics: Principles and Practice, section 3.6 (polygon fill)")
        .agrees(exactly);
  }
  FULMAR_HD float operator()(float like, float value) const { return is_missing(like) ? missing<float> : value; }
};

}  // namespace fulmar::ops
