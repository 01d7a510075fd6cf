// SPDX-License-Identifier: Apache-2.0
// The device twin of relief, written by hand: a thread block brings its cells and those around them into shared memory
// once, finds the extremes of each column, then of each row of them: 2 (2 r + 1) looks a cell in place of (2 r + 1)^2.
// Extremes and gaps do not depend on the order in which cells are looked at, so the bits are the processor's.
#include "cuda/status.hpp"
#include "op/apply.hpp"
#include "relief.hpp"

namespace fulmar::ops {
namespace {

constexpr int across = 32, down = 8, reach = Relief::most_reach;

__global__ void __launch_bounds__(across* down) each_window_of_heights(fulmar_plane from, fulmar_plane to, int r) {
  __shared__ float height[down + 2 * reach][across + 2 * reach];
  __shared__ float low[down][across + 2 * reach], high[down][across + 2 * reach];
  const std::int64_t left = std::int64_t{blockIdx.x} * across, top = std::int64_t{blockIdx.y} * down;
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const auto* const cells = static_cast<const float*>(from.cells);
  for (int y = ty; y < down + 2 * r; y += down)
    for (int x = tx; x < across + 2 * r; x += across)
      if (left + x - r < to.width + r && top + y - r < to.height + r)
        height[y][x] = cells[(top + y - r) * from.stride + left + x - r];
  __syncthreads();
  // A gap is NaN, and stays so: what is compared with it is never smaller and never larger.
  for (int x = tx; x < across + 2 * r; x += across)
    if (left + x - r < to.width + r && top + ty < to.height) {
      float lowest = height[ty][x], highest = lowest;
      for (int y = 1; y <= 2 * r; ++y) {
        const float z = height[ty + y][x];
        lowest = is_missing(z) || z < lowest ? z : lowest;
        highest = is_missing(z) || z > highest ? z : highest;
      }
      low[ty][x] = lowest, high[ty][x] = highest;
    }
  __syncthreads();
  const std::int64_t x = left + tx, y = top + ty;
  if (x >= to.width || y >= to.height) return;
  float lowest = low[ty][tx], highest = high[ty][tx];
  for (int k = 1; k <= 2 * r; ++k) {
    const float l = low[ty][tx + k], h = high[ty][tx + k];
    lowest = is_missing(l) || l < lowest ? l : lowest;
    highest = is_missing(h) || h > highest ? h : highest;
  }
  static_cast<float*>(to.cells)[y * to.stride + x] =
      settled(is_missing(lowest) ? missing<float> : Relief::between_extremes(lowest, highest));
}

int run(const void* params, const fulmar_call* call, void* stream, fulmar_error* error) {
  try {
    const fulmar_plane& to = call->output[0];
    if (to.width <= 0 || to.height <= 0) return 0;
    const dim3 blocks{static_cast<unsigned>((to.width + across - 1) / across),
                      static_cast<unsigned>((to.height + down - 1) / down)};
    const int r = static_cast<const Relief::Params*>(params)->reach;
    each_window_of_heights<<<blocks, dim3{across, down}, 0, static_cast<cudaStream_t>(stream)>>>(call->input[0], to, r);
    cuda::check(cudaGetLastError(), "the launch of a kernel");
    return 0;
  } catch (...) {
    return op::tell(error);
  }
}

}  // namespace

void add_cuda_relief(fulmar_operator& table) { table.run_cuda = run; }

}  // namespace fulmar::ops
