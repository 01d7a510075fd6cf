// SPDX-License-Identifier: Apache-2.0
// Running a plan: stored types, progress, stopping, failing, pictures.
#include <gtest/gtest.h>

#include <atomic>
#include <random>

#include "core/error.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

Graph bound(const std::string& text, const MemoryIo& io) {
  return make_graph(parse_text(text), text, registry(), io, 2);
}

constexpr std::int64_t w = 701, h = 402;
constexpr const char* detect = "in.tif ! cfar --pfa 1e-4 ! [ d.tif ] ! objects ! o.gpkg";

/// The same scene as f32 with NaN, and as a file might store it.
std::pair<MemoryIo, MemoryIo> stored_two_ways(DType type, double scale, double offset, Window block, bool mask) {
  const Grid grid = make_grid(Place::metric, w, h);
  std::mt19937 rng(71);
  std::gamma_distribution<double> g(4.4, 90 / 4.4);
  std::vector<std::uint16_t> dn(static_cast<std::size_t>(w * h));
  for (auto& x : dn) {
    x = static_cast<std::uint16_t>(1 + g(rng));
    if (rng() % 3000 == 0) x = 1200;
    if (rng() % 60 == 0) x = 0;  // nodata
  }
  std::vector<std::uint8_t> valid(mask ? dn.size() : 0, 255);
  std::vector<float> plain(dn.size());
  for (std::size_t i = 0; i < dn.size(); ++i) {
    plain[i] = dn[i] == 0 ? missing<float> : static_cast<float>(static_cast<double>(dn[i]) * scale + offset);
    if (mask && i % 37 == 0) valid[i] = 0, plain[i] = missing<float>;
  }
  std::pair<MemoryIo, MemoryIo> ios;
  ios.first.rasters["in.tif"] = one_band("in.tif", grid, plain, Unit{"1"});
  auto stored = std::make_shared<MemoryRaster>("in.tif", grid, block);
  StoredBand band{type, 0.0, {}, scale, offset, false, Unit{"1"}, "dn"};
  if (type == DType::u16)
    stored->add_band(band, dn, valid);
  else if (type == DType::i32)
    stored->add_band(band, std::vector<std::int32_t>(dn.begin(), dn.end()), valid);
  else
    stored->add_band(band, std::vector<double>(dn.begin(), dn.end()), valid);
  ios.second.rasters["in.tif"] = stored;
  return ios;
}

TEST(Run, StoredTypesScalesMasksAndBlocksMakeNoDifference) {
  for (const DType type : {DType::u16, DType::i32, DType::f64})
    for (const Window block :
         {Window{0, 0, 7, 5}, Window{0, 0, w, 1}, Window{0, 0, w, h}, Window{0, 0, 512, 512}, Window{0, 0, 100000, 3}})
      for (const bool mask : {false, true}) {
        SCOPED_TRACE(testing::Message() << name_of(type) << ", blocks of " << block.width << " x " << block.height
                                        << (mask ? ", mask" : ""));
        const auto [plain, stored] = stored_two_ways(type, 3.05e-5, 1e-4, block, mask);
        const Graph a = bound(detect, plain), b = bound(detect, stored);
        const auto expected = run(a, make_plan(a, budget_of(0, 0)), plain, {});
        EXPECT_GT(expected.tables[0].rows.size(), 30u);
        for (const auto& [tw, th] : {std::pair<std::int64_t, std::int64_t>{0, 0}, {97, 61}, {300, 402}}) {
          stored.products = {};
          const Plan plan = make_plan(b, budget_of(tw, th));
          const auto got = run(b, plan, stored, {});
          EXPECT_EQ(difference(expected.tables[0], got.tables[0]), "");
          EXPECT_EQ(plain.products.rasters.at("d.tif").cells, stored.products.rasters.at("d.tif").cells);
          EXPECT_LE(got.pool_peak, plan.buffer_bytes);
        }
      }
}

