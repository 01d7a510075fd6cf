// SPDX-License-Identifier: Apache-2.0
#include "io/raster_sink.hpp"

#include <cpl_vsi.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "core/error.hpp"
#include "core/iso_time.hpp"
#include "io/crs.hpp"
#include "io/cube_sink.hpp"
#include "io/drivers.hpp"
#include "io/product_file.hpp"
#include "io/stac.hpp"

namespace fulmar {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t largest_quicklook = 2048;
constexpr std::int64_t block = 512;  // of a scratch file

bool driver_lists(const GDALDriver& driver, const char* word) {
  const char* text = const_cast<GDALDriver&>(driver).GetMetadataItem(GDAL_DMD_CREATIONOPTIONLIST);
  return text != nullptr && std::string_view{text}.find(word) != std::string_view::npos;
}

bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

/// The type that holds the cells of all bands.
DType common_type(const std::vector<ProductBand>& bands) {
  auto dtype = bands.front().dtype;
  for (const auto& band : bands) {
    if (band.dtype == dtype) continue;
    const bool small = size_of(band.dtype) <= 2 && size_of(dtype) <= 2;
    const bool single = (small || is_floating(dtype) || is_floating(band.dtype)) && dtype != DType::f64 &&
                        band.dtype != DType::f64 && (size_of(dtype) <= 2 || dtype == DType::f32) &&
                        (size_of(band.dtype) <= 2 || band.dtype == DType::f32);
    dtype = single ? DType::f32 : DType::f64;
  }
  return dtype;
}

bool same_number(std::optional<double> a, std::optional<double> b) {
  return a == b || (a && b && std::isnan(*a) && std::isnan(*b));
}

/// The one nodata value of a file whose bands may each have their own.
std::optional<double> common_nodata(const std::vector<ProductBand>& bands, DType dtype) {
  const auto& first = bands.front().nodata;
  if (std::all_of(bands.begin(), bands.end(),
                  [&](const ProductBand& b) { return same_number(b.nodata, first) && b.dtype == bands.front().dtype; }))
    return first;
  return is_floating(dtype) ? std::optional{nan} : first;
}

/// The bands as the file has them.
std::vector<ProductBand> stored(std::vector<ProductBand> bands, const FileOptions& options) {
  if (options.type)
    for (ProductBand& band : bands) {
      if (band.dtype == *options.type && !options.nodata) continue;
      band.dtype = *options.type;
      band.nodata = options.nodata;
      if (!band.nodata && is_floating(band.dtype)) band.nodata = nan;
    }
  return bands;
}

/// The value at the end of a type that is least likely to be one of a cell.
std::string outermost(DType dtype) {
  return with_type(dtype, [](auto zero) {
    using To = decltype(zero);
    return fmt::format("{}",
                       +(std::is_signed_v<To> ? std::numeric_limits<To>::lowest() : std::numeric_limits<To>::max()));
  });
}

/// Cells of a row in the type of the file: to a whole number they are rounded, halves away from 0, and held to the ends
/// of the type. Missing cells become `none`, and one that is `none` by chance takes the number beside it. False where a
/// cell is missing and the type has nothing for it.
template <class From, class To>
bool convert_row(const From* from, std::int64_t width, std::optional<double> from_none, std::optional<double> none,
                 To* to) {
  constexpr bool whole = std::is_integral_v<To>;
  constexpr To most = std::numeric_limits<To>::max();
  // Of 64-bit types a double cannot hold the largest value, only the one after it.
  const double low = static_cast<double>(std::numeric_limits<To>::lowest()),
               high = sizeof(To) == 8 ? std::nextafter(static_cast<double>(most), 0.0) : static_cast<double>(most);
  const double gone_value = from_none.value_or(nan);
  To gap{}, beside{};
  if constexpr (whole) {
    if (none) gap = static_cast<To>(*none), beside = static_cast<To>(gap == most ? gap - 1 : gap + 1);
  } else {
    gap = static_cast<To>(none.value_or(nan));
    beside = std::nextafter(gap, gap == most ? To{0} : most);
  }
  const bool may_meet = none.has_value();
  int gaps = 0;
  for (std::int64_t x = 0; x < width; ++x) {
    const auto value = static_cast<double>(from[x]);
    const bool gone = std::isnan(value) || value == gone_value;
    double near = gone ? 0.0 : value;
    if constexpr (whole) {
      near = std::round(near);
      near = near < low ? low : near > high ? high : near;
    }
    auto cell = static_cast<To>(near);
    cell = may_meet && cell == gap ? beside : cell;
    to[x] = gone ? gap : cell;
    gaps |= gone ? 1 : 0;
  }
  return gaps == 0 || !whole || none;
}

CPLStringList tiff_options(GDALDriver& driver, const FileOptions& options, DType dtype, std::size_t bands,
                           bool user_options) {
  auto list = string_list(user_options ? options.creation_options : std::vector<std::string>{});
  // A stack of many is read band by band; three times as fast to write.
  if (bands > 8) add_option(list, "INTERLEAVE", "BAND");
  add_option(list, "TILED", "YES");
  if (EQUAL(list.FetchNameValueDef("TILED", "NO"), "YES")) {
    add_option(list, "BLOCKXSIZE", "512");
    add_option(list, "BLOCKYSIZE", "512");
  }
  const bool zstd = driver_lists(driver, "ZSTD");
  add_option(list, "COMPRESS", zstd ? "ZSTD" : "DEFLATE");
  const std::string codec = list.FetchNameValue("COMPRESS");
  if (EQUAL(codec.c_str(), "ZSTD")) add_option(list, "ZSTD_LEVEL", "1");
  if (EQUAL(codec.c_str(), "ZSTD") || EQUAL(codec.c_str(), "DEFLATE") || EQUAL(codec.c_str(), "LZW")) {
    if (is_floating(dtype))
      add_option(list, "PREDICTOR", "3");
    else if (size_of(dtype) == 2 || size_of(dtype) == 4)
      add_option(list, "PREDICTOR", "2");
  }
  add_option(list, "BIGTIFF", "IF_SAFER");
  if (options.threads > 1) add_option(list, "NUM_THREADS", std::to_string(options.threads));
  if (dtype == DType::i8) list.SetNameValue("PIXELTYPE", "SIGNEDBYTE");
  return list;
}

CPLStringList copy_options(const GDALDriver& driver, const FileOptions& options, DType dtype) {
  auto list = string_list(options.creation_options);
  const auto name = name_of(driver);
  if (name == "COG") {
    add_option(list, "COMPRESS", "DEFLATE");
    add_option(list, "PREDICTOR", "YES");
    add_option(list, "BIGTIFF", "IF_SAFER");
    // The mean of two flags is no flag.
    add_option(list, "OVERVIEW_RESAMPLING", is_floating(dtype) ? "AVERAGE" : "NEAREST");
    if (options.threads > 1) add_option(list, "NUM_THREADS", std::to_string(options.threads));
  } else if (name == "HFA") {
    add_option(list, "COMPRESSED", "YES");
  }
  return list;
}

class GdalRasterSink : public RasterSink {
 public:
  GdalRasterSink(const std::string& path, const FileOptions& options, const Grid& grid,
                 const std::vector<ProductBand>& bands, const Metadata& metadata)
      : options_{options},
        grid_{grid},
        given_{bands},
        bands_{stored(bands, options)},
        metadata_{metadata},
        driver_{driver_for(path, options).driver},
        file_{path, options.overwrite, options.cancel} {
    if (bands.empty()) fail(Errc::usage, fmt::format("'{}' would have no bands", path));
    if (grid.width <= 0 || grid.height <= 0 || grid.width > std::numeric_limits<int>::max() ||
        grid.height > std::numeric_limits<int>::max())
      fail(Errc::output, fmt::format("cannot write '{}': {} x {} cells", path, grid.width, grid.height));
    cube_ = name_of(*driver_) == "netCDF" || name_of(*driver_) == "Zarr";
    if (cube_) check_cube_options(name_of(*driver_), options.creation_options);
    // What it needs to know is known now, and may be absent.
    if (options.stac) item_ = stac_item(path, name_of(*driver_), grid, bands_, metadata);
    dtype_ = common_type(bands_);
    nodata_ = common_nodata(bands_, dtype_);
    // A cell that meets the value moves aside, and every "no" would become a "yes".
    for (const ProductBand& band : bands)
      if (options.nodata && (*options.nodata == 0 || *options.nodata == 1) && band.dtype == DType::u8 &&
          band.nodata == 255)
        fail(Errc::usage, fmt::format("--nodata {} is what a flag says in '{}': give another, such as --nodata {}",
                                      *options.nodata, path, outermost(dtype_)));
    direct_ = name_of(*driver_) == "GTiff";
    // Only GeoTIFF knows how to mark a byte as signed.
    if (dtype_ == DType::i8 && !direct_) dtype_ = DType::i16;
    create();
  }

