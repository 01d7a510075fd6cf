// SPDX-License-Identifier: Apache-2.0
/// @file
/// Steps of a reducing operator. A thread owns one compute block of the lattice and takes its cells in raster order, as
/// the processor does, so that the state has the same bits; blocks are many where the raster is large.
#pragma once

#include "cuda/cells.cuh"

namespace fulmar::cuda {

inline constexpr unsigned step_threads = 32;

template <class Op, class M>
struct Step;
template <class Op, class C, class S, class... A>
struct Step<Op, void (C::*)(S&, const Round&, A...) const> {
  using Order = cuda::Order<A...>;
  using All = std::make_index_sequence<sizeof...(A)>;
  /// An operator may say that its step() is for the host: `static constexpr bool steps_on_host = true`.
  static constexpr bool fits = Order::sums == 0 && Order::ranks == 0 && !requires { Op::steps_on_host; };

  template <std::size_t... I>
  __device__ static void at(const Op& op, S& state, const Round& round, const fulmar_call& call, std::int64_t x,
                            std::int64_t y, std::index_sequence<I...>) {
    op.step(state, round, Cells<C, void, A...>::template argument<I>(call, x, y, nullptr)...);
  }
};

template <class Op, class S>
__global__ void __launch_bounds__(step_threads)
    each_block(const __grid_constant__ Op op, const __grid_constant__ Call given, Round round, char* states,
               std::int64_t state_bytes, std::int64_t across, std::int64_t blocks) {
  const std::int64_t b = blockIdx.x * std::int64_t{step_threads} + threadIdx.x;
  if (b >= blocks) return;
  const fulmar_call call = given.here();
  const fulmar_plane& window = given.output[0];
  const std::int64_t left = b % across * block_width, above = window.y % block_height;
  const std::int64_t top = b / across * block_height - above, bottom = top + block_height;
  const std::int64_t right = left + block_width < window.width ? left + block_width : window.width;
  auto& state = *reinterpret_cast<typename Op::State*>(states + b * state_bytes);
  for (std::int64_t y = top < 0 ? 0 : top; y < (bottom < window.height ? bottom : window.height); ++y)
    for (std::int64_t x = left; x < right; ++x) S::at(op, state, round, call, x, y, typename S::All{});
}

/// One level of the tree: a thread merges a pair, the second into the first.
template <class Op>
__global__ void __launch_bounds__(step_threads)
    each_pair(const __grid_constant__ Op op, Round round, const std::uint32_t* pairs, std::int64_t count, char* states,
              std::int64_t state_bytes) {
  const std::int64_t i = blockIdx.x * std::int64_t{step_threads} + threadIdx.x;
  if (i >= count) return;
  using State = typename Op::State;
  op.merge(*reinterpret_cast<State*>(states + pairs[2 * i] * state_bytes),
           *reinterpret_cast<const State*>(states + pairs[2 * i + 1] * state_bytes), round);
}

}  // namespace fulmar::cuda
