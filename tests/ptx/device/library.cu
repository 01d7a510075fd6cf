// SPDX-License-Identifier: Apache-2.0
/// CUB's and Thrust's kernels: look-back over tiles, radix sorts, selection.
#include <thrust/device_ptr.h>
#include <thrust/execution_policy.h>
#include <thrust/sort.h>
#include <thrust/unique.h>

#include <algorithm>
#include <cmath>
#include <cub/cub.cuh>

#include "device/buffers.cuh"
#include "device/cases.hpp"

namespace fulmar::ptx::test {
namespace {

constexpr int n = 6000;

std::vector<unsigned> numbers() {
  std::vector<unsigned> v(n);
  unsigned s = 7;
  for (auto& x : v) {
    s = s * 1664525u + 1013904223u;
    x = s >> 12;
  }
  return v;
}

template <class Call>
bool with_storage(Call call) {
  std::size_t bytes = 0;
  void* storage = nullptr;
  if (call(storage, bytes) != cudaSuccess) return false;
  cudaMalloc(&storage, std::max<std::size_t>(bytes, 1));
  const bool good = call(storage, bytes) == cudaSuccess;
  cudaFree(storage);
  return good;
}

bool scans() {
  const auto v = numbers();
  unsigned* const in = upload(v);
  unsigned* const out = device_array<unsigned>(n);
  if (!with_storage([&](void* s, std::size_t& b) { return cub::DeviceScan::ExclusiveSum(s, b, in, out, n); }))
    return false;
  const auto got = download(out, n);
  unsigned sum = 0;
  for (int i = 0; i < n; ++i) {
    if (got[i] != sum) return false;
    sum += v[i];
  }
  return true;
}
bool sorts() {
  auto v = numbers();
  unsigned* const in = upload(v);
  unsigned* const out = device_array<unsigned>(n);
  if (!with_storage([&](void* s, std::size_t& b) { return cub::DeviceRadixSort::SortKeys(s, b, in, out, n); }))
    return false;
  std::sort(v.begin(), v.end());
  return download(out, n) == v;
}
bool selects() {
  const auto v = numbers();
  std::vector<char> flags(n);
  std::vector<unsigned> wanted;
  for (int i = 0; i < n; ++i)
    if ((flags[i] = v[i] & 1)) wanted.push_back(v[i]);
  unsigned* const in = upload(v);
  char* const f = upload(flags);
  unsigned* const out = device_array<unsigned>(n);
  int* const count = device_array<int>(1);
  if (!with_storage([&](void* s, std::size_t& b) { return cub::DeviceSelect::Flagged(s, b, in, f, out, count, n); }))
    return false;
  const int c = download(count, 1)[0];
  return c == static_cast<int>(wanted.size()) && download(out, c) == wanted;
}
bool thrusts() {
  auto v = numbers();
  unsigned* const d = upload(v);
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  const auto p = thrust::device_pointer_cast(d);
  thrust::sort(thrust::cuda::par_nosync.on(stream), p, p + n, ::cuda::std::greater<>{});
  const auto end = thrust::unique(thrust::cuda::par.on(stream), p, p + n);
  cudaStreamSynchronize(stream);
  std::sort(v.rbegin(), v.rend());
  v.erase(std::unique(v.begin(), v.end()), v.end());
  return static_cast<std::size_t>(end - p) == v.size() && download(d, v.size()) == v;
}

}  // namespace

std::vector<Right> right_library() {
  return {{"Scans", scans}, {"Sorts", sorts}, {"Selects", selects}, {"Thrusts", thrusts}};
}

}  // namespace fulmar::ptx::test