  ~GdalRasterSink() override {
    // Closed before its files are removed.
    dataset_.reset();
  }

  void write(int band, const Window& window, const void* cells, std::int64_t stride) override {
    if (band < 0 || static_cast<std::size_t>(band) >= bands_.size())
      fail(Errc::runtime, fmt::format("'{}' has no band {}", file_.path(), band + 1));
    if (!dataset_ || intersect(window, grid_.window()) != window)
      fail(Errc::runtime, fmt::format("{} lie outside '{}'", to_text(window), file_.path()));
    if (window.empty()) return;
    in_order_ = in_order_ && is_next(band, window);
    const auto& own = given_[static_cast<std::size_t>(band)];
    if (own.dtype == dtype_ && (!own.nodata || same_number(own.nodata, nodata_)))
      put(band, window, cells, dtype_, stride);
    else
      put_converted(band, window, cells, stride);
    // Blocks leave in the order they came, not in that of a cache: the file's bytes depend on its cells alone.
    if (in_order_) flush(band);
  }

  void finish() override {
    if (finished_) return;
    if (!dataset_) fail(Errc::runtime, fmt::format("'{}' could not be finished before", file_.path()));
    stop_if_cancelled(options_.cancel);
    file_.close(std::move(dataset_));
    if (!direct_)
      convert();
    else if (!in_order_)
      rewrite();
    if (!item_.empty()) file_.write_beside(stac_ending, item_);
    file_.finish();
    finished_ = true;
  }

