// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters and products in memory, so that the engine is tested without a file or a library for files.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/memory_temporary.hpp"
#include "core/missing.hpp"
#include "core/source.hpp"

namespace fulmar::test {

/// A raster as a file would store it: any cell type, blocks of any size, nodata, scale, mask bands.
class MemoryRaster : public RasterSource {
 public:
  MemoryRaster(std::string name, Grid grid, std::vector<std::vector<float>> bands, Unit unit = {},
               Window block = {0, 0, 64, 48})
      : name_{std::move(name)}, grid_{std::move(grid)}, block_{block} {
    for (const auto& cells : bands) add_band({DType::f32, {}, {}, 1, 0, false, unit, "band"}, cells);
  }
  /// A raster without bands yet; see add_band.
  MemoryRaster(std::string name, Grid grid, Window block)
      : name_{std::move(name)}, grid_{std::move(grid)}, block_{block} {}

  /// Adds a band of stored cells. `valid` (0: missing) makes it a band with a mask.
  template <class T>
  MemoryRaster& add_band(StoredBand band, const std::vector<T>& cells, std::vector<std::uint8_t> valid = {}) {
    if (sizeof(T) != size_of(band.dtype) || cells.size() != static_cast<std::size_t>(grid_.width * grid_.height))
      fail(Errc::runtime, "a test's raster does not fit its grid or type");
    band.has_mask = !valid.empty();
    bands_.push_back(std::move(band));
    std::vector<std::byte> bytes(cells.size() * sizeof(T));
    if (!bytes.empty()) std::memcpy(bytes.data(), cells.data(), bytes.size());
    cells_.push_back(std::move(bytes));
    valid_.push_back(std::move(valid));
    return *this;
  }

  /// Makes it a companion: one band of flags, computed where it is asked for.
  static std::shared_ptr<MemoryRaster> flags(std::string name, Grid grid, const std::vector<float>& cells) {
    auto raster = std::make_shared<MemoryRaster>(std::move(name), std::move(grid), Window{0, 0, 64, 48});
    std::vector<std::uint8_t> stored(cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i) stored[i] = static_cast<std::uint8_t>(cells[i]);
    raster->add_band({DType::u8, {}, {}, 1, 0, false, {}, "flags"}, stored);
    raster->computed_ = true;
    return raster;
  }
  static std::shared_ptr<MemoryRaster> field(std::string name, Grid grid, const std::vector<float>& cells) {
    auto raster =
        std::make_shared<MemoryRaster>(std::move(name), std::move(grid), std::vector<std::vector<float>>{cells});
    raster->computed_ = true;
    return raster;
  }

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return block_; }
  [[nodiscard]] bool computed() const override { return computed_; }
  [[nodiscard]] bool looks_negative(int band) const override {
    if (bands_[static_cast<std::size_t>(band)].dtype != DType::f32) return false;
    std::size_t negative = 0, valid = 0;
    for (std::int64_t i = 0; i < grid_.width * grid_.height; ++i) {
      float v;
      std::memcpy(&v, cells_[static_cast<std::size_t>(band)].data() + i * 4, 4);
      negative += v < 0, valid += !is_missing(v);
    }
    return 2 * negative > valid;
  }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<Reader>(*this); }

  /// Stored bytes that readers handed out so far.
  [[nodiscard]] std::int64_t bytes_read() const { return bytes_read_; }
  /// Reads of this band fail from now on, as those of a file that was cut short.
  void break_rows_from(std::int64_t row) { broken_from_ = row; }

 private:
  struct Reader : RasterReader {
    explicit Reader(const MemoryRaster& r) : raster{r} {}
    void read(int band, const Window& w, void* cells, std::int64_t stride) override {
      check(w);
      if (raster.broken_from_ >= 0 && w.bottom() > raster.broken_from_)
        fail(Errc::input, raster.name_ + ": the file is cut short");
      const auto b = static_cast<std::size_t>(band);
      const auto size = static_cast<std::int64_t>(size_of(raster.bands_[b].dtype));
      for (std::int64_t y = 0; y < w.height; ++y)
        std::memcpy(static_cast<std::byte*>(cells) + y * stride * size,
                    raster.cells_[b].data() + ((w.y + y) * raster.grid_.width + w.x) * size,
                    static_cast<std::size_t>(w.width * size));
      raster.bytes_read_ += w.cells() * size;
    }
    void read_mask(int band, const Window& w, std::uint8_t* cells, std::int64_t stride) override {
      check(w);
      const auto& from = raster.valid_[static_cast<std::size_t>(band)];
      if (from.empty()) fail(Errc::runtime, "the engine asks for a mask that the band does not have");
      for (std::int64_t y = 0; y < w.height; ++y)
        std::memcpy(cells + y * stride, from.data() + (w.y + y) * raster.grid_.width + w.x,
                    static_cast<std::size_t>(w.width));
    }
    void check(const Window& w) const {
      if (w.empty() || !(intersect(w, raster.grid_.window()) == w))
        fail(Errc::runtime, "the engine reads beyond the raster");
    }
    const MemoryRaster& raster;
  };

  std::string name_;
  Grid grid_;
  std::vector<std::vector<std::byte>> cells_;
  std::vector<std::vector<std::uint8_t>> valid_;
  std::vector<StoredBand> bands_;
  Window block_;
  bool computed_ = false;
  std::int64_t broken_from_ = -1;
  mutable std::atomic<std::int64_t> bytes_read_{0};
};

/// A raster of one f32 band.
inline std::shared_ptr<MemoryRaster> one_band(std::string name, Grid grid, std::vector<float> cells, Unit unit = {}) {
  return std::make_shared<MemoryRaster>(std::move(name), std::move(grid),
                                        std::vector<std::vector<float>>{std::move(cells)}, std::move(unit));
}

