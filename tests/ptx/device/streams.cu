// SPDX-License-Identifier: Apache-2.0
/// Host code of streams, events and copies with bugs planted.
#include <cstring>

#include "device/buffers.cuh"
#include "device/cases.hpp"
#include "runtime/fulmar_ptx.h"

namespace fulmar::ptx::test {
namespace {

constexpr int n = 1000;

__global__ void doubled(const int* in, int* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = 2 * in[i];
}

/// Copy down, kernel and copy up on three streams, ordered by events.
struct Lane {
  cudaStream_t down, work, up;
  cudaEvent_t there, done;
  int *host, *result, *in, *out;
  Lane() {
    cudaStreamCreateWithFlags(&down, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&work, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&up, cudaStreamNonBlocking);
    cudaEventCreateWithFlags(&there, cudaEventDisableTiming);
    cudaEventCreateWithFlags(&done, cudaEventDisableTiming);
    cudaMallocHost(reinterpret_cast<void**>(&host), n * sizeof(int));
    cudaMallocHost(reinterpret_cast<void**>(&result), n * sizeof(int));
    for (int i = 0; i < n; ++i) host[i] = i;
    in = device_array<int>(n);
    out = device_array<int>(n);
    cudaMemset(in, 0, n * sizeof(int));
    cudaMemset(out, 0, n * sizeof(int));
  }
};

void chain(bool first_event, bool second_event) {
  Lane l;
  cudaMemcpyAsync(l.in, l.host, n * sizeof(int), cudaMemcpyHostToDevice, l.down);
  cudaEventRecord(l.there, l.down);
  if (first_event) cudaStreamWaitEvent(l.work, l.there, 0);
  doubled<<<(n + 127) / 128, 128, 0, l.work>>>(l.in, l.out);
  cudaEventRecord(l.done, l.work);
  if (second_event) cudaStreamWaitEvent(l.up, l.done, 0);
  cudaMemcpyAsync(l.result, l.out, n * sizeof(int), cudaMemcpyDeviceToHost, l.up);
  cudaStreamSynchronize(l.up);
  cudaDeviceSynchronize();
}
void event_missing_before_the_kernel(bool planted) { chain(!planted, true); }
void event_missing_before_the_copy(bool planted) { chain(true, !planted); }

void buffer_reused_too_early(bool planted) {
  Lane l;
  for (int tile = 0; tile < 2; ++tile) {
    cudaMemcpyAsync(l.in, l.host, n * sizeof(int), cudaMemcpyHostToDevice, l.down);
    cudaEventRecord(l.there, l.down);
    cudaStreamWaitEvent(l.work, l.there, 0);
    doubled<<<(n + 127) / 128, 128, 0, l.work>>>(l.in, l.out);
    cudaEventRecord(l.done, l.work);
    // The next copy into the same memory has to wait for the kernel.
    if (!planted) cudaStreamWaitEvent(l.down, l.done, 0);
  }
  cudaDeviceSynchronize();
}

void freed_on_another_stream(bool planted) {
  Lane l;
  int* mine = nullptr;
  cudaMallocAsync(reinterpret_cast<void**>(&mine), n * sizeof(int), l.work);
  cudaMemsetAsync(mine, 0, n * sizeof(int), l.work);
  doubled<<<(n + 127) / 128, 128, 0, l.work>>>(mine, l.out);
  cudaEventRecord(l.done, l.work);
  if (!planted) cudaStreamWaitEvent(l.up, l.done, 0);
  cudaFreeAsync(mine, l.up);
  cudaDeviceSynchronize();
}

void made_on_another_stream(bool planted) {
  Lane l;
  int* mine = nullptr;
  cudaMallocAsync(reinterpret_cast<void**>(&mine), n * sizeof(int), planted ? l.up : l.work);
  cudaMemsetAsync(mine, 0, n * sizeof(int), l.work);
  cudaDeviceSynchronize();
}

void copy_past_the_end(bool planted) {
  int* const d = device_array<int>(n);
  const std::vector<int> v = counting(n + 1);
  cudaMemcpy(d, v.data(), (planted ? n + 1 : n) * sizeof(int), cudaMemcpyHostToDevice);
}

void copy_of_what_was_not_written(bool planted) {
  Lane l;
  int* const fresh = device_array<int>(n);
  cudaMemset(fresh, 0, (planted ? n - 1 : n) * sizeof(int));
  cudaMemcpy(l.result, fresh, n * sizeof(int), cudaMemcpyDeviceToHost);
}

void copy_to_a_host_pointer(bool planted) {
  int* const d = device_array<int>(n);
  std::vector<int> v(n), w(n);
  cudaMemcpy(planted ? w.data() : d, v.data(), n * sizeof(int), cudaMemcpyHostToDevice);
}

/// An allocation that the program divides itself: n numbers in and out, with a gap between them.
void past_a_part(bool planted) {
  Lane l;
  const std::size_t bytes = n * sizeof(int), room = (bytes + 511) / 256 * 256;
  char* arena = nullptr;
  cudaMallocAsync(reinterpret_cast<void**>(&arena), 2 * room, l.work);
  for (int tile = 0; tile < 2; ++tile) {
    fulmar_ptx_divide(arena, l.work);
    fulmar_ptx_part(arena, planted && tile == 1 ? bytes - 4 : bytes, "in", l.work);
    fulmar_ptx_part(arena + room, bytes, "out", l.work);
    cudaMemsetAsync(arena, 0, planted && tile == 1 ? bytes - 4 : bytes, l.work);
    doubled<<<(n + 127) / 128, 128, 0, l.work>>>(reinterpret_cast<int*>(arena), reinterpret_cast<int*>(arena + room));
  }
  cudaFreeAsync(arena, l.work);
  cudaDeviceSynchronize();
}
/// What the last tile left in a part is not the next one's.
void left_in_a_part(bool planted) {
  Lane l;
  char* arena = nullptr;
  cudaMallocAsync(reinterpret_cast<void**>(&arena), n * sizeof(int), l.work);
  for (int tile = 0; tile < 2; ++tile) {
    fulmar_ptx_divide(arena, l.work);
    fulmar_ptx_part(arena, n * sizeof(int), "in", l.work);
    if (!planted || tile == 0) cudaMemsetAsync(arena, 0, n * sizeof(int), l.work);
    doubled<<<(n + 127) / 128, 128, 0, l.work>>>(reinterpret_cast<int*>(arena), l.out);
  }
  cudaDeviceSynchronize();
}

void freed_twice(bool planted) {
  int* const d = device_array<int>(n);
  cudaFree(d);
  if (planted) cudaFree(d);
}

void pinned_memory_in_a_kernel(bool planted) {
  Lane l;
  cudaMemset(l.in, 0, n * sizeof(int));
  doubled<<<(n + 127) / 128, 128, 0, l.work>>>(planted ? l.host : l.in, l.out);
  cudaDeviceSynchronize();
}

}  // namespace

std::vector<Planted> planted_streams() {
  return {{"EventMissingBeforeTheKernel", "an event is missing", event_missing_before_the_kernel},
          {"EventMissingBeforeTheCopy", "an event is missing", event_missing_before_the_copy},
          {"BufferReusedTooEarly", "an event is missing", buffer_reused_too_early},
          {"FreedOnAnotherStream", "memory", freed_on_another_stream},
          {"MadeOnAnotherStream", "an event is missing", made_on_another_stream},
          {"CopyPastTheEnd", "past the end", copy_past_the_end},
          {"CopyOfWhatWasNotWritten", "never written", copy_of_what_was_not_written},
          {"CopyToAHostPointer", "a host pointer where a device pointer belongs", copy_to_a_host_pointer},
          {"PastAPart", "0 bytes behind the end of in", past_a_part},
          {"LeftInAPart", "never written", left_in_a_part},
          {"FreedTwice", "free already", freed_twice},
          {"PinnedMemoryInAKernel", "pinned host memory", pinned_memory_in_a_kernel}};
}

}  // namespace fulmar::ptx::test
