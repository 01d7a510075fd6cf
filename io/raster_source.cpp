// SPDX-License-Identifier: Apache-2.0
#include "io/raster_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "core/iso_time.hpp"
#include "core/signs.hpp"
#include "io/cf_time.hpp"
#include "io/crs.hpp"
#include "io/cube_layers.hpp"
#include "io/cube_source.hpp"
#include "io/driver_options.hpp"
#include "io/gdal_support.hpp"
#include "io/name_pattern.hpp"

namespace fulmar {
namespace {

/// Where the validity of a band's cells comes from, beyond its nodata value.
struct MaskOrigin {
  bool from_mask_band = false;
  int alpha_band = 0;
};

/// Everything that is known of an opened raster; shared by its readers, never changed.
struct Opened {
  std::string path;
  std::vector<std::string> open_options;
  Grid grid;
  std::vector<StoredBand> bands;
  std::vector<int> band_numbers;  // GDAL's, from 1
  std::vector<MaskOrigin> masks;
  // Bands of f32 whose nodata is the end of the float range, written with a few digits too few somewhere.
  std::vector<bool> rounds_to_limit;
  Window block;
  int parallel_readers = 1 << 16;
  bool south_up = false;  ///< rows are stored from the south on; they are read from the north on, as the grid says
  bool bands_apart = false;
  bool direct = false;       ///< may be read past GDAL's block cache, where it is not compressed
  std::string calendar;      // of a climate model whose dates the bands have
  std::int64_t of_date = 1;  // bands of one date, where their items tell dates
  Metadata metadata;
};

// Rounded to fewer digits, the ends of the float range differ from FLT_MAX by less than this part of it.
constexpr double limit_slack = 1e-5;

bool near_float_limit(double value) { return std::abs(std::abs(value) / FLT_MAX - 1) < limit_slack; }

/// While it lives, an option of GDAL's has a value for this thread. What the user has set stays.
class OptionOfThread {
 public:
  OptionOfThread(const char* name, const char* value)
      : name_{name}, mine_{value != nullptr && CPLGetConfigOption(name, nullptr) == nullptr} {
    if (mine_) CPLSetThreadLocalConfigOption(name_, value);
  }
  ~OptionOfThread() {
    if (mine_) CPLSetThreadLocalConfigOption(name_, nullptr);
  }
  OptionOfThread(const OptionOfThread&) = delete;
  OptionOfThread& operator=(const OptionOfThread&) = delete;

 private:
  const char* name_;
  bool mine_;
};

/// GRIB comes in the units it states, as GDAL would otherwise convert GRIB2 and only rename those of GRIB1 (kelvin,
/// called Celsius).
struct UnitsAsStated : OptionOfThread {
  UnitsAsStated() : OptionOfThread{"GRIB_NORMALIZE_UNITS", "NO"} {}
};

/// `direct`: cells of a plain GeoTIFF go from the file to where they are wanted, without GDAL's block cache.
DatasetPtr open_or_fail(const Opened& raster, bool direct) {
  const UnitsAsStated units;
  const OptionOfThread way{"GTIFF_DIRECT_IO", direct ? "YES" : nullptr};
  const ErrorTrap trap;
  auto dataset = open_dataset(raster.path, GDAL_OF_RASTER, raster.open_options);
  if (!dataset)
    fail(Errc::input, fmt::format("'{}' could be opened before but not again{}", raster.path, trap.aside()));
  if (dataset->GetRasterXSize() != raster.grid.width || dataset->GetRasterYSize() != raster.grid.height ||
      dataset->GetRasterCount() < *std::max_element(raster.band_numbers.begin(), raster.band_numbers.end()))
    fail(Errc::input, fmt::format("'{}' has changed while it was being read", raster.path));
  return dataset;
}

class GdalReader : public RasterReader {
 public:
  explicit GdalReader(std::shared_ptr<const Opened> raster) : raster_{std::move(raster)}, direct_{raster_->direct} {}

