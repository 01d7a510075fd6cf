// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "core/error.hpp"
#include "cuda/backend.hpp"
#include "cuda/reader.hpp"
#include "cuda/status.hpp"

namespace fulmar::cuda {
namespace {

/// Makes a card that of this thread's calls for a while.
class Chosen {
 public:
  explicit Chosen(int device) {
    check(cudaGetDevice(&before_), "asking for the device");
    check(cudaSetDevice(device), "choosing a device");
  }
  ~Chosen() { cudaSetDevice(before_); }
  Chosen(const Chosen&) = delete;
  Chosen& operator=(const Chosen&) = delete;

 private:
  int before_ = 0;
};

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
  const cudaError_t status = cudaPointerGetAttributes(&facts, address);
  if (status != cudaSuccess) cudaGetLastError();  // it is no error of a later call
  if (status != cudaSuccess || (facts.type != cudaMemoryTypeDevice && facts.type != cudaMemoryTypeManaged))
    fail(Errc::usage, "the address of the cells is not on a card");
  return facts.device;
}

Reader::Reader(int device) : device_{device} {
  must_be_there(device);
  const Chosen chosen{device_};
  cudaStream_t made = nullptr;
  check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
  stream_ = made;
}

Reader::~Reader() {
  cudaStreamSynchronize(stream_of(stream_));
  cudaStreamDestroy(stream_of(stream_));
}

void Reader::wait_for(void* other) {
  const Chosen chosen{device_};
  cudaEvent_t done = nullptr;
  check(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), "making an event");
  cudaError_t status = cudaEventRecord(done, stream_of(other));
  if (status == cudaSuccess) status = cudaStreamWaitEvent(stream_of(stream_), done, 0);
  cudaEventDestroy(done);
  check(status, "waiting for the stream of an array");
}

void Reader::read(const std::byte* from, std::int64_t pitch, std::byte* to, std::int64_t bytes, std::int64_t rows) {
  if (bytes <= 0 || rows <= 0) return;
  const Chosen chosen{device_};
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  if (rows == 1 || pitch == bytes)
    check(cudaMemcpyAsync(to, from, size(bytes * rows), cudaMemcpyDeviceToHost, stream_of(stream_)),
          "copying an array from the device");
  else
    check(cudaMemcpy2DAsync(to, size(bytes), from, size(pitch), size(bytes), size(rows), cudaMemcpyDeviceToHost,
                            stream_of(stream_)),
          "copying an array from the device");
}

void Reader::wait() {
  const Chosen chosen{device_};
  check(cudaStreamSynchronize(stream_of(stream_)), "waiting for the copy of an array");
}

}  // namespace fulmar::cuda
