// SPDX-License-Identifier: Apache-2.0
#include "exec/outline.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

namespace fulmar {
namespace {

/// A step along edges of cells with the object on the right hand (rows grow downwards).
struct Edge {
  Corner from, to;
  bool used = false;
};

bool before(const Corner& a, const Corner& b) { return std::tie(a.row, a.column) < std::tie(b.row, b.column); }

std::size_t find(std::vector<std::size_t>& parent, std::size_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

/// For each run, the runs of the row below that share an edge with it: calls meet(upper, lower).
template <class Meet>
void for_overlaps(const std::vector<Run>& runs, Meet&& meet) {
  std::size_t below = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    while (below < runs.size() &&
           (runs[below].y < runs[i].y + 1 || (runs[below].y == runs[i].y + 1 && runs[below].x1 <= runs[i].x0)))
      ++below;
    for (std::size_t j = below; j < runs.size() && runs[j].y == runs[i].y + 1 && runs[j].x0 < runs[i].x1; ++j)
      meet(i, j);
  }
}

/// Adds the stretches of [x0, x1) that no neighbouring run covers.
void add_uncovered(const Run& run, const std::vector<const Run*>& neighbours, std::int64_t row, bool rightwards,
                   std::vector<Edge>& edges) {
  const auto add = [&](std::int64_t a, std::int64_t b) {
    if (a >= b) return;
    edges.push_back(rightwards ? Edge{{a, row}, {b, row}} : Edge{{b, row}, {a, row}});
  };
  std::int64_t from = run.x0;
  for (const Run* n : neighbours) {
    add(from, std::min(n->x0, run.x1));
    from = std::max(from, n->x1);
  }
  add(from, run.x1);
}

int direction(const Edge& e) {  // 0 right, 1 down, 2 left, 3 up: clockwise
  if (e.to.column > e.from.column) return 0;
  if (e.to.row > e.from.row) return 1;
  return e.to.column < e.from.column ? 2 : 3;
}

std::int64_t twice_area(const Ring& ring) {
  std::int64_t area = 0;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const Corner &a = ring[i], &b = ring[(i + 1) % ring.size()];
    area += a.column * b.row - b.column * a.row;
  }
  return area;
}

/// Drops the corners that lie on a straight line.
Ring straightened(const Ring& ring) {
  Ring out;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const Corner &a = ring[(i + ring.size() - 1) % ring.size()], &b = ring[i], &c = ring[(i + 1) % ring.size()];
    const bool straight = (a.column == b.column && b.column == c.column) || (a.row == b.row && b.row == c.row);
    if (!straight) out.push_back(b);
  }
  return out;
}

Polygon trace(std::vector<Edge>& edges) {
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return before(a.from, b.from); });
  const auto leaving = [&](const Corner& corner) {
    return std::lower_bound(edges.begin(), edges.end(), corner,
                            [](const Edge& e, const Corner& c) { return before(e.from, c); });
  };
  Polygon polygon;
  for (auto& first : edges) {
    if (first.used) continue;
    // Walk until the line closes. Where two cells touch at a corner, turn right: stay with the same cell.
    Ring path;
    std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> seen;
    Edge* edge = &first;
    const auto visit = [&](const Corner& corner) {
      const auto key = std::pair{corner.row, corner.column};
      const auto known = seen.find(key);
      if (known == seen.end()) {
        seen.emplace(key, path.size());
        path.push_back(corner);
        return;
      }
      // The line came back to a corner: what lies between is a ring of its own.
      const auto from = path.begin() + static_cast<std::ptrdiff_t>(known->second);
      Ring ring(from, path.end());
      for (std::size_t i = known->second + 1; i < path.size(); ++i) seen.erase({path[i].row, path[i].column});
      path.erase(from + 1, path.end());
      polygon.push_back(straightened(ring));
    };
    visit(edge->from);
    do {
      edge->used = true;
      visit(edge->to);
      auto next = leaving(edge->to);
      const int right = (direction(*edge) + 1) % 4;
      Edge* chosen = nullptr;
      for (; next != edges.end() && next->from == edge->to; ++next)
        if (!next->used && (chosen == nullptr || direction(*next) == right)) chosen = &*next;
      edge = chosen;
    } while (edge != nullptr);
  }
  // The shell runs clockwise and there is one; holes run the other way.
  std::stable_partition(polygon.begin(), polygon.end(), [](const Ring& r) { return twice_area(r) > 0; });
  return polygon;
}

}  // namespace

std::vector<Polygon> outlines(const std::vector<Run>& runs) {
  std::vector<std::size_t> parent(runs.size());
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  std::vector<std::vector<const Run*>> above(runs.size()), below(runs.size());
  for_overlaps(runs, [&](std::size_t upper, std::size_t lower) {
    const auto a = find(parent, upper), b = find(parent, lower);
    parent[std::max(a, b)] = std::min(a, b);
    below[upper].push_back(&runs[lower]);
    above[lower].push_back(&runs[upper]);
  });

  std::map<std::size_t, std::vector<Edge>> parts;  // by their first run, so in raster order
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Run& r = runs[i];
    auto& edges = parts[find(parent, i)];
    edges.push_back({{r.x1, r.y}, {r.x1, r.y + 1}});
    edges.push_back({{r.x0, r.y + 1}, {r.x0, r.y}});
    add_uncovered(r, above[i], r.y, true, edges);
    add_uncovered(r, below[i], r.y + 1, false, edges);
  }
  std::vector<Polygon> polygons;
  polygons.reserve(parts.size());
  for (auto& [root, edges] : parts) polygons.push_back(trace(edges));
  return polygons;
}

}  // namespace fulmar
