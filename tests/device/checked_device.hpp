// SPDX-License-Identifier: Apache-2.0
/// @file
/// A card whose lanes tell the interpreter of PTX which pieces of their memory are in use, so that it watches the ends
/// of every plane and finds what the last tile left. On a real card it changes nothing.
#pragma once

#include <memory>
#include <string>

#include "core/device.hpp"
#include "cuda/backend.hpp"
#include "device/forwarding_lane.hpp"
#include "ptx/runtime/fulmar_ptx.h"

namespace fulmar::test {

class CheckedLane final : public ForwardingLane {
 public:
  using ForwardingLane::ForwardingLane;

  void give_back(std::byte* from) override {
    if (fulmar_ptx_divide_from != nullptr) fulmar_ptx_divide_from(memory(), from, stream());
  }
  void use(void* piece, std::int64_t bytes) override {
    if (fulmar_ptx_part == nullptr) return;
    const auto at = static_cast<std::byte*>(piece) - memory();
    fulmar_ptx_part(piece, static_cast<std::uint64_t>(bytes), ("a piece at " + std::to_string(at)).c_str(), stream());
  }
};

class CheckedDevice final : public Device {
 public:
  explicit CheckedDevice(std::unique_ptr<Device> device) : device_{std::move(device)} {}
  const DeviceFacts& facts() const override { return device_->facts(); }
  std::unique_ptr<DeviceLane> lane(std::int64_t bytes) override {
    return std::make_unique<CheckedLane>(device_->lane(bytes));
  }
  void pin(void* memory, std::int64_t bytes) override { device_->pin(memory, bytes); }
  void unpin(void* memory) override { device_->unpin(memory); }

 private:
  std::unique_ptr<Device> device_;
};

/// The card, or null where there is none.
inline Device* card() {
  static const std::unique_ptr<Device> opened =
      cuda::devices().devices.empty()
          ? nullptr
          : std::make_unique<CheckedDevice>(cuda::open(cuda::devices().devices.front().number));
  return opened.get();
}

/// How the interpreter runs threads: which one is next, how many blocks are there at a time, how long each runs.
struct Schedule {
  std::uint32_t seed, blocks, quantum;
  bool shuffle;
};
inline void choose(const Schedule& s) {
  fulmar_ptx_set("SEED", std::to_string(s.seed).c_str());
  fulmar_ptx_set("BLOCKS", std::to_string(s.blocks).c_str());
  fulmar_ptx_set("QUANTUM", std::to_string(s.quantum).c_str());
  fulmar_ptx_set("SHUFFLE", s.shuffle ? "1" : "0");
}
inline constexpr Schedule usual_schedule{0, 4, 0, false};
/// Kernels with atomics are run under this many seeds more, with 16 blocks at a time and few instructions in a row.
inline constexpr std::uint32_t seeds_for_atomics = 20;
inline Schedule for_atomics(std::uint32_t seed) { return {4 + seed, 16, 1 + seed % 7, false}; }

}  // namespace fulmar::test
