// SPDX-License-Identifier: Apache-2.0
// Fulmar within another program: what is bound, kept, refused and stopped. Without GDAL.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "fulmar/fulmar.hpp"
#include "fulmar/lambda.hpp"

namespace fulmar {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

Grid grid_of(std::int64_t width, std::int64_t height) {
  Grid grid;
  grid.width = width, grid.height = height;
  grid.affine = {240000.0, 10.0, 0.0, 3990000.0, 0.0, -10.0};
  grid.crs = "EPSG:32651";
  return grid;
}

/// The message of the Error that some work ends in.
template <class Work>
std::string error_of(Errc code, Work&& work) {
  try {
    work();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}
#define EXPECT_REFUSED(code, words, work)                                   \
  do {                                                                      \
    const std::string what = error_of(code, [&] { work; });                 \
    EXPECT_NE(what.find(words), std::string::npos) << "it says:\n" << what; \
  } while (false)

TEST(Memory, cells_are_read_where_they_lie_whatever_their_type_and_stride) {
  // Three bands side by side in rows with a gap, scaled, one cell of nodata, one masked.
  const std::int64_t width = 3, height = 2, row = 12;
  std::vector<std::int16_t> cells(row * height, -999);
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t b = 0; b < 3; ++b) cells[y * row + 3 * x + b] = static_cast<std::int16_t>(100 * b + 10 * y + x);
  cells[1 * row + 3 * 1 + 1] = -32768;
  const std::vector<std::uint8_t> mask{1, 0, 1, 1, 1, 1};
  RasterView view;
  view.grid = grid_of(width, height);
  for (int b = 0; b < 3; ++b) {
    BandView band;
    band.cells = cells.data() + b, band.type = DType::i16, band.row = row, band.column = 3;
    band.nodata = -32768, band.scale = 0.5, band.offset = 1;
    if (b == 0) band.mask = mask.data();
    view.bands.push_back(band);
  }
  const Engine engine;
  const Result result = engine.job("scene ! expression 'b1 + b2 + b3' ! sum").input("scene", view).run();
  const auto sum = result.raster("sum").band<float>();
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const float got = sum[static_cast<std::size_t>(y * width + x)];
      if ((x == 1 && y == 1) || (x == 1 && y == 0))
        EXPECT_TRUE(std::isnan(got));
      else
        EXPECT_EQ(got, static_cast<float>((300.0 + 3.0 * static_cast<double>(10 * y + x)) * 0.5 + 3));
    }
}

TEST(Memory, products_are_written_into_the_callers_cells) {
  const std::vector<float> in{1, 10, nan, 1000};
  std::vector<float> out(2 * 5, -1);  // rows with a gap
  const Engine engine;
  Job job = engine.job("scene ! decibel ! out");
  job.input("scene", RasterView::of(in.data(), grid_of(2, 2), "1"));
  const auto products = job.products();
  ASSERT_EQ(products.size(), 1U);
  EXPECT_EQ(products[0].grid.width, 2);
  EXPECT_EQ(products[0].bands.at(0).dtype, DType::f32);
  const Result result = job.output("out", {BandTarget::of(out.data(), 5)}).run();
  EXPECT_EQ(out[0], 0.0F);
  EXPECT_EQ(out[1], 10.0F);
  EXPECT_TRUE(std::isnan(out[5]));
  EXPECT_EQ(out[6], 30.0F);
  for (const std::size_t gap : {2, 3, 4, 7, 8, 9}) EXPECT_EQ(out[gap], -1.0F);
  EXPECT_REFUSED(Errc::usage, "memory of the caller's", (void)result.raster("out").band<float>());
  EXPECT_REFUSED(Errc::usage, "has 2 bands, and the product has 1",
                 job.output("out", {BandTarget::of(out.data()), BandTarget::of(out.data())}).run());
  EXPECT_REFUSED(Errc::usage, "shorter", job.output("out", {BandTarget::of(out.data(), 1)}).run());
}

