// SPDX-License-Identifier: Apache-2.0
/// A catalogue of bugs: each kernel is right with `false` and has its bug with `true`.
#include "device/buffers.cuh"
#include "device/cases.hpp"

namespace fulmar::ptx::test {
namespace {

constexpr int block = 128, blocks = 4, n = block * blocks - 5;

__global__ void one_past_the_end(const int* in, int* out, bool planted) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (planted ? i <= n : i < n) out[i] = in[i] + 1;
}

__global__ void one_before(const int* in, int* out, bool planted) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = in[planted || i > 0 ? i - 1 : 0];
}

__global__ void index_overflows(const int* in, int* out, bool planted) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  // Row times width, as 32 bits: 65536 x 65536 is 0, and the last cell is before the first.
  const long long width = 65536;
  const long long cells = planted ? static_cast<int>(width * width) - 1 - i : n - 1 - i;
  if (i < n) out[i] = in[cells];
}

__global__ void past_shared(const int* in, int* out, bool planted) {
  __shared__ int tile[block];
  __shared__ int other[block];
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  tile[t] = i < n ? in[i] : 0;
  other[t] = t;
  __syncthreads();
  const int next = tile[planted ? t + 1 : (t + 1) % block];
  if (i < n) out[i] = next + other[block - 1 - t];
}

__global__ void barrier_missing(const int* in, int* out, bool planted) {
  __shared__ int tile[block];
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  tile[t] = 0;
  __syncthreads();
  tile[t] = i < n ? in[i] : 0;
  if (!planted) __syncthreads();
  if (i < n) out[i] = tile[(t + 32) % block];
}

__global__ void second_barrier_missing(const int* in, int* out, bool planted) {
  __shared__ int tile[block];
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  int sum = 0;
  for (int round = 0; round < 3; ++round) {
    tile[t] = (i < n ? in[i] : 0) + round;
    __syncthreads();
    sum += tile[block - 1 - t];
    if (!planted) __syncthreads();
  }
  if (i < n) out[i] = sum;
}

__global__ void barrier_divergent(const int* in, int* out, bool planted) {
  __shared__ int tile[block];
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  if (planted && i >= n) return;  // the last block leaves some threads behind the barrier
  tile[t] = i < n ? in[i] : 0;
  __syncthreads();
  if (i < n) out[i] = tile[t] + tile[0];
}

__global__ void mask_names_who_left(const int* in, int* out, bool planted) {
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  if (planted && (t & 31) >= 16) return;
  const int v = __shfl_down_sync(0xffffffffu, in[i < n ? i : 0], 16);
  if (i < n) out[i] = v;
}

__global__ void mask_in_a_branch(const int* in, int* out, bool planted) {
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  int v = in[i < n ? i : 0];
  if (t & 1)
    v = __shfl_xor_sync(planted ? 0xffffffffu : 0xaaaaaaaau, v, 2);
  else
    v = __ballot_sync(planted ? 0xffffffffu : 0x55555555u, v > 3);
  if (i < n) out[i] = v;
}

__global__ void misaligned(const int* in, int* out, bool planted) {
  const int i = static_cast<int>(threadIdx.x);
  const int2 pair = *reinterpret_cast<const int2*>(in + 2 * i + (planted ? 1 : 0));
  out[i] = pair.x + pair.y;
}

__global__ void copies(const int* in, int* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = in[i];
}

__global__ void shared_not_written(const int* in, int* out, bool planted) {
  __shared__ int tile[block];
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  if (!planted || t < block - 1) tile[t] = i < n ? in[i] : 0;
  __syncthreads();
  if (i < n) out[i] = tile[t ^ 1];
}

/// What an earlier block left in shared memory is not there to be used.
__global__ void shared_of_an_earlier_block(const int* in, int* out, bool planted) {
  __shared__ int offset;
  if (threadIdx.x == 0 && (!planted || blockIdx.x == 0)) offset = in[3];
  __syncthreads();
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = in[i] + offset;
}

__global__ void blocks_write_one_place(const int* in, int* out, bool planted) {
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  out[planted ? t : i] = i < n ? in[i] : 0;
}

__global__ void sum_without_atomics(const int* in, int* out, bool planted) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  if (planted)
    out[0] += in[i];
  else
    atomicAdd(out, in[i]);
}

/// Each block adds up its part; the last one adds up the parts, after a fence.
__global__ void last_block_without_fence(const int* in, int* out, bool planted) {
  __shared__ bool last;
  int* const parts = out + 2;
  if (threadIdx.x == 0) {
    int sum = 0;
    for (int k = 0; k < block; ++k) {
      const int i = static_cast<int>(blockIdx.x) * block + k;
      if (i < n) sum += in[i];
    }
    parts[blockIdx.x] = sum;
    if (!planted) __threadfence();
    last = atomicAdd(out + 1, 1) == static_cast<int>(gridDim.x) - 1;
    if (!planted) __threadfence();
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    int sum = 0;
    for (unsigned b = 0; b < gridDim.x; ++b) sum += parts[b];
    out[0] = sum;
  }
}

