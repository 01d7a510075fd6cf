// SPDX-License-Identifier: Apache-2.0
/// @file
/// What is reported of an object: its shape on the ground and what was measured inside it.
#pragma once

#include <vector>

#include "core/features.hpp"
#include "exec/outline.hpp"

namespace fulmar {

struct Part;

/// Shape from whole-number sums over the cells, in metres; in cells where the scene does not tell their size.
/// C = covariance (ddof 0) of the cells' areas: of their centres, plus one twelfth of a cell's own square on each axis.
/// length = sqrt(12 l1), width = sqrt(12 l2) with the eigenvalues l1 >= l2 of C, exact for a uniform bar.
struct ObjectShape {
  double area = 0, length = 0, width = 0;
  double column = 0, row = 0;            ///< centroid; corners of cells are whole numbers
  double axis_column = 1, axis_row = 0;  ///< direction of the long axis, in cells
  Window box;
};

ObjectShape shape_of(const std::vector<Run>& runs, const Grid& grid);

std::vector<Column> object_columns();
/// A row of object_columns(), without its number (the first value).
Feature object_feature(const Part& part, const ObjectShape& shape, const Grid& grid, OutlineTracer& tracer);

}  // namespace fulmar
