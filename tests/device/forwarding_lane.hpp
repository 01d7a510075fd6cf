// SPDX-License-Identifier: Apache-2.0
/// @file
/// A lane that hands every command on to another; what is to be seen or changed of them is overridden.
#pragma once

#include <memory>
#include <utility>

#include "core/device.hpp"

namespace fulmar::test {

class ForwardingLane : public DeviceLane {
 public:
  explicit ForwardingLane(std::unique_ptr<DeviceLane> lane) : lane_{std::move(lane)} {}

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
  void sums(const fulmar_plane& cells, const fulmar_view& box, const fulmar_plane& to) override {
    lane_->sums(cells, box, to);
  }
  void look(const WarpCells& warp, SquareNeed* needs) override { lane_->look(warp, needs); }
  void warp(const WarpCells& warp) override { lane_->warp(warp); }
  void complete(const fulmar_plane& from, const fulmar_plane& to) override { lane_->complete(from, to); }
  void pack(const void* from, std::int64_t bytes, const std::uint32_t* places, std::int64_t count, void* to) override {
    lane_->pack(from, bytes, places, count, to);
  }
  void find(const FindWork& work) override { lane_->find(work); }
  void wait() override { lane_->wait(); }

 protected:
  [[nodiscard]] DeviceLane& lane() { return *lane_; }

 private:
  std::unique_ptr<DeviceLane> lane_;
};

}  // namespace fulmar::test
