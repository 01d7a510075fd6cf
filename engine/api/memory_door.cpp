// SPDX-License-Identifier: Apache-2.0
#include "api/memory_door.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "api/memory_companion.hpp"
#include "api/memory_raster.hpp"
#include "core/transform.hpp"

namespace fulmar {
namespace {

[[noreturn]] void no_files(const std::string& path) {
  fail(Errc::input, "'" + path + "' is not bound to memory, and this engine reads and writes no files: bind it with " +
                        "Job::input(), or give EngineSettings::files");
}

/// The first byte of some cells, and the one past the last, whatever the signs of their strides.
std::pair<std::uintptr_t, std::uintptr_t> bytes_between(const void* cells, DType type, std::int64_t row,
                                                        std::int64_t column, const Grid& grid) {
  const auto size = static_cast<std::int64_t>(size_of(type));
  const std::int64_t down = (grid.height - 1) * row * size, right = (grid.width - 1) * column * size;
  const auto at = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(cells));
  return {static_cast<std::uintptr_t>(at + std::min<std::int64_t>(down, 0) + std::min<std::int64_t>(right, 0)),
          static_cast<std::uintptr_t>(at + std::max<std::int64_t>(down, 0) + std::max<std::int64_t>(right, 0) + size)};
}

bool meet(const BandTarget& to, const Grid& grid, const RasterView& view) {
  const auto [first, last] = bytes_between(to.cells, to.type, to.row == 0 ? grid.width : to.row, 1, grid);
  return std::any_of(view.bands.begin(), view.bands.end(), [&, first = first, last = last](const BandView& b) {
    const std::int64_t row = b.row == 0 ? view.grid.width * b.column : b.row;
    const auto [begin, end] = bytes_between(b.cells, b.type, row, b.column, view.grid);
    return first < end && begin < last;
  });
}

class KeptRaster : public RasterSink {
 public:
  KeptRaster(Kept::Product& product, std::vector<BandTarget> targets) : product_{product} {
    const Raster& r = product_.raster;
    for (std::size_t b = 0; b < r.bands.size(); ++b) {
      BandTarget to = targets.empty() ? BandTarget{r.cells[b].get(), r.bands[b].dtype} : targets[b];
      if (to.row == 0) to.row = r.grid.width;
      targets_.push_back(to);
    }
  }
  void write(int band, const Window& w, const void* cells, std::int64_t stride) override {
    const auto b = static_cast<std::size_t>(band);
    const auto size = static_cast<std::int64_t>(size_of(product_.raster.bands[b].dtype));
    auto* const to = static_cast<std::byte*>(targets_[b].cells);
    for (std::int64_t y = 0; y < w.height; ++y)
      std::memcpy(to + ((w.y + y) * targets_[b].row + w.x) * size,
                  static_cast<const std::byte*>(cells) + y * stride * size, static_cast<std::size_t>(w.width * size));
  }
  void commit() override { product_.whole = true; }

 private:
  Kept::Product& product_;
  std::vector<BandTarget> targets_;
};

class KeptTable : public FeatureSink {
 public:
  explicit KeptTable(Kept::Product& product) : product_{product} {}
  void write(const FeatureTable&) override {}
  void commit() override { product_.whole = true; }
  [[nodiscard]] bool keeps() const override { return true; }
  void keep(FeatureTable&& table) override { product_.table = std::move(table); }

 private:
  Kept::Product& product_;
};

}  // namespace

bool MemoryDoor::bound(const std::string& name) const {
  return bindings_.rasters.contains(name) || bindings_.tables.contains(name);
}

const std::string& MemoryDoor::file_of(const std::string& name) const {
  const auto at = bindings_.files.find(name);
  return at == bindings_.files.end() ? name : at->second;
}

FileOptions MemoryDoor::asked(const FileOptions& options) const {
  FileOptions asked = options;
  asked.overwrite = asked.overwrite || replace_;
  return asked;
}

bool MemoryDoor::keeps(const std::string& product) const {
  return !files_ || bindings_.outputs.contains(product) || bindings_.targets.contains(product);
}

std::shared_ptr<const RasterSource> MemoryDoor::open(const std::string& path, const FileOptions& options) const {
  if (const auto at = bindings_.rasters.find(path); at != bindings_.rasters.end()) {
    RasterView view = at->second;
    view.grid = placed(view.grid);
    return memory_source(path, view, options.unit);
  }
  if (bindings_.tables.contains(path)) fail(Errc::usage, "'" + path + "' is bound to a table, and a raster is needed");
  if (!files_) no_files(path);
  return files_->open(file_of(path), options);
}

std::vector<std::string> MemoryDoor::expand(const std::string& path) const {
  if (bound(path) || !files_) return {path};
  return files_->expand(file_of(path));
}

std::shared_ptr<const RasterSource> MemoryDoor::companion(const CompanionRequest& request, const Grid& grid) const {
  CompanionRequest here = request;
  here.path = file_of(request.path);
  if (bindings_.rasters.contains(request.path)) here.raster = open(request.path, request.options);
  here.table = features_at_hand(request.path);
  if (here.raster && here.raster->bands().size() != 1)
    fail(Errc::usage, "'" + request.path + "' has " + std::to_string(here.raster->bands().size()) +
                          " bands, and one is needed: give the one that is meant");
  // A calibration counts lines and samples of the file itself; an array of it is there for each cell.
  if (here.raster && (!files_ || request.kind == "calibration")) return memory_companion(here, grid);
  if (here.table && request.kind == "calibration")
    fail(Errc::usage, "'" + request.path + "' is a table, and a raster of the scene's size is needed");
  if (here.table && !files_)
    fail(Errc::usage, "the shapes of '" + request.path +
                          "' are laid over a scene only where EngineSettings::files is given: give a raster of the "
                          "scene's size");
  if (!files_) no_files(request.path);
  return files_->companion(here, grid);
}

