// SPDX-License-Identifier: Apache-2.0
/// @file
/// The door of a job: names that are bound lead to memory, all others to the files behind it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fulmar/raster.hpp"

namespace fulmar {

/// What a job's names stand for.
struct Bindings {
  std::map<std::string, RasterView> rasters;
  std::map<std::string, std::shared_ptr<const FeatureTable>> tables;
  std::map<std::string, std::string> files;  ///< the file that a name stands for
  std::set<std::string> outputs;
  std::map<std::string, std::vector<BandTarget>> targets;

  /// What the name of an input stood for before.
  void forget(const std::string& input) { rasters.erase(input), tables.erase(input), files.erase(input); }
};

/// What a run leaves in memory. Only what is `whole` counts.
struct Kept {
  struct Product {
    Raster raster;
    FeatureTable table;
    bool is_table = false, whole = false;
  };
  std::map<std::string, Product> products;
};

class MemoryDoor : public Io {
 public:
  /// `files` may be null. `replace`: files that exist are no hindrance to products.
  MemoryDoor(const Bindings& bindings, std::shared_ptr<const Io> files, bool replace)
      : bindings_{bindings}, files_{std::move(files)}, replace_{replace} {}

  [[nodiscard]] Kept& kept() const { return kept_; }

  [[nodiscard]] std::shared_ptr<const RasterSource> open(const std::string& path, const FileOptions&) const override;
  [[nodiscard]] std::vector<std::string> expand(const std::string& path) const override;
  [[nodiscard]] std::shared_ptr<const RasterSource> companion(const CompanionRequest&, const Grid&) const override;
  [[nodiscard]] std::shared_ptr<DrawnSource> drawn(const CompanionRequest&, const Grid&) const override;
  [[nodiscard]] std::shared_ptr<const GridTransformer> transformer(const Grid& target,
                                                                   const Grid& source) const override;
  [[nodiscard]] Grid grid_for(const Grid& source, const GridRequest&) const override;
  [[nodiscard]] Grid placed(const Grid&) const override;
  [[nodiscard]] FeatureTable placed(FeatureTable table) const override;
  [[nodiscard]] Metadata provenance(const std::string& plan, const std::vector<std::string>& files) const override;
  [[nodiscard]] ProductKind product_kind(const std::string& path, const FileOptions&) const override;
  [[nodiscard]] std::unique_ptr<RasterSink> create_raster(const std::string& path, const FileOptions&, const Grid&,
                                                          const std::vector<ProductBand>&,
                                                          const Metadata&) const override;
  [[nodiscard]] std::unique_ptr<FeatureSink> create_features(const std::string& path, const FileOptions&, const Grid&,
                                                             const std::vector<Column>&,
                                                             const Metadata&) const override;
  [[nodiscard]] std::unique_ptr<FeatureSink> create_table(const std::string& path, const FileOptions&,
                                                          const FeatureTable& like, const Metadata&) const override;
  [[nodiscard]] std::shared_ptr<TemporaryRaster> temporary(const std::string& name, const Grid&,
                                                           const std::vector<StoredBand>&) const override;
  [[nodiscard]] bool holds_features(const std::string& path, const FileOptions&) const override;
  [[nodiscard]] FeatureTable open_features(const std::string& path, const FileOptions&,
                                           std::int64_t most_bytes) const override;
  [[nodiscard]] std::shared_ptr<const FeatureTable> features_at_hand(const std::string& path) const override;
  [[nodiscard]] bool same_file(const std::string& a, const std::string& b) const override;
  void limit_cache(std::int64_t bytes) const override;

 private:
  [[nodiscard]] bool keeps(const std::string& product) const;
  [[nodiscard]] FileOptions asked(const FileOptions& options) const;
  [[nodiscard]] bool bound(const std::string& name) const;
  [[nodiscard]] const std::string& file_of(const std::string& name) const;

  const Bindings& bindings_;
  std::shared_ptr<const Io> files_;
  bool replace_;
  mutable Kept kept_;
};

}  // namespace fulmar
