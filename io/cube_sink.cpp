// SPDX-License-Identifier: Apache-2.0
#include "io/cube_sink.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <string_view>

#include "core/error.hpp"
#include "io/cf_time.hpp"
#include "io/crs.hpp"
#include "io/gdal_support.hpp"
#include "io/product_file.hpp"

namespace fulmar {
namespace {

using Group = std::shared_ptr<GDALGroup>;
using Array = std::shared_ptr<GDALMDArray>;
using Dimension = std::shared_ptr<GDALDimension>;

std::string option(const std::vector<std::string>& options, const char* name, const char* otherwise) {
  return string_list(options).FetchNameValueDef(name, otherwise);
}

/// A variable of the cube and its bands, in order of time where it has some.
struct Variable {
  std::string name;
  std::vector<int> bands;
  Unit unit;
  std::vector<double> times;  // of the bands; empty: of two dimensions
  std::size_t axis = 0;       // its place among the time axes
};

/// Letters, digits and underscores, the first no digit: the names that CF recommends.
std::string cf_name(const std::string& text) {
  std::string name;
  for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  while (!name.empty() && name.back() == '_') name.pop_back();
  if (name.empty()) return "band";
  return std::isdigit(static_cast<unsigned char>(name.front())) != 0 ? "b_" + name : name;
}

std::string time_name(std::size_t axis) { return axis == 0 ? "time" : fmt::format("time_{}", axis + 1); }

/// The words of a name that are no numbers.
std::vector<std::string> words_of(const std::string& name) {
  std::vector<std::string> words(1);
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0)
      words.emplace_back();
    else
      words.back() += c;
  std::erase_if(words, [](const std::string& w) {
    return std::all_of(w.begin(), w.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  });
  return words;
}

/// The names of the bands. Those of a stack whose dates name the same band differently ("B4_20200105", "B4_20200210")
/// are called by the words that all dates share, and by number where all names are nothing but numbers.
std::vector<std::string> stems_of(const std::vector<ProductBand>& bands) {
  std::vector<std::string> stems;
  for (const auto& band : bands) stems.push_back(cf_name(band.name));
  std::size_t of_date = 0;
  while (of_date < bands.size() && bands[of_date].time && bands[of_date].time == bands.front().time) ++of_date;
  if (of_date == 0 || bands.size() % of_date != 0 || bands.size() == of_date) return stems;
  std::set<double> dates;
  for (std::size_t b = 0; b < bands.size(); ++b) {
    const auto& first = bands[b / of_date * of_date].time;
    if (!first || bands[b].time != first) return stems;
    if (b % of_date == 0 && !dates.insert(*first).second) return stems;
  }
  for (std::size_t k = 0; k < of_date; ++k) {
    auto shared = words_of(bands[k].name);
    bool same = true, numbers = true;
    for (std::size_t b = k; b < bands.size(); b += of_date) {
      same = same && stems[b] == stems[k];
      const auto words = words_of(bands[b].name);
      numbers = numbers && words.empty();
      std::erase_if(shared, [&](const auto& w) { return std::find(words.begin(), words.end(), w) == words.end(); });
    }
    if (same || (shared.empty() && !numbers)) continue;
    const auto name = !shared.empty() ? cf_name(fmt::format("{}", fmt::join(shared, "_")))
                      : of_date == 1  ? std::string{"band"}
                                      : fmt::format("band_{}", k + 1);
    for (std::size_t b = k; b < bands.size(); b += of_date) stems[b] = name;
  }
  return stems;
}

/// Bands of one name and unit are the steps of one variable; a second one of the same time belongs to a second
/// variable. Fills `axes` with the times: mostly all variables share them.
std::vector<Variable> variables_of(const CubePlan& plan, std::vector<std::vector<double>>& axes) {
  const auto stems = stems_of(plan.bands);
  std::vector<Variable> variables;
  for (std::size_t b = 0; b < plan.bands.size(); ++b) {
    const auto& band = plan.bands[b];
    const auto found =
        !band.time ? variables.end() : std::find_if(variables.begin(), variables.end(), [&](const Variable& v) {
          return v.name == stems[b] && v.unit == band.unit && !v.times.empty() &&
                 std::find(v.times.begin(), v.times.end(), *band.time) == v.times.end();
        });
    auto& variable = found != variables.end() ? *found : variables.emplace_back(Variable{stems[b], {}, band.unit, {}});
    variable.bands.push_back(static_cast<int>(b));
    if (band.time) variable.times.push_back(*band.time);
  }
  for (auto& v : variables) {
    const auto time = [&](int band) { return *plan.bands[static_cast<std::size_t>(band)].time; };
    if (v.times.empty()) continue;
    std::sort(v.bands.begin(), v.bands.end(), [&](int one, int other) { return time(one) < time(other); });
    std::sort(v.times.begin(), v.times.end());
    const auto known = std::find(axes.begin(), axes.end(), v.times);
    v.axis = static_cast<std::size_t>(known - axes.begin());
    if (known == axes.end()) axes.push_back(v.times);
  }
  std::set<std::string> taken{"x", "y", "lon", "lat", "crs", "row", "column"};
  for (std::size_t a = 0; a < std::max<std::size_t>(1, axes.size()); ++a) taken.insert(time_name(a));
  for (auto& v : variables) {
    const auto stem = v.name;
    for (int i = 2; !taken.insert(v.name).second; ++i) v.name = fmt::format("{}_{}", stem, i);
  }
  return variables;
}

bool put_text(GDALIHasAttribute& object, const std::string& name, const std::string& text) {
  const auto attribute = object.CreateAttribute(name, {}, GDALExtendedDataType::CreateString());
  return attribute && attribute->Write(text.c_str());
}

/// Tells a dimension which array holds its coordinates: Zarr names dimensions only then, netCDF by the array's name.
void index_by(const Dimension& dimension, const Array& array) {
  const ErrorTrap quiet;
  dimension->SetIndexingVariable(array);
}

/// An axis with its coordinates.
struct Axis {
  const char *name, *type, *direction, *units, *standard_name, *letter;
};

bool add_axis(const Group& root, const Axis& axis, const std::vector<double>& values, std::vector<Dimension>& all,
              const std::string& calendar = "proleptic_gregorian") {
  const auto dimension = root->CreateDimension(axis.name, axis.type, axis.direction, values.size());
  if (!dimension) return false;
  const auto array = root->CreateMDArray(axis.name, {dimension}, GDALExtendedDataType::Create(GDT_Float64));
  if (!array) return false;
  const GUInt64 start = 0;
  const std::size_t count = values.size();
  bool ok = array->Write(&start, &count, nullptr, nullptr, array->GetDataType(), values.data());
  if (*axis.units != '\0') ok = array->SetUnit(axis.units) && ok;
  if (*axis.standard_name != '\0') ok = put_text(*array, "standard_name", axis.standard_name) && ok;
  if (*axis.letter != '\0') ok = put_text(*array, "axis", axis.letter) && ok;
  if (axis.letter[0] == 'T') ok = put_text(*array, "calendar", calendar) && ok;
  index_by(dimension, array);
  all.push_back(dimension);
  return ok;
}

/// Rows and columns: by their places where the grid has straight axes, by number where it is turned or has points.
bool add_place(const Group& root, const Grid& grid, std::vector<Dimension>& dimensions) {
  const bool straight = grid.affine && (*grid.affine)[2] == 0 && (*grid.affine)[4] == 0;
  if (!straight) {
    std::vector<double> rows(static_cast<std::size_t>(grid.height)), columns(static_cast<std::size_t>(grid.width));
    std::iota(rows.begin(), rows.end(), 0);
    std::iota(columns.begin(), columns.end(), 0);
    return add_axis(root, {"row", "", "", "", "", ""}, rows, dimensions) &&
           add_axis(root, {"column", "", "", "", "", ""}, columns, dimensions);
  }
  std::vector<double> x, y;
  for (std::int64_t i = 0; i < grid.width; ++i)
    x.push_back((*grid.affine)[0] + (static_cast<double>(i) + 0.5) * (*grid.affine)[1]);
  for (std::int64_t i = 0; i < grid.height; ++i)
    y.push_back((*grid.affine)[3] + (static_cast<double>(i) + 0.5) * (*grid.affine)[5]);
  if (grid.geographic)
    return add_axis(root, {"lat", GDAL_DIM_TYPE_HORIZONTAL_Y, "NORTH", "degrees_north", "latitude", "Y"}, y,
                    dimensions) &&
           add_axis(root, {"lon", GDAL_DIM_TYPE_HORIZONTAL_X, "EAST", "degrees_east", "longitude", "X"}, x, dimensions);
  const char* units = grid.crs.empty() ? "" : "m";
  return add_axis(root, {"y", GDAL_DIM_TYPE_HORIZONTAL_Y, "NORTH", units, "projection_y_coordinate", "Y"}, y,
                  dimensions) &&
         add_axis(root, {"x", GDAL_DIM_TYPE_HORIZONTAL_X, "EAST", units, "projection_x_coordinate", "X"}, x,
                  dimensions);
}

/// Longitudes and latitudes of every cell, for grids without straight axes. Returns the attribute that names them.
bool add_places_of_cells(const Group& root, const Grid& grid, const std::vector<Dimension>& place,
                         const std::atomic<bool>* cancel, std::string& coordinates) {
  if (!grid.locator || (grid.affine && (*grid.affine)[2] == 0 && (*grid.affine)[4] == 0)) return true;
  const auto f64 = GDALExtendedDataType::Create(GDT_Float64);
  const auto lon = root->CreateMDArray("lon", place, f64), lat = root->CreateMDArray("lat", place, f64);
  if (!lon || !lat) return false;
  bool ok = lon->SetUnit("degrees_east") && lat->SetUnit("degrees_north") &&
            put_text(*lon, "standard_name", "longitude") && put_text(*lat, "standard_name", "latitude");
  std::vector<double> lons(static_cast<std::size_t>(grid.width)), lats(lons.size());
  for (std::int64_t row = 0; ok && row < grid.height; ++row) {
    stop_if_cancelled(cancel);
    for (std::int64_t column = 0; column < grid.width; ++column) {
      const auto at = grid.locator->lonlat(static_cast<double>(column) + 0.5, static_cast<double>(row) + 0.5);
      lons[static_cast<std::size_t>(column)] = at ? at->lon : std::nan("");
      lats[static_cast<std::size_t>(column)] = at ? at->lat : std::nan("");
    }
    const GUInt64 start[] = {static_cast<GUInt64>(row), 0};
    const std::size_t count[] = {1, lons.size()};
    ok = lon->Write(start, count, nullptr, nullptr, f64, lons.data()) &&
         lat->Write(start, count, nullptr, nullptr, f64, lats.data());
  }
  coordinates = "lon lat";
  return ok;
}

/// The CF standard names of what Fulmar makes, beside those that a source states for a variable of the same name.
std::string standard_name(const CubePlan& plan, const Variable& variable) {
  if (const auto known = plan.metadata.find(variable.name + "#standard_name"); known != plan.metadata.end())
    return known->second;
  static constexpr std::array<std::pair<std::string_view, const char*>, 6> names{{
      {"sea_surface_temperature", "sea_surface_temperature"},
      {"sst", "sea_surface_temperature"},
      {"elevation", "height_above_reference_ellipsoid"},
      {"sigma0", "surface_backwards_scattering_coefficient_of_radar_wave"},
      {"chlorophyll", "mass_concentration_of_chlorophyll_a_in_sea_water"},
      {"sla", "sea_surface_height_above_sea_level"},
  }};
  for (const auto& [name, standard] : names)
    if (variable.name == name && !(name == "sigma0" && variable.unit.symbol == units::decibel)) return standard;
  return {};
}

bool add_attributes_of_file(const Group& root, const CubePlan& plan) {
  bool ok = put_text(*root, "Conventions", "CF-1.8");
  std::set<std::string> taken{"Conventions", "history"};
  std::string before;
  for (const auto& [key, value] : plan.metadata) {
    constexpr std::string_view global = "NC_GLOBAL#";
    auto name = key;
    if (key.rfind(global, 0) == 0)
      name = key.substr(global.size());
    else if (key.find('#') != std::string::npos)
      continue;
    if (name == "history") before = value;
    if (name.rfind("NETCDF_", 0) == 0 || name.find('/') != std::string::npos || !taken.insert(name).second) continue;
    ok = put_text(*root, name, value) && ok;
  }
  if (const auto pipeline = plan.metadata.find("FULMAR_PIPELINE"); pipeline != plan.metadata.end())
    ok = put_text(*root, "history", before + (before.empty() ? "" : "\n") + "fulmar run '" + pipeline->second + "'") &&
         ok;
  return ok;
}

/// The CRS as text for readers that do not know GDAL's own attribute of Zarr.
bool add_grid_mapping(const Group& root, const std::string& crs) {
  // Of one element: GDAL does not tell xarray of arrays without dimensions.
  const auto dimension = root->CreateDimension("crs", "", "", 1);
  const auto array =
      dimension ? root->CreateMDArray("crs", {dimension}, GDALExtendedDataType::Create(GDT_Int32)) : nullptr;
  if (!array) return false;
  index_by(dimension, array);
  const std::int32_t zero = 0;
  const GUInt64 start = 0;
  const std::size_t count = 1;
  return array->Write(&start, &count, nullptr, nullptr, array->GetDataType(), &zero) &&
         put_text(*array, "crs_wkt", crs) && put_text(*array, "spatial_ref", crs);
}

class Writer {
 public:
  Writer(GDALDataset& cells, const CubePlan& plan, const std::atomic<bool>* cancel)
      : cells_{cells}, plan_{plan}, cancel_{cancel} {}

