// SPDX-License-Identifier: Apache-2.0
#include "io/feature_source.hpp"

#include <cpl_vsi.h>
#include <fmt/format.h>
#include <ogrsf_frmts.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "core/calendar.hpp"
#include "core/error.hpp"
#include "core/iso_time.hpp"
#include "io/crs.hpp"
#include "io/driver_options.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t longest_line = 1024;

struct CloseFile {
  void operator()(VSILFILE* file) const { VSIFCloseL(file); }
};
using File = std::unique_ptr<VSILFILE, CloseFile>;

/// Counts what a table takes and stops where that is too much.
class Meter {
 public:
  Meter(const std::string& path, std::int64_t most) : path_{path}, most_{most} {}
  void add(std::int64_t bytes) {
    bytes_ += bytes;
    check(0);
  }
  void check(std::int64_t beside) const {
    if (bytes_ + beside > most_)
      fail(Errc::input,
           fmt::format("'{}' needs more than the {} MiB that the memory budget leaves for a table: raise --memory, or "
                       "make it smaller first, for example with ogr2ogr -where or -spat",
                       path_, most_ >> 20));
  }

 private:
  const std::string& path_;
  std::int64_t most_, bytes_ = 0;
};

std::string first_bytes(const std::string& path) {
  const File file{VSIFOpenL(path.c_str(), "rb")};
  std::string head(512, '\0');
  head.resize(file ? VSIFReadL(head.data(), 1, head.size(), file.get()) : 0);
  return head;
}

bool looks_like_nmea(const std::string& head) {
  const auto begin = head.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return false;
  const char c = head[begin];
  if (c == '!' || c == '$') return head.size() > begin + 6 && head.find(',', begin) < begin + 8;
  return c == '\\' &&
         (head.find("\\!", begin + 1) != std::string::npos || head.find("\\$", begin) != std::string::npos);
}

FeatureTable read_lines(const std::string& path, std::int64_t most_bytes) {
  const File file{VSIFOpenL(path.c_str(), "rb")};
  if (!file) fail(Errc::input, fmt::format("cannot open '{}'", path));
  FeatureTable table;
  table.geometry = Geometry::none;
  table.columns = {{"sentence", ColumnType::text, {}, "One line of the receiver's log"}};
  Meter meter{path, most_bytes};
  std::string line;
  const auto end_line = [&] {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) return;
    meter.add(static_cast<std::int64_t>(sizeof(Feature) + sizeof(double) + sizeof(std::string) + line.size() + 32));
    table.rows.push_back({{}, {static_cast<double>(table.words.size())}});
    table.words.push_back(line);
    line.clear();
  };
  std::array<char, 1 << 16> chunk;
  while (const auto count = VSIFReadL(chunk.data(), 1, chunk.size(), file.get()))
    for (std::size_t i = 0; i < count; ++i) {
      if (chunk[i] == '\n')
        end_line();
      else if (line.size() < longest_line && chunk[i] != '\0')
        line += chunk[i];
    }
  end_line();
  return table;
}

OGRLayer& choose_layer(GDALDataset& dataset, const std::string& path, const std::string& layer_name) {
  std::string names;
  for (int i = 0; i < dataset.GetLayerCount(); ++i)
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ", dataset.GetLayer(i)->GetName());
  if (!layer_name.empty()) {
    auto* layer = dataset.GetLayerByName(layer_name.c_str());
    if (layer == nullptr)
      fail(Errc::usage,
           fmt::format("'{}' has no layer '{}'; it has {}", path, layer_name, names.empty() ? "none" : names));
    return *layer;
  }
  if (dataset.GetLayerCount() == 0) fail(Errc::input, fmt::format("'{}' has no layers", path));
  if (dataset.GetLayerCount() > 1)
    fail(Errc::usage, fmt::format("'{}' has several layers ({}); choose one with --layer", path, names));
  return *dataset.GetLayer(0);
}

