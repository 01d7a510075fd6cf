// SPDX-License-Identifier: Apache-2.0
/// @file
/// Steps of a reducing operator. A thread owns one compute block of the lattice, or a square of it whose cells enter a
/// part of the state of their own, and takes its cells in raster order, as the processor does, so that the state has
/// the same bits; blocks are many where the raster is large. Merging, a thread owns a part of a pair of states, or the
/// pair.
#pragma once

#include "cuda/cells.cuh"

namespace fulmar::cuda {

inline constexpr unsigned step_threads = 32, merge_threads = 256;
/// Threads of a thread block where each owns a whole block: they are few, and far from one another's cells.
inline constexpr std::int64_t block_threads = 8;

template <class Op, class M>
struct Step;
template <class Op, class C, class S, class... A>
struct Step<Op, void (C::*)(S&, const Round&, A...) const> {
  using Order = cuda::Order<A...>;
  using All = std::make_index_sequence<sizeof...(A)>;
  static constexpr bool fits = Order::ranks == 0 && (0 + ... + (std::is_same_v<A, Moments> ? 1 : 0)) == Order::sums;

  template <std::size_t... I>
  __device__ static void at(const Op& op, S& state, const Round& round, const fulmar_call& call, std::int64_t x,
                            std::int64_t y, std::index_sequence<I...>) {
    op.step(state, round, Cells<C, void, A...>::template argument<I>(call, x, y, nullptr)...);
  }
};

/// Squares of the raster, counted from its first cell; a thread owns what lies of one in a block.
struct Squares {
  std::int64_t width = block_width, height = block_height, across = 1, down = 1;  ///< how many meet a block at most

  [[nodiscard]] FULMAR_HD std::int64_t each() const { return across * down; }
};

/// An operator whose cells enter parts of the state that squares of some side do not share says so:
/// `std::int64_t apart(const Round&) const`, the side.
template <class Op>
Squares squares_of(const Op& op, const Round& round) {
  if constexpr (requires { op.apart(round); }) {
    const std::int64_t side = op.apart(round);
    const auto meet = [side](std::int64_t length) {
      return length % side == 0 ? length / side : (length + side - 1) / side + 1;
    };
    return {side, side, meet(block_width), meet(block_height)};
  } else {
    return (void)op, (void)round, Squares{};
  }
}

/// `own`: bytes between the states of neighbouring threads in shared memory; 0 where they stay in the card's.
template <class Op, class S>
__global__ void __launch_bounds__(step_threads)
    each_block(const __grid_constant__ Op op, const __grid_constant__ Call given, Round round, char* states,
               std::int64_t state_bytes, std::int64_t across, std::int64_t blocks, Squares squares, std::int64_t own) {
  extern __shared__ std::uint64_t state_room[];
  const std::int64_t t = blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x;
  const std::int64_t b = t / squares.each(), square = t % squares.each();
  if (b >= blocks) return;
  const fulmar_call call = given.here();
  const fulmar_plane& window = given.output[0];
  // Of the raster.
  const std::int64_t block_x = window.x + b % across * block_width;
  const std::int64_t block_y = window.y - window.y % block_height + b / across * block_height;
  const std::int64_t square_x = (block_x / squares.width + square % squares.across) * squares.width;
  const std::int64_t square_y = (block_y / squares.height + square / squares.across) * squares.height;
  // Of the window.
  const auto later = [](std::int64_t i, std::int64_t j) { return i > j ? i : j; };
  const auto sooner = [](std::int64_t i, std::int64_t j) { return i < j ? i : j; };
  const std::int64_t left = later(block_x, square_x) - window.x;
  const std::int64_t right = sooner(sooner(block_x + block_width, square_x + squares.width) - window.x, window.width);
  const std::int64_t top = later(later(block_y, square_y) - window.y, 0);
  const std::int64_t bottom =
      sooner(sooner(block_y + block_height, square_y + squares.height) - window.y, window.height);
  auto* const kept = reinterpret_cast<std::uint64_t*>(states + b * state_bytes);
  auto* const used = own > 0 ? state_room + threadIdx.x * (own / 8) : kept;
  if (own > 0)
    for (std::int64_t i = 0; i < state_bytes / 8; ++i) used[i] = kept[i];
  auto& state = *reinterpret_cast<typename Op::State*>(used);
  for (std::int64_t y = top; y < bottom; ++y)
    for (std::int64_t x = left; x < right; ++x) S::at(op, state, round, call, x, y, typename S::All{});
  if (own > 0)
    for (std::int64_t i = 0; i < state_bytes / 8; ++i) kept[i] = used[i];
}

/// The states of a pair.
template <class Op>
struct Pair {
  typename Op::State& into;
  const typename Op::State& from;

  __device__ static Pair of(const std::uint32_t* pairs, std::int64_t i, char* states, std::int64_t state_bytes) {
    return {*reinterpret_cast<typename Op::State*>(states + pairs[2 * i] * state_bytes),
            *reinterpret_cast<const typename Op::State*>(states + pairs[2 * i + 1] * state_bytes)};
  }
};

/// One level of the tree: a thread merges a pair, the second into the first; of an operator that merges part by part
/// what is beside the parts.
template <class Op>
__global__ void __launch_bounds__(step_threads)
    each_pair(const __grid_constant__ Op op, Round round, const std::uint32_t* pairs, std::int64_t count, char* states,
              std::int64_t state_bytes) {
  const std::int64_t i = blockIdx.x * std::int64_t{step_threads} + threadIdx.x;
  if (i >= count) return;
  const auto pair = Pair<Op>::of(pairs, i, states, state_bytes);
  if constexpr (!op::MergesInParts<Op>)
    op.merge(pair.into, pair.from, round);
  else if constexpr (op::HasRest<Op>)
    op.merge_rest(pair.into, pair.from, round);
}

/// One level of the tree: a thread merges one part of every pair that its row of thread blocks has.
template <class Op>
__global__ void __launch_bounds__(merge_threads)
    each_part(const __grid_constant__ Op op, Round round, const std::uint32_t* pairs, std::int64_t count, char* states,
              std::int64_t state_bytes, std::int64_t parts) {
  const std::int64_t part = blockIdx.x * std::int64_t{merge_threads} + threadIdx.x;
  if (part >= parts) return;
  for (std::int64_t i = blockIdx.y; i < count; i += gridDim.y) {
    const auto pair = Pair<Op>::of(pairs, i, states, state_bytes);
    op.merge_part(pair.into, pair.from, round, part);
  }
}

}  // namespace fulmar::cuda
