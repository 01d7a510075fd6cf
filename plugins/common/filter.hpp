// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
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
/// a condition that does not parse, that names a column that is not there, or that compares a text with a number or a
/// time with anything but a time.
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
    if (condition.is_a_number())
      out.note("filter: the condition is " + std::string{params.condition.view()} +
               " alone, which holds where it is not 0; what a shell reads as its own, such as > or <, needs quotes: "
               "filter 'area > 5'");
  }

 private:
  /// The condition with columns as b1, b2... and texts as numbers.
  class Condition {
   public:
    Condition(std::string_view text, const TableView& table) : table_{table} {
      written_.text = text;
      const std::string formula = translated(text);
      check_comparisons();
      program_ = expression::compile(formula, static_cast<int>(columns_.size()), &written_);
    }
    [[nodiscard]] bool holds(std::size_t row) const {
      double values[expression::max_bands] = {};
      for (std::size_t i = 0; i < columns_.size(); ++i) values[i] = value(row, columns_[i]);
      const double result = expression::evaluate(program_, values);
      return result != 0 && result == result;
    }

    /// True of a column of numbers without anything beside it.
    [[nodiscard]] bool is_a_number() const {
      return tokens_.size() == 1 &&
             (is_column(tokens_[0], ColumnType::real) || is_column(tokens_[0], ColumnType::integer));
    }

   private:
    /// What the condition is made of, in order; a comparison is known by its two sides.
    struct Token {
      enum class Kind { number, column, text, time, function, sign } kind;
      std::string words;  ///< as they are written
      int column = -1;
    };
    using Kind = Token::Kind;

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
        const std::size_t from = i, before = result.size();
        const char c = text[i];
        if (c == '\'' || c == '"') {
          const auto end = text.find(c, i + 1);
          if (end == std::string_view::npos) fail(Errc::usage, "where: a quote is not closed");
          const std::string_view inside = text.substr(i + 1, end - i - 1);
          result += c == '"' ? column(inside, i, true) : literal(inside);
          i = end + 1;
        } else if ((c >= '0' && c <= '9') || c == '.') {
          // A number, whose exponent is no name.
          tokens_.push_back({Kind::number, {c}});
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
          if (function || constant) tokens_.push_back({function ? Kind::function : Kind::number, std::string{word}});
          result += function || constant ? std::string{word} : column(word, first, false);
        } else {
          const char next = i + 1 < text.size() ? text[i + 1] : ' ';
          const bool comparison = c == '=' || c == '!' || c == '<' || c == '>';
          const bool two = (comparison && next == '=') || ((c == '&' || c == '|') && next == c);
          const std::string_view sign = text.substr(i, two ? 2 : 1);
          if (c != ' ') tokens_.push_back({Kind::sign, std::string{sign}});
          result += sign;
          i += sign.size();
        }
        for (std::size_t k = before; k < result.size(); ++k)
          written_.places.push_back(std::min(from + (k - before), i - 1));
      }
      return result;
    }

    static bool compares(const Token& t) {
      return t.kind == Kind::sign && (t.words == "==" || t.words == "!=" || t.words == "<" || t.words == ">" ||
                                      t.words == "<=" || t.words == ">=");
    }
    /// True where the side of a comparison ends, parentheses aside.
    static bool ends_side(const Token& t) {
      return compares(t) || (t.kind == Kind::sign && (t.words == "&&" || t.words == "||" || t.words == "?" ||
                                                      t.words == ":" || t.words == ","));
    }
    /// The tokens beside the comparison at `i`, to its left (step -1) or right (1), as far as they belong to it.
    [[nodiscard]] std::vector<const Token*> side(std::size_t i, std::ptrdiff_t step) const {
      std::vector<const Token*> found;
      int depth = 0;
      const auto size = static_cast<std::ptrdiff_t>(tokens_.size());
      for (auto k = static_cast<std::ptrdiff_t>(i) + step; k >= 0 && k < size; k += step) {
        const Token& t = tokens_[static_cast<std::size_t>(k)];
        if (t.kind == Kind::sign && (t.words == "(" || t.words == ")"))
          depth += (t.words == "(") == (step > 0) ? 1 : -1;
        if (depth < 0 || (depth == 0 && ends_side(t))) break;
        found.push_back(&t);
      }
      // (name) is name; of a function more is left.
      std::vector<const Token*> bare;
      for (const Token* t : found)
        if (t->kind != Kind::sign || (t->words != "(" && t->words != ")")) bare.push_back(t);
      if (bare.size() == 1) return bare;
      return found;
    }
    [[nodiscard]] bool is_column(const Token& t, ColumnType type) const {
      return t.kind == Kind::column && table_.type(t.column) == type;
    }
    /// True of a column in which nothing stands, beside which anything may.
    [[nodiscard]] bool is_blank(const Token& t) const { return t.kind == Kind::column && table_.blank(t.column); }
    [[noreturn]] static void refuse(const std::string& why) { fail(Errc::usage, "where: " + why); }

    /// Texts and times are numbers to the program; what they are compared with must be of their kind.
    void check_comparisons() const {
      std::size_t texts = 0, compared = 0;
      for (const Token& t : tokens_)
        texts += t.kind == Kind::text || (is_column(t, ColumnType::text) && !is_blank(t)) ? 1 : 0;
      for (std::size_t i = 0; i < tokens_.size(); ++i) {
        if (!compares(tokens_[i])) continue;
        const auto left = side(i, -1), right = side(i, 1);
        for (const auto& [one, other] : {std::pair{&left, &right}, std::pair{&right, &left}}) {
          if (one->size() != 1) continue;
          const Token& a = *one->front();
          const Token* const b = other->size() == 1 ? other->front() : nullptr;
          if (a.kind == Kind::text) {
            if (b != nullptr && is_column(*b, ColumnType::time))
              refuse("'" + a.words + "' is no time; " + b->words + " is compared with one as in " + b->words +
                     " >= '2021-01-02' or '2021-01-02T10:30:00Z'");
            if (b != nullptr && b->kind == Kind::column && !is_column(*b, ColumnType::text))
              refuse(b->words + " is a number and '" + a.words + "' a text: write the number without quotes");
            if (b == nullptr || !is_column(*b, ColumnType::text))
              refuse("the text '" + a.words + "' must stand beside a column of text, as in name == '" + a.words + "'");
            if (tokens_[i].words != "==" && tokens_[i].words != "!=")
              refuse(b->words + " holds texts, which are compared with == and != alone");
            compared += is_blank(*b) ? 1 : 2;
          } else if (is_blank(a)) {
            continue;
          } else if (is_column(a, ColumnType::text)) {
            if (b != nullptr && b->kind == Kind::time)
              refuse(a.words + " holds texts, and '" + b->words + "' is a time");
            if (b == nullptr || b->kind != Kind::text)
              refuse(a.words + " holds texts: compare it with == or != and a text in 'single quotes'");
          } else if (is_column(a, ColumnType::time)) {
            const bool number = std::all_of(other->begin(), other->end(), [](const Token* t) {
              return t->kind == Kind::number || t->kind == Kind::sign;
            });
            if (number)
              refuse(a.words + " is a time, and is compared with one in quotes, as in " + a.words + " >= '2021-01-02'");
          } else if (a.kind == Kind::time && b != nullptr && b->kind == Kind::column &&
                     !is_column(*b, ColumnType::time) && !is_blank(*b)) {
            refuse(b->words + " holds no times, and '" + a.words + "' is one");
          }
        }
      }
      if (compared != texts) refuse("texts are compared with == and != alone, as in name == 'text'");
    }
    /// `from`: where it is named.
    std::string column(std::string_view name, std::size_t from, bool quoted) {
      const int at = table_.find(name);
      if (at == TableView::absent) {
        std::string why = quoted ? "" : expression::written_here(name);
        if (why.empty()) {
          std::vector<std::string> names;
          for (int i = 0; i < table_.columns(); ++i) names.emplace_back(table_.name(i));
          why = "the table has " + TableView::no_column(name, names);
          if (quoted) why += "; a text stands in 'single quotes'";
        }
        expression::detail::fail_at(written_.text, from, "where: " + why);
      }
      tokens_.push_back({Kind::column, std::string{name}, at});
      std::size_t place = 0;
      while (place < columns_.size() && columns_[place] != at) ++place;
      if (place == columns_.size()) columns_.push_back(at);
      if (columns_.size() > expression::max_bands)
        fail(Errc::usage, "where: a condition names " + std::to_string(expression::max_bands) + " columns at most");
      return "b" + std::to_string(place + 1);
    }
    std::string literal(std::string_view text) {
      const auto time = parse_iso_time(text);
      tokens_.push_back({time ? Kind::time : Kind::text, std::string{text}});
      if (time) {
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
    expression::Written written_;
    std::vector<int> columns_;
    std::vector<std::string> texts_;
    std::vector<Token> tokens_;
  };
};

}  // namespace fulmar::ops