/// What all values of a text column have in common.
class Guess {
 public:
  void see(std::string_view text) {
    seen_ = true;
    if (integer_ && !is_integer(text)) integer_ = false;
    if (whole_ && !is_whole(text)) whole_ = false;
    if (whole_ && !fits(text)) beyond_ = true;
    if (real_ && !number(text)) real_ = false;
    if (time_ && !parse_iso_time(text)) time_ = false;
    // 2021-01-05 and 2021/01/05; what is longer has a time of day.
    constexpr std::size_t length_of_date = 10;
    if (text.size() > length_of_date) date_ = false;
  }
  [[nodiscard]] Form form() const { return type() == ColumnType::time && date_ ? Form::date : Form::plain; }
  [[nodiscard]] ColumnType type() const {
    // Whole numbers of which a double does not hold all stay digit for digit.
    if (!seen_ || (whole_ && beyond_)) return ColumnType::text;
    return integer_ ? ColumnType::integer : real_ ? ColumnType::real : time_ ? ColumnType::time : ColumnType::text;
  }
  static std::optional<double> number(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    double x = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return x;
  }

 private:
  /// A leading nought makes a code, not a number.
  static bool is_whole(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos &&
           (text.size() == 1 || text.front() != '0');
  }
  /// True of a whole number that a double holds exactly, and all below it.
  static bool fits(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return text.size() < 16 || (text.size() == 16 && text <= "9007199254740992");
  }
  static bool is_integer(std::string_view text) { return !text.starts_with('+') && is_whole(text) && fits(text); }
  bool seen_ = false, whole_ = true, beyond_ = false, integer_ = true, real_ = true, time_ = true, date_ = true;
};

/// Turns text columns of a CSV into what they are.
void type_columns(FeatureTable& table) {
  const auto count = table.columns.size();
  std::vector<Guess> guesses(count);
  std::vector<std::uint8_t> code(count, 0);
  for (const auto& row : table.rows)
    for (std::size_t i = 0; i < count; ++i)
      if (table.columns[i].type == ColumnType::text && !std::isnan(row.values[i])) {
        const auto& word = table.word(row.values[i]);
        if (word.size() > 1 && word.front() == '0' && word.find_first_not_of("0123456789") == std::string::npos)
          code[i] = 1;
        guesses[i].see(word);
      }
  for (std::size_t i = 0; i < count; ++i) {
    if (table.columns[i].type != ColumnType::text) continue;
    const auto type = code[i] != 0 ? ColumnType::text : guesses[i].type();
    if (type == ColumnType::text) continue;
    table.columns[i].type = type;
    table.columns[i].form = guesses[i].form();
    for (auto& row : table.rows) {
      auto& value = row.values[i];
      if (std::isnan(value)) continue;
      const auto& word = table.word(value);
      const auto read = type == ColumnType::time ? parse_iso_time(word) : Guess::number(word);
      value = read && std::isfinite(*read) ? *read : none;
    }
  }
}

int find_column(const FeatureTable& table, std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const auto type = table.columns[i].type;
      if ((type == ColumnType::real || type == ColumnType::integer) && lower_case(table.columns[i].name) == name)
        return static_cast<int>(i);
    }
  return -1;
}

bool is_place(double lon, double lat) { return std::abs(lat) <= 90 && std::abs(lon) <= 360; }

/// Columns of longitude and latitude make points.
void points_of_columns(FeatureTable& table) {
  const int lon = find_column(table, {"lon", "longitude", "long", "lng"}),
            lat = find_column(table, {"lat", "latitude"});
  if (lon < 0 || lat < 0) return;
  table.geometry = Geometry::point;
  for (auto& row : table.rows) {
    const double x = row.values[static_cast<std::size_t>(lon)], y = row.values[static_cast<std::size_t>(lat)];
    if (is_place(x, y)) row.place = {x, y};
  }
}

