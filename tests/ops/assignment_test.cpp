// SPDX-License-Identifier: Apache-2.0
/// @file
/// The cheapest assignment against every possible one, in small; test_associate.py compares larger ones with SciPy.
#include "sea/assignment.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace fulmar::assignment {
namespace {

double cost_of(const std::vector<std::size_t>& answer, const std::vector<Pair>& pairs,
               const std::vector<double>& single) {
  double sum = 0;
  for (std::size_t r = 0; r < answer.size(); ++r) {
    if (answer[r] == alone) {
      sum += single[r];
      continue;
    }
    bool found = false;
    for (const Pair& p : pairs)
      if (p.row == r && p.column == answer[r]) sum += p.cost, found = true;
    EXPECT_TRUE(found) << "a pair that was not offered";
    for (std::size_t other = 0; other < r; ++other) EXPECT_NE(answer[other], answer[r]) << "a column taken twice";
  }
  return sum;
}

double least_of_all(std::size_t rows, std::size_t columns, const std::vector<Pair>& pairs,
                    const std::vector<double>& single) {
  std::vector<char> taken(columns, 0);
  const std::function<double(std::size_t)> from = [&](std::size_t row) -> double {
    if (row == rows) return 0;
    double best = single[row] + from(row + 1);
    for (const Pair& p : pairs)
      if (p.row == row && !taken[p.column]) {
        taken[p.column] = 1;
        best = std::min(best, p.cost + from(row + 1));
        taken[p.column] = 0;
      }
    return best;
  };
  return from(0);
}

TEST(Assignment, IsTheCheapestOfAll) {
  std::mt19937 rng(7);
  std::uniform_real_distribution<double> real(0, 12);
  for (int k = 0; k < 600; ++k) {
    const std::size_t rows = 1 + rng() % 6, columns = 1 + rng() % 6;
    std::vector<Pair> pairs;
    const bool whole = k % 3 == 0;  // ties
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c)
        if (rng() % 3 != 0) pairs.push_back({r, c, whole ? static_cast<double>(rng() % 4) : real(rng) - 2});
    std::shuffle(pairs.begin(), pairs.end(), rng);
    std::vector<double> single(rows);
    for (double& s : single) s = whole ? 3 : real(rng);
    const auto answer = cheapest(rows, columns, pairs, single);
    EXPECT_NEAR(cost_of(answer, pairs, single), least_of_all(rows, columns, pairs, single), 1e-12) << k;
    // In whatever order the pairs come, the same answer, ties too.
    std::shuffle(pairs.begin(), pairs.end(), rng);
    EXPECT_EQ(cheapest(rows, columns, pairs, single), answer) << k;
  }
}

TEST(Assignment, Edges) {
  EXPECT_TRUE(cheapest(0, 0, {}, {}).empty());
  EXPECT_EQ(cheapest(2, 3, {}, {1, 1}), (std::vector<std::size_t>{alone, alone}));
  // Of two that are equally good the first row wins the column.
  EXPECT_EQ(cheapest(2, 1, {{1, 0, 1}, {0, 0, 1}}, {5, 5}), (std::vector<std::size_t>{0, alone}));
  EXPECT_EQ(cheapest(1, 2, {{0, 1, 1}, {0, 0, 1}}, {5}), (std::vector<std::size_t>{0}));
  // Dearer than being alone.
  EXPECT_EQ(cheapest(1, 1, {{0, 0, 6}}, {5}), (std::vector<std::size_t>{alone}));
}

TEST(Assignment, ALargeComponentIsQuick) {
  // A chain of 3000 rows, each near two columns.
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < 3000; ++i) pairs.push_back({i, i, 1.0}), pairs.push_back({i, i + 1, 0.5});
  const auto answer = cheapest(3000, 3001, pairs, std::vector<double>(3000, 9));
  for (std::size_t i = 0; i < 3000; ++i) EXPECT_EQ(answer[i], i + 1);
}

}  // namespace
}  // namespace fulmar::assignment
