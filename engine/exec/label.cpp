// SPDX-License-Identifier: Apache-2.0
#include "exec/label.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "core/error.hpp"
#include "core/found_runs.hpp"
#include "core/missing.hpp"
#include "exec/measure.hpp"

namespace fulmar {
namespace {

/// The first set cell at or after x, or end. Eight cells are looked at in one go, since almost none is set.
std::int64_t next_set(const std::uint8_t* row, std::int64_t x, std::int64_t end) {
  for (; x + 8 <= end; x += 8) {
    std::uint64_t word;
    std::memcpy(&word, row + x, 8);
    if (word != 0) return x + std::countr_zero(word) / 8;
  }
  while (x < end && row[x] == 0) ++x;
  return x;
}

/// True if a cell around the run, within the raster, has no value.
bool beside_gap(const Run& run, const Window& window, const Window& raster, const LabelPlanes& p) {
  for (std::int64_t y = run.y - 1; y <= run.y + 1; ++y)
    for (std::int64_t x = run.x0 - 1; x <= run.x1; ++x)
      if (raster.contains(x, y) && is_missing(p.intensity[(y - window.y) * p.intensity_stride + (x - window.x)]))
        return true;
  return false;
}

/// In raster order, of an object that may run on beyond the seam.
Run first_cell(const std::vector<Run>& runs, const Grid& grid) {
  Run first = runs.front();
  if (!grid.wraps) return first;
  for (const Run& r : runs) {
    if (r.y != runs.front().y) break;
    const bool over = r.x0 < grid.width && r.x1 > grid.width;
    first.x0 = std::min(first.x0, over ? 0 : r.x0 - floor_to(r.x0, grid.width));
  }
  return first;
}

}  // namespace

void collect(const Window& window, const Window& raster, const LabelPlanes& p, BlockRuns& out) {
  for (std::int64_t y = 0; y < window.height; ++y) {
    const std::uint8_t* row = p.set + y * p.set_stride;
    for (std::int64_t x = next_set(row, 0, window.width); x < window.width; x = next_set(row, x, window.width)) {
      BlockRuns::Piece piece;
      piece.first = std::max(out.intensity.size(), out.background.size());
      const std::int64_t begin = x;
      while (x < window.width && row[x] != 0) ++x;
      piece.run = {window.y + y, window.x + begin, window.x + x};
      if (p.intensity != nullptr) {
        const float* from = p.intensity + y * p.intensity_stride;
        out.intensity.insert(out.intensity.end(), from + begin, from + x);
        piece.at_mask = beside_gap(piece.run, window, raster, p);
        piece.looked_around = true;
      }
      if (p.background != nullptr) {
        const float* from = p.background + y * p.background_stride;
        out.background.insert(out.background.end(), from + begin, from + x);
      }
      out.pieces.push_back(piece);
    }
  }
}

void too_many_cells(const Share& share) {
  const auto mebibytes = [](std::int64_t bytes) {
    const std::int64_t tenths = (bytes * 10) >> 20;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
  };
  fail(Errc::runtime, std::string{"what was detected"} + (share.of_a_tile ? " in one tile" : "") +
                          " needs more than its share, " + mebibytes(share.bytes) + " of the " + mebibytes(share.of) +
                          " that the memory budget leaves for features: raise --memory, detect less (a smaller pfa, a "
                          "mask), or drop small objects with objects --min-area");
}

void Part::merge(Part&& other) {
  if (other.runs.size() > runs.size()) std::swap(runs, other.runs);
  runs.insert(runs.end(), other.runs.begin(), other.runs.end());
  other.runs = {};
  intensity.merge(other.intensity);
  background.merge(other.background);
  weighted_x.merge(other.weighted_x);
  weighted_y.merge(other.weighted_y);
  cells += other.cells;
  with_intensity += other.with_intensity;
  with_background += other.with_background;
  maximum = std::max(maximum, other.maximum);
  at_edge |= other.at_edge;
  at_mask |= other.at_mask;
  looked_around |= other.looked_around;
}

void Part::see(const Run& run, const Window& raster, bool looked, bool beside_mask, const float* intensities,
               const float* backgrounds) {
  if (!runs.empty() && runs.back().y == run.y && runs.back().x1 == run.x0)
    runs.back().x1 = run.x1;
  else
    runs.push_back(run);
  cells += run.x1 - run.x0;
  at_mask |= beside_mask;
  looked_around |= looked;
  at_edge |= run.y == 0 || run.x0 == raster.x || run.y + 1 == raster.bottom() || run.x1 == raster.right();
  for (std::int64_t x = run.x0; x < run.x1; ++x) {
    const std::int64_t k = x - run.x0;
    if (intensities != nullptr && std::isfinite(intensities[k])) {
      const float v = intensities[k];
      intensity.add(v);
      weighted_x.add(v, 2 * x + 1);
      weighted_y.add(v, 2 * run.y + 1);
      maximum = std::max(maximum, v);
      ++with_intensity;
    }
    if (backgrounds != nullptr && std::isfinite(backgrounds[k])) {
      background.add(backgrounds[k]);
      ++with_background;
    }
  }
}

std::vector<Part> label_tile(std::span<const BlockRuns> blocks, const Window& raster, bool eight, const Share& share) {
  struct Entry {
    Run run;
    const BlockRuns* block;
    const BlockRuns::Piece* piece;
  };
  std::size_t pieces = 0;
  for (const auto& block : blocks) pieces += block.pieces.size();
  const auto entry_bytes = static_cast<std::int64_t>(pieces * (sizeof(Entry) + 2 * sizeof(int)));
  if (entry_bytes > share.bytes) too_many_cells(share);
  std::vector<Entry> entries;
  entries.reserve(pieces);
  for (const auto& block : blocks)
    for (const auto& piece : block.pieces) entries.push_back({piece.run, &block, &piece});
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.run.y != b.run.y ? a.run.y < b.run.y : a.run.x0 < b.run.x0;
  });

  std::vector<int> parent(entries.size());
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int i) {
    while (parent[static_cast<std::size_t>(i)] != i)
      i = parent[static_cast<std::size_t>(i)] = parent[static_cast<std::size_t>(parent[static_cast<std::size_t>(i)])];
    return i;
  };
  const auto join = [&](std::size_t a, std::size_t b) {
    const int ra = root(static_cast<int>(a)), rb = root(static_cast<int>(b));
    parent[static_cast<std::size_t>(std::max(ra, rb))] = std::min(ra, rb);
  };
  const std::int64_t reach = eight ? 1 : 0;
  std::size_t above = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Run& r = entries[i].run;
    if (i > 0 && entries[i - 1].run.y == r.y && entries[i - 1].run.x1 == r.x0) join(i - 1, i);  // a block's seam
    while (above < i && (entries[above].run.y < r.y - 1 ||
                         (entries[above].run.y == r.y - 1 && entries[above].run.x1 + reach <= r.x0)))
      ++above;
    for (std::size_t j = above; j < i && entries[j].run.y == r.y - 1 && entries[j].run.x0 < r.x1 + reach; ++j)
      join(j, i);
  }

  // Counted before they are made: a part is large, and noise has many.
  std::size_t count = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) count += parent[i] == static_cast<int>(i) ? 1 : 0;
  if (entry_bytes + static_cast<std::int64_t>(count * sizeof(Part) + pieces * sizeof(Run)) > share.bytes)
    too_many_cells(share);
  std::vector<Part> parts;
  parts.reserve(count);
  std::vector<int> place(entries.size(), -1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto r = static_cast<std::size_t>(root(static_cast<int>(i)));
    if (place[r] < 0) {
      place[r] = static_cast<int>(parts.size());
      parts.emplace_back();
    }
    Part& part = parts[static_cast<std::size_t>(place[r])];
    const auto& [run, block, piece] = entries[i];
    const auto of = [&](const std::vector<float>& values) {
      return values.empty() ? nullptr : values.data() + piece->first;
    };
    part.see(run, raster, piece->looked_around, piece->at_mask, of(block->intensity), of(block->background));
  }
  return parts;
}

