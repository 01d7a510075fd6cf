// SPDX-License-Identifier: Apache-2.0
/// @file
/// The device side of an operator's C table, made from the class that the processor uses.
#pragma once

#include <algorithm>

#include "cuda/reduce.cuh"
#include "cuda/status.hpp"
#include "cuda/window.cuh"

namespace fulmar::cuda {

/// Kernels of one functor.
template <class Op, class F, class M>
struct Launch;
template <class Op, class F, class C, class R, class... A>
struct Launch<Op, F, R (C::*)(A...) const> {
  using Order = cuda::Order<A...>;
  using Result = op::Result<R>;
  static constexpr bool has_scratch = (std::is_same_v<A, Scratch> || ...);
  static_assert(Order::sums <= most_sums && Order::ranks <= 1 && !(has_scratch && Order::sums + Order::ranks > 0),
                "the kernels know three windows of sums and one of ranks, and no scratch beside them");

  /// How scratch is dealt out: thread blocks, threads of each, and whether it is in shared memory.
  struct Dealt {
    std::int64_t blocks, threads, doubles;
    bool shared;
  };
  static Dealt deal(const fulmar_call& call, std::int64_t doubles) {
    const std::int64_t width = call.output[0].width, height = call.output[0].height;
    const std::int64_t tiles =
        std::int64_t{blocks_for(width, strip_across)} * blocks_for(height, rows_of_strip(half_height(call)));
    // An odd number of doubles between threads, so that those of a warp meet different banks.
    const std::int64_t odd = doubles | 1, fit = shared_limit / (8 * odd), warp = cells_across;
    if (fit >= least_sharing)
      return {tiles, fit < warp ? fit : std::min<std::int64_t>(scratch_threads, fit / warp * warp), odd, true};
    const auto places = static_cast<std::int64_t>(most_scratch / (8 * static_cast<std::uint64_t>(odd)));
    const std::int64_t threads = std::clamp<std::int64_t>(std::min<std::int64_t>(scratch_threads, width * height), 1,
                                                          std::max<std::int64_t>(1, places));
    const std::int64_t blocks = std::min<std::int64_t>(places, most_places) / threads;
    return {std::clamp<std::int64_t>(blocks, 1, std::max<std::int64_t>(1, tiles)), threads, doubles, false};
  }
  static std::int64_t doubles_of(const Op& op, const fulmar_call& call) {
    if constexpr (requires { op.scratch(Dates{}); }) {
      const std::int64_t values = call.inputs > 0 ? std::max<std::int64_t>(1, call.input[0].layer) : 1;
      const auto dates = std::max<std::int64_t>(1, static_cast<std::int64_t>(call.dates));
      return static_cast<std::int64_t>(op.scratch(Dates{nullptr, dates, values / dates}));
    } else {
      return (void)op, (void)call, 0;
    }
  }

  static Views views_of(const fulmar_call& call) {
    Views views;
    std::size_t sum = 0, plane = 0;
    [[maybe_unused]] std::uint32_t ports[most_sums] = {};
    const auto one = [&]<class T>(T*) {
      if constexpr (is_sums<T>) {
        views.sums[sum] = shape_of(call.views[plane]);
        ports[sum] = call.views[plane].input;
        for (std::size_t k = 0; k < sum && views.sums[sum].same < 0; ++k)
          if (ports[k] == ports[sum] && views.sums[k].same < 0 && views.sums[k].sums_as(views.sums[sum]))
            views.sums[sum].same = static_cast<std::int8_t>(k);
        ++sum;
      }
      if constexpr (is_ranks<T>) views.ranks = shape_of(call.views[plane]);
      if constexpr (op::Argument<T>::viewed) ++plane;
    };
    (one(static_cast<std::remove_reference_t<A>*>(nullptr)), ...);
    (void)sum, (void)plane, (void)one;
    return views;
  }
  static Columns columns_of(const Views& views) {
    Columns c;
    for (int v = 0; v < Order::sums; ++v)
      if (views.sums[v].same < 0) c.doubles += column_doubles(views.sums[v], block_width);
    c.shared = 8 * (c.doubles + sums_across<Order::sums> * cell_doubles<Order::sums>) <= shared_limit;
    return c;
  }
  /// Rows above and below a cell that its function looks at.
  static std::int32_t half_height(const fulmar_call& call) {
    std::int32_t most = 0;
    std::size_t plane = 0;
    const auto one = [&]<class T>(T*) {
      if constexpr (op::Argument<T>::viewed) {
        const fulmar_view& v = call.views[plane++];
        if (v.kind == FULMAR_VIEW_NEAR || v.kind == FULMAR_VIEW_RANKS) most = std::max(most, v.outer_y);
      }
    };
    (one(static_cast<std::remove_reference_t<A>*>(nullptr)), ...);
    (void)one;
    return most;
  }

