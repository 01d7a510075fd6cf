// SPDX-License-Identifier: Apache-2.0
/// @file
/// Polygons, lines and points in the cells of a raster, drawn window by window.
#pragma once

#include <cstdint>
#include <vector>

#include "core/window.hpp"
#include "io/crs.hpp"

namespace fulmar {

/// Shapes in columns and rows (corners of cells are whole numbers). Every row of cells is drawn from the absolute
/// coordinates alone, so a cell never depends on the window asked for. Built once, then read by any number of threads.
class Shapes {
 public:
  Shapes(std::int64_t width, std::int64_t height);

  /// A polygon: all its rings together, by the even-odd rule; the last point of a ring joins the first.
  void add_polygon(const std::vector<std::vector<Point>>& rings);
  void add_line(const std::vector<Point>& line);
  void add_point(Point point);
  /// What draw_values() paints of all that is added from now on.
  void set_value(float value) { value_ = value; }

  /// Sets cells to 1 inside any shape and to 0 elsewhere: those whose centre a polygon holds, and those that a line or
  /// point touches. A centre on a side is in the polygon where that side is its right one or, being level, its upper
  /// one, as in GDAL, so that of two that share the side one holds it. (GDAL gives those on level lower sides to both.)
  void draw(const Window& window, std::uint8_t* cells, std::int64_t stride) const;
  /// Sets the same cells to the shapes' values, and others to NaN. Where shapes overlap the one added last is on top,
  /// lines and points above polygons.
  void draw_values(const Window& window, float* cells, std::int64_t stride) const;

  /// A part of a row of cells that a shape holds.
  struct Run {
    std::int64_t begin, end;
    float value;
  };
  /// Every such part of the rows of a window, whatever lies on top of it, row by row and in no order.
  [[nodiscard]] std::vector<std::vector<Run>> runs(const Window& window) const;
  /// Rows that are best drawn together, from a multiple of this on.
  static constexpr std::int64_t band_height = 64;

 private:
  // y0 <= y1: an edge that two polygons share crosses a row at the same place for both.
  struct Edge {
    double x0, y0, x1, y1;
    std::uint32_t polygon;  // or line, or point
  };

  struct Band {
    std::vector<Edge> edges;  // by polygon, in the order these were added
    std::vector<Edge> lines;
  };
  void add(Edge edge, bool line);
  /// Calls paint(row, begin, end, shape) for every part of a row within the window, those on top last.
  template <class Paint>
  void draw_all(const Window& window, const Paint& paint) const;
  template <class Paint>
  void draw_polygons(const Band& band, const Window& window, const Paint& paint) const;
  template <class Paint>
  void draw_lines(const Band& band, const Window& window, const Paint& paint) const;
  std::uint32_t next_shape();

  std::int64_t width_, height_;
  std::vector<float> values_;  // of shapes
  float value_ = 1;
  std::vector<Band> bands_;
};

}  // namespace fulmar