TEST(Memory, targets_of_another_type_or_of_an_inputs_memory_are_refused) {
  std::vector<float> in(64, 1);
  std::vector<std::uint8_t> bytes(64);
  const Engine engine;
  Job job = engine.job("s ! median --window 3px ! out");
  job.input("s", RasterView::of(in.data(), grid_of(8, 8)));
  EXPECT_REFUSED(Errc::usage, "cells of type u8, and the product has f32",
                 job.output("out", {BandTarget::of(bytes.data())}).run());
  EXPECT_REFUSED(Errc::usage, "is that of the input 's' too", job.output("out", {BandTarget::of(in.data())}).run());
  EXPECT_EQ(in, std::vector<float>(64, 1));
}

TEST(Memory, what_is_missing_stays_missing_from_job_to_job) {
  // A corner without values: as one pipeline and as two, where flags are u8 and 255 means unknown.
  std::vector<float> sea(40 * 40);
  std::mt19937 random{5};
  for (float& cell : sea) cell = -std::log((static_cast<float>(random()) + 1) / 4294967296.0F);
  for (std::size_t y = 0; y < 15; ++y)
    for (std::size_t x = 0; x < 15; ++x) sea[y * 40 + x] = nan;
  sea[30 * 40 + 30] = 500;
  const Engine engine;
  const RasterView view = RasterView::of(sea.data(), grid_of(40, 40), "1");
  const std::string detect = "s ! cfar --pfa 1e-9 --guard 5px --background 9px";
  const Result one = engine.job(detect + " ! objects ! found").input("s", view).run();
  const Result flags = engine.job(detect + " ! flags").input("s", view).run();
  const Result two = engine.job("f ! objects ! found").input("f", flags.raster("flags").view()).run();
  ASSERT_EQ(one.table("found").rows.size(), two.table("found").rows.size());
  for (std::size_t i = 0; i < one.table("found").rows.size(); ++i) {
    EXPECT_EQ(one.table("found").rows[i].values[1], two.table("found").rows[i].values[1]);
    EXPECT_LT(two.table("found").rows[i].values[1], 20.0);  // cells: the corner is none of them
  }
}

TEST(Memory, nodata_of_64_bits_is_compared_as_such) {
  constexpr std::int64_t fill = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::int64_t> cells{1, fill, fill - 1, 4};
  RasterView view = RasterView::of(cells.data(), grid_of(2, 2));
  view.bands[0].nodata_i64 = fill;
  const Engine engine;
  const auto missing_of = [&] { return engine.job("s ! stats ! n").input("s", view).run().table("n").rows[0].values; };
  EXPECT_EQ(missing_of()[1], 1.0);
  view.bands[0].nodata_i64.reset();
  view.bands[0].nodata = 0x1p63;  // no 64-bit cell holds it
  EXPECT_EQ(missing_of()[1], 0.0);
  view.bands[0].nodata = 4;
  EXPECT_EQ(missing_of()[1], 1.0);
}

TEST(Memory, rasters_between_passes_count_where_there_are_no_files) {
  const std::vector<float> dem(2000 * 2000, 5);
  const Engine engine{{.memory = std::int64_t{512} << 20}}, small{{.memory = std::int64_t{200} << 20}};
  const std::string text = "d ! expression 'b1 + 1' ! fill ! [ fill ! a ] ! b";
  const RasterView view = RasterView::of(dem.data(), grid_of(2000, 2000), "m");
  const Result result = engine.job(text).input("d", view).run();
  EXPECT_GT(result.peak_bytes, 3 * 16'000'000);
  EXPECT_REFUSED(Errc::usage, "MiB", small.job(text).input("d", view).run());
}

TEST(Memory, a_job_runs_again_with_other_cells) {
  std::vector<float> in{1, 2, 3, 4};
  const Engine engine;
  Job job = engine.job("scene ! expression 'b1 * 2' ! out");
  job.input("scene", RasterView::of(in.data(), grid_of(2, 2)));
  EXPECT_EQ(job.run().raster("out").band<float>()[3], 8.0F);
  in[3] = 50;
  EXPECT_EQ(job.run().raster("out").band<float>()[3], 100.0F);
}

