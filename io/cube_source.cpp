// SPDX-License-Identifier: Apache-2.0
#include "io/cube_source.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "core/error.hpp"
#include "core/signs.hpp"
#include "io/cf_time.hpp"
#include "io/crs.hpp"
#include "io/driver_options.hpp"
#include "io/gdal_support.hpp"
#include "io/name_pattern.hpp"
#include "io/raster_source.hpp"

namespace fulmar {
namespace {

using Array = std::shared_ptr<GDALMDArray>;
using Group = std::shared_ptr<GDALGroup>;

/// A path such as NETCDF:"file.nc":sst in its parts.
struct Name {
  std::string driver, file, variable;
};

std::optional<Name> name_of_cube(const std::string& path, const FileOptions& options) {
  Name name{"", path, options.layer};
  for (const auto& [prefix, driver] :
       std::array{std::pair{"NETCDF:", "netCDF"}, std::pair{"HDF5:", "HDF5"}, std::pair{"ZARR:", "Zarr"}}) {
    const std::string start = prefix;
    if (path.size() <= start.size() || !EQUAL(path.substr(0, start.size()).c_str(), prefix)) continue;
    name.driver = driver;
    auto rest = path.substr(start.size());
    if (rest.front() == '"') {
      const auto close = rest.find('"', 1);
      if (close == std::string::npos) return std::nullopt;
      name.file = rest.substr(1, close - 1);
      rest = rest.substr(close + 1);
      if (!rest.empty() && rest.front() == ':') rest.erase(0, 1);
    } else {
      const auto colon = rest.rfind(':');
      name.file = rest.substr(0, colon);
      rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    }
    while (rest.rfind("//", 0) == 0) rest.erase(0, 1);
    if (!rest.empty()) name.variable = rest;
    return name;
  }
  const char* const drivers[] = {"netCDF", "HDF5", "Zarr", nullptr};
  auto* const found = GDALIdentifyDriverEx(path.c_str(), GDAL_OF_MULTIDIM_RASTER, drivers, nullptr);
  if (found == nullptr) return std::nullopt;
  name.driver = GDALGetDescription(found);
  return name;
}

DatasetPtr open_multidimensional(const Name& name, const std::vector<std::string>& open_options) {
  const auto options = string_list(open_options);
  const char* const drivers[] = {name.driver.c_str(), nullptr};
  return DatasetPtr{GDALDataset::FromHandle(
      GDALOpenEx(name.file.c_str(), GDAL_OF_MULTIDIM_RASTER | GDAL_OF_READONLY, drivers, options.List(), nullptr))};
}

std::string text_of(const GDALIHasAttribute& object, const char* name) {
  const auto attribute = object.GetAttribute(name);
  if (!attribute || attribute->GetDataType().GetClass() == GEDTC_COMPOUND) return {};
  const char* text = attribute->ReadAsString();
  return text == nullptr ? std::string{} : std::string{text};
}

std::vector<double> numbers_of(const GDALIHasAttribute& object, const char* name) {
  const auto attribute = object.GetAttribute(name);
  if (!attribute) return {};
  if (attribute->GetDataType().GetClass() == GEDTC_STRING) {
    const char* text = attribute->ReadAsString();
    if (text == nullptr) return {};
    char* end = nullptr;
    const double value = CPLStrtod(text, &end);
    return end == text ? std::vector<double>{} : std::vector{value};
  }
  return attribute->GetDataType().GetClass() == GEDTC_NUMERIC ? attribute->ReadAsDoubleArray() : std::vector<double>{};
}

std::string units_of(const GDALMDArray& array) {
  return array.GetUnit().empty() ? text_of(array, "units") : array.GetUnit();
}

/// All arrays of a file, its groups included.
void collect(const Group& group, std::vector<Array>& arrays, int depth = 0) {
  if (!group || depth > 16) return;
  for (const auto& name : group->GetMDArrayNames(nullptr))
    if (auto array = group->OpenMDArray(name)) arrays.push_back(std::move(array));
  for (const auto& name : group->GetGroupNames(nullptr)) collect(group->OpenGroup(name), arrays, depth + 1);
}

std::string without_slash(const std::string& name) { return name.rfind('/', 0) == 0 ? name.substr(1) : name; }

std::string group_of(const std::string& full_name) { return full_name.substr(0, full_name.rfind('/') + 1); }

bool is_number(const GDALMDArray& array) {
  const auto& type = array.GetDataType();
  return type.GetClass() == GEDTC_NUMERIC && !GDALDataTypeIsComplex(type.GetNumericDataType());
}

std::uint64_t cells_of(const GDALMDArray& array) {
  std::uint64_t n = 1;
  for (const auto& dimension : array.GetDimensions()) n *= dimension->GetSize();
  return n;
}

/// The file as its arrays tell it.
class Cube {
 public:
  Cube(std::string path, const Group& root) : path_{std::move(path)} {
    collect(root, arrays_);
    for (const auto& array : arrays_) {
      for (const char* key : {"bounds", "climatology", "grid_mapping"})
        if (const auto word = text_of(*array, key); !word.empty()) helpers_.insert(word);
      for (const auto& word : words_of(text_of(*array, "coordinates"))) helpers_.insert(word);
      const auto& d = array->GetDimensions();
      if (d.size() == 1 && d[0]->GetName() == array->GetName()) helpers_.insert(array->GetName());
    }
  }

  enum class Axis : std::uint8_t { none, x, y, time };

  [[nodiscard]] const std::vector<Array>& arrays() const { return arrays_; }
  [[nodiscard]] bool is_helper(const GDALMDArray& array) const { return helpers_.contains(array.GetName()); }