  bool write(const Group& root) {
    std::vector<std::vector<double>> axes;
    const auto variables = variables_of(plan_, axes);
    std::vector<Dimension> times, dimensions;
    if (!add_attributes_of_file(root, plan_)) return false;
    const auto told = plan_.metadata.find(calendar_of_bands);
    const bool model = told != plan_.metadata.end() && is_model_calendar(told->second);
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const auto name = time_name(a);
      if (model)
        for (double& time : axes[a]) time = seconds_in_calendar(time, told->second);
      if (!add_axis(root, {name.c_str(), GDAL_DIM_TYPE_TEMPORAL, "", "seconds since 1970-01-01 00:00:00", "time", "T"},
                    axes[a], times, model ? told->second : "proleptic_gregorian"))
        return false;
    }
    if (!add_place(root, plan_.grid, dimensions)) return false;
    std::string coordinates;
    if (!add_places_of_cells(root, plan_.grid, dimensions, cancel_, coordinates)) return false;
    const auto crs = plan_.grid.affine ? spatial_reference(plan_.grid.crs) : std::nullopt;
    const bool zarr = plan_.driver == "Zarr";
    if (zarr && crs && !add_grid_mapping(root, plan_.grid.crs)) return false;
    for (const auto& variable : variables) {
      auto shape = dimensions;
      if (!variable.times.empty()) shape.insert(shape.begin(), times[variable.axis]);
      const auto array = create(root, variable, shape);
      if (!array) return false;
      bool ok = true;
      if (const auto name = standard_name(plan_, variable); !name.empty()) ok = put_text(*array, "standard_name", name);
      if (const auto words = plan_.metadata.find(variable.name + "#long_name"); words != plan_.metadata.end())
        ok = put_text(*array, "long_name", words->second) && ok;
      if (!coordinates.empty()) ok = put_text(*array, "coordinates", coordinates) && ok;
      // Written by GDAL in netCDF, and there before the first cell.
      if (crs) ok = array->SetSpatialRef(&*crs) && ok;
      if (zarr && crs) ok = put_text(*array, "grid_mapping", "crs") && ok;
      if (!ok || !copy(*array, variable)) return false;
    }
    return true;
  }

