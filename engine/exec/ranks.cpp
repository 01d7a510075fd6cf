// SPDX-License-Identifier: Apache-2.0
#include "exec/ranks.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "core/missing.hpp"
#include "core/select.hpp"

// The same loops for newer processors where they are there, chosen when the program starts; order statistics have the
// same bits everywhere. Sanitizers cannot follow such a choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define FULMAR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FULMAR_CLONES
#endif

namespace fulmar {
namespace {

/// What a missing cell is while cells are put in order: after all others, none of which is infinite.
constexpr float last = std::numeric_limits<float>::infinity();
constexpr std::int64_t lanes = RankNetwork::lanes;
constexpr std::uint32_t word_bits = 6,
                        group_bits = 9;  ///< of a place: within a word, within the words counted together

FULMAR_CLONES void run_steps(const RankNetwork::Step* steps, std::size_t count, float* wires, std::int64_t stride) {
  using Step = RankNetwork::Step;
  for (std::size_t k = 0; k < count; ++k) {
    float* a = wires + steps[k].first * stride;
    float* b = wires + steps[k].second * stride;
    if (steps[k].keep == Step::both) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < lanes; ++i) {
        const float u = a[i], v = b[i];
        a[i] = u < v ? u : v;
        b[i] = u < v ? v : u;
      }
    } else if (steps[k].keep == Step::smaller) {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < lanes; ++i) a[i] = a[i] < b[i] ? a[i] : b[i];
    } else {
#pragma GCC ivdep
      for (std::int64_t i = 0; i < lanes; ++i) b[i] = a[i] < b[i] ? b[i] : a[i];
    }
  }
}

FULMAR_CLONES void count_valid(const float* __restrict cells, std::int32_t* __restrict n) {
  for (std::int64_t i = 0; i < lanes; ++i) n[i] += cells[i] < last ? 1 : 0;
}

/// Takes a wire where it holds the place that a lane asks for.
FULMAR_CLONES void pick(const float* __restrict wire, std::int32_t place, const std::int32_t* __restrict wanted,
                        float* __restrict to) {
  for (std::int64_t i = 0; i < lanes; ++i) to[i] = wanted[i] == place ? wire[i] : to[i];
}

/// Whether a cell has no place in an order: missing, or infinite, which only a plugin's operator makes.
inline bool unranked(float v) { return !(v - v == 0.0f); }

/// Copies cells, with 0 for -0 and what stands for missing cells; tells whether any is missing.
FULMAR_CLONES bool copy_row(const float* __restrict from, std::int64_t width, float* __restrict to) {
  int found = 0;
  for (std::int64_t x = 0; x < width; ++x) {
    const float v = from[x] + 0.0f;
    found |= unranked(v) ? 1 : 0;
    to[x] = unranked(v) ? last : v;
  }
  return found != 0;
}

FULMAR_CLONES void store(const float* __restrict low, const float* __restrict high, std::int64_t count,
                         double* __restrict lower, double* __restrict upper) {
  for (std::int64_t i = 0; i < count; ++i)
    lower[i] = static_cast<double>(low[i]), upper[i] = static_cast<double>(high[i]);
}

std::int64_t round_up(std::int64_t n) { return (n + lanes - 1) / lanes * lanes; }

// ---- the sliding window ----

#define FULMAR_INLINE inline __attribute__((always_inline))

/// Cells enter (one = 1) or leave (one = -1) the window.
FULMAR_INLINE void change(RankSlide& s, const std::uint32_t* places, std::int64_t count, std::int64_t step,
                          std::uint32_t one) {
  std::uint64_t* const bits = s.bits;
  std::uint32_t* const counts = s.counts;
  const std::uint32_t at = s.at;
  std::uint32_t below = s.below;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t place = places[i * step];
    bits[place >> word_bits] ^= std::uint64_t{1} << (place & 63);
    counts[place >> group_bits] += one;
    below += place >> group_bits < at ? one : 0;
  }
  s.below = below;
}