  void read(int band, const Window& window, void* cells, std::int64_t stride) override {
    const auto index = check(band, window);
    const auto dtype = raster_->bands[index].dtype;
    const auto cells_of = [&](bool fails) {
      return transfer(*dataset_->GetRasterBand(raster_->band_numbers[index]), band, window, cells, gdal_type(dtype),
                      static_cast<std::int64_t>(size_of(dtype)), stride, fails);
    };
    if (!cells_of(!direct_)) {
      // The short way does not know files with holes everywhere, and tells little of damage.
      direct_ = false;
      dataset_ = open_or_fail(*raster_, direct_);
      cells_of(true);
    }
    if (raster_->rounds_to_limit[index]) snap_to_limit(*raster_->bands[index].nodata, window, cells, stride);
  }

  void read_mask(int band, const Window& window, std::uint8_t* cells, std::int64_t stride) override {
    const auto index = check(band, window);
    const auto& origin = raster_->masks[index];
    auto& source = *dataset_->GetRasterBand(raster_->band_numbers[index]);
    auto* mask = origin.from_mask_band   ? source.GetMaskBand()
                 : origin.alpha_band > 0 ? dataset_->GetRasterBand(origin.alpha_band)
                                         : nullptr;
    if (mask == nullptr) fail(Errc::runtime, fmt::format("band {} of '{}' has no mask", band + 1, raster_->path));
    transfer(*mask, band, window, cells, GDT_Byte, 1, stride, true);
  }

 private:
  std::size_t check(int band, const Window& window) {
    if (band < 0 || static_cast<std::size_t>(band) >= raster_->bands.size())
      fail(Errc::runtime, fmt::format("'{}' has no band {}", raster_->path, band + 1));
    if (window.empty() || intersect(window, raster_->grid.window()) != window)
      fail(Errc::runtime, fmt::format("{} lie outside '{}'", to_text(window), raster_->path));
    // Opened here and not in the constructor: a handle belongs to the thread that reads.
    if (!dataset_) dataset_ = open_or_fail(*raster_, direct_);
    return static_cast<std::size_t>(band);
  }

  /// Returns false, or `fails`, where the cells cannot be read.
  bool transfer(GDALRasterBand& source, int band, const Window& w, void* cells, GDALDataType type, std::int64_t size,
                std::int64_t stride, bool fails) const {
    const UnitsAsStated units;
    const ErrorTrap trap;
    const auto first = raster_->south_up ? raster_->grid.height - w.bottom() : w.y;
    const auto result = source.RasterIO(
        GF_Read, static_cast<int>(w.x), static_cast<int>(first), static_cast<int>(w.width), static_cast<int>(w.height),
        cells, static_cast<int>(w.width), static_cast<int>(w.height), type, size, size * stride, nullptr);
    if (result != CE_None && !fails) return false;
    if (result != CE_None)
      fail(Errc::input, fmt::format("cannot read {} of band {} of '{}': it is damaged or cut short{}", to_text(w),
                                    band + 1, raster_->path, trap.aside()));
    if (!raster_->south_up) return true;
    auto* bytes = static_cast<std::byte*>(cells);
    for (std::int64_t top = 0, bottom = w.height - 1; top < bottom; ++top, --bottom)
      std::swap_ranges(bytes + top * size * stride, bytes + (top * stride + w.width) * size,
                       bytes + bottom * size * stride);
    return true;
  }

  static void snap_to_limit(double nodata, const Window& window, void* cells, std::int64_t stride) {
    auto* row = static_cast<float*>(cells);
    const auto value = static_cast<float>(nodata);
    for (std::int64_t y = 0; y < window.height; ++y, row += stride)
      for (std::int64_t x = 0; x < window.width; ++x)
        if (std::signbit(row[x]) == std::signbit(value) && near_float_limit(row[x])) row[x] = value;
  }

  std::shared_ptr<const Opened> raster_;
  DatasetPtr dataset_;
  bool direct_;
};

class GdalSource : public RasterSource {
 public:
  explicit GdalSource(std::shared_ptr<const Opened> raster) : raster_{std::move(raster)} {}