TEST(Memory, tables_go_in_and_out) {
  FeatureTable table;
  table.geometry = Geometry::none;
  table.columns = {{"speed", ColumnType::real, Unit{"m"}, "How fast."}, {"name", ColumnType::text, {}, "Who."}};
  WordList words{table.words};
  for (const auto& [speed, name] : {std::pair{3.0, "Anna"}, {12.5, "Berta"}, {20.0, "Carl"}}) {
    Feature row;
    row.values = {speed, words(name)};
    table.rows.push_back(row);
  }
  const Engine engine;
  const Result result = engine.job("vessels ! filter 'speed > 10' ! fast").input("vessels", table).run();
  const FeatureTable& fast = result.table("fast");
  ASSERT_EQ(fast.rows.size(), 2U);
  EXPECT_EQ(fast.word(fast.rows[0].values[1]), "Berta");
  EXPECT_EQ(fast.rows[1].values[0], 20.0);
  // Neither way is a table copied: what flows through untouched would be, as it stays the caller's.
  const Engine other;
  Job job = other.job("vessels ! filter 'speed > 0' ! [ filter 'speed > 10' ! a ] ! [ b ] ! c");
  const Result several = job.input("vessels", table).run();
  EXPECT_EQ(several.table("a").rows.size(), 2U);
  EXPECT_EQ(several.table("b").rows.size(), 3U);
  EXPECT_EQ(several.table("c").rows.size(), 3U);
  EXPECT_EQ(several.table("c").word(several.table("c").rows[0].values[1]), "Anna");
  EXPECT_EQ(job.run().table("c").rows.size(), 3U);
  table.rows[0].values.pop_back();
  EXPECT_REFUSED(Errc::usage, "a row of 1 values", engine.job("v ! filter 'speed > 10' ! f").input("v", table));
}

TEST(Memory, passes_leave_their_rasters_in_memory_where_there_are_no_files) {
  // A hole of one cell: filled to its lowest neighbour, which needs the whole raster.
  std::vector<float> dem(25, 5);
  dem[12] = 1, dem[7] = 3;
  const Engine engine;
  const Result result =
      engine.job("dem ! fill ! filled").input("dem", RasterView::of(dem.data(), grid_of(5, 5), "m")).run();
  EXPECT_EQ(result.raster("filled").band<float>()[12], 5.0F);
  EXPECT_NE(engine.job("dem ! fill ! filled")
                .input("dem", RasterView::of(dem.data(), grid_of(5, 5), "m"))
                .explain()
                .find("fill"),
            std::string::npos);
}

TEST(Refusals, name_what_is_wrong_and_the_cure) {
  const Engine engine;
  const std::vector<float> in{1, 2, 3, 4};
  const RasterView view = RasterView::of(in.data(), grid_of(2, 2));
  EXPECT_REFUSED(Errc::usage, "did you mean 'linear'", (void)engine.job("a ! liner ! b").input("a", view).explain());
  EXPECT_REFUSED(Errc::usage, "no step reads 'scen'; did you mean 'scene'?",
                 engine.job("scene ! linear ! out").input("scen", view));
  EXPECT_REFUSED(Errc::usage, "no step writes", engine.job("scene ! linear ! out").output("other"));
  EXPECT_REFUSED(Errc::input, "'scene' is not bound to memory", engine.job("scene ! linear ! out").run());
  RasterView bad = view;
  bad.bands[0].cells = nullptr;
  EXPECT_REFUSED(Errc::usage, "'s' has a band without cells", engine.job("s ! linear ! out").input("s", bad));
  bad = view;
  bad.grid.width = 0;
  EXPECT_REFUSED(Errc::usage, "has 0 x 2 cells", engine.job("s ! linear ! out").input("s", bad));
  bad = view;
  bad.bands.clear();
  EXPECT_REFUSED(Errc::usage, "has no bands", engine.job("s ! linear ! out").input("s", bad));
  bad = view;
  bad.grid.affine = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  EXPECT_REFUSED(Errc::usage, "affine", engine.job("s ! linear ! out").input("s", bad));
  EXPECT_REFUSED(Errc::usage, "recipe flood needs", (void)engine.recipe("flood", {}));
  EXPECT_REFUSED(Errc::usage, "there is no recipe", (void)engine.recipe("flod", {}));
  const Engine tiny{{.memory = 1 << 20}};
  EXPECT_REFUSED(Errc::usage, "memory", tiny.job("s ! linear ! out").input("s", view).run());
  const Result result = engine.job("s ! linear ! out").input("s", RasterView::of(in.data(), grid_of(2, 2), "dB")).run();
  EXPECT_REFUSED(Errc::usage, "holds f32, not u8", (void)result.raster("out").band<std::uint8_t>());
  EXPECT_REFUSED(Errc::usage, "no raster 'other'", (void)result.raster("other"));
}