 private:
  Array create(const Group& root, const Variable& variable, const std::vector<Dimension>& dimensions) {
    const auto& grid = plan_.grid;
    rows_ = std::min<std::int64_t>(grid.height, RasterSink::strip);
    columns_ = std::min<std::int64_t>(grid.width, RasterSink::strip);
    const auto count = static_cast<std::int64_t>(variable.bands.size());
    steps_ = std::clamp<std::int64_t>((std::int64_t{1} << 18) / (rows_ * columns_), 1, count);
    CPLStringList list;
    list.SetNameValue("BLOCKSIZE", (dimensions.size() == 3 ? fmt::format("{},{},{}", steps_, rows_, columns_)
                                                           : fmt::format("{},{}", rows_, columns_))
                                       .c_str());
    if (plan_.driver == "Zarr") {
      list.SetNameValue("COMPRESS", option(plan_.creation_options, "COMPRESS", "ZSTD").c_str());
    } else if (EQUAL(option(plan_.creation_options, "FORMAT", "NC4").c_str(), "NC4")) {
      list.SetNameValue("COMPRESS", option(plan_.creation_options, "COMPRESS", "DEFLATE").c_str());
      list.SetNameValue("ZLEVEL", option(plan_.creation_options, "ZLEVEL", "1").c_str());
    } else {
      list.Clear();
    }
    const auto array = root->CreateMDArray(variable.name, dimensions,
                                           GDALExtendedDataType::Create(gdal_type(plan_.dtype)), list.List());
    if (!array) return nullptr;
    bool ok = true;
    if (plan_.nodata) {
      if (plan_.dtype == DType::i64)
        ok = array->SetNoDataValue(static_cast<std::int64_t>(*plan_.nodata));
      else if (plan_.dtype == DType::u64)
        ok = array->SetNoDataValue(static_cast<std::uint64_t>(*plan_.nodata));
      else
        ok = array->SetNoDataValue(*plan_.nodata);
    }
    if (variable.unit.known())
      ok = array->SetUnit(variable.unit.symbol == units::flag ? "1" : variable.unit.symbol) && ok;
    return ok ? array : nullptr;
  }