  static std::vector<std::string> words_of(const std::string& text) {
    const CPLStringList list{CSLTokenizeString2(text.c_str(), " ", 0)};
    return {list.List(), list.List() + list.Count()};
  }

  /// An array of that name, rather in the group of `from` than elsewhere.
  [[nodiscard]] Array find(const std::string& name, const std::string& from) const {
    Array found;
    for (const auto& array : arrays_) {
      const auto& full = array->GetFullName();
      if (array->GetName() != name && without_slash(full) != without_slash(name)) continue;
      const auto group = group_of(full);
      if (group == group_of(from)) return array;
      if (!found || group_of(from).rfind(group, 0) == 0) found = array;
    }
    return found;
  }

  /// The coordinates along a dimension; null where there are none.
  [[nodiscard]] Array coordinate(const GDALDimension& dimension, const GDALMDArray& of) const {
    auto array = dimension.GetIndexingVariable();
    if (!array) array = find(dimension.GetName(), of.GetFullName());
    if (!array || array->GetDimensionCount() != 1 || array->GetDimensions()[0]->GetSize() != dimension.GetSize() ||
        !is_number(*array))
      return nullptr;
    return array;
  }

  /// What an array of coordinates counts.
  static Axis axis_of(const GDALMDArray& array) {
    const auto units = lower_case(units_of(array));
    if (counts_since(units)) return Axis::time;
    const auto standard = lower_case(text_of(array, "standard_name"));
    if (standard == "longitude" || standard == "projection_x_coordinate" || standard == "grid_longitude")
      return Axis::x;
    if (standard == "latitude" || standard == "projection_y_coordinate" || standard == "grid_latitude") return Axis::y;
    if (standard == "time") return Axis::time;
    for (const char* east : {"degrees_east", "degree_east", "degrees east", "degrees_e", "degree_e", "degreee"})
      if (units == east) return Axis::x;
    for (const char* north : {"degrees_north", "degree_north", "degrees north", "degrees_n", "degree_n", "degreen"})
      if (units == north) return Axis::y;
    const auto axis = lower_case(text_of(array, "axis"));
    if (axis == "x") return Axis::x;
    if (axis == "y") return Axis::y;
    if (axis == "t") return Axis::time;
    const auto name = lower_case(array.GetName());
    if (name == "lon" || name == "longitude" || name == "x" || name == "easting") return Axis::x;
    if (name == "lat" || name == "latitude" || name == "y" || name == "northing") return Axis::y;
    return Axis::none;
  }

  static bool is_degrees(const GDALMDArray& array) {
    const auto units = lower_case(units_of(array)), standard = lower_case(text_of(array, "standard_name"));
    const auto name = lower_case(array.GetName());
    return units.rfind("degree", 0) == 0 ||
           (units.empty() && (standard == "longitude" || standard == "latitude" || name == "lon" ||
                              name == "longitude" || name == "lat" || name == "latitude"));
  }

  /// All values in f64, unpacked; missing ones are NaN.
  [[nodiscard]] std::vector<double> values_of(const GDALMDArray& array) const {
    std::vector<std::size_t> count;
    for (const auto& dimension : array.GetDimensions()) count.push_back(static_cast<std::size_t>(dimension->GetSize()));
    const auto cells = cells_of(array);
    if (cells > (std::uint64_t{1} << 28))
      fail(Errc::input, fmt::format("'{}': coordinate {} has {} values", path_, array.GetName(), cells));
    return values_at(array, std::vector<GUInt64>(count.size(), 0), count);
  }

  /// The values of one box, likewise.
  [[nodiscard]] std::vector<double> values_at(const GDALMDArray& array, const std::vector<GUInt64>& start,
                                              const std::vector<std::size_t>& count) const {
    std::size_t cells = 1;
    for (const auto n : count) cells *= n;
    std::vector<double> values(cells);
    const ErrorTrap trap;
    if (values.empty() || !array.Read(start.data(), count.data(), nullptr, nullptr,
                                      GDALExtendedDataType::Create(GDT_Float64), values.data()))
      fail(Errc::input, fmt::format("cannot read coordinate {} of '{}': it is damaged or cut short{}", array.GetName(),
                                    path_, trap.aside()));
    bool has = false;
    const double nodata = array.GetNoDataValueAsDouble(&has);
    const double scale = array.GetScale(nullptr), offset = array.GetOffset(nullptr);
    for (auto& v : values) v = has && v == nodata ? std::nan("") : v * scale + offset;
    return values;
  }

 private:
  std::string path_;
  std::vector<Array> arrays_;
  std::set<std::string> helpers_;  // coordinates, bounds, grid mappings: no variables to look at
};

/// Where a variable's cells lie in its dimensions.
struct Layout {
  std::vector<std::size_t> count, chunk;  // by dimension
  std::size_t x = 0, y = 0, stack = 0;    // dimensions; stack == count.size(): there is none
  std::vector<std::size_t> others;        // all but x and y, in order
  bool flip_x = false, flip_y = false;
  std::int64_t roll = 0;        // columns from the file's first (from the west) to the raster's first
  Array longitudes, latitudes;  // of two dimensions
  std::optional<std::size_t> time;
};

struct Opened {
  std::string path;
  Name name;
  std::string array;
  std::vector<std::string> open_options;
  Grid grid;
  std::vector<StoredBand> bands;
  Layout layout;
  GDALDataType type = GDT_Unknown;
  DType dtype = DType::f32;
  double valid_min = -std::numeric_limits<double>::infinity(), valid_max = std::numeric_limits<double>::infinity();
  std::vector<double> missing;  // further values that mean missing
  Window block;
  Metadata metadata;
  std::string calendar;  // of a climate model

