// SPDX-License-Identifier: Apache-2.0
/// @file
/// Tables in memory, and graphs of tables alone.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "exec/run.hpp"
#include "support/memory_io.hpp"

namespace fulmar::test {

/// Points around one place with the columns that the built-in operators look for, one value a row apart.
inline FeatureTable some_ships(int count = 20) {
  FeatureTable t;
  t.geometry = Geometry::point;
  t.crs = "EPSG:4326";
  t.columns = {{"mmsi", ColumnType::integer, {}, ""}, {"time", ColumnType::time, {}, ""},
               {"lon", ColumnType::real, {}, ""},     {"lat", ColumnType::real, {}, ""},
               {"length", ColumnType::real, {}, ""},  {"width", ColumnType::real, {}, ""},
               {"name", ColumnType::text, {}, ""},    {"row", ColumnType::real, {}, ""}};
  for (int i = 0; i < count; ++i) {
    const double lon = 10 + 0.05 * i, lat = 50 + 0.01 * (i % 7);
    t.words.push_back("ship " + std::to_string(i));
    // 2021-01-05T01:58:00Z
    t.rows.push_back(
        {{},
         {211000000.0 + i, 1609811880.0, lon, lat, 90.0 + i, 20.0 + i % 3, static_cast<double>(i), 10.0 * i},
         {},
         {lon, lat}});
  }
  return t;
}

/// A temperature for each day of three years from 2001 on, with a warm spell.
inline FeatureTable some_days() {
  FeatureTable t;
  t.geometry = Geometry::none;
  t.columns = {{"date", ColumnType::time, {}, ""}, {"sst", ColumnType::real, {}, ""}};
  for (int i = 0; i < 1096; ++i)
    t.rows.push_back({{}, {978307200.0 + 86400.0 * i, 10 + 0.1 * (i % 2) + (i > 800 && i < 820 ? 3 : 0)}});
  return t;
}

/// Runs a pipeline in which every file that `files` names is that table.
struct TableRun {
  MemoryIo io;
  RunReport report;

  TableRun(const Registry& registry, const std::string& text, const std::map<std::string, FeatureTable>& files) {
    io.features = files;
    const Graph graph = make_graph(parse_text(text), text, registry, io, 1);
    report = run(graph, make_plan(graph, {}), io, {});
  }
  [[nodiscard]] const FeatureTable& table(const std::string& path) const { return io.products.tables.at(path); }
};

/// The files that a pipeline reads, those of branches and inputs too; tables that are given by their names as well.
inline void files_of(const Pipeline& pipeline, std::vector<std::string>& names) {
  for (const Step& step : pipeline) {
    if (step.kind == Step::Kind::read) names.push_back(step.name);
    files_of(step.branch, names);
    for (const Argument& a : step.arguments) {
      if (a.value.ends_with(".csv") || a.value.ends_with(".gpkg")) names.push_back(a.value);
      files_of(a.pipeline, names);
    }
  }
}

/// Tables for every file of a pipeline on tables, so that it runs: whichever of those above suits it; a column that it
/// misses is made for it. `trouble` tells why there are none.
struct FittedTables {
  std::map<std::string, FeatureTable> files;
  std::string trouble;

  FittedTables(const Registry& registry, const std::string& text) {
    std::vector<std::string> names;
    files_of(parse_text(text), names);
    for (const bool days : {false, true}) {
      for (const std::string& name : names) files[name] = days ? some_days() : some_ships(24);
      for (int added = 0; added <= 40; ++added) try {
          static_cast<void>(TableRun{registry, text, files});
          trouble.clear();
          return;
        } catch (const Error& e) {
          trouble = e.what();
          constexpr std::string_view missing = "no column '";
          const auto at = e.message().find(missing);
          if (at == std::string::npos) break;
          const auto begin = at + missing.size();
          add_column(e.message().substr(begin, e.message().find('\'', begin) - begin));
        }
    }
    trouble =
        "it makes nothing of a table of ships (mmsi, time, lon, lat, length, width, name) with the columns that it "
        "asks "
        "for, and of no daily series (date, sst) either; it says: " +
        trouble;
  }

 private:
  void add_column(const std::string& name) {
    for (auto& [file, table] : files) {
      table.columns.push_back({name, ColumnType::real, {}, ""});
      for (std::size_t i = 0; i < table.rows.size(); ++i) table.rows[i].values.push_back(1.5 + static_cast<double>(i));
    }
  }
};

}  // namespace fulmar::test
