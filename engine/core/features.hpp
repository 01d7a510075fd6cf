// SPDX-License-Identifier: Apache-2.0
/// @file
/// A table of features: columns of values and one geometry a row, in cells of the grid they were found on.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/grid.hpp"
#include "core/unit.hpp"

namespace fulmar {

/// A corner of a cell: whole columns and rows.
struct Corner {
  std::int64_t column = 0, row = 0;
  friend bool operator==(const Corner&, const Corner&) = default;
};

/// A closed line along the edges of cells; the last corner joins the first and is not repeated.
using Ring = std::vector<Corner>;
/// The first ring is the shell (clockwise on the raster, rows downwards), the others are holes (anticlockwise).
using Polygon = std::vector<Ring>;

enum class ColumnType : std::uint8_t { integer, real, flag };

struct Column {
  std::string name;
  ColumnType type = ColumnType::real;
  Unit unit;
  std::string description;
};

/// One row: its polygons (cells that touch only at a corner make separate polygons) and a value for every column.
/// A missing value is NaN, whatever the column's type; integers are exact to 2^53.
struct Feature {
  std::vector<Polygon> polygons;
  std::vector<double> values;
};

/// Features in one grid. The sink turns corners into coordinates.
struct FeatureTable {
  Grid grid;
  std::vector<Column> columns;
  std::vector<Feature> rows;
};

}  // namespace fulmar
