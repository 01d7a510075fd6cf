// SPDX-License-Identifier: Apache-2.0
#include "io/overlaps.hpp"

#include "core/error.hpp"
#include "core/shares.hpp"

namespace fulmar {
namespace {

constexpr std::size_t most_numbers = std::size_t{1} << 25;
static_assert(most_numbers < most_shares);

}  // namespace

float ShareLists::add(const std::map<double, double>& shares) {
  std::vector<double> zones;
  for (const auto& [zone, share] : shares)
    if (share >= 1) zones.push_back(zone);
  const bool whole = zones.size() == shares.size();
  if (whole)
    if (const auto known = known_.find(zones); known != known_.end()) return mark_of_shares(known->second);
  if (numbers_.size() + 2 * shares.size() + 1 > most_numbers)
    fail(Errc::input,
         "the zones share too many cells to keep who has which: simplify their outlines, choose a coarser raster, "
         "or take fewer zones at a time");
  const auto place = static_cast<std::uint32_t>(numbers_.size());
  numbers_.push_back(static_cast<double>(shares.size()));
  for (const auto& [zone, share] : shares) numbers_.insert(numbers_.end(), {zone, std::min(share, 1.0)});
  if (whole) known_.emplace(std::move(zones), place);
  return mark_of_shares(place);
}

void ShareLists::finish() {
  known_.clear();
  numbers_.shrink_to_fit();
}

void paint_segments(const std::vector<Segment>& row, std::int64_t left, std::int64_t width, float* cells) {
  auto s = std::partition_point(row.begin(), row.end(), [&](const Segment& x) { return x.end <= left; });
  for (; s != row.end() && s->begin < left + width; ++s)
    std::fill(cells + (std::max(s->begin, left) - left), cells + (std::min(s->end, left + width) - left), s->value);
}

Overlaps::Overlaps(const Shapes& shapes, std::int64_t width, std::int64_t height) {
  for (std::int64_t y = 0; y < height; y += Shapes::band_height) {
    const Window rows{0, y, width, std::min(Shapes::band_height, height - y)};
    auto runs = shapes.runs(rows);
    for (std::int64_t k = 0; k < rows.height; ++k) add_row(y + k, runs[static_cast<std::size_t>(k)]);
  }
  lists_.finish();
}

void Overlaps::add_row(std::int64_t y, std::vector<Shapes::Run>& runs) {
  std::sort(runs.begin(), runs.end(), [](const Shapes::Run& a, const Shapes::Run& b) { return a.begin < b.begin; });
  std::vector<Segment> segments;
  for (auto first = runs.begin(); first != runs.end();) {
    // Runs that hang together, most often one alone.
    auto last = first + 1;
    bool several = false;
    for (std::int64_t reach = first->end; last != runs.end() && last->begin < reach; ++last) {
      reach = std::max(reach, last->end);
      several = several || last->value != first->value;
    }
    if (several)
      for_each_part(std::vector<Shapes::Run>{first, last}, [&](std::int64_t begin, std::int64_t end, const auto& here) {
        std::map<double, double> zones;
        for (const Shapes::Run* r : here) zones[r->value] = 1;
        if (zones.size() == 1) return;
        const float mark = lists_.add(zones);
        if (!segments.empty() && segments.back().end == begin && segments.back().value == mark)
          segments.back().end = end;
        else
          segments.push_back({begin, end, mark});
      });
    first = last;
  }
  if (!segments.empty()) {
    segments.shrink_to_fit();
    rows_.emplace(y, std::move(segments));
  }
}

std::int64_t Overlaps::bytes() const {
  std::size_t bytes = shares().capacity() * sizeof(double);
  for (const auto& [y, row] : rows_) bytes += 64 + sizeof row + row.capacity() * sizeof(Segment);
  return static_cast<std::int64_t>(bytes);
}

void Overlaps::draw(const Window& window, float* cells, std::int64_t stride) const {
  for (auto row = rows_.lower_bound(window.y); row != rows_.end() && row->first < window.bottom(); ++row)
    paint_segments(row->second, window.x, window.width, cells + (row->first - window.y) * stride);
}

}  // namespace fulmar
