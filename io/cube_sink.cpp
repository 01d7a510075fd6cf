// SPDX-License-Identifier: Apache-2.0
#include "io/cube_sink.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <string_view>

#include "core/error.hpp"
#include "io/crs.hpp"
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
};

/// Letters, digits and underscores, the first no digit: the names that CF recommends.
std::string cf_name(const std::string& text) {
  std::string name;
  for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  while (!name.empty() && name.back() == '_') name.pop_back();
  if (name.empty()) return "band";
  return std::isdigit(static_cast<unsigned char>(name.front())) != 0 ? "b_" + name : name;
}

/// The times that all variables share; empty where there is no such axis.
std::vector<double> stack_by_time(const CubePlan& plan, std::vector<Variable>& variables) {
  std::vector<Variable> stacks;
  for (std::size_t b = 0; b < plan.bands.size(); ++b) {
    const auto& band = plan.bands[b];
    if (!band.time) return {};
    const auto name = cf_name(band.name);
    auto found = std::find_if(stacks.begin(), stacks.end(), [&](const Variable& v) { return v.name == name; });
    if (found == stacks.end()) found = stacks.insert(stacks.end(), {name, {}, band.unit});
    if (!(found->unit == band.unit)) return {};
    found->bands.push_back(static_cast<int>(b));
  }
  const auto time = [&](int band) { return *plan.bands[static_cast<std::size_t>(band)].time; };
  std::vector<double> times;
  for (auto& stack : stacks) {
    std::stable_sort(stack.bands.begin(), stack.bands.end(), [&](int a, int b) { return time(a) < time(b); });
    std::vector<double> own;
    for (const int band : stack.bands) own.push_back(time(band));
    if (std::adjacent_find(own.begin(), own.end()) != own.end()) return {};
    if (!times.empty() && own != times) return {};
    times = own;
  }
  variables = std::move(stacks);
  return times;
}

std::vector<Variable> flat_variables(const CubePlan& plan) {
  std::vector<Variable> variables;
  std::set<std::string> taken{"x", "y", "lon", "lat", "time", "crs", "row", "column"};
  for (std::size_t b = 0; b < plan.bands.size(); ++b) {
    const auto stem = cf_name(plan.bands[b].name);
    auto name = stem;
    for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}_{}", stem, i);
    variables.push_back({name, {static_cast<int>(b)}, plan.bands[b].unit});
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

bool add_axis(const Group& root, const Axis& axis, const std::vector<double>& values, std::vector<Dimension>& all) {
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
  if (axis.letter[0] == 'T') ok = put_text(*array, "calendar", "proleptic_gregorian") && ok;
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
    std::vector<Variable> variables;
    const auto times = stack_by_time(plan_, variables);
    if (times.empty()) variables = flat_variables(plan_);
    std::vector<Dimension> dimensions;
    if (!add_attributes_of_file(root, plan_)) return false;
    if (!times.empty() &&
        !add_axis(root, {"time", GDAL_DIM_TYPE_TEMPORAL, "", "seconds since 1970-01-01 00:00:00", "time", "T"}, times,
                  dimensions))
      return false;
    if (!add_place(root, plan_.grid, dimensions)) return false;
    std::string coordinates;
    const std::vector<Dimension> place{dimensions.end() - 2, dimensions.end()};
    if (!add_places_of_cells(root, plan_.grid, place, cancel_, coordinates)) return false;
    const auto crs = plan_.grid.affine ? spatial_reference(plan_.grid.crs) : std::nullopt;
    const bool zarr = plan_.driver == "Zarr";
    if (zarr && crs && !add_grid_mapping(root, plan_.grid.crs)) return false;
    for (const auto& variable : variables) {
      const auto array = create(root, variable, dimensions);
      if (!array) return false;
      bool ok = true;
      if (const auto name = standard_name(plan_, variable); !name.empty()) ok = put_text(*array, "standard_name", name);
      if (const auto words = plan_.metadata.find(variable.name + "#long_name"); words != plan_.metadata.end())
        ok = put_text(*array, "long_name", words->second) && ok;
      if (!coordinates.empty()) ok = put_text(*array, "coordinates", coordinates) && ok;
      // Written by GDAL in netCDF, and there before the first cell.
      if (crs) ok = array->SetSpatialRef(&*crs) && ok;
      if (zarr && crs) ok = put_text(*array, "grid_mapping", "crs") && ok;
      if (!ok || !copy(*array, variable, !times.empty())) return false;
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

  bool copy(GDALMDArray& array, const Variable& variable, bool stacked) {
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
          if (stacked) {
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