TEST(Refusals, speak_of_what_the_program_can_set) {
  const std::vector<float> in{1, 2, 3, 4};
  const RasterView view = RasterView::of(in.data(), grid_of(2, 2));
  EXPECT_REFUSED(Errc::usage, "EngineSettings::memory is -1 bytes", Engine{{.memory = -1}});
  EXPECT_REFUSED(Errc::usage, "EngineSettings::threads is -1: give a number from 1", Engine({.threads = -1}));
  EXPECT_REFUSED(Errc::usage, "the room is 0 bytes", Engine({.memory = 0, .words = {{"--memory", "the room"}}}));
  const Engine tiny{{.memory = 1 << 20}};
  EXPECT_REFUSED(Errc::usage, "raise EngineSettings::memory or lower EngineSettings::threads",
                 tiny.job("s ! median ! out").input("s", view).run());
  const Engine engine;
  EXPECT_REFUSED(Errc::usage, "Give it as dem=FILE", (void)engine.recipe("terrain", {}));
  EXPECT_REFUSED(Errc::usage, "Engine::recipes() names them", (void)engine.recipe("qqqq", {}));
  EXPECT_REFUSED(Errc::usage, "Engine::operators() names them",
                 (void)engine.job("s ! qqqq ! o").input("s", view).explain());
  // The user's own text stays as it is.
  EXPECT_REFUSED(Errc::usage, "s ! median --memory 5 ! out",
                 (void)engine.job("s ! median --memory 5 ! out").input("s", view).explain());
  EXPECT_REFUSED(Errc::input, "'a --memory b.tif' is not bound",
                 (void)engine.job("'a --memory b.tif' ! median ! out").explain());
}

TEST(Control, progress_rises_to_the_end_and_a_stop_ends_the_run) {
  std::vector<float> in(2000 * 1000, 1);
  const Engine engine{{.threads = 2}};
  Job job = engine.job("s ! median --window 9px ! out");
  job.input("s", RasterView::of(in.data(), grid_of(2000, 1000)));
  double last = 0;
  int calls = 0;
  job.run({.progress = [&](double share) {
    EXPECT_GE(share, last);
    last = share;
    ++calls;
  }});
  EXPECT_EQ(last, 1.0);
  EXPECT_GT(calls, 1);
  std::stop_source stop;
  EXPECT_REFUSED(Errc::cancelled, "stopped",
                 job.run({.progress = [&](double) { stop.request_stop(); }, .stop = stop.get_token()}));
  EXPECT_REFUSED(Errc::cancelled, "stopped", job.run({.stop = stop.get_token()}));
  // What a callback throws is the caller's own.
  EXPECT_THROW(job.run({.progress = [](double) { throw std::logic_error{"mine"}; }}), std::logic_error);
  EXPECT_EQ(job.run().raster("out").band<float>()[0], 1.0F);
}

