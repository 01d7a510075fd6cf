// SPDX-License-Identifier: Apache-2.0
// The laws of operators on tables: tables are made for the step of each one's example, once as it stands there and once
// with what it must have alone. What is seen is told in words: these laws speak to whoever wrote the operator.
#include "support/tables.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

using Files = std::map<std::string, FeatureTable>;
constexpr double none = std::numeric_limits<double>::quiet_NaN();

struct TableCase {
  std::string op;
  bool plain = false;  ///< with what it must have alone, not as in its example
  [[nodiscard]] std::string label() const { return op + (plain ? "_with_defaults" : "_as_in_its_example"); }
  friend void PrintTo(const TableCase& c, std::ostream* out) { *out << c.label(); }
};

/// The operator's step between a file for each of its tables and a product, with the arguments of its example.
std::string text_of(const Operator& op, bool plain) {
  Step reads, writes, step = example_step(op).value();
  std::vector<Argument> kept;
  for (Argument a : step.arguments) {
    const auto port =
        std::find_if(op.inputs().begin(), op.inputs().end(), [&](const Port& p) { return p.name == a.name; });
    const Param* param = op.param(a.name);
    if (a.name.empty())  // the first parameter that needs no name
      for (const Param& p : op.params())
        if (param == nullptr && p.positional) param = &p;
    if (port != op.inputs().end() && port->table && op.param(a.name) == nullptr)
      a.value = port->name + ".gpkg", a.pipeline.clear();
    else if (plain && (param == nullptr || !param->required))
      continue;
    kept.push_back(std::move(a));
  }
  step.arguments = std::move(kept);
  reads.kind = Step::Kind::read, reads.name = op.inputs().front().name + ".gpkg";
  writes.kind = Step::Kind::write, writes.name = "result.gpkg";
  return to_text({reads, step, writes});
}

std::vector<TableCase> table_cases() {
  std::vector<TableCase> all;
  for (const std::string& name : tested_names()) {
    const Operator& op = *tested_registry().find(name);
    if (op.kind() != "tabular" || !example_step(op)) continue;
    all.push_back({name, false});
    if (text_of(op, true) != text_of(op, false)) all.push_back({name, true});
  }
  return all;
}

/// What a run made, or why it was refused.
struct Outcome {
  std::optional<FeatureTable> table;
  std::optional<Error> refused;
};

class TableLaw : public testing::TestWithParam<TableCase> {
 protected:
  void SetUp() override {
    text_ = text_of(op(), GetParam().plain);
    const FittedTables fitted{tested_registry(), text_};
    unfit_ = !fitted.trouble.empty();
    if (unfit_) {
      // An operator may well need what its schema does not demand.
      if (!GetParam().plain) ADD_FAILURE() << fitted.trouble;
      return;
    }
    files_ = fitted.files;
    expected_ = *run(files_).table;
  }

  [[nodiscard]] const Operator& op() const { return *tested_registry().find(GetParam().op); }
  [[nodiscard]] Outcome run(const Files& files) const {
    try {
      const TableRun made{tested_registry(), text_, files};
      return {made.table("result.gpkg"), {}};
    } catch (const Error& e) {
      return {{}, e};
    }
  }

  /// A refusal is one of the request or of the input, with words.
  void must_be_refusal(const Error& e, const std::string& of_what) const {
    if (e.code() != Errc::usage && e.code() != Errc::input)
      ADD_FAILURE() << of_what << " it breaks while it runs, with: " << e.message();
    else if (e.message().size() < op().name().size() + 8)
      ADD_FAILURE() << of_what << " it refuses without a word: '" << e.message() << "'";
  }

  /// Each table alone, and all at once where there are several, as `change` makes of them.
  void with_changed(const std::function<void(FeatureTable&)>& change,
                    const std::function<void(const Files&, const std::string& which)>& use) const {
    for (const auto& [name, table] : files_) {
      Files changed = files_;
      change(changed.at(name));
      use(changed, "the table '" + name.substr(0, name.find('.')) + "'");
    }
    if (files_.size() < 2) return;
    Files changed = files_;
    for (auto& [name, table] : changed) change(table);
    use(changed, "all its tables");
  }

