// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "common/expression_program.hpp"
#include "common/words.hpp"
#include "core/iso_time.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The rows of a table for which a condition holds.
///
/// The condition is an expression in muParser's syntax, as for `expression`, of at most 64 columns, named as they
/// are or in "double quotes" where their names are no words. Texts in 'single quotes' compare with == and != against
/// columns of text; a text that is a time in ISO 8601 stands for its seconds since 1970 and compares with columns of
/// time. A row stays where the condition is neither 0 nor missing: a condition on a missing value never holds. Errors:
/// a condition that does not parse, or that names a column that is not there.
struct Filter {
  struct Params {
    Words<1024> condition;
  } params;
  static Schema schema() {
    return Schema{"filter", "Keep the rows of a table for which a condition holds."}
        .table("table", "Any table.")
        .output_table("table", "The rows that stay.")
        .text<Params>(
            "where", [](Params& p, std::string_view text) { p.condition.set(text); },
            "The condition, such as length > 100 && state == 'dark'.")
        .positional()
        .example("ships.gpkg ! filter 'length > 100' ! long.gpkg")
        .cites("muParser 2.3 manual (syntax)")
        .agrees(exactly);
  }

  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView table = in[0];
    const Condition condition{params.condition.view(), table};
    out.carry(0);
    for (std::size_t row = 0; row < table.rows(); ++row)
      if (condition.holds(row)) out.row(row);
  }

 private:
  /// The condition with columns as b1, b2... and texts as numbers.
  class Condition {
   public:
    Condition(std::string_view text, const TableView& table) : table_{table} {
      const std::string formula = translated(text);
      program_ = expression::compile(formula, static_cast<int>(columns_.size()));
    }
    [[nodiscard]] bool holds(std::size_t row) const {
      double values[expression::max_bands] = {};
      for (std::size_t i = 0; i < columns_.size(); ++i) values[i] = value(row, columns_[i]);
      const double result = expression::evaluate(program_, values);
      return result != 0 && result == result;
    }

   private:
    [[nodiscard]] double value(std::size_t row, int column) const {
      if (table_.type(column) != ColumnType::text) return table_.number(row, column);
      const std::string_view text = table_.text(row, column);
      if (text.empty()) return missing<double>;
      for (std::size_t i = 0; i < texts_.size(); ++i)
        if (texts_[i] == text) return static_cast<double>(i + 1);
      return 0;
    }
    static bool in_word(char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    }
    std::string translated(std::string_view text) {
      std::string result;
      for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        if (c == '\'' || c == '"') {
          const auto end = text.find(c, i + 1);
          if (end == std::string_view::npos) fail(Errc::usage, "where: a quote is not closed");
          const std::string_view inside = text.substr(i + 1, end - i - 1);
          result += c == '"' ? column(inside) : literal(inside);
          i = end + 1;
        } else if ((c >= '0' && c <= '9') || c == '.') {
          // A number, whose exponent is no name.
          while (i < text.size() &&
                 (in_word(text[i]) || text[i] == '.' ||
                  ((text[i] == '+' || text[i] == '-') && (text[i - 1] == 'e' || text[i - 1] == 'E'))))
            result += text[i++];
        } else if (in_word(c)) {
          const std::size_t first = i;
          while (i < text.size() && in_word(text[i])) ++i;
          const std::string_view word = text.substr(first, i - first);
          std::size_t next = i;
          while (next < text.size() && text[next] == ' ') ++next;
          const bool function = next < text.size() && text[next] == '(';
          const bool constant = word == "_pi" || word == "_e";
          result += function || constant ? std::string{word} : column(word);
        } else {
          result += c;
          ++i;
        }
      }
      return result;
    }
    std::string column(std::string_view name) {
      const std::string cure = table_.find(name) == TableView::absent ? expression::written_here(name) : "";
      if (!cure.empty()) fail(Errc::usage, "where: " + cure);
      const int at = table_.must_find(name, "where: the table");
      std::size_t place = 0;
      while (place < columns_.size() && columns_[place] != at) ++place;
      if (place == columns_.size()) columns_.push_back(at);
      if (columns_.size() > expression::max_bands)
        fail(Errc::usage, "where: a condition names " + std::to_string(expression::max_bands) + " columns at most");
      return "b" + std::to_string(place + 1);
    }
    std::string literal(std::string_view text) {
      if (const auto time = parse_iso_time(text)) {
        char digits[40];
        std::snprintf(digits, sizeof digits, "%.3f", *time);
        return *time < 0 ? "(" + std::string{digits} + ")" : digits;
      }
      std::size_t place = 0;
      while (place < texts_.size() && texts_[place] != text) ++place;
      if (place == texts_.size()) texts_.emplace_back(text);
      return std::to_string(place + 1);
    }

    TableView table_;
    expression::Program program_{};
    std::vector<int> columns_;
    std::vector<std::string> texts_;
  };
};

}  // namespace fulmar::ops
