// SPDX-License-Identifier: Apache-2.0
/// @file
/// Polygons along the edges of cells.
#pragma once

#include <cstdint>
#include <vector>

#include "core/features.hpp"

namespace fulmar {

/// Cells [x0, x1) of row y.
struct Run {
  std::int64_t y = 0, x0 = 0, x1 = 0;
  friend bool operator==(const Run&, const Run&) = default;
};

/// The outlines of a set of cells given as runs, sorted by row and column, none touching another in its row. Cells that
/// share an edge make one polygon; polygons may touch at corners. Every ring is simple, so every polygon is valid in
/// the sense of OGC Simple Features; where a hole meets its shell they meet in single points.
std::vector<Polygon> outlines(const std::vector<Run>& runs);

}  // namespace fulmar
