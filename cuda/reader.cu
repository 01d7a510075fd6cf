// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "core/error.hpp"
#include "cuda/backend.hpp"
#include "cuda/reader.hpp"
#include "cuda/status.hpp"

namespace fulmar::cuda {
namespace {

/// Calls use() with a card as that of this thread's calls, and goes back to the one before.
template <class Use>
void with_card(int device, Use&& use) {
  int before = 0;
  check(cudaGetDevice(&before), "asking for the device");
  check(cudaSetDevice(device), "choosing a device");
  try {
    use();
  } catch (...) {
    succeeded(cudaSetDevice(before));  // what failed first is what is told
    throw;
  }
  check(cudaSetDevice(before), "going back to the device that was chosen");
}

cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }

void must_be_there(int device) {
  const Found found = devices();
  const std::string cure = ": bring the cells to the host first";
  if (!found.trouble.empty()) fail(Errc::device, "memory of a card cannot be read, as " + found.trouble + cure);
  if (device < 0 || device >= static_cast<int>(found.devices.size()))
    fail(Errc::device, "memory of the device " + std::to_string(device) + " cannot be read, as this machine shows " +
                           std::to_string(found.devices.size()) + cure);
}

}  // namespace

int device_of(const void* address) {
  must_be_there(0);
  cudaPointerAttributes facts{};
  if (!succeeded(cudaPointerGetAttributes(&facts, address)) ||
      (facts.type != cudaMemoryTypeDevice && facts.type != cudaMemoryTypeManaged))
    fail(Errc::usage, "the address of the cells is not on a card");
  return facts.device;
}

void Reader::End::operator()(void* stream) const noexcept {
  // Nothing can be told from here; what failed of the copies was told by read().
  succeeded(cudaStreamSynchronize(stream_of(stream)));
  succeeded(cudaStreamDestroy(stream_of(stream)));
}

Reader::Reader(int device) : device_{device} {
  must_be_there(device);
  with_card(device_, [&] {
    cudaStream_t made = nullptr;
    check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
    stream_.reset(made);
  });
}

void Reader::wait_for(void* other) {
  with_card(device_, [&] {
    cudaEvent_t done = nullptr;
    check(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), "making an event");
    const cudaError_t recorded = cudaEventRecord(done, stream_of(other));
    const cudaError_t waits = recorded == cudaSuccess ? cudaStreamWaitEvent(stream_of(stream()), done, 0) : cudaSuccess;
    const cudaError_t gone = cudaEventDestroy(done);
    check(recorded, "marking what the stream of an array was given");
    check(waits, "waiting for the stream of an array");
    check(gone, "giving an event back");
  });
}

void Reader::read(const Rows& from, std::byte* to) {
  if (from.bytes <= 0 || from.rows <= 0 || from.planes <= 0) return;
  with_card(device_, [&] {
    try {
      for (std::int64_t plane = 0; plane < from.planes; ++plane)
        put(from.first + plane * from.plane_pitch, from, to + plane * from.rows * from.bytes);
    } catch (...) {
      // The copies before it are queued, and whoever hears of this lets go of the memory on both sides.
      succeeded(cudaStreamSynchronize(stream_of(stream())));
      throw;
    }
    check(cudaStreamSynchronize(stream_of(stream())), "waiting for the copy of an array");
  });
}

void Reader::put(const std::byte* from, const Rows& how, std::byte* to) {
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  if (how.rows == 1 || how.pitch == how.bytes)
    check(cudaMemcpyAsync(to, from, size(how.bytes * how.rows), cudaMemcpyDeviceToHost, stream_of(stream())),
          "copying an array from the device");
  else
    check(cudaMemcpy2DAsync(to, size(how.bytes), from, size(how.pitch), size(how.bytes), size(how.rows),
                            cudaMemcpyDeviceToHost, stream_of(stream())),
          "copying an array from the device");
}

}  // namespace fulmar::cuda
