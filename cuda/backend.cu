// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "cuda/backend.hpp"
#include "cuda/label.hpp"
#include "cuda/planes.cuh"
#include "cuda/status.hpp"
#include "cuda/sums.hpp"
#include "cuda/warp.hpp"

namespace fulmar::cuda {

namespace {

dim3 blocks_of(std::int64_t width, std::int64_t height) {
  return {static_cast<unsigned>((width + plane_across - 1) / plane_across),
          static_cast<unsigned>((height + plane_down - 1) / plane_down)};
}
constexpr dim3 threads{plane_across, plane_down};

/// Makes a card the one that the calls of this thread mean.
void choose(int number) { check(cudaSetDevice(number), "choosing a device"); }

class Lane final : public DeviceLane {
 public:
  Lane(int device, std::int64_t bytes) : device_{device} {
    choose(device_);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
    void* memory = nullptr;
    const cudaError_t status = cudaMallocAsync(&memory, static_cast<std::size_t>(bytes), stream_);
    if (status != cudaSuccess) {
      succeeded(cudaStreamDestroy(stream_));
      check(status, "allocating the memory of a tile");
    }
    memory_ = static_cast<std::byte*>(memory);
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() override {
    // Nothing can be told from here; what failed before was told by wait().
    succeeded(cudaSetDevice(device_));
    succeeded(cudaFreeAsync(memory_, stream_));
    succeeded(cudaStreamSynchronize(stream_));
    succeeded(cudaStreamDestroy(stream_));
  }

  std::byte* memory() override { return memory_; }
  void* stream() override { return stream_; }
  const DeviceTraffic& traffic() const override { return traffic_; }

  void upload(void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch, std::int64_t bytes,
              std::int64_t rows) override {
    ++traffic_.uploads, traffic_.uploaded += bytes * rows;
    move(to, to_pitch, from, from_pitch, bytes, rows, cudaMemcpyHostToDevice, "copying to the device");
  }
  void download(void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch, std::int64_t bytes,
                std::int64_t rows) override {
    ++traffic_.downloads, traffic_.downloaded += bytes * rows;
    move(to, to_pitch, from, from_pitch, bytes, rows, cudaMemcpyDeviceToHost, "copying from the device");
  }

  void clear(const fulmar_plane& to) override {
    start(to.width, to.height, [&](dim3 blocks) {
      if (to.dtype == FULMAR_F32)
        clear_cells<float><<<blocks, threads, 0, stream_>>>(to);
      else
        clear_cells<std::uint8_t><<<blocks, threads, 0, stream_>>>(to);
    });
  }

  void widen(const StoredBand& band, const void* cells, std::int64_t stride, const std::uint8_t* mask,
             std::int64_t mask_stride, const fulmar_plane& to) override {
    const bool scaled = band.scale != 1.0 || band.offset != 0.0;
    with_type(band.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto nodata = stored_nodata<T>(band);
      const auto launch = [&](auto is_scaled, auto has_nodata) {
        start(to.width, to.height, [&](dim3 blocks) {
          widen_cells<T, decltype(is_scaled)::value, decltype(has_nodata)::value>
              <<<blocks, threads, 0, stream_>>>(static_cast<const T*>(cells), stride, mask, mask_stride,
                                                nodata.value_or(T{}), band.scale, band.offset, to);
        });
      };
      if (scaled)
        nodata ? launch(std::true_type{}, std::true_type{}) : launch(std::true_type{}, std::false_type{});
      else
        nodata ? launch(std::false_type{}, std::true_type{}) : launch(std::false_type{}, std::false_type{});
    });
  }

  void copy(const fulmar_plane& from, const fulmar_plane& to) override {
    start(to.width, to.height, [&](dim3 blocks) {
      if (from.dtype == FULMAR_F32 && to.dtype == FULMAR_F32)
        copy_cells<float><<<blocks, threads, 0, stream_>>>(from, to);
      else if (from.dtype == to.dtype)
        copy_cells<std::uint8_t><<<blocks, threads, 0, stream_>>>(from, to);
      else if (to.dtype == FULMAR_F32)
        flags_to_floats<<<blocks, threads, 0, stream_>>>(from, to);
      else
        floats_to_flags<<<blocks, threads, 0, stream_>>>(from, to);
    });
  }

  void stack(const fulmar_plane* bands, std::int64_t count, std::int64_t first, const fulmar_plane& to) override {
    for (std::int64_t b = 0; b < count; b += stack_together) {
      Stack from{};
      const auto n = static_cast<int>(std::min(stack_together, count - b));
      for (int k = 0; k < n; ++k)
        from.cells[k] = static_cast<const float*>(bands[b + k].cells), from.stride[k] = bands[b + k].stride;
      start(to.width, to.height,
            [&](dim3 blocks) { stack_cells<<<blocks, threads, 0, stream_>>>(from, n, first + b, to); });
    }
  }

  void within(const fulmar_plane& cells, std::int64_t rx, std::int64_t ry, const double* ground, double reach,
              std::uint16_t* scratch, const fulmar_plane& to) override {
    start(cells.width, cells.height + 2 * ry,
          [&](dim3 blocks) { row_distances<<<blocks, threads, 0, stream_>>>(cells, rx, ry, scratch); });
    start(to.width, to.height,
          [&](dim3 blocks) { near_rows<<<blocks, threads, 0, stream_>>>(scratch, rx, ry, ground, reach, to); });
  }

