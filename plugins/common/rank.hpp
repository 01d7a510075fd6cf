// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "common/words.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Rows in the order of their likeness to one signature.
///
/// The signature names columns and what they should be: length=180,width=30. With s the scale of a column - given as
/// length=180~25, or the column's own standard deviation (ddof 0) over the rows that have a value - the distance of a
/// row is sqrt(mean over the columns of ((x - signature) / s)^2). A column whose values are all alike tells nothing and
/// counts 0 where it equals the signature; else it is an error to leave its scale out. Rows of equal distance keep
/// their order; a row that lacks a value of the signature cannot be compared and is left out, and the run says how
/// many. Errors: a signature that names a column that is not there or has no numbers.
struct Rank {
  struct Params {
    Words<1024> like;
    std::int64_t top = 0;
  } params;
  static Schema schema() {
    return Schema{"rank", "Order the rows of a table by their likeness to a signature."}
        .table("table", "Any table, such as objects.")
        .output_table("table", "The rows, the nearest first, with distance and rank.")
        .text<Params>(
            "like", [](Params& p, std::string_view text) { p.like.set(text); },
            "What is looked for: column=value or column=value~scale, separated by commas.")
        .positional()
        .param("top", &Params::top, "Keep only so many; 0 keeps all.", units::one, between(0, 1e9))
        .example("objects.gpkg ! rank 'length=180,width=30~5' --top 10 ! likely.gpkg")
        .cites("Duda, Hart & Stork 2001, Pattern Classification, section 4.6 (normalised distances)")
        .agrees(exactly);
  }

  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView table = in[0];
    const auto wanted = signature(table);
    std::vector<std::pair<double, std::size_t>> order;
    order.reserve(table.rows());
    for (std::size_t row = 0; row < table.rows(); ++row) {
      double sum = 0;
      for (const Wanted& w : wanted) {
        const double d = (table.number(row, w.column) - w.value) / w.scale;
        sum += d * d;
      }
      if (!is_missing(sum)) order.emplace_back(math::sqrt(sum / static_cast<double>(wanted.size())), row);
    }
    const std::size_t left_out = table.rows() - order.size();
    // By distance, then by row: no two are equal, so any way of sorting gives the same order.
    const std::size_t count =
        params.top > 0 ? std::min(order.size(), static_cast<std::size_t>(params.top)) : order.size();
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
    out.carry(0);
    const int distance = out.column({"distance", ColumnType::real, Unit{std::string{units::one}},
                                     "Root mean square of the differences from the signature over their scales"},
                                    table.columns());
    const int rank = out.column({"rank", ColumnType::integer, Unit{std::string{units::one}}, "1 is the most alike"},
                                table.columns());
    for (std::size_t i = 0; i < count; ++i) {
      out.row(order[i].second);
      out.number(distance, order[i].first);
      out.number(rank, static_cast<double>(i + 1));
    }
    if (left_out > 0)
      out.note(std::to_string(left_out) + " of " + std::to_string(table.rows()) +
               " rows lack a value of the signature and are left out");
  }

 private:
  struct Wanted {
    int column;
    double value, scale;
  };

  static double number(std::string_view text, std::string_view where) {
    double x = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(x))
      fail(Errc::usage, "like: '" + std::string{where} + "' is not column=value or column=value~scale");
    return x;
  }

  /// The standard deviation of a column; two passes, so that large means cost no digits.
  static double spread(const TableView& table, int column) {
    double sum = 0, count = 0;
    for (std::size_t row = 0; row < table.rows(); ++row)
      if (const double x = table.number(row, column); !is_missing(x)) sum += x, ++count;
    const double mean = sum / count;
    double squares = 0;
    for (std::size_t row = 0; row < table.rows(); ++row)
      if (const double x = table.number(row, column); !is_missing(x)) squares += (x - mean) * (x - mean);
    return math::sqrt(squares / count);
  }

  [[nodiscard]] std::vector<Wanted> signature(const TableView& table) const {
    std::vector<Wanted> wanted;
    for (const std::string_view item : split(params.like.view(), ',')) {
      const auto equals = item.find('=');
      if (equals == std::string_view::npos)
        fail(Errc::usage, "like: '" + std::string{item} + "' is not column=value or column=value~scale");
      const std::string_view name = trimmed(item.substr(0, equals)), value = trimmed(item.substr(equals + 1));
      const int column = table.must_find(name, "like: the table");
      if (table.type(column) == ColumnType::text && !table.blank(column))
        fail(Errc::usage, "like: the column '" + std::string{name} + "' holds texts, which have no distance");
      const auto wave = value.find('~');
      Wanted w{column, number(trimmed(value.substr(0, wave)), item), 0};
      if (wave != std::string_view::npos) {
        w.scale = number(trimmed(value.substr(wave + 1)), item);
        if (!(w.scale > 0)) fail(Errc::usage, "like: the scale in '" + std::string{item} + "' must be above 0");
      } else {
        w.scale = spread(table, column);
        if (w.scale == 0 && table.rows() > 0) {
          const double only = table.number(0, column);
          if (!is_missing(only) && only != w.value)
            fail(Errc::usage, "like: all values of '" + std::string{name} + "' are alike: give its scale, as in " +
                                  std::string{name} + "=" + std::string{value} + "~1");
          w.scale = 1;
        }
      }
      wanted.push_back(w);
    }
    return wanted;
  }
};

}  // namespace fulmar::ops
