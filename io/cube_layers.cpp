// SPDX-License-Identifier: Apache-2.0
#include "io/cube_layers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/signs.hpp"
#include "io/cube_source.hpp"
#include "io/raster_source.hpp"

namespace fulmar {
namespace {

using Sources = std::vector<std::shared_ptr<const RasterSource>>;

class LayersReader : public RasterReader {
 public:
  explicit LayersReader(const Sources& layers) {
    for (const auto& layer : layers) readers_.push_back(layer->reader());
  }

  void read(int band, const Window& window, void* cells, std::int64_t stride) override {
    readers_[layer_of(band)]->read(step_of(band), window, cells, stride);
  }
  void read_bands(const std::vector<int>& bands, const Window& window, const std::vector<void*>& cells,
                  std::int64_t stride) override {
    for (std::size_t layer = 0; layer < readers_.size(); ++layer) {
      std::vector<int> steps;
      std::vector<void*> places;
      for (std::size_t i = 0; i < bands.size(); ++i)
        if (layer_of(bands[i]) == layer) {
          steps.push_back(step_of(bands[i]));
          places.push_back(cells[i]);
        }
      if (!steps.empty()) readers_[layer]->read_bands(steps, window, places, stride);
    }
  }
  void read_mask(int band, const Window& window, std::uint8_t* cells, std::int64_t stride) override {
    readers_[layer_of(band)]->read_mask(step_of(band), window, cells, stride);
  }

 private:
  [[nodiscard]] std::size_t layer_of(int band) const { return static_cast<std::size_t>(band) % readers_.size(); }
  [[nodiscard]] int step_of(int band) const {
    return static_cast<int>(static_cast<std::size_t>(band) / readers_.size());
  }

  std::vector<std::unique_ptr<RasterReader>> readers_;
};

class LayersSource : public RasterSource {
 public:
  explicit LayersSource(Sources layers) : layers_{std::move(layers)} {
    for (std::size_t step = 0; step < layers_.front()->bands().size(); ++step)
      for (const auto& layer : layers_) bands_.push_back(layer->bands()[step]);
    for (const auto& layer : layers_)
      for (const auto& [key, value] : layer->metadata()) metadata_.emplace(key, value);
  }

  [[nodiscard]] const std::string& name() const override { return layers_.front()->name(); }
  [[nodiscard]] const Grid& grid() const override { return layers_.front()->grid(); }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] std::int64_t bands_of_date() const override { return static_cast<std::int64_t>(layers_.size()); }
  [[nodiscard]] std::string calendar() const override { return layers_.front()->calendar(); }
  [[nodiscard]] Window block() const override { return layers_.front()->block(); }
  [[nodiscard]] std::int64_t bands_together() const override {
    std::int64_t sum = 0;
    for (const auto& layer : layers_) sum += layer->bands_together();
    return sum;
  }
  [[nodiscard]] int parallel_readers() const override { return layers_.front()->parallel_readers(); }
  [[nodiscard]] Metadata metadata() const override { return metadata_; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<LayersReader>(layers_);
  }
  [[nodiscard]] bool looks_negative(int band) const override { return mostly_negative(*this, band); }

 private:
  Sources layers_;
  std::vector<StoredBand> bands_;
  Metadata metadata_;
};

}  // namespace

std::shared_ptr<const RasterSource> open_layers(const std::string& path, const FileOptions& options) {
  if (options.layer.find(',') == std::string::npos) return nullptr;
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= options.layer.size();) {
    const auto end = std::min(options.layer.find(',', begin), options.layer.size());
    names.push_back(options.layer.substr(begin, end - begin));
    if (names.back().empty() || std::count(names.begin(), names.end(), names.back()) > 1)
      fail(Errc::usage,
           fmt::format("--layer {}: each variable is named once, with a comma between two", options.layer));
    begin = end + 1;
  }
  Sources layers;
  for (const auto& name : names) {
    auto own = options;
    own.layer = name;
    auto layer = open_cube(path, own);
    if (!layer) fail(Errc::input, fmt::format("'{}' is no cube with a variable '{}' that has a place", path, name));
    if (!layers.empty()) {
      const auto differ = [&](const char* what) {
        fail(Errc::input, fmt::format("'{}': {} and {} {}; read them one by one, with --layer {} and --layer {}", path,
                                      names.front(), name, what, names.front(), name));
      };
      const auto& first = *layers.front();
      if (!first.grid().same_cells(layer->grid())) differ("lie on different grids");
      if (!std::equal(first.bands().begin(), first.bands().end(), layer->bands().begin(), layer->bands().end(),
                      [](const StoredBand& a, const StoredBand& b) { return a.time == b.time; }))
        differ("have different steps or times");
    }
    layers.push_back(std::move(layer));
  }
  return std::make_shared<LayersSource>(std::move(layers));
}

}  // namespace fulmar
