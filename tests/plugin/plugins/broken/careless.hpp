// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Breaks every law of tables: it counts on the order of rows and columns, makes numbers of missing ones, cuts texts, and
/// has another column where there are rows.
struct Careless {
  struct Params {
    double least = 0;
  } params;
  static Schema schema() {
    return Schema{"careless", "Keep every second row."}
        .table("table", "Any table.")
        .output_table("table", "Every second row.")
        .param("least", &Params::least, "Least value.", units::any, between(-1e30, 1e30))
        .example("ships.gpkg ! careless ! half.gpkg")
        .cites("nobody")
        .agrees(exactly);
  }
  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView table = in[0];
    if (table.columns() < 2) fail(Errc::runtime, "no second column");
    const int name = table.find("name");
    out.carry(0);
    if (table.rows() > 0) out.column({"kept", ColumnType::flag, Unit{}, "Always set."});
    for (std::size_t row = 0; row < table.rows(); row += 2) {
      out.row(row);
      for (int c = 0; c < table.columns(); ++c)
        if (table.type(c) != ColumnType::text && is_missing(table.number(row, c))) out.number(c, 0);
      if (name != TableView::absent) out.text(name, std::string{table.text(row, name).substr(0, 3)});
      out.number(table.columns(), 1);
    }
  }
};

}  // namespace fulmar::ops