std::vector<Part> parts_of(const std::byte* found, const Window& window, bool intensity, int values,
                           const Window& raster, const Share& share) {
  FoundTotals totals;
  std::memcpy(&totals, found, sizeof totals);
  const auto* runs = reinterpret_cast<const FoundRun*>(found + sizeof totals);
  const auto* first = reinterpret_cast<const float*>(runs + totals.runs);
  const float* intensities = intensity ? first : nullptr;
  const float* backgrounds = values > (intensity ? 1 : 0) ? first + (intensity ? totals.cells : 0) : nullptr;

  std::size_t count = 0;
  for (std::uint32_t k = 0; k < totals.runs; ++k) count += runs[k].root == k ? 1 : 0;
  const std::size_t bytes = totals.runs * (sizeof(int) + sizeof(Run)) + count * sizeof(Part);
  if (static_cast<std::int64_t>(bytes) > share.bytes) too_many_cells(share);
  std::vector<Part> parts;
  parts.reserve(count);
  std::vector<int> place(totals.runs, -1);
  for (std::uint32_t k = 0; k < totals.runs; ++k) {
    const bool beside_gap = (runs[k].end & found_beside_gap) != 0;
    const std::int64_t begin = runs[k].begin, end = runs[k].end & ~found_beside_gap;
    const std::int64_t y = begin / window.width, x = begin - y * window.width;
    int& part = place[runs[k].root];  // the root comes before whatever hangs from it
    if (part < 0) {
      part = static_cast<int>(parts.size());
      parts.emplace_back();
    }
    const Run run{window.y + y, window.x + x, window.x + x + (end - begin)};
    parts[static_cast<std::size_t>(part)].see(run, raster, intensity, beside_gap, intensities, backgrounds);
    if (intensities != nullptr) intensities += end - begin;
    if (backgrounds != nullptr) backgrounds += end - begin;
  }
  return parts;
}

