// SPDX-License-Identifier: Apache-2.0
/// @file
/// Files as GDAL sees them: the engine's door to every raster, vector and product on disk or behind a /vsi path.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// Reads and writes through GDAL. Registers GDAL's drivers once for the process; safe to use from several threads.
/// Never prints: what GDAL has to say becomes part of the fulmar::Error that is thrown.
class GdalIo : public Io {
 public:
  GdalIo();

  /// Any raster GDAL opens: files, subdatasets, VRT, /vsi paths. Errors: Errc::input, with the reason and the cure.
  [[nodiscard]] std::shared_ptr<const RasterSource> open(const std::string& path, const FileOptions&) const override;
  /// "outlines" (1 inside, 0 outside) or "calibration" (a Sentinel-1 calibration table) on the cells of `grid`.
  [[nodiscard]] std::vector<std::string> expand(const std::string& path) const override;
  [[nodiscard]] std::shared_ptr<const RasterSource> companion(const CompanionRequest&, const Grid& grid) const override;
  [[nodiscard]] std::shared_ptr<DrawnSource> drawn(const CompanionRequest& request, const Grid& grid) const override;
  /// A file without a name in TMPDIR.
  [[nodiscard]] std::shared_ptr<TemporaryRaster> temporary(const std::string& name, const Grid&,
                                                           const std::vector<StoredBand>&) const override;
  /// Through PROJ; see make_transformer().
  [[nodiscard]] std::shared_ptr<const GridTransformer> transformer(const Grid& target,
                                                                   const Grid& source) const override;
  /// By the CRS that GDAL makes of Grid::crs, which becomes WKT2. Errors: Errc::input where it means nothing.
  [[nodiscard]] Grid placed(const Grid& grid) const override;
  [[nodiscard]] FeatureTable placed(FeatureTable table) const override;
  /// FULMAR_PLAN_SHA256 (of the plan and the fingerprints of its files), GDAL_VERSION, PROJ_VERSION.
  [[nodiscard]] Metadata provenance(const std::string& plan, const std::vector<std::string>& files) const override;
  /// See make_grid_for().
  [[nodiscard]] Grid grid_for(const Grid& source, const GridRequest&) const override;
  [[nodiscard]] ProductKind product_kind(const std::string& path, const FileOptions&) const override;
  /// The files that are there and that a product would replace, the STAC Item beside it among them.
  [[nodiscard]] virtual std::vector<std::string> existing(const std::string& path, const FileOptions&) const;
  /// What is wrong with a creation option, or one `of_layer`, for the driver of a product; empty where nothing is.
  /// Errors: those of a name that no driver writes.
  [[nodiscard]] virtual std::string creation_trouble(const std::string& path, const std::string& format,
                                                     const std::string& pair, bool of_layer) const;
  [[nodiscard]] std::unique_ptr<RasterSink> create_raster(const std::string& path, const FileOptions&, const Grid&,
                                                          const std::vector<ProductBand>&,
                                                          const Metadata&) const override;
  [[nodiscard]] std::unique_ptr<FeatureSink> create_features(const std::string& path, const FileOptions&, const Grid&,
                                                             const std::vector<Column>&,
                                                             const Metadata&) const override;
  [[nodiscard]] std::unique_ptr<FeatureSink> create_table(const std::string& path, const FileOptions&,
                                                          const FeatureTable& like, const Metadata&) const override;
  [[nodiscard]] bool holds_features(const std::string& path, const FileOptions&) const override;
  [[nodiscard]] FeatureTable open_features(const std::string& path, const FileOptions&,
                                           std::int64_t most_bytes) const override;
  /// Names of one file: by its inode where both exist, else by the path they lead to. Of a subdataset the file counts;
  /// /vsi paths are compared as text.
  [[nodiscard]] bool same_file(const std::string& a, const std::string& b) const override;
  /// GDAL has one block cache for the process: the limit is that of all datasets, also of an application's own. Where
  /// the user gave a GDAL_CACHEMAX it is never raised above that.
  void limit_cache(std::int64_t bytes) const override;
};

/// SHA-256 of a text, and what tells one file from another: SHA-256 of its size, first and last MiB.
std::string text_fingerprint(const std::string& text);
std::string file_fingerprint(const std::string& name);

/// What a product can be, by the extension of its name. Any other format of GDAL's goes by the driver's name.
struct ProductFormat {
  std::string extension, words;
  bool raster;
};
[[nodiscard]] std::vector<ProductFormat> product_formats();

[[nodiscard]] std::string gdal_version();
[[nodiscard]] std::string proj_version();

}  // namespace fulmar
