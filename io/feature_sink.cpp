// SPDX-License-Identifier: Apache-2.0
#include "io/feature_sink.hpp"

#include <cpl_vsi.h>
#include <fmt/format.h>
#include <ogrsf_frmts.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "core/error.hpp"
#include "io/crs.hpp"
#include "io/drivers.hpp"
#include "io/product_file.hpp"
#include "io/stac.hpp"

namespace fulmar {
namespace {

/// Turns corners of cells into coordinates of the product.
class Placer {
 public:
  Placer(const Grid& grid, bool wants_longitudes) : affine_{grid.affine} {
    const auto wgs84 = spatial_reference("EPSG:4326");
    if (!affine_ && !grid.control_points.empty()) locator_ = grid.locator ? grid.locator : make_locator(grid);
    if (locator_) {
      crs_ = wgs84;
    } else if (affine_) {
      crs_ = spatial_reference(grid.crs);
      if (wants_longitudes && crs_ && wgs84 && !crs_->IsSame(&*wgs84)) {
        transformation_ = transformation(*crs_, *wgs84);
        if (!transformation_) fail(Errc::output, "PROJ knows no way from the scene's coordinate system to WGS84");
        crs_ = wgs84;
      }
    }
  }

  [[nodiscard]] const std::optional<OGRSpatialReference>& crs() const { return crs_; }

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

 private:
  std::optional<Affine> affine_;
  std::shared_ptr<const Locator> locator_;
  Transformation transformation_;
  std::optional<OGRSpatialReference> crs_;
};

/// A closed ring in the product's coordinates, or null where the projection has no answer for one of its corners.
std::unique_ptr<OGRLinearRing> make_ring(const Ring& corners, const Placer& place, bool shell) {
  auto ring = std::make_unique<OGRLinearRing>();
  ring->setNumPoints(static_cast<int>(corners.size()));
  double longitude = 0;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    auto point = place(corners[i]);
    if (!point) return nullptr;
    // Found one by one, longitudes must not jump within a ring.
    if (place.crs() && place.crs()->IsGeographic() && i > 0) point->x = nearest_longitude(point->x, longitude);
    longitude = point->x;
    ring->setPoint(static_cast<int>(i), point->x, point->y);
  }
  ring->closeRings();
  // Anticlockwise shells, as simple features have them, however the raster's axes run.
  if (static_cast<bool>(ring->isClockwise()) == shell) ring->reverseWindingOrder();
  return ring;
}

std::unique_ptr<OGRMultiPolygon> make_geometry(const std::vector<Polygon>& polygons, const Placer& place) {
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
    if (!polygon->IsEmpty()) all->addGeometryDirectly(polygon.release());
  }
  return all->IsEmpty() ? nullptr : std::move(all);
}

std::string in_quotes(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "''" : std::string(1, c);
  return result + "'";
}