  [[nodiscard]] bool mends() const { return std::isfinite(valid_min) || std::isfinite(valid_max) || !missing.empty(); }
};

std::vector<std::size_t> indices_of(const Layout& layout, std::size_t band) {
  std::vector<std::size_t> at(layout.count.size(), 0);
  for (auto it = layout.others.rbegin(); it != layout.others.rend(); ++it) {
    at[*it] = band % layout.count[*it];
    band /= layout.count[*it];
  }
  return at;
}

class CubeReader : public RasterReader {
 public:
  explicit CubeReader(std::shared_ptr<const Opened> cube) : cube_{std::move(cube)} {}

  void read(int band, const Window& window, void* cells, std::int64_t stride) override {
    read_bands({band}, window, {cells}, stride);
  }

  void read_mask(int band, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, fmt::format("band {} of '{}' has no mask", band + 1, cube_->path));
  }

  void read_bands(const std::vector<int>& bands, const Window& window, const std::vector<void*>& cells,
                  std::int64_t stride) override {
    for (const int band : bands)
      if (band < 0 || static_cast<std::size_t>(band) >= cube_->bands.size())
        fail(Errc::runtime, fmt::format("'{}' has no band {}", cube_->path, band + 1));
    if (window.empty() || intersect(window, cube_->grid.window()) != window)
      fail(Errc::runtime, fmt::format("{} lie outside '{}'", to_text(window), cube_->path));
    open();
    with_type(cube_->dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto& layout = cube_->layout;
      // Bands that differ along the stack alone, in the same chunks: read at once.
      struct Plane {
        std::size_t step;
        T* cells;
      };
      std::map<std::vector<std::size_t>, std::vector<Plane>> groups;
      for (std::size_t i = 0; i < bands.size(); ++i) {
        auto at = indices_of(layout, static_cast<std::size_t>(bands[i]));
        std::size_t step = 0;
        if (layout.stack < at.size()) {
          step = at[layout.stack];
          at[layout.stack] = step / layout.chunk[layout.stack];
        }
        groups[at].push_back({step, static_cast<T*>(cells[i])});
      }
      for (auto& [at, planes] : groups) {
        const auto [low, high] =
            std::minmax_element(planes.begin(), planes.end(), [](auto& a, auto& b) { return a.step < b.step; });
        auto start = at;
        const std::size_t first = low->step, steps = high->step - low->step + 1;
        if (layout.stack < start.size()) start[layout.stack] = first;
        std::vector<std::vector<T*>> wanted(steps);  // where a step goes, mostly to one place
        for (const auto& plane : planes) wanted[plane.step - first].push_back(plane.cells);
        read_group<T>(start, steps, window, stride, [&](std::size_t step, std::int64_t y, std::int64_t x, auto&& put) {
          for (T* const to : wanted[step]) put(to + (y - window.y) * stride + (x - window.x));
        });
      }
    });
  }

 private:
  void open() {
    // Opened here and not in the constructor: a handle belongs to the thread that reads.
    if (array_) return;
    const ErrorTrap trap;
    dataset_ = open_multidimensional(cube_->name, cube_->open_options);
    const auto root = dataset_ ? dataset_->GetRootGroup() : nullptr;
    array_ = root ? root->OpenMDArrayFromFullname(cube_->array) : nullptr;
    if (!array_)
      fail(Errc::input, fmt::format("'{}' could be opened before but not again{}", cube_->path, trap.aside()));
    const auto& dimensions = array_->GetDimensions();
    bool same = dimensions.size() == cube_->layout.count.size();
    for (std::size_t d = 0; same && d < dimensions.size(); ++d)
      same = dimensions[d]->GetSize() == cube_->layout.count[d];
    if (!same) fail(Errc::input, fmt::format("'{}' has changed while it was being read", cube_->path));
  }

  /// Reads `steps` planes of a window in pieces of whole chunks, each of which is decoded once, and hands on each row's
  /// place: visit(step, y, x, put) calls put(to) for every plane that wants the row.
  template <class T, class Visit>
  void read_group(std::vector<std::size_t> start, std::size_t steps, const Window& window, std::int64_t stride,
                  Visit&& visit) {
    const auto& layout = cube_->layout;
    const auto width = cube_->grid.width, height = cube_->grid.height;
    static_cast<void>(stride);
    // Rows as the file has them, along its chunks.
    const std::int64_t top = layout.flip_y ? height - window.bottom() : window.y, bottom = top + window.height;
    const auto chunk_rows = static_cast<std::int64_t>(layout.chunk[layout.y]);
    constexpr std::int64_t most_cells = std::int64_t{1} << 22;
    const auto row_cells = std::max<std::int64_t>(1, window.width * static_cast<std::int64_t>(steps));
    const auto rows_at_once = std::max(most_cells / row_cells / chunk_rows, std::int64_t{1}) * chunk_rows;
    for (std::int64_t y = top; y < bottom;) {
      const auto end = std::min((y / rows_at_once + 1) * rows_at_once, bottom);
      // Columns from the west, in one piece or, across the seam of a rolled grid, in two.
      for (std::int64_t x = window.x; x < window.right();) {
        const auto from = (x + layout.roll) % width;
        const auto columns = std::min(window.right() - x, width - from);
        const auto file_x = layout.flip_x ? width - from - columns : from;
        read_box<T>(start, steps, y, end - y, file_x, columns);
        const auto stride_of = strides(start.size(), steps, end - y, columns);
        for (std::size_t s = 0; s < steps; ++s)
          for (std::int64_t r = y; r < end; ++r) {
            const auto* row = reinterpret_cast<const T*>(scratch_.data()) +
                              static_cast<std::int64_t>(s) * stride_of.stack + (r - y) * stride_of.y;
            visit(s, layout.flip_y ? height - 1 - r : r, x, [&](T* to) { copy_row(row, stride_of.x, columns, to); });
          }
        x += columns;
      }
      y = end;
    }
  }

