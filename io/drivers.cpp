// SPDX-License-Identifier: Apache-2.0
#include "io/drivers.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "core/error.hpp"
#include "io/gdal_io.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {
namespace {

struct Known {
  std::string_view extension;
  const char* driver;
  ProductKind kind;
  const char* words = nullptr;  // for those that are told of; the others are other names of the same
};

// The formats that are written and read back by the tests. Others that rasters may have are looked up in GDAL's own
// list; what that holds for features besides are drivers for one program each, of which many know no columns.
constexpr std::array known_extensions{
    Known{"tif", "GTiff", ProductKind::raster, "GeoTIFF: any raster"},
    Known{"tiff", "GTiff", ProductKind::raster},
    Known{"png", "PNG", ProductKind::raster, "a picture: of a raster, or of objects on what they were found in"},
    Known{"nc", "netCDF", ProductKind::raster, "netCDF: of a stack a CF cube with its dates"},
    Known{"zarr", "Zarr", ProductKind::raster, "Zarr version 2: as netCDF"},
    Known{"img", "HFA", ProductKind::raster, "Erdas Imagine"},
    Known{"gpkg", "GPKG", ProductKind::features, "GeoPackage: any table"},
    Known{"fgb", "FlatGeobuf", ProductKind::features, "FlatGeobuf: tables with a shape in every row"},
    Known{"geojson", "GeoJSON", ProductKind::features, "GeoJSON, in longitude and latitude"},
    Known{"json", "GeoJSON", ProductKind::features},
    Known{"geojsonl", "GeoJSONSeq", ProductKind::features, "GeoJSON, a line for each row"},
    Known{"geojsons", "GeoJSONSeq", ProductKind::features},
    Known{"ndjson", "GeoJSONSeq", ProductKind::features},
    Known{"shp", "ESRI Shapefile", ProductKind::features, "Shapefile: names of ten letters, a shape in every row"},
    Known{"parquet", "Parquet", ProductKind::features, "GeoParquet, where GDAL has the plugin for it"},
    Known{"kml", "LIBKML", ProductKind::features, "for Google Earth, in longitude and latitude"},
    Known{"kmz", "LIBKML", ProductKind::features},
    Known{"gml", "GML", ProductKind::features, "Geography Markup Language"},
    Known{"csv", "CSV", ProductKind::features, "text: any table; points as lon and lat, shapes of files as WKT"},
    Known{"xlsx", "XLSX", ProductKind::features, "a spreadsheet: any table, without its shapes; points as lon and lat"},
    Known{"ods", "ODS", ProductKind::features, "the same for LibreOffice"},
};

/// The extensions of a kind of product, as they are named in a message.
std::string extensions_of(ProductKind kind) {
  std::string text;
  for (const Known& known : known_extensions)
    if (known.kind == kind && known.words != nullptr)
      text += fmt::format("{}.{}", text.empty() ? "" : " ", known.extension);
  return text;
}

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
    if (lists_extension(*driver, extension) && writes_rasters(*driver))
      return checked(driver, name_of(*driver), extension);
  }
  fail(Errc::usage,
       fmt::format("'{}' has {}; rasters are written to {}, tables and features to {}; any other format by the name of "
                   "GDAL's driver, with --of",
                   path,
                   extension.empty() ? std::string{"no extension that tells its format"}
                                     : fmt::format("the extension '.{}', which is none of a product", extension),
                   extensions_of(ProductKind::raster), extensions_of(ProductKind::features)));
}

std::vector<ProductFormat> product_formats() {
  std::vector<ProductFormat> formats;
  for (const Known& known : known_extensions)
    if (known.words != nullptr)
      formats.push_back({std::string{known.extension}, known.words, known.kind == ProductKind::raster});
  return formats;
}

bool is_spreadsheet(const GDALDriver& driver) {
  const auto name = name_of(driver);
  return name == "XLSX" || name == "ODS";
}

}  // namespace fulmar