  [[nodiscard]] const Files& files() const { return files_; }
  [[nodiscard]] const FeatureTable& expected() const { return expected_; }
  [[nodiscard]] bool unfit() const { return unfit_; }

 private:
  std::string text_;
  Files files_;
  FeatureTable expected_;
  bool unfit_ = false;
};

// ---- what rows are ----

std::string value_in_words(const FeatureTable& t, const Feature& row, std::size_t c) {
  if (is_missing(row.values[c])) return "missing";
  if (t.columns[c].type == ColumnType::text) return "'" + t.word(row.values[c]).substr(0, 60) + "'";
  std::ostringstream out;
  out.precision(17);
  out << row.values[c];
  return out.str();
}

/// A row by the names of its columns, and where it lies; columns that `leaves_out` names do not count.
std::map<std::string, std::string> row_of(const FeatureTable& t, const Feature& row,
                                          const std::string& leaves_out = "") {
  std::map<std::string, std::string> all;
  for (std::size_t c = 0; c < t.columns.size(); ++c)
    if (leaves_out.empty() || t.columns[c].name.find(leaves_out) == std::string::npos)
      all[t.columns[c].name] = value_in_words(t, row, c);
  std::ostringstream place;
  place.precision(17);
  if (!is_missing(row.place.lon) && !is_missing(row.place.lat)) place << row.place.lon << " " << row.place.lat;
  for (const auto& part : row.shape)
    for (const Path& path : part)
      for (const Coordinate& c : path) place << ", " << c.x << " " << c.y;
  all["(its place)"] = place.str();
  return all;
}

using Rows = std::vector<std::map<std::string, std::string>>;
Rows rows_of(const FeatureTable& t, const std::string& leaves_out = "") {
  Rows rows;
  for (const Feature& row : t.rows) rows.push_back(row_of(t, row, leaves_out));
  return rows;
}

/// Empty where the rows are the same; else how many there are, or a value that differs.
std::string difference_of(const Rows& expected, const Rows& got) {
  if (expected.size() != got.size())
    return std::to_string(got.size()) + " rows come out, and " + std::to_string(expected.size()) + " before";
  for (std::size_t i = 0; i < expected.size(); ++i)
    for (const auto& [name, value] : expected[i]) {
      const auto other = got[i].find(name);
      if (other == got[i].end()) return "the column '" + name + "' is not there";
      if (other->second != value)
        return "in row " + std::to_string(i + 1) + " '" + name + "' is " + other->second + ", and " + value + " before";
    }
  return {};
}

// ---- the laws ----

/// True of an operator that says of a table that its rows mean something by their order.
bool declares_order(const Operator& op) {
  return std::any_of(op.inputs().begin(), op.inputs().end(), [](const Port& p) {
    return p.table && (p.description.find("in order") != std::string::npos ||
                       p.description.find("in the order") != std::string::npos);
  });
}

TEST_P(TableLaw, RowsMayComeInAnyOrder) {
  if (unfit() || declares_order(op())) return;
  Rows before = rows_of(expected());
  std::sort(before.begin(), before.end());
  const std::array<std::pair<const char*, std::function<void(FeatureTable&)>>, 2> ways{{
      {"reversed", [](FeatureTable& t) { std::reverse(t.rows.begin(), t.rows.end()); }},
      {"shuffled", [](FeatureTable& t) { std::shuffle(t.rows.begin(), t.rows.end(), std::mt19937{7}); }},
  }};
  for (const auto& way : ways)
    with_changed(way.second, [&](const Files& changed, const std::string& which) {
      const Outcome made = run(changed);
      if (!made.table) {
        ADD_FAILURE() << "with the rows of " << which << " " << way.first
                      << " it refuses what it took before: " << made.refused->message();
        return;
      }
      Rows after = rows_of(*made.table);
      std::sort(after.begin(), after.end());
      if (const std::string d = difference_of(before, after); !d.empty())
        ADD_FAILURE() << "with the rows of " << which << " " << way.first << " other rows come out: " << d
                      << " (both sorted); the words of its tables do not say that they are taken in order";
    });
}

