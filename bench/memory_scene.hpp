// SPDX-License-Identifier: Apache-2.0
/// @file
/// Scenes in memory that cost next to nothing to read, products that only take, and the speed of memory itself: what is
/// timed is the engine.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/missing.hpp"
#include "core/source.hpp"
#include "core/window.hpp"

namespace fulmar::bench {

// ---- cells ----

/// Stored cells of one band. A raster may have more rows than are held: they repeat.
struct Cells {
  DType type = DType::f32;
  std::int64_t width = 0, rows = 0;
  std::vector<std::byte> bytes;
};

/// What a port of some unit can make sense of, over a square of cells that scenes repeat: speckle of 4.4 looks with
/// five targets of 3 x 8 cells 20 dB above it (as intensity, decibels or counts), round patches for flags, or a smooth
/// field.
inline constexpr std::int64_t patch_side = 1024;
inline std::vector<float> patch_for(const Unit& unit, bool computed, std::mt19937& rng) {
  std::vector<float> v(static_cast<std::size_t>(patch_side * patch_side));
  const auto at = [&](std::int64_t x, std::int64_t y) -> float& {
    return v[static_cast<std::size_t>(y * patch_side + x)];
  };
  const auto place = [&](std::int64_t room) {
    return static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(patch_side - room));
  };
  const bool counts = unit.symbol == units::digital_number, decibels = unit.symbol == units::decibel;
  if (counts || decibels || unit.symbol == units::one) {
    std::gamma_distribution<float> clutter(4.4f, 0.02f / 4.4f);
    for (auto& x : v) x = clutter(rng);
    for (int k = 0; k < 5; ++k) {
      const auto x0 = place(8), y0 = place(3);
      for (std::int64_t y = y0; y < y0 + 3; ++y)
        for (std::int64_t x = x0; x < x0 + 8; ++x) at(x, y) *= 100;
    }
    if (decibels)
      for (auto& x : v) x = 10 * std::log10(x);
    if (counts)  // at least 1: 0 is a missing count
      for (auto& x : v) x = std::clamp(std::rint(2000 * std::sqrt(x)), 1.0f, 65535.0f);
  } else if (unit.symbol == units::flag) {
    for (int k = 0; k < 175; ++k) {
      const auto r = static_cast<std::int64_t>(1 + rng() % 12), x0 = place(2 * r), y0 = place(2 * r);
      for (std::int64_t y = 0; y < 2 * r; ++y)
        for (std::int64_t x = 0; x < 2 * r; ++x)
          if ((x - r) * (x - r) + (y - r) * (y - r) < r * r) at(x0 + x, y0 + y) = 1;
    }
  } else {
    std::normal_distribution<float> noise(0, 0.05f);
    const float low = computed ? 300.0f : 0.2f,
                high = computed ? 600.0f : 0.9f;  // a companion field: a table of factors
    for (std::int64_t y = 0; y < patch_side; ++y)
      for (std::int64_t x = 0; x < patch_side; ++x) {
        const double u =
            0.5 + 0.25 * std::sin(0.013 * static_cast<double>(x)) + 0.25 * std::cos(0.021 * static_cast<double>(y));
        at(x, y) = low + (high - low) * static_cast<float>(u) + (computed ? 0.0f : noise(rng));
      }
  }
  return v;
}

/// How bands of a unit are stored: counts as u16 (0 missing), flags as u8 (255 missing), all else as f32 (NaN missing).
inline DType stored_type(const Unit& unit) {
  if (unit.symbol == units::digital_number) return DType::u16;
  return unit.symbol == units::flag ? DType::u8 : DType::f32;
}

/// With gaps, one cell in fifty is missing: single cells all over, and a block of 60 x 100 in every patch.
inline std::shared_ptr<const Cells> make_cells(const Unit& unit, bool computed, bool gaps, std::int64_t width,
                                               std::int64_t rows) {
  std::mt19937 rng(20260101u);
  const auto patch = patch_for(unit, computed, rng);
  auto made = std::make_shared<Cells>();
  made->type = stored_type(unit);
  made->width = width;
  made->rows = rows;
  with_type(made->type, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> stored(patch.size());
    for (std::size_t i = 0; i < patch.size(); ++i)
      stored[i] = gaps && rng() % 70 == 0 ? missing<T> : static_cast<T>(patch[i]);
    if (gaps)
      for (std::int64_t y = 500; y < 560; ++y) std::fill_n(stored.begin() + y * patch_side + 300, 100, missing<T>);
    made->bytes.resize(static_cast<std::size_t>(width * rows) * sizeof(T));
    for (std::int64_t y = 0; y < rows; ++y)
      for (std::int64_t x = 0; x < width; x += patch_side)
        std::memcpy(made->bytes.data() + static_cast<std::size_t>(y * width + x) * sizeof(T),
                    stored.data() + (y % patch_side) * patch_side,
                    static_cast<std::size_t>(std::min(patch_side, width - x)) * sizeof(T));
  });
  return made;
}