  void commit() override {
    finish();
    file_.commit();
  }

 private:
  /// True if the window is the next in the order that RasterSink names.
  bool is_next(int band, const Window& w) {
    const bool next = band == next_band_ && w.x == 0 && w.width == grid_.width && w.y == next_row_ &&
                      w.height == std::min(strip, grid_.height - w.y);
    if (++next_band_ == static_cast<int>(bands_.size())) {
      next_band_ = 0;
      next_row_ += strip;
    }
    return next;
  }

  void create() {
    const ErrorTrap trap;
    auto* tiff = GetGDALDriverManager()->GetDriverByName("GTiff");
    if (tiff == nullptr) fail(Errc::output, "this GDAL has no GeoTIFF driver");
    const auto list = tiff_options(*tiff, options_, dtype_, bands_.size(), direct_);
    work_ = direct_ ? file_.temporary() : file_.scratch("tif");
    dataset_.reset(tiff->Create(work_.c_str(), static_cast<int>(grid_.width), static_cast<int>(grid_.height),
                                static_cast<int>(bands_.size()), gdal_type(dtype_), list.List()));
    if (!dataset_ || trap.failed()) file_.fail_writing(trap);
    set_place(*dataset_, grid_);
    for (const auto& [key, value] : metadata_) dataset_->SetMetadataItem(key.c_str(), value.c_str());
    for (std::size_t i = 0; i < bands_.size(); ++i) {
      auto& band = *dataset_->GetRasterBand(static_cast<int>(i) + 1);
      band.SetDescription(title_of(bands_[i]).c_str());
      if (bands_[i].time && !cube_) band.SetMetadataItem(time_of_band, iso_time(*bands_[i].time).c_str());
      if (bands_[i].unit.known()) band.SetUnitType(bands_[i].unit.symbol.c_str());
      if (!nodata_) continue;
      if (dtype_ == DType::i64)
        band.SetNoDataValueAsInt64(static_cast<std::int64_t>(*nodata_));
      else if (dtype_ == DType::u64)
        band.SetNoDataValueAsUInt64(static_cast<std::uint64_t>(*nodata_));
      else
        band.SetNoDataValue(*nodata_);
    }
    if (trap.failed()) file_.fail_writing(trap);
  }