/// The rows y - hy .. y + hy of a column, seen from the block.
FULMAR_INLINE void change_column(RankSlide& s, std::int64_t x, std::int64_t y, std::int64_t hy, std::uint32_t one) {
  change(s, s.places + (x + s.ox) * s.tall + (y - hy + s.oy), 2 * hy + 1, 1, one);
}
FULMAR_INLINE void change_row(RankSlide& s, std::int64_t x, std::int64_t y, std::int64_t hx, std::uint32_t one) {
  change(s, s.places + (x - hx + s.ox) * s.tall + (y + s.oy), 2 * hx + 1, s.tall, one);
}

constexpr std::uint32_t enters = 1, leaves = static_cast<std::uint32_t>(-1);

/// The place of bit k, from 0, of the window; k is less than the number of bits.
FULMAR_INLINE std::uint32_t find(RankSlide& s, std::uint32_t k) {
  std::uint32_t at = s.at, below = s.below;
  while (below > k) below -= s.counts[--at];
  while (below + s.counts[at] <= k) below += s.counts[at++];
  s.at = at, s.below = below;
  std::uint32_t left = k - below;
  std::uint32_t w = at << (group_bits - word_bits);
  for (;; ++w) {
    const auto here = static_cast<std::uint32_t>(std::popcount(s.bits[w]));
    if (left < here) break;
    left -= here;
  }
  std::uint64_t word = s.bits[w];
  std::uint32_t place = w << word_bits;
  for (std::uint32_t half = 32; half >= 8; half /= 2) {
    const auto here = static_cast<std::uint32_t>(std::popcount(word & ((std::uint64_t{1} << half) - 1)));
    if (left >= here) left -= here, word >>= half, place += half;
  }
  for (; left > 0; --left) word &= word - 1;
  return place + static_cast<std::uint32_t>(std::countr_zero(word));
}

/// The next bit after a place; there is one.
FULMAR_INLINE std::uint32_t next(const RankSlide& s, std::uint32_t place) {
  std::uint32_t w = ++place >> word_bits;
  std::uint64_t word = s.bits[w] >> (place & 63) << (place & 63);
  while (word == 0) {
    ++w;
    constexpr std::uint32_t words = 1u << (group_bits - word_bits);
    if (w % words == 0)
      while (s.counts[w / words] == 0) w += words;
    word = s.bits[w];
  }
  return (w << word_bits) + static_cast<std::uint32_t>(std::countr_zero(word));
}

/// One row of statistics. The window comes from the row above and goes along the row, then back along the next.
FULMAR_CLONES void slide_row(RankSlide& s, std::int64_t y, std::int64_t width, double* __restrict n,
                             double* __restrict lower, double* __restrict upper) {
  if (y > 0) {
    change_row(s, s.x, y + s.oy, s.ox, enters);
    change_row(s, s.x, y - 1 - s.oy, s.ox, leaves);
    if (s.gx >= 0) {
      change_row(s, s.x, y - 1 - s.gy, s.gx, enters);
      change_row(s, s.x, y + s.gy, s.gx, leaves);
    }
  }
  const std::uint32_t missing_cells = s.none >> group_bits;
  const std::int64_t forward = s.x == 0 ? 1 : -1;
  std::uint32_t known = 0;
  RankPlaces wanted;
  for (std::int64_t i = 0;;) {
    const std::uint32_t valid = s.cells - s.counts[missing_cells];
    n[s.x] = valid;
    if (valid == 0) {
      lower[s.x] = upper[s.x] = missing<double>;
    } else {
      if (valid != known) wanted = places_among(valid, s.fraction, s.one), known = valid;
      const std::uint32_t place = find(s, wanted.low);
      lower[s.x] = static_cast<double>(s.values[place]);
      upper[s.x] = wanted.high == wanted.low ? lower[s.x] : static_cast<double>(s.values[next(s, place)]);
    }
    if (++i == width) break;
    const std::int64_t x = s.x + forward;
    change_column(s, x + forward * s.ox, y, s.oy, enters);
    change_column(s, s.x - forward * s.ox, y, s.oy, leaves);
    if (s.gx >= 0) {
      change_column(s, s.x - forward * s.gx, y, s.gy, enters);
      change_column(s, x + forward * s.gx, y, s.gy, leaves);
    }
    s.x = x;
  }
}

