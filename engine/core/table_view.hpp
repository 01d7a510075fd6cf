// SPDX-License-Identifier: Apache-2.0
/// @file
/// Tables as a tabular operator sees and makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/features.hpp"
#include "core/nearest.hpp"
#include "fulmar_abi.h"

namespace fulmar {

/// A table that flows into an operator. A view: it is there as long as the call.
class TableView {
 public:
  static constexpr int absent = -1;

  TableView() = default;
  explicit TableView(const fulmar_table* table) : table_{table} {}

  /// False for an optional input that nothing flows into.
  [[nodiscard]] bool connected() const { return table_ != nullptr && table_->connected != 0; }
  [[nodiscard]] std::size_t rows() const { return connected() ? static_cast<std::size_t>(table_->rows) : 0; }
  [[nodiscard]] int columns() const { return connected() ? static_cast<int>(table_->columns) : 0; }
  [[nodiscard]] Geometry geometry() const { return static_cast<Geometry>(table_->geometry); }
  /// Of lines and polygons, as WKT2; empty where unknown.
  [[nodiscard]] std::string_view crs() const { return table_->crs; }

  [[nodiscard]] std::string_view name(int column) const { return table_->column[column].name; }
  [[nodiscard]] ColumnType type(int column) const { return static_cast<ColumnType>(table_->column[column].type); }
  [[nodiscard]] Column column(int i) const {
    const fulmar_column& c = table_->column[i];
    return {c.name, static_cast<ColumnType>(c.type), Unit{c.unit}, c.description};
  }
  /// A number, flag or time; NaN where missing, and for texts.
  [[nodiscard]] double number(std::size_t row, int column) const {
    const fulmar_column& c = table_->column[column];
    return c.values == nullptr ? std::numeric_limits<double>::quiet_NaN() : c.values[row];
  }
  /// A text; empty where missing, and for numbers.
  [[nodiscard]] std::string_view text(std::size_t row, int column) const {
    const fulmar_column& c = table_->column[column];
    return c.texts == nullptr || c.texts[row] == nullptr ? std::string_view{} : std::string_view{c.texts[row]};
  }
  /// True of a column of texts of which no row has one: what it would hold a file of text, such as CSV, does not tell.
  [[nodiscard]] bool blank(int column) const {
    if (type(column) != ColumnType::text) return false;
    for (std::size_t row = 0; row < rows(); ++row)
      if (!text(row, column).empty()) return false;
    return true;
  }
  /// The column of that name, whatever the case of its letters; absent where there is none.
  [[nodiscard]] int find(std::string_view name) const {
    for (int i = 0; i < columns(); ++i)
      if (same_word(this->name(i), name)) return i;
    return absent;
  }
  /// The first of several names that there is.
  template <class Names>
  requires requires(const Names& n) { n.begin(); }
  [[nodiscard]] int find_any(const Names& names) const {
    for (const std::string_view name : names)
      if (const int at = find(name); at != absent) return at;
    return absent;
  }
  /// The column of that name. Errors: Errc::usage, with the nearest name and all others; `who` asks for it.
  [[nodiscard]] int must_find(std::string_view name, std::string_view who) const {
    const int at = find(name);
    if (at != absent) return at;
    std::vector<std::string> names;
    for (int i = 0; i < columns(); ++i) names.emplace_back(this->name(i));
    fail(Errc::usage, std::string{who} + " has " + no_column(name, names));
  }
  /// "no column 'lenght'; did you mean 'length'? It has mmsi, length".
  static std::string no_column(std::string_view name, const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& each : names) all += (all.empty() ? "" : ", ") + each;
    if (all.empty()) all = "none";
    const std::string near = nearest(name, names);
    return "no column '" + std::string{name} + "'; " +
           (near.empty() ? "it has " + all : "did you mean '" + near + "'? It has " + all);
  }
  /// All names, for messages: "mmsi, lon, lat".
  [[nodiscard]] std::string all_names() const {
    std::string all;
    for (int i = 0; i < columns(); ++i) all += (i > 0 ? ", " : "") + std::string{name(i)};
    return all;
  }