  struct Strides {
    std::int64_t stack = 0, y = 0, x = 0;
  };
  [[nodiscard]] Strides strides(std::size_t dimensions, std::size_t steps, std::int64_t rows,
                                std::int64_t columns) const {
    Strides result;
    std::int64_t stride = 1;
    for (std::size_t d = dimensions; d-- > 0;) {
      if (d == cube_->layout.x)
        result.x = stride, stride *= columns;
      else if (d == cube_->layout.y)
        result.y = stride, stride *= rows;
      else if (d == cube_->layout.stack)
        result.stack = stride, stride *= static_cast<std::int64_t>(steps);
    }
    return result;
  }

  template <class T>
  void read_box(const std::vector<std::size_t>& at, std::size_t steps, std::int64_t y, std::int64_t rows,
                std::int64_t x, std::int64_t columns) {
    const auto& layout = cube_->layout;
    std::vector<GUInt64> start(at.begin(), at.end());
    std::vector<std::size_t> count(at.size(), 1);
    start[layout.y] = static_cast<GUInt64>(y), count[layout.y] = static_cast<std::size_t>(rows);
    start[layout.x] = static_cast<GUInt64>(x), count[layout.x] = static_cast<std::size_t>(columns);
    if (layout.stack < at.size()) count[layout.stack] = steps;
    scratch_.resize(steps * static_cast<std::size_t>(rows * columns) * sizeof(T));
    const ErrorTrap trap;
    // In the file's own order and without gaps: the libraries below are slow at anything else.
    if (!array_->Read(start.data(), count.data(), nullptr, nullptr, GDALExtendedDataType::Create(cube_->type),
                      scratch_.data()) ||
        trap.failed())
      fail(Errc::input, fmt::format("cannot read rows {}-{} of {} in '{}': it is damaged or cut short{}", y,
                                    y + rows - 1, without_slash(cube_->array), cube_->path, trap.aside()));
  }

  template <class T>
  void copy_row(const T* row, std::int64_t step, std::int64_t columns, T* to) const {
    const bool flip = cube_->layout.flip_x;
    if (step == 1 && !flip) {
      std::memcpy(to, row, static_cast<std::size_t>(columns) * sizeof(T));
    } else {
      for (std::int64_t x = 0; x < columns; ++x) to[x] = row[(flip ? columns - 1 - x : x) * step];
    }
    if (!cube_->mends()) return;
    const double low = cube_->valid_min, high = cube_->valid_max;
    const T none = no_value<T>();
    for (std::int64_t x = 0; x < columns; ++x) {
      const auto v = static_cast<double>(to[x]);
      bool gone = v < low || v > high;
      for (const double m : cube_->missing) gone = gone || v == m;
      if (gone) to[x] = none;
    }
  }

  template <class T>
  [[nodiscard]] T no_value() const {
    const auto& band = cube_->bands.front();
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
      if (band.nodata_i64) return static_cast<T>(*band.nodata_i64);
    }
    return static_cast<T>(*band.nodata);
  }

  std::shared_ptr<const Opened> cube_;
  DatasetPtr dataset_;
  Array array_;
  std::vector<std::byte> scratch_;
};

class CubeSource : public RasterSource {
 public:
  explicit CubeSource(std::shared_ptr<const Opened> cube) : cube_{std::move(cube)} {}

  [[nodiscard]] const std::string& name() const override { return cube_->path; }
  [[nodiscard]] const Grid& grid() const override { return cube_->grid; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return cube_->bands; }
  [[nodiscard]] Window block() const override { return cube_->block; }
  // netCDF and HDF5 hold one lock for all.
  [[nodiscard]] int parallel_readers() const override { return cube_->name.driver == "Zarr" ? 1 << 16 : 1; }
  [[nodiscard]] std::int64_t bands_together() const override {
    const auto& layout = cube_->layout;
    return layout.stack < layout.chunk.size() ? static_cast<std::int64_t>(layout.chunk[layout.stack]) : 1;
  }
  [[nodiscard]] std::string calendar() const override { return cube_->calendar; }
  [[nodiscard]] Metadata metadata() const override { return cube_->metadata; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<CubeReader>(cube_); }
  [[nodiscard]] bool looks_negative(int band) const override { return mostly_negative(*this, band); }

 private:
  std::shared_ptr<const Opened> cube_;
};

