// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters and products in memory, so that the engine is tested without a file or a library for files.
#pragma once

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/missing.hpp"
#include "core/source.hpp"

namespace fulmar::test {

/// A raster of f32 or u8 cells. Blocks may be given any size, to try the readers' alignment.
class MemoryRaster : public RasterSource {
 public:
  MemoryRaster(std::string name, Grid grid, std::vector<std::vector<float>> bands, Unit unit = {}, Window block = {0, 0, 64, 48})
      : name_{std::move(name)}, grid_{std::move(grid)}, cells_{std::move(bands)}, block_{block} {
    for (std::size_t b = 0; b < cells_.size(); ++b) bands_.push_back({DType::f32, {}, {}, 1, 0, false, unit, "band"});
  }
  /// Makes it a companion: one band of flags, computed where it is asked for.
  static std::shared_ptr<MemoryRaster> flags(std::string name, Grid grid, std::vector<float> cells) {
    auto raster = std::make_shared<MemoryRaster>(std::move(name), std::move(grid), std::vector<std::vector<float>>{std::move(cells)});
    raster->bands_[0].dtype = DType::u8;
    raster->computed_ = true;
    return raster;
  }
  static std::shared_ptr<MemoryRaster> field(std::string name, Grid grid, std::vector<float> cells) {
    auto raster = std::make_shared<MemoryRaster>(std::move(name), std::move(grid), std::vector<std::vector<float>>{std::move(cells)});
    raster->computed_ = true;
    return raster;
  }

  const std::string& name() const override { return name_; }
  const Grid& grid() const override { return grid_; }
  const std::vector<StoredBand>& bands() const override { return bands_; }
  Window block() const override { return block_; }
  bool computed() const override { return computed_; }
  bool looks_negative(int band) const override {
    std::size_t negative = 0, valid = 0;
    for (const float v : cells_[static_cast<std::size_t>(band)]) negative += v < 0, valid += !is_missing(v);
    return 2 * negative > valid;
  }
  std::unique_ptr<RasterReader> reader() const override { return std::make_unique<Reader>(*this); }

 private:
  struct Reader : RasterReader {
    explicit Reader(const MemoryRaster& r) : raster{r} {}
    void read(int band, const Window& w, void* cells, std::int64_t stride) override {
      const auto& from = raster.cells_[static_cast<std::size_t>(band)];
      const bool flags = raster.bands_[static_cast<std::size_t>(band)].dtype == DType::u8;
      for (std::int64_t y = 0; y < w.height; ++y)
        for (std::int64_t x = 0; x < w.width; ++x) {
          const float v = from[static_cast<std::size_t>((w.y + y) * raster.grid_.width + w.x + x)];
          if (flags) static_cast<std::uint8_t*>(cells)[y * stride + x] = static_cast<std::uint8_t>(v);
          else static_cast<float*>(cells)[y * stride + x] = v;
        }
    }
    void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {}
    const MemoryRaster& raster;
  };

  std::string name_;
  Grid grid_;
  std::vector<std::vector<float>> cells_;
  std::vector<StoredBand> bands_;
  Window block_;
  bool computed_ = false;
};

/// What a run left behind.
struct MemoryProducts {
  struct Raster {
    Grid grid;
    std::vector<ProductBand> bands;
    std::vector<std::vector<float>> cells;  ///< flags as 0, 1 or 255
    bool whole = false;
  };
  std::map<std::string, Raster> rasters;
  std::map<std::string, FeatureTable> tables;
};

class MemoryIo : public Io {
 public:
  std::map<std::string, std::shared_ptr<const RasterSource>> rasters;
  std::map<std::string, std::shared_ptr<const RasterSource>> companions;  ///< by path
  mutable MemoryProducts products;

  std::shared_ptr<const RasterSource> open(const std::string& path, const FileOptions&) const override {
    const auto it = rasters.find(path);
    if (it == rasters.end()) fail(Errc::input, path + ": no such raster");
    return it->second;
  }
  std::shared_ptr<const RasterSource> companion(const CompanionRequest& request, const Grid&) const override {
    const auto it = companions.find(request.path);
    if (it == companions.end()) fail(Errc::input, request.path + ": no such companion");
    return it->second;
  }
  ProductKind product_kind(const std::string& path, const FileOptions&) const override {
    return path.ends_with(".gpkg") ? ProductKind::features : ProductKind::raster;
  }
  std::unique_ptr<RasterSink> create_raster(const std::string& path, const FileOptions&, const Grid& grid,
                                            const std::vector<ProductBand>& bands, const Metadata&) const override {
    auto& r = products.rasters[path];
    r = {grid, bands, std::vector<std::vector<float>>(bands.size(), std::vector<float>(static_cast<std::size_t>(grid.width * grid.height), -12345.0f)), false};
    return std::make_unique<Sink>(r);
  }
  std::unique_ptr<FeatureSink> create_features(const std::string& path, const FileOptions&, const Grid&,
                                               const std::vector<Column>&, const Metadata&) const override {
    return std::make_unique<Features>(products.tables[path]);
  }

 private:
  struct Sink : RasterSink {
    explicit Sink(MemoryProducts::Raster& r) : raster{r} {}
    void write(int band, const Window& w, const void* cells, std::int64_t stride) override {
      const bool flags = raster.bands[static_cast<std::size_t>(band)].dtype == DType::u8;
      for (std::int64_t y = 0; y < w.height; ++y)
        for (std::int64_t x = 0; x < w.width; ++x)
          raster.cells[static_cast<std::size_t>(band)][static_cast<std::size_t>((w.y + y) * raster.grid.width + w.x + x)] =
              flags ? static_cast<const std::uint8_t*>(cells)[y * stride + x] : static_cast<const float*>(cells)[y * stride + x];
    }
    void commit() override { raster.whole = true; }
    MemoryProducts::Raster& raster;
  };
  struct Features : FeatureSink {
    explicit Features(FeatureTable& t) : table{t} {}
    void write(const FeatureTable& t) override { table = t; }
    void commit() override {}
    FeatureTable& table;
  };
};

}  // namespace fulmar::test
