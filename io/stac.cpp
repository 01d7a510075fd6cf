// SPDX-License-Identifier: Apache-2.0
#include "io/stac.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "io/cf_time.hpp"
#include "io/crs.hpp"
#include "io/gdal_support.hpp"
#include "io/name_pattern.hpp"

namespace fulmar {
namespace {

/// A JSON string; bytes that are no UTF-8 become question marks.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  std::size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t length = c < 0x80                ? 1
                               : c >= 0xc2 && c < 0xe0 ? 2
                               : (c & 0xf0) == 0xe0    ? 3
                               : c >= 0xf0 && c < 0xf5 ? 4
                                                       : 0;
    bool whole = length > 0 && i + length <= text.size();
    for (std::size_t k = 1; whole && k < length; ++k) whole = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    if (!whole) {
      out += '?';
      ++i;
      continue;
    }
    if (c == '"' || c == '\\')
      out += std::string{"\\"} + text[i];
    else if (c < 0x20)
      out += fmt::format("\\u{:04x}", c);
    else
      out += text.substr(i, length);
    i += length;
  }
  return out + "\"";
}

std::string number(double value) { return std::isfinite(value) ? fmt::format("{:.12g}", value) : "null"; }

std::string of(const Metadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string{} : found->second;
}

/// The outline of the raster in WGS84, longitudes running on across the antimeridian.
std::vector<LonLat> outline_of(const Grid& grid) {
  std::vector<LonLat> outline;
  if (!grid.locator) return outline;
  constexpr int parts = 8;
  const auto w = static_cast<double>(grid.width), h = static_cast<double>(grid.height);
  const auto add = [&](double column, double row) {
    auto place = grid.locator->lonlat(column, row);
    if (!place) return;
    if (!outline.empty()) place->lon = nearest_longitude(place->lon, outline.back().lon);
    outline.push_back(*place);
  };
  // Counter-clockwise, as GeoJSON wants outer rings, for rasters with north up.
  for (int i = 0; i < parts; ++i) add(0, h * i / parts);
  for (int i = 0; i < parts; ++i) add(w * i / parts, h);
  for (int i = 0; i < parts; ++i) add(w, h - h * i / parts);
  for (int i = 0; i < parts; ++i) add(w - w * i / parts, 0);
  return outline;
}

std::string ring(double west, double south, double east, double north) {
  return fmt::format("[[[{0}, {1}], [{2}, {1}], [{2}, {3}], [{0}, {3}], [{0}, {1}]]]", number(west), number(south),
                     number(east), number(north));
}

/// The members "bbox" and "geometry".
std::string place_of(const Grid& grid) {
  const auto outline = outline_of(grid);
  if (outline.size() < 4) return "  \"geometry\": null,\n";
  double west = outline[0].lon, east = west, south = outline[0].lat, north = south;
  for (const auto& p : outline) {
    west = std::min(west, p.lon), east = std::max(east, p.lon);
    south = std::min(south, p.lat), north = std::max(north, p.lat);
  }
  south = std::max(south, -90.0), north = std::min(north, 90.0);
  std::string geometry;
  if (grid.wraps || east - west >= 360) {
    west = -180, east = 180;
    geometry = "{\"type\": \"Polygon\", \"coordinates\": " + ring(west, south, east, north) + "}";
  } else if (west < -180 || east > 180) {
    // Two halves of the bounding box: west of it is greater than east of it, as GeoJSON has it.
    if (west < -180) west += 360, east += 360;
    if (west >= 180) {
      west -= 360, east -= 360;
      geometry = "{\"type\": \"Polygon\", \"coordinates\": " + ring(west, south, east, north) + "}";
    } else {
      east -= 360;
      geometry = "{\"type\": \"MultiPolygon\", \"coordinates\": [" + ring(west, south, 180, north) + ", " +
                 ring(-180, south, east, north) + "]}";
    }
  } else {
    geometry = "{\"type\": \"Polygon\", \"coordinates\": [[";
    for (const auto& p : outline) geometry += fmt::format("[{}, {}], ", number(p.lon), number(p.lat));
    geometry += fmt::format("[{}, {}]]]}}", number(outline[0].lon), number(outline[0].lat));
  }
  return fmt::format("  \"geometry\": {},\n  \"bbox\": [{}, {}, {}, {}],\n", geometry, number(west), number(south),
                     number(east), number(north));
}

std::string time_of(const std::string& path, const std::vector<ProductBand>& bands, const Metadata& metadata) {
  std::optional<double> first, last;
  for (const auto& band : bands) {
    if (!band.time) continue;
    first = std::min(first.value_or(*band.time), *band.time);
    last = std::max(last.value_or(*band.time), *band.time);
  }
  if (!first) {
    first = moment_in_text(of(metadata, "TIME_START"));
    last = moment_in_text(of(metadata, "TIME_END"));
  }
  if (!first || !last)
    fail(Errc::usage, fmt::format("no STAC Item for '{}': none of its inputs tells when it was measured; put the date "
                                  "into a file's name, as in scene_20210105T060708.tif, or leave --stac away",
                                  path));
  if (*first == *last) return fmt::format("    \"datetime\": {}", quoted(text_of_instant(*first)));
  return fmt::format("    \"datetime\": null,\n    \"start_datetime\": {},\n    \"end_datetime\": {}",
                     quoted(text_of_instant(*first)), quoted(text_of_instant(*last)));
}