double time_of(const OGRFeature& feature, int field) {
  int year, month, day, hour, minute, zone;
  float second;
  if (feature.GetFieldAsDateTime(field, &year, &month, &day, &hour, &minute, &second, &zone) == 0) return none;
  // 100 is UTC, and a quarter of an hour is one; 0 and 1 say nothing, which is taken for UTC.
  const double offset = zone > 1 ? (zone - 100) * 900.0 : 0.0;
  const double thousandths = std::round(static_cast<double>(second) * 1000) / 1000;
  return static_cast<double>(days_from_civil({year, month, day}) * 86400 + hour * 3600 + minute * 60) + thousandths -
         offset;
}

ColumnType type_of(const OGRFieldDefn& field) {
  switch (field.GetType()) {
    case OFTInteger:
      return field.GetSubType() == OFSTBoolean ? ColumnType::flag : ColumnType::integer;
    case OFTInteger64:
      return ColumnType::integer;
    case OFTReal:
      return ColumnType::real;
    case OFTDate:
    case OFTDateTime:
      return ColumnType::time;
    default:
      return ColumnType::text;
  }
}

Form form_of(const OGRFieldDefn& field) {
  return field.GetType() == OFTDate ? Form::date : field.GetType() == OFTTime ? Form::clock : Form::plain;
}

/// Reads geometries into a table that holds one kind of them.
class Shaper {
 public:
  Shaper(const std::string& path, FeatureTable& table, const OGRSpatialReference* stated)
      : path_{path}, table_{table}, wgs84_{spatial_reference("EPSG:4326")} {
    if (stated != nullptr && !stated->IsEmpty()) {
      crs_ = *stated;
      crs_->SetAxisMappingStrategy(OAMS_TRADITIONAL_GIS_ORDER);
      table_.crs = wkt2(&*crs_);
      geographic_ = crs_->IsGeographic();
      if (wgs84_ && !crs_->IsSame(&*wgs84_)) to_wgs84_ = transformation(*crs_, *wgs84_);
    }
  }

  std::int64_t add(const OGRGeometry& any, Feature& row) {
    const std::unique_ptr<OGRGeometry> linear{any.hasCurveGeometry() ? any.getLinearGeometry() : nullptr};
    return take(linear ? *linear : any, row);
  }

 private:
  void must_be(Geometry geometry) {
    if (table_.geometry == Geometry::none) table_.geometry = geometry;
    if (table_.geometry != geometry)
      fail(Errc::input, fmt::format("'{}' mixes points, lines and polygons; keep one of them, for example with ogr2ogr "
                                    "-where \"OGR_GEOMETRY='POLYGON'\"",
                                    path_));
  }

  std::int64_t take(const OGRGeometry& geometry, Feature& row) {
    if (geometry.IsEmpty()) return 0;
    switch (wkbFlatten(geometry.getGeometryType())) {
      case wkbPoint: {
        must_be(Geometry::point);
        row.place = place({geometry.toPoint()->getX(), geometry.toPoint()->getY()});
        return 0;
      }
      case wkbMultiPoint:
      case wkbGeometryCollection:
        if (geometry.toGeometryCollection()->getNumGeometries() != 1)
          fail(Errc::input, fmt::format("'{}' holds {}; take it apart first, with ogr2ogr -explodecollections", path_,
                                        geometry.getGeometryName()));
        return take(*geometry.toGeometryCollection()->getGeometryRef(0), row);
      case wkbLineString:
        must_be(Geometry::line);
        row.shape.push_back({path_of(*geometry.toLineString(), false)});
        break;
      case wkbMultiLineString:
        must_be(Geometry::line);
        for (const auto* line : *geometry.toMultiLineString()) row.shape.push_back({path_of(*line, false)});
        break;
      case wkbPolygon:
        must_be(Geometry::polygon);
        add_polygon(*geometry.toPolygon(), row);
        break;
      case wkbMultiPolygon:
        must_be(Geometry::polygon);
        for (const auto* polygon : *geometry.toMultiPolygon()) add_polygon(*polygon, row);
        break;
      default:
        fail(Errc::input,
             fmt::format("'{}' holds a {}, which is no point, line or polygon", path_, geometry.getGeometryName()));
    }
    OGRPoint middle;
    if (geometry.Centroid(&middle) == OGRERR_NONE && !middle.IsEmpty())
      row.place = place({middle.getX(), middle.getY()});
    std::int64_t bytes = 0;
    for (const auto& part : row.shape)
      for (const auto& path : part) bytes += static_cast<std::int64_t>(48 + path.capacity() * sizeof(Coordinate));
    return bytes;
  }