  static std::uint64_t scratch_bytes(const Op& op, const fulmar_call& call) {
    if constexpr (has_scratch) {
      const Dealt dealt = deal(call, doubles_of(op, call));
      return dealt.shared ? 0 : static_cast<std::uint64_t>(dealt.blocks * dealt.threads * dealt.doubles * 8);
    } else if constexpr (Order::sums > 0) {
      const Columns c = columns_of(views_of(call));
      if (c.shared) return 0;
      return static_cast<std::uint64_t>(c.doubles * 8) * blocks_for(call.output[0].width, block_width) *
             blocks_for(call.output[0].height, block_height);
    } else {
      return (void)op, (void)call, 0;
    }
  }

  static void run(const Op& op, const C& f, const fulmar_call& call, cudaStream_t stream) {
    if constexpr (requires { typename Result::First; })
      if (call.output[1].cells == nullptr) return start<typename Result::First>(op, f, call, stream);
    start<Result>(op, f, call, stream);
  }

 private:
  template <class Out>
  static void start(const Op& op, const C& f, const fulmar_call& call, cudaStream_t stream) {
    const std::int64_t width = call.output[0].width, height = call.output[0].height;
    const Call given = by_value(call);
    if constexpr (has_scratch) {
      const Dealt dealt = deal(call, doubles_of(op, call));
      const std::size_t bytes = dealt.shared ? static_cast<std::size_t>(dealt.threads * dealt.doubles * 8) : 0;
      constexpr auto kernel = each_cell_with_scratch<C, Out, R, A...>;
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_limit)),
            "shared memory of a kernel");
      kernel<<<static_cast<unsigned>(dealt.blocks), static_cast<unsigned>(dealt.threads), bytes, stream>>>(
          f, given, dealt.doubles, dealt.shared, rows_of_strip(half_height(call)));
    } else if constexpr (Order::sums > 0) {
      if (call.output[0].x % block_width != 0 || call.output[0].y % block_height != 0)
        fail(Errc::runtime, "a window with sums must begin at a block of the lattice");
      const Views views = views_of(call);
      const Columns columns = columns_of(views);
      const auto bytes = static_cast<std::size_t>(
          8 * (sums_across<Order::sums> * cell_doubles<Order::sums> + (columns.shared ? columns.doubles : 0)));
      constexpr auto kernel = each_window<C, Out, R, A...>;
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_limit)),
            "shared memory of a kernel");
      const dim3 blocks{blocks_for(width, block_width), blocks_for(height, block_height)};
      kernel<<<blocks, window_threads, bytes, stream>>>(f, given, views, columns);
    } else {
      const std::int64_t rows = rows_of_strip(half_height(call));
      const dim3 blocks{blocks_for(width, strip_across), blocks_for(height, rows)};
      each_cell<C, Out, R, A...><<<blocks, strip_across, 0, stream>>>(f, given, views_of(call).ranks, rows);
    }
    check(cudaGetLastError(), "the launch of a kernel");
  }
};

/// The kernels of the functor that an operator's parameters ask for.
template <class Op, class Use>
decltype(auto) with_launch(const void* params, Use&& use) {
  Op op;
  op.params = *static_cast<const typename Op::Params*>(params);
  return op::with_variant(op, [&](const auto& f) {
    using F = std::remove_cvref_t<decltype(f)>;
    return use(op, f, static_cast<Launch<Op, F, decltype(&F::operator())>*>(nullptr));
  });
}

template <op::Packed F>
void start_packed(const F& f, const fulmar_call& call, cudaStream_t stream) {
  const dim3 blocks{blocks_for(call.output[0].width, cells_across), blocks_for(call.output[0].height, cells_down)};
  each_cell_of_bands<<<blocks, dim3{cells_across, cells_down}, 0, stream>>>(f, by_value(call));
  check(cudaGetLastError(), "the launch of a kernel");
}

inline Round round_of(const fulmar_round& r) {
  return {r.index, r.inputs, r.summary, r.summary_count, r.width, r.height};
}

/// Puts the steps of all blocks of a window into the stream.
template <class Op, class S>
void start_steps(const Op& op, const fulmar_round& given, const fulmar_call& call, void* states,
                 std::uint64_t state_bytes, cudaStream_t stream) {
  const fulmar_plane& window = call.output[0];
  if (window.x % block_width != 0) fail(Errc::runtime, "a window that is reduced must begin at a block of the lattice");
  const std::int64_t across = blocks_for(window.width, block_width);
  const std::int64_t blocks = across * blocks_for(window.y % block_height + window.height, block_height);
  const Round round = round_of(given);
  const Squares squares = squares_of(op, round);
  const std::int64_t all = blocks * squares.each(), bytes = static_cast<std::int64_t>(state_bytes);
  // A state that one thread has to itself is in shared memory while it is stepped, where it fits; eight bytes more, so
  // that the states of a warp lie in different banks.
  const std::int64_t own = squares.each() == 1 && bytes + 8 <= shared_limit ? bytes + 8 : 0;
  const std::int64_t threads = squares.each() > 1 ? step_threads
                               : own > 0          ? std::min(block_threads, shared_limit / own)
                                                  : block_threads;
  static_assert(alignof(typename Op::State) <= 8, "states lie at multiples of eight bytes");
  constexpr auto kernel = each_block<Op, S>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_limit)),
        "shared memory of a kernel");
  kernel<<<blocks_for(all, threads), static_cast<unsigned>(threads), static_cast<std::size_t>(threads * own), stream>>>(
      op, by_value(call), round, static_cast<char*>(states), bytes, across, blocks, squares, own);
  check(cudaGetLastError(), "the launch of a kernel");
}

