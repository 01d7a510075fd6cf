// SPDX-License-Identifier: Apache-2.0
/// @file
/// A card whose lanes tell the interpreter of PTX which pieces of their memory are in use, so that it watches the ends
/// of every plane and finds what the last tile left. On a real card it changes nothing.
#pragma once

#include <memory>
#include <string>

#include "core/device.hpp"
#include "ptx/runtime/fulmar_ptx.h"

namespace fulmar::test {

class CheckedLane final : public DeviceLane {
 public:
  explicit CheckedLane(std::unique_ptr<DeviceLane> lane) : lane_{std::move(lane)} {}

  void give_back(std::byte* from) override {
    if (fulmar_ptx_divide_from != nullptr) fulmar_ptx_divide_from(lane_->memory(), from, lane_->stream());
  }
  void use(void* piece, std::int64_t bytes) override {
    if (fulmar_ptx_part == nullptr) return;
    const auto at = static_cast<std::byte*>(piece) - lane_->memory();
    fulmar_ptx_part(piece, static_cast<std::uint64_t>(bytes), ("a piece at " + std::to_string(at)).c_str(),
                    lane_->stream());
  }

  std::byte* memory() override { return lane_->memory(); }
  void* stream() override { return lane_->stream(); }
  const DeviceTraffic& traffic() const override { return lane_->traffic(); }
  void upload(void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch, std::int64_t bytes,
              std::int64_t rows) override {
    lane_->upload(to, to_pitch, from, from_pitch, bytes, rows);
  }
  void download(void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch, std::int64_t bytes,
                std::int64_t rows) override {
    lane_->download(to, to_pitch, from, from_pitch, bytes, rows);
  }
  void clear(const fulmar_plane& to) override { lane_->clear(to); }
  void widen(const StoredBand& band, const void* cells, std::int64_t stride, const std::uint8_t* mask,
             std::int64_t mask_stride, const fulmar_plane& to) override {
    lane_->widen(band, cells, stride, mask, mask_stride, to);
  }
  void copy(const fulmar_plane& from, const fulmar_plane& to) override { lane_->copy(from, to); }
  void stack(const fulmar_plane* bands, std::int64_t count, std::int64_t first, const fulmar_plane& to) override {
    lane_->stack(bands, count, first, to);
  }
  void within(const fulmar_plane& cells, std::int64_t rx, std::int64_t ry, const double* ground, double reach,
              std::uint16_t* scratch, const fulmar_plane& to) override {
    lane_->within(cells, rx, ry, ground, reach, scratch, to);
  }
  void look(const WarpCells& warp, SquareNeed* needs) override { lane_->look(warp, needs); }
  void warp(const WarpCells& warp) override { lane_->warp(warp); }
  void complete(const fulmar_plane& from, const fulmar_plane& to) override { lane_->complete(from, to); }
  void pack(const void* from, std::int64_t bytes, const std::uint32_t* places, std::int64_t count, void* to) override {
    lane_->pack(from, bytes, places, count, to);
  }
  void wait() override { lane_->wait(); }

 private:
  std::unique_ptr<DeviceLane> lane_;
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

}  // namespace fulmar::test