Labeller::Labeller(const Grid& grid, bool eight, Keep keep, const Share& share)
    : grid_{grid}, eight_{eight}, keep_{std::move(keep)}, share_{share} {
  if (!grid.wraps) return;
  west_.assign(static_cast<std::size_t>(grid.height), -1);
  east_ = west_;
}

std::vector<Column> Labeller::columns() { return object_columns(); }

int Labeller::root(int part) {
  auto& p = parent_;
  while (p[static_cast<std::size_t>(part)] != part)
    part = p[static_cast<std::size_t>(part)] = p[static_cast<std::size_t>(p[static_cast<std::size_t>(part)])];
  return part;
}

void Labeller::join(int a, int b) {
  a = root(a), b = root(b);
  if (a == b) return;
  if (a > b) std::swap(a, b);
  parent_[static_cast<std::size_t>(b)] = a;
  parts_[static_cast<std::size_t>(a)].merge(std::move(parts_[static_cast<std::size_t>(b)]));
}

void Labeller::add(const Window& tile, std::vector<Part> parts) {
  const std::int64_t reach = eight_ ? 1 : 0;
  const bool columns_of_tiles = tile.width < grid_.width;
  if (tile.y == 0) {
    bottom_.clear();
    if (columns_of_tiles) {
      left_ = std::move(right_);
      right_.assign(static_cast<std::size_t>(grid_.height), -1);
    }
  }
  const int first_new = static_cast<int>(parts_.size());
  for (auto& part : parts) {
    parent_.push_back(static_cast<int>(parts_.size()));
    parts_.push_back(std::move(part));
  }

  // What touches the tile above and the tiles to the left; what this tile shows to the next ones. Runs are read before
  // any are moved by a join.
  struct Touch {
    int a, b;
  };
  std::vector<Touch> touches;
  std::vector<BottomRun> bottom;
  for (int id = first_new; id < static_cast<int>(parts_.size()); ++id)
    for (const Run& r : parts_[static_cast<std::size_t>(id)].runs) {
      if (r.y == tile.y && tile.y > 0) {
        auto b = std::partition_point(bottom_.begin(), bottom_.end(),
                                      [&](const BottomRun& x) { return x.x1 + reach <= r.x0; });
        for (; b != bottom_.end() && b->x0 < r.x1 + reach; ++b) touches.push_back({b->part, id});
      }
      if (r.x0 == tile.x && tile.x > 0)
        for (std::int64_t y = r.y - reach; y <= r.y + reach; ++y)
          if (y >= 0 && y < grid_.height && left_[static_cast<std::size_t>(y)] >= 0)
            touches.push_back({left_[static_cast<std::size_t>(y)], id});
      if (r.y + 1 == tile.bottom() && tile.bottom() < grid_.height) bottom.push_back({r.x0, r.x1, id});
      if (r.x1 == tile.right() && tile.right() < grid_.width) right_[static_cast<std::size_t>(r.y)] = id;
    }
  std::sort(bottom.begin(), bottom.end(), [](const BottomRun& a, const BottomRun& b) { return a.x0 < b.x0; });
  bottom_ = std::move(bottom);
  if (grid_.wraps && (tile.x == 0 || tile.right() == grid_.width))
    for (int id = first_new; id < static_cast<int>(parts_.size()); ++id)
      for (const Run& r : parts_[static_cast<std::size_t>(id)].runs) look_over_seam(r, id);
  for (const auto& t : touches) join(t.a, t.b);
  close(tile);
}

