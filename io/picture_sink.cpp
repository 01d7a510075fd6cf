// SPDX-License-Identifier: Apache-2.0
#include "io/picture_sink.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "io/drivers.hpp"
#include "io/product_file.hpp"
#include "io/raster_sink.hpp"
#include "io/stac.hpp"

namespace fulmar {
namespace {

using Colour = std::array<std::uint8_t, 3>;
constexpr Colour missing_colour{20, 24, 40};
constexpr Colour box_colour{255, 196, 0};
constexpr std::int64_t longest_side = 2048;
constexpr std::int64_t box_margin = 3;

class PictureSink : public FeatureSink {
 public:
  PictureSink(const std::string& path, const FileOptions& options, const Grid& grid, const Metadata& metadata)
      : options_{options},
        grid_{grid},
        metadata_{metadata},
        driver_{driver_for(path, options).driver},
        file_{path, options.overwrite, options.cancel} {
    if (options.stac) item_ = stac_item(path, "PNG", grid, {}, metadata);
    if (grid.width <= 0 || grid.height <= 0)
      fail(Errc::output, fmt::format("cannot write '{}': it has no cells", path));
    factor_ = (std::max(grid.width, grid.height) + longest_side - 1) / longest_side;
    width_ = (grid.width + factor_ - 1) / factor_;
    height_ = (grid.height + factor_ - 1) / factor_;
    largest_.assign(static_cast<std::size_t>(width_ * height_), std::numeric_limits<float>::quiet_NaN());
  }

  [[nodiscard]] bool wants_raster() const override { return true; }

  void write_raster(const Window& window, const float* cells, std::int64_t stride) override {
    if (intersect(window, grid_.window()) != window)
      fail(Errc::runtime, fmt::format("{} lie outside '{}'", to_text(window), file_.path()));
    for (std::int64_t y = 0; y < window.height; ++y, cells += stride) {
      auto* row = largest_.data() + (window.y + y) / factor_ * width_;
      for (std::int64_t x = 0; x < window.width; ++x) {
        auto& cell = row[(window.x + x) / factor_];
        // Also true of the first valid value, as no value is at most NaN. The largest knows no order.
        if (std::isfinite(cells[x]) && !(cells[x] <= cell)) cell = cells[x];
      }
    }
  }

  void write(const FeatureTable& table) override {
    for (const auto& row : table.rows) {
      std::vector<Box> parts;
      for (const auto& polygon : row.polygons) {
        parts.emplace_back();
        for (const auto& ring : polygon)
          for (const auto& corner : ring) parts.back().add(corner);
      }
      if (grid_.wraps) bring_together(parts);
      Box box;
      for (const auto& part : parts) box.add(part);
      if (box.left <= box.right) boxes_.push_back(box);
    }
  }

  void finish() override {
    if (finished_) return;
    stop_if_cancelled(options_.cancel);
    const ErrorTrap trap;
    auto picture = paint();
    if (!picture || trap.failed()) file_.fail_writing(trap);
    const auto list = string_list(options_.creation_options);
    DatasetPtr result{driver_->CreateCopy(file_.temporary().c_str(), picture.get(), FALSE, list.List(), go_on,
                                          progress_argument(options_.cancel))};
    if (!result || trap.failed()) {
      result.reset();
      file_.fail_writing(trap);
    }
    file_.close(std::move(result));
    if (!item_.empty()) file_.write_beside(stac_ending, item_);
    file_.finish();
    finished_ = true;
  }

  void commit() override {
    finish();
    file_.commit();
  }

 private:
  struct Box {
    std::int64_t left = std::numeric_limits<std::int64_t>::max(), top = left;
    std::int64_t right = std::numeric_limits<std::int64_t>::min(), bottom = right;
    void add(const Corner& c) {
      left = std::min<std::int64_t>(left, c.column);
      right = std::max<std::int64_t>(right, c.column);
      top = std::min<std::int64_t>(top, c.row);
      bottom = std::max<std::int64_t>(bottom, c.row);
    }
    void add(const Box& b) {
      left = std::min(left, b.left);
      right = std::max(right, b.right);
      top = std::min(top, b.top);
      bottom = std::max(bottom, b.bottom);
    }
  };

