// SPDX-License-Identifier: Apache-2.0
#include "io/gdal_io.hpp"

#include <fmt/format.h>
#include <proj.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "io/crs.hpp"
#include "io/driver_options.hpp"
#include "io/drivers.hpp"
#include "io/feature_sink.hpp"
#include "io/feature_source.hpp"
#include "io/gdal_support.hpp"
#include "io/grid_transformer.hpp"
#include "io/name_pattern.hpp"
#include "io/outlines.hpp"
#include "io/picture_sink.hpp"
#include "io/placed_table.hpp"
#include "io/product_file.hpp"
#include "io/raster_sink.hpp"
#include "io/raster_source.hpp"
#include "io/sentinel1_lut.hpp"
#include "io/sha256.hpp"
#include "io/stac.hpp"
#include "io/temporary_raster.hpp"

namespace fulmar {
namespace {

/// What the user lets GDAL's block cache have, in GDAL's own reading of it.
std::int64_t user_cache_limit() {
  static const std::int64_t limit = CPLGetConfigOption("GDAL_CACHEMAX", nullptr) == nullptr
                                        ? std::numeric_limits<std::int64_t>::max()
                                        : GDALGetCacheMax64();
  return limit;
}

/// A /vsi path without empty and "." parts.
std::string tidy(std::string path) {
  for (const char* part : {"/./", "//"})
    for (auto at = path.find(part); at != std::string::npos; at = path.find(part))
      path.erase(at, std::char_traits<char>::length(part) - 1);
  return path;
}

}  // namespace

GdalIo::GdalIo() {
  static std::once_flag once;
  std::call_once(once, [] {
    const ErrorTrap quiet;
    GDALAllRegister();
    // Before the first limit, which would be taken for the user's.
    user_cache_limit();
  });
}

std::shared_ptr<const RasterSource> GdalIo::open(const std::string& path, const FileOptions& options) const {
  return open_raster(path, options);
}

std::vector<std::string> GdalIo::expand(const std::string& path) const { return expand_name(path); }

std::shared_ptr<const RasterSource> GdalIo::companion(const CompanionRequest& request, const Grid& grid) const {
  if (request.kind == "shapes") return open_shape_values(request, grid);
  if (request.kind == "outlines") return open_outlines(request, grid);
  if (request.kind == "calibration") return open_sentinel1_lut(request, grid);
  fail(Errc::usage,
       fmt::format("no such kind of companion file: '{}' (known: outlines, shapes, calibration)", request.kind));
}

std::shared_ptr<DrawnSource> GdalIo::drawn(const CompanionRequest& request, const Grid& grid) const {
  return shapes_of_table(request, grid);
}

std::shared_ptr<TemporaryRaster> GdalIo::temporary(const std::string& name, const Grid& grid,
                                                   const std::vector<StoredBand>& bands) const {
  return make_temporary_raster(name, grid, bands);
}

std::shared_ptr<const GridTransformer> GdalIo::transformer(const Grid& target, const Grid& source) const {
  return make_transformer(target, source);
}

Grid GdalIo::grid_for(const Grid& source, const GridRequest& request) const { return make_grid_for(source, request); }

Grid GdalIo::placed(const Grid& grid) const {
  Grid known = grid;
  if (!grid.crs.empty()) {
    const auto crs = spatial_reference(grid.crs);
    if (!crs)
      fail(Errc::input,
           fmt::format("'{}' names no coordinate system; give WKT or a code such as EPSG:32651", grid.crs));
    known.crs = wkt2(&*crs);
  }
  finish_grid(known);
  return known;
}

FeatureTable GdalIo::placed(FeatureTable table) const { return place_rows(std::move(table)); }

ProductKind GdalIo::product_kind(const std::string& path, const FileOptions& options) const {
  const auto product = driver_for(path, options);
  check_product_options(path, *product.driver, product.kind, options);
  check_target(path, options.overwrite);
  if (const auto there = existing(path, options); !options.overwrite && !there.empty())
    fail(Errc::output, fmt::format("'{}' exists; add --overwrite to replace it", there.front()));
  return product.kind;
}

std::vector<std::string> GdalIo::existing(const std::string& path, const FileOptions& options) const {
  return existing_targets(path, options.stac ? std::vector<std::string>{stac_ending} : std::vector<std::string>{});
}

std::string GdalIo::creation_trouble(const std::string& path, const std::string& format, const std::string& pair,
                                     bool of_layer) const {
  FileOptions options;
  options.format = format;
  (of_layer ? options.layer_options : options.creation_options).push_back(pair);
  const auto product = driver_for(path, options);
  try {
    check_product_options(path, *product.driver, product.kind, options);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

std::unique_ptr<RasterSink> GdalIo::create_raster(const std::string& path, const FileOptions& options, const Grid& grid,
                                                  const std::vector<ProductBand>& bands,
                                                  const Metadata& metadata) const {
  return create_raster_sink(path, options, grid, bands, metadata);
}

std::unique_ptr<FeatureSink> GdalIo::create_features(const std::string& path, const FileOptions& options,
                                                     const Grid& grid, const std::vector<Column>& columns,
                                                     const Metadata& metadata) const {
  return create_table(path, options, FeatureTable{grid, columns, {}}, metadata);
}

std::unique_ptr<FeatureSink> GdalIo::create_table(const std::string& path, const FileOptions& options,
                                                  const FeatureTable& like, const Metadata& metadata) const {
  const auto product = driver_for(path, options);
  if (name_of(*product.driver) == "PNG") return create_picture_sink(path, options, like.grid, metadata);
  if (product.kind != ProductKind::features)
    fail(Errc::usage,
         fmt::format("'{}' is a raster format; features go to .gpkg, .fgb, .geojson, .csv or, as a picture, .png",
                     path));
  return create_feature_sink(path, options, like, metadata);
}

bool GdalIo::holds_features(const std::string& path, const FileOptions& options) const {
  return is_feature_file(path, options);
}

FeatureTable GdalIo::open_features(const std::string& path, const FileOptions& options, std::int64_t most_bytes) const {
  return read_features(path, options, most_bytes);
}

bool GdalIo::same_file(const std::string& a, const std::string& b) const {
  const auto first = file_within(a), second = file_within(b);
  if (first == second) return true;
  if (is_virtual(first) || is_virtual(second)) return tidy(first) == tidy(second);
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::equivalent(first, second, error) && !error) return true;
  // One of them is not there yet.
  const auto whole = [&](const std::string& name) {
    const auto path = fs::absolute(behind_links(name), error);
    return error ? path : fs::weakly_canonical(path, error);
  };
  const auto one = whole(first);
  if (error) return false;
  const auto other = whole(second);
  return !error && one == other;
}

void GdalIo::limit_cache(std::int64_t bytes) const {
  // What the program had, whether by GDAL_CACHEMAX or by its own call, comes back.
  static std::mutex mutex;
  static std::optional<GIntBig> before;
  const std::lock_guard lock{mutex};
  if (bytes > 0) {
    if (!before) before = GDALGetCacheMax64();
    GDALSetCacheMax64(std::clamp<std::int64_t>(bytes, 0, user_cache_limit()));
  } else if (before) {
    GDALSetCacheMax64(*before);
    before.reset();
  }
}

std::string text_fingerprint(const std::string& text) { return sha256(text); }

Metadata GdalIo::provenance(const std::string& plan, const std::vector<std::string>& files) const {
  std::string whole = plan;
  for (const std::string& file : files) whole += file + " " + file_fingerprint(file) + "\n";
  return {{"FULMAR_PLAN_SHA256", text_fingerprint(whole)},
          {"GDAL_VERSION", gdal_version()},
          {"PROJ_VERSION", proj_version()}};
}

std::string file_fingerprint(const std::string& name) { return fingerprint(file_within(name)); }

std::string gdal_version() { return GDALVersionInfo("RELEASE_NAME"); }

std::string proj_version() { return proj_info().version; }

}  // namespace fulmar