TEST(Run, ProgressRisesFromNothingToOne) {
  const auto [plain, stored] = stored_two_ways(DType::u16, 1, 0, {0, 0, 64, 64}, false);
  const Graph graph = bound(detect, stored);
  std::vector<double> seen;
  std::atomic<int> inside{0};
  RunOptions options;
  options.progress = [&](double share) {
    EXPECT_EQ(inside.fetch_add(1), 0) << "two threads at once";
    seen.push_back(share);
    inside.fetch_sub(1);
  };
  run(graph, make_plan(graph, budget_of(97, 61)), stored, options);
  ASSERT_GT(seen.size(), 10u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_GE(seen.front(), 0);
  EXPECT_EQ(seen.back(), 1.0);
}

TEST(Run, StopsWhenAsked) {
  const auto [plain, stored] = stored_two_ways(DType::u16, 1, 0, {0, 0, 64, 64}, false);
  const Graph graph = bound(detect, stored);
  for (const Backend backend : {Backend::cpu, Backend::reference}) {
    std::atomic<bool> cancel{backend == Backend::reference};
    RunOptions options;
    options.cancel = &cancel;
    options.progress = [&](double share) { cancel = share > 0.3; };
    try {
      run(graph, make_plan(graph, budget_of(97, 61, 2, backend)), stored, options);
      FAIL() << "it ran to the end";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::cancelled) << e.what();
    }
    for (const auto& [path, raster] : stored.products.rasters) EXPECT_FALSE(raster.whole) << path;
  }
}

TEST(Run, AFileCutShortIsAnInputErrorAndNothingIsWhole) {
  const Grid grid = make_grid(Place::metric, w, h);
  auto raster = std::make_shared<MemoryRaster>(
      "in.tif", grid, std::vector<std::vector<float>>{std::vector<float>(static_cast<std::size_t>(w * h), 1)},
      Unit{"1"});
  raster->break_rows_from(333);
  MemoryIo io;
  io.rasters["in.tif"] = raster;
  const Graph graph = bound(detect, io);
  for (int threads : {1, 2, 4})
    for (const std::int64_t rows : {7, 64, 402}) {
      io.products = {};
      try {
        run(graph, make_plan(graph, budget_of(w, rows, threads)), io, {});
        FAIL() << "a broken file was read";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), Errc::input);
        EXPECT_NE(std::string{e.what()}.find("in.tif"), std::string::npos);
      }
      EXPECT_FALSE(io.products.rasters.at("d.tif").whole);
    }
}

TEST(Run, AnOperatorsFailureNamesItAndItsCells) {
  static fulmar_operator table = builtin_registry().find("linear")->table();
  table.run = [](const void*, const fulmar_call*, fulmar_error* error) {
    error->code = 1;
    std::snprintf(error->message, sizeof error->message, "out of luck");
    return 1;
  };
  static const fulmar_operator* const operators[] = {&table};
  static const fulmar_plugin plugin{
      sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "unlucky", "1", "", "", "", 1, operators};
  Registry r;
  r.add(plugin);
  MemoryIo io;
  io.rasters["in.tif"] = one_band("in.tif", make_grid(Place::metric, 30, 30), std::vector<float>(900, 1));
  const std::string text = "in.tif ! linear ! out.tif";
  const Graph graph = make_graph(parse_text(text), text, r, io, 1);
  for (const Backend backend : {Backend::cpu, Backend::reference}) try {
      run(graph, make_plan(graph, budget_of(0, 0, 1, backend)), io, {});
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::runtime);
      EXPECT_EQ(e.message(), "out of luck");
      EXPECT_NE(std::string{e.what()}.find("operator linear of plugin unlucky"), std::string::npos) << e.what();
    }
}