  [[nodiscard]] const std::string& name() const override { return raster_->path; }
  [[nodiscard]] const Grid& grid() const override { return raster_->grid; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return raster_->bands; }
  [[nodiscard]] Window block() const override { return raster_->block; }
  [[nodiscard]] int parallel_readers() const override { return raster_->parallel_readers; }
  [[nodiscard]] std::int64_t bands_together() const override {
    return raster_->bands_apart ? 1 : static_cast<std::int64_t>(raster_->bands.size());
  }
  [[nodiscard]] std::int64_t bands_of_date() const override { return raster_->of_date; }
  [[nodiscard]] std::string calendar() const override { return raster_->calendar; }
  [[nodiscard]] Metadata metadata() const override { return raster_->metadata; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<GdalReader>(raster_); }
  [[nodiscard]] bool looks_negative(int band) const override { return mostly_negative(*this, band); }

 private:
  std::shared_ptr<const Opened> raster_;
};

std::string item(const GDALMajorObject& object, const char* key, const char* domain = "") {
  const char* text = const_cast<GDALMajorObject&>(object).GetMetadataItem(key, domain);
  return text == nullptr ? std::string{} : std::string{text};
}

DType stored_type(GDALRasterBand& band, const std::string& path) {
  const auto type = band.GetRasterDataType();
  switch (type) {
    case GDT_Byte:
      return item(band, "PIXELTYPE", "IMAGE_STRUCTURE") == "SIGNEDBYTE" ? DType::i8 : DType::u8;
    case GDT_UInt16:
      return DType::u16;
    case GDT_Int16:
      return DType::i16;
    case GDT_UInt32:
      return DType::u32;
    case GDT_Int32:
      return DType::i32;
    case GDT_UInt64:
      return DType::u64;
    case GDT_Int64:
      return DType::i64;
    case GDT_Float32:
      return DType::f32;
    case GDT_Float64:
      return DType::f64;
    default:
      break;
  }
  const char* name = GDALGetDataTypeName(type);
  if (GDALDataTypeIsComplex(type))
    fail(Errc::input,
         fmt::format("band {} of '{}' is complex ({}); take its intensity first (I^2 + Q^2), for example with "
                     "gdal_calc or a VRT pixel function",
                     band.GetBand(), path, name));
  fail(Errc::input, fmt::format("band {} of '{}' has cells of a type that is not read ({})", band.GetBand(), path,
                                name == nullptr ? "unknown" : name));
}

/// The nodata value as a cell of the band's own type can hold it; nothing where none can.
std::optional<double> representable(double value, DType dtype) {
  // Infinite cells are missing in any case.
  if (std::isinf(value)) return std::nullopt;
  if (dtype == DType::f64) return value;
  if (dtype == DType::f32) {
    if (std::isnan(value)) return value;
    if (near_float_limit(value)) return std::copysign(static_cast<double>(FLT_MAX), value);
    if (std::abs(value) > FLT_MAX) return std::nullopt;
    return static_cast<double>(static_cast<float>(value));
  }
  if (std::isnan(value) || value != std::floor(value)) return std::nullopt;
  // Signed bytes are often declared as they look unsigned.
  if (dtype == DType::i8 && value > 127 && value <= 255) value -= 256;
  return with_type(dtype, [&](auto zero) -> std::optional<double> {
    using T = decltype(zero);
    if (value < static_cast<double>(std::numeric_limits<T>::lowest()) ||
        value > static_cast<double>(std::numeric_limits<T>::max()))
      return std::nullopt;
    return value;
  });
}

/// Returns true if cells have to be rounded to the end of the float range before they equal the nodata value.
bool set_nodata(StoredBand& stored, GDALRasterBand& band) {
  const ErrorTrap trap;
  int has = FALSE;
  if (stored.dtype == DType::i64) {
    const auto value = band.GetNoDataValueAsInt64(&has);
    if (has) stored.nodata_i64 = value;
  } else if (stored.dtype == DType::u64) {
    const auto value = band.GetNoDataValueAsUInt64(&has);
    // The same 64 bits; whoever compares casts back.
    if (has) stored.nodata_i64 = static_cast<std::int64_t>(value);
  } else {
    const double value = band.GetNoDataValue(&has);
    if (has) stored.nodata = representable(value, stored.dtype);
    return stored.dtype == DType::f32 && stored.nodata && near_float_limit(value) && std::abs(value) < FLT_MAX;
  }
  return false;
}

/// True if the last word of a description is decibels, as in "Sigma0_VV_db" or "gamma0 [dB]".
bool ends_in_decibels(const std::string& text) {
  auto lower = lower_case(text);
  const auto is_word = [](unsigned char c) { return std::isalnum(c) != 0; };
  while (!lower.empty() && !is_word(static_cast<unsigned char>(lower.back()))) lower.pop_back();
  std::size_t start = lower.size();
  while (start > 0 && is_word(static_cast<unsigned char>(lower[start - 1]))) --start;
  const auto word = std::string_view{lower}.substr(start);
  return word == "db" || word == "decibel" || word == "decibels";
}

Unit unit_of(GDALRasterBand& band, GDALDataset& dataset, const FileOptions& options) {
  if (!options.unit.empty()) return parse_unit(options.unit);
  if (const char* text = band.GetUnitType(); text != nullptr && *text != '\0') return parse_unit(text);
  for (const char* key : {"units", "UNITS", "unit", "UNIT", "UNITTYPE", "GRIB_UNIT"})
    if (auto text = item(band, key); !text.empty()) {
      // GRIB writes its units in brackets: [K].
      if (text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
      // Where the user has GDAL convert: it does so in GRIB2 alone, whose messages have a product definition.
      if (text == "C") return {std::string{item(band, "GRIB_PDS_PDTN").empty() ? units::kelvin : units::celsius}};
      return parse_unit(text);
    }
  // Processors of radar scenes often say decibels only in the band's name.
  const char* description = band.GetDescription();
  if (description != nullptr && ends_in_decibels(description)) return {std::string{units::decibel}};
  for (const char* key : {"units", "UNITS", "unit", "UNIT", "radiometric_unit", "TIFFTAG_IMAGEDESCRIPTION"})
    if (ends_in_decibels(item(dataset, key))) return {std::string{units::decibel}};
  return {};
}

/// The variables of a netCDF file that may be its longitudes: by unit, or by name.
std::vector<std::string> longitude_variables(GDALDataset& dataset) {
  std::vector<std::string> names;
  auto** const list = dataset.GetMetadata("");
  for (int i = 0; list != nullptr && list[i] != nullptr; ++i) {
    const std::string_view pair{list[i]};
    const auto hash = pair.find('#');
    if (hash == std::string_view::npos) continue;
    const std::string name{pair.substr(0, hash)};
    const auto lower = lower_case(name);
    const bool by_name = lower == "lon" || lower == "longitude";
    const bool by_unit = pair.substr(hash).rfind("#units=degrees_east", 0) == 0;
    if ((by_name || by_unit) && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

/// The CRS of a netCDF file that names no datum but has one longitude for each column: WGS84, as everyone takes it.
/// GDAL gives such files a transform without CRS. Longitudes of two dimensions are another matter: there the cells are
/// not regular.
std::string crs_of_axes(GDALDataset& dataset, const Affine& affine) {
  const auto* driver = dataset.GetDriver();
  if (driver == nullptr || !EQUAL(driver->GetDescription(), "netCDF")) return {};
  const double first = affine[3], last = affine[3] + affine[5] * dataset.GetRasterYSize();
  const double reach = 90 + std::abs(affine[5]);
  if (affine[2] != 0 || affine[4] != 0 || std::abs(first) > reach || std::abs(last) > reach) return {};
  std::string file = dataset.GetDescription();
  if (file.rfind("NETCDF:", 0) == 0) {
    const auto open = file.find('"'), close = file.rfind('"');
    file = open == close ? file.substr(7, file.rfind(':') - 7) : file.substr(open + 1, close - open - 1);
  }
  const ErrorTrap quiet;
  for (const auto& name : longitude_variables(dataset)) {
    const auto axis = open_dataset(fmt::format("NETCDF:\"{}\":{}", file, name), GDAL_OF_RASTER, {});
    if (!axis || axis->GetRasterYSize() != 1 || axis->GetRasterXSize() != dataset.GetRasterXSize()) continue;
    const auto wgs84 = spatial_reference("EPSG:4326");
    return wgs84 ? wkt2(&*wgs84) : std::string{};
  }
  return {};
}

bool is_identity(const Affine& a) { return a == Affine{0, 1, 0, 0, 0, 1}; }
bool lies_south_up(const Affine& a) { return a[2] == 0 && a[4] == 0 && a[5] > 0 && !is_identity(a); }

/// How much longer a unit of the projection is on the ground than it says, in the middle of the raster: a metre of
/// EPSG:3857 is half a metre at 60 degrees north. 1 where the two agree to a hundredth, as they do in UTM.
double scale_on_ground(const Grid& grid, const Locator& locator) {
  const auto measured = measure_centre(grid, locator);
  const auto nominal = grid.ground();
  const double ratio = std::sqrt(measured.dx * measured.dy / (nominal.dx * nominal.dy));
  return std::isfinite(ratio) && ratio > 0 && std::abs(ratio - 1) > 0.01 ? ratio : 1;
}

/// The grid with north up, as cubes have it too: the aspect of a slope, the light on it, the direction of a front or of
/// water mean the same on every grid then. `south_up` tells whether rows are stored the other way round. Without a CRS
/// rows go down, whatever the transform says.
Grid grid_of(GDALDataset& dataset, bool& south_up) {
  Grid grid;
  grid.width = dataset.GetRasterXSize();
  grid.height = dataset.GetRasterYSize();
  Affine affine{};
  const auto* crs = dataset.GetSpatialRef();
  const bool finite = dataset.GetGeoTransform(affine.data()) == CE_None && inverse(affine).has_value() &&
                      std::all_of(affine.begin(), affine.end(), [](double v) { return std::isfinite(v); });
  // The identity without a CRS is how some formats say that they do not know.
  if (finite && !(is_identity(affine) && crs == nullptr)) grid.affine = affine;
  if (!grid.affine) {
    const int count = dataset.GetGCPCount();
    const auto* points = dataset.GetGCPs();
    for (int i = 0; i < count; ++i)
      grid.control_points.push_back(
          {points[i].dfGCPPixel, points[i].dfGCPLine, points[i].dfGCPX, points[i].dfGCPY, points[i].dfGCPZ});
    if (count > 0 && dataset.GetGCPSpatialRef() != nullptr) crs = dataset.GetGCPSpatialRef();
  }
  grid.crs = wkt2(crs);
  if (grid.crs.empty() && grid.affine) grid.crs = crs_of_axes(dataset, *grid.affine);
  if (south_up = grid.affine && !grid.crs.empty() && lies_south_up(*grid.affine); south_up) {
    auto& a = *grid.affine;
    a[3] += a[5] * static_cast<double>(grid.height);
    a[5] = -a[5];
  }
  finish_grid(grid);
  return grid;
}

Metadata metadata_of(GDALDataset& dataset) {
  // True of the source's cells alone, or of how they were packed.
  static constexpr std::array own{"AREA_OR_POINT", "TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION",
                                  "TIFFTAG_RESOLUTIONUNIT"};
  static constexpr std::array packing{"#_FillValue", "#missing_value", "#add_offset",  "#scale_factor", "#valid_min",
                                      "#valid_max",  "#valid_range",   "#_ChunkSizes", "#actual_range"};
  Metadata metadata;
  auto** const list = dataset.GetMetadata("");
  for (int i = 0; list != nullptr && list[i] != nullptr; ++i) {
    char* key = nullptr;
    const char* value = CPLParseNameValue(list[i], &key);
    const std::string name = key == nullptr ? "" : key;
    CPLFree(key);
    if (name.empty() || value == nullptr || name.rfind("STATISTICS_", 0) == 0) continue;
    if (std::any_of(own.begin(), own.end(), [&](const char* word) { return name == word; })) continue;
    if (std::any_of(packing.begin(), packing.end(), [&](std::string_view word) {
          return name.size() > word.size() && std::string_view{name}.substr(name.size() - word.size()) == word;
        }))
      continue;
    metadata[name] = value;
  }
  return metadata;
}

/// When a scene was measured: by the metadata of its sensor, else by its name, else by its TIFF tag, which often tells
/// when the file was made.
std::optional<double> time_of(GDALDataset& dataset, const std::string& path) {
  if (const char* text = dataset.GetMetadataItem("ACQUISITIONDATETIME", "IMAGERY"); text != nullptr)
    // GDAL's reader says 1970 where the time of a Landsat scene stands in quotes.
    if (const auto time = moment_in_text(text); time && *time != 0) return time;
  for (const char* key : {"ACQUISITION_DATETIME", "ACQUISITION_DATE", "ACQUISITION_TIME", "ACQUISITION",
                          "DATE_ACQUIRED", "DATATAKE_1_DATATAKE_SENSING_START", "SENSING_TIME", "PRODUCT_START_TIME",
                          "START_TIME", "datetime", "DATETIME", "time_coverage_start", "NC_GLOBAL#time_coverage_start"})
    if (const auto time = moment_in_text(item(dataset, key))) return time;
  if (const auto time = date_in_name(file_within(path))) return time;
  return moment_in_text(item(dataset, "TIFFTAG_DATETIME"));
}

/// How many bands that stand side by side have one time; 1 where they do not come in such groups.
std::int64_t bands_of_a_date(const std::vector<StoredBand>& bands) {
  const auto differs =
      std::find_if(bands.begin(), bands.end(), [&](const StoredBand& b) { return b.time != bands.front().time; });
  const std::size_t group = static_cast<std::size_t>(differs - bands.begin());
  if (differs == bands.end() || bands.size() % group != 0) return 1;
  for (std::size_t b = 0; b < bands.size(); ++b)
    if (!bands[b].time || bands[b].time != bands[b - b % group].time ||
        (b % group == 0 && b > 0 && bands[b].time == bands[b - 1].time))
      return 1;
  return static_cast<std::int64_t>(group);
}

[[noreturn]] void explain_failure(const std::string& path, const ErrorTrap& trap) {
  if (const auto trouble = file_trouble(path); !trouble.empty())
    fail(Errc::input, fmt::format("cannot open '{}': {}{}", path, trouble, trap.aside()));
  const ErrorTrap quiet;
  if (open_dataset(path, GDAL_OF_VECTOR, {}))
    fail(Errc::input, fmt::format("'{}' holds vector features, not a raster{}", path, trap.aside()));
  fail(Errc::input, fmt::format("cannot open '{}': it is not a raster that GDAL can read, or it is damaged; try "
                                "gdalinfo on it{}",
                                path, trap.aside()));
}

std::string without_slashes(std::string name) {
  while (!name.empty() && name.front() == '/') name.erase(0, 1);
  return name;
}

/// The name of the raster within a container that --layer means: by its whole path, or by the last part of it where
/// that is the only one. Fails where there is none, or no layer is named, with the names to choose from.
std::string subdataset(const std::string& path, GDALDataset& dataset, const std::string& layer) {
  auto** const list = dataset.GetMetadata("SUBDATASETS");
  if (CSLCount(list) == 0)
    fail(Errc::input, fmt::format("'{}' holds no raster bands: nothing in it has rows and columns of numbers; "
                                  "gdalinfo shows what it holds",
                                  path));
  const auto wanted = without_slashes(layer);
  std::string by_last_part, text;
  int alike = 0;
  constexpr int most = 40;
  for (int i = 1;; ++i) {
    const char* name = CSLFetchNameValue(list, fmt::format("SUBDATASET_{}_NAME", i).c_str());
    const char* words = CSLFetchNameValue(list, fmt::format("SUBDATASET_{}_DESC", i).c_str());
    if (name == nullptr) break;
    const std::string_view whole{name};
    const auto within = without_slashes(std::string{whole.substr(std::min(whole.size(), whole.rfind(':') + 1))});
    if (!wanted.empty() && within == wanted) return name;
    if (!wanted.empty() && within.substr(within.rfind('/') + 1) == wanted) {
      by_last_part = name;
      ++alike;
    }
    if (i > most) continue;
    text += fmt::format("\n    {}", name);
    if (words != nullptr) text += fmt::format("  {}", words);
  }
  if (alike == 1) return by_last_part;
  const auto why = layer.empty() ? "holds several rasters"
                   : alike > 1   ? fmt::format("holds several rasters '{}'", layer)
                                 : fmt::format("has no raster '{}'", layer);
  fail(Errc::input, fmt::format("'{}' {}; name one of them, with --layer or as:{}", path, why, text));
}

std::string driver_of(const GDALDataset& dataset) {
  const auto* driver = const_cast<GDALDataset&>(dataset).GetDriver();
  return driver == nullptr ? "" : driver->GetDescription();
}

/// A file that GDAL opens as its only raster may still be asked for by that raster's name, and for no other.
void check_layer(const std::string& path, const GDALDataset& dataset, const std::string& layer) {
  const std::string name = driver_of(dataset);
  const auto whole = name == "HDF5Image" ? fmt::format("HDF5:\"{}\"://{}", path, without_slashes(layer))
                     : name == "netCDF"  ? fmt::format("NETCDF:\"{}\":{}", path, without_slashes(layer))
                     : name == "Zarr"    ? fmt::format("ZARR:\"{}\":/{}", path, without_slashes(layer))
                                         : "";
  const ErrorTrap quiet;
  if (!whole.empty() && open_dataset(whole, GDAL_OF_RASTER, {})) return;
  fail(Errc::input, fmt::format("'{}' holds one raster, and none called '{}': leave --layer away", path, layer));
}

bool reads_one_at_a_time(const GDALDataset& dataset) {
  static constexpr std::array drivers{"netCDF", "HDF4", "HDF4Image", "HDF5", "HDF5Image", "BAG", "GRIB", "KEA"};
  const std::string name = driver_of(dataset);
  return std::any_of(drivers.begin(), drivers.end(), [&](const char* word) { return name == word; });
}

}  // namespace

void finish_grid(Grid& grid) {
  if (const auto known = spatial_reference(grid.crs)) {
    grid.geographic = known->IsGeographic();
    if (!grid.geographic) grid.metres_per_unit = known->GetLinearUnits();
  }
  if (grid.affine && grid.geographic) {
    const auto& a = *grid.affine;
    grid.wraps = a[2] == 0 && a[4] == 0 && std::abs(static_cast<double>(grid.width) * std::abs(a[1]) / 360 - 1) < 1e-6;
  }
  grid.locator = make_locator(grid);
  if (grid.affine && !grid.geographic && grid.locator) grid.metres_per_unit *= scale_on_ground(grid, *grid.locator);
  if (!grid.affine && grid.locator) grid.centre_ground = measure_centre(grid, *grid.locator);
}

namespace {

/// Metres that are said to be degrees would make every length and area nonsense.
void check_degrees(const std::string& path, const Grid& grid) {
  if (!grid.geographic || !grid.affine) return;
  const auto& a = *grid.affine;
  for (const auto width = static_cast<double>(grid.width); const double x : {0.0, width})
    for (const double y : {0.0, static_cast<double>(grid.height)}) {
      const double longitude = a[0] + x * a[1] + y * a[2], latitude = a[3] + x * a[4] + y * a[5];
      if (std::abs(longitude) > 1000 || std::abs(latitude) > 100)
        fail(Errc::input,
             fmt::format("'{}' is said to be in degrees, but its coordinates run to {}, {}: give it the coordinate "
                         "system that it is in, for example with gdal_edit.py -a_srs EPSG:32630",
                         path, longitude, latitude));
    }
}

}  // namespace

std::shared_ptr<const RasterSource> open_raster(const std::string& path, const FileOptions& options) {
  if (path.empty()) fail(Errc::usage, "the name of the raster is empty");
  if (auto layers = open_layers(path, options)) return layers;
  if (auto cube = open_cube(path, options)) return cube;
  auto raster = std::make_shared<Opened>();
  raster->path = path;
  raster->open_options = options.open_options;
  const UnitsAsStated units;
  const ErrorTrap trap;
  const auto dataset = open_dataset(path, GDAL_OF_RASTER, options.open_options);
  if (!dataset) explain_failure(path, trap);
  check_open_options(path, *dataset, options.open_options);
  const int count = dataset->GetRasterCount();
  if (count == 0) {
    auto own = options;
    own.layer.clear();
    return open_raster(subdataset(path, *dataset, options.layer), own);
  }
  // A path that names the raster itself needs no layer.
  if (!options.layer.empty() && file_within(path) == path) check_layer(path, *dataset, options.layer);
  if (dataset->GetRasterXSize() <= 0 || dataset->GetRasterYSize() <= 0)
    fail(Errc::input, fmt::format("'{}' has no cells", path));

  int alpha = 0;
  std::size_t dated = 0;
  for (int number = count; number >= 1 && count > 1; --number)
    if (dataset->GetRasterBand(number)->GetColorInterpretation() == GCI_AlphaBand) alpha = number;
  for (int number = 1; number <= count; ++number) {
    auto& band = *dataset->GetRasterBand(number);
    if (count > 1 && band.GetColorInterpretation() == GCI_AlphaBand) continue;
    StoredBand stored;
    stored.dtype = stored_type(band, path);
    raster->rounds_to_limit.push_back(set_nodata(stored, band));
    int has = FALSE;
    if (const double scale = band.GetScale(&has); has && scale != 0 && std::isfinite(scale)) stored.scale = scale;
    if (const double offset = band.GetOffset(&has); has && std::isfinite(offset)) stored.offset = offset;
    stored.unit = unit_of(band, *dataset, options);
    stored.description = band.GetDescription();
    if (const auto valid = item(band, "GRIB_VALID_TIME"); !valid.empty()) {
      // GDAL describes a message by its level alone. Its times are seconds since 1970, "1551398400 sec UTC" before 3.5.
      stored.time = CPLAtof(valid.c_str());
      stored.description = item(band, "GRIB_ELEMENT") + " " + item(band, "GRIB_SHORT_NAME");
    } else if (const auto moment = item(band, time_of_band); const auto time = parse_iso_time(moment)) {
      stored.time = time;
      ++dated;
      // The title of such a band ends with its time, which is no part of its name.
      if (std::string& title = stored.description; title == moment)
        title.clear();
      else if (title.ends_with(" " + moment))
        title.resize(title.size() - moment.size() - 1);
    }

    MaskOrigin origin;
    const int flags = band.GetMaskFlags();
    origin.from_mask_band = (flags & GMF_ALL_VALID) == 0 && flags != GMF_NODATA;
    // GDAL names one origin only: a nodata value hides the alpha band, which still means what it says.
    if (!origin.from_mask_band) origin.alpha_band = alpha;
    stored.has_mask = origin.from_mask_band || origin.alpha_band > 0;
    raster->masks.push_back(origin);
    raster->bands.push_back(std::move(stored));
    raster->band_numbers.push_back(number);
  }
  if (raster->bands.empty()) fail(Errc::input, fmt::format("'{}' holds nothing but alpha bands", path));
  if (dated == raster->bands.size()) raster->of_date = bands_of_a_date(raster->bands);
  if (const auto time = time_of(*dataset, path))
    for (auto& band : raster->bands)
      if (!band.time) band.time = time;
  raster->grid = grid_of(*dataset, raster->south_up);
  check_degrees(path, raster->grid);
  int across = 0, down = 0;
  dataset->GetRasterBand(raster->band_numbers.front())->GetBlockSize(&across, &down);
  raster->block = {0, 0, std::max(1, across), std::max(1, down)};
  if (reads_one_at_a_time(*dataset)) raster->parallel_readers = 1;
  const char* interleave = dataset->GetMetadataItem("INTERLEAVE", "IMAGE_STRUCTURE");
  // The libraries behind one lock bound what they hold of chunks that span bands.
  raster->bands_apart = raster->parallel_readers == 1 || (interleave != nullptr && EQUAL(interleave, "BAND"));
  // Of interleaved bands each would read all; from afar, single rows are asked for.
  raster->direct = raster->bands_apart && !is_virtual(path) && driver_of(*dataset) == "GTiff";
  raster->metadata = metadata_of(*dataset);
  if (const auto calendar = item(*dataset, calendar_of_bands); dated > 0 && is_model_calendar(calendar))
    raster->calendar = calendar;
  return std::make_shared<GdalSource>(std::move(raster));
}

}  // namespace fulmar