  bool copy(GDALMDArray& array, const Variable& variable) {
    const auto type = gdal_type(plan_.dtype);
    const auto size = size_of(plan_.dtype);
    const auto count = static_cast<std::int64_t>(variable.bands.size());
    for (std::int64_t step = 0; step < count; step += steps_)
      for (std::int64_t y = 0; y < plan_.grid.height; y += rows_)
        for (std::int64_t x = 0; x < plan_.grid.width; x += columns_) {
          stop_if_cancelled(cancel_);
          const auto steps = std::min(steps_, count - step);
          const auto height = std::min(rows_, plan_.grid.height - y), width = std::min(columns_, plan_.grid.width - x);
          chunk_.resize(static_cast<std::size_t>(steps * height * width) * size);
          for (std::int64_t s = 0; s < steps; ++s) {
            auto* band = cells_.GetRasterBand(variable.bands[static_cast<std::size_t>(step + s)] + 1);
            if (band->RasterIO(GF_Read, static_cast<int>(x), static_cast<int>(y), static_cast<int>(width),
                               static_cast<int>(height),
                               chunk_.data() + static_cast<std::size_t>(s * height * width) * size,
                               static_cast<int>(width), static_cast<int>(height), type, 0, 0, nullptr) != CE_None)
              return false;
          }
          std::vector<GUInt64> start{static_cast<GUInt64>(y), static_cast<GUInt64>(x)};
          std::vector<std::size_t> extent{static_cast<std::size_t>(height), static_cast<std::size_t>(width)};
          if (!variable.times.empty()) {
            start.insert(start.begin(), static_cast<GUInt64>(step));
            extent.insert(extent.begin(), static_cast<std::size_t>(steps));
          }
          if (!array.Write(start.data(), extent.data(), nullptr, nullptr, array.GetDataType(), chunk_.data()))
            return false;
        }
    return true;
  }

