// SPDX-License-Identifier: Apache-2.0
/// @file
/// Cells that several zones hold, and the lists in which they are told (core/shares.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "core/window.hpp"
#include "io/shapes.hpp"

namespace fulmar {

/// Numbers that marks point to. Cells that the same zones hold wholly share one list.
class ShareLists {
 public:
  /// The mark of a list of zones and their shares. Errors: Errc::input where the lists take more than a quarter of a
  /// gibibyte.
  float add(const std::map<double, double>& shares);
  /// After the last list: gives back what only add() needs.
  void finish();
  [[nodiscard]] const std::vector<double>& numbers() const { return numbers_; }

 private:
  std::vector<double> numbers_;
  std::map<std::vector<double>, std::uint32_t> known_;  // lists of zones that hold a cell wholly
};

/// A part of a row with one value.
struct Segment {
  std::int64_t begin, end;
  float value;
};

/// Paints the segments of a row, which are in its order, into the cells of a window that begins at `left`.
void paint_segments(const std::vector<Segment>& row, std::int64_t left, std::int64_t width, float* cells);

/// Calls use(begin, end, runs) for every part of a row that the same runs hold, from the left.
template <class Run, class Use>
void for_each_part(const std::vector<Run>& runs, Use&& use) {
  std::vector<std::int64_t> cuts;
  for (const Run& r : runs) cuts.insert(cuts.end(), {r.begin, r.end});
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  std::vector<const Run*> by_begin, here;
  for (const Run& r : runs) by_begin.push_back(&r);
  std::stable_sort(by_begin.begin(), by_begin.end(), [](const Run* a, const Run* b) { return a->begin < b->begin; });
  auto next = by_begin.begin();
  for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
    std::erase_if(here, [&](const Run* r) { return r->end <= cuts[c]; });
    for (; next != by_begin.end() && (*next)->begin == cuts[c]; ++next) here.push_back(*next);
    if (!here.empty()) use(cuts[c], cuts[c + 1], here);
  }
}

/// The cells of shapes with values that several values claim, each of which holds the cell wholly. Built once, then
/// read by any number of threads.
class Overlaps {
 public:
  /// Errors: Errc::input, as ShareLists.
  Overlaps(const Shapes& shapes, std::int64_t width, std::int64_t height);

  /// Paints marks over what the shapes have drawn there.
  void draw(const Window& window, float* cells, std::int64_t stride) const;
  [[nodiscard]] const std::vector<double>& shares() const { return lists_.numbers(); }
  [[nodiscard]] std::int64_t bytes() const;

 private:
  void add_row(std::int64_t y, std::vector<Shapes::Run>& runs);

  std::map<std::int64_t, std::vector<Segment>> rows_;  // those that have any
  ShareLists lists_;
};

}  // namespace fulmar