/// Warps of shared memory: lanes hand over without __syncwarp.
__global__ void warp_not_synchronised(const int* in, int* out, bool planted) {
  __shared__ int tile[block];
  const int t = static_cast<int>(threadIdx.x), i = static_cast<int>(blockIdx.x) * block + t;
  tile[t] = 0;
  __syncwarp();
  tile[t] = i < n ? in[i] : 0;
  if (!planted) __syncwarp();
  if (i < n) out[i] = tile[t ^ 1];
}

__global__ void divides_by_zero(const int* in, int* out, bool planted) {
  const int i = static_cast<int>(threadIdx.x);
  out[i] = 1000 / (in[i] + (planted ? 0 : 1));
}

/// Runs a kernel of (in, out, planted) on n numbers, `out` set to zero.
template <auto Kernel>
void on_numbers(bool planted) {
  const auto numbers = counting(block * blocks);
  int* const in = device_array<int>(n);
  cudaMemcpy(in, numbers.data(), n * sizeof(int), cudaMemcpyHostToDevice);
  int* const out = device_array<int>(n + 5);
  cudaMemset(out, 0, (n + 5) * sizeof(int));
  Kernel<<<blocks, block>>>(in, out, planted);
  cudaDeviceSynchronize();
  cudaFree(in);
  cudaFree(out);
}
/// One block on 2 x 128 numbers.
template <auto Kernel>
void on_one_block(bool planted) {
  int* const in = upload(counting(2 * block + 2));
  int* const out = device_array<int>(block);
  Kernel<<<1, block>>>(in, out, planted);
  cudaDeviceSynchronize();
}
void with_exact_output(bool planted) {
  int* const in = upload(counting(n));
  int* const out = device_array<int>(n);
  one_past_the_end<<<blocks, block>>>(in, out, planted);
  cudaDeviceSynchronize();
}
void host_pointer(bool planted) {
  const auto numbers = counting(n);
  int* const in = upload(numbers);
  int* const out = device_array<int>(n);
  copies<<<blocks, block>>>(planted ? numbers.data() : in, out);
  cudaDeviceSynchronize();
}
void never_written(bool planted) {
  int* const in = device_array<int>(n);
  int* const out = device_array<int>(n);
  cudaMemset(in, 0, (planted ? n - 1 : n) * sizeof(int));
  copies<<<blocks, block>>>(in, out);
  cudaDeviceSynchronize();
}
void used_after_free(bool planted) {
  int* const in = upload(counting(n));
  int* const out = device_array<int>(n);
  if (planted) cudaFree(in);
  copies<<<blocks, block>>>(in, out);
  cudaDeviceSynchronize();
}

}  // namespace

std::vector<Planted> planted_kernels() {
  return {{"OnePastTheEnd", "out of bounds", with_exact_output},
          {"OneBefore", "out of bounds", on_numbers<one_before>},
          {"IndexOverflows", "of global memory", on_numbers<index_overflows>},
          {"PastShared", "of shared memory", on_numbers<past_shared>},
          {"BarrierMissing", "no barrier lies between", on_numbers<barrier_missing>},
          {"SecondBarrierMissing", "no barrier lies between", on_numbers<second_barrier_missing>},
          {"BarrierDivergent", "divergent barrier", on_numbers<barrier_divergent>},
          {"MaskNamesWhoLeft", "wrong mask", on_numbers<mask_names_who_left>},
          {"MaskInABranch", "wrong mask", on_numbers<mask_in_a_branch>},
          {"Misaligned", "misaligned", on_one_block<misaligned>},
          {"HostPointer", "host pointer", host_pointer},
          {"NeverWritten", "never written", never_written},
          {"UsedAfterFree", "freed memory", used_after_free},
          {"SharedNotWritten", "not written by this block", on_numbers<shared_not_written>},
          {"SharedOfAnEarlierBlock", "not written by this block", on_numbers<shared_of_an_earlier_block>},
          {"BlocksWriteOnePlace", "nothing orders the two blocks", on_numbers<blocks_write_one_place>},
          {"SumWithoutAtomics", "race in global memory", on_numbers<sum_without_atomics>},
          {"LastBlockWithoutFence", "nothing orders the two blocks", on_numbers<last_block_without_fence>},
          {"WarpNotSynchronised", "no barrier lies between", on_numbers<warp_not_synchronised>},
          {"DividesByZero", "division by zero", on_one_block<divides_by_zero>}};
}

namespace {

__global__ void greatest(const int* in, int count, int* out, bool again) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  int seen = *static_cast<volatile int*>(out);
  while (seen < in[i]) {
    const int before = atomicCAS(out, seen, in[i]);
    if (before == seen || !again) break;
    seen = before;
  }
}

}  // namespace

int greatest_by_swap(bool again) {
  std::vector<int> numbers(512);
  for (int i = 0; i < 512; ++i) numbers[static_cast<std::size_t>(i)] = i * 7919 % 1009;
  int* const in = upload(numbers);
  int* const out = upload(std::vector<int>{-1});
  greatest<<<16, 32>>>(in, 512, out, again);
  const int found = download(out, 1)[0];
  cudaFree(in);
  cudaFree(out);
  return found;
}

}  // namespace fulmar::ptx::test
