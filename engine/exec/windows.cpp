// SPDX-License-Identifier: Apache-2.0
#include "exec/windows.hpp"

#include <algorithm>

#include "core/missing.hpp"

// The same loops for AVX-512 where the processor has it, chosen when the program starts: contraction is off, so the
// bits are the same. Sanitizers cannot follow such a choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define FULMAR_WIDE __attribute__((target_clones("arch=x86-64-v4", "default")))
#else
#define FULMAR_WIDE
#endif

namespace fulmar {
namespace {

FULMAR_WIDE bool any_missing(const float* cells, std::int64_t stride, std::int64_t width, std::int64_t height) {
  for (std::int64_t y = 0; y < height; ++y) {
    const float* row = cells + y * stride;
    int found = 0;
    for (std::int64_t x = 0; x < width; ++x) found |= is_missing(row[x]) ? 1 : 0;
    if (found != 0) return true;
  }
  return false;
}

/// Adds a row to the column sums.
template <bool gaps>
void add_row(const float* __restrict row, std::int64_t width, double* __restrict s1, double* __restrict s2,
             double* __restrict n) {
  for (std::int64_t x = 0; x < width; ++x) {
    const bool absent = gaps && is_missing(row[x]);
    const double v = absent ? 0.0 : static_cast<double>(row[x]);
    s1[x] += v;
    s2[x] += v * v;
    if constexpr (gaps) n[x] += absent ? 0.0 : 1.0;
  }
}

/// Moves the column sums down by one row: one row enters, one leaves.
FULMAR_WIDE void move_rows(const float* __restrict enter, const float* __restrict leave, std::int64_t width,
                           double* __restrict s1, double* __restrict s2) {
  for (std::int64_t x = 0; x < width; ++x) {
    const double in = static_cast<double>(enter[x]), out = static_cast<double>(leave[x]);
    s1[x] += in - out;
    s2[x] += in * in - out * out;
  }
}

/// The same where cells may be missing: they add nothing, not even to the count.
FULMAR_WIDE void move_rows_with_gaps(const float* __restrict enter, const float* __restrict leave, std::int64_t width,
                                     double* __restrict s1, double* __restrict s2, double* __restrict n) {
  for (std::int64_t x = 0; x < width; ++x) {
    const bool absent_in = is_missing(enter[x]), absent_out = is_missing(leave[x]);
    const double in = absent_in ? 0.0 : static_cast<double>(enter[x]);
    const double out = absent_out ? 0.0 : static_cast<double>(leave[x]);
    s1[x] += in - out;
    s2[x] += in * in - out * out;
    n[x] += (absent_in ? 0.0 : 1.0) - (absent_out ? 0.0 : 1.0);
  }
}

double sum(const double* values, std::int64_t count) {
  double total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += values[i];
  return total;
}

/// What the horizontal sums change by from each cell to the next; the first is the whole sum. o and g are the first
/// columns of the first cell's window and guard, on and gn how many there are.
FULMAR_WIDE void differences(const double* __restrict o, std::int64_t on, const double* __restrict g, std::int64_t gn,
                             std::int64_t width, double* __restrict d) {
  d[0] = sum(o, on);
  if (g == nullptr) {
    for (std::int64_t x = 1; x < width; ++x) d[x] = o[x + on - 1] - o[x - 1];
    return;
  }
  d[0] -= sum(g, gn);
  for (std::int64_t x = 1; x < width; ++x) d[x] = (o[x + on - 1] - o[x - 1]) - (g[x + gn - 1] - g[x - 1]);
}

/// Running sums along several rows at once: each row is a chain of dependent additions, and the chains overlap.
template <int rows>
void accumulate(double* d, std::int64_t stride, std::int64_t width) {
  double total[rows] = {};
  for (std::int64_t x = 0; x < width; ++x)
    for (int r = 0; r < rows; ++r) d[r * stride + x] = total[r] += d[r * stride + x];
}

void accumulate_rows(double* d, std::int64_t stride, std::int64_t width, std::int64_t rows) {
  if (rows == 4) return accumulate<4>(d, stride, width);
  for (std::int64_t r = 0; r < rows; ++r) accumulate<1>(d + r * stride, stride, width);
}

}  // namespace

WindowRows::WindowRows(const fulmar_view& view, const float* cells, std::int64_t stride, std::int64_t width,
                       std::int64_t height, Arena& arena)
    : cells_{cells},
      stride_{stride},
      width_{width},
      height_{height},
      ox_{view.outer_x},
      oy_{view.outer_y},
      gx_{view.inner_x},
      gy_{view.inner_y},
      left_{view.kind != FULMAR_VIEW_RING || (view.rank & FULMAR_RING_RIGHT) == 0},
      right_{view.kind != FULMAR_VIEW_RING || (view.rank & FULMAR_RING_LEFT) == 0},
      ring_{view.kind == FULMAR_VIEW_RING} {
  const std::int64_t outer = width + 2 * ox_, inner = width + 2 * gx_;
  o1_ = arena.take<double>(outer);
  o2_ = arena.take<double>(outer);
  on_ = arena.take<double>(outer);
  g1_ = arena.take<double>(inner);
  g2_ = arena.take<double>(inner);
  gn_ = arena.take<double>(inner);
  out_ = arena.take<double>(3 * window_rows * width);
  full_ = static_cast<double>(columns(ox_) * (2 * oy_ + 1));
  if (ring_) full_ -= static_cast<double>(columns(gx_) * (2 * gy_ + 1));
  gaps_ = any_missing(cells_ - oy_ * stride_ - ox_, stride_, outer, height + 2 * oy_);
  gaps_ ? begin<true>() : begin<false>();
}

template <bool gaps>
void WindowRows::begin() {
  const std::int64_t outer = width_ + 2 * ox_, inner = width_ + 2 * gx_;
  std::fill_n(o1_, outer, 0.0), std::fill_n(o2_, outer, 0.0), std::fill_n(on_, outer, 0.0);
  std::fill_n(g1_, inner, 0.0), std::fill_n(g2_, inner, 0.0), std::fill_n(gn_, inner, 0.0);
  for (std::int64_t y = -oy_; y <= oy_; ++y) add_row<gaps>(cells_ + y * stride_ - ox_, outer, o1_, o2_, on_);
  if (ring_)
    for (std::int64_t y = -gy_; y <= gy_; ++y) add_row<gaps>(cells_ + y * stride_ - gx_, inner, g1_, g2_, gn_);
  if constexpr (!gaps) std::fill_n(out_, window_rows * width_, full_);
}

void WindowRows::advance(std::int64_t rows) { gaps_ ? step<true>(rows) : step<false>(rows); }

template <bool gaps>
void WindowRows::step(std::int64_t rows) {
  double* counts = out_;
  double* sums = out_ + layer();
  double* squares = sums + layer();
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t y = next_row_ + r;
    if (y > 0) {
      const float* row = cells_ + y * stride_;
      const auto move = [&](std::int64_t hx, std::int64_t hy, double* s1, double* s2, double* n) {
        const float *enter = row + hy * stride_ - hx, *leave = row - (hy + 1) * stride_ - hx;
        if constexpr (gaps)
          move_rows_with_gaps(enter, leave, width_ + 2 * hx, s1, s2, n);
        else
          move_rows(enter, leave, width_ + 2 * hx, s1, s2), (void)n;
      };
      move(ox_, oy_, o1_, o2_, on_);
      if (ring_) move(gx_, gy_, g1_, g2_, gn_);
    }
    const auto differ = [&](const double* o, const double* g, double* to) {
      differences(o + first(ox_), columns(ox_), ring_ ? g + first(gx_) : nullptr, columns(gx_), width_,
                  to + r * width_);
    };
    differ(o1_, g1_, sums), differ(o2_, g2_, squares);
    if constexpr (gaps) differ(on_, gn_, counts);
  }
  accumulate_rows(sums, width_, width_, rows);
  accumulate_rows(squares, width_, width_, rows);
  if constexpr (gaps) accumulate_rows(counts, width_, width_, rows);
  next_row_ += rows;
}

}  // namespace fulmar
