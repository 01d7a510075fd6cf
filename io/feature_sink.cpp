// SPDX-License-Identifier: Apache-2.0
#include "io/feature_sink.hpp"

#include <cpl_vsi.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ogrsf_frmts.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <utility>

#include "core/error.hpp"
#include "core/iso_time.hpp"
#include "io/crs.hpp"
#include "io/drivers.hpp"
#include "io/product_file.hpp"
#include "io/stac.hpp"

namespace fulmar {
namespace {

/// Turns corners of cells, and the table's coordinates, into coordinates of the product.
class Placer {
 public:
  Placer(const FeatureTable& table, bool wants_longitudes) : within_turn_{wants_longitudes} {
    const auto wgs84 = spatial_reference("EPSG:4326");
    if (table.geometry == Geometry::point) crs_ = wgs84;
    if (table.geometry == Geometry::line || table.geometry == Geometry::polygon) {
      crs_ = spatial_reference(table.crs);
      if (wants_longitudes && crs_ && wgs84 && !crs_->IsSame(&*wgs84)) turn_to(*wgs84, "the table's");
    }
    if (table.geometry != Geometry::cells) return;
    const Grid& grid = table.grid;
    affine_ = grid.affine;
    if (!affine_ && !grid.control_points.empty()) locator_ = grid.locator ? grid.locator : make_locator(grid);
    if (locator_) {
      crs_ = wgs84;
    } else if (affine_) {
      crs_ = spatial_reference(grid.crs);
      if (wants_longitudes && crs_ && wgs84 && !crs_->IsSame(&*wgs84)) turn_to(*wgs84, "the scene's");
    }
  }

  [[nodiscard]] const std::optional<OGRSpatialReference>& crs() const { return crs_; }
  /// True if longitudes are to end at 180 degrees. What crosses it the driver cuts there.
  [[nodiscard]] bool within_turn() const { return within_turn_; }

  /// True if places are reckoned from a transform that runs on past any longitude: none must be turned to the one
  /// before it, and an edge may be longer than half the earth.
  [[nodiscard]] bool runs_on(const Corner&) const { return affine_ && !transformation_ && !locator_; }
  [[nodiscard]] bool runs_on(const Coordinate&) const { return false; }

  [[nodiscard]] std::optional<Point> operator()(const Corner& corner) const {
    const auto column = static_cast<double>(corner.column), row = static_cast<double>(corner.row);
    if (locator_) {
      const auto place = locator_->lonlat(column, row);
      if (!place) return std::nullopt;
      return Point{place->lon, place->lat};
    }
    if (!affine_) return Point{column, -row};
    const auto point = fulmar::apply(*affine_, column, row);
    return transformation_ ? transform(*transformation_, point) : point;
  }

  [[nodiscard]] std::optional<Point> operator()(const Coordinate& c) const {
    return transformation_ ? transform(*transformation_, {c.x, c.y}) : Point{c.x, c.y};
  }

 private:
  void turn_to(const OGRSpatialReference& wgs84, const char* whose) {
    transformation_ = transformation(*crs_, wgs84);
    if (!transformation_)
      fail(Errc::output, fmt::format("PROJ knows no way from {} coordinate system to WGS84", whose));
    crs_ = wgs84;
  }