/// Finds a variable's axes; nothing where it has no place.
std::optional<Layout> layout_of(const Cube& cube, const GDALMDArray& array) {
  const auto& dimensions = array.GetDimensions();
  if (dimensions.size() < 2 || !is_number(array)) return std::nullopt;
  Layout layout;
  const auto none = dimensions.size();
  auto x = none, y = none;
  for (std::size_t d = 0; d < dimensions.size(); ++d) {
    const auto coordinate = cube.coordinate(*dimensions[d], array);
    const auto axis = coordinate                                               ? Cube::axis_of(*coordinate)
                      : dimensions[d]->GetType() == GDAL_DIM_TYPE_HORIZONTAL_X ? Cube::Axis::x
                      : dimensions[d]->GetType() == GDAL_DIM_TYPE_HORIZONTAL_Y ? Cube::Axis::y
                                                                               : Cube::Axis::none;
    if (axis == Cube::Axis::x && coordinate) x = d;
    if (axis == Cube::Axis::y && coordinate) y = d;
    if (axis == Cube::Axis::time && coordinate && !layout.time) layout.time = d;
  }
  if (x == none || y == none) {
    // Longitudes and latitudes of two dimensions, named by the variable or by themselves.
    auto names = Cube::words_of(text_of(array, "coordinates"));
    if (names.empty()) names = {"lon", "lat", "longitude", "latitude"};
    for (const auto& name : names) {
      const auto found = cube.find(name, array.GetFullName());
      if (!found || found->GetDimensionCount() != 2) continue;
      const auto axis = Cube::axis_of(*found);
      if (axis == Cube::Axis::x) layout.longitudes = found;
      if (axis == Cube::Axis::y) layout.latitudes = found;
    }
    if (!layout.longitudes || !layout.latitudes) return std::nullopt;
    x = y = none;
    for (std::size_t d = 0; d < dimensions.size(); ++d) {
      if (dimensions[d]->GetName() == layout.longitudes->GetDimensions()[1]->GetName()) x = d;
      if (dimensions[d]->GetName() == layout.longitudes->GetDimensions()[0]->GetName()) y = d;
    }
    if (x == none || y == none || x == y || cells_of(*layout.longitudes) != cells_of(*layout.latitudes) ||
        cells_of(*layout.longitudes) != dimensions[x]->GetSize() * dimensions[y]->GetSize())
      return std::nullopt;
  }
  layout.x = x, layout.y = y;
  const auto blocks = array.GetBlockSize();
  for (std::size_t d = 0; d < dimensions.size(); ++d) {
    layout.count.push_back(static_cast<std::size_t>(dimensions[d]->GetSize()));
    const auto block = d < blocks.size() ? static_cast<std::size_t>(blocks[d]) : 0;
    layout.chunk.push_back(std::clamp<std::size_t>(block, 1, std::max<std::size_t>(1, layout.count[d])));
    if (d != layout.x && d != layout.y) layout.others.push_back(d);
  }
  // The stack is the axis with the longest chunks, else the last.
  layout.stack = layout.count.size();
  for (const auto d : layout.others)
    if (layout.stack == layout.count.size() || layout.chunk[d] >= layout.chunk[layout.stack]) layout.stack = d;
  return layout;
}

[[noreturn]] void list_variables(const std::string& path, const Name& name, const std::vector<Array>& arrays,
                                 const std::string& why) {
  const char* prefix = name.driver == "netCDF" ? "NETCDF" : name.driver == "HDF5" ? "HDF5" : "ZARR";
  std::string text = fmt::format("'{}' {}; name one of them, with --layer or as:", path, why);
  constexpr std::size_t most = 40;
  for (std::size_t i = 0; i < std::min(most, arrays.size()); ++i) {
    std::vector<std::string> size;
    for (const auto& d : arrays[i]->GetDimensions()) size.push_back(fmt::format("{}={}", d->GetName(), d->GetSize()));
    const auto full = arrays[i]->GetFullName();
    text += fmt::format("\n    {}:\"{}\":{}  [{}]", prefix, name.file,
                        name.driver == "netCDF" ? without_slash(full)
                        : name.driver == "HDF5" ? "/" + full
                                                : full,
                        fmt::join(size, ", "));
  }
  fail(Errc::input, text);
}

/// The even spacing of coordinates: the centre of the first cell and the step to the next.
struct Spacing {
  double first = 0, step = 0;
};

Spacing spacing_of(const std::string& path, const GDALMDArray& array, std::vector<double> values, bool longitudes) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]))
      fail(Errc::input, fmt::format("'{}': coordinate {} is missing at its position {}", path, array.GetName(), i + 1));
    // Longitudes that jump at the antimeridian run on.
    if (longitudes && i > 0) values[i] = nearest_longitude(values[i], values[i - 1]);
  }
  if (values.size() == 1) return {values[0], 0};
  const Spacing spacing{values.front(), (values.back() - values.front()) / static_cast<double>(values.size() - 1)};
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    worst = std::max(worst, std::abs(values[i] - (spacing.first + static_cast<double>(i) * spacing.step)));
    largest = std::max(largest, std::abs(values[i]));
  }
  // What f32 coordinates cannot tell is no unevenness.
  const double slack = array.GetDataType().GetNumericDataType() == GDT_Float32 ? largest * 2.4e-7 : 0;
  if (spacing.step == 0 || worst > 0.05 * std::abs(spacing.step) + slack)
    fail(Errc::input, fmt::format("'{}': coordinate {} is not evenly spaced (up to {:.3g} off steps of {:.6g}); bring "
                                  "it to a regular grid first, for example with cdo remapbil",
                                  path, array.GetName(), worst, std::abs(spacing.step)));
  return spacing;
}

std::string crs_of(const Cube& cube, const GDALMDArray& array, bool degrees) {
  if (const auto known = array.GetSpatialRef()) return wkt2(known.get());
  // GDAL follows grid mappings in netCDF alone.
  if (const auto mapping = cube.find(text_of(array, "grid_mapping"), array.GetFullName()))
    for (const char* key : {"crs_wkt", "spatial_ref"})
      if (const auto crs = spatial_reference(text_of(*mapping, key))) return wkt2(&*crs);
  if (!degrees) return {};
  const auto wgs84 = spatial_reference("EPSG:4326");
  return wgs84 ? wkt2(&*wgs84) : std::string{};
}

