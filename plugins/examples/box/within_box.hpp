// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The rows of a table whose place lies in a box of longitudes and latitudes, its edges included.
///
/// A box whose west lies east of its east crosses the date line. Rows without a place are dropped, and counted.
struct WithinBox {
  struct Params {
    double west = -180, south = -90, east = 180, north = 90;
  } params;
  static Schema schema() {
    return Schema{"within_box", "Keep the rows of a table that lie in a box."}
        .table("table", "Any table whose rows have a place.")
        .output_table("table", "The rows that stay.")
        .param("west", &Params::west, "Least longitude.", units::degree, between(-180, 180))
        .param("south", &Params::south, "Least latitude.", units::degree, between(-90, 90))
        .param("east", &Params::east, "Largest longitude.", units::degree, between(-180, 180))
        .param("north", &Params::north, "Largest latitude.", units::degree, between(-90, 90))
        .example("ships.gpkg ! within_box --west 5 --east 6 ! near.gpkg")
        .cites("RFC 7946, 5.2 (boxes that cross the date line)")
        .agrees(exactly);
  }
  static void check(Params& p) {
    if (p.south > p.north) fail(Errc::usage, "south lies north of north");
  }

  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView table = in[0];
    std::size_t nowhere = 0;
    out.carry(0);
    for (std::size_t row = 0; row < table.rows(); ++row) {
      const auto [lon, lat] = table.place(row);
      const bool between = params.west <= params.east ? lon >= params.west && lon <= params.east
                                                      : lon >= params.west || lon <= params.east;
      nowhere += is_missing(lon) || is_missing(lat) ? 1 : 0;
      if (between && lat >= params.south && lat <= params.north) out.row(row);
    }
    if (nowhere > 0) out.note("within_box: " + std::to_string(nowhere) + " rows have no place and were dropped");
  }
};

}  // namespace fulmar::ops