/// Sorts by the upper 32 bits, with room for as many; returns where the result is.
std::uint64_t* radix_sort(std::uint64_t* from, std::uint64_t* to, std::int64_t count) {
  constexpr int shifts[] = {32, 43, 54};
  constexpr std::uint64_t digits = 2048;
  std::uint32_t starts[3][digits] = {};
  for (std::int64_t i = 0; i < count; ++i)
    for (int d = 0; d < 3; ++d) ++starts[d][from[i] >> shifts[d] & (digits - 1)];
  for (int d = 0; d < 3; ++d) {
    std::uint32_t total = 0;
    bool alike = false;
    for (auto& start : starts[d]) {
      alike |= start == static_cast<std::uint64_t>(count);
      total += std::exchange(start, total);
    }
    if (alike) continue;
    for (std::int64_t i = 0; i < count; ++i) to[starts[d][from[i] >> shifts[d] & (digits - 1)]++] = from[i];
    std::swap(from, to);
  }
  return from;
}

}  // namespace

// ---- the network ----

RankNetwork::Wires RankNetwork::merge(const Wires& a, const Wires& b, Steps& steps) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  if (a.size() == 1 && b.size() == 1) {
    steps.push_back({a[0], b[0], Step::both});
    return {a[0], b[0]};
  }
  const auto every_second = [](const Wires& wires, std::size_t first) {
    Wires out;
    for (std::size_t i = first; i < wires.size(); i += 2) out.push_back(wires[i]);
    return out;
  };
  const Wires even = merge(every_second(a, 0), every_second(b, 0), steps);
  const Wires odd = merge(every_second(a, 1), every_second(b, 1), steps);
  Wires out{even[0]};
  for (std::size_t i = 0; i < odd.size(); ++i) {
    out.push_back(odd[i]);
    if (i + 1 == even.size()) break;
    steps.push_back({odd[i], even[i + 1], Step::both});
    out.push_back(even[i + 1]);
  }
  for (std::size_t i = odd.size() + 1; i < even.size(); ++i) out.push_back(even[i]);
  return out;
}

RankNetwork::Wires RankNetwork::sort(const Wires& wires, Steps& steps) {
  if (wires.size() < 2) return wires;
  const auto middle = wires.begin() + static_cast<std::ptrdiff_t>(wires.size() / 2);
  const Wires a = sort({wires.begin(), middle}, steps), b = sort({middle, wires.end()}, steps);
  return merge(a, b, steps);
}

