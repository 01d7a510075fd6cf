// SPDX-License-Identifier: Apache-2.0
/// Right kernels of the kinds that the backend has, with what they must give.
#include <cmath>
#include <functional>
#include <numeric>

#include "device/buffers.cuh"
#include "device/cases.hpp"

namespace fulmar::ptx::test {
namespace {

__global__ void sum_of(const int* in, int n, int* out) {
  __shared__ int parts[32];
  int v = 0;
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < n;
       i += static_cast<int>(gridDim.x * blockDim.x))
    v += in[i];
  for (int o = 16; o > 0; o >>= 1) v += __shfl_down_sync(0xffffffffu, v, o);
  const unsigned lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  if (lane == 0) parts[warp] = v;
  __syncthreads();
  if (warp == 0) {
    v = lane < (blockDim.x + 31) / 32 ? parts[lane] : 0;
    for (int o = 16; o > 0; o >>= 1) v += __shfl_down_sync(0xffffffffu, v, o);
    if (lane == 0) atomicAdd(out, v);
  }
}
bool reduces() {
  for (const int n : {1, 31, 32, 33, 1000, 4099}) {
    const std::vector<int> v = counting(n);
    int* const in = upload(v);
    int* const out = upload(std::vector<int>{0});
    sum_of<<<5, 160>>>(in, n, out);
    if (download(out, 1)[0] != std::accumulate(v.begin(), v.end(), 0)) return false;
  }
  return true;
}

constexpr int side = 16, radius = 2, span = side + 2 * radius;
__global__ void box(const float* in, float* out, int width, int height) {
  __shared__ float tile[span][span];
  const int x0 = static_cast<int>(blockIdx.x) * side, y0 = static_cast<int>(blockIdx.y) * side;
  for (int k = static_cast<int>(threadIdx.y) * side + static_cast<int>(threadIdx.x); k < span * span;
       k += side * side) {
    const int x = min(max(x0 + k % span - radius, 0), width - 1), y = min(max(y0 + k / span - radius, 0), height - 1);
    tile[k / span][k % span] = in[y * width + x];
  }
  __syncthreads();
  const int x = x0 + static_cast<int>(threadIdx.x), y = y0 + static_cast<int>(threadIdx.y);
  if (x >= width || y >= height) return;
  float sum = 0;
  for (int dy = 0; dy <= 2 * radius; ++dy)
    for (int dx = 0; dx <= 2 * radius; ++dx) sum += tile[threadIdx.y + dy][threadIdx.x + dx];
  out[y * width + x] = sum;
}
bool tiles() {
  const int w = 53, h = 37;
  std::vector<float> v(w * h);
  for (int i = 0; i < w * h; ++i) v[i] = static_cast<float>(i * 7919 % 101);
  float* const in = upload(v);
  float* const out = device_array<float>(w * h);
  box<<<dim3((w + side - 1) / side, (h + side - 1) / side), dim3(side, side)>>>(in, out, w, h);
  const auto got = download(out, w * h);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      float sum = 0;
      for (int dy = -radius; dy <= radius; ++dy)
        for (int dx = -radius; dx <= radius; ++dx)
          sum += v[std::min(std::max(y + dy, 0), h - 1) * w + std::min(std::max(x + dx, 0), w - 1)];
      if (got[y * w + x] != sum) return false;
    }
  return true;
}

__device__ int root_of(volatile int* parent, int i) {
  for (int p; (p = parent[i]) != i; i = p) {
  }
  return i;
}
__device__ void unite(int* parent, int a, int b) {
  for (;;) {
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a == b) return;
    if (a > b) {
      const int c = a;
      a = b;
      b = c;
    }
    const int old = atomicMin(&parent[b], a);
    if (old == b) return;
    b = old;
  }
}
__global__ void merge(const unsigned char* image, int* parent, int w, int h) {
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (x >= w || y >= h || !image[y * w + x]) return;
  if (x > 0 && image[y * w + x - 1]) unite(parent, y * w + x, y * w + x - 1);
  if (y > 0 && image[y * w + x - w]) unite(parent, y * w + x, y * w + x - w);
}
bool labels() {
  const int w = 41, h = 29;
  std::vector<unsigned char> image(w * h);
  unsigned s = 5;
  for (auto& v : image) {
    s = s * 1664525u + 1013904223u;
    v = (s >> 24) % 100 < 60;
  }
  unsigned char* const in = upload(image);
  int* const parent = upload(counting(w * h));
  merge<<<dim3((w + 15) / 16, (h + 7) / 8), dim3(16, 8)>>>(in, parent, w, h);
  auto got = download(parent, w * h);
  const std::function<int(std::vector<int>&, int)> find = [](std::vector<int>& p, int i) {
    while (p[i] != i) i = p[i];
    return i;
  };
  auto wanted = counting(w * h);
  for (int i = 0; i < w * h; ++i)
    for (const int j : {i % w ? i - 1 : -1, i - w})
      if (j >= 0 && image[i] && image[j]) {
        const int a = find(wanted, i), b = find(wanted, j);
        wanted[std::max(a, b)] = std::min(a, b);
      }
  for (int i = 0; i < w * h; ++i)
    if (find(got, i) != find(wanted, i)) return false;
  return true;
}

