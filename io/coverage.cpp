// SPDX-License-Identifier: Apache-2.0
#include "io/coverage.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace fulmar {
namespace {

/// Shares nearer to nothing or all than this are that: what rounding leaves of edges that run along cells.
constexpr double least = 1e-9;

/// Twice the area, negative where a shell's left side runs downwards.
double turn_of(const std::vector<Point>& ring) {
  double sum = 0;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const auto &o = ring.front(), &a = ring[i], &b = ring[(i + 1) % ring.size()];
    sum += (a.x - o.x) * (b.y - o.y) - (b.x - o.x) * (a.y - o.y);
  }
  return sum;
}

}  // namespace

Coverage::Coverage(std::int64_t width, std::int64_t height)
    : width_{width}, height_{height}, runs_(static_cast<std::size_t>(height)) {}

/// An edge from xa to xb within one row, where it rises by so much of the row's height.
void Coverage::add_piece(std::int64_t row, double xa, double xb, double rise, std::vector<Edge>& edges) const {
  const double left = std::min(xa, xb), right = std::max(xa, xb), run = right - left;
  const double last = static_cast<double>(width_);
  if (left >= last) return;
  if (right <= 0) {
    edges.push_back({row, 0, rise, rise});
    return;
  }
  if (left < 0) {
    const double part = rise * (-left / run);
    edges.push_back({row, 0, part, part});
  }
  const double from = std::max(left, 0.0), to = std::min(right, last);
  const auto first = static_cast<std::int64_t>(from);
  for (std::int64_t column = first; column < width_; ++column) {
    const double begin = std::max(from, static_cast<double>(column)),
                 end = std::min(to, static_cast<double>(column + 1));
    if (end < begin || (column > first && end == begin)) break;
    const double cover = run > 0 ? rise * ((end - begin) / run) : rise;
    edges.push_back({row, column, cover * (static_cast<double>(column + 1) - 0.5 * (begin + end)), cover});
    if (run == 0) break;
  }
}

void Coverage::add_edge(Point a, Point b, double sign, std::vector<Edge>& edges) const {
  if (!std::isfinite(a.x) || !std::isfinite(a.y) || !std::isfinite(b.x) || !std::isfinite(b.y) || a.y == b.y) return;
  if (a.y > b.y) {
    std::swap(a, b);
    sign = -sign;
  }
  const double top = std::max(a.y, 0.0), bottom = std::min(b.y, static_cast<double>(height_));
  if (top >= bottom) return;
  const auto x_at = [&](double y) {
    return y == a.y ? a.x : y == b.y ? b.x : a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x);
  };
  for (auto row = static_cast<std::int64_t>(top); static_cast<double>(row) < bottom; ++row) {
    const double y0 = std::max(top, static_cast<double>(row)), y1 = std::min(bottom, static_cast<double>(row + 1));
    add_piece(row, x_at(y0), x_at(y1), sign * (y1 - y0), edges);
  }
}

void Coverage::add_polygon(const std::vector<std::vector<Point>>& rings, double zone) {
  std::vector<Edge> edges;
  for (std::size_t r = 0; r < rings.size(); ++r) {
    const double sign = (turn_of(rings[r]) < 0) == (r == 0) ? 1 : -1;
    for (std::size_t i = 0; i < rings[r].size(); ++i)
      add_edge(rings[r][i], rings[r][(i + 1) % rings[r].size()], sign, edges);
  }
  std::stable_sort(edges.begin(), edges.end(),
                   [](const Edge& a, const Edge& b) { return a.row != b.row ? a.row < b.row : a.column < b.column; });
  for (auto edge = edges.begin(); edge != edges.end();) {
    const auto row = edge->row;
    auto& runs = runs_[static_cast<std::size_t>(row)];
    const auto add = [&](std::int64_t begin, std::int64_t end, double share) {
      share = share > 1 - least ? 1 : share;
      if (share > least && begin < end) runs.push_back({begin, end, zone, share});
    };
    double left = 0;  // what the edges to the left add
    std::int64_t next = 0;
    while (edge != edges.end() && edge->row == row) {
      const auto column = edge->column;
      add(next, column, left);
      double area = 0, cover = 0;
      for (; edge != edges.end() && edge->row == row && edge->column == column; ++edge)
        area += edge->area, cover += edge->cover;
      add(column, column + 1, left + area);
      left += cover;
      next = column + 1;
    }
    add(next, width_, left);
  }
}

std::vector<Segment> Coverage::segments_of(const std::vector<Run>& runs) {
  std::vector<Segment> segments;
  for_each_part(runs, [&](std::int64_t begin, std::int64_t end, const std::vector<const Run*>& here) {
    // The parts of one zone add up.
    std::map<double, double> shares;
    for (const Run* r : here) shares[r->zone] += r->share;
    const bool alone = shares.size() == 1 && shares.begin()->second >= 1 - least;
    segments.push_back({begin, end, alone ? static_cast<float>(shares.begin()->first) : lists_.add(shares)});
  });
  return segments;
}

void Coverage::finish() {
  rows_.clear();
  rows_.reserve(runs_.size());
  for (auto& runs : runs_) {
    rows_.push_back(segments_of(runs));
    runs = {};
  }
  runs_ = {};
  lists_.finish();
}

std::int64_t Coverage::bytes() const {
  std::size_t bytes = shares().capacity() * sizeof(double) + rows_.capacity() * sizeof rows_.front();
  for (const auto& row : rows_) bytes += row.capacity() * sizeof(Segment);
  return static_cast<std::int64_t>(bytes);
}

void Coverage::draw(const Window& window, float* cells, std::int64_t stride) const {
  for (std::int64_t y = 0; y < window.height; ++y) {
    float* row = cells + y * stride;
    std::fill(row, row + window.width, std::numeric_limits<float>::quiet_NaN());
    paint_segments(rows_[static_cast<std::size_t>(window.y + y)], window.x, window.width, row);
  }
}

}  // namespace fulmar
