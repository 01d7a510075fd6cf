// SPDX-License-Identifier: Apache-2.0
/// @file
/// Polygons along the edges of cells.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/features.hpp"

namespace fulmar {

/// Cells [x0, x1) of row y.
struct Run {
  std::int64_t y = 0, x0 = 0, x1 = 0;
  friend bool operator==(const Run&, const Run&) = default;
};

/// Traces outlines, and keeps its memory from one object to the next. Rows and columns are below 2^31.
class OutlineTracer {
 public:
  /// The outlines of a set of cells given as runs, sorted by row and column, none touching another in its row. Cells
  /// that share an edge make one polygon; polygons may touch at corners. Every ring is simple, so every polygon is
  /// valid in the sense of OGC Simple Features; where a hole meets its shell they meet in single points.
  std::vector<Polygon> operator()(const std::vector<Run>& runs);

 private:
  /// A corner as one number that sorts by row, then column.
  using Key = std::uint64_t;
  /// A step along edges of cells with the object on the right hand (rows grow downwards).
  struct Edge {
    Key from, to;
  };
  struct Range {
    std::uint32_t begin = 0, end = 0;
  };

  void find_neighbours(const std::vector<Run>& runs);
  std::size_t find(std::size_t run);
  void add_uncovered(const std::vector<Run>& runs, std::size_t run, Range neighbours, std::int64_t row,
                     bool rightwards);
  void add_edges(const std::vector<Run>& runs, std::size_t run);
  Polygon trace();
  [[nodiscard]] std::size_t leaving(Key corner) const;

  std::vector<Range> above_, below_;  ///< the runs of the next rows that share an edge with a run
  std::vector<std::uint32_t> parent_;
  std::vector<Edge> edges_;
  std::vector<char> used_;
  std::vector<std::uint32_t> seen_;  ///< by the first edge that leaves a corner: its place on the path, or none
  std::vector<std::pair<Key, std::uint32_t>> path_;  ///< corners, and the first edge that leaves each
};

/// The same for one object.
std::vector<Polygon> outlines(const std::vector<Run>& runs);

}  // namespace fulmar
