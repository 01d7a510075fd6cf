// SPDX-License-Identifier: Apache-2.0
// A thread makes target cells one below the other, as core/resample.hpp says. Weights of the kernel at hand are kept in
// shared memory as far as they fit, and found again otherwise.
#include <limits>

#include "cuda/status.hpp"
#include "cuda/warp.hpp"

namespace fulmar::cuda {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr unsigned threads = 128;
constexpr std::int64_t rows = 32;
/// Weights that a thread keeps: along a row as many as it may need, up to this; along a column those of a plain kernel.
constexpr int most_taps = 32, plain_taps = 6;

/// The kernel of a cell along one axis.
struct Taps {
  AxisKernel kernel;
  double* kept;
  int room;
  std::int64_t first, count;
  double sum;
  Resampling method;

  __device__ Taps(double* memory, int taps) : kept{memory}, room{taps}, first{0}, count{0}, sum{1}, method{} {}
  template <Resampling m>
  __device__ void set(double place, double footprint) {
    kernel = axis_kernel<m>(place, footprint);
    first = kernel.first, count = kernel.count, method = m;
    if constexpr (m != Resampling::average) {
      if (kernel.plain) {
        constexpr int plain = 2 * radius_of(m);
        double w[plain];
        plain_weights<m>(kernel.f, w);
        if (count == 1) w[0] = 1;
        for (int i = 0; i < plain; ++i) kept[i * threads] = w[i];
        return;
      }
    }
    sum = 1;
    if constexpr (m == Resampling::average) {
      for (std::int64_t i = 0; i < count && i < room; ++i) kept[i * threads] = kernel.weight<m>(i);
    } else {
      sum = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        const double w = kernel.weight<m>(i);
        sum += w;
        if (i < room) kept[i * threads] = w;
      }
      for (std::int64_t i = 0; i < count && i < room; ++i) kept[i * threads] /= sum;
    }
  }
  __device__ double weight(std::int64_t k) const {
    if (k < room) return kept[k * threads];
    if (method == Resampling::average) return kernel.weight<Resampling::average>(k);
    if (method == Resampling::bilinear) return kernel.weight<Resampling::bilinear>(k) / sum;
    if (method == Resampling::cubic) return kernel.weight<Resampling::cubic>(k) / sum;
    return kernel.weight<Resampling::lanczos>(k) / sum;
  }
};

}  // namespace

template <Resampling method>
__global__ void __launch_bounds__(threads, 4) warp_cells(const __grid_constant__ WarpCells w) {
  extern __shared__ double kept[];
  const std::int64_t column = blockIdx.x * std::int64_t{threads} + threadIdx.x, top = blockIdx.y * rows;
  if (column >= w.target.width) return;
  const std::int64_t bottom = top + rows < w.target.height ? top + rows : w.target.height;
  const std::int64_t x = w.target.x + column;
  Taps across{kept + threadIdx.x, w.taps}, down{kept + w.taps * threads + threadIdx.x, plain_taps};
  for (std::int64_t row = top; row < bottom; ++row) {
    float& out = w.out[row * w.stride + column];
    if (!w.fresh && !is_missing(out)) continue;
    Place p;
    float value = missing<float>;
    if (w.place(x, w.target.y + row, method != Resampling::nearest, p))
      value = resampled<method>(p, w.over_seam && w.early(p) ? w.source.width : 0, w.source, w.held, across, down);
    if (w.fresh || !is_missing(value)) out = value;
  }
}

/// A thread block looks at one square.
__global__ void __launch_bounds__(threads) look_at_squares(const __grid_constant__ WarpCells w, SquareNeed* needs) {
  __shared__ SquareNeed found[threads];
  const std::int64_t sx = (w.target.x >> 5) + blockIdx.x, sy = (w.target.y >> 5) + blockIdx.y;
  const auto lower = [](double& a, double b) { a = b < a ? b : a; };
  const auto raise = [](double& a, double b) { a = b > a ? b : a; };
  SquareNeed need{infinity, -infinity, infinity, -infinity, infinity, -infinity, 0};
  for (std::int64_t i = threadIdx.x; i < square_side * square_side; i += threads) {
    const std::int64_t x = sx * square_side + i % square_side, y = sy * square_side + i / square_side;
    if (!w.target.contains(x, y)) continue;
    if (!w.fresh && !is_missing(w.out[(y - w.target.y) * w.stride + (x - w.target.x)])) continue;
    Place p;
    if (!w.place(x, y, w.method != Resampling::nearest, p)) continue;
    const double rx = reach_of(w.method, p.width), ry = reach_of(w.method, p.height);
    const double over = p.column + (w.early(p) ? static_cast<double>(w.source.width) : 0.0);
    lower(need.left, p.column - rx), raise(need.right, p.column + rx);
    lower(need.left_over, over - rx), raise(need.right_over, over + rx);
    lower(need.top, p.row - ry), raise(need.bottom, p.row + ry);
    raise(need.footprint, p.width);
  }
  found[threadIdx.x] = need;
  __syncthreads();
  for (unsigned half = threads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      SquareNeed& a = found[threadIdx.x];
      const SquareNeed& b = found[threadIdx.x + half];
      lower(a.left, b.left), raise(a.right, b.right);
      lower(a.left_over, b.left_over), raise(a.right_over, b.right_over);
      lower(a.top, b.top), raise(a.bottom, b.bottom);
      raise(a.footprint, b.footprint);
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) needs[blockIdx.y * std::int64_t{gridDim.x} + blockIdx.x] = found[0];
}

namespace {

unsigned count_of(std::int64_t cells, std::int64_t each) { return static_cast<unsigned>((cells + each - 1) / each); }

template <Resampling method>
void start(const WarpCells& given, cudaStream_t stream) {
  WarpCells w = given;
  w.taps = w.taps < plain_taps ? plain_taps : w.taps > most_taps ? most_taps : w.taps;
  const dim3 blocks{count_of(w.target.width, threads), count_of(w.target.height, rows)};
  const auto bytes = method == Resampling::nearest
                         ? std::size_t{0}
                         : sizeof(double) * threads * static_cast<std::size_t>(w.taps + plain_taps);
  warp_cells<method><<<blocks, threads, bytes, stream>>>(w);
}

}  // namespace

void start_look(const WarpCells& w, SquareNeed* needs, cudaStream_t stream) {
  if (w.target.empty()) return;
  const Window all = whole_blocks(w.target, square_side, square_side);
  const dim3 blocks{static_cast<unsigned>(all.width / square_side), static_cast<unsigned>(all.height / square_side)};
  look_at_squares<<<blocks, threads, 0, stream>>>(w, needs);
  check(cudaGetLastError(), "the launch of a kernel");
}

void start_warp(const WarpCells& w, cudaStream_t stream) {
  if (w.target.empty()) return;
  switch (w.method) {
    case Resampling::nearest:
      start<Resampling::nearest>(w, stream);
      break;
    case Resampling::bilinear:
      start<Resampling::bilinear>(w, stream);
      break;
    case Resampling::cubic:
      start<Resampling::cubic>(w, stream);
      break;
    case Resampling::lanczos:
      start<Resampling::lanczos>(w, stream);
      break;
    case Resampling::average:
      start<Resampling::average>(w, stream);
      break;
  }
  check(cudaGetLastError(), "the launch of a kernel");
}

}  // namespace fulmar::cuda
