// SPDX-License-Identifier: Apache-2.0
/// @file
/// The exact share of each cell that polygons cover.
#pragma once

#include <cstdint>
#include <vector>

#include "core/window.hpp"
#include "io/crs.hpp"
#include "io/overlaps.hpp"

namespace fulmar {

/// Polygons in columns and rows (corners of cells are whole numbers). A share is the sum of the trapezoids between the
/// polygon's edges and the cell's right side, taken edge by edge from the absolute coordinates. Built once, then read
/// by any number of threads.
class Coverage {
 public:
  Coverage(std::int64_t width, std::int64_t height);

  /// A polygon of a zone (from 1): its shell, then its holes, however they turn; rings must not cross themselves.
  void add_polygon(const std::vector<std::vector<Point>>& rings, double zone);
  /// After the last polygon. Errors: Errc::input where the shares take more than a quarter of a gibibyte.
  void finish();

  /// A zone's number where it covers a cell wholly and alone, a mark of shares (core/shares.hpp) where cells are
  /// shared, NaN where no zone is.
  void draw(const Window& window, float* cells, std::int64_t stride) const;
  /// The shares that the marks point to.
  [[nodiscard]] const std::vector<double>& shares() const { return lists_.numbers(); }
  /// What it holds once it is finished.
  [[nodiscard]] std::int64_t bytes() const;

 private:
  /// What the edges within one cell add to it, and to all cells on its right.
  struct Edge {
    std::int64_t row, column;
    double area, cover;
  };
  struct Run {
    std::int64_t begin, end;
    double zone, share;
  };

  void add_edge(Point a, Point b, double sign, std::vector<Edge>& edges) const;
  void add_piece(std::int64_t row, double xa, double xb, double rise, std::vector<Edge>& edges) const;
  [[nodiscard]] std::vector<Segment> segments_of(const std::vector<Run>& runs);

  std::int64_t width_, height_;
  std::vector<std::vector<Run>> runs_;  // by row
  std::vector<std::vector<Segment>> rows_;
  ShareLists lists_;
};

}  // namespace fulmar