std::string title_of(const Column& column) {
  return column.unit.known() ? fmt::format("{} [{}]", column.name, column.unit.symbol) : column.name;
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

class GdalFeatureSink : public FeatureSink {
 public:
  GdalFeatureSink(const std::string& path, const FileOptions& options, const Grid& grid,
                  const std::vector<Column>& columns, const Metadata& metadata)
      : columns_{columns},
        driver_{driver_for(path, options).driver},
        cancel_{options.cancel},
        file_{path, options.overwrite, options.cancel},
        place_{grid, wants_wgs84(*driver_)} {
    if (options.stac) item_ = stac_item(path, name_of(*driver_), grid, {}, metadata);
    create(options, metadata);
  }

  ~GdalFeatureSink() override {
    // Closed before its files are removed.
    dataset_.reset();
  }

  void write(const FeatureTable& table) override {
    if (!dataset_) fail(Errc::runtime, fmt::format("'{}' was finished before", file_.path()));
    const ErrorTrap trap;
    for (const auto& row : table.rows) {
      OGRFeature feature{layer_->GetLayerDefn()};
      set_values(feature, row.values);
      if (has_geometry_)
        if (auto geometry = make_geometry(row.polygons, place_)) feature.SetGeometryDirectly(geometry.release());
      if (layer_->CreateFeature(&feature) != OGRERR_NONE || trap.failed()) file_.fail_writing(trap);
      ++written_;
    }
  }

  void finish() override {
    if (finished_) return;
    if (!dataset_) fail(Errc::runtime, fmt::format("'{}' could not be finished before", file_.path()));
    stop_if_cancelled(cancel_);
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
    if (!item_.empty()) file_.write_beside("stac.json", item_);
    file_.finish();
    finished_ = true;
  }

  void commit() override {
    finish();
    file_.commit();
  }

 private:
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
    if (name == "CSV") add_option(list, "STRING_QUOTING", "IF_NEEDED");
    has_geometry_ = name != "CSV" || list.FetchNameValue("GEOMETRY") != nullptr;
    const auto layer_name = options.layer.empty() ? stem_of(file_.path()) : options.layer;
    auto crs = place_.crs();
    layer_ = dataset_->CreateLayer(layer_name.c_str(), crs ? &*crs : nullptr, has_geometry_ ? wkbMultiPolygon : wkbNone,
                                   list.List());
    if (layer_ == nullptr || trap.failed()) file_.fail_writing(trap);
    for (const auto& column : columns_) create_field(column);
    for (const auto& [key, value] : metadata) layer_->SetMetadataItem(key.c_str(), value.c_str());
    if (trap.failed()) file_.fail_writing(trap);
  }

  void create_field(const Column& column) {
    const ErrorTrap trap;
    OGRFieldDefn field{column.name.c_str(), column.type == ColumnType::real      ? OFTReal
                                            : column.type == ColumnType::integer ? OFTInteger64
                                                                                 : OFTInteger};
    if (column.type == ColumnType::flag) field.SetSubType(OFSTBoolean);
    if (column.unit.known()) field.SetAlternativeName(title_of(column).c_str());
    // Names that a format cuts short are a warning, and still columns.
    if (layer_->CreateField(&field) != OGRERR_NONE) file_.fail_writing(trap);
  }

  void set_values(OGRFeature& feature, const std::vector<double>& values) const {
    if (values.size() != columns_.size())
      fail(Errc::runtime, fmt::format("a feature for '{}' has {} values for {} columns", file_.path(), values.size(),
                                      columns_.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int field = static_cast<int>(i);
      const double value = values[i];
      if (std::isnan(value))
        feature.SetFieldNull(field);
      else if (columns_[i].type == ColumnType::real)
        feature.SetField(field, value);
      else if (columns_[i].type == ColumnType::integer)
        feature.SetField(field, static_cast<GIntBig>(std::llround(value)));
      else
        feature.SetField(field, value != 0 ? 1 : 0);
    }
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
    for (const auto& column : columns_)
      run(
          fmt::format("INSERT OR REPLACE INTO gpkg_data_columns (table_name, column_name, name, title, description) "
                      "VALUES ({}, {}, {}, {}, {})",
                      in_quotes(layer_->GetName()), in_quotes(column.name), in_quotes(title_of(column)),
                      in_quotes(title_of(column)), in_quotes(column.description)));
  }

  /// Drivers of text formats ignore a disk that is full, so what they wrote is counted.
  void verify() const {
    const ErrorTrap trap;
    const auto dataset = open_dataset(file_.temporary(), GDAL_OF_VECTOR, {});
    const bool may_be_empty = written_ == 0 && name_of(*driver_) == "GeoJSONSeq";
    if (!dataset && may_be_empty) return;
    const bool whole = dataset && dataset->GetLayerCount() > 0 && dataset->GetLayer(0)->GetFeatureCount() == written_;
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
  GDALDriver* driver_;
  const std::atomic<bool>* cancel_;
  ProductFile file_;
  std::string item_;  // a STAC Item to stand beside it
  Placer place_;
  DatasetPtr dataset_;
  OGRLayer* layer_ = nullptr;
  bool has_geometry_ = true;
  bool in_transaction_ = false;
  bool finished_ = false;
  GIntBig written_ = 0;
};

}  // namespace

std::unique_ptr<FeatureSink> create_feature_sink(const std::string& path, const FileOptions& options, const Grid& grid,
                                                 const std::vector<Column>& columns, const Metadata& metadata) {
  return std::make_unique<GdalFeatureSink>(path, options, grid, columns, metadata);
}

}  // namespace fulmar