  void add_polygon(const OGRPolygon& polygon, Feature& row) {
    std::vector<Path> rings;
    for (const auto* ring : polygon) rings.push_back(path_of(*ring, true));
    if (!rings.empty()) row.shape.push_back(std::move(rings));
  }

  static Path path_of(const OGRSimpleCurve& curve, bool closed) {
    Path path;
    path.reserve(static_cast<std::size_t>(curve.getNumPoints()));
    for (int i = 0; i < curve.getNumPoints(); ++i) path.push_back({curve.getX(i), curve.getY(i)});
    if (closed && path.size() > 1 && path.front() == path.back()) path.pop_back();
    return path;
  }

  [[nodiscard]] LonLat place(Point p) const {
    if (!crs_ && !is_place(p.x, p.y)) return {none, none};
    if (to_wgs84_) {
      const auto there = transform(*to_wgs84_, p);
      if (!there) return {none, none};
      p = *there;
    } else if (crs_ && !geographic_) {
      return {none, none};
    }
    return is_place(p.x, p.y) ? LonLat{p.x, p.y} : LonLat{none, none};
  }

  const std::string& path_;
  FeatureTable& table_;
  std::optional<OGRSpatialReference> wgs84_, crs_;
  Transformation to_wgs84_;
  bool geographic_ = false;
};

}  // namespace

bool is_feature_file(const std::string& path, const FileOptions& options) {
  const ErrorTrap quiet;
  const auto extension = extension_of(path);
  // A VRT may be of either kind, and tells which where it begins.
  if (extension == "vrt") return first_bytes(path).find("<OGRVRTDataSource") != std::string::npos;
  for (const char* raster : {"tif",  "tiff", "nc",  "img", "jp2",  "h5",  "hdf", "hdf5", "grib", "grb", "grib2",
                             "grb2", "zarr", "png", "jpg", "jpeg", "asc", "hgt", "dem",  "bil",  "safe"})
    if (extension == raster) return false;
  for (const char* known :
       {"csv", "nmea", "geojson", "geojsonl", "geojsons", "ndjson", "fgb", "shp", "parquet", "gpx", "kml", "gml"})
    if (extension == known) return true;
  if (const auto raster = open_dataset(path, GDAL_OF_RASTER, options.open_options))
    // A GeoPackage of features alone opens as a raster of no bands.
    if (raster->GetRasterCount() > 0 || CSLCount(raster->GetMetadata("SUBDATASETS")) > 0) return false;
  if (looks_like_nmea(first_bytes(path))) return true;
  const auto vector = open_dataset(path, GDAL_OF_VECTOR, options.open_options);
  return vector && vector->GetLayerCount() > 0;
}