std::shared_ptr<DrawnSource> MemoryDoor::drawn(const CompanionRequest& request, const Grid& grid) const {
  if (!files_) fail(Errc::usage, request.path + ": tables are drawn only where EngineSettings::files is given");
  return files_->drawn(request, grid);
}

std::shared_ptr<const GridTransformer> MemoryDoor::transformer(const Grid& target, const Grid& source) const {
  return files_ ? files_->transformer(target, source) : affine_transformer(target, source);
}

Grid MemoryDoor::grid_for(const Grid& source, const GridRequest& request) const {
  return files_ ? files_->grid_for(source, request) : affine_grid_for(source, request);
}

Grid MemoryDoor::placed(const Grid& grid) const { return files_ ? files_->placed(grid) : grid; }

FeatureTable MemoryDoor::placed(FeatureTable table) const { return files_ ? files_->placed(std::move(table)) : table; }

Metadata MemoryDoor::provenance(const std::string& plan, const std::vector<std::string>& files) const {
  if (!files_) return {};
  std::vector<std::string> on_disk;
  for (const std::string& file : files)
    if (!bound(file)) on_disk.push_back(file);
  return files_->provenance(plan, on_disk);
}

ProductKind MemoryDoor::product_kind(const std::string& path, const FileOptions& options) const {
  if (keeps(path)) {
    if (options.type)
      fail(Errc::usage, "--type is of a raster in a file; '" + path + "' stays in memory, as it was computed");
    return ProductKind::any;
  }
  return files_->product_kind(path, asked(options));
}

std::unique_ptr<RasterSink> MemoryDoor::create_raster(const std::string& path, const FileOptions& options,
                                                      const Grid& grid, const std::vector<ProductBand>& bands,
                                                      const Metadata& metadata) const {
  if (!keeps(path)) return files_->create_raster(path, asked(options), grid, bands, metadata);
  Kept::Product& product = kept_.products[path];
  product = {};
  product.raster.grid = grid, product.raster.bands = bands, product.raster.metadata = metadata;
  product.raster.cells.resize(bands.size());
  const auto at = bindings_.targets.find(path);
  if (at == bindings_.targets.end()) {
    for (std::size_t b = 0; b < bands.size(); ++b)
      product.raster.cells[b] = std::make_shared_for_overwrite<std::byte[]>(
          static_cast<std::size_t>(grid.width * grid.height) * size_of(bands[b].dtype));
    return std::make_unique<KeptRaster>(product, std::vector<BandTarget>{});
  }
  const auto wrong = [&](const std::string& why) { fail(Errc::usage, "the memory bound to '" + path + "' " + why); };
  if (at->second.size() != bands.size())
    wrong("has " + std::to_string(at->second.size()) + " bands, and the product has " + std::to_string(bands.size()));
  for (const BandTarget& to : at->second) {
    const DType type = bands[static_cast<std::size_t>(&to - at->second.data())].dtype;
    if (to.cells == nullptr) wrong("has a band without cells");
    if (to.type != type)
      wrong(std::string{"has cells of type "} + name_of(to.type) + ", and the product has " + name_of(type));
    if (to.row != 0 && to.row < grid.width) wrong("has rows that are shorter than the product's");
    for (const auto& [name, view] : bindings_.rasters)
      if (meet(to, grid, view)) wrong("is that of the input '" + name + "' too: tiles would read what was written");
  }
  return std::make_unique<KeptRaster>(product, at->second);
}

std::unique_ptr<FeatureSink> MemoryDoor::create_features(const std::string& path, const FileOptions& options,
                                                         const Grid& grid, const std::vector<Column>& columns,
                                                         const Metadata& metadata) const {
  return create_table(path, options, FeatureTable{grid, columns, {}}, metadata);
}

std::unique_ptr<FeatureSink> MemoryDoor::create_table(const std::string& path, const FileOptions& options,
                                                      const FeatureTable& like, const Metadata& metadata) const {
  if (!keeps(path)) return files_->create_table(path, asked(options), like, metadata);
  if (bindings_.targets.contains(path))
    fail(Errc::usage, "'" + path + "' is bound to memory for a raster, and a table flows into it");
  Kept::Product& product = kept_.products[path];
  product = {};
  product.is_table = true;
  return std::make_unique<KeptTable>(product);
}

std::shared_ptr<TemporaryRaster> MemoryDoor::temporary(const std::string& name, const Grid& grid,
                                                       const std::vector<StoredBand>& bands) const {
  return files_ ? files_->temporary(name, grid, bands) : memory_temporary(name, grid, bands);
}

bool MemoryDoor::holds_features(const std::string& path, const FileOptions& options) const {
  if (bound(path)) return bindings_.tables.contains(path);
  return files_ && files_->holds_features(file_of(path), options);
}

FeatureTable MemoryDoor::open_features(const std::string& path, const FileOptions& options,
                                       std::int64_t most_bytes) const {
  if (!files_) no_files(path);
  return files_->open_features(file_of(path), options, most_bytes);
}

std::shared_ptr<const FeatureTable> MemoryDoor::features_at_hand(const std::string& path) const {
  const auto at = bindings_.tables.find(path);
  return at == bindings_.tables.end() ? nullptr : at->second;
}

bool MemoryDoor::same_file(const std::string& a, const std::string& b) const {
  const auto here = [&](const std::string& name) { return bound(name) || keeps(name); };
  if (!files_ || here(a) || here(b)) return a == b;
  return files_->same_file(file_of(a), file_of(b));
}

void MemoryDoor::limit_cache(std::int64_t bytes) const {
  if (files_) files_->limit_cache(bytes);
}

}  // namespace fulmar