  GDALDataset& cells_;
  const CubePlan& plan_;
  const std::atomic<bool>* cancel_;
  std::int64_t steps_ = 1, rows_ = 1, columns_ = 1;  // of a chunk
  std::vector<std::byte> chunk_;
};

}  // namespace

void check_cube_options(const std::string& driver, const std::vector<std::string>& creation_options) {
  const bool zarr = driver == "Zarr";
  for (const auto& pair : creation_options) {
    const auto name = pair.substr(0, pair.find('='));
    const auto value = pair.find('=') == std::string::npos ? std::string{} : pair.substr(pair.find('=') + 1);
    if (EQUAL(name.c_str(), "FORMAT")) {
      if (zarr && !EQUAL(value.c_str(), "ZARR_V2"))
        fail(Errc::usage,
             fmt::format("Zarr is written in version 2: {} of this GDAL is a draft that nothing else reads; "
                         "leave --co FORMAT away",
                         value));
      static constexpr std::array formats{"NC4", "NC", "NC2"};
      if (!zarr && EQUAL(value.c_str(), "NC4C"))
        fail(Errc::usage, "FORMAT=NC4C turns UInt16 into float; take --co FORMAT=NC4, which is the default");
      if (!zarr && std::none_of(formats.begin(), formats.end(), [&](const char* f) { return EQUAL(f, value.c_str()); }))
        fail(Errc::usage, fmt::format("netCDF has no FORMAT={}; known are NC4, NC, NC2", value));
    } else if (!EQUAL(name.c_str(), "COMPRESS") && !(EQUAL(name.c_str(), "ZLEVEL") && !zarr)) {
      fail(Errc::usage, fmt::format("a {} product takes no creation option {}; known are FORMAT, COMPRESS{}", driver,
                                    name, zarr ? "" : ", ZLEVEL"));
    }
  }
}