/// Whichever side is seen later finds the other.
void Labeller::look_over_seam(const Run& r, int part) {
  const std::int64_t reach = eight_ ? 1 : 0;
  const auto meet = [&](const std::vector<int>& other) {
    for (std::int64_t y = std::max<std::int64_t>(0, r.y - reach); y <= std::min(grid_.height - 1, r.y + reach); ++y)
      if (const int there = other[static_cast<std::size_t>(y)]; there >= 0 && there != part)
        over_.emplace_back(std::min(part, there), std::max(part, there));
  };
  if (r.x0 == 0) {
    west_[static_cast<std::size_t>(r.y)] = part;
    meet(east_);
  }
  if (r.x1 == grid_.width) {
    east_[static_cast<std::size_t>(r.y)] = part;
    meet(west_);
  }
}

std::vector<int> Labeller::groups_over_seam() {
  std::vector<int> group(parts_.size());
  std::iota(group.begin(), group.end(), 0);
  const auto first = [&](int i) {
    while (group[static_cast<std::size_t>(i)] != i) i = group[static_cast<std::size_t>(i)];
    return i;
  };
  for (auto& [a, b] : over_) {
    a = root(a), b = root(b);
    const int ga = first(a), gb = first(b);
    group[static_cast<std::size_t>(std::max(ga, gb))] = std::min(ga, gb);
  }
  for (std::size_t i = 0; i < group.size(); ++i) group[i] = first(static_cast<int>(i));
  return group;
}

/// The columns that a connected object takes are one stretch of the circle. Where it leaves some free, what lies left
/// of those is what continues beyond the seam.
Part Labeller::joined_over_seam(std::span<const int> parts) {
  std::vector<std::pair<std::int64_t, std::int64_t>> columns;
  for (const int i : parts)
    for (const Run& r : parts_[static_cast<std::size_t>(i)].runs) columns.emplace_back(r.x0, r.x1);
  std::sort(columns.begin(), columns.end());
  std::int64_t free = 0;
  for (const auto& [x0, x1] : columns) {
    if (x0 > free) break;
    free = std::max(free, x1);
  }
  Part all;
  for (const int i : parts) {
    Part& part = parts_[static_cast<std::size_t>(i)];
    if (free < grid_.width && part.runs.front().x0 < free) {
      for (Run& r : part.runs) r.x0 += grid_.width, r.x1 += grid_.width;
      part.weighted_x.merge(part.intensity, 2 * grid_.width);
    }
    all.merge(std::move(part));
  }
  return all;
}