TEST(Engines, of_different_ceilings_work_side_by_side_and_print_nothing) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  std::vector<float> in(1500 * 900);
  std::mt19937 random{3};
  for (float& cell : in) cell = -std::log((static_cast<float>(random()) + 1) / 4294967296.0F);
  const char* const text = "s ! cfar --pfa 1e-3 --guard 50 --background 150 ! objects ! found";
  const auto run = [&](std::int64_t memory, int threads) {
    const Engine engine{{.memory = memory, .threads = threads}};
    Job job = engine.job(text);
    job.input("s", RasterView::of(in.data(), grid_of(1500, 900), "1"));
    FeatureTable table = job.run().table("found");
    std::vector<double> values;
    for (const Feature& row : table.rows) values.insert(values.end(), row.values.begin(), row.values.end());
    return values;
  };
  const auto expected = run(std::int64_t{512} << 20, 1);
  std::array<std::vector<double>, 4> found;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i)
    threads.emplace_back([&, i] {
      found[i] = run((std::int64_t{256} + 64 * static_cast<std::int64_t>(i)) << 20, 1 + static_cast<int>(i % 2));
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_GT(expected.size(), 100U);
  for (const auto& values : found) {
    ASSERT_EQ(values.size(), expected.size());
    EXPECT_EQ(std::memcmp(values.data(), expected.data(), expected.size() * sizeof(double)), 0);
  }
}

TEST(Engines, one_engine_serves_several_threads) {
  const Engine engine{{.memory = std::int64_t{128} << 20}};
  std::vector<float> in{1, 10, 100, 1000};
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      const Result r = engine.job("s ! decibel ! out").input("s", RasterView::of(in.data(), grid_of(2, 2), "1")).run();
      right += r.raster("out").band<float>()[3] == 30.0F ? 1 : 0;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, 8);
}

TEST(Engines, tell_one_at_a_time) {
  std::vector<std::string> told;  // without a lock of its own
  const Engine engine{{.log = [&](const std::string& sentence) { told.push_back(sentence); }}};
  const std::vector<float> flat(400, 1);
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back([&] {
      auto job = engine.job("s ! otsu ! out").output("out").overwrite();
      job.input("s", RasterView::of(flat.data(), grid_of(20, 20)));
      for (int k = 0; k < 5; ++k) job.run();
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(told.size(), 30U);
}

TEST(Pipelines, text_json_and_flow_say_the_same) {
  const Engine engine;
  const std::vector<float> in{1, 10, 100, 1000};
  const RasterView view = RasterView::of(in.data(), grid_of(2, 2), "1");
  const std::string text = "s ! expression 'b1 * 2' ! [ decibel ! db ] ! twice";
  const Flow flow =
      Flow{"s"}.then("expression", {{"formula", "b1 * 2"}}).branch(Flow{}.then("decibel").to("db")).to("twice");
  const std::string json =
      R"({"pipeline": [{"read": "s"}, {"apply": "expression", "arguments": ["b1 * 2"]},
         {"branch": [{"apply": "decibel"}, {"write": "db"}]}, {"write": "twice"}]})";
  for (const std::string& each : {text, flow.text(), json}) {
    const Result result = engine.job(each).input("s", view).run();
    EXPECT_EQ(result.raster("twice").band<float>()[2], 200.0F);
    EXPECT_NEAR(result.raster("db").band<float>()[2], 10 * std::log10(200.0), 1e-5);
  }
  EXPECT_EQ(Flow{"a b.tif"}.then("x", {{"p", 0.1}, {"n", 3}, {"q", true}, {"in", Flow{"c.tif"}}}).to("o").text(),
            "'a b.tif' ! x --p 0.1 --n 3 --q true --in [ c.tif ] ! o");
}