TEST_P(TableLaw, TheSameEveryTime) {
  if (unfit()) return;
  const Outcome again = run(files());
  if (!again.table)
    ADD_FAILURE() << "it refuses what it took before: " << again.refused->message();
  else if (const std::string d = difference_of(rows_of(expected()), rows_of(*again.table)); !d.empty())
    ADD_FAILURE() << "the same tables give two results: " << d;
}

TEST_P(TableLaw, ColumnsAreKnownByName) {
  if (unfit()) return;
  const auto turned = [](FeatureTable& t) {
    std::reverse(t.columns.begin(), t.columns.end());
    for (Feature& row : t.rows) std::reverse(row.values.begin(), row.values.end());
  };
  const std::string strange = "it's \"odd\"; --";
  const auto widened = [&](FeatureTable& t) {
    t.columns.push_back({strange, ColumnType::text, {}, ""});
    t.words.push_back("odd");
    for (Feature& row : t.rows) row.values.push_back(static_cast<double>(t.words.size() - 1));
  };
  const auto compare = [&](const char* how) {
    return [&, how](const Files& changed, const std::string& which) {
      const Outcome made = run(changed);
      if (!made.table)
        ADD_FAILURE() << "with " << how << " " << which
                      << " it refuses what it took before: " << made.refused->message();
      else if (const std::string d = difference_of(rows_of(expected(), strange), rows_of(*made.table, strange));
               !d.empty())
        ADD_FAILURE() << "with " << how << " " << which << ": " << d;
    };
  };
  with_changed(turned, compare("the columns the other way round in"));
  with_changed(widened, compare("one more column, of texts, in"));
}

TEST_P(TableLaw, ATableMayBeEmpty) {
  if (unfit()) return;
  with_changed([](FeatureTable& t) { t.rows.clear(); },
               [&](const Files& changed, const std::string& which) {
                 const Outcome made = run(changed);
                 if (!made.table) return must_be_refusal(*made.refused, "with no rows in " + which);
                 std::map<std::string, ColumnType> before, after;
                 for (const Column& c : expected().columns) before[c.name] = c.type;
                 for (const Column& c : made.table->columns) after[c.name] = c.type;
                 for (const auto& [name, type] : before)
                   if (!after.contains(name) || after[name] != type)
                     ADD_FAILURE() << "with no rows in " << which << " the column '" << name << "' "
                                   << (after.contains(name) ? "is of another type" : "is not there");
               });
}

TEST_P(TableLaw, AColumnMayBeAbsent) {
  if (unfit()) return;
  const auto refused_well = [&](const Outcome& made, const std::string& of_what, const std::string& name) {
    if (made.table) return;
    must_be_refusal(*made.refused, of_what);
    const std::string& words = made.refused->message();
    if (words.find(name) == std::string::npos && words.find("column") == std::string::npos)
      ADD_FAILURE() << of_what << " it refuses, but not for a column: '" << words << "'";
  };
  for (const auto& [file, table] : files()) {
    const std::string which = "'" + file.substr(0, file.find('.')) + "'";
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      Files changed = files();
      FeatureTable& t = changed.at(file);
      t.columns.erase(t.columns.begin() + static_cast<std::ptrdiff_t>(c));
      for (Feature& row : t.rows) row.values.erase(row.values.begin() + static_cast<std::ptrdiff_t>(c));
      refused_well(run(changed), "without the column '" + table.columns[c].name + "' in the table " + which,
                   table.columns[c].name);
    }
    Files changed = files();
    changed.at(file).columns.clear();
    for (Feature& row : changed.at(file).rows) row.values.clear();
    refused_well(run(changed), "without any column in the table " + which, "column");
  }
}

