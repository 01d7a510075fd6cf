// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"
#include "ground/hydrology.hpp"

namespace fulmar::ops {

/// How many cells drain through each cell, itself included, and in which direction it drains (D8).
///
/// Water takes the steepest way, drop / distance, of eight; of several as steep the first of E, SE, S, SW, W, NW, N,
/// NE. Distances are metres on the ground, of the cell's own row, or cells where the ground size is unknown. A flat
/// drains away from higher ground and towards its outlet. Where no neighbour is lower, water leaves over the raster's
/// edge (which one that goes round the earth does not have where its columns meet) or into a missing cell beside it, or
/// stays in the pit: `fill` the terrain first if none should. Missing cells
/// stay missing and drain nothing. Counts beyond 2^24 are rounded to f32. The whole raster is held in memory: 18 bytes
/// a cell. At most 4294967294 cells.
struct FlowAccumulation {
  struct Params {
    bool round = false;  ///< derived: the raster goes round the earth
  } params;
  static Schema schema() {
    return Schema{"flow_accumulation", "Count the cells upstream of every cell."}
        .input("height", units::any, "Heights above any datum, without depressions.")
        .output("cells", units::one, "Cells that drain through the cell, itself included.")
        .output("direction", units::one,
                "1 E, 2 SE, 4 S, 8 SW, 16 W, 32 NW, 64 N, 128 NE; 0 where water leaves or stays.")
        .example("dem.tif ! fill ! flow_accumulation ! streams.tif")
        .cites("O'Callaghan & Mark 1984, Computer Vision, Graphics and Image Processing 28, 323-344")
        .cites("Barnes, Lehman & Mulla 2014, Computers & Geosciences 62, 128-135")
        .agrees(exactly);
  }
  static void check(Params& p, const fulmar_ground& ground) { p.round = ground.width == 0 && ground.height > 0; }
  [[nodiscard]] std::uint64_t bytes(std::uint64_t cells) const { return hydrology::accumulate_bytes(cells); }
  void whole(const Rows& rows, Plane<const float> heights, Plane<float> cells, Plane<std::uint8_t> direction) const {
    hydrology::accumulate(heights.cells, rows.ground, cells.cells, direction.cells,
                          {heights.width, heights.height, params.round});
  }
};

}  // namespace fulmar::ops
