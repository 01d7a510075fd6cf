// SPDX-License-Identifier: Apache-2.0
/// @file
/// Kernels that call an operator's function once a cell: no sums of windows among its arguments.
#pragma once

#include "cuda/call.cuh"

namespace fulmar::cuda {

/// A warp is 32 cells of a row.
inline constexpr unsigned cells_across = 32, cells_down = 8;
/// Where a function looks around a cell, a thread block is a strip of a row and goes down some rows, so that few of the
/// cells that it reads are another block's too.
inline constexpr unsigned strip_across = 256;
inline std::int64_t rows_of_strip(std::int32_t half_height) {
  return half_height < 1 ? 8 : half_height > 4 ? 64 : 16 * std::int64_t{half_height};
}
/// Threads of a block that have scratch of their own, at most; how many of them must fit into shared memory for it to
/// be there.
inline constexpr std::int64_t scratch_threads = cells_across * cells_down, least_sharing = 8;
/// Threads that have scratch in the card's memory, at most, and what it may take.
inline constexpr std::uint64_t most_places = 1 << 16, most_scratch = std::uint64_t{256} << 20;

inline unsigned blocks_for(std::int64_t cells, std::int64_t each) {
  return static_cast<unsigned>((cells + each - 1) / each);
}

template <class F, class R, class... A>
struct Cells {
  using Order = cuda::Order<A...>;

  template <std::size_t I>
  __device__ static auto argument(const fulmar_call& call, std::int64_t x, std::int64_t y, const Shape* ranks) {
    using Argument = std::tuple_element_t<I, std::tuple<A...>>;
    const fulmar_plane* plane = call.input + Order::template plane<I>;
    if constexpr (is_ranks<Argument>) {
      Argument value;
      static_cast<WindowRanks&>(value) =
          ranks_of(static_cast<const float*>(plane->cells) + y * plane->stride + x, plane->stride, *ranks);
      return value;
    } else {
      return op::Argument<Argument>{call, plane, y}[x];
    }
  }

  template <class Out, std::size_t... I>
  __device__ static void at(const F& f, const fulmar_call& call, std::int64_t x, std::int64_t y, const Shape* ranks,
                            std::index_sequence<I...>) {
    if constexpr (std::is_void_v<R>)
      f(argument<I>(call, x, y, ranks)...);
    else
      Out{call, y}.store(x, f(argument<I>(call, x, y, ranks)...));
  }
};

template <class F, class Out, class R, class... A>
__global__ void __launch_bounds__(strip_across, 1)
    each_cell(const __grid_constant__ F f, const __grid_constant__ Call given, const __grid_constant__ Shape ranks,
              std::int64_t rows) {
  const fulmar_call call = given.here();
  const std::int64_t x = blockIdx.x * std::int64_t{strip_across} + threadIdx.x, top = blockIdx.y * rows;
  if (x >= given.output[0].width) return;
  const std::int64_t bottom = top + rows < given.output[0].height ? top + rows : given.output[0].height;
  for (std::int64_t y = top; y < bottom; ++y)
    Cells<F, R, A...>::template at<Out>(f, call, x, y, &ranks, std::make_index_sequence<sizeof...(A)>{});
}

/// Every thread has scratch of its own. A thread block takes the cells of a strip of rows one after the other, then
/// those of another.
template <class F, class Out, class R, class... A>
__global__ void __launch_bounds__(cells_across* cells_down, 1)
    each_cell_with_scratch(const __grid_constant__ F f, const __grid_constant__ Call given, std::int64_t doubles,
                           bool shared, std::int64_t rows) {
  extern __shared__ double room[];
  fulmar_call call = given.here();
  call.scratch = shared ? room + threadIdx.x * doubles
                        : call.scratch + (blockIdx.x * std::int64_t{blockDim.x} + threadIdx.x) * doubles;
  const std::int64_t width = given.output[0].width, height = given.output[0].height;
  const std::int64_t across = (width + strip_across - 1) / strip_across, tiles = across * ((height + rows - 1) / rows);
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const std::int64_t left = tile % across * strip_across, top = tile / across * rows;
    const std::int64_t wide = left + strip_across < width ? strip_across : width - left;
    const std::int64_t cells = wide * (top + rows < height ? rows : height - top);
    for (std::int64_t i = threadIdx.x; i < cells; i += blockDim.x)
      Cells<F, R, A...>::template at<Out>(f, call, left + i % wide, top + i / wide, nullptr,
                                          std::make_index_sequence<sizeof...(A)>{});
  }
}

/// A function of all bands in f64: what the processor does for packs of cells.
template <class F>
__global__ void __launch_bounds__(cells_across* cells_down)
    each_cell_of_bands(const __grid_constant__ F f, const __grid_constant__ Call given) {
  constexpr int most = op::PackedSignature<F>::most_bands;
  const std::int64_t x = blockIdx.x * std::int64_t{cells_across} + threadIdx.x;
  const std::int64_t y = blockIdx.y * std::int64_t{cells_down} + threadIdx.y;
  const fulmar_plane& to = given.output[0];
  if (x >= to.width || y >= to.height) return;
  const int count = static_cast<int>(given.shape.inputs) < most ? static_cast<int>(given.shape.inputs) : most;
  double bands[most];
  for (int b = 0; b < most; ++b)
    if (b < count) {
      const fulmar_plane& from = given.input[b];
      bands[b] = static_cast<double>(static_cast<const float*>(from.cells)[y * from.stride + x]);
    }
  static_cast<float*>(to.cells)[y * to.stride + x] = settled(static_cast<float>(f(Bands<double>{bands, count})));
}

}  // namespace fulmar::cuda
