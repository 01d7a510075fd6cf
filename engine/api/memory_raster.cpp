// SPDX-License-Identifier: Apache-2.0
#include "api/memory_raster.hpp"

#include <cmath>
#include <cstring>
#include <utility>

#include "core/memory_temporary.hpp"
#include "core/signs.hpp"

namespace fulmar {
namespace {

/// Copies a window whose cells stand `column` cells apart.
void copy_cells(DType type, const std::byte* from, std::int64_t row, std::int64_t column, const Window& w, void* cells,
                std::int64_t stride) {
  const auto size = static_cast<std::int64_t>(size_of(type));
  if (column == 1) {
    for (std::int64_t y = 0; y < w.height; ++y)
      std::memcpy(static_cast<std::byte*>(cells) + y * stride * size, from + ((w.y + y) * row + w.x) * size,
                  static_cast<std::size_t>(w.width * size));
    return;
  }
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    const T* typed = reinterpret_cast<const T*>(from);
    for (std::int64_t y = 0; y < w.height; ++y)
      for (std::int64_t x = 0; x < w.width; ++x)
        static_cast<T*>(cells)[y * stride + x] = typed[(w.y + y) * row + (w.x + x) * column];
  });
}

class MemorySource : public RasterSource {
 public:
  MemorySource(std::string name, RasterView view, const std::string& unit)
      : name_{std::move(name)}, view_{std::move(view)} {
    for (const BandView& b : view_.bands) {
      StoredBand band;
      band.dtype = b.type, band.nodata = b.nodata, band.scale = b.scale, band.offset = b.offset;
      band.nodata_i64 = b.nodata_i64;
      band.has_mask = b.mask != nullptr;
      band.unit = parse_unit(unit.empty() ? b.unit : unit);
      band.description = b.name, band.time = b.time;
      bands_.push_back(std::move(band));
    }
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const Grid& grid() const override { return view_.grid; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, view_.grid.width, 1}; }
  [[nodiscard]] std::int64_t bands_together() const override { return 1; }
  [[nodiscard]] std::int64_t bands_of_date() const override { return view_.bands_of_date; }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override { return view_.metadata; }
  [[nodiscard]] bool looks_negative(int band) const override { return mostly_negative(*this, band); }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<Reader>(*this); }

 private:
  struct Reader : RasterReader {
    explicit Reader(const MemorySource& s) : source{s} {}
    void read(int band, const Window& w, void* cells, std::int64_t stride) override {
      const BandView& b = source.view_.bands[static_cast<std::size_t>(band)];
      copy_cells(b.type, static_cast<const std::byte*>(b.cells), b.row, b.column, w, cells, stride);
    }
    void read_mask(int band, const Window& w, std::uint8_t* cells, std::int64_t stride) override {
      const BandView& b = source.view_.bands[static_cast<std::size_t>(band)];
      copy_cells(DType::u8, reinterpret_cast<const std::byte*>(b.mask), source.view_.grid.width, 1, w, cells, stride);
    }
    const MemorySource& source;
  };

  std::string name_;
  RasterView view_;
  std::vector<StoredBand> bands_;
};

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
  fail(Errc::usage, "the raster bound to '" + name + "' " + why);
}

void check(const std::string& name, const RasterView& view) {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  const Grid& g = view.grid;
  if (g.width <= 0 || g.height <= 0 || g.width >= most || g.height >= most)
    refuse(name, "has " + std::to_string(g.width) + " x " + std::to_string(g.height) + " cells");
  if (view.bands.empty()) refuse(name, "has no bands");
  if (g.affine && (g.affine->at(1) * g.affine->at(5) - g.affine->at(2) * g.affine->at(4) == 0 ||
                   !std::isfinite((*g.affine)[0] + (*g.affine)[3])))
    refuse(name, "has an affine transform that takes all cells to one line or to nowhere");
  if (view.bands_of_date <= 0 || static_cast<std::int64_t>(view.bands.size()) % view.bands_of_date != 0)
    refuse(name, "has " + std::to_string(view.bands.size()) + " bands, which are no whole number of dates of " +
                     std::to_string(view.bands_of_date));
  for (const BandView& b : view.bands) {
    if (b.cells == nullptr) refuse(name, "has a band without cells");
    if (b.column == 0) refuse(name, "has a band whose columns are no cell apart");
    if (!std::isfinite(b.scale) || !std::isfinite(b.offset)) refuse(name, "has a scale or offset that is no number");
  }
}

}  // namespace

std::shared_ptr<const RasterSource> memory_source(const std::string& name, const RasterView& view,
                                                  const std::string& unit) {
  check(name, view);
  RasterView whole = view;
  for (BandView& b : whole.bands) {
    if (b.row == 0) b.row = whole.grid.width * b.column;
    if (!b.nodata || b.nodata_i64 || (b.type != DType::i64 && b.type != DType::u64)) continue;
    // Whole numbers of 64 bits are compared as such; a value that none of them is, is never stored.
    const double least = b.type == DType::i64 ? -0x1p63 : 0, most = b.type == DType::i64 ? 0x1p63 : 0x1p64;
    const double value = *b.nodata;
    b.nodata.reset();
    if (value >= least && value < most && value == std::floor(value))
      b.nodata_i64 = b.type == DType::i64 ? static_cast<std::int64_t>(value)
                                          : static_cast<std::int64_t>(static_cast<std::uint64_t>(value));
  }
  return std::make_shared<MemorySource>(name, std::move(whole), unit);
}

std::shared_ptr<TemporaryRaster> memory_temporary(const std::string& name, const Grid& grid,
                                                  const std::vector<StoredBand>& bands) {
  return std::make_shared<MemoryTemporary>(name, grid, bands);
}

}  // namespace fulmar