const char* data_type(DType dtype) {
  switch (dtype) {
    case DType::u8:
      return "uint8";
    case DType::i8:
      return "int8";
    case DType::u16:
      return "uint16";
    case DType::i16:
      return "int16";
    case DType::u32:
      return "uint32";
    case DType::i32:
      return "int32";
    case DType::u64:
      return "uint64";
    case DType::i64:
      return "int64";
    case DType::f32:
      return "float32";
    case DType::f64:
      break;
  }
  return "float64";
}

const char* media_type(const std::string& driver) {
  if (driver == "GTiff") return "image/tiff; application=geotiff";
  if (driver == "COG") return "image/tiff; application=geotiff; profile=cloud-optimized";
  if (driver == "netCDF") return "application/x-netcdf";
  if (driver == "Zarr") return "application/vnd+zarr";
  if (driver == "PNG") return "image/png";
  if (driver == "GPKG") return "application/geopackage+sqlite3";
  if (driver == "GeoJSON") return "application/geo+json";
  if (driver == "FlatGeobuf") return "application/vnd.flatgeobuf";
  if (driver == "CSV") return "text/csv";
  return "application/octet-stream";
}

std::string projection_of(const Grid& grid) {
  std::string text;
  const auto crs = spatial_reference(grid.crs);
  const char* authority = crs ? crs->GetAuthorityName(nullptr) : nullptr;
  const char* code = crs ? crs->GetAuthorityCode(nullptr) : nullptr;
  if (authority != nullptr && code != nullptr && EQUAL(authority, "EPSG"))
    text += fmt::format("    \"proj:epsg\": {},\n", code);
  else
    text += "    \"proj:epsg\": null,\n";
  if (crs) text += fmt::format("    \"proj:wkt2\": {},\n", quoted(grid.crs));
  text += fmt::format("    \"proj:shape\": [{}, {}],\n", grid.height, grid.width);
  if (grid.affine) {
    const auto& a = *grid.affine;
    text += fmt::format("    \"proj:transform\": [{}, {}, {}, {}, {}, {}],\n", number(a[1]), number(a[2]), number(a[0]),
                        number(a[4]), number(a[5]), number(a[3]));
  }
  return text;
}

}  // namespace

std::string stac_item(const std::string& path, const std::string& driver, const Grid& grid,
                      const std::vector<ProductBand>& bands, const Metadata& metadata) {
  const auto pipeline = of(metadata, "FULMAR_PIPELINE");
  std::string text = "{\n  \"type\": \"Feature\",\n  \"stac_version\": \"1.0.0\",\n  \"stac_extensions\": [\n";
  text += "    \"https://stac-extensions.github.io/projection/v1.1.0/schema.json\",\n";
  if (!bands.empty()) text += "    \"https://stac-extensions.github.io/raster/v1.1.0/schema.json\",\n";
  text += "    \"https://stac-extensions.github.io/processing/v1.1.0/schema.json\"\n  ],\n";
  text += fmt::format("  \"id\": {},\n", quoted(stem_of(file_name(path))));
  text += place_of(grid);
  text += "  \"properties\": {\n" + time_of(path, bands, metadata) + ",\n";
  text += projection_of(grid);
  text +=
      fmt::format("    \"processing:expression\": {{\"format\": \"fulmar\", \"expression\": {}}},\n", quoted(pipeline));
  text += fmt::format("    \"processing:lineage\": {},\n", quoted("fulmar run '" + pipeline + "'"));
  text += "    \"processing:software\": {";
  std::string separator;
  for (const auto& [name, key] :
       {std::pair{"Fulmar", "FULMAR_VERSION"}, std::pair{"GDAL", "GDAL_VERSION"}, std::pair{"PROJ", "PROJ_VERSION"},
        std::pair{"TBB", "TBB_VERSION"}, std::pair{"CUDA", "CUDA_VERSION"}})
    if (const auto version = of(metadata, key); !version.empty()) {
      text += fmt::format("{}{}: {}", separator, quoted(name), quoted(version));
      separator = ", ";
    }
  text += "}";
  for (const auto& [name, key] :
       {std::pair{"fulmar:plan_sha256", "FULMAR_PLAN_SHA256"}, std::pair{"fulmar:operators", "FULMAR_OPERATORS"},
        std::pair{"fulmar:backend", "FULMAR_BACKEND"}, std::pair{"fulmar:device", "FULMAR_DEVICE"}})
    if (const auto value = of(metadata, key); !value.empty())
      text += fmt::format(",\n    {}: {}", quoted(name), quoted(value));
  text += "\n  },\n  \"links\": [],\n  \"assets\": {\n    \"data\": {\n";
  text += fmt::format("      \"href\": {},\n      \"type\": {},\n      \"roles\": [\"data\"]",
                      quoted("./" + file_name(path)), quoted(media_type(driver)));
  if (!bands.empty()) {
    text += ",\n      \"raster:bands\": [\n";
    for (std::size_t i = 0; i < bands.size(); ++i) {
      const auto& band = bands[i];
      text +=
          fmt::format("        {{\"name\": {}, \"data_type\": {}", quoted(band.name), quoted(data_type(band.dtype)));
      if (band.nodata)
        text += fmt::format(", \"nodata\": {}", std::isnan(*band.nodata) ? "\"nan\"" : number(*band.nodata));
      if (band.unit.known()) text += fmt::format(", \"unit\": {}", quoted(band.unit.symbol));
      text += i + 1 < bands.size() ? "},\n" : "}\n";
    }
    text += "      ]";
  }
  return text + "\n    }\n  }\n}\n";
}

}  // namespace fulmar