  bool within_turn_;
  std::optional<Affine> affine_;
  std::shared_ptr<const Locator> locator_;
  Transformation transformation_;
  std::optional<OGRSpatialReference> crs_;
};

/// Takes a line or ring to the product's coordinates; false where the projection has no answer for one of its points.
template <class Points>
bool place_points(OGRSimpleCurve& curve, const Points& points, const Placer& place) {
  curve.setNumPoints(static_cast<int>(points.size()));
  double longitude = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    auto point = place(points[i]);
    if (!point) return false;
    // Found one by one, longitudes must not jump within a ring.
    if (place.crs() && place.crs()->IsGeographic() && i > 0 && !place.runs_on(points[i]))
      point->x = nearest_longitude(point->x, longitude);
    longitude = point->x;
    curve.setPoint(static_cast<int>(i), point->x, point->y);
  }
  return true;
}

/// A closed ring in the product's coordinates, or null where the projection has no answer for one of its corners.
template <class Points>
std::unique_ptr<OGRLinearRing> make_ring(const Points& corners, const Placer& place, bool shell) {
  auto ring = std::make_unique<OGRLinearRing>();
  if (!place_points(*ring, corners, place)) return nullptr;
  ring->closeRings();
  // Anticlockwise shells, as simple features have them, however the raster's axes run.
  if (static_cast<bool>(ring->isClockwise()) == shell) ring->reverseWindingOrder();
  return ring;
}

/// Brings a polygon that lies beyond 180 degrees of longitude to where it is counted from -180.
void turn_back(OGRPolygon& polygon) {
  OGREnvelope envelope;
  polygon.getEnvelope(&envelope);
  if (envelope.MinX < 180) return;
  for (auto* ring : polygon)
    for (auto& point : *ring) point.setX(point.getX() - 360);
}

template <class Polygons>
std::unique_ptr<OGRGeometry> make_polygons(const Polygons& polygons, const Placer& place) {
  auto all = std::make_unique<OGRMultiPolygon>();
  for (const auto& rings : polygons) {
    auto polygon = std::make_unique<OGRPolygon>();
    for (std::size_t i = 0; i < rings.size(); ++i) {
      auto ring = make_ring(rings[i], place, i == 0);
      if (ring)
        polygon->addRingDirectly(ring.release());
      else if (i == 0)
        break;
    }
    if (polygon->IsEmpty()) continue;
    if (place.within_turn() && place.crs() && place.crs()->IsGeographic()) turn_back(*polygon);
    all->addGeometryDirectly(polygon.release());
  }
  return all->IsEmpty() ? nullptr : std::move(all);
}

std::unique_ptr<OGRGeometry> make_lines(const Shape& shape, const Placer& place) {
  auto all = std::make_unique<OGRMultiLineString>();
  for (const auto& part : shape)
    for (const auto& path : part) {
      auto line = std::make_unique<OGRLineString>();
      if (place_points(*line, path, place) && !line->IsEmpty()) all->addGeometryDirectly(line.release());
    }
  return all->IsEmpty() ? nullptr : std::move(all);
}

/// The row's geometry, or null where it has none.
std::unique_ptr<OGRGeometry> make_geometry(const Feature& row, Geometry geometry, const Placer& place) {
  switch (geometry) {
    case Geometry::cells:
      return make_polygons(row.polygons, place);
    case Geometry::polygon:
      return make_polygons(row.shape, place);
    case Geometry::line:
      return make_lines(row.shape, place);
    case Geometry::point:
      if (std::isnan(row.place.lon) || std::isnan(row.place.lat)) return nullptr;
      return std::make_unique<OGRPoint>(row.place.lon, row.place.lat);
    case Geometry::none:
      break;
  }
  return nullptr;
}

OGRwkbGeometryType layer_type(Geometry geometry) {
  switch (geometry) {
    case Geometry::point:
      return wkbPoint;
    case Geometry::line:
      return wkbMultiLineString;
    case Geometry::none:
      return wkbNone;
    default:
      return wkbMultiPolygon;
  }
}

/// True if a driver has fields of that type.
bool has_fields(GDALDriver& driver, OGRFieldType type) {
  const CPLStringList types{CSLTokenizeString2(driver.GetMetadataItem(GDAL_DMD_CREATIONFIELDDATATYPES), " ", 0)};
  return types.FindString(OGRFieldDefn::GetFieldTypeName(type)) >= 0;
}

OGRFieldType field_type(const Column& column, GDALDriver& driver) {
  if (column.form == Form::date && has_fields(driver, OFTDate)) return OFTDate;
  if (column.form == Form::clock && has_fields(driver, OFTTime)) return OFTTime;
  switch (column.type) {
    case ColumnType::real:
      return OFTReal;
    case ColumnType::integer:
      return OFTInteger64;
    case ColumnType::flag:
      return OFTInteger;
    case ColumnType::text:
      return OFTString;
    case ColumnType::time:
      return OFTDateTime;
  }
  return OFTReal;
}

std::string in_quotes(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "''" : std::string(1, c);
  return result + "'";
}

std::string title_of(const Column& column) {
  return column.unit.known() ? fmt::format("{} [{}]", column.name, column.unit.symbol) : column.name;
}

/// Metadata in the form of GDAL's companion files.
std::string description_of(const Metadata& metadata) {
  const auto in_xml = [](const std::string& text) {
    char* const escaped = CPLEscapeString(text.data(), static_cast<int>(text.size()), CPLES_XML_BUT_QUOTES);
    std::string result{escaped};
    CPLFree(escaped);
    return result;
  };
  std::string text = "<PAMDataset>\n  <Metadata>\n";
  for (const auto& [key, value] : metadata)
    text += fmt::format("    <MDI key=\"{}\">{}</MDI>\n", in_xml(key), in_xml(value));
  return text + "  </Metadata>\n</PAMDataset>\n";
}

/// GeoPackage writes the time of day into itself. While this lives it writes the epoch, or the time that the
/// environment's SOURCE_DATE_EPOCH names, so that the same features make the same file.
class SteadyDate {
 public:
  SteadyDate() {
    const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
    const std::time_t seconds = epoch == nullptr ? 0 : static_cast<std::time_t>(std::strtoll(epoch, nullptr, 10));
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &utc);
    if (CPLGetConfigOption(name, nullptr) == nullptr)
      CPLSetThreadLocalConfigOption(name, text);
    else
      mine_ = false;
  }
  ~SteadyDate() {
    if (mine_) CPLSetThreadLocalConfigOption(name, nullptr);
  }
  SteadyDate(const SteadyDate&) = delete;
  SteadyDate& operator=(const SteadyDate&) = delete;