  /// Of an object that was cut at the seam of a raster that goes round, what lies left of the first free column goes on
  /// beyond the last.
  void bring_together(std::vector<Box>& parts) const {
    std::sort(parts.begin(), parts.end(), [](const Box& a, const Box& b) { return a.left < b.left; });
    std::int64_t free = 0, right = 0;
    for (const auto& part : parts) {
      if (part.left <= free) free = std::max(free, part.right);
      right = std::max(right, part.right);
    }
    if (right < grid_.width || free >= grid_.width) return;
    for (auto& part : parts)
      if (part.left < free) part.left += grid_.width, part.right += grid_.width;
  }

  /// Values as they are shown: decibels where a linear scale would leave nearly everything black.
  [[nodiscard]] std::vector<float> shown() const {
    auto values = largest_;
    float low = std::numeric_limits<float>::infinity(), high = -low;
    for (const float v : values)
      if (std::isfinite(v)) {
        low = std::min(low, v);
        high = std::max(high, v);
      }
    if (low > 0 && high > 100 * low)
      for (auto& v : values) v = 10 * std::log10(v);
    return values;
  }

  [[nodiscard]] DatasetPtr paint() const {
    const auto values = shown();
    const auto stretch = stretch_of(values);
    const auto plane = static_cast<std::size_t>(width_ * height_);
    std::vector<std::uint8_t> pixels(3 * plane);
    const auto set = [&](std::size_t cell, const Colour& colour) {
      for (std::size_t band = 0; band < 3; ++band) pixels[band * plane + cell] = colour[band];
    };
    for (std::size_t i = 0; i < plane; ++i) {
      const auto grey = std::isnan(values[i]) ? std::uint8_t{0} : stretch.grey(values[i]);
      set(i, std::isnan(values[i]) ? missing_colour : Colour{grey, grey, grey});
    }
    for (const auto& box : boxes_) draw(box, set);

    auto* memory = GetGDALDriverManager()->GetDriverByName("MEM");
    const int w = static_cast<int>(width_), h = static_cast<int>(height_);
    DatasetPtr picture{memory == nullptr ? nullptr : memory->Create("", w, h, 3, GDT_Byte, nullptr)};
    if (!picture) return picture;
    set_place(*picture, grid_, static_cast<double>(factor_));
    for (const auto& [key, value] : metadata_) picture->SetMetadataItem(key.c_str(), value.c_str());
    static constexpr std::array meaning{GCI_RedBand, GCI_GreenBand, GCI_BlueBand};
    for (int band = 0; band < 3; ++band)
      picture->GetRasterBand(band + 1)->SetColorInterpretation(meaning[static_cast<std::size_t>(band)]);
    if (picture->RasterIO(GF_Write, 0, 0, w, h, pixels.data(), w, h, GDT_Byte, 3, nullptr, 0, 0, 0, nullptr) != CE_None)
      return {};
    return picture;
  }

  template <class Set>
  void draw(const Box& box, const Set& set) const {
    const auto across = [&](std::int64_t column) {  // beyond the seam pixels are counted anew
      return column < grid_.width ? column / factor_ : width_ + (column - grid_.width) / factor_;
    };
    const auto left = across(box.left) - box_margin, right = across(box.right - 1) + box_margin;
    const auto top = box.top / factor_ - box_margin, bottom = (box.bottom - 1) / factor_ + box_margin;
    const auto dot = [&](std::int64_t x, std::int64_t y) {
      if (grid_.wraps) x -= floor_to(x, width_);
      if (x >= 0 && x < width_ && y >= 0 && y < height_) set(static_cast<std::size_t>(y * width_ + x), box_colour);
    };
    for (auto x = left; x <= right; ++x) {
      dot(x, top);
      dot(x, bottom);
    }
    for (auto y = top; y <= bottom; ++y) {
      dot(left, y);
      dot(right, y);
    }
  }

  FileOptions options_;
  Grid grid_;
  Metadata metadata_;
  GDALDriver* driver_;
  ProductFile file_;
  std::string item_;  // a STAC Item to stand beside it
  std::int64_t factor_ = 1, width_ = 0, height_ = 0;
  std::vector<float> largest_;
  std::vector<Box> boxes_;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<FeatureSink> create_picture_sink(const std::string& path, const FileOptions& options, const Grid& grid,
                                                 const Metadata& metadata) {
  return std::make_unique<PictureSink>(path, options, grid, metadata);
}

}  // namespace fulmar
