// SPDX-License-Identifier: Apache-2.0
#include "exec/outline.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>

namespace fulmar {
namespace {

constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

std::uint64_t key_of(std::int64_t column, std::int64_t row) {
  return (static_cast<std::uint64_t>(row) << 32) | static_cast<std::uint64_t>(column);
}

Corner corner_of(std::uint64_t key) {
  return {static_cast<std::int32_t>(key & 0xffffffffU), static_cast<std::int32_t>(key >> 32)};
}

/// 0 right, 1 down, 2 left, 3 up: clockwise.
int direction(std::uint64_t from, std::uint64_t to) {
  if (from >> 32 == to >> 32) return to > from ? 0 : 2;
  return to > from ? 1 : 3;
}

std::int64_t twice_area(const Ring& ring) {
  std::int64_t area = 0;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const Corner &a = ring[i], &b = ring[i + 1 == ring.size() ? 0 : i + 1];
    area += std::int64_t{a.column} * b.row - std::int64_t{b.column} * a.row;
  }
  return area;
}

/// The ring without the corners that lie on a straight line.
Ring straightened(std::span<const std::pair<std::uint64_t, std::uint32_t>> path) {
  const auto turns = [&](std::size_t i) {
    const std::uint64_t a = path[i == 0 ? path.size() - 1 : i - 1].first, b = path[i].first,
                        c = path[i + 1 == path.size() ? 0 : i + 1].first;
    return (direction(a, b) & 1) != (direction(b, c) & 1);
  };
  std::size_t count = 0;
  for (std::size_t i = 0; i < path.size(); ++i) count += turns(i) ? 1 : 0;
  Ring ring;
  ring.reserve(count);
  for (std::size_t i = 0; i < path.size(); ++i)
    if (turns(i)) ring.push_back(corner_of(path[i].first));
  return ring;
}

}  // namespace

/// Sorted by row and column, the runs that meet a run from one side stand side by side.
void OutlineTracer::find_neighbours(const std::vector<Run>& runs) {
  parent_.resize(runs.size());
  std::iota(parent_.begin(), parent_.end(), 0U);
  above_.assign(runs.size(), {});
  below_.assign(runs.size(), {});
  std::size_t next = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Run& r = runs[i];
    while (next < runs.size() && (runs[next].y < r.y + 1 || (runs[next].y == r.y + 1 && runs[next].x1 <= r.x0))) ++next;
    std::size_t end = next;
    for (; end < runs.size() && runs[end].y == r.y + 1 && runs[end].x0 < r.x1; ++end) {
      const std::size_t a = find(i), b = find(end);
      parent_[std::max(a, b)] = static_cast<std::uint32_t>(std::min(a, b));
      Range& above = above_[end];
      if (above.end == 0) above.begin = static_cast<std::uint32_t>(i);
      above.end = static_cast<std::uint32_t>(i + 1);
    }
    if (end > next) below_[i] = {static_cast<std::uint32_t>(next), static_cast<std::uint32_t>(end)};
  }
}

std::size_t OutlineTracer::find(std::size_t run) {
  std::size_t i = run;
  while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
  return i;
}

/// Adds the stretches of a run's side that no neighbouring run covers.
void OutlineTracer::add_uncovered(const std::vector<Run>& runs, std::size_t run, Range neighbours, std::int64_t row,
                                  bool rightwards) {
  const Run& r = runs[run];
  const auto add = [&](std::int64_t a, std::int64_t b) {
    if (a >= b) return;
    const Key left = key_of(a, row), right = key_of(b, row);
    edges_.push_back(rightwards ? Edge{left, right} : Edge{right, left});
  };
  std::int64_t from = r.x0;
  for (std::uint32_t n = neighbours.begin; n < neighbours.end; ++n) {
    add(from, std::min(runs[n].x0, r.x1));
    from = std::max(from, runs[n].x1);
  }
  add(from, r.x1);
}

void OutlineTracer::add_edges(const std::vector<Run>& runs, std::size_t run) {
  const Run& r = runs[run];
  edges_.push_back({key_of(r.x1, r.y), key_of(r.x1, r.y + 1)});
  edges_.push_back({key_of(r.x0, r.y + 1), key_of(r.x0, r.y)});
  add_uncovered(runs, run, above_[run], r.y, true);
  add_uncovered(runs, run, below_[run], r.y + 1, false);
}

std::size_t OutlineTracer::leaving(Key corner) const {
  const auto first = std::partition_point(edges_.begin(), edges_.end(), [&](const Edge& e) { return e.from < corner; });
  return static_cast<std::size_t>(first - edges_.begin());
}

Polygon OutlineTracer::trace() {
  std::sort(edges_.begin(), edges_.end(), [](const Edge& a, const Edge& b) { return a.from < b.from; });
  used_.assign(edges_.size(), 0);
  seen_.assign(edges_.size(), none);
  Polygon polygon;
  for (std::size_t first = 0; first < edges_.size(); ++first) {
    if (used_[first] != 0) continue;
    // Walk until the line closes. Where two cells touch at a corner, turn right: stay with the same cell.
    path_.clear();
    const auto visit = [&](std::size_t corner) {
      const std::uint32_t known = seen_[corner];
      if (known == none) {
        seen_[corner] = static_cast<std::uint32_t>(path_.size());
        path_.emplace_back(edges_[corner].from, static_cast<std::uint32_t>(corner));
        return;
      }
      // The line came back to a corner: what lies between is a ring of its own.
      polygon.push_back(straightened(std::span{path_}.subspan(known)));
      for (std::size_t i = known + 1; i < path_.size(); ++i) seen_[path_[i].second] = none;
      path_.resize(known + 1);
    };
    visit(leaving(edges_[first].from));
    for (std::size_t edge = first; edge < edges_.size();) {
      used_[edge] = 1;
      const Key to = edges_[edge].to;
      const std::size_t corner = leaving(to);
      visit(corner);
      const int right = (direction(edges_[edge].from, to) + 1) % 4;
      std::size_t chosen = edges_.size();
      for (std::size_t next = corner; next < edges_.size() && edges_[next].from == to; ++next)
        if (used_[next] == 0 && (chosen == edges_.size() || direction(to, edges_[next].to) == right)) chosen = next;
      edge = chosen;
    }
    for (const auto& [key, corner] : path_) seen_[corner] = none;
  }
  // The shell runs clockwise and there is one; holes run the other way.
  std::stable_partition(polygon.begin(), polygon.end(), [](const Ring& r) { return twice_area(r) > 0; });
  return polygon;
}

std::vector<Polygon> OutlineTracer::operator()(const std::vector<Run>& runs) {
  find_neighbours(runs);
  std::size_t parts = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) parts += find(i) == i ? 1 : 0;
  std::vector<Polygon> polygons;
  polygons.reserve(parts);
  if (parts == 1) {
    edges_.clear();
    for (std::size_t i = 0; i < runs.size(); ++i) add_edges(runs, i);
    polygons.push_back(trace());
    return polygons;
  }
  // By their first run, so in raster order.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> members;
  members.reserve(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i)
    members.emplace_back(static_cast<std::uint32_t>(find(i)), static_cast<std::uint32_t>(i));
  std::sort(members.begin(), members.end());
  for (std::size_t m = 0; m < members.size();) {
    edges_.clear();
    const std::uint32_t root = members[m].first;
    for (; m < members.size() && members[m].first == root; ++m) add_edges(runs, members[m].second);
    polygons.push_back(trace());
  }
  return polygons;
}

std::vector<Polygon> outlines(const std::vector<Run>& runs) { return OutlineTracer{}(runs); }

}  // namespace fulmar