 private:
  static constexpr const char* name = "OGR_CURRENT_DATE";
  bool mine_ = true;
};

/// While it lives, the first row of a spreadsheet is that of names, which GDAL guesses otherwise.
class NamesAboveColumns {
 public:
  NamesAboveColumns() { set("FORCE"); }
  ~NamesAboveColumns() { set(nullptr); }
  NamesAboveColumns(const NamesAboveColumns&) = delete;
  NamesAboveColumns& operator=(const NamesAboveColumns&) = delete;

 private:
  static void set(const char* value) {
    for (const char* name : {"OGR_XLSX_HEADERS", "OGR_ODS_HEADERS"}) CPLSetThreadLocalConfigOption(name, value);
  }
};

/// Rows of a CSV beneath the names that GDAL wrote, the same characters as its driver's, in a tenth of its time: it
/// goes through several copies of each row and printf. What does not reach the file is noticed at once.
class CsvRows {
 public:
  explicit CsvRows(const ProductFile& product) : product_{product} {
    const ErrorTrap trap;
    file_ = VSIFOpenL(product.temporary().c_str(), "ab");
    if (file_ == nullptr) product_.fail_writing(trap);
  }
  ~CsvRows() {
    if (file_ != nullptr) VSIFCloseL(file_);
  }
  CsvRows(const CsvRows&) = delete;
  CsvRows& operator=(const CsvRows&) = delete;

  void add(const std::vector<Column>& columns, const std::vector<double>& values, const FeatureTable& table) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      begin_value();
      const double value = values[i];
      if (std::isnan(value)) continue;
      switch (columns[i].type) {
        case ColumnType::real:
          put_real(value);
          break;
        case ColumnType::integer:
          put(std::llround(value));
          break;
        case ColumnType::flag:
          text_ += value != 0 ? '1' : '0';
          break;
        case ColumnType::text:
          put_text(table.word(value));
          break;
        case ColumnType::time:
          put_text(time_text(columns[i], value));
          break;
      }
    }
  }
  /// Two more values; none where they are missing.
  void add(const LonLat& place) {
    const bool known = !std::isnan(place.lon) && !std::isnan(place.lat);
    for (const double value : {place.lon, place.lat}) {
      begin_value();
      if (known) put_real(value);
    }
  }
  void end_row() {
    // A lone value that is empty would make an empty line, which is no row.
    if (count_ == 1 && text_.size() == start_) text_ += ',';
    text_ += '\n';
    count_ = 0;
    if (text_.size() >= std::size_t{1} << 16) flush();
    start_ = text_.size();
  }
  /// Closes the file and fails if anything could not be written.
  void close() {
    flush();
    if (VSIFCloseL(std::exchange(file_, nullptr)) != 0) product_.fail_cut_short();
  }

 private:
  void begin_value() {
    if (count_++ > 0) text_ += ',';
  }
  template <class... Form>
  void put(Form... form) {
    char digits[32];
    text_.append(digits, std::to_chars(digits, digits + sizeof digits, form...).ptr);
  }
  void put_real(double value) { put(value, std::chars_format::general, 15); }
  void put_text(const std::string& text) {
    if (text.find_first_of("\",;\t\n\r") == std::string::npos) {
      text_ += text;
      return;
    }
    text_ += '"';
    for (const char c : text) text_.append(c == '"' ? 2 : 1, c);
    text_ += '"';
  }
  void flush() {
    if (VSIFWriteL(text_.data(), 1, text_.size(), file_) != text_.size()) product_.fail_cut_short();
    text_.clear();
  }

  const ProductFile& product_;
  VSILFILE* file_ = nullptr;
  std::string text_;
  std::size_t start_ = 0;  ///< of the row, in the text
  int count_ = 0;          ///< of the row's values so far
};

