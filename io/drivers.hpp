// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which GDAL driver writes a product, by --of or by the file's extension.
#pragma once

#include <gdal_priv.h>

#include <string>

#include "core/source.hpp"

namespace fulmar {

struct ProductDriver {
  GDALDriver* driver = nullptr;
  ProductKind kind = ProductKind::raster;
};

/// The driver for a product's name. Errors: Errc::usage, for an extension or a driver that this GDAL does not write,
/// naming those it does.
ProductDriver driver_for(const std::string& path, const FileOptions& options);

/// True for the drivers whose files are in longitude and latitude by definition (GeoJSON).
bool wants_wgs84(const GDALDriver& driver);

/// True for the drivers whose files are spreadsheets: tables without shapes.
bool is_spreadsheet(const GDALDriver& driver);

/// The driver's name and whether an item of its own description is set ("DCAP_CREATE").
std::string name_of(const GDALDriver& driver);
bool has_item(const GDALDriver& driver, const char* item);

/// Adds NAME=VALUE unless the user has set NAME.
void add_option(CPLStringList& options, const char* name, const std::string& value);

}  // namespace fulmar