  /// The band's name, and when it was measured where that tells the bands apart.
  [[nodiscard]] std::string title_of(const ProductBand& band) const {
    const bool dated = !cube_ && band.time && std::any_of(bands_.begin(), bands_.end(), [&](const ProductBand& b) {
      return b.time != band.time;
    });
    if (!dated) return band.name;
    return band.name.empty() ? iso_time(*band.time) : band.name + " " + iso_time(*band.time);
  }

  /// Cells in another type than the file's, a part at a time: whole blocks, so that none is touched twice.
  void put_converted(int band, const Window& window, const void* cells, std::int64_t stride) {
    constexpr std::int64_t at_once = std::int64_t{1} << 18;
    int across = 0, down = 0;
    dataset_->GetRasterBand(band + 1)->GetBlockSize(&across, &down);
    const bool rows = across >= window.width;
    const std::int64_t width = rows ? window.width : ceil_to(block, across);
    const std::int64_t height =
        rows ? std::max<std::int64_t>(down, floor_to(at_once / window.width, down)) : window.height;
    for (std::int64_t y = window.y; y < window.bottom(); y += height)
      for (std::int64_t x = window.x; x < window.right(); x += width)
        put_part(band, window, intersect({x, y, width, height}, window), cells, stride);
  }

  void put_part(int band, const Window& window, const Window& part, const void* cells, std::int64_t stride) {
    const auto& own = given_[static_cast<std::size_t>(band)];
    converted_.resize(static_cast<std::size_t>(part.cells()) * size_of(dtype_));
    const bool whole = with_type(own.dtype, [&](auto from_zero) {
      using From = decltype(from_zero);
      return with_type(dtype_, [&](auto to_zero) {
        using To = decltype(to_zero);
        const From* from = static_cast<const From*>(cells) + (part.y - window.y) * stride + (part.x - window.x);
        To* to = reinterpret_cast<To*>(converted_.data());
        bool good = true;
        for (std::int64_t y = 0; y < part.height; ++y, from += stride, to += part.width)
          good &= convert_row(from, part.width, own.nodata, nodata_, to);
        return good;
      });
    });
    if (!whole)
      fail(Errc::usage, fmt::format("'{0}' has cells that are missing, for which {1} has no value: give one with "
                                    "--nodata, such as --type {1} --nodata {2}",
                                    file_.path(), name_of(dtype_), outermost(dtype_)));
    put(band, part, converted_.data(), dtype_, part.width);
  }

  void flush(int band) {
    const ErrorTrap trap;
    dataset_->GetRasterBand(band + 1)->FlushCache();
    if (trap.failed()) file_.fail_writing(trap);
  }