class GdalFeatureSink : public FeatureSink {
 public:
  GdalFeatureSink(const std::string& path, const FileOptions& options, const FeatureTable& like,
                  const Metadata& metadata)
      : columns_{like.columns},
        geometry_{like.geometry},
        driver_{driver_for(path, options).driver},
        cancel_{options.cancel},
        file_{path, options.overwrite, options.cancel},
        place_{like, wants_wgs84(*driver_)} {
    if (options.stac && like.grid.window().empty())
      fail(Errc::usage,
           fmt::format("a STAC Item tells where a scene lies, and '{}' is of none: leave --stac out", path));
    if (options.stac) item_ = stac_item(path, name_of(*driver_), like.grid, {}, metadata);
    // What the others have no place for stands beside them, as GDAL has it for rasters; its switch serves here, too.
    if (name_of(*driver_) != "GPKG" && !metadata.empty() && CPLTestBool(CPLGetConfigOption("GDAL_PAM_ENABLED", "YES")))
      description_ = description_of(metadata);
    create(options, metadata);
    if (name_of(*driver_) != "CSV" || has_geometry_ || !options.creation_options.empty() ||
        !options.layer_options.empty() || is_virtual(path))
      return;
    layer_ = nullptr;
    file_.close(std::move(dataset_));
    csv_ = std::make_unique<CsvRows>(file_);
  }

  ~GdalFeatureSink() override {
    // Closed before its files are removed.
    dataset_.reset();
  }

  void write(const FeatureTable& table) override {
    if (!dataset_ && !csv_) fail(Errc::runtime, fmt::format("'{}' was finished before", file_.path()));
    if (table.geometry != geometry_)
      fail(Errc::runtime, fmt::format("'{}' was made for rows of another geometry", file_.path()));
    constexpr GIntBig most_rows = 1'048'575;  // beneath the names of the columns
    if (is_spreadsheet(*driver_) && written_ + static_cast<GIntBig>(table.rows.size()) > most_rows)
      fail(Errc::output, fmt::format("cannot write '{}': a spreadsheet holds {} rows, and these are {}; write .csv or "
                                     ".gpkg",
                                     file_.path(), most_rows, written_ + static_cast<GIntBig>(table.rows.size())));
    if (csv_) return write_csv(table);
    const ErrorTrap trap;
    for (const auto& row : table.rows) {
      check_count(row.values);
      OGRFeature feature{layer_->GetLayerDefn()};
      set_values(feature, row.values, table);
      if (own_place_) {
        const int at = static_cast<int>(columns_.size());
        if (!std::isnan(row.place.lon) && !std::isnan(row.place.lat)) {
          feature.SetField(at, row.place.lon);
          feature.SetField(at + 1, row.place.lat);
        }
      }
      if (has_geometry_) {
        if (auto geometry = make_geometry(row, geometry_, place_))
          feature.SetGeometryDirectly(geometry.release());
        else if (name_of(*driver_) == "FlatGeobuf")
          fail(Errc::output,
               fmt::format("cannot write '{}': FlatGeobuf drops rows without a geometry, and there are some; write "
                           ".gpkg, or leave them out with `filter`",
                           file_.path()));
      }
      if (layer_->CreateFeature(&feature) != OGRERR_NONE || trap.failed()) file_.fail_writing(trap);
      ++written_;
    }
  }

