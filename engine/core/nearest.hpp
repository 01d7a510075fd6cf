// SPDX-License-Identifier: Apache-2.0
/// @file
/// The word that a misspelt one was meant to be.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fulmar {

/// Damerau-Levenshtein distance (of neighbours swapped once), whatever the case of the letters.
inline std::size_t letters_between(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return fold(x) == fold(y);
  };
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

/// The word nearest to `word` by edit distance, or empty if none is near enough to be meant.
inline std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::size_t farthest = std::max<std::size_t>(2, word.size() / 3);
  std::size_t best = farthest + 1;
  std::string result;
  for (const std::string& candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    if (longer - std::min(word.size(), candidate.size()) > farthest) continue;
    const std::size_t d = letters_between(word, candidate);
    // Words that share no letter are not near, however short they are.
    if (d < best && d < longer) best = d, result = candidate;
  }
  return result;
}

}  // namespace fulmar
