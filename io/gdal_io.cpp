// SPDX-License-Identifier: Apache-2.0
#include "io/gdal_io.hpp"

#include <fmt/format.h>
#include <proj.h>

#include <algorithm>
#include <mutex>

#include "core/error.hpp"
#include "io/drivers.hpp"
#include "io/feature_sink.hpp"
#include "io/gdal_support.hpp"
#include "io/outlines.hpp"
#include "io/picture_sink.hpp"
#include "io/product_file.hpp"
#include "io/raster_sink.hpp"
#include "io/raster_source.hpp"
#include "io/sentinel1_lut.hpp"

namespace fulmar {

GdalIo::GdalIo() {
  static std::once_flag once;
  std::call_once(once, [] {
    const ErrorTrap quiet;
    GDALAllRegister();
  });
}

std::shared_ptr<const RasterSource> GdalIo::open(const std::string& path, const FileOptions& options) const {
  return open_raster(path, options);
}

std::shared_ptr<const RasterSource> GdalIo::companion(const CompanionRequest& request, const Grid& grid) const {
  if (request.kind == "outlines") return open_outlines(request, grid);
  if (request.kind == "calibration") return open_sentinel1_lut(request, grid);
  fail(Errc::usage, fmt::format("no such kind of companion file: '{}' (known: outlines, calibration)", request.kind));
}

ProductKind GdalIo::product_kind(const std::string& path, const FileOptions& options) const {
  const auto kind = driver_for(path, options).kind;
  check_target(path, options.overwrite);
  return kind;
}

std::unique_ptr<RasterSink> GdalIo::create_raster(const std::string& path, const FileOptions& options, const Grid& grid,
                                                  const std::vector<ProductBand>& bands,
                                                  const Metadata& metadata) const {
  return create_raster_sink(path, options, grid, bands, metadata);
}

std::unique_ptr<FeatureSink> GdalIo::create_features(const std::string& path, const FileOptions& options,
                                                     const Grid& grid, const std::vector<Column>& columns,
                                                     const Metadata& metadata) const {
  const auto product = driver_for(path, options);
  if (name_of(*product.driver) == "PNG") return create_picture_sink(path, options, grid, metadata);
  if (product.kind != ProductKind::features)
    fail(Errc::usage,
         fmt::format("'{}' is a raster format; features go to .gpkg, .fgb, .geojson, .csv or, as a picture, .png",
                     path));
  return create_feature_sink(path, options, grid, columns, metadata);
}

void GdalIo::limit_cache(std::int64_t bytes) const { GDALSetCacheMax64(std::max<std::int64_t>(0, bytes)); }

std::string gdal_version() { return GDALVersionInfo("RELEASE_NAME"); }

std::string proj_version() { return proj_info().version; }

}  // namespace fulmar