void place_on_axes(const Cube& cube, const GDALMDArray& array, Opened& raster) {
  auto& layout = raster.layout;
  auto& grid = raster.grid;
  const auto x = cube.coordinate(*array.GetDimensions()[layout.x], array);
  const auto y = cube.coordinate(*array.GetDimensions()[layout.y], array);
  const bool degrees = Cube::is_degrees(*x) && Cube::is_degrees(*y);
  grid.crs = crs_of(cube, array, degrees);
  auto across = spacing_of(raster.path, *x, cube.values_of(*x), degrees);
  auto down = spacing_of(raster.path, *y, cube.values_of(*y), false);
  // A single row or column is as wide as the others are high; a single cell has no size.
  if (across.step == 0) across.step = std::abs(down.step);
  if (down.step == 0) down.step = -std::abs(across.step);
  if (across.step == 0) {
    grid.crs.clear();
    return;
  }
  layout.flip_x = across.step < 0;
  layout.flip_y = down.step > 0;
  const double dx = std::abs(across.step), dy = std::abs(down.step);
  double west = std::min(across.first, across.first + static_cast<double>(grid.width - 1) * across.step) - dx / 2;
  const double north = std::max(down.first, down.first + static_cast<double>(grid.height - 1) * down.step) + dy / 2;
  if (degrees) {
    const double width = static_cast<double>(grid.width) * dx;
    if (std::abs(width / 360 - 1) < 1e-6) {
      const double columns = (-180 - west) / dx;
      const double whole = std::round(columns);
      if (std::abs(columns - whole) < 0.01) {
        layout.roll = ((static_cast<std::int64_t>(whole) % grid.width) + grid.width) % grid.width;
        west += whole * dx;
      }
    } else if (west >= 180 - dx * 1e-6) {
      west -= 360;
    } else if (west + width <= -180 + dx * 1e-6) {
      west += 360;
    }
  }
  grid.affine = std::array<double, 6>{west, dx, 0, north, 0, -dy};
}

void place_by_points(const Cube& cube, const GDALMDArray& array, Opened& raster) {
  auto& grid = raster.grid;
  const auto& layout = raster.layout;
  std::optional<double> reference;
  // Less than 1000 points: all are used.
  constexpr std::int64_t most = 31;
  const auto columns = std::min(most, grid.width), rows = std::min(most, grid.height);
  for (std::int64_t j = 0; j < rows; ++j) {
    // A row at a time: of a large swath that is a thousandth of it.
    const auto row = rows == 1 ? 0 : j * (grid.height - 1) / (rows - 1);
    const std::vector<GUInt64> start{static_cast<GUInt64>(row), 0};
    const std::vector<std::size_t> count{1, static_cast<std::size_t>(grid.width)};
    const auto lon = cube.values_at(*layout.longitudes, start, count);
    const auto lat = cube.values_at(*layout.latitudes, start, count);
    for (std::int64_t i = 0; i < columns; ++i) {
      const auto column = columns == 1 ? 0 : i * (grid.width - 1) / (columns - 1);
      const auto at = static_cast<std::size_t>(column);
      if (!std::isfinite(lon[at]) || !std::isfinite(lat[at]) || std::abs(lat[at]) > 90 || std::abs(lon[at]) > 720)
        continue;
      if (!reference) reference = lon[at];
      grid.control_points.push_back({static_cast<double>(column) + 0.5, static_cast<double>(row) + 0.5,
                                     nearest_longitude(lon[at], *reference), lat[at], 0});
    }
  }
  if (grid.control_points.size() < 4)
    fail(Errc::input, fmt::format("'{}': the longitudes and latitudes of {} are missing nearly everywhere", raster.path,
                                  array.GetName()));
  const auto wgs84 = spatial_reference("EPSG:4326");
  grid.crs = wgs84 ? wkt2(&*wgs84) : std::string{};
}

DType stored_type(const GDALMDArray& array, GDALDataType type, const std::string& path) {
  const auto mark = lower_case(text_of(array, "_Unsigned"));
  const bool is_unsigned = mark == "true" || mark == "1";
  switch (type) {
    case GDT_Byte:
      return DType::u8;
    case GDT_UInt16:
      return DType::u16;
    case GDT_Int16:
      return is_unsigned ? DType::u16 : DType::i16;
    case GDT_UInt32:
      return DType::u32;
    case GDT_Int32:
      return is_unsigned ? DType::u32 : DType::i32;
    case GDT_UInt64:
      return DType::u64;
    case GDT_Int64:
      return is_unsigned ? DType::u64 : DType::i64;
    case GDT_Float32:
      return DType::f32;
    case GDT_Float64:
      return DType::f64;
    default:
      break;
  }
  fail(Errc::input, fmt::format("{} in '{}' has cells of a type that is not read ({})", array.GetName(), path,
                                GDALGetDataTypeName(type)));
}

/// netCDF's fill value of a type, which stands where nothing was written. Bytes have none.
std::optional<double> default_fill(DType dtype) {
  switch (dtype) {
    case DType::i16:
      return -32767.0;
    case DType::u16:
      return 65535.0;
    case DType::i32:
      return -2147483647.0;
    case DType::u32:
      return 4294967295.0;
    case DType::f32:
    case DType::f64:
      return 9.9692099683868690e+36;
    default:
      return std::nullopt;
  }
}