  void finish() override {
    if (finished_) return;
    if (!dataset_ && !csv_) fail(Errc::runtime, fmt::format("'{}' could not be finished before", file_.path()));
    stop_if_cancelled(cancel_);
    if (csv_) {
      // Gone whatever becomes of it: it cannot be finished twice.
      const auto rows = std::move(csv_);
      rows->close();
    } else {
      finish_dataset();
    }
    if (!item_.empty()) file_.write_beside(stac_ending, item_);
    if (!description_.empty()) file_.write_companion(description_);
    file_.finish();
    finished_ = true;
  }
  void commit() override {
    finish();
    file_.commit();
  }

  [[nodiscard]] std::vector<std::string> notes() const override {
    std::vector<std::string> notes;
    if (!renamed_.empty())
      notes.push_back(
          fmt::format("{}: columns have other names in this format: {}", file_.path(), fmt::join(renamed_, ", ")));
    if (shapeless_)
      notes.push_back(fmt::format("{}: a spreadsheet holds no shapes; write .gpkg for them", file_.path()));
    return notes;
  }

 private:
  void write_csv(const FeatureTable& table) {
    for (const auto& row : table.rows) {
      check_count(row.values);
      csv_->add(columns_, row.values, table);
      if (own_place_) csv_->add(row.place);
      csv_->end_row();
      ++written_;
    }
  }

  void check_count(const std::vector<double>& values) const {
    if (values.size() != columns_.size())
      fail(Errc::runtime, fmt::format("a feature for '{}' has {} values for {} columns", file_.path(), values.size(),
                                      columns_.size()));
  }

  void finish_dataset() {
    const SteadyDate date;
    {
      const ErrorTrap trap;
      if (in_transaction_ && dataset_->CommitTransaction() != OGRERR_NONE) file_.fail_writing(trap);
      if (name_of(*driver_) == "GPKG") describe_columns();
      if (trap.failed()) file_.fail_writing(trap);
    }
    layer_ = nullptr;
    file_.close(std::move(dataset_));
    stop_if_cancelled(cancel_);
    verify();
  }

  void create(const FileOptions& options, const Metadata& metadata) {
    const ErrorTrap trap;
    const SteadyDate date;
    const auto name = name_of(*driver_);
    const auto creation = string_list(options.creation_options);
    dataset_.reset(driver_->Create(file_.temporary().c_str(), 0, 0, 0, GDT_Unknown, creation.List()));
    if (!dataset_) file_.fail_writing(trap);
    // Before the layer: what it creates is then part of it.
    if (dataset_->TestCapability(ODsCTransactions)) in_transaction_ = dataset_->StartTransaction() == OGRERR_NONE;

    auto list = string_list(options.layer_options);
    if (name == "GeoJSON") add_option(list, "RFC7946", place_.crs() ? "YES" : "NO");
    // Numbers stay numbers.
    if (name == "CSV") {
      add_option(list, "STRING_QUOTING", "IF_NEEDED");
      if (geometry_ == Geometry::line || geometry_ == Geometry::polygon) add_option(list, "GEOMETRY", "AS_WKT");
      // A word of our own for what is GDAL's default.
      if (EQUAL(list.FetchNameValueDef("GEOMETRY", ""), "NONE")) list.SetNameValue("GEOMETRY", nullptr);
      own_place_ = geometry_ == Geometry::point && list.FetchNameValue("GEOMETRY") == nullptr && !has_place_columns();
    }
    const bool sheet = is_spreadsheet(*driver_);
    if (sheet) own_place_ = geometry_ == Geometry::point && !has_place_columns();
    shapeless_ = sheet && geometry_ != Geometry::none && geometry_ != Geometry::point;
    has_geometry_ =
        geometry_ != Geometry::none && !sheet && (name != "CSV" || list.FetchNameValue("GEOMETRY") != nullptr);
    if ((name == "FlatGeobuf" || name == "ESRI Shapefile") && !has_geometry_)
      fail(Errc::output, fmt::format("cannot write '{}': {} holds no table without geometry; write .gpkg or .csv",
                                     file_.path(), name));
    // GeoPackage keeps a number and the shape in columns of its own, which must not be called as ours.
    if (name == "GPKG") {
      add_option(list, "FID", free_name("fid") == "fid" ? "fid" : free_name("row"));
      add_option(list, "GEOMETRY_NAME", free_name("geom") == "geom" ? "geom" : free_name("shape"));
    }
    const auto layer_name = options.layer.empty() ? stem_of(file_.path()) : options.layer;
    auto crs = place_.crs();
    layer_ = dataset_->CreateLayer(layer_name.c_str(), crs ? &*crs : nullptr,
                                   has_geometry_ ? layer_type(geometry_) : wkbNone, list.List());
    if (layer_ == nullptr || trap.failed()) file_.fail_writing(trap);
    for (const auto& column : columns_) create_field(column);
    if (own_place_)
      for (const char* own : {"lon", "lat"})
        create_field({own, ColumnType::real, Unit{std::string{units::degree}}, ""});
    for (const auto& [key, value] : metadata) layer_->SetMetadataItem(key.c_str(), value.c_str());
    if (trap.failed()) file_.fail_writing(trap);
  }