  void put(int band, const Window& w, const void* cells, DType dtype, std::int64_t stride) {
    const ErrorTrap trap;
    const auto size = static_cast<std::int64_t>(size_of(dtype));
    // RasterIO takes a plain pointer for both ways; it only reads here.
    const auto result = dataset_->GetRasterBand(band + 1)->RasterIO(
        GF_Write, static_cast<int>(w.x), static_cast<int>(w.y), static_cast<int>(w.width), static_cast<int>(w.height),
        const_cast<void*>(cells), static_cast<int>(w.width), static_cast<int>(w.height), gdal_type(dtype), size,
        size * stride, nullptr);
    if (result != CE_None || trap.failed()) file_.fail_writing(trap);
  }

  /// Copies a GeoTIFF that was written in some other order into one whose blocks stand in the order of RasterSink.
  void rewrite() {
    const std::string scattered = file_.scratch("tif");
    if (VSIRename(work_.c_str(), scattered.c_str()) != 0)
      fail(Errc::output, fmt::format("cannot move '{}' to '{}'", work_, scattered));
    const ErrorTrap trap;
    const auto source = open_dataset(scattered, GDAL_OF_RASTER, {});
    if (!source) file_.fail_writing(trap);
    in_order_ = true;
    create();
    std::vector<std::byte> rows(static_cast<std::size_t>(strip * grid_.width) * size_of(dtype_));
    for (std::int64_t y = 0; y < grid_.height; y += strip)
      for (int band = 0; band < static_cast<int>(bands_.size()); ++band) {
        stop_if_cancelled(options_.cancel);
        const Window w{0, y, grid_.width, std::min(strip, grid_.height - y)};
        if (source->GetRasterBand(band + 1)->RasterIO(
                GF_Read, 0, static_cast<int>(y), static_cast<int>(w.width), static_cast<int>(w.height), rows.data(),
                static_cast<int>(w.width), static_cast<int>(w.height), gdal_type(dtype_), 0, 0, nullptr) != CE_None)
          file_.fail_writing(trap);
        put(band, w, rows.data(), dtype_, w.width);
        flush(band);
      }
    file_.close(std::move(dataset_));
  }

  void convert() {
    const ErrorTrap trap;
    auto source = open_dataset(work_, GDAL_OF_RASTER, {});
    if (!source) file_.fail_writing(trap);
    const auto name = name_of(*driver_);
    if (name == "PNG") source = quicklook(*source);
    const auto list = copy_options(*driver_, options_, dtype_);
    DatasetPtr result;
    if (cube_)
      result =
          write_cube(file_.temporary(), *source,
                     {name, options_.creation_options, grid_, bands_, metadata_, dtype_, nodata_}, options_.cancel);
    else if (has_item(*driver_, GDAL_DCAP_CREATECOPY))
      result.reset(driver_->CreateCopy(file_.temporary().c_str(), source.get(), FALSE, list.List(), go_on,
                                       progress_argument(options_.cancel)));
    else
      result = copy_cells(*source, list);
    if (!result || trap.failed()) {
      result.reset();
      file_.fail_writing(trap);
    }
    source.reset();
    file_.close(std::move(result));
    if (name == "Zarr" && !escape_zarr(file_.temporary())) file_.fail_writing(trap);
  }

  DatasetPtr copy_cells(GDALDataset& source, const CPLStringList& list) const {
    DatasetPtr result{driver_->Create(file_.temporary().c_str(), source.GetRasterXSize(), source.GetRasterYSize(),
                                      source.GetRasterCount(), gdal_type(dtype_), list.List())};
    if (!result) return result;
    set_place(*result, grid_);
    for (const auto& [key, value] : metadata_) result->SetMetadataItem(key.c_str(), value.c_str());
    const char* const options[] = {nullptr};
    const auto copied = GDALDatasetCopyWholeRaster(GDALDataset::ToHandle(&source), GDALDataset::ToHandle(result.get()),
                                                   options, go_on, progress_argument(options_.cancel));
    if (copied != CE_None) result.reset();
    for (int i = 1; result && nodata_ && i <= result->GetRasterCount(); ++i)
      result->GetRasterBand(i)->SetNoDataValue(*nodata_);
    return result;
  }

