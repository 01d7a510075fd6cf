// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Connected objects of a detection, with their outlines and measures.
///
/// Cells that are set (1) and touch, by corner or by edge, are one object. Objects are numbered by their first cell in
/// raster order, whatever the tiles, threads or backend. Missing cells belong to none. With lambda1 >= lambda2 the
/// eigen values of the covariance (ddof 0) of the object's cell coordinates in metres: length = sqrt(12 (lambda1 + c)),
/// width = sqrt(12 (lambda2 + c)), where c adds the extent of the cell itself (one twelfth of its square), so that a
/// bar of whole cells has its true sides. Contrast = 10 log10(mean intensity / mean background), in dB.
/// Lengths are in metres, or in cells where the scene does not tell the size of its cells.
struct Objects {
  enum class Connectivity { eight, four };
  struct Params {
    Connectivity connectivity = Connectivity::eight;
    double min_area = 0;
    double min_size = 0;
    double max_size = 0;
  } params;
  static Schema schema() {
    return Schema{"objects", "Gather detected cells into objects and measure them."}
        .input("detection", units::flag, "Cells that are set belong to objects.")
        .input("intensity", units::any, "What was measured where objects lie: its mean and maximum are reported.", true)
        .input("background", units::any, "Mean of the surroundings, for the contrast.", true)
        .output("objects", units::any, "One feature an object.")
        .param("connectivity", &Params::connectivity, "Cells touch by corner and edge (8) or by edge alone (4).",
               {"8", "4"})
        .param("min-area", &Params::min_area, "Drop objects smaller than this.", units::square_metre, at_least(0))
        .param("min-size", &Params::min_size, "Drop objects whose size, sqrt(length2 + width2), is less.", units::metre,
               at_least(0))
        .param("max-size", &Params::max_size, "Drop objects whose size is more; 0 for no limit.", units::metre,
               at_least(0))
        .example("scene_db.tif ! linear ! cfar ! objects --min-area 1800 ! ships.gpkg")
        .cites("Rosenfeld & Pfaltz 1966, J. ACM 13(4), 471-494 (connected components)")
        .cites("Hu 1962, IRE Trans. Inf. Theory 8(2), 179-187 (moments)")
        .agrees(exactly);
  }
  FULMAR_HD bool operator()(std::uint8_t detection) const { return detection == 1; }
  bool keep(const fulmar_object& o) const {
    const double size2 = o.length * o.length + o.width * o.width;
    return o.area >= params.min_area && size2 >= params.min_size * params.min_size &&
           (params.max_size == 0 || size2 <= params.max_size * params.max_size);
  }
};

}  // namespace fulmar::ops