bool escape_zarr(const std::string& folder) {
  const auto escaped = [](const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c < 0x80) {
        out += text[i++];
        continue;
      }
      const std::size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
      std::uint32_t point = c & (0xffU >> (length + 1));
      std::size_t n = 1;
      for (; n < length && i + n < text.size() && (text[i + n] & 0xc0) == 0x80; ++n)
        point = point << 6 | (static_cast<unsigned char>(text[i + n]) & 0x3fU);
      i += n;
      // What is no UTF-8 becomes the mark for it.
      if (c < 0xc2 || n < length || point > 0x10ffff) point = 0xfffd;
      if (point >= 0x10000) {
        out += fmt::format("\\u{:04x}", 0xd800 + ((point - 0x10000) >> 10));
        point = 0xdc00 + ((point - 0x10000) & 0x3ff);
      }
      out += fmt::format("\\u{:04x}", point);
    }
    return out;
  };
  const CPLStringList files{VSIReadDirRecursive(folder.c_str())};
  for (int i = 0; i < files.size(); ++i) {
    const std::string name = files[i];
    const auto last = name.substr(name.rfind('/') + 1);
    if (last != ".zattrs" && last != ".zarray" && last != ".zgroup" && last != ".zmetadata") continue;
    const auto path = folder + "/" + name;
    GByte* bytes = nullptr;
    vsi_l_offset size = 0;
    if (VSIIngestFile(nullptr, path.c_str(), &bytes, &size, -1) == FALSE) return false;
    const std::string text{reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
    CPLFree(bytes);
    const auto made = escaped(text);
    if (made == text) continue;
    auto* const file = VSIFOpenL(path.c_str(), "wb");
    if (file == nullptr) return false;
    const bool written = VSIFWriteL(made.data(), 1, made.size(), file) == made.size();
    if (VSIFCloseL(file) != 0 || !written) return false;
  }
  return true;
}

DatasetPtr write_cube(const std::string& path, GDALDataset& cells, const CubePlan& plan,
                      const std::atomic<bool>* cancel) {
  auto* driver = GetGDALDriverManager()->GetDriverByName(plan.driver.c_str());
  if (driver == nullptr) return {};
  CPLStringList list;
  list.SetNameValue("FORMAT",
                    option(plan.creation_options, "FORMAT", plan.driver == "Zarr" ? "ZARR_V2" : "NC4").c_str());
  DatasetPtr result{driver->CreateMultiDimensional(path.c_str(), nullptr, list.List())};
  if (!result || !Writer{cells, plan, cancel}.write(result->GetRootGroup())) return {};
  return result;
}

}  // namespace fulmar