// ---- rasters ----

/// Cells of 10 m in a projected grid, as in a Sentinel-1 GRD scene.
inline Grid metric_grid(std::int64_t width, std::int64_t height) {
  Grid g;
  g.width = width;
  g.height = height;
  g.affine = {500000, 10, 0, 4000000, 0, -10};
  g.crs = "a projected CRS in metres";
  return g;
}

/// A raster whose bands all take the same cells, each some rows further down, so that no two are alike.
class MemorySource : public RasterSource {
 public:
  /// Column `left` and row `top` of the cells are the raster's first.
  MemorySource(std::string name, Grid grid, std::shared_ptr<const Cells> cells, const Unit& unit, bool gaps,
               int bands = 1, bool computed = false, std::int64_t left = 0, std::int64_t top = 0)
      : name_{std::move(name)},
        grid_{std::move(grid)},
        cells_{std::move(cells)},
        computed_{computed},
        left_{left},
        top_{top} {
    StoredBand band;
    band.dtype = cells_->type;
    band.unit = unit;
    if (gaps && band.dtype != DType::f32) band.nodata = band.dtype == DType::u8 ? 255 : 0;
    bands_.assign(static_cast<std::size_t>(bands), band);
  }

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, 512, 512}; }
  [[nodiscard]] bool computed() const override { return computed_; }
  [[nodiscard]] bool looks_negative(int) const override { return bands_.front().unit.symbol == units::decibel; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<Reader>(*this); }

 private:
  struct Reader : RasterReader {
    explicit Reader(const MemorySource& s) : source{s} {}
    void read(int band, const Window& w, void* cells, std::int64_t stride) override {
      const Cells& from = *source.cells_;
      const auto size = static_cast<std::int64_t>(size_of(from.type));
      for (std::int64_t y = 0; y < w.height; ++y) {
        const auto row = (source.top_ + w.y + y + 97 * band) % from.rows;
        std::memcpy(static_cast<std::byte*>(cells) + y * stride * size,
                    from.bytes.data() + (row * from.width + source.left_ + w.x) * size,
                    static_cast<std::size_t>(w.width * size));
      }
    }
    void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
      fail(Errc::runtime, "no band has a mask");
    }
    const MemorySource& source;
  };

  std::string name_;
  Grid grid_;
  std::shared_ptr<const Cells> cells_;
  std::vector<StoredBand> bands_;
  bool computed_;
  std::int64_t left_, top_;
};

// ---- products ----

/// A sum over cells or values with their places: the same whatever the order they come in.
class Checksum {
 public:
  void add(std::uint64_t place, std::uint64_t bits) {
    std::uint64_t h = place * 0x9e3779b97f4a7c15u ^ bits;  // splitmix64
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    sum_ += h ^ (h >> 31);
    ++count_;
  }
  /// All NaN are one: missing.
  void add(std::uint64_t place, float v) {
    add(place, is_missing(v) ? std::uint64_t{0x7fc00000u} : std::uint64_t{std::bit_cast<std::uint32_t>(v)});
  }
  void add(std::uint64_t place, double v) {
    add(place, is_missing(v) ? std::uint64_t{0x7ff8} << 48 : std::bit_cast<std::uint64_t>(v));
  }
  friend bool operator==(const Checksum&, const Checksum&) = default;
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t sum_ = 0, count_ = 0;
};

/// Rasters by name; products whose name ends in .features are features, all others rasters. Products are dropped, or go
/// into a checksum where there is one.
class MemoryIo : public Io {
 public:
  std::map<std::string, std::shared_ptr<const RasterSource>> sources;
  Checksum* checksum = nullptr;

