// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the engine asks of the world outside: rasters to read, products to write. Implemented in io/, or in memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/features.hpp"
#include "core/grid.hpp"
#include "core/transform.hpp"
#include "core/unit.hpp"
#include "core/window.hpp"

namespace fulmar {

/// One band as it is stored. A cell is missing if it equals `nodata` (compared in the stored type, before scaling), is
/// NaN or infinite, or if the band's mask says so; otherwise its value is stored * scale + offset.
struct StoredBand {
  DType dtype = DType::f32;
  std::optional<double> nodata;
  /// The nodata value of 64-bit integer bands, which a double cannot hold.
  std::optional<std::int64_t> nodata_i64;
  double scale = 1.0;
  double offset = 0.0;
  bool has_mask = false;  ///< read_mask() tells which cells are valid (mask band, alpha)
  Unit unit;              ///< of the value after scaling
  std::string description;
  std::optional<double> time = {};  ///< when it was measured: seconds since 1970-01-01T00:00:00Z
};

/// A handle for one thread at a time.
class FULMAR_API RasterReader {
 public:
  virtual ~RasterReader() = default;
  /// Copies the stored cells of a window that lies inside the raster. Rows are `stride` cells apart in `cells`.
  virtual void read(int band, const Window& window, void* cells, std::int64_t stride) = 0;
  /// The same window of several bands, each to its own cells. Cubes whose chunks hold many steps decode each once here,
  /// and once a band otherwise.
  virtual void read_bands(const std::vector<int>& bands, const Window& window, const std::vector<void*>& cells,
                          std::int64_t stride) {
    for (std::size_t i = 0; i < bands.size(); ++i) read(bands[i], window, cells[i], stride);
  }
  /// Validity of the same cells: 0 missing, anything else valid. Called only where the band has a mask.
  virtual void read_mask(int band, const Window& window, std::uint8_t* cells, std::int64_t stride) = 0;
};

/// A raster that can be read window by window by several threads, each with its own reader.
class FULMAR_API RasterSource {
 public:
  virtual ~RasterSource() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;  ///< as the user wrote it
  [[nodiscard]] virtual const Grid& grid() const = 0;
  [[nodiscard]] virtual const std::vector<StoredBand>& bands() const = 0;
  /// The size of the blocks in which the file is stored: reads aligned to it decode nothing twice.
  [[nodiscard]] virtual Window block() const = 0;
  /// How many bands are decoded together with one: all of pixel-interleaved files, one where each band is stored apart.
  [[nodiscard]] virtual std::int64_t bands_together() const { return static_cast<std::int64_t>(bands().size()); }
  /// Bands of one date that stand side by side, where the file tells: variables of a cube that are read together.
  [[nodiscard]] virtual std::int64_t bands_of_date() const { return 1; }
  /// The calendar of a climate model whose dates the bands' times stand for (noleap, all_leap, 360_day); empty: real
  /// days.
  [[nodiscard]] virtual std::string calendar() const { return {}; }
  /// Readers that may work at once: 1 where the library below holds one lock for all.
  [[nodiscard]] virtual int parallel_readers() const { return 1 << 16; }
  /// True for a source that computes its cells: it is asked block by block, where the cells are used, and never kept.
  [[nodiscard]] virtual bool computed() const { return false; }
  /// True for a raster that exists only while a run does.
  [[nodiscard]] virtual bool temporary() const { return false; }
  /// Bytes that one reader of a computed source needs for itself while it reads.
  [[nodiscard]] virtual std::int64_t working_bytes() const { return 0; }
  /// Metadata to hand on to products made from this raster (acquisition time, sensor...).
  [[nodiscard]] virtual std::map<std::string, std::string> metadata() const { return {}; }
  /// Of a companion: numbers that its cells point to, for the operator's Table.
  [[nodiscard]] virtual std::shared_ptr<const std::vector<double>> numbers() const { return nullptr; }
  /// Bytes that a companion keeps of its own as long as it is there.
  [[nodiscard]] virtual std::int64_t held_bytes() const { return 0; }
  /// Of a raster of zones: the value of each.
  [[nodiscard]] virtual std::vector<double> labels() const { return {}; }
  /// True if a short look at the cells finds the values of a band mostly negative: a sign of decibels.
  [[nodiscard]] virtual bool looks_negative(int band) const = 0;
  [[nodiscard]] virtual std::unique_ptr<RasterReader> reader() const = 0;
};

/// A raster of f32 bands that lives as long as a run: what an operator needs as a whole, or on another grid, is written
/// here by one pass and read by the next. Missing is NaN. Written by one thread, then read by many.
class FULMAR_API TemporaryRaster : public RasterSource {
 public:
  [[nodiscard]] bool temporary() const override { return true; }
  virtual void write(int band, const Window& window, const float* cells, std::int64_t stride) = 0;
  /// Gives its space back; a later write() begins anew.
  virtual void clear() = 0;
};

/// A companion made from a table, which may be there only while a run goes on.
class FULMAR_API DrawnSource : public RasterSource {
 public:
  /// Before the first reader is asked for. Errors: Errc::input where the table and the grid do not overlap, Errc::usage
  /// for a column that is not there.
  virtual void draw(const FeatureTable& table) = 0;
};

/// Options of one source or product, as the user gave them: open options, creation options, band choice...
struct FileOptions {
  std::vector<std::string> open_options;      ///< --oo NAME=VALUE
  std::vector<std::string> creation_options;  ///< --co
  std::vector<std::string> layer_options;     ///< --lco
  std::string format;                         ///< --of: driver name, or empty to go by the file's extension
  std::string unit;                           ///< --unit: what the file should have said
  std::string layer;                          ///< --layer of a vector file or cube; of a cube several, with commas
  std::optional<DType> type;                  ///< --type of a raster product; by default that of what was computed
  std::optional<double> nodata;               ///< --nodata of a raster product of such a type
  bool overwrite = false;
  bool stac = false;                          ///< --stac: a STAC Item beside the product
  int threads = 1;                            ///< that an encoder may use
  const std::atomic<bool>* cancel = nullptr;  ///< set by anyone to stop a product that takes long to finish
};

/// A band as a product stores it.
struct ProductBand {
  std::string name;
  DType dtype = DType::f32;
  std::optional<double> nodata;
  Unit unit;
  std::optional<double> time = {};  ///< when it was measured: seconds since 1970-01-01T00:00:00Z
};

/// Provenance and metadata of a product, as text pairs.
using Metadata = std::map<std::string, std::string>;

/// A raster product that is being written, by one thread. Without commit() nothing appears under the final name.
class FULMAR_API RasterSink {
 public:
  /// Rows in which cells are best handed over: all bands of [0, strip), then all of [strip, 2 strip)...
  static constexpr std::int64_t strip = 512;