  /// A name that no column has.
  [[nodiscard]] std::string free_name(const std::string& wanted) const {
    std::string name = wanted;
    const auto taken = [&] {
      return (layer_ != nullptr && layer_->GetLayerDefn()->GetFieldIndex(name.c_str()) >= 0) ||
             std::any_of(columns_.begin(), columns_.end(),
                         [&](const Column& c) { return lower_case(c.name) == lower_case(name); });
    };
    for (int k = 2; taken(); ++k) name = fmt::format("{}_{}", wanted, k);
    return name;
  }

  /// The name of a column's field: its own, unless one before differs from it in the case of letters alone.
  [[nodiscard]] std::string field_name(const Column& column) const {
    const auto* layer = layer_->GetLayerDefn();
    return layer->GetFieldIndex(column.name.c_str()) < 0 ? column.name : free_name(column.name);
  }

  void create_field(const Column& column) {
    const ErrorTrap trap;
    // GDAL writes the times of a CSV in a form of its own, with strokes.
    const bool worded = column.type == ColumnType::time && name_of(*driver_) == "CSV";
    OGRFieldDefn field{field_name(column).c_str(), worded ? OFTString : field_type(column, *driver_)};
    if (column.type == ColumnType::flag) field.SetSubType(OFSTBoolean);
    if (column.unit.known()) field.SetAlternativeName(title_of(column).c_str());
    // Names that a format cuts short are a warning, and still columns.
    const int before = layer_->GetLayerDefn()->GetFieldCount();
    if (layer_->CreateField(&field) != OGRERR_NONE || layer_->GetLayerDefn()->GetFieldCount() != before + 1)
      file_.fail_writing(trap);
    if (const std::string made = layer_->GetLayerDefn()->GetFieldDefn(before)->GetNameRef(); made != column.name)
      renamed_.push_back(fmt::format("{} -> {}", column.name, made));
  }

  /// True if the table has columns of longitude and latitude that a reader will find again.
  [[nodiscard]] bool has_place_columns() const {
    const auto has = [&](const char* name) {
      return std::any_of(columns_.begin(), columns_.end(), [&](const Column& c) {
        return lower_case(c.name) == name && (c.type == ColumnType::real || c.type == ColumnType::integer);
      });
    };
    return has("lon") && has("lat");
  }