/// Puts one level of the tree into the stream.
template <class Op>
void start_merges(const Op& op, const Round& round, const std::uint32_t* pairs, std::int64_t count, char* states,
                  std::int64_t state_bytes, cudaStream_t stream) {
  if constexpr (op::MergesInParts<Op>)
    if (const std::int64_t parts = op.parts(round); parts > 0) {
      constexpr std::int64_t most_rows = 65535;
      const dim3 blocks{blocks_for(parts, merge_threads), static_cast<unsigned>(std::min(count, most_rows))};
      each_part<Op><<<blocks, merge_threads, 0, stream>>>(op, round, pairs, count, states, state_bytes, parts);
      check(cudaGetLastError(), "the launch of a kernel");
    }
  if constexpr (!op::MergesInParts<Op> || op::HasRest<Op>) {
    each_pair<Op>
        <<<blocks_for(count, step_threads), step_threads, 0, stream>>>(op, round, pairs, count, states, state_bytes);
    check(cudaGetLastError(), "the launch of a kernel");
  }
}

/// An operator whose merge() is for the device too says so: `static constexpr bool merges_on_card = true`. One that
/// merges part by part does so on the device as well.
template <class Op>
void add_merges(fulmar_operator& table) {
  if constexpr (op::MergesInParts<Op> || requires { requires Op::merges_on_card; })
    table.merge_cuda = [](const void* params, const fulmar_round* round, const std::uint32_t* pairs,
                          std::uint64_t count, void* states, std::uint64_t state_bytes, void* stream,
                          fulmar_error* error) -> int {
      try {
        if (count == 0) return 0;
        Op op;
        op.params = *static_cast<const typename Op::Params*>(params);
        start_merges(op, round_of(*round), pairs, static_cast<std::int64_t>(count), static_cast<char*>(states),
                     static_cast<std::int64_t>(state_bytes), static_cast<cudaStream_t>(stream));
        return 0;
      } catch (...) {
        return op::tell(error);
      }
    };
  else
    (void)table;
}

template <class Op>
void add_steps(fulmar_operator& table) {
  using S = Step<Op, decltype(&Op::step)>;
  if constexpr (S::fits)
    table.step_cuda = [](const void* params, const fulmar_round* round, const fulmar_call* call, void* states,
                         std::uint64_t state_bytes, void* stream, fulmar_error* error) -> int {
      try {
        Op op;
        op.params = *static_cast<const typename Op::Params*>(params);
        if (call->output[0].width > 0 && call->output[0].height > 0)
          start_steps<Op, S>(op, *round, *call, states, state_bytes, static_cast<cudaStream_t>(stream));
        return 0;
      } catch (...) {
        return op::tell(error);
      }
    };
  else
    (void)table;
  if constexpr (S::fits) add_merges<Op>(table);
}

/// Adds the device side to an operator's table.
template <class Op>
void add_twin(fulmar_operator& table) {
  if constexpr (op::Reducing<Op>) add_steps<Op>(table);
  if constexpr (op::has_cells<Op>) {
    table.run_cuda = [](const void* params, const fulmar_call* call, void* stream, fulmar_error* error) -> int {
      try {
        if (call->output[0].width <= 0 || call->output[0].height <= 0) return 0;
        const auto s = static_cast<cudaStream_t>(stream);
        if constexpr (op::Packed<Op>) {
          Op op;
          op.params = *static_cast<const typename Op::Params*>(params);
          start_packed(op, *call, s);
        } else {
          with_launch<Op>(params, [&]<class L>(const Op& op, const auto& f, L*) { L::run(op, f, *call, s); });
        }
        return 0;
      } catch (...) {
        return op::tell(error);
      }
    };
    table.cuda_scratch = [](const void* params, const fulmar_call* call) -> std::uint64_t {
      if constexpr (op::Packed<Op>)
        return (void)params, (void)call, 0;
      else
        return with_launch<Op>(params,
                               [&]<class L>(const Op& op, const auto&, L*) { return L::scratch_bytes(op, *call); });
    };
  } else {
    (void)table;
  }
}

}  // namespace fulmar::cuda
