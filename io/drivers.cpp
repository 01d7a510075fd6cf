// SPDX-License-Identifier: Apache-2.0
#include "io/drivers.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "core/error.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {
namespace {

struct Known {
  std::string_view extension;
  const char* driver;
  ProductKind kind;
};

// The extensions people use. All others are looked up in GDAL's own list.
constexpr std::array known_extensions{
    Known{"tif", "GTiff", ProductKind::raster},
    Known{"tiff", "GTiff", ProductKind::raster},
    Known{"png", "PNG", ProductKind::raster},
    Known{"nc", "netCDF", ProductKind::raster},
    Known{"zarr", "Zarr", ProductKind::raster},
    Known{"img", "HFA", ProductKind::raster},
    Known{"gpkg", "GPKG", ProductKind::features},
    Known{"fgb", "FlatGeobuf", ProductKind::features},
    Known{"geojson", "GeoJSON", ProductKind::features},
    Known{"json", "GeoJSON", ProductKind::features},
    Known{"geojsonl", "GeoJSONSeq", ProductKind::features},
    Known{"geojsons", "GeoJSONSeq", ProductKind::features},
    Known{"ndjson", "GeoJSONSeq", ProductKind::features},
    Known{"csv", "CSV", ProductKind::features},
    Known{"shp", "ESRI Shapefile", ProductKind::features},
    Known{"parquet", "Parquet", ProductKind::features},
};

constexpr const char* known_text =
    ".tif .png .nc .zarr .img for rasters; .gpkg .fgb .geojson .geojsonl .csv .shp for features";

GDALDriver* find_driver(const std::string& name) { return GetGDALDriverManager()->GetDriverByName(name.c_str()); }

bool writes_rasters(const GDALDriver& driver) {
  return has_item(driver, GDAL_DCAP_RASTER) &&
         (has_item(driver, GDAL_DCAP_CREATE) || has_item(driver, GDAL_DCAP_CREATECOPY));
}

bool writes_features(const GDALDriver& driver) {
  return has_item(driver, GDAL_DCAP_VECTOR) && has_item(driver, GDAL_DCAP_CREATE);
}

ProductDriver checked(GDALDriver* driver, const std::string& name, const std::string& extension) {
  if (driver == nullptr)
    fail(Errc::usage, name == "Parquet"
                          ? std::string{"this GDAL has no Parquet driver; write .gpkg or .fgb, or install GDAL's "
                                        "Arrow/Parquet plugin"}
                          : fmt::format("this GDAL has no driver '{}'; see gdalinfo --formats", name));
  if (name == "VRT")
    fail(Errc::usage, "a VRT holds no cells of its own; write .tif and build the VRT with gdalbuildvrt");
  const bool rasters = writes_rasters(*driver), features = writes_features(*driver);
  if (!rasters && !features) fail(Errc::usage, fmt::format("GDAL's driver '{}' cannot write", name));
  // GPKG does both, and is asked for features; netCDF does both, and is asked for rasters.
  const bool rather_features = name == "GPKG" || extension == "gpkg";
  return {driver, features && (!rasters || rather_features) ? ProductKind::features : ProductKind::raster};
}

bool lists_extension(const GDALDriver& driver, const std::string& extension) {
  const char* text = const_cast<GDALDriver&>(driver).GetMetadataItem(GDAL_DMD_EXTENSIONS);
  const CPLStringList words{CSLTokenizeString2(text == nullptr ? "" : text, " ", 0)};
  return CSLFindString(words.List(), extension.c_str()) >= 0;
}

}  // namespace

std::string name_of(const GDALDriver& driver) { return driver.GetDescription(); }

bool has_item(const GDALDriver& driver, const char* item) {
  return const_cast<GDALDriver&>(driver).GetMetadataItem(item) != nullptr;
}

bool wants_wgs84(const GDALDriver& driver) {
  const auto name = name_of(driver);
  return name == "GeoJSON" || name == "GeoJSONSeq" || name == "KML" || name == "LIBKML" || name == "GPX";
}

void add_option(CPLStringList& options, const char* name, const std::string& value) {
  if (options.FetchNameValue(name) == nullptr) options.SetNameValue(name, value.c_str());
}

ProductDriver driver_for(const std::string& path, const FileOptions& options) {
  const ErrorTrap quiet;
  const auto extension = extension_of(path);
  if (!options.format.empty()) {
    auto* driver = find_driver(options.format);
    return checked(driver, driver == nullptr ? options.format : name_of(*driver), extension);
  }
  for (const auto& known : known_extensions)
    if (known.extension == extension) {
      auto found = checked(find_driver(known.driver), known.driver, extension);
      found.kind = known.kind;
      return found;
    }
  if (extension == "vrt") return checked(find_driver("VRT"), "VRT", extension);
  auto* const manager = GetGDALDriverManager();
  for (int i = 0; !extension.empty() && i < manager->GetDriverCount(); ++i) {
    auto* driver = manager->GetDriver(i);
    if (lists_extension(*driver, extension) && (writes_rasters(*driver) || writes_features(*driver)))
      return checked(driver, name_of(*driver), extension);
  }
  fail(Errc::usage, fmt::format("'{}' has {}; known are {}; or name GDAL's driver with --of", path,
                                extension.empty() ? std::string{"no extension that tells its format"}
                                                  : fmt::format("the unknown extension '.{}'", extension),
                                known_text));
}

}  // namespace fulmar
