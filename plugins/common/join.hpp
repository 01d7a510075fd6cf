// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/inside.hpp"
#include "common/words.hpp"
#include "core/geodesic.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Each row with the columns of the row of another table that belongs to it.
///
/// By attribute: --on mmsi, or --on zone=id where the columns' names differ; # is the number of the row, from 1. Of
/// several rows with the same value the first counts. By place: --nearest METRES, the nearest row within that distance
/// on the ellipsoid (of equally near ones the first); or --inside, the first polygon of the other table that holds the
/// row's place, which must be in longitude and latitude. Rows that belong to none keep missing values, or are dropped
/// with
/// --matched. Columns of a name that is taken get a number. Errors: no way to join or several; a column that is not
/// there.
struct Join {
  struct Params {
    Words<256> on;
    double nearest = 0;
    bool inside = false, matched = false;
  } params;
  static Schema schema() {
    return Schema{"join", "Add to each row the columns of the row that belongs to it in another table."}
        .table("table", "Any table.")
        .table("with", "The table to take columns from.")
        .output_table("table", "The rows, with the other table's columns behind their own.")
        .text<Params>(
            "on", [](Params& p, std::string_view text) { p.on.set(text); },
            "Column that both have, or column=column; # for the number of the row.", false)
        .param("nearest", &Params::nearest, "Join to the nearest row within this distance; 0 does not.", units::metre,
               between(0, 2e7))
        .param("inside", &Params::inside, "Join to the polygon that holds the row.", units::flag, anything())
        .param("matched", &Params::matched, "Drop rows that belong to none.", units::flag, anything())
        .example("tracks.gpkg ! join --with registry.csv --on mmsi ! named.gpkg")
        .cites("Codd 1970, Commun. ACM 13(6), 377-387 (joins)")
        .agrees(exactly);
  }
  static void check(const Params& p) {
    const int ways = (p.on.empty() ? 0 : 1) + (p.nearest > 0 ? 1 : 0) + (p.inside ? 1 : 0);
    if (ways != 1) fail(Errc::usage, "say how to join, in one way: on, nearest or inside");
  }

  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView table = in[0], other = in[1];
    const std::vector<std::size_t> partner = params.inside        ? by_inside(table, other)
                                             : params.nearest > 0 ? by_place(table, other)
                                                                  : by_value(table, other);
    out.carry(0);
    std::vector<int> added;
    for (int c = 0; c < other.columns(); ++c) added.push_back(out.column(other.column(c), table.columns()));
    std::size_t alone = 0;
    for (std::size_t row = 0; row < table.rows(); ++row) {
      const std::size_t mate = partner[row];
      if (mate == nobody) {
        ++alone;
        if (params.matched) continue;
      }
      out.row(row);
      if (mate == nobody) continue;
      for (int c = 0; c < other.columns(); ++c)
        if (other.type(c) == ColumnType::text)
          out.text(added[static_cast<std::size_t>(c)], other.text(mate, c));
        else
          out.number(added[static_cast<std::size_t>(c)], other.number(mate, c));
    }
    if (alone > 0)
      out.note(std::to_string(alone) + " of " + std::to_string(table.rows()) +
               " rows belong to none of the other table");
  }

 private:
  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);
  static constexpr int row_number = -2;

  static int column_of(const TableView& t, std::string_view name, const char* which) {
    return name == "#" ? row_number : t.must_find(name, "on: the " + std::string{which} + " table");
  }
  static bool is_text(const TableView& t, int column) {
    return column != row_number && t.type(column) == ColumnType::text;
  }
  static double number_of(const TableView& t, std::size_t row, int column) {
    return column == row_number ? static_cast<double>(row + 1) : t.number(row, column);
  }
  /// The text, or the number in all its digits, to be compared with a text; empty where missing.
  static std::string text_of(const TableView& t, std::size_t row, int column) {
    if (is_text(t, column)) return std::string{t.text(row, column)};
    const double x = number_of(t, row, column);
    if (is_missing(x)) return {};
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", x == 0 ? 0.0 : x);
    return digits;
  }

  /// For each row the first of the other table with the same key; what has no key has no partner.
  template <class Key>
  static std::vector<std::size_t> by_key(const TableView& table, int mine, const TableView& other, int theirs,
                                         Key (*key_of)(const TableView&, std::size_t, int), const auto& is_key) {
    std::unordered_map<Key, std::size_t> rows;
    rows.reserve(other.rows());
    for (std::size_t row = 0; row < other.rows(); ++row) {
      Key key = key_of(other, row, theirs);
      if (is_key(key)) rows.try_emplace(std::move(key), row);
    }
    std::vector<std::size_t> partner(table.rows(), nobody);
    for (std::size_t row = 0; row < table.rows(); ++row) {
      const Key key = key_of(table, row, mine);
      if (!is_key(key)) continue;
      if (const auto at = rows.find(key); at != rows.end()) partner[row] = at->second;
    }
    return partner;
  }

  [[nodiscard]] std::vector<std::size_t> by_value(const TableView& table, const TableView& other) const {
    const std::string_view on = params.on.view();
    const auto equals = on.find('=');
    const int mine = column_of(table, trimmed(on.substr(0, equals)), "first"),
              theirs =
                  column_of(other, trimmed(equals == std::string_view::npos ? on : on.substr(equals + 1)), "other");
    if (is_text(table, mine) || is_text(other, theirs))
      return by_key(table, mine, other, theirs, &text_of, [](const std::string& text) { return !text.empty(); });
    return by_key(table, mine, other, theirs, &number_of, [](double x) { return !is_missing(x); });
  }

  [[nodiscard]] std::vector<std::size_t> by_place(const TableView& table, const TableView& other) const {
    std::vector<std::pair<double, std::size_t>> by_latitude;
    for (std::size_t row = 0; row < other.rows(); ++row)
      if (const LonLat p = other.place(row); std::abs(p.lat) <= 90) by_latitude.emplace_back(p.lat, row);
    std::sort(by_latitude.begin(), by_latitude.end());
    const double reach = params.nearest / 110500;  // metres of a degree of latitude, at the least
    std::vector<std::size_t> partner(table.rows(), nobody);
    for (std::size_t row = 0; row < table.rows(); ++row) {
      const LonLat p = table.place(row);
      if (!(std::abs(p.lat) <= 90)) continue;
      double best = params.nearest;
      for (auto at = std::lower_bound(by_latitude.begin(), by_latitude.end(), std::pair{p.lat - reach, std::size_t{0}});
           at != by_latitude.end() && at->first <= p.lat + reach; ++at) {
        const double distance = geodesic(p, other.place(at->second)).distance;
        if (distance < best || (distance == best && (partner[row] == nobody || at->second < partner[row])))
          best = distance, partner[row] = at->second;
      }
    }
    return partner;
  }

  static std::vector<std::size_t> by_inside(const TableView& table, const TableView& other) {
    std::vector<std::size_t> partner(table.rows(), nobody);
    if (other.rows() == 0) return partner;
    if (other.geometry() != Geometry::polygon || !other.crs().starts_with("GEOG"))
      fail(Errc::input,
           "with: it must hold polygons in longitude and latitude; bring it there with ogr2ogr -t_srs "
           "EPSG:4326");
    for (std::size_t zone = 0; zone < other.rows(); ++zone) {
      const Shape shape = other.shape(zone);
      for (std::size_t row = 0; row < table.rows(); ++row)
        if (partner[row] == nobody && std::abs(table.place(row).lat) <= 90 && is_inside(shape, table.place(row)))
          partner[row] = zone;
    }
    return partner;
  }
};

}  // namespace fulmar::ops