  void set_values(OGRFeature& feature, const std::vector<double>& values, const FeatureTable& table) const {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int field = static_cast<int>(i);
      const double value = values[i];
      if (std::isnan(value))
        feature.SetFieldNull(field);
      else if (columns_[i].type == ColumnType::real)
        feature.SetField(field, value);
      else if (columns_[i].type == ColumnType::integer)
        feature.SetField(field, static_cast<GIntBig>(std::llround(value)));
      else if (columns_[i].type == ColumnType::text)
        feature.SetField(field, table.word(value).c_str());
      else if (columns_[i].type == ColumnType::time && feature.GetFieldDefnRef(field)->GetType() == OFTString)
        feature.SetField(field, time_text(columns_[i], value).c_str());
      else if (columns_[i].type == ColumnType::time)
        set_time(feature, field, value);
      else
        feature.SetField(field, value != 0 ? 1 : 0);
    }
  }

  static void set_time(OGRFeature& feature, int field, double seconds) {
    if (!(std::abs(seconds) < 2.5e11)) return feature.SetFieldNull(field);
    const CivilTime t = civil_time(seconds);
    constexpr int utc = 100;
    feature.SetField(field, static_cast<int>(t.year), t.month, t.day, t.hour, t.minute, static_cast<float>(t.second),
                     utc);
  }

  /// GeoPackage describes columns in a table of its schema extension, which GDAL reads but 3.6 does not write.
  void describe_columns() {
    const auto run = [&](const std::string& statement) {
      if (auto* result = dataset_->ExecuteSQL(statement.c_str(), nullptr, nullptr)) dataset_->ReleaseResultSet(result);
    };
    // The layer's own tables are made when they are first needed.
    layer_->SyncToDisk();
    run("CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, "
        "definition TEXT NOT NULL, scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, "
        "extension_name))");
    run("CREATE TABLE IF NOT EXISTS gpkg_data_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, "
        "title TEXT, description TEXT, mime_type TEXT, constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY "
        "(table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name))");
    run("INSERT OR IGNORE INTO gpkg_extensions VALUES ('gpkg_data_columns', NULL, 'gpkg_schema', "
        "'http://www.geopackage.org/spec121/#extension_schema', 'read-write')");
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto& column = columns_[i];
      run(
          fmt::format("INSERT OR REPLACE INTO gpkg_data_columns (table_name, column_name, name, title, description) "
                      "VALUES ({}, {}, {}, {}, {})",
                      in_quotes(layer_->GetName()),
                      in_quotes(layer_->GetLayerDefn()->GetFieldDefn(static_cast<int>(i))->GetNameRef()),
                      in_quotes(title_of(column)), in_quotes(title_of(column)), in_quotes(column.description)));
    }
  }

  /// Drivers of text formats ignore a disk that is full, so what they wrote is counted.
  void verify() const {
    const ErrorTrap trap;
    const NamesAboveColumns names;
    const auto dataset = open_dataset(file_.temporary(), GDAL_OF_VECTOR, {});
    const bool may_be_empty = written_ == 0 && name_of(*driver_) == "GeoJSONSeq";
    if (!dataset && may_be_empty) return;
    // GDAL writes no sheet where there are no rows.
    const bool no_sheet = written_ == 0 && is_spreadsheet(*driver_);
    const bool whole =
        dataset && (no_sheet || (dataset->GetLayerCount() > 0 && dataset->GetLayer(0)->GetFeatureCount() == written_));
    if (!whole || !ends_a_line(file_.temporary())) file_.fail_cut_short();
  }

  /// True also of files that are not text. The last row of a table that was cut counts as a row.
  [[nodiscard]] bool ends_a_line(const std::string& path) const {
    const auto name = name_of(*driver_);
    if (name != "CSV" && name != "GeoJSON" && name != "GeoJSONSeq") return true;
    VSILFILE* file = VSIFOpenL(path.c_str(), "rb");
    char last = 0;
    const bool read = file != nullptr && VSIFSeekL(file, 0, SEEK_END) == 0 && VSIFTellL(file) > 0 &&
                      VSIFSeekL(file, VSIFTellL(file) - 1, SEEK_SET) == 0 && VSIFReadL(&last, 1, 1, file) == 1;
    if (file != nullptr) VSIFCloseL(file);
    return read && last == '\n';
  }

  std::vector<Column> columns_;
  Geometry geometry_;
  GDALDriver* driver_;
  const std::atomic<bool>* cancel_;
  ProductFile file_;
  std::vector<std::string> renamed_;  // columns whose names the format changed
  std::string item_;                  // a STAC Item to stand beside it
  std::string description_;           // the metadata, to stand beside it where the format has no place for it
  Placer place_;
  DatasetPtr dataset_;
  OGRLayer* layer_ = nullptr;
  std::unique_ptr<CsvRows> csv_;  ///< in the dataset's place once it wrote the names of a CSV
  bool has_geometry_ = true;
  bool shapeless_ = false;  ///< the table has shapes, and the format none
  bool own_place_ = false;  ///< columns lon and lat are added
  bool in_transaction_ = false;
  bool finished_ = false;
  GIntBig written_ = 0;
};

}  // namespace

std::unique_ptr<FeatureSink> create_feature_sink(const std::string& path, const FileOptions& options,
                                                 const FeatureTable& like, const Metadata& metadata) {
  return std::make_unique<GdalFeatureSink>(path, options, like, metadata);
}

}  // namespace fulmar
