// SPDX-License-Identifier: Apache-2.0
/// @file
/// A table of features: columns of values and one geometry a row, in cells of the grid they were found on or in
/// coordinates.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/grid.hpp"
#include "core/unit.hpp"

namespace fulmar {

/// A corner of a cell: whole columns and rows. Small, since outlines are most of what features take.
struct Corner {
  std::int32_t column = 0, row = 0;
  friend bool operator==(const Corner&, const Corner&) = default;
};

/// A closed line along the edges of cells; the last corner joins the first and is not repeated.
using Ring = std::vector<Corner>;
/// The first ring is the shell (clockwise on the raster, rows downwards), the others are holes (anticlockwise).
using Polygon = std::vector<Ring>;

/// A point in a coordinate system; x is east or longitude.
struct Coordinate {
  double x = 0, y = 0;
  friend bool operator==(const Coordinate&, const Coordinate&) = default;
};
/// A line, or a closed ring whose last point joins the first and is not repeated.
using Path = std::vector<Coordinate>;
/// Parts of one geometry: each one line, or a polygon whose first ring is the shell.
using Shape = std::vector<std::vector<Path>>;

/// A time is seconds since 1970-01-01T00:00:00Z; a text is the place of a word in FeatureTable::words.
enum class ColumnType : std::uint8_t { integer, real, flag, text, time };

/// How files write a column whose type does not tell.
enum class Form : std::uint8_t {
  plain,  ///< as its type is written
  date,   ///< of times: days, without a time of day
  clock   ///< of texts: times of day, 13:44:00
};

struct Column {
  std::string name;
  ColumnType type = ColumnType::real;
  Unit unit;
  std::string description;
  Form form = Form::plain;
};

/// What the rows of a table have for a geometry.
enum class Geometry : std::uint8_t {
  cells,   ///< polygons along the edges of the grid's cells
  none,    ///< nothing
  point,   ///< Feature::place
  line,    ///< Feature::shape, in the table's CRS
  polygon  ///< likewise
};

/// One row: its geometry (cells that touch only at a corner make separate polygons) and a value for every column.
/// A missing value is NaN, whatever the column's type; integers are exact to 2^53.
struct Feature {
  std::vector<Polygon> polygons;
  std::vector<double> values;
  Shape shape = {};
  /// Longitude and latitude of the point, or of the middle of any other geometry; NaN where unknown.
  LonLat place = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
};

/// Features in one grid, or in one CRS. The sink turns corners into coordinates.
struct FeatureTable {
  Grid grid;
  std::vector<Column> columns;
  std::vector<Feature> rows;
  Geometry geometry = Geometry::cells;
  std::string crs = {};                 ///< of shapes: WKT2, or empty where the file does not say
  std::vector<std::string> words = {};  ///< what the values of text columns count

  /// The text of a value; empty where it is missing.
  [[nodiscard]] const std::string& word(double value) const {
    static const std::string nothing;
    return value >= 0 && value < static_cast<double>(words.size()) ? words[static_cast<std::size_t>(value)] : nothing;
  }
};

/// Keeps the words of a table while it is filled: each once.
class WordList {
 public:
  explicit WordList(std::vector<std::string>& words) : words_{words} {
    for (std::size_t i = 0; i < words.size(); ++i) places_.emplace(words[i], static_cast<double>(i));
  }
  /// The value that stands for a text.
  double operator()(std::string_view text) {
    const auto [at, fresh] = places_.try_emplace(std::string{text}, static_cast<double>(words_.size()));
    if (fresh) {
      words_.emplace_back(text);
      bytes_ += static_cast<std::int64_t>(2 * (sizeof(std::string) + text.size()) + 64);
    }
    return at->second;
  }
  /// What the words added through this list take.
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  std::vector<std::string>& words_;
  std::unordered_map<std::string, double> places_;
  std::int64_t bytes_ = 0;
};

}  // namespace fulmar