  /// Longitude and latitude of the row's point, or of the middle of its geometry; NaN where unknown.
  [[nodiscard]] LonLat place(std::size_t row) const { return {table_->places[2 * row], table_->places[2 * row + 1]}; }
  /// The lines or polygons of a row, in crs().
  [[nodiscard]] Shape shape(std::size_t row) const {
    Shape shape;
    if (table_->parts == nullptr) return shape;
    for (auto p = table_->parts[row]; p < table_->parts[row + 1]; ++p) {
      auto& part = shape.emplace_back();
      for (auto q = table_->paths[p]; q < table_->paths[p + 1]; ++q) {
        auto& path = part.emplace_back();
        for (auto i = table_->ends[q]; i < table_->ends[q + 1]; ++i)
          path.push_back({table_->points[2 * i], table_->points[2 * i + 1]});
      }
    }
    return shape;
  }

  /// True if two words differ in nothing but the case of their letters.
  static bool same_word(std::string_view a, std::string_view b) {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (fold(a[i]) != fold(b[i])) return false;
    return true;
  }

 private:
  const fulmar_table* table_ = nullptr;
};

/// The tables of an operator's input ports, in their order.
struct Tables {
  const fulmar_table* tables = nullptr;
  std::size_t count = 0;
  [[nodiscard]] TableView operator[](std::size_t i) const { return i < count ? TableView{tables + i} : TableView{}; }
};

/// Where an operator writes its table: first carry() or geometry() and column(), then row() and its values.
class TableWriter {
 public:
  explicit TableWriter(const fulmar_table_writer& writer) : writer_{writer} {}

  /// The table begins with all columns of an input, and its rows have the geometries of that input's rows.
  void carry(std::uint32_t input) { check(writer_.carry(writer_.out, input)); }
  /// The rows have a geometry of their own. An empty CRS is longitude and latitude.
  void geometry(Geometry geometry, const std::string& crs = {}) {
    check(writer_.geometry(writer_.out, static_cast<std::uint32_t>(geometry), crs.empty() ? nullptr : crs.c_str()));
  }
  /// Adds a column and returns its number; carried ones come first.
  int column(const Column& c, int carried = 0) {
    const fulmar_column described{sizeof(fulmar_column),
                                  static_cast<std::uint32_t>(c.type),
                                  c.name.c_str(),
                                  c.unit.symbol.c_str(),
                                  c.description.c_str(),
                                  nullptr,
                                  nullptr};
    check(writer_.column(writer_.out, &described));
    return carried + added_++;
  }
  void row() { check(writer_.row(writer_.out, UINT64_MAX)); }
  /// A row with the values and geometry of a row of the input that is carried.
  void row(std::size_t from) { check(writer_.row(writer_.out, from)); }
  void number(int column, double value) {
    check(writer_.number(writer_.out, static_cast<std::uint32_t>(column), value));
  }
  void text(int column, std::string_view text) {
    check(writer_.text(writer_.out, static_cast<std::uint32_t>(column), text.data(), text.size()));
  }
  void place(LonLat p) { check(writer_.place(writer_.out, p.lon, p.lat)); }
  /// Adds a line or ring to the last row's geometry; `part`: it begins a new part.
  void path(bool part, const Path& points) {
    static_assert(sizeof(Coordinate) == 2 * sizeof(double));
    check(writer_.path(writer_.out, part ? 1 : 0, points.empty() ? nullptr : &points.front().x, points.size()));
  }
  /// A sentence for the user.
  void note(const std::string& sentence) { check(writer_.note(writer_.out, sentence.c_str())); }

 private:
  static void check(int trouble) {
    if (trouble != 0) fail(Errc::runtime, "the table is not wanted any more");
  }
  const fulmar_table_writer& writer_;
  int added_ = 0;
};

}  // namespace fulmar