TEST(Pipelines, rasters_of_the_program_stand_wherever_an_input_does) {
  const Engine engine;
  const std::vector<float> in{1, 2, 3, 4}, pan{10, 20, 30, 40};
  const std::vector<std::uint8_t> land{0, 1, 0, 0}, zones{7, 7, 9, 9};
  const Grid grid = grid_of(2, 2);
  const RasterView scene = RasterView::of(in.data(), grid, "1");
  // What an operator takes from a file: flags of outlines, numbers of zones.
  const Result sea =
      engine.job(Flow{scene}.then("mask", {{"with", RasterView::of(land.data(), grid)}}).to("sea")).run();
  EXPECT_EQ(sea.raster("sea").band<float>()[0], 1.0F);
  EXPECT_TRUE(std::isnan(sea.raster("sea").band<float>()[1]));
  const Result means =
      engine.job(Flow{scene}.then("zonal", {{"zones", RasterView::of(zones.data(), grid)}}).to("means")).run();
  const FeatureTable& table = means.table("means");
  const auto value = [&](std::size_t row, const char* name) {
    for (std::size_t c = 0; c < table.columns.size(); ++c)
      if (table.columns[c].name == name) return table.rows.at(row).values[c];
    return std::nan("");
  };
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(value(0, "zone"), 7.0);
  EXPECT_EQ(value(0, "mean"), 1.5);
  EXPECT_EQ(value(1, "zone"), 9.0);
  EXPECT_EQ(value(1, "mean"), 3.5);
  // What flows into a further input, in a branch and behind other steps.
  const Flow beside = Flow{RasterView::of(pan.data(), grid)}.then("expression", {{"formula", "b1 / 10"}});
  const Flow flow = Flow{}.then("quality", {{"scene", beside}, {"ratio", 1}}).to("rated");
  const Result rated =
      engine.job(Flow{scene}.branch(flow).then("quality", {{"scene", scene}, {"ratio", 1}}).to("same")).run();
  for (const char* name : {"rated", "same"})
    for (std::size_t c = 0; c < rated.table(name).columns.size(); ++c)
      if (rated.table(name).columns[c].name == "rmse") {
        EXPECT_EQ(rated.table(name).rows.at(0).values[c], 0.0) << name;
      }
  EXPECT_EQ(Flow{scene}.then("a", {{"b", scene}, {"c", Flow{scene}}}).text(),
            "memory_1 ! a --b memory_2 --c [ memory_3 ]");
  // A table flows in where it is read, and is refused where it cannot be laid over a scene.
  const auto rows = std::make_shared<const FeatureTable>(table);
  EXPECT_EQ(engine.job(Flow{rows}.then("filter", {{"where", "mean > 2"}}).to("few")).run().table("few").rows.size(),
            1U);
  EXPECT_REFUSED(Errc::usage, "only where EngineSettings::files is given",
                 engine.job(Flow{scene}.then("mask", {{"with", rows}}).to("sea")).run());
  EXPECT_REFUSED(Errc::usage, "is none", Flow{std::shared_ptr<const FeatureTable>{}});
  const std::vector<float> large(9, 1);
  EXPECT_REFUSED(
      Errc::input, "must lie on the scene's own cells: it has 3 x 3, and the scene 2 x 2",
      engine.job(Flow{scene}.then("mask", {{"with", RasterView::of(large.data(), grid_of(3, 3))}}).to("sea")).run());
}

TEST(Operators, come_from_lambdas_and_classes) {
  Engine engine;
  const auto schema = [](const char* name) {
    return Schema{name, "Add two values."}
        .input("a", units::any, "One.")
        .input("b", units::any, "Another.")
        .output("sum", units::any, "Their sum.")
        .example("a.tif ! add --b [ b.tif ] ! sum.tif")
        .cites("Euclid, Elements, book 7")
        .agrees(exactly);
  };
  const auto add = [](float a, float b) { return a + b; };
  engine.add(lambda(schema("add"), add));
  const std::vector<float> a{1, 2, nan, 4}, b{10, nan, 30, 40};
  const Result result = engine.job("a ! add --b [ b ] ! out")
                            .input("a", RasterView::of(a.data(), grid_of(2, 2)))
                            .input("b", RasterView::of(b.data(), grid_of(2, 2)))
                            .run();
  const auto out = result.raster("out").band<float>();
  EXPECT_EQ(out[0], 11.0F);
  EXPECT_TRUE(std::isnan(out[1]) && std::isnan(out[2]));
  EXPECT_REFUSED(Errc::usage, "two schemas", engine.add(lambda(schema("plus"), add)));
  EXPECT_REFUSED(Errc::usage, "add", engine.add(lambda(schema("add"), add)));
  bool listed = false;
  for (const OperatorInfo& op : engine.operators())
    if (op.name == "add") listed = op.plugin == "program" && op.kind == "cellwise";
  EXPECT_TRUE(listed);
  EXPECT_REFUSED(
      Errc::usage, "add",
      (void)Engine{}.job("a ! add --b [ b ] ! out").input("a", RasterView::of(a.data(), grid_of(2, 2))).explain());
}

}  // namespace
}  // namespace fulmar