  virtual ~RasterSink() = default;
  /// Cells of one window, in the band's own type. Windows never overlap. In whole rows and in strips they are stored as
  /// they come; any other order costs a second pass at commit(), so that the file's bytes do not tell the order.
  virtual void write(int band, const Window& window, const void* cells, std::int64_t stride) = 0;
  /// Encodes, closes and checks: all that can fail or take long. Stops with Errc::cancelled where the options say so.
  virtual void finish() {}
  /// Lets the product appear under its name. After finish(), and with the other products of the run.
  virtual void commit() = 0;
};

/// A product made of features, and for pictures also of the raster they were found in.
class FULMAR_API FeatureSink {
 public:
  virtual ~FeatureSink() = default;
  /// True if the sink wants the raster beneath the features (a picture).
  [[nodiscard]] virtual bool wants_raster() const { return false; }
  /// f32 cells of the raster beneath, missing as NaN. Only called where wants_raster().
  virtual void write_raster(const Window&, const float* /*cells*/, std::int64_t /*stride*/) {}
  virtual void write(const FeatureTable& table) = 0;
  /// What the user is to know of the product, such as names that its format changed.
  [[nodiscard]] virtual std::vector<std::string> notes() const { return {}; }
  virtual void finish() {}    ///< as RasterSink::finish()
  virtual void commit() = 0;  ///< as RasterSink::commit()
  /// True of a sink that takes the table itself: keep() comes after commit(), and write() may do nothing.
  [[nodiscard]] virtual bool keeps() const { return false; }
  virtual void keep(FeatureTable&& /*table*/) {}
};

/// What a product is. `any`: whatever flows into it, raster or features; never that of a product in a graph.
enum class ProductKind : std::uint8_t { raster, features, picture, any };

/// A value of an operator's parameter that concerns a file beside the scene (a land mask, a calibration table).
struct CompanionRequest {
  std::string kind;   ///< the schema's word: "outlines", "calibration"
  std::string path;   ///< as the user wrote it; may be empty where it can be found beside the scene
  std::string scene;  ///< name of the scene it accompanies
  std::map<std::string, std::string> values;  ///< the operator's parameters, as text
  FileOptions options;
  /// What the path names where that lies in memory already: a raster, or a table.
  std::shared_ptr<const RasterSource> raster = {};
  std::shared_ptr<const FeatureTable> table = {};
};

/// The door between the engine and files. All names are as the user wrote them.
class FULMAR_API Io {
 public:
  virtual ~Io() = default;
  [[nodiscard]] virtual std::shared_ptr<const RasterSource> open(const std::string& path, const FileOptions&) const = 0;
  /// The files that a name stands for, sorted: several where it holds wildcards, otherwise itself. Errors: Errc::input
  /// where no file fits.
  [[nodiscard]] virtual std::vector<std::string> expand(const std::string& path) const { return {path}; }
  /// A raster on `grid`, computed from a companion file of any grid or shape.
  [[nodiscard]] virtual std::shared_ptr<const RasterSource> companion(const CompanionRequest&,
                                                                      const Grid& grid) const = 0;
  /// The same, drawn from a table; its path tells where the table came from.
  [[nodiscard]] virtual std::shared_ptr<DrawnSource> drawn(const CompanionRequest& request, const Grid&) const {
    fail(Errc::usage, request.path + ": no tables can be drawn here");
  }
  /// From the cells of `target` to the places of `source`. Without a projection at hand: where both have the same CRS.
  /// Errors: Errc::input where no way leads from the one to the other.
  [[nodiscard]] virtual std::shared_ptr<const GridTransformer> transformer(const Grid& target,
                                                                           const Grid& source) const {
    return affine_transformer(target, source);
  }
  /// The grid onto which a raster is to be brought.
  /// Errors: Errc::usage for a CRS, resolution or extent that means nothing, or that the raster does not reach.
  [[nodiscard]] virtual Grid grid_for(const Grid& source, const GridRequest& request) const {
    return affine_grid_for(source, request);
  }
  /// A grid of which the caller knows the CRS alone: filled in with what only a projection library can tell (whether it
  /// counts degrees, metres a unit, whether it goes round the earth, places). Without one at hand: as it is.
  [[nodiscard]] virtual Grid placed(const Grid& grid) const { return grid; }
  /// The same of a table: its CRS in full, and the place of each row whose shape has one. A point may be given as a
  /// shape of one coordinate in the table's CRS.
  [[nodiscard]] virtual FeatureTable placed(FeatureTable table) const { return table; }
  /// For the provenance of products: a fingerprint of a plan and of the files it reads, and versions of libraries.
  [[nodiscard]] virtual Metadata provenance(const std::string& /*plan*/,
                                            const std::vector<std::string>& /*files*/) const {
    return {};
  }
  /// What a product of that name would be; fails where no driver fits, or where it exists and may not be replaced.
  [[nodiscard]] virtual ProductKind product_kind(const std::string& path, const FileOptions&) const = 0;
  [[nodiscard]] virtual std::unique_ptr<RasterSink> create_raster(const std::string& path, const FileOptions&,
                                                                  const Grid&, const std::vector<ProductBand>&,
                                                                  const Metadata&) const = 0;
  [[nodiscard]] virtual std::unique_ptr<FeatureSink> create_features(const std::string& path, const FileOptions&,
                                                                     const Grid&, const std::vector<Column>&,
                                                                     const Metadata&) const = 0;
  /// A place for bands between two passes, outside the memory budget (a file without a name, say).
  [[nodiscard]] virtual std::shared_ptr<TemporaryRaster> temporary(const std::string& name, const Grid&,
                                                                   const std::vector<StoredBand>&) const = 0;
  /// A product for a table of any geometry: `like` tells grid, geometry, CRS and columns; its rows are not looked at.
  [[nodiscard]] virtual std::unique_ptr<FeatureSink> create_table(const std::string& path, const FileOptions& options,
                                                                  const FeatureTable& like,
                                                                  const Metadata& metadata) const {
    return create_features(path, options, like.grid, like.columns, metadata);
  }
  /// True if a file holds features and no raster.
  [[nodiscard]] virtual bool holds_features(const std::string& /*path*/, const FileOptions&) const { return false; }
  /// The whole table of a file of features. Errors: Errc::input where it needs more than `most_bytes`.
  [[nodiscard]] virtual FeatureTable open_features(const std::string& path, const FileOptions&,
                                                   std::int64_t /*most_bytes*/) const {
    fail(Errc::input, path + ": no tables can be read here");
  }
  /// The table of that name where it lies in memory already, or nothing: it is not read, copied or counted.
  [[nodiscard]] virtual std::shared_ptr<const FeatureTable> features_at_hand(const std::string& /*path*/) const {
    return nullptr;
  }
  /// True if both names lead to the same file, whatever way they are spelt.
  [[nodiscard]] virtual bool same_file(const std::string& a, const std::string& b) const { return a == b; }
  /// Bytes the library below may keep for itself (a block cache), within the memory budget; 0: as it was before.
  virtual void limit_cache(std::int64_t /*bytes*/) const {}
};

}  // namespace fulmar