void set_missing(const GDALMDArray& array, StoredBand& stored, Opened& raster) {
  // Values as the cells hold them: those of unsigned cells are often written as if they were signed.
  const auto as_stored = [&](double v) {
    return with_type(stored.dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_unsigned_v<T> && sizeof(T) < 8) {
        if (v < 0 && v >= -std::ldexp(1.0, 8 * sizeof(T) - 1)) return v + std::ldexp(1.0, 8 * sizeof(T));
      }
      if constexpr (std::is_same_v<T, float>) return static_cast<double>(static_cast<float>(v));
      return v;
    });
  };
  std::vector<double> values;
  bool has = false;
  if (stored.dtype == DType::i64 || stored.dtype == DType::u64) {
    if (array.GetRawNoDataValue() != nullptr) {
      const auto value = raster.type == GDT_UInt64 ? static_cast<std::int64_t>(array.GetNoDataValueAsUInt64(&has))
                                                   : array.GetNoDataValueAsInt64(&has);
      if (has) stored.nodata_i64 = value;
    }
  } else if (const double value = array.GetNoDataValueAsDouble(&has); has) {
    values.push_back(as_stored(value));
  }
  for (const double v : numbers_of(array, "missing_value"))
    if (std::isfinite(v) && std::find(values.begin(), values.end(), as_stored(v)) == values.end())
      values.push_back(as_stored(v));
  if (values.empty() && !stored.nodata_i64 && raster.name.driver == "netCDF")
    if (const auto fill = default_fill(stored.dtype)) values.push_back(as_stored(*fill));
  const auto range = numbers_of(array, "valid_range");
  const auto low = numbers_of(array, "valid_min"), high = numbers_of(array, "valid_max");
  if (range.size() == 2) raster.valid_min = as_stored(range[0]), raster.valid_max = as_stored(range[1]);
  if (!low.empty()) raster.valid_min = as_stored(low[0]);
  if (!high.empty()) raster.valid_max = as_stored(high[0]);
  if (!(raster.valid_min <= raster.valid_max)) {
    raster.valid_min = -std::numeric_limits<double>::infinity();
    raster.valid_max = -raster.valid_min;
  }
  // Cells hold nothing beyond the ends of their type; what may fall outside the range is then told by the ends alone.
  with_type(stored.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto lowest = static_cast<double>(std::numeric_limits<T>::lowest());
    const auto highest = static_cast<double>(std::numeric_limits<T>::max());
    if constexpr (std::is_integral_v<T>) {
      if (raster.valid_min <= lowest) raster.valid_min = -std::numeric_limits<double>::infinity();
      if (raster.valid_max >= highest) raster.valid_max = std::numeric_limits<double>::infinity();
      // A value that is outside of the range anyway, where the file names none.
      if (values.empty() && !stored.nodata_i64 && sizeof(T) < 8) {
        if (std::isfinite(raster.valid_min))
          values.push_back(lowest);
        else if (std::isfinite(raster.valid_max))
          values.push_back(highest);
      }
      if (sizeof(T) == 8 && !stored.nodata_i64 && raster.mends())
        stored.nodata_i64 = std::numeric_limits<std::int64_t>::min();
    } else if (values.empty()) {
      values.push_back(std::nan(""));
    }
  });
  if (stored.dtype != DType::i64 && stored.dtype != DType::u64 && !values.empty()) {
    stored.nodata = values.front();
    raster.missing.assign(values.begin() + 1, values.end());
  } else {
    raster.missing = values;
    if (!values.empty() && !stored.nodata_i64) stored.nodata_i64 = static_cast<std::int64_t>(values.front());
  }
}

Metadata metadata_of(const GDALGroup& root, const GDALMDArray& array) {
  Metadata metadata;
  const auto add = [&](const std::string& prefix, const std::vector<std::shared_ptr<GDALAttribute>>& attributes) {
    static constexpr std::array packing{"_FillValue",  "missing_value", "add_offset",   "scale_factor", "valid_min",
                                        "valid_max",   "valid_range",   "_ChunkSizes",  "actual_range", "_Unsigned",
                                        "coordinates", "grid_mapping",  "cell_methods", "_NCProperties"};
    for (const auto& attribute : attributes) {
      const auto& name = attribute->GetName();
      if (std::any_of(packing.begin(), packing.end(), [&](const char* word) { return name == word; })) continue;
      if (attribute->GetDataType().GetClass() == GEDTC_COMPOUND || attribute->GetTotalElementsCount() > 64) continue;
      const char* text = attribute->ReadAsString();
      if (text != nullptr) metadata[prefix + name] = text;
    }
  };
  add("NC_GLOBAL#", root.GetAttributes());
  add(array.GetName() + "#", array.GetAttributes());
  return metadata;
}

/// Instants by position on the time axis; one for all where time is a single value beside the variable.
struct Times {
  std::vector<std::optional<double>> at;
  bool along_axis = false;
  std::string calendar;  // of a climate model
};

Times times_of(const Cube& cube, const GDALMDArray& array, const Opened& raster) {
  Array axis;
  Times times;
  if (raster.layout.time) {
    axis = cube.coordinate(*array.GetDimensions()[*raster.layout.time], array);
    times.along_axis = true;
  } else {
    auto names = Cube::words_of(text_of(array, "coordinates"));
    names.push_back("time");
    for (const auto& name : names) {
      const auto found = cube.find(name, array.GetFullName());
      if (!found || !is_number(*found) || cells_of(*found) != 1 || !counts_since(units_of(*found)) ||
          text_of(*found, "standard_name") == "forecast_reference_time")
        continue;
      axis = found;
      break;
    }
  }
  if (!axis || !counts_since(units_of(*axis))) return times;
  try {
    const CfTime time{units_of(*axis), text_of(*axis, "calendar")};
    times.at = instants(time, cube.values_of(*axis));
    times.calendar = time.calendar() == Calendar::noleap     ? "noleap"
                     : time.calendar() == Calendar::all_leap ? "all_leap"
                     : time.calendar() == Calendar::day360   ? "360_day"
                                                             : "";
  } catch (const Error& e) {
    fail(e.code(), fmt::format("'{}': time axis {}: {}", raster.path, axis->GetName(), e.message()));
  }
  return times;
}

