// SPDX-License-Identifier: Apache-2.0
// Tables that flow: through operators, out of passes, and what is said where they cannot.
#include "exec/tables.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "plugins/builtin.hpp"
#include "support/tables.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

std::string trouble(const std::string& text, const std::map<std::string, FeatureTable>& files) {
  try {
    const TableRun r{registry(), text, files};
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Tables, FlowFromFileToFile) {
  const auto ships = some_ships();
  const TableRun r{
      registry(), "a.csv ! filter 'length > 100' ! [ b.csv ] ! filter 'width == 20' ! c.gpkg", {{"a.csv", ships}}};
  // Lengths are 90, 91, ... 109; widths 20, 21, 22, 20...
  ASSERT_EQ(r.table("b.csv").rows.size(), 9u);
  EXPECT_EQ(r.table("b.csv").rows[0].values[4], 101);
  EXPECT_EQ(r.table("b.csv").word(r.table("b.csv").rows[0].values[6]), "ship 11");
  EXPECT_EQ(r.table("b.csv").rows[0].place.lon, ships.rows[11].place.lon);
  EXPECT_EQ(r.table("b.csv").geometry, Geometry::point);
  ASSERT_EQ(r.table("c.gpkg").rows.size(), 3u);
  EXPECT_EQ(r.table("c.gpkg").rows[1].values[4], 105);
  ASSERT_EQ(r.report.products.size(), 2u);
  EXPECT_EQ(r.report.products[1].features, 3);
}

TEST(Tables, ObjectsFlowOn) {
  MemoryIo io;
  Grid grid;
  grid.width = 600, grid.height = 300;
  std::vector<float> cells(600 * 300, 0);
  // Bars of 1 to 8 cells, one of them across a seam of the lattice.
  for (int i = 0; i < 8; ++i)
    for (int k = 0; k <= i; ++k) cells[static_cast<std::size_t>((20 + 33 * i) * 600 + 508 + k)] = 1;
  io.rasters["m.tif"] = one_band("m.tif", grid, cells);
  const std::string text = "m.tif ! objects ! [ all.gpkg ] ! filter 'cells >= 6' ! rank 'cells=7~1' ! few.gpkg";
  const Graph graph = make_graph(parse_text(text), text, registry(), io, 1);
  for (const auto& [w, h] : {std::pair{0, 0}, std::pair{97, 61}}) {
    io.products = {};
    Budget budget;
    budget.tile_width = w, budget.tile_height = h;
    static_cast<void>(run(graph, make_plan(graph, budget), io, {}));
    EXPECT_EQ(io.products.tables.at("all.gpkg").rows.size(), 8u);
    const FeatureTable& few = io.products.tables.at("few.gpkg");
    ASSERT_EQ(few.rows.size(), 3u);
    EXPECT_EQ(few.geometry, Geometry::cells);
    EXPECT_EQ(few.rows[0].values[1], 7);
    EXPECT_EQ(few.rows[1].values[1], 6);
    EXPECT_EQ(few.rows[2].values[1], 8);
    EXPECT_EQ(few.rows[0].polygons, io.products.tables.at("all.gpkg").rows[6].polygons);
    EXPECT_EQ(few.columns.back().name, "rank");
  }
  const std::string words = explain(graph, make_plan(graph, {}));
  EXPECT_NE(words.find("filter"), std::string::npos) << words;
}

TEST(Tables, WhatDoesNotFitIsSaid) {
  const auto ships = some_ships();
  const std::map<std::string, FeatureTable> files{{"a.csv", ships}};
  EXPECT_NE(trouble("a.csv ! decibel ! b.csv", files).find("takes a raster"), std::string::npos);
  EXPECT_NE(trouble("a.csv ! filter 'lenght > 1' ! b.csv", files)
                .find("no column 'lenght'; did you mean 'length'? It has mmsi"),
            std::string::npos);
  EXPECT_NE(trouble("a.csv ! filter 'length >' ! b.csv", files).find("filter"), std::string::npos);
  EXPECT_NE(trouble("a.csv ! filter 'length > 1' ! b.tif", files).find("yields a table"), std::string::npos);
  EXPECT_NE(trouble("a.csv ! associate ! b.csv", files).find("needs a table 'ais'"), std::string::npos);
  EXPECT_NE(trouble("a.csv --band 2 ! filter 'length > 1' ! b.csv", files).find("no bands"), std::string::npos);
  EXPECT_NE(trouble("a.csv ! filter 'length > 1' ! a.csv", files).find("cannot be its product"), std::string::npos);
  MemoryIo io;
  Grid grid;
  grid.width = grid.height = 8;
  io.rasters["m.tif"] = one_band("m.tif", grid, std::vector<float>(64));
  try {
    static_cast<void>(make_graph(parse_text("m.tif ! filter 'a > 1' ! b.csv"), "", registry(), io, 1));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string{e.what()}.find("put `objects` before it"), std::string::npos) << e.what();
  }
}