  /// True if the bands are the red, green and blue of one moment.
  [[nodiscard]] bool in_colour() const {
    const auto alike = [&](const ProductBand& b) { return b.unit == bands_[0].unit && b.time == bands_[0].time; };
    return bands_.size() == 3 && std::all_of(bands_.begin(), bands_.end(), alike);
  }

  /// Grey and alpha, or colours and alpha, in memory.
  DatasetPtr quicklook(GDALDataset& source) const {
    const auto longer = std::max(grid_.width, grid_.height);
    const auto factor = (longer + largest_quicklook - 1) / largest_quicklook;
    const auto width = (grid_.width + factor - 1) / factor, height = (grid_.height + factor - 1) / factor;
    const int w = static_cast<int>(width), h = static_cast<int>(height), shown = in_colour() ? 3 : 1;
    auto* memory = GetGDALDriverManager()->GetDriverByName("MEM");
    DatasetPtr picture{memory == nullptr ? nullptr : memory->Create("", w, h, shown + 1, GDT_Byte, nullptr)};
    if (!picture) return picture;
    set_place(*picture, grid_, static_cast<double>(factor));
    for (const auto& [key, value] : metadata_) picture->SetMetadataItem(key.c_str(), value.c_str());
    const auto put_plane = [&](int band, GDALColorInterp meaning, std::vector<std::uint8_t>& cells) {
      auto& target = *picture->GetRasterBand(band);
      target.SetColorInterpretation(meaning);
      return target.RasterIO(GF_Write, 0, 0, w, h, cells.data(), w, h, GDT_Byte, 0, 0, nullptr) == CE_None;
    };
    constexpr std::array colours{GCI_RedBand, GCI_GreenBand, GCI_BlueBand};
    std::vector<std::uint8_t> plane(static_cast<std::size_t>(width * height)), alpha(plane.size(), 255);
    for (int band = 1; band <= shown; ++band) {
      const auto means = means_of(*source.GetRasterBand(band), factor, width, height);
      if (means.empty()) return {};
      const auto stretch = stretch_of(means);
      for (std::size_t i = 0; i < means.size(); ++i) {
        const bool missing = std::isnan(means[i]);
        plane[i] = missing ? 0 : stretch.grey(means[i]);
        if (missing) alpha[i] = 0;
      }
      if (!put_plane(band, shown == 1 ? GCI_GrayIndex : colours[static_cast<std::size_t>(band) - 1], plane)) return {};
    }
    if (!put_plane(shown + 1, GCI_AlphaBand, alpha)) return {};
    return picture;
  }

  /// Means of the valid cells beneath each cell of the picture; empty where the source cannot be read. Each block of
  /// the source is decoded once, and in an order of its own: the sums are the same whatever the windows that were
  /// written.
  [[nodiscard]] std::vector<float> means_of(GDALRasterBand& source, std::int64_t factor, std::int64_t width,
                                            std::int64_t height) const {
    const auto size = static_cast<std::size_t>(width * height);
    std::vector<double> sums(size);
    std::vector<std::uint32_t> counts(size);
    std::vector<float> cells;
    const auto nodata = static_cast<float>(nodata_.value_or(nan));
    for (std::int64_t top = 0; top < grid_.height; top += block)
      for (std::int64_t left = 0; left < grid_.width; left += block) {
        stop_if_cancelled(options_.cancel);
        const auto w = intersect({left, top, block, block}, grid_.window());
        cells.resize(static_cast<std::size_t>(w.cells()));
        const int across = static_cast<int>(w.width), down = static_cast<int>(w.height);
        if (source.RasterIO(GF_Read, static_cast<int>(left), static_cast<int>(top), across, down, cells.data(), across,
                            down, GDT_Float32, 0, 0, nullptr) != CE_None)
          return {};
        const auto* cell = cells.data();
        for (auto y = w.y; y < w.bottom(); ++y)
          for (auto x = w.x, end = x; x < w.right(); x = end) {
            end = std::min((x / factor + 1) * factor, w.right());
            const auto at = static_cast<std::size_t>(y / factor * width + x / factor);
            double sum = sums[at];
            for (auto i = x; i < end; ++i, ++cell) {
              if (!std::isfinite(*cell) || *cell == nodata) continue;
              sum += static_cast<double>(*cell);
              ++counts[at];
            }
            sums[at] = sum;
          }
      }
    std::vector<float> means(size);
    for (std::size_t i = 0; i < size; ++i)
      means[i] = static_cast<float>(counts[i] == 0 ? nan : sums[i] / static_cast<double>(counts[i]));
    return means;
  }