FeatureTable read_features(const std::string& path, const FileOptions& options, std::int64_t most_bytes) {
  const ErrorTrap trap;
  if (const auto trouble = file_trouble(path); !trouble.empty())
    fail(Errc::input, fmt::format("cannot open '{}': {}{}", path, trouble, trap.aside()));
  if (looks_like_nmea(first_bytes(path))) return read_lines(path, most_bytes);
  auto open_options = options.open_options;
  const bool csv = extension_of(path) == "csv";
  if (csv) {
    // Typed here, by all of its values; GDAL looks at the first megabyte.
    open_options.insert(open_options.begin(), "EMPTY_STRING_AS_NULL=YES");
    open_options.insert(open_options.begin(), "AUTODETECT_TYPE=NO");
  }
  const auto dataset = open_dataset(path, GDAL_OF_VECTOR, open_options);
  if (!dataset && csv)
    fail(Errc::input, fmt::format("'{}' is no table that GDAL can read: a CSV begins with the names of at least two "
                                  "columns{}",
                                  path, trap.aside()));
  if (!dataset)
    fail(Errc::input, fmt::format("'{}' is no table or vector file that GDAL can read{}", path, trap.aside()));
  check_open_options(path, *dataset, options.open_options);
  auto& layer = choose_layer(*dataset, path, options.layer);
  auto& definition = *layer.GetLayerDefn();

  FeatureTable table;
  table.geometry = Geometry::none;
  std::vector<int> fields;
  for (int i = 0; i < definition.GetFieldCount(); ++i) {
    const auto& field = *definition.GetFieldDefn(i);
    // The column that a CSV's geometry came from is the geometry.
    if (csv && definition.GetGeomFieldCount() > 0 && lower_case(field.GetNameRef()) == "wkt") continue;
    fields.push_back(i);
    table.columns.push_back({field.GetNameRef(), type_of(field), {}, {}, form_of(field)});
  }
  Shaper shaper{path, table, layer.GetSpatialRef()};
  Meter meter{path, most_bytes};
  WordList words{table.words};
  // The declared geometry holds also where there are no rows.
  switch (wkbFlatten(layer.GetGeomType())) {
    case wkbPoint:
      table.geometry = Geometry::point;
      break;
    case wkbLineString:
    case wkbMultiLineString:
      table.geometry = Geometry::line;
      break;
    case wkbPolygon:
    case wkbMultiPolygon:
      table.geometry = Geometry::polygon;
      break;
    default:
      break;
  }
  for (const auto& feature : layer) {
    Feature row;
    row.values.reserve(fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const int field = fields[i];
      double value = none;
      if (feature->IsFieldSetAndNotNull(field)) switch (table.columns[i].type) {
          case ColumnType::text:
            value = words(feature->GetFieldAsString(field));
            break;
          case ColumnType::time:
            value = time_of(*feature, field);
            break;
          case ColumnType::flag:
            value = feature->GetFieldAsInteger(field) != 0 ? 1 : 0;
            break;
          case ColumnType::integer: {
            const GIntBig whole = feature->GetFieldAsInteger64(field);
            value = static_cast<double>(whole);
            // Beyond what a double holds exactly the column becomes text, digit for digit.
            constexpr GIntBig most = GIntBig{1} << 53;
            if (whole > most || whole < -most) {
              for (Feature& before : table.rows)
                if (!std::isnan(before.values[i]))
                  before.values[i] = words(fmt::format("{}", static_cast<std::int64_t>(before.values[i])).c_str());
              table.columns[i].type = ColumnType::text;
              value = words(feature->GetFieldAsString(field));
            }
            break;
          }
          case ColumnType::real:
            value = feature->GetFieldAsDouble(field);
            if (!std::isfinite(value)) value = none;
            break;
        }
      row.values.push_back(value);
    }
    std::int64_t bytes = static_cast<std::int64_t>(sizeof(Feature) + 16 + row.values.size() * sizeof(double));
    if (const auto* geometry = feature->GetGeometryRef()) bytes += shaper.add(*geometry, row);
    table.rows.push_back(std::move(row));
    meter.add(bytes);
    meter.check(words.bytes());
  }
  if (trap.failed()) fail(Errc::input, fmt::format("cannot read '{}' to its end{}", path, trap.aside()));
  if (csv) type_columns(table);
  if (table.geometry == Geometry::none) points_of_columns(table);
  return table;
}

}  // namespace fulmar