RankNetwork::Steps RankNetwork::only(const Steps& all, const Wires& wanted, std::size_t wires) {
  std::vector<bool> needed(wires, false);
  for (const auto w : wanted) needed[w] = true;
  Steps kept;
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    const bool first = needed[step->first], second = needed[step->second];
    if (!first && !second) continue;
    const std::uint8_t keep = first && second ? Step::both : first ? Step::smaller : Step::larger;
    kept.push_back({step->first, step->second, keep});
    needed[step->first] = needed[step->second] = true;
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

RankNetwork::RankNetwork(const fulmar_view& view) {
  const std::int64_t cells = rank_cells(view);
  if (cells > most_network_cells) return;
  const bool one = (view.rank & FULMAR_RANK_CEIL) != 0, ring = (view.rank & FULMAR_RANK_RING) != 0;
  low_.push_back(-1), high_.push_back(-1);
  for (std::uint32_t n = 1; n <= cells; ++n) {
    const auto [low, high] = places_among(n, view.reach, one);
    low_.push_back(static_cast<std::int32_t>(low)), high_.push_back(static_cast<std::int32_t>(high));
  }
  Steps all;
  const std::int32_t tall = 2 * view.outer_y + 1;
  if (ring) {
    Wires wires;
    for (std::int32_t x = -view.outer_x; x <= view.outer_x; ++x)
      for (std::int32_t y = -view.outer_y; y <= view.outer_y; ++y) {
        if (std::abs(x) <= view.inner_x && std::abs(y) <= view.inner_y) continue;
        wires.push_back(static_cast<std::uint8_t>(ring_.size()));
        ring_.push_back({x + view.outer_x, y + view.outer_y});
      }
    order_ = sort(wires, all);
  } else {
    Wires column;
    for (std::int32_t y = 0; y < tall; ++y) column.push_back(static_cast<std::uint8_t>(y));
    const Wires sorted = sort(column, columns_);
    // Columns are shared by neighbouring windows: they are sorted once, then two and two are merged.
    std::vector<Wires> runs;
    for (std::int32_t x = 0; x <= 2 * view.outer_x; ++x) {
      runs.emplace_back();
      for (const auto y : sorted) runs.back().push_back(static_cast<std::uint8_t>(x * tall + y));
    }
    for (; runs.size() > 1;) {
      std::vector<Wires> merged;
      for (std::size_t i = 0; i + 1 < runs.size(); i += 2) merged.push_back(merge(runs[i], runs[i + 1], all));
      if (runs.size() % 2 == 1) merged.push_back(runs.back());
      runs = std::move(merged);
    }
    order_ = runs[0];
  }
  if (order_.empty()) return;
  const auto n = static_cast<std::size_t>(cells);
  const auto low = static_cast<std::size_t>(low_[n]), high = static_cast<std::size_t>(high_[n]);
  whole_ = only(all, {order_[low], order_[high]}, n);
  gaps_ = only(all, {order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(high) + 1}, n);
}

// ---- rows ----

RankRows::RankRows(const fulmar_view& view, const RankNetwork& network, const float* cells, std::int64_t stride,
                   std::int64_t width, std::int64_t height, Arena& arena)
    : view_{view}, network_{network}, width_{width}, height_{height}, ox_{view.outer_x}, oy_{view.outer_y} {
  out_ = arena.take<double>(3 * window_rows * width);
  if (rank_cells(view) <= most_network_cells)
    copy_plane(cells, stride, arena);
  else
    sort_cells(cells, stride, arena);
}

void RankRows::copy_plane(const float* cells, std::int64_t stride, Arena& arena) {
  padded_ = round_up(round_up(width_) + 2 * ox_);
  const std::int64_t tall = 2 * oy_ + 1;
  plane_ = arena.take<float>(padded_ * (height_ + 2 * oy_));
  columns_ = arena.take<float>(padded_ * tall);
  wires_ = arena.take<float>(lanes * most_network_cells);
  for (std::int64_t y = 0; y < height_ + 2 * oy_; ++y) {
    float* row = plane_ + y * padded_;
    gaps_ |= copy_row(cells + (y - oy_) * stride - ox_, width_ + 2 * ox_, row);
    std::fill(row + width_ + 2 * ox_, row + padded_, 0.0f);
  }
}

void RankRows::network_row(std::int64_t y, double* out) {
  const RankNetwork& net = network_;
  const std::int64_t tall = 2 * oy_ + 1, cells = rank_cells(view_);
  const bool ring = !net.ring_.empty();
  const float* rows = plane_ + y * padded_;
  if (!ring && cells > 0) {
    std::copy_n(rows, tall * padded_, columns_);
    for (std::int64_t x = 0; x < padded_; x += lanes)
      run_steps(net.columns_.data(), net.columns_.size(), columns_ + x, padded_);
  }
  const auto wire = [&](std::uint8_t w) { return wires_ + w * lanes; };
  for (std::int64_t x = 0; x < width_; x += lanes) {
    alignas(64) std::int32_t n[lanes] = {};
    for (std::int64_t w = 0; w < cells; ++w) {
      const auto k = static_cast<std::size_t>(w);
      const float* from = ring ? rows + net.ring_[k][1] * padded_ + net.ring_[k][0] + x
                               : columns_ + (w % tall) * padded_ + w / tall + x;
      std::copy_n(from, lanes, wire(static_cast<std::uint8_t>(w)));
      if (gaps_) count_valid(wire(static_cast<std::uint8_t>(w)), n);
    }
    const std::int64_t count = std::min(lanes, width_ - x);
    double* const lower = out + layer() + x;
    double* const upper = lower + layer();
    const bool whole = cells > 0 && (!gaps_ || std::all_of(n, n + count, [&](std::int32_t v) { return v == cells; }));
    if (whole) {
      run_steps(net.whole_.data(), net.whole_.size(), wires_, lanes);
      const auto full = static_cast<std::size_t>(cells);
      std::fill_n(out + x, count, static_cast<double>(cells));
      store(wire(net.order_[static_cast<std::size_t>(net.low_[full])]),
            wire(net.order_[static_cast<std::size_t>(net.high_[full])]), count, lower, upper);
      continue;
    }
    run_steps(net.gaps_.data(), net.gaps_.size(), wires_, lanes);
    alignas(64) std::int32_t low[lanes], high[lanes];
    alignas(64) float a[lanes], b[lanes];
    for (std::int64_t i = 0; i < lanes; ++i) {
      low[i] = net.low_[static_cast<std::size_t>(n[i])], high[i] = net.high_[static_cast<std::size_t>(n[i])];
      a[i] = b[i] = missing<float>;
    }
    const std::int32_t most = net.high_.back();
    for (std::int32_t k = 0; k <= most; ++k) {
      const float* from = wire(net.order_[static_cast<std::size_t>(k)]);
      pick(from, k, low, a);
      pick(from, k, high, b);
    }
    for (std::int64_t i = 0; i < count; ++i) out[x + i] = n[i];
    store(a, b, count, lower, upper);
  }
}

void RankRows::sort_cells(const float* cells, std::int64_t stride, Arena& arena) {
  RankSlide& s = slide_;
  s.ox = ox_, s.oy = oy_;
  const bool ring = (view_.rank & FULMAR_RANK_RING) != 0;
  s.gx = ring ? view_.inner_x : -1, s.gy = ring ? view_.inner_y : -1;
  s.fraction = view_.reach;
  s.one = (view_.rank & FULMAR_RANK_CEIL) != 0;
  s.cells = static_cast<std::uint32_t>(rank_cells(view_));
  s.tall = height_ + 2 * oy_;
  const std::int64_t wide = width_ + 2 * ox_, area = wide * s.tall;
  auto* keys = arena.take<std::uint64_t>(area);
  auto* room = arena.take<std::uint64_t>(area);
  std::int64_t valid = 0;
  for (std::int64_t y = 0; y < s.tall; ++y) {
    const float* row = cells + (y - oy_) * stride - ox_;
    for (std::int64_t x = 0; x < wide; ++x) {
      const float v = row[x] + 0.0f;  // 0 for -0
      keys[valid] = static_cast<std::uint64_t>(key_of(v)) << 32 | static_cast<std::uint64_t>(x * s.tall + y);
      valid += unranked(v) ? 0 : 1;
    }
  }
  const std::uint64_t* sorted = radix_sort(keys, room, valid);
  // The other half of the memory holds what is left of it: places and values.
  auto* places = reinterpret_cast<std::uint32_t*>(sorted == keys ? room : keys);
  auto* values = reinterpret_cast<float*>(places + area);
  const std::int64_t groups = (valid >> group_bits) + 1;
  s.none = static_cast<std::uint32_t>(groups << group_bits);
  std::fill_n(places, area, s.none);
  for (std::int64_t i = 0; i < valid; ++i) {
    places[static_cast<std::uint32_t>(sorted[i])] = static_cast<std::uint32_t>(i);
    values[i] = number_of(static_cast<std::uint32_t>(sorted[i] >> 32));
  }
  s.places = places, s.values = values;
  s.bits = arena.take<std::uint64_t>((groups + 1) << (group_bits - word_bits));
  s.counts = arena.take<std::uint32_t>(groups + 1);
  std::fill_n(s.bits, (groups + 1) << (group_bits - word_bits), std::uint64_t{0});
  std::fill_n(s.counts, groups + 1, 0u);
  for (std::int64_t x = -ox_; x <= ox_; ++x) change_column(s, x, 0, oy_, enters);
  for (std::int64_t x = -s.gx; ring && x <= s.gx; ++x) change_column(s, x, 0, s.gy, leaves);
}

void RankRows::advance(std::int64_t rows) {
  const bool small = rank_cells(view_) <= most_network_cells;
  for (std::int64_t r = 0; r < rows; ++r) {
    double* out = out_ + r * width_;
    if (small)
      network_row(next_row_ + r, out);
    else
      slide_row(slide_, next_row_ + r, width_, out, out + layer(), out + 2 * layer());
  }
  next_row_ += rows;
}

}  // namespace fulmar