  FileOptions options_;
  Grid grid_;
  std::vector<ProductBand> given_, bands_;  // as they are handed over, and as the file has them
  Metadata metadata_;
  GDALDriver* driver_;
  ProductFile file_;
  DType dtype_ = DType::f32;
  std::optional<double> nodata_;
  bool in_order_ = true;  // so far every window was the next of the order that RasterSink names
  int next_band_ = 0;
  std::int64_t next_row_ = 0;
  std::string item_;    // a STAC Item to stand beside it
  bool cube_ = false;   // netCDF or Zarr
  bool direct_ = true;  // the product itself is the GeoTIFF that is written
  std::string work_;    // that GeoTIFF
  DatasetPtr dataset_;
  bool finished_ = false;
  std::vector<std::byte> converted_;
};

}  // namespace

void set_place(GDALDataset& dataset, const Grid& grid, double scale) {
  const auto crs = spatial_reference(grid.crs);
  if (grid.affine) {
    auto a = *grid.affine;
    for (const int i : {1, 2, 4, 5}) a[static_cast<std::size_t>(i)] *= scale;
    if (crs) dataset.SetSpatialRef(&*crs);
    dataset.SetGeoTransform(a.data());
    return;
  }
  if (grid.control_points.empty()) return;
  std::vector<GDAL_GCP> points;
  for (const auto& c : grid.control_points) {
    GDAL_GCP p{};
    // GDAL copies the names.
    p.pszId = const_cast<char*>("");
    p.pszInfo = const_cast<char*>("");
    p.dfGCPPixel = c.column / scale;
    p.dfGCPLine = c.row / scale;
    p.dfGCPX = c.x;
    p.dfGCPY = c.y;
    p.dfGCPZ = c.z;
    points.push_back(p);
  }
  dataset.SetGCPs(static_cast<int>(points.size()), points.data(), crs ? &*crs : nullptr);
}

std::uint8_t Stretch::grey(float value) const {
  const float part = high > low ? (value - low) / (high - low) : 0.5F;
  return static_cast<std::uint8_t>(std::lround(255 * std::clamp(part, 0.0F, 1.0F)));
}

Stretch stretch_of(std::vector<float> values) {
  values.erase(std::remove_if(values.begin(), values.end(), [](float v) { return std::isnan(v); }), values.end());
  if (values.empty()) return {};
  const auto at = [&](double part) {
    const auto place = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), place, values.end());
    return *place;
  };
  Stretch stretch{at(0.02), at(0.98)};
  // Rare flags: nearly all cells are the same, and the others are what one looks for.
  if (!(stretch.high > stretch.low)) stretch = {at(0.0), at(1.0)};
  return stretch;
}

std::unique_ptr<RasterSink> create_raster_sink(const std::string& path, const FileOptions& options, const Grid& grid,
                                               const std::vector<ProductBand>& bands, const Metadata& metadata) {
  return std::make_unique<GdalRasterSink>(path, options, grid, bands, metadata);
}

}  // namespace fulmar