/// "depth=10" for the axes that are neither place nor time.
std::string other_axes(const Cube& cube, const GDALMDArray& array, const Layout& layout,
                       std::map<std::size_t, std::vector<double>>& known, std::size_t band) {
  const auto at = indices_of(layout, band);
  std::string text;
  for (const auto d : layout.others) {
    if (d == layout.time || layout.count[d] < 2) continue;
    const auto& dimension = *array.GetDimensions()[d];
    auto found = known.find(d);
    if (found == known.end()) {
      const auto coordinate = cube.coordinate(dimension, array);
      found = known.emplace(d, coordinate ? cube.values_of(*coordinate) : std::vector<double>{}).first;
    }
    const double value = found->second.empty() ? static_cast<double>(at[d] + 1) : found->second[at[d]];
    text += fmt::format(" {}={:.9g}", dimension.GetName(), value);
  }
  return text;
}

}  // namespace

std::shared_ptr<const RasterSource> open_cube(const std::string& path, const FileOptions& options) {
  const ErrorTrap trap;
  const auto name = name_of_cube(path, options);
  if (!name) return nullptr;
  const auto dataset = open_multidimensional(*name, options.open_options);
  const auto root = dataset ? dataset->GetRootGroup() : nullptr;
  if (!root) return nullptr;
  const Cube cube{path, root};

  Array array;
  std::optional<Layout> layout;
  if (!name->variable.empty()) {
    array = cube.find(name->variable, "/");
    if (!array) {
      std::vector<Array> known;
      for (const auto& a : cube.arrays())
        if (layout_of(cube, *a)) known.push_back(a);
      if (known.empty()) return nullptr;
      list_variables(path, *name, known, fmt::format("has no variable '{}'", name->variable));
    }
    layout = layout_of(cube, *array);
  } else {
    std::vector<Array> candidates;
    for (const auto& a : cube.arrays())
      if (!cube.is_helper(*a) && layout_of(cube, *a)) candidates.push_back(a);
    if (candidates.size() > 1) list_variables(path, *name, candidates, "holds several variables");
    if (!candidates.empty()) {
      array = candidates.front();
      layout = layout_of(cube, *array);
    }
  }
  if (!layout) return nullptr;

  auto raster = std::make_shared<Opened>();
  raster->path = path;
  raster->name = *name;
  raster->array = array->GetFullName();
  check_open_options(path, *dataset, options.open_options);
  raster->open_options = options.open_options;
  raster->layout = std::move(*layout);
  std::uint64_t count = 1;
  for (const auto d : raster->layout.others) {
    count *= raster->layout.count[d];
    if (count > 1'000'000)
      fail(Errc::input, fmt::format("'{}': {} has more than a million steps", path, array->GetName()));
  }
  const auto width = raster->layout.count[raster->layout.x], height = raster->layout.count[raster->layout.y];
  if (count == 0 || width == 0 || height == 0) fail(Errc::input, fmt::format("'{}' has no cells", path));
  constexpr std::size_t most = std::numeric_limits<int>::max();
  if (width > most || height > most)
    fail(Errc::input, fmt::format("'{}' is larger than can be read: {} x {} cells", path, width, height));
  raster->grid.width = static_cast<std::int64_t>(width);
  raster->grid.height = static_cast<std::int64_t>(height);
  if (raster->layout.longitudes)
    place_by_points(cube, *array, *raster);
  else
    place_on_axes(cube, *array, *raster);
  finish_grid(raster->grid);

  raster->type = array->GetDataType().GetNumericDataType();
  StoredBand stored;
  stored.dtype = raster->dtype = stored_type(*array, raster->type, path);
  const auto number = [&](const char* key, double known, bool has, double otherwise) {
    if (has) return std::isfinite(known) ? known : otherwise;
    const auto values = numbers_of(*array, key);
    return values.size() == 1 && std::isfinite(values[0]) ? values[0] : otherwise;
  };
  bool has_scale = false, has_offset = false;
  const double scale = array->GetScale(&has_scale), offset = array->GetOffset(&has_offset);
  stored.scale = number("scale_factor", scale, has_scale, 1);
  if (stored.scale == 0) stored.scale = 1;
  stored.offset = number("add_offset", offset, has_offset, 0);
  stored.unit = parse_unit(options.unit.empty() ? units_of(*array) : options.unit);
  set_missing(*array, stored, *raster);

  const auto times = times_of(cube, *array, *raster);
  raster->calendar = times.calendar;
  // A file of one moment may tell it beside the axes, or in its name.
  if (!raster->layout.time && times.at.empty()) {
    stored.time = moment_in_text(text_of(*root, "time_coverage_start"));
    if (!stored.time) stored.time = date_in_name(file_name(name->file));
  }
  std::map<std::size_t, std::vector<double>> known;
  for (std::size_t band = 0; band < count; ++band) {
    stored.description = array->GetName() + other_axes(cube, *array, raster->layout, known, band);
    if (times.along_axis && !times.at.empty())
      stored.time = times.at[indices_of(raster->layout, band)[*raster->layout.time]];
    else if (!times.at.empty())
      stored.time = times.at.front();
    raster->bands.push_back(stored);
  }
  // Variables without chunks are read in any piece.
  const auto blocks = array->GetBlockSize();
  const auto block = [&](std::size_t d, std::size_t otherwise) {
    return static_cast<std::int64_t>(d < blocks.size() && blocks[d] > 0 ? raster->layout.chunk[d] : otherwise);
  };
  raster->block = {0, 0, block(raster->layout.x, width), block(raster->layout.y, 1)};
  raster->metadata = metadata_of(*root, *array);
  return std::make_shared<CubeSource>(std::move(raster));
}

}  // namespace fulmar