/// What a run left behind.
struct MemoryProducts {
  struct Raster {
    Grid grid;
    std::vector<ProductBand> bands;
    std::vector<std::vector<float>> cells;  ///< flags as 0, 1 or 255; -12345 where nothing was written
    bool whole = false;
  };
  struct Picture {
    std::vector<float> beneath;
    bool whole = false;
  };
  std::map<std::string, Raster> rasters;
  std::map<std::string, FeatureTable> tables;
  std::map<std::string, Picture> pictures;
};

class MemoryIo : public Io {
 public:
  std::map<std::string, std::shared_ptr<const RasterSource>> rasters;
  std::map<std::string, std::shared_ptr<const RasterSource>> companions;  ///< by path
  std::map<std::string, FeatureTable> features;                           ///< files of features
  std::set<std::string> existing;                                         ///< products that are there already
  mutable MemoryProducts products;

  [[nodiscard]] std::shared_ptr<const RasterSource> open(const std::string& path, const FileOptions&) const override {
    const auto it = rasters.find(path);
    if (it == rasters.end()) fail(Errc::input, path + ": no such raster");
    return it->second;
  }
  /// A name that ends in * stands for all rasters that begin with it.
  [[nodiscard]] std::vector<std::string> expand(const std::string& path) const override {
    if (!path.ends_with('*')) return {path};
    std::vector<std::string> names;
    for (const auto& [name, raster] : rasters)
      if (name.starts_with(path.substr(0, path.size() - 1))) names.push_back(name);
    if (names.empty()) fail(Errc::input, "no file is called as in '" + path + "'");
    return names;
  }
  [[nodiscard]] std::shared_ptr<const RasterSource> companion(const CompanionRequest& request,
                                                              const Grid&) const override {
    const auto it = companions.find(request.path);
    if (it == companions.end()) fail(Errc::input, request.path + ": no such companion");
    return it->second;
  }
  [[nodiscard]] std::shared_ptr<TemporaryRaster> temporary(const std::string& name, const Grid& grid,
                                                           const std::vector<StoredBand>& bands) const override {
    return std::make_shared<MemoryTemporary>(name, grid, bands, -12345.0f);  // none of them is to be read
  }
  /// A world of one coordinate system, by whatever code it is called.
  [[nodiscard]] Grid grid_for(const Grid& source, const GridRequest& request) const override {
    GridRequest r = request;
    if (r.crs.starts_with("EPSG:")) r.crs.clear();
    return affine_grid_for(source, r);
  }
  [[nodiscard]] bool holds_features(const std::string& path, const FileOptions&) const override {
    return features.contains(path);
  }
  [[nodiscard]] FeatureTable open_features(const std::string& path, const FileOptions&, std::int64_t) const override {
    return features.at(path);
  }
  [[nodiscard]] ProductKind product_kind(const std::string& path, const FileOptions& options) const override {
    if (existing.contains(path) && !options.overwrite)
      fail(Errc::output, path + " exists already; --overwrite replaces it");
    for (const char* end : {".gpkg", ".fgb", ".geojson", ".csv"})
      if (path.ends_with(end)) return ProductKind::features;
    return ProductKind::raster;
  }
  [[nodiscard]] std::unique_ptr<RasterSink> create_raster(const std::string& path, const FileOptions&, const Grid& grid,
                                                          const std::vector<ProductBand>& bands,
                                                          const Metadata&) const override {
    auto& r = products.rasters[path];
    r = {grid, bands,
         std::vector<std::vector<float>>(
             bands.size(), std::vector<float>(static_cast<std::size_t>(grid.width * grid.height), -12345.0f)),
         false};
    return std::make_unique<Sink>(r);
  }
  [[nodiscard]] std::unique_ptr<FeatureSink> create_features(const std::string& path, const FileOptions&,
                                                             const Grid& grid, const std::vector<Column>&,
                                                             const Metadata&) const override {
    if (!path.ends_with(".png")) return std::make_unique<Features>(products.tables[path]);
    auto& picture = products.pictures[path];
    picture.beneath.assign(static_cast<std::size_t>(grid.width * grid.height), -12345.0f);
    return std::make_unique<PictureSink>(picture, grid);
  }

 private:
  struct Sink : RasterSink {
    explicit Sink(MemoryProducts::Raster& r) : raster{r} {}
    void write(int band, const Window& w, const void* cells, std::int64_t stride) override {
      const bool flags = raster.bands[static_cast<std::size_t>(band)].dtype == DType::u8;
      auto& to = raster.cells[static_cast<std::size_t>(band)];
      for (std::int64_t y = 0; y < w.height; ++y)
        for (std::int64_t x = 0; x < w.width; ++x) {
          float& cell = to[static_cast<std::size_t>((w.y + y) * raster.grid.width + w.x + x)];
          if (cell != -12345.0f) fail(Errc::runtime, "the engine writes a cell twice");
          cell = flags ? static_cast<const std::uint8_t*>(cells)[y * stride + x]
                       : static_cast<const float*>(cells)[y * stride + x];
        }
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
  struct PictureSink : FeatureSink {
    PictureSink(MemoryProducts::Picture& p, const Grid& g) : picture{p}, width{g.width} {}
    [[nodiscard]] bool wants_raster() const override { return true; }
    void write_raster(const Window& w, const float* cells, std::int64_t stride) override {
      for (std::int64_t y = 0; y < w.height; ++y)
        std::memcpy(picture.beneath.data() + (w.y + y) * width + w.x, cells + y * stride,
                    static_cast<std::size_t>(w.width) * 4);
    }
    void write(const FeatureTable&) override {}
    void commit() override { picture.whole = true; }
    MemoryProducts::Picture& picture;
    std::int64_t width;
  };
};

}  // namespace fulmar::test