TEST(Run, APictureGetsTheRasterBeneathWhateverTheTiles) {
  const auto [plain, stored] = stored_two_ways(DType::u16, 3.05e-5, 0, {0, 0, 64, 64}, false);
  const Graph graph = bound("in.tif ! cfar --pfa 1e-4 ! objects ! [ o.gpkg ] ! look.png", plain);
  run(graph, make_plan(graph, reference_budget()), plain, {});
  const auto expected = plain.products.pictures.at("look.png");
  EXPECT_TRUE(expected.whole);
  for (const auto& [tw, th] : {std::pair<std::int64_t, std::int64_t>{0, 0}, {97, 61}, {w, 1}}) {
    plain.products = {};
    run(graph, make_plan(graph, budget_of(tw, th)), plain, {});
    const auto& got = plain.products.pictures.at("look.png").beneath;
    std::size_t differing = 0;
    for (std::size_t i = 0; i < got.size(); ++i) differing += same_bits(got[i], expected.beneath[i]) ? 0 : 1;
    EXPECT_EQ(differing, 0u);
  }
}

TEST(Run, SeveralBandsAndSeveralTables) {
  const Grid grid = make_grid(Place::metric, w, h);
  std::mt19937 rng(72);
  MemoryIo io;
  auto raster = std::make_shared<MemoryRaster>("in.tif", grid, Window{0, 0, 33, 17});
  Layer third;
  for (int b = 0; b < 3; ++b) {
    const Layer l = layer_for(Unit{"1"}, grid, rng);
    raster->add_band({DType::f32, {}, {}, 1, 0, false, Unit{"1"}, "band " + std::to_string(b)}, l.values, l.valid);
    third = l;
  }
  io.rasters["in.tif"] = raster;
  const Graph graph = bound("in.tif --band 3,1 ! decibel ! [ db.tif ] ! linear ! expression 'b2 - b1' ! out.tif", io);
  run(graph, make_plan(graph, reference_budget()), io, {});
  const MemoryProducts expected = io.products;
  const auto& db = expected.rasters.at("db.tif").cells;
  ASSERT_EQ(db.size(), 2u);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < db[0].size(); ++i) {  // band 3 first, as asked for
    const float difference = expected.rasters.at("out.tif").cells[0][i];
    if (is_missing(difference)) continue;
    ++compared;
    ASSERT_NEAR(difference, std::pow(10, db[1][i] / 10.0) - std::pow(10, db[0][i] / 10.0),
                1e-6 * (1 + std::abs(difference)));
  }
  EXPECT_GT(compared, db[0].size() / 2);
  for (std::size_t i = 0; i < db[0].size(); ++i)
    ASSERT_TRUE(is_missing(db[0][i]) || std::abs(db[0][i] - 10 * std::log10(third.values[i])) < 1e-4);
  for (const auto& [tw, th] : {std::pair<std::int64_t, std::int64_t>{0, 0}, {97, 61}}) {
    io.products = {};
    run(graph, make_plan(graph, budget_of(tw, th)), io, {});
    for (const auto& [path, r] : expected.rasters)
      for (std::size_t b = 0; b < r.cells.size(); ++b)
        for (std::size_t i = 0; i < r.cells[b].size(); ++i)
          ASSERT_TRUE(same_bits(r.cells[b][i], io.products.rasters.at(path).cells[b][i]));
  }
  const Graph two =
      bound("in.tif --band 2 ! cfar ! [ objects --connectivity 4 ! four.gpkg ] ! objects ! eight.gpkg", io);
  const auto reference = run(two, make_plan(two, reference_budget()), io, {});
  ASSERT_EQ(reference.tables.size(), 2u);
  for (const auto& [tw, th] : {std::pair<std::int64_t, std::int64_t>{0, 0}, {97, 61}}) {
    const auto got = run(two, make_plan(two, budget_of(tw, th)), io, {});
    for (std::size_t t = 0; t < 2; ++t) EXPECT_EQ(difference(reference.tables[t], got.tables[t]), "");
  }
  EXPECT_GE(io.products.tables.at("four.gpkg").rows.size(), io.products.tables.at("eight.gpkg").rows.size());
}

}  // namespace
}  // namespace fulmar::test