  void sums(const fulmar_plane& cells, const fulmar_view& box, const fulmar_plane& to) override {
    choose(device_);
    start_sums(cells, box, to, stream_);
  }
  void look(const WarpCells& warp, SquareNeed* needs) override {
    choose(device_);
    start_look(warp, needs, stream_);
  }
  void warp(const WarpCells& warp) override {
    choose(device_);
    start_warp(warp, stream_);
  }
  void complete(const fulmar_plane& from, const fulmar_plane& to) override {
    start(to.width, to.height, [&](dim3 blocks) { complete_cells<<<blocks, threads, 0, stream_>>>(from, to); });
  }
  void pack(const void* from, std::int64_t bytes, const std::uint32_t* places, std::int64_t count, void* to) override {
    start(bytes / 8, count, [&](dim3 blocks) {
      pack_pieces<<<blocks, threads, 0, stream_>>>(static_cast<const std::uint64_t*>(from), bytes / 8, places, count,
                                                   static_cast<std::uint64_t*>(to));
    });
  }
  void find(const FindWork& work) override {
    choose(device_);
    find_objects(work, stream_);
  }

  void wait() override {
    choose(device_);
    check(cudaStreamSynchronize(stream_), "waiting for the device");
  }

 private:
  void move(void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch, std::int64_t bytes,
            std::int64_t rows, cudaMemcpyKind kind, const char* what) {
    if (bytes <= 0 || rows <= 0) return;
    choose(device_);
    const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
    if (to_pitch == bytes && from_pitch == bytes)
      check(cudaMemcpyAsync(to, from, size(bytes * rows), kind, stream_), what);
    else
      check(cudaMemcpy2DAsync(to, size(to_pitch), from, size(from_pitch), size(bytes), size(rows), kind, stream_),
            what);
  }
  template <class Use>
  void start(std::int64_t width, std::int64_t height, Use&& use) {
    if (width <= 0 || height <= 0) return;
    choose(device_);
    use(blocks_of(width, height));
    check(cudaGetLastError(), "the launch of a kernel");
  }

  int device_;
  cudaStream_t stream_ = nullptr;
  std::byte* memory_ = nullptr;
  DeviceTraffic traffic_;
};

class Card final : public Device {
 public:
  explicit Card(DeviceFacts facts) : facts_{std::move(facts)} {}
  const DeviceFacts& facts() const override { return facts_; }
  std::unique_ptr<DeviceLane> lane(std::int64_t bytes) override {
    return std::make_unique<Lane>(facts_.number, std::max<std::int64_t>(bytes, 256));
  }
  void pin(void* memory, std::int64_t bytes) override {
    choose(facts_.number);
    succeeded(cudaHostRegister(memory, static_cast<std::size_t>(bytes), cudaHostRegisterDefault));
  }
  void unpin(void* memory) override { succeeded(cudaHostUnregister(memory)); }

 private:
  DeviceFacts facts_;
};

}  // namespace

Found devices() {
  Found found;
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  succeeded(cudaDriverGetVersion(&driver));
  succeeded(cudaRuntimeGetVersion(&runtime));
  const auto version = [](int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
  if (!succeeded(status) || count == 0) {
    if (driver == 0)
      found.trouble = "no CUDA driver is installed (libcuda.so.1 was not found)";
    else if (status == cudaErrorInsufficientDriver)
      found.trouble = "the CUDA driver knows CUDA " + version(driver) + ", and this program needs " + version(runtime);
    else if (status == cudaSuccess || status == cudaErrorNoDevice)
      found.trouble = "the CUDA driver finds no device (CUDA_VISIBLE_DEVICES may hide it)";
    else
      found.trouble = std::string{"CUDA says: "} + cudaGetErrorString(status);
    return found;
  }
  for (int number = 0; number < count; ++number) {
    DeviceFacts facts;
    facts.number = number, facts.driver = driver, facts.runtime = runtime;
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, number), "asking a device what it is");
    facts.name = properties.name;
    facts.architecture = "sm_" + std::to_string(properties.major) + std::to_string(properties.minor);
    facts.memory = static_cast<std::int64_t>(properties.totalGlobalMem);
    facts.fits = 10 * properties.major + properties.minor >= oldest_architecture;
    found.devices.push_back(std::move(facts));
  }
  return found;
}

int runtime_version() {
  int runtime = 0;
  succeeded(cudaRuntimeGetVersion(&runtime));
  return runtime;
}

std::unique_ptr<Device> open(int number) {
  const Found found = devices();
  if (!found.trouble.empty()) fail(Errc::device, "there is no CUDA device: " + found.trouble);
  if (number < 0 || number >= static_cast<int>(found.devices.size()))
    fail(Errc::device, "there is no CUDA device " + std::to_string(number) + ": this machine has " +
                           std::to_string(found.devices.size()));
  DeviceFacts facts = found.devices[static_cast<std::size_t>(number)];
  if (!facts.fits)
    fail(Errc::device, facts.name + " is of architecture " + facts.architecture + ", and the kernels need sm_" +
                           std::to_string(oldest_architecture) + " or newer");
  choose(number);
  std::size_t free = 0, all = 0;
  check(cudaMemGetInfo(&free, &all), "asking a device for its memory");
  facts.free = static_cast<std::int64_t>(free);
  return std::make_unique<Card>(std::move(facts));
}

}  // namespace fulmar::cuda