  [[nodiscard]] std::shared_ptr<const RasterSource> open(const std::string& path, const FileOptions&) const override {
    return find(path);
  }
  [[nodiscard]] std::shared_ptr<const RasterSource> companion(const CompanionRequest& request,
                                                              const Grid&) const override {
    return find(request.path);
  }
  [[nodiscard]] std::shared_ptr<TemporaryRaster> temporary(const std::string& name, const Grid&,
                                                           const std::vector<StoredBand>&) const override {
    fail(Errc::usage, "a benchmark in memory keeps no " + name);
  }
  [[nodiscard]] ProductKind product_kind(const std::string& path, const FileOptions&) const override {
    return path.ends_with(".features") ? ProductKind::features : ProductKind::raster;
  }
  [[nodiscard]] std::unique_ptr<RasterSink> create_raster(const std::string&, const FileOptions&, const Grid& grid,
                                                          const std::vector<ProductBand>& bands,
                                                          const Metadata&) const override {
    return std::make_unique<Raster>(grid, bands, checksum);
  }
  [[nodiscard]] std::unique_ptr<FeatureSink> create_features(const std::string&, const FileOptions&, const Grid&,
                                                             const std::vector<Column>&,
                                                             const Metadata&) const override {
    return std::make_unique<Features>(checksum);
  }

 private:
  [[nodiscard]] std::shared_ptr<const RasterSource> find(const std::string& path) const {
    const auto it = sources.find(path);
    if (it == sources.end()) fail(Errc::input, path + ": no such raster");
    return it->second;
  }

  struct Raster : RasterSink {
    Raster(const Grid& g, const std::vector<ProductBand>& b, Checksum* c)
        : width{g.width}, cells_of_band{g.width * g.height}, bands{b}, sum{c} {}
    void write(int band, const Window& w, const void* cells, std::int64_t stride) override {
      if (sum == nullptr) return;
      for (std::int64_t y = 0; y < w.height; ++y)
        for (std::int64_t x = 0; x < w.width; ++x) {
          const auto place = static_cast<std::uint64_t>(band * cells_of_band + (w.y + y) * width + w.x + x);
          const auto from = y * stride + x;
          if (bands[static_cast<std::size_t>(band)].dtype == DType::u8)
            sum->add(place, std::uint64_t{static_cast<const std::uint8_t*>(cells)[from]});
          else
            sum->add(place, static_cast<const float*>(cells)[from]);
        }
    }
    void commit() override {}
    std::int64_t width, cells_of_band;
    std::vector<ProductBand> bands;
    Checksum* sum;
  };

  struct Features : FeatureSink {
    explicit Features(Checksum* c) : sum{c} {}
    void write(const FeatureTable& table) override {
      if (sum == nullptr) return;
      std::uint64_t place = 0;
      for (const Feature& f : table.rows) {
        for (const double v : f.values) sum->add(++place, v);
        for (const Polygon& polygon : f.polygons)
          for (const Ring& ring : polygon) {
            sum->add(++place, static_cast<std::uint64_t>(ring.size()));
            for (const Corner& c : ring)
              sum->add(++place, static_cast<std::uint64_t>(c.column) << 32 ^ static_cast<std::uint64_t>(c.row));
          }
      }
    }
    void commit() override {}
    Checksum* sum;
  };
};

// ---- the limit ----

/// Bytes a second that threads copy from memory to memory, read plus written, the best of several: measured once.
inline double copy_bandwidth(int threads) {
  static std::map<int, double> known;
  const auto [it, fresh] = known.emplace(threads, 0.0);
  if (!fresh) return it->second;
  constexpr std::size_t bytes = std::size_t{256} << 20;
  std::vector<std::byte> from(bytes, std::byte{1}), to(bytes, std::byte{2});
  const std::size_t share = bytes / static_cast<std::size_t>(threads);
  for (int turn = 0; turn < 9; ++turn) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t)
      workers.emplace_back([&, t] {
        std::memcpy(to.data() + static_cast<std::size_t>(t) * share, from.data() + static_cast<std::size_t>(t) * share,
                    share);
      });
    for (auto& w : workers) w.join();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    it->second =
        std::max(it->second, 2.0 * static_cast<double>(share * static_cast<std::size_t>(threads)) / taken.count());
  }
  return it->second;
}

/// One thread, and all cores where there are more.
inline std::vector<int> thread_counts() {
  const int all = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return all > 1 ? std::vector<int>{1, all} : std::vector<int>{1};
}

}  // namespace fulmar::bench
