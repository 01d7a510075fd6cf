// SPDX-License-Identifier: Apache-2.0
#include "api/memory_companion.hpp"

#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/labels.hpp"

namespace fulmar {
namespace {

/// What readers share.
struct Laid {
  std::shared_ptr<const RasterSource> source;
  std::vector<double> labels;
};

/// A value as it is.
struct Plain {
  using Cell = float;
  explicit Plain(const std::vector<double>& /*labels*/) {}
  [[nodiscard]] Cell operator()(double value) const { return static_cast<float>(value); }
};

template <class Meaning>
class LaidReader : public RasterReader {
 public:
  explicit LaidReader(std::shared_ptr<const Laid> laid) : laid_{std::move(laid)}, stored_{*laid_->source} {}
  void read(int, const Window& w, void* cells, std::int64_t stride) override {
    StoredCells::each_slice(w, [&](const Window& slice) {
      stored_.load(slice);
      auto* const to = static_cast<typename Meaning::Cell*>(cells) + (slice.y - w.y) * stride + (slice.x - w.x);
      with_type(stored_.band().dtype, [&](auto zero) {
        const Meaning meaning{laid_->labels};
        for (std::int64_t y = 0; y < slice.height; ++y)
          for (std::int64_t x = 0; x < slice.width; ++x)
            to[y * stride + x] =
                meaning(stored_.template value<decltype(zero)>(static_cast<std::size_t>(y * slice.width + x)));
      });
    });
  }
  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "what lies beside a scene has no mask");
  }

 private:
  std::shared_ptr<const Laid> laid_;
  StoredCells stored_;
};

template <class Meaning>
class LaidSource : public RasterSource {
 public:
  LaidSource(Grid scene, StoredBand band, Laid laid)
      : grid_{std::move(scene)}, bands_{std::move(band)}, laid_{std::make_shared<const Laid>(std::move(laid))} {}
  [[nodiscard]] const std::string& name() const override { return laid_->source->name(); }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, 512, 256}; }
  [[nodiscard]] bool computed() const override { return true; }
  [[nodiscard]] std::int64_t working_bytes() const override {
    return StoredCells::bytes(StoredCells::slice_width * StoredCells::slice_height);
  }
  [[nodiscard]] bool looks_negative(int) const override { return false; }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    if constexpr (std::is_same_v<Meaning, ZoneNumber>) return {{"FULMAR_COUNT", std::to_string(laid_->labels.size())}};
    return {};
  }
  [[nodiscard]] std::vector<double> labels() const override { return laid_->labels; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<LaidReader<Meaning>>(laid_);
  }

 private:
  Grid grid_;
  std::vector<StoredBand> bands_;
  std::shared_ptr<const Laid> laid_;
};

}  // namespace

std::shared_ptr<const RasterSource> memory_companion(const CompanionRequest& request, const Grid& scene) {
  const Grid& grid = request.raster->grid();
  const bool size = grid.width == scene.width && grid.height == scene.height;
  if (!size || (grid.affine && scene.affine && !grid.same_cells(scene)))
    fail(Errc::input, "'" + request.path + "' must lie on the scene's own cells: it has " + std::to_string(grid.width) +
                          " x " + std::to_string(grid.height) + ", and the scene " + std::to_string(scene.width) +
                          " x " + std::to_string(scene.height) + (size ? " at another place" : ""));
  Laid laid{request.raster, {}};
  StoredBand band;
  if (request.kind == "outlines") {
    band.dtype = DType::u8, band.unit = {std::string{units::flag}}, band.description = "outlines";
    return std::make_shared<LaidSource<Inside>>(scene, std::move(band), std::move(laid));
  }
  if (request.kind == "shapes") {
    if (!request.values.contains("zones-count"))
      fail(Errc::usage,
           "'" + request.path + "' is a raster, and shapes are needed: a table whose rows have geometries");
    laid.labels = labels_of(*laid.source);
    return std::make_shared<LaidSource<ZoneNumber>>(scene, std::move(band), std::move(laid));
  }
  return std::make_shared<LaidSource<Plain>>(scene, std::move(band), std::move(laid));
}

}  // namespace fulmar
