// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a pass leaves for the next, in memory: for programs without files, and for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/missing.hpp"
#include "core/source.hpp"

namespace fulmar {

/// Cells that were never written hold `unwritten`.
class MemoryTemporary : public TemporaryRaster {
 public:
  MemoryTemporary(std::string name, Grid grid, std::vector<StoredBand> bands, float unwritten = missing<float>)
      : name_{std::move(name)},
        grid_{std::move(grid)},
        bands_{std::move(bands)},
        unwritten_{unwritten},
        cells_(bands_.size()) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, grid_.width, 1}; }
  [[nodiscard]] std::int64_t bands_together() const override { return 1; }
  [[nodiscard]] bool looks_negative(int) const override { return false; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<Reader>(*this); }
  void write(int band, const Window& w, const float* cells, std::int64_t stride) override {
    auto& to = cells_[static_cast<std::size_t>(band)];
    if (to.empty()) to.assign(static_cast<std::size_t>(grid_.width * grid_.height), unwritten_);
    for (std::int64_t y = 0; y < w.height; ++y)
      std::memcpy(to.data() + (w.y + y) * grid_.width + w.x, cells + y * stride,
                  static_cast<std::size_t>(w.width) * sizeof(float));
  }
  void clear() override {
    for (auto& band : cells_) std::vector<float>{}.swap(band);
  }

 private:
  struct Reader : RasterReader {
    explicit Reader(const MemoryTemporary& t) : raster{t} {}
    void read(int band, const Window& w, void* cells, std::int64_t stride) override {
      const auto& from = raster.cells_[static_cast<std::size_t>(band)];
      if (from.empty()) fail(Errc::runtime, raster.name_ + " is read before it is written");
      for (std::int64_t y = 0; y < w.height; ++y)
        std::memcpy(static_cast<float*>(cells) + y * stride, from.data() + (w.y + y) * raster.grid_.width + w.x,
                    static_cast<std::size_t>(w.width) * sizeof(float));
    }
    void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
      fail(Errc::runtime, "a temporary raster has no mask");
    }
    const MemoryTemporary& raster;
  };
  std::string name_;
  Grid grid_;
  std::vector<StoredBand> bands_;
  float unwritten_;
  std::vector<std::vector<float>> cells_;
};

}  // namespace fulmar
