// SPDX-License-Identifier: Apache-2.0
/// @file
/// Sums over boxes and rings around every cell, and the operator's function on them, in one kernel. A thread block owns
/// one compute block of the lattice and adds in the order that exec/windows.hpp defines, so the bits are the
/// processor's.
#pragma once

#include "cuda/cells.cuh"

namespace fulmar::cuda {

inline constexpr int window_threads = 256;
/// Rows whose running sums along the row overlap: each is a chain of dependent additions.
template <int views>
inline constexpr int rows_together = views == 1 ? 2 : 1;
/// Sums of one cell, one more so that the threads that write neighbouring cells meet different banks.
template <int views>
inline constexpr int cell_doubles = 3 * views* rows_together<views> + 1;

/// Cells of a row whose sums are made at a time: all of a block's where rows overlap, as many as there are threads
/// where the columns of several windows want the room.
template <int views>
inline constexpr int sums_across = rows_together<views> > 1 ? static_cast<int>(block_width) : window_threads;

/// Doubles of the column sums of one view over one block: three for the outer box, three for the guard.
inline std::int64_t column_doubles(const Shape& s, std::int64_t width) {
  return 3 * (width + 2 * s.ox) + (s.ring ? 3 * (width + 2 * s.gx) : 0);
}

/// Windows of sums that one function may ask for.
inline constexpr int most_sums = 3;
struct Views {
  Shape sums[most_sums];
  Shape ranks;
};

/// Where the column sums of the views are: in shared memory where they fit, in the call's scratch elsewhere.
struct Columns {
  std::int64_t doubles = 0;  ///< of all views over one block
  bool shared = false;
};

namespace detail {

/// Three sums of every column of a box's reach: of values, of their squares, of valid cells.
struct ColumnSums {
  double* s1;
  int width;
  __device__ double* s2() const { return s1 + width; }
  __device__ double* n() const { return s1 + 2 * width; }
};

/// Adds the rows -hy .. hy of the block's first row, from the top.
template <class Load>
__device__ void begin_columns(const ColumnSums& c, int hx, int hy, Load&& load) {
  for (int i = threadIdx.x; i < c.width; i += window_threads) {
    double s1 = 0, s2 = 0, n = 0;
    for (int y = -hy; y <= hy; ++y) {
      const float cell = load(i - hx, y);
      const bool absent = is_missing(cell);
      const double v = absent ? 0.0 : static_cast<double>(cell);
      s1 += v;
      s2 += v * v;
      n += absent ? 0.0 : 1.0;
    }
    c.s1[i] = s1, c.s2()[i] = s2, c.n()[i] = n;
  }
}

/// Moves the sums to row y of the block: one row enters, one leaves.
template <class Load>
__device__ void move_columns(const ColumnSums& c, int hx, int hy, int y, Load&& load) {
  for (int i = threadIdx.x; i < c.width; i += window_threads) {
    const float enter = load(i - hx, y + hy), leave = load(i - hx, y - hy - 1);
    const bool absent_in = is_missing(enter), absent_out = is_missing(leave);
    const double in = absent_in ? 0.0 : static_cast<double>(enter), out = absent_out ? 0.0 : static_cast<double>(leave);
    c.s1[i] += in - out;
    c.s2()[i] += in * in - out * out;
    c.n()[i] += (absent_in ? 0.0 : 1.0) - (absent_out ? 0.0 : 1.0);
  }
}

__device__ inline double total(const double* values, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += values[i];
  return sum;
}

/// What the sum along the row changes by from the cell before to cell x; at x = 0 the whole sum.
__device__ inline double difference(const double* o, const double* g, const Shape& s, int x) {
  // Of a box of some half width: the first column that counts, and how many do.
  const int sides = (s.left ? 1 : 0) + (s.right ? 1 : 0), own = s.left && s.right ? 1 : 0;
  o += s.left ? 0 : s.ox + 1, g += s.left ? 0 : s.gx + 1;
  const int on = sides * s.ox + own, gn = sides * s.gx + own;
  if (x == 0) {
    const double whole = total(o, on);
    return s.ring ? whole - total(g, gn) : whole;
  }
  const double outer = o[x + on - 1] - o[x - 1];
  return s.ring ? outer - (g[x + gn - 1] - g[x - 1]) : outer;
}

}  // namespace detail

template <class F, class Out, class R, class... A>
struct Windows {
  using Order = cuda::Order<A...>;
  static constexpr int views = Order::sums, rows = rows_together<views>, cell = cell_doubles<views>,
                       at_once = sums_across<views>;

  template <std::size_t I>
  __device__ static auto argument(const fulmar_call& call, std::int64_t x, std::int64_t y, const double* sums,
                                  const Shape* ranks) {
    using Argument = std::tuple_element_t<I, std::tuple<A...>>;
    if constexpr (is_sums<Argument>) {
      const double* s = sums + 3 * rows * Order::template sum<I>;
      Argument m;
      m.n = s[0], m.s1 = s[rows], m.s2 = s[2 * rows];
      return m;
    } else {
      return Cells<F, R, A...>::template argument<I>(call, x, y, ranks);
    }
  }
  template <std::size_t... I>
  __device__ static void at(const F& f, const fulmar_call& call, std::int64_t x, std::int64_t y, const double* sums,
                            const Shape* ranks, std::index_sequence<I...>) {
    if constexpr (std::is_void_v<R>)
      f(argument<I>(call, x, y, sums, ranks)...);
    else
      Out{call, y}.store(x, f(argument<I>(call, x, y, sums, ranks)...));
  }