void Labeller::close(const Window& tile) {
  const bool end_of_column = tile.bottom() >= grid_.height;
  std::vector<char> open(parts_.size(), 0);
  for (const auto& b : bottom_) open[static_cast<std::size_t>(root(b.part))] = 1;
  for (const int id : right_)
    if (id >= 0) open[static_cast<std::size_t>(root(id))] = 1;
  if (!end_of_column)
    for (const int id : left_)
      if (id >= 0) open[static_cast<std::size_t>(root(id))] = 1;

  // The first column waits for the last.
  const bool last_column = tile.right() >= grid_.width;
  for (std::int64_t y = 0; y < std::ssize(west_); ++y)
    if (const int id = west_[static_cast<std::size_t>(y)];
        id >= 0 && (!last_column || (y + 1 >= tile.bottom() && !end_of_column)))
      open[static_cast<std::size_t>(root(id))] = 1;
  // Parts that meet over the seam are measured together, when none of them is open any more.
  std::vector<int> group;
  if (!over_.empty()) {
    group = groups_over_seam();
    std::vector<char> open_groups(parts_.size(), 0);
    for (std::size_t i = 0; i < parts_.size(); ++i)
      if (open[i] != 0) open_groups[static_cast<std::size_t>(group[i])] = 1;
    std::map<int, std::vector<int>> done;
    for (const auto& [a, b] : over_)
      if (const int g = group[static_cast<std::size_t>(a)]; open_groups[static_cast<std::size_t>(g)] == 0)
        for (const int i : {a, b}) done[g].push_back(i);
    for (auto& [g, parts] : done) {
      std::sort(parts.begin(), parts.end());
      parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
      Part whole = joined_over_seam(parts);
      measure(whole);
      // Not a part any more.
      for (const int i : parts) open[static_cast<std::size_t>(i)] = 2;
    }
    for (std::size_t i = 0; i < parts_.size(); ++i)
      if (open[i] == 0) open[i] = open_groups[static_cast<std::size_t>(group[i])];
  }

  // What stays open moves together, so that memory follows the objects that are open and not those that were.
  std::vector<int> moved(parts_.size(), -1);
  std::vector<Part> kept;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parent_[i] != static_cast<int>(i)) continue;
    if (open[i] == 1) {
      moved[i] = static_cast<int>(kept.size());
      kept.push_back(std::move(parts_[i]));
    } else if (open[i] == 0) {
      measure(parts_[i]);
    }
  }
  std::int64_t open_bytes = 0;
  for (const Part& part : kept)
    open_bytes += static_cast<std::int64_t>(sizeof(Part) + part.runs.capacity() * sizeof(Run));
  if (bytes_ + open_bytes > share_.bytes) too_many_cells(share_);
  const auto now = [&](int id) { return id < 0 ? -1 : moved[static_cast<std::size_t>(root(id))]; };
  for (auto& b : bottom_) b.part = now(b.part);
  for (auto& id : right_) id = now(id);
  for (auto& id : west_) id = now(id);
  for (auto& id : east_) id = now(id);
  std::vector<std::pair<int, int>> over;
  for (const auto& [a, b] : over_)
    if (const int left = now(a), right = now(b); left >= 0 && left != right)
      over.emplace_back(std::min(left, right), std::max(left, right));
  std::sort(over.begin(), over.end());
  over.erase(std::unique(over.begin(), over.end()), over.end());
  over_ = std::move(over);
  if (end_of_column)
    std::fill(left_.begin(), left_.end(), -1);
  else
    for (auto& id : left_) id = now(id);
  parts_ = std::move(kept);
  parent_.resize(parts_.size());
  std::iota(parent_.begin(), parent_.end(), 0);
}

void Labeller::measure(Part& part) {
  std::sort(part.runs.begin(), part.runs.end(),
            [](const Run& a, const Run& b) { return a.y != b.y ? a.y < b.y : a.x0 < b.x0; });
  std::size_t last = 0;  // runs that a seam cut in two become one again
  for (std::size_t i = 1; i < part.runs.size(); ++i) {
    if (part.runs[last].y == part.runs[i].y && part.runs[last].x1 == part.runs[i].x0)
      part.runs[last].x1 = part.runs[i].x1;
    else
      part.runs[++last] = part.runs[i];
  }
  part.runs.resize(last + 1);
  const ObjectShape shape = shape_of(part.runs, grid_);
  const fulmar_object object{sizeof(fulmar_object), 0, part.cells, shape.area, shape.length, shape.width};
  if (!keep_(object)) return;
  // What tracing an outline takes for each run while it is at work.
  constexpr std::int64_t tracing = 512;
  if (bytes_ + static_cast<std::int64_t>(part.runs.size()) * tracing > share_.bytes) too_many_cells(share_);
  Feature feature = object_feature(part, shape, grid_, tracer_);
  bytes_ += static_cast<std::int64_t>(sizeof(Found) + feature.values.size() * sizeof(double));
  for (const auto& polygon : feature.polygons)
    for (const auto& ring : polygon) bytes_ += static_cast<std::int64_t>(64 + ring.size() * sizeof(Corner));
  if (bytes_ > share_.bytes) too_many_cells(share_);
  found_.push_back({first_cell(part.runs, grid_), std::move(feature)});
}

FeatureTable Labeller::finish() {
  for (std::size_t i = 0; i < parts_.size(); ++i)
    if (parent_[i] == static_cast<int>(i)) measure(parts_[i]);
  parts_.clear();
  parent_.clear();
  std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) {
    return a.first.y != b.first.y ? a.first.y < b.first.y : a.first.x0 < b.first.x0;
  });
  FeatureTable table{grid_, columns(), {}};
  table.rows.reserve(found_.size());
  for (auto& f : found_) {
    f.feature.values.front() = static_cast<double>(table.rows.size() + 1);
    table.rows.push_back(std::move(f.feature));
  }
  found_.clear();
  return table;
}

}  // namespace fulmar