TEST(Tables, FilterComparesTextsAndTimes) {
  auto ships = some_ships();
  ships.rows[3].values[4] = std::nan("");
  const auto kept = [&](const std::string& condition) {
    const TableRun r{registry(), "a.csv ! filter \"" + condition + "\" ! b.csv", {{"a.csv", ships}}};
    return r.table("b.csv").rows.size();
  };
  EXPECT_EQ(kept("name == 'ship 7'"), 1u);
  EXPECT_EQ(kept("name != 'ship 7'"), 19u);
  EXPECT_EQ(kept("name == 'ship 7' || name == 'ship 8' || name == 'nobody'"), 2u);
  EXPECT_EQ(kept("time >= '2021-01-05T01:58:00'"), 20u);
  EXPECT_EQ(kept("time > '2021-01-05T01:58:00'"), 0u);
  EXPECT_EQ(kept("time < '2021-01-06'"), 20u);
  EXPECT_EQ(kept("length > 0"), 19u);
  EXPECT_EQ(kept("length < 1e9 || 1"), 19u);
  EXPECT_EQ(kept("LENGTH*2 >= max(100, 215)"), 2u);
}

/// The contract's writer refuses what a broken plugin asks of it.
template <int which>
int break_it(const void*, const fulmar_table*, std::uint32_t, const fulmar_table_writer* w, fulmar_error*) {
  const fulmar_column column{sizeof(fulmar_column), FULMAR_COLUMN_REAL, "x", "", "", nullptr, nullptr};
  switch (which) {
    case 0:
      return w->number(w->out, 0, 1);
    case 1:
      return w->carry(w->out, 7);
    case 2:
      return w->column(w->out, &column) + w->row(w->out, 0);
    case 3:
      return w->column(w->out, &column) + w->row(w->out, UINT64_MAX) + w->number(w->out, 1, 1);
    case 4:
      return w->column(w->out, &column) + w->row(w->out, UINT64_MAX) + w->text(w->out, 0, "x", 1);
    case 5:
      return w->row(w->out, UINT64_MAX) + w->column(w->out, &column);
    case 6:
      return w->row(w->out, UINT64_MAX) + w->path(w->out, 1, nullptr, 3);
    default:
      return w->geometry(w->out, FULMAR_GEOMETRY_CELLS, nullptr);
  }
}

TEST(Tables, ABrokenPluginIsRefused) {
  using Tabulate = decltype(fulmar_operator::tabulate);
  const Tabulate all[]{break_it<0>, break_it<1>, break_it<2>, break_it<3>,
                       break_it<4>, break_it<5>, break_it<6>, break_it<7>};
  const auto ships = some_ships();
  const Operator& filter = *registry().find("filter");
  for (const Tabulate each : all) {
    fulmar_operator table = filter.table();
    table.tabulate = each;
    const Operator op{table, "broken"};
    std::vector<std::string> notes;
    try {
      static_cast<void>(tabulate(op, std::vector<std::byte>(2000), {&ships}, 1 << 20, notes));
      ADD_FAILURE();
    } catch (const Error& e) {
      EXPECT_NE(std::string{e.what()}.find("its plugin is broken"), std::string::npos) << e.what();
    }
  }
  // And a table that outgrows its memory stops.
  const Operator& same = filter;
  std::vector<std::string> notes;
  std::vector<std::byte> params(filter.table().params_size);
  const fulmar_value value{"where", 0, "1", 0, 0};
  const fulmar_ground ground{};
  fulmar_error error{};
  ASSERT_EQ(filter.table().parse(&value, 1, &ground, params.data(), &error), 0) << error.message;
  const auto many = some_ships(5000);
  try {
    static_cast<void>(tabulate(same, params, {&many}, 1 << 16, notes));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string{e.what()}.find("raise --memory"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace fulmar::test