  /// Calls use(view, plane, sums of the outer box, sums of the guard) for every view. Views that sum the same columns
  /// find the same ones.
  template <class Use, std::size_t... I>
  __device__ static void each_view(const Views& shapes, double* columns, int width, Use&& use,
                                   std::index_sequence<I...>) {
    double* first = columns;
    double* second = columns;
    const auto one = [&](std::size_t plane, std::size_t view) {
      const Shape& s = shapes.sums[view];
      const int outer = width + 2 * s.ox, inner = width + 2 * s.gx;
      double* const own = s.same < 0 ? columns : s.same == 0 ? first : second;
      use(view, plane, detail::ColumnSums{own, outer}, detail::ColumnSums{own + 3 * outer, inner});
      if (view == 1) second = columns;
      if (s.same < 0) columns += 3 * outer + (s.ring ? 3 * inner : 0);
    };
    ((is_sums<A> ? one(Order::template plane<I>, Order::template sum<I>) : void()), ...);
  }
};

/// Thread blocks that a multiprocessor shall hold at least. A function that looks around a cell as well needs the
/// registers.
template <class... A>
inline constexpr unsigned blocks_at_once = Order<A...>::sums == 1 && !(is_near<A> || ...) ? 2 : 1;

template <class F, class Out, class R, class... A>
__global__ void __launch_bounds__(window_threads, blocks_at_once<A...>)
    each_window(const __grid_constant__ F f, const __grid_constant__ Call given, const __grid_constant__ Views shapes,
                Columns where) {
  using W = Windows<F, Out, R, A...>;
  constexpr auto all = std::make_index_sequence<sizeof...(A)>{};
  extern __shared__ double shared[];
  const fulmar_call call = given.here();
  // Within a block 32 bits suffice, and take half the registers.
  constexpr int across = block_width, down = block_height;
  const std::int64_t left = blockIdx.x * block_width, top = blockIdx.y * block_height;
  const int width = left + across < given.output[0].width ? across : static_cast<int>(given.output[0].width - left);
  const int height = top + down < given.output[0].height ? down : static_cast<int>(given.output[0].height - top);
  double* const sums = shared;
  double* const columns = where.shared
                              ? shared + W::at_once * W::cell
                              : call.scratch + (blockIdx.y * std::int64_t{gridDim.x} + blockIdx.x) * where.doubles;

  // A cell of the block's plane, as it is summed: only rings pass through the operator's sample().
  const auto loader = [&](std::size_t view, std::size_t plane) {
    const fulmar_plane& p = given.input[plane];
    const float* origin = static_cast<const float*>(p.cells) + top * p.stride + left;
    const std::int64_t stride = p.stride;
    const bool sampled = shapes.sums[view].ring;
    return [&f, origin, stride, sampled](int x, int y) {
      const float v = origin[y * stride + x];
      if constexpr (requires { f.sample(0.0f); })
        return sampled ? f.sample(v) : v;
      else
        return (void)sampled, (void)f, v;
    };
  };

  W::each_view(
      shapes, columns, width,
      [&](std::size_t view, std::size_t plane, detail::ColumnSums outer, detail::ColumnSums inner) {
        const Shape& s = shapes.sums[view];
        if (s.same >= 0) return;
        detail::begin_columns(outer, s.ox, s.oy, loader(view, plane));
        if (s.ring) detail::begin_columns(inner, s.gx, s.gy, loader(view, plane));
      },
      all);
  for (int first = 0; first < height; first += W::rows) {
    const int count = height - first < W::rows ? height - first : W::rows;
    double running = 0;  // of a thread that adds along a row
    for (int from = 0; from < width; from += W::at_once) {
      const int end = from + W::at_once < width ? from + W::at_once : width;
      for (int r = 0; r < count; ++r) {
        __syncthreads();  // the sums before were used
        if (from == 0) {
          if (first + r > 0)
            W::each_view(
                shapes, columns, width,
                [&](std::size_t view, std::size_t plane, detail::ColumnSums outer, detail::ColumnSums inner) {
                  const Shape& s = shapes.sums[view];
                  if (s.same >= 0) return;
                  detail::move_columns(outer, s.ox, s.oy, first + r, loader(view, plane));
                  if (s.ring) detail::move_columns(inner, s.gx, s.gy, first + r, loader(view, plane));
                },
                all);
          __syncthreads();
        }
        W::each_view(
            shapes, columns, width,
            [&](std::size_t view, std::size_t, detail::ColumnSums outer, detail::ColumnSums inner) {
              const Shape& s = shapes.sums[view];
              for (int x = from + static_cast<int>(threadIdx.x); x < end; x += window_threads) {
                double* to = sums + (x - from) * W::cell + 3 * W::rows * static_cast<int>(view) + r;
                to[0] = detail::difference(outer.n(), inner.n(), s, x);
                to[W::rows] = detail::difference(outer.s1, inner.s1, s, x);
                to[2 * W::rows] = detail::difference(outer.s2(), inner.s2(), s, x);
              }
            },
            all);
      }
      __syncthreads();
      if (threadIdx.x < 3 * W::views * W::rows && static_cast<int>(threadIdx.x) % W::rows < count)
        for (int x = 0; x < end - from; ++x) {
          double& sum = sums[x * W::cell + threadIdx.x];
          sum = running += sum;
        }
      __syncthreads();
      for (int r = 0; r < count; ++r)
        for (int x = from + static_cast<int>(threadIdx.x); x < end; x += window_threads)
          W::at(f, call, left + x, top + first + r, sums + (x - from) * W::cell + r, &shapes.ranks, all);
    }
  }
}

}  // namespace fulmar::cuda
