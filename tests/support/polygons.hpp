// SPDX-License-Identifier: Apache-2.0
/// @file
/// Polygons along the edges of cells, turned back into cells without trusting how they were traced.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/features.hpp"

namespace fulmar::test {

using Cells = std::set<std::pair<std::int64_t, std::int64_t>>;  // row, column

inline std::int64_t twice_area(const Ring& r) {
  std::int64_t a = 0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    const Corner &p = r[i], &q = r[(i + 1) % r.size()];
    a += std::int64_t{p.column} * q.row - std::int64_t{q.column} * p.row;
  }
  return a;
}

/// The cells inside a polygon, by counting the edges to the left of each: no trust in the tracing.
inline Cells filled(const Polygon& polygon) {
  std::map<std::pair<std::int64_t, std::int64_t>, int> edges;  // row, column of the vertical unit edge
  std::int64_t top = 1 << 30, bottom = -(1 << 30);
  for (const Ring& r : polygon)
    for (std::size_t i = 0; i < r.size(); ++i) {
      const Corner &p = r[i], &q = r[(i + 1) % r.size()];
      if (p.column != q.column) continue;
      for (std::int64_t y = std::min(p.row, q.row); y < std::max(p.row, q.row); ++y) {
        ++edges[{y, p.column}];
        top = std::min(top, y), bottom = std::max(bottom, y);
      }
    }
  Cells cells;
  for (std::int64_t y = top; y <= bottom; ++y) {
    std::vector<std::int64_t> columns;
    for (auto it = edges.lower_bound({y, INT64_MIN}); it != edges.end() && it->first.first == y; ++it) {
      EXPECT_EQ(it->second, 1) << "an edge is passed twice";
      columns.push_back(it->first.second);
    }
    EXPECT_EQ(columns.size() % 2, 0u);
    for (std::size_t i = 0; i + 1 < columns.size(); i += 2)
      for (std::int64_t x = columns[i]; x < columns[i + 1]; ++x) cells.emplace(y, x);
  }
  return cells;
}

}  // namespace fulmar::test
