// SPDX-License-Identifier: Apache-2.0
/// @file
/// The cheapest way to pair things, by shortest augmenting paths (Jonker & Volgenant 1987, Computing 38, 325-340, in
/// the form of Crouse 2016, IEEE Trans. Aerosp. Electron. Syst. 52, 1679-1696), on a sparse list of pairs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace fulmar::assignment {

/// A pair that may be made, and its cost.
struct Pair {
  std::size_t row = 0, column = 0;
  double cost = 0;
};

inline constexpr std::size_t alone = static_cast<std::size_t>(-1);

/// For every row its column, or alone. Minimises the sum of the costs of the pairs made plus `single[row]` for each row
/// that stays alone; a column that stays alone costs nothing. Pairs come in any order, which the answer does not depend
/// on; of rows that are as good for a column the earlier keeps it, and of columns that are as good the earlier is
/// taken. Works on each connected component of the pairs by itself: exact, and as small as the largest of them.
inline std::vector<std::size_t> cheapest(std::size_t rows, std::size_t columns, std::vector<Pair> pairs,
                                         const std::vector<double>& single) {
  std::vector<std::size_t> answer(rows, alone);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.row != b.row ? a.row < b.row : a.column < b.column; });
  // Components by union of rows and columns.
  std::vector<std::size_t> parent(rows + columns);
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  const auto root = [&](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (const Pair& p : pairs) {
    const std::size_t a = root(p.row), b = root(rows + p.column);
    parent[std::max(a, b)] = std::min(a, b);
  }
  std::vector<std::vector<Pair>> components(rows);
  for (const Pair& p : pairs) components[root(p.row)].push_back(p);  // the least member of a component is a row

  for (auto& component : components) {
    if (component.empty()) continue;
    // Rows and columns of the component; behind the columns a place to be alone for each row.
    std::vector<std::size_t> its_rows, its_columns;
    for (const Pair& p : component) {
      if (its_rows.empty() || its_rows.back() != p.row) its_rows.push_back(p.row);
      its_columns.push_back(p.column);
    }
    std::sort(its_columns.begin(), its_columns.end());
    its_columns.erase(std::unique(its_columns.begin(), its_columns.end()), its_columns.end());
    const std::size_t n = its_rows.size(), m = its_columns.size(), all = m + n;
    std::vector<std::vector<std::pair<std::size_t, double>>> ways(n);
    std::size_t row = 0;
    for (const Pair& p : component) {
      if (its_rows[row] != p.row) ++row;
      const auto at = std::lower_bound(its_columns.begin(), its_columns.end(), p.column) - its_columns.begin();
      ways[row].emplace_back(static_cast<std::size_t>(at), p.cost);
    }
    for (std::size_t i = 0; i < n; ++i) ways[i].emplace_back(m + i, single[its_rows[i]]);

    constexpr double far = std::numeric_limits<double>::infinity();
    std::vector<double> u(n, 0), v(all, 0), distance(all);
    std::vector<std::size_t> of_column(all, alone), of_row(n, alone), before(all);
    std::vector<char> done(all);
    for (std::size_t start = 0; start < n; ++start) {
      std::fill(distance.begin(), distance.end(), far);
      std::fill(done.begin(), done.end(), char{0});
      std::vector<std::size_t> reached;
      std::size_t i = start, sink = alone;
      double least = 0;
      while (sink == alone) {
        for (const auto& [j, cost] : ways[i]) {
          if (done[j]) continue;
          const double d = least + cost - u[i] - v[j];
          if (d < distance[j]) {
            if (distance[j] == far) reached.push_back(j);
            distance[j] = d;
            before[j] = i;
          }
        }
        // The nearest column; of equally near ones a free one, then the first, then the last row to be alone.
        const auto rank = [&](std::size_t j) { return std::pair{of_column[j] != alone, j < m ? j : m + all - j}; };
        std::size_t best = alone;
        for (const std::size_t j : reached) {
          if (done[j]) continue;
          if (best == alone || distance[j] < distance[best] || (distance[j] == distance[best] && rank(j) < rank(best)))
            best = j;
        }
        done[best] = 1;
        least = distance[best];
        if (of_column[best] == alone)
          sink = best;
        else
          i = of_column[best];
      }
      u[start] += least;
      for (const std::size_t j : reached)
        if (done[j] && j != sink) {
          u[of_column[j]] += least - distance[j];
          v[j] -= least - distance[j];
        }
      // Turn the path around.
      for (std::size_t j = sink;;) {
        const std::size_t r = before[j];
        of_column[j] = r;
        std::swap(of_row[r], j);
        if (r == start) break;
      }
    }
    for (std::size_t k = 0; k < n; ++k)
      if (of_row[k] < m) answer[its_rows[k]] = its_columns[of_row[k]];
  }
  return answer;
}

}  // namespace fulmar::assignment