TEST_P(TableLaw, MissingStaysMissing) {
  if (unfit()) return;
  for (const auto& [file, table] : files())
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      Files changed = files();
      for (Feature& row : changed.at(file).rows) row.values[c] = none;
      const Outcome made = run(changed);
      if (!made.table) must_be_refusal(*made.refused, "with no value in the column '" + table.columns[c].name + "'");
    }
  Files changed = files();
  std::map<std::string, ColumnType> given;
  for (auto& [file, table] : changed) {
    for (const Column& c : table.columns) given[c.name] = c.type;
    for (Feature& row : table.rows) {
      std::fill(row.values.begin(), row.values.end(), none);
      row.place = {none, none};
    }
  }
  const Outcome made = run(changed);
  if (!made.table) return must_be_refusal(*made.refused, "with no value at all");
  const FeatureTable& t = *made.table;
  for (std::size_t c = 0; c < t.columns.size(); ++c) {
    const auto at = given.find(t.columns[c].name);
    if (at == given.end() || at->second != t.columns[c].type) continue;
    for (std::size_t i = 0; i < t.rows.size(); ++i)
      if (!is_missing(t.rows[i].values[c])) {
        ADD_FAILURE() << "with no value at all, '" << t.columns[c].name << "' of row " << i + 1 << " is "
                      << value_in_words(t, t.rows[i], c);
        break;
      }
  }
  for (std::size_t i = 0; i < t.rows.size(); ++i)
    if (!is_missing(t.rows[i].place.lon + t.rows[i].place.lat)) {
      ADD_FAILURE() << "with no place in any row, row " << i + 1 << " has one";
      break;
    }
}

TEST_P(TableLaw, TextsAndNumbersMayBeAnything) {
  if (unfit()) return;
  const std::vector<std::string> hostile{"a\"b",
                                         "it's",
                                         "line\nbreak",
                                         "tab\tcomma,;",
                                         "%s%n%x",
                                         "NULL",
                                         "nan",
                                         "../../etc/passwd",
                                         "'; DROP TABLE x",
                                         std::string(70000, 'x'),
                                         "\xff\xfe",
                                         "\xf0\x9f\x9a\xa2",
                                         "\xe2\x80\xae"
                                         "abc",
                                         " ",
                                         "-1e999"};
  Files changed = files();
  std::map<std::string, std::set<std::string>> given;
  for (auto& [file, table] : changed) {
    const double first = static_cast<double>(table.words.size());
    table.words.insert(table.words.end(), hostile.begin(), hostile.end());
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      if (table.columns[c].type != ColumnType::text) continue;
      given[table.columns[c].name].insert(hostile.begin(), hostile.end());
      for (std::size_t i = 0; i < table.rows.size(); ++i)
        table.rows[i].values[c] = first + static_cast<double>(i % hostile.size());
    }
  }
  const Outcome made = run(changed);
  if (!made.table) {
    must_be_refusal(*made.refused, "with strange texts in its columns");
  } else {
    const FeatureTable& t = *made.table;
    for (std::size_t c = 0; c < t.columns.size(); ++c) {
      const auto words = given.find(t.columns[c].name);
      if (words == given.end() || t.columns[c].type != ColumnType::text) continue;
      for (const Feature& row : t.rows)
        if (!is_missing(row.values[c]) && !words->second.contains(t.word(row.values[c]))) {
          ADD_FAILURE() << "a text of '" << t.columns[c].name << "' comes out as " << value_in_words(t, row, c)
                        << ", which no row held";
          break;
        }
    }
  }
  for (const double number : {1e308, -1e308, 5e-324, 9007199254740993.0, -0.0, 0.0}) {
    with_changed(
        [&](FeatureTable& t) {
          for (Feature& row : t.rows)
            for (std::size_t c = 0; c < t.columns.size(); ++c)
              if (t.columns[c].type != ColumnType::text) row.values[c] = number;
        },
        [&](const Files& files, const std::string& which) {
          const Outcome got = run(files);
          if (!got.table)
            must_be_refusal(*got.refused, "with " + std::to_string(number) + " for every number of " + which);
        });
  }
}

INSTANTIATE_TEST_SUITE_P(Operators, TableLaw, testing::ValuesIn(table_cases()),
                         [](const testing::TestParamInfo<TableCase>& i) { return i.param.label(); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TableLaw);

}  // namespace
}  // namespace fulmar::test