__global__ void functions(const double* in, double* out, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n)
    out[i] = sqrt(in[i]) + sin(in[i]) * atan2(in[i], 2.0) + exp(-in[i]) + log1p(in[i]) + cbrt(in[i]) + fmod(in[i], 0.7);
}
bool mathematics() {
  const int n = 500;
  std::vector<double> v(n);
  for (int i = 0; i < n; ++i) v[i] = i * i * 0.37;
  double* const in = upload(v);
  double* const out = device_array<double>(n);
  functions<<<4, 128>>>(in, out, n);
  const auto got = download(out, n);
  for (int i = 0; i < n; ++i) {
    const double wanted = std::sqrt(v[i]) + std::sin(v[i]) * std::atan2(v[i], 2.0) + std::exp(-v[i]) +
                          std::log1p(v[i]) + std::cbrt(v[i]) + std::fmod(v[i], 0.7);
    if (std::fabs(got[i] - wanted) > 1e-12 * std::max(1.0, std::fabs(wanted))) return false;
  }
  return true;
}

struct Parameters {
  double transform[6];
  int width;
  float missing;
  unsigned char flags[3];
};
__constant__ float weights[5];
__device__ int counter = 40;

__global__ void mixture(Parameters p, const unsigned short* in, double* out, int n) {
  extern __shared__ double kept[];
  const int t = static_cast<int>(threadIdx.x);
  kept[t] = in[t] * weights[t % 5] + p.transform[t % 6] + p.flags[t % 3];
  __syncthreads();
  double sum = 0;
  switch (t % 7) {
    case 0:
      sum = 1;
      break;
    case 1:
      sum = kept[(t + 1) % n];
      break;
    case 2:
      sum = __popc(t) + __clz(t) + __brev(t);
      break;
    case 3:
      sum = (t * 123456789012ll) / 7 % 1000;
      break;
    case 4:
      sum = __ffs(t) - p.width;
      break;
    case 5:
      sum = rintf(t * 0.37f) + p.missing;
      break;
    default:
      sum = static_cast<signed char>(t * 5);
      break;
  }
  atomicAdd(&counter, 1);
  out[t] = kept[t] + sum;
}
bool mixtures() {
  const int n = 96;
  const Parameters p{{1, 2, 3, 4, 5, 6}, 20, 0.25f, {7, 8, 9}};
  const float w[5] = {1, 0.5f, 0.25f, 2, 4};
  cudaMemcpyToSymbol(weights, w, sizeof w);
  int before = 0, after = 0;
  cudaMemcpyFromSymbol(&before, counter, sizeof before);
  std::vector<unsigned short> v(n);
  for (int i = 0; i < n; ++i) v[i] = static_cast<unsigned short>(i * 601);
  unsigned short* const in = upload(v);
  double* const out = device_array<double>(n);
  mixture<<<1, n, n * sizeof(double)>>>(p, in, out, n);
  const auto got = download(out, n);
  cudaMemcpyFromSymbol(&after, counter, sizeof after);
  if (before < 40 || after - before != n) return false;
  std::vector<double> kept(n);
  for (int t = 0; t < n; ++t) kept[t] = v[t] * w[t % 5] + p.transform[t % 6] + p.flags[t % 3];
  for (int t = 0; t < n; ++t) {
    double sum = 0;
    unsigned reversed = 0;
    for (int k = 0; k < 32; ++k) reversed |= (static_cast<unsigned>(t) >> k & 1) << (31 - k);
    switch (t % 7) {
      case 0:
        sum = 1;
        break;
      case 1:
        sum = kept[(t + 1) % n];
        break;
      case 2:
        sum = static_cast<unsigned>(__builtin_popcount(t) + (t ? __builtin_clz(t) : 32)) + reversed;
        break;
      case 3:
        sum = static_cast<double>((t * 123456789012ll) / 7 % 1000);
        break;
      case 4:
        sum = __builtin_ffs(t) - p.width;
        break;
      case 5:
        sum = std::rint(t * 0.37f) + p.missing;
        break;
      default:
        sum = static_cast<signed char>(t * 5);
        break;
    }
    if (std::fabs(got[t] - (kept[t] + sum)) > 1e-9 * std::fabs(got[t])) return false;
  }
  return true;
}

__device__ __noinline__ float halves(float x, int depth) { return depth == 0 ? x : x + halves(x * 0.5f, depth - 1); }
__global__ void recursion(float* out) { out[threadIdx.x] = halves(static_cast<float>(threadIdx.x), 4); }
bool calls() {
  float* const out = device_array<float>(32);
  recursion<<<1, 32>>>(out);
  return download(out, 32)[16] == 31;
}

}  // namespace

std::vector<Right> right_kernels() {
  return {{"Reduces", reduces},         {"Tiles", tiles},       {"Labels", labels},
          {"Mathematics", mathematics}, {"Mixtures", mixtures}, {"Calls", calls}};
}

}  // namespace fulmar::ptx::test
