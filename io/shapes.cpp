// SPDX-License-Identifier: Apache-2.0
#include "io/shapes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace fulmar {
namespace {

/// A coordinate as a cell's number, without overflow for those far away.
std::int64_t cell_of(double coordinate) {
  constexpr double far = 1e15;
  return static_cast<std::int64_t>(std::clamp(coordinate, -far, far));
}

/// Sets every cell of a window to one value.
template <class Cell>
void clear(const Window& window, Cell* cells, std::int64_t stride, Cell value) {
  for (std::int64_t y = 0; y < window.height; ++y)
    std::fill(cells + y * stride, cells + y * stride + window.width, value);
}

/// Hands on the part of a row that lies within the window.
template <class Paint>
void clipped(std::int64_t row, std::int64_t begin, std::int64_t end, const Window& window, std::uint32_t shape,
             const Paint& paint) {
  begin = std::max(begin, window.x);
  end = std::min(end, window.right());
  if (begin < end) paint(row, begin, end, shape);
}

}  // namespace

Shapes::Shapes(std::int64_t width, std::int64_t height)
    : width_{width}, height_{height}, bands_(static_cast<std::size_t>((height + band_height - 1) / band_height)) {}

void Shapes::add(Edge e, bool line) {
  if (!std::isfinite(e.x0) || !std::isfinite(e.y0) || !std::isfinite(e.x1) || !std::isfinite(e.y1)) return;
  if (e.y0 > e.y1) {
    std::swap(e.x0, e.x1);
    std::swap(e.y0, e.y1);
  }
  if (e.y1 < 0 || e.y0 >= static_cast<double>(height_) || std::min(e.x0, e.x1) > static_cast<double>(width_)) return;
  // Edges to the left of the raster still tell what is inside a polygon; lines there touch nothing.
  if (line ? std::max(e.x0, e.x1) < 0 : e.y0 == e.y1) return;
  const auto first = std::max<std::int64_t>(0, cell_of(std::floor(e.y0))) / band_height;
  const auto last = std::min(height_ - 1, cell_of(std::floor(e.y1))) / band_height;
  for (auto i = first; i <= last; ++i) {
    auto& band = bands_[static_cast<std::size_t>(i)];
    (line ? band.lines : band.edges).push_back(e);
  }
}

std::uint32_t Shapes::next_shape() {
  values_.push_back(value_);
  return static_cast<std::uint32_t>(values_.size() - 1);
}

void Shapes::add_polygon(const std::vector<std::vector<Point>>& rings) {
  const auto polygon = next_shape();
  for (const auto& ring : rings)
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const auto &a = ring[i], &b = ring[(i + 1) % ring.size()];
      add({a.x, a.y, b.x, b.y, polygon}, false);
    }
}

void Shapes::add_line(const std::vector<Point>& line) {
  const auto shape = next_shape();
  for (std::size_t i = 0; i + 1 < line.size(); ++i)
    add({line[i].x, line[i].y, line[i + 1].x, line[i + 1].y, shape}, true);
}

void Shapes::add_point(Point p) { add({p.x, p.y, p.x, p.y, next_shape()}, true); }

void Shapes::draw(const Window& window, std::uint8_t* cells, std::int64_t stride) const {
  clear(window, cells, stride, std::uint8_t{0});
  draw_all(window, [&](std::int64_t row, std::int64_t begin, std::int64_t end, std::uint32_t) {
    std::uint8_t* at = cells + (row - window.y) * stride;
    std::fill(at + (begin - window.x), at + (end - window.x), std::uint8_t{1});
  });
}

void Shapes::draw_values(const Window& window, float* cells, std::int64_t stride) const {
  clear(window, cells, stride, std::numeric_limits<float>::quiet_NaN());
  draw_all(window, [&](std::int64_t row, std::int64_t begin, std::int64_t end, std::uint32_t shape) {
    float* at = cells + (row - window.y) * stride;
    std::fill(at + (begin - window.x), at + (end - window.x), values_[shape]);
  });
}

std::vector<std::vector<Shapes::Run>> Shapes::runs(const Window& window) const {
  std::vector<std::vector<Run>> runs(static_cast<std::size_t>(window.height));
  draw_all(window, [&](std::int64_t row, std::int64_t begin, std::int64_t end, std::uint32_t shape) {
    runs[static_cast<std::size_t>(row - window.y)].push_back({begin, end, values_[shape]});
  });
  return runs;
}

template <class Paint>
void Shapes::draw_all(const Window& window, const Paint& paint) const {
  for (auto i = window.y / band_height; i * band_height < window.bottom(); ++i) {
    const auto part = intersect(window, {window.x, i * band_height, window.width, band_height});
    draw_polygons(bands_[static_cast<std::size_t>(i)], part, paint);
    draw_lines(bands_[static_cast<std::size_t>(i)], part, paint);
  }
}

template <class Paint>
void Shapes::draw_polygons(const Band& band, const Window& window, const Paint& paint) const {
  std::array<std::vector<double>, band_height> crossings;
  for (auto edge = band.edges.begin(); edge != band.edges.end();) {
    const auto polygon = edge->polygon;
    for (; edge != band.edges.end() && edge->polygon == polygon; ++edge) {
      // Rows whose centre the edge crosses: y0 <= row + 1/2 < y1.
      const auto first = std::max(window.y, cell_of(std::ceil(edge->y0 - 0.5)));
      const auto end = std::min(window.bottom(), cell_of(std::ceil(edge->y1 - 0.5)));
      for (auto row = first; row < end; ++row) {
        const double y = static_cast<double>(row) + 0.5;
        // Reckoned in GDAL's order, so that a centre on the edge is on it for both.
        const double x = (y - edge->y0) * (edge->x1 - edge->x0) / (edge->y1 - edge->y0) + edge->x0;
        crossings[static_cast<std::size_t>(row - window.y)].push_back(x);
      }
    }
    for (std::int64_t y = 0; y < window.height; ++y) {
      auto& row = crossings[static_cast<std::size_t>(y)];
      if (row.empty()) continue;
      // The edge that closes the row lies beyond the right side, where none are kept.
      if (row.size() % 2 != 0) row.push_back(static_cast<double>(width_) + 1);
      std::sort(row.begin(), row.end());
      for (std::size_t i = 0; i < row.size(); i += 2)
        clipped(window.y + y, cell_of(std::floor(row[i] + 0.5)), cell_of(std::floor(row[i + 1] + 0.5)), window, polygon,
                paint);
      row.clear();
    }
  }
}

template <class Paint>
void Shapes::draw_lines(const Band& band, const Window& window, const Paint& paint) const {
  for (const auto& line : band.lines) {
    const auto first = std::max(window.y, cell_of(std::floor(line.y0)));
    const auto last = std::min(window.bottom() - 1, cell_of(std::floor(line.y1)));
    for (auto row = first; row <= last; ++row) {
      // The part of the line within this row, from the absolute coordinates.
      const double top = std::max(line.y0, static_cast<double>(row)), end = static_cast<double>(row + 1);
      const double bottom = std::min(line.y1, end), height = line.y1 - line.y0;
      double a = line.x0, b = line.x1;
      if (height > 0) {
        a = line.x0 + (top - line.y0) / height * (line.x1 - line.x0);
        b = line.x0 + (bottom - line.y0) / height * (line.x1 - line.x0);
      }
      clipped(row, cell_of(std::floor(std::min(a, b))), cell_of(std::floor(std::max(a, b))) + 1, window, line.polygon,
              paint);
    }
  }
}

}  // namespace fulmar
