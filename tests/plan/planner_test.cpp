// SPDX-License-Identifier: Apache-2.0
// Plans, word for word as `explain` prints them, and what holds for every plan.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/error.hpp"
#include "plan/plan.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

/// A raster of any size that has no cells to read: plans are made without.
struct Promised : RasterSource {
  Promised(std::string n, Grid g, DType type, Window b, std::string unit = "1")
      : label{std::move(n)}, lattice{std::move(g)}, blocks{b} {
    stored.push_back({type, {}, {}, 1, 0, false, Unit{std::move(unit)}, "band"});
  }
  [[nodiscard]] const std::string& name() const override { return label; }
  [[nodiscard]] const Grid& grid() const override { return lattice; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return stored; }
  [[nodiscard]] Window block() const override { return blocks; }
  [[nodiscard]] bool computed() const override { return is_computed; }
  [[nodiscard]] std::int64_t bands_together() const override { return together; }
  [[nodiscard]] bool looks_negative(int) const override { return false; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return nullptr; }
  std::string label;
  Grid lattice;
  std::vector<StoredBand> stored;
  Window blocks;
  bool is_computed = false;
  std::int64_t together = 1;
};

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

Grid grid_of(std::int64_t width, std::int64_t height, double cell) {
  Grid g;
  g.width = width, g.height = height;
  g.affine = {500000, cell, 0, 4000000, 0, -cell};
  g.crs = "projected";
  return g;
}

Graph graph_of(const std::string& text, const Grid& grid, DType type, Window block, std::string unit = "1") {
  MemoryIo io;
  io.rasters["scene.tif"] = std::make_shared<Promised>("scene.tif", grid, type, block, std::move(unit));
  auto coast = std::make_shared<Promised>("coast.tif", grid, DType::u8, Window{0, 0, 256, 256}, "");
  coast->is_computed = true;
  io.companions["coast.tif"] = coast;
  return make_graph(parse_text(text), text, registry(), io, 2);
}

Budget budget(std::int64_t mebibytes, int threads) {
  Budget b;
  b.memory = mebibytes << 20;
  b.threads = threads;
  return b;
}

/// Compares with a text that is kept; FULMAR_UPDATE_GOLDEN=1 writes it anew, for the eye to judge in the diff.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string{FULMAR_GOLDEN} + "/" + name;
  if (std::getenv("FULMAR_UPDATE_GOLDEN") != nullptr) std::ofstream{path} << text;
  std::ifstream in{path};
  ASSERT_TRUE(in) << path << " is missing; FULMAR_UPDATE_GOLDEN=1 writes it";
  std::stringstream kept;
  kept << in.rdbuf();
  EXPECT_EQ(text, kept.str()) << "the plan changed; FULMAR_UPDATE_GOLDEN=1 accepts it";
}

constexpr const char* ships =
    "scene.tif ! linear ! mask --with coast.tif --buffer 250 ! cfar --pfa 1e-6 --guard 210 --background 750 ! objects "
    "--min-area 1800 ! ships.gpkg";

TEST(Plan, SmallScene) {
  const Graph g = graph_of(ships, grid_of(1200, 900, 30), DType::f32, {0, 0, 1200, 1}, "dB");
  expect_golden("small_scene.txt", explain(g, make_plan(g, budget(512, 4))));
}

TEST(Plan, HugeScene) {
  const Graph g = graph_of("scene.tif ! cfar --guard 70 --background 310 ! [ detections.tif ] ! objects ! ships.gpkg",
                           grid_of(100000, 100000, 10), DType::u16, {0, 0, 512, 512});
  const auto begin = std::chrono::steady_clock::now();
  const Plan plan = make_plan(g, budget(512, 16));
  const auto took = std::chrono::steady_clock::now() - begin;
  expect_golden("huge_scene.txt", explain(g, plan));
  EXPECT_LE(plan.peak_bytes + plan.feature_bytes, std::int64_t{512} << 20);
  EXPECT_LT(plan.decoded_times, 1.05);
  EXPECT_LT(std::chrono::duration<double>(took).count(), 5) << "planning a scene must not depend on its cells";
}

TEST(Plan, TinyBudget) {
  const Graph g = graph_of("scene.tif ! cfar --model ca --guard 70 --background 310 --target 30 ! out.tif",
                           grid_of(30000, 20000, 10), DType::f32, {0, 0, 30000, 1});
  expect_golden("tiny_budget.txt", explain(g, make_plan(g, budget(136, 1))));
}

TEST(Plan, SaysWhoLooksFar) {
  const Graph g =
      graph_of("scene.tif ! median --window 9001px ! out.tif", grid_of(30000, 20000, 10), DType::f32, {0, 0, 30000, 1});
  try {
    make_plan(g, budget(512, 2));
    FAIL() << "a window of 9001 cells fits in 512 MiB";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("median looks 9001 x 9001 cells around each"), std::string::npos) << e.what();
  }
}

TEST(Plan, JsonSaysTheSame) {
  const Graph g = graph_of(ships, grid_of(1200, 900, 30), DType::f32, {0, 0, 1200, 1}, "dB");
  expect_golden("small_scene.json", explain_json(g, make_plan(g, budget(512, 4))));
}

TEST(Plan, IsPure) {
  const Graph g = graph_of(ships, grid_of(9000, 7000, 30), DType::f32, {0, 0, 256, 256}, "dB");
  EXPECT_EQ(explain_json(g, make_plan(g, budget(512, 8))), explain_json(g, make_plan(g, budget(512, 8))));
}

TEST(Plan, NeverPromisesMoreThanTheBudget) {
  for (const auto& [width, height] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1},
                                                                                        {1, 100000},
                                                                                        {100000, 1},
                                                                                        {511, 255},
                                                                                        {512, 256},
                                                                                        {2048, 2048},
                                                                                        {25847, 16731},
                                                                                        {100000, 100000},
                                                                                        {1000000, 300}})
    for (const Window block : {Window{0, 0, width, 1}, Window{0, 0, 256, 256}, Window{0, 0, width, height}})
      for (const int threads : {1, 2, 16})
        for (const std::int64_t memory : {128, 160, 256, 512, 4096}) {
          if (block.cells() > 100000000) continue;
          const Graph g = graph_of(ships, grid_of(width, height, 30), DType::u16, block, "dB");
          SCOPED_TRACE(testing::Message() << width << " x " << height << ", blocks of " << block.width << " x "
                                          << block.height << ", " << threads << " threads, " << memory << " MiB");
          try {
            const Plan p = make_plan(g, budget(memory, threads));
            EXPECT_LE(p.peak_bytes + p.feature_bytes, memory << 20);
            EXPECT_EQ(p.buffer_bytes, p.tile_bytes * p.tokens + p.scratch_bytes * p.threads);
            EXPECT_GE(p.tokens, 1);
            EXPECT_GE(p.tile_width, 1);
            EXPECT_LE(p.tile_width, width);
            EXPECT_LE(p.tile_height, height);
            EXPECT_GE(p.decoded_times, 1 - 1e-12);
            EXPECT_EQ(p.tiles,
                      ((width + p.tile_width - 1) / p.tile_width) * ((height + p.tile_height - 1) / p.tile_height));
            // An odd tiling computes blocks twice.
            EXPECT_TRUE(p.tile_width == width || p.tile_width % block_width == 0) << p.tile_width;
            EXPECT_TRUE(p.tile_height == height || p.tile_height % block_height == 0) << p.tile_height;
          } catch (const Error& e) {
            EXPECT_EQ(e.code(), Errc::usage);
            EXPECT_LT(memory, 512) << e.what();
          }
        }
}

TEST(Plan, TheRealJobFitsTheDefaultBudget) {
  // The full-size Sentinel-1 scene with every core of a large machine.
  const Graph g = graph_of(ships, grid_of(25847, 16731, 10), DType::u16, {0, 0, 25847, 1}, "dB");
  const Plan p = make_plan(g, budget(512, 16));
  EXPECT_DOUBLE_EQ(p.decoded_times, 1) << "each cell is decoded once";
}

TEST(Plan, RefusesWithTheNumbers) {
  const Graph g = graph_of(ships, grid_of(25847, 16731, 10), DType::u16, {0, 0, 25847, 1}, "dB");
  try {
    make_plan(g, budget(64, 4));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    for (const char* word : {"64 MiB", "512 x 256 cells", "4 threads", "--memory", "--threads"})
      EXPECT_NE(e.message().find(word), std::string::npos) << e.what();
    // What it says suffices does suffice, and a mebibyte less does not.
    const auto at = e.message().find("needs ");
    const std::int64_t needed = std::stoll(e.message().substr(at + 6));
    EXPECT_NO_THROW(static_cast<void>(make_plan(g, budget(needed, 4))));
    EXPECT_THROW(static_cast<void>(make_plan(g, budget(needed - 1, 4))), Error);
  }
}

TEST(Plan, ThreadsThatNobodyAskedForAreAsManyAsFit) {
  const int all = static_cast<int>(std::thread::hardware_concurrency());
  if (all < 2) GTEST_SKIP() << "the machine has one";
  const Graph g = graph_of(ships, grid_of(25847, 16731, 10), DType::u16, {0, 0, 25847, 1}, "dB");
  std::int64_t fewest = 64;
  for (bool fits = false; !fits; fewest += fits ? 0 : 1) try {
      static_cast<void>(make_plan(g, budget(fewest, all)));
      fits = true;
    } catch (const Error&) {
    }
  EXPECT_EQ(make_plan(g, budget(fewest, 0)).threads, all);
  EXPECT_LT(make_plan(g, budget(fewest - 1, 0)).threads, all);
}

/// A cube of 35 years of days on a quarter-degree globe, packed: its rows are as long as memory allows.
TEST(Plan, ATallStackFitsTheDefaultBudget) {
  for (const Window block : {Window{0, 0, 1440, 1}, Window{0, 0, 16, 16}})
    for (const int threads : {2, 8}) {
      Grid grid = grid_of(1440, 720, 25000);
      MemoryIo io;
      auto cube = std::make_shared<Promised>("scene.tif", grid, DType::i16, block, "K");
      for (int d = 1; d < 12784; ++d) cube->stored.push_back(cube->stored.front());
      cube->together = 1;
      io.rasters["scene.tif"] = cube;
      const std::string text = "scene.tif ! composite median ! out.tif";
      const Graph graph = make_graph(parse_text(text), text, registry(), io, threads);
      const Plan plan = make_plan(graph, budget(512, threads));
      // Nothing of it may grow with the square of the dates.
      EXPECT_LE(plan.peak_bytes, std::int64_t{512} << 20);
      EXPECT_LE(plan.stages[0].across * plan.stages[0].down * 12784 * 8, std::int64_t{32} << 20);
      EXPECT_NEAR(plan.decoded_times, 1, 1e-9) << "tiles of " << plan.tile_width << " x " << plan.tile_height;
    }
}

TEST(Plan, CudaIsRefusedWhereThereIsNone) {
  const Graph g = graph_of("scene.tif ! cfar ! out.tif", grid_of(100, 100, 100), DType::f32, {0, 0, 64, 64});
  Budget b;
  b.backend = Backend::cuda;
  try {
    make_plan(g, b);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::device);
  }
  b.backend = Backend::reference;
  EXPECT_EQ(make_plan(g, b).backend, Backend::reference);
}

/// Where the nodes of a chain stand: operators by stage, "card: median | host: still".
std::string placed(const std::string& text, DType type = DType::f32,
                   const std::shared_ptr<const RasterSource>& other = nullptr) {
  const auto some_kernels = [](const void*, const fulmar_call*, void*, fulmar_error*) -> int { return 0; };
  static std::vector<fulmar_operator> tables;
  static std::vector<std::string> schemas;
  static const Registry made = [&] {
    Registry r;
    std::vector<const fulmar_operator*> operators;
    tables.reserve(10), schemas.reserve(10);
    for (const char* name : {"median", "linear", "decibel", "expression", "cfar", "mask", "align"}) {
      tables.push_back(registry().find(name)->table());
      tables.back().run_cuda = some_kernels;
      operators.push_back(&tables.back());
    }
    for (const auto& [name, like] :
         {std::pair{"still", "linear"}, {"still_median", "median"}, {"still_cfar", "cfar"}}) {
      tables.push_back(registry().find(like)->table());
      std::string schema = tables.back().schema;
      schemas.push_back(schema.replace(schema.find(like), std::string_view{like}.size(), name));
      tables.back().schema = schemas.back().c_str();
      tables.back().run_cuda = nullptr;
      operators.push_back(&tables.back());
    }
    r.add({sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "placed", "1", "", "", "",
           static_cast<std::uint32_t>(operators.size()), operators.data()});
    return r;
  }();
  MemoryIo io;
  io.rasters["in.tif"] = std::make_shared<Promised>("in.tif", grid_of(900, 700, 10), type, Window{0, 0, 64, 64}, "dB");
  if (other != nullptr) io.rasters["other.tif"] = other;
  const Graph graph = make_graph(parse_text(text), text, made, io, 1);
  Budget b = budget(512, 1);
  b.backend = Backend::cuda, b.device_memory = std::int64_t{1} << 30;
  const Plan plan = make_plan(graph, b);
  // With rasters on several grids there are passes, of which each has a graph of its own.
  const Graph& placed_graph = plan.passes.empty() ? graph : plan.passes.back().graph;
  std::string words;
  for (const Stage& stage : plan.passes.empty() ? plan.stages : plan.passes.back().plan.stages) {
    words += (words.empty() ? "" : " | ") + std::string{stage.device ? "card:" : "host:"};
    for (const int n : stage.nodes)
      if (const auto* op = placed_graph.nodes[static_cast<std::size_t>(n)].op) words += " " + op->name();
  }
  const std::string told = explain(graph, plan);
  EXPECT_EQ(told.find("fewer bytes cross so") != std::string::npos, words.find("host: expression") != std::string::npos)
      << told;
  return words;
}

TEST(Placement, AnOperatorWithoutATwinWorksOnTheHostAmidAChain) {
  EXPECT_EQ(placed("in.tif ! median --window 3px ! median --window 5px ! out.tif"), "card: median median");
  EXPECT_EQ(placed("in.tif ! median --window 3px ! still ! median --window 5px ! out.tif"),
            "card: median | host: still | card: median");
  EXPECT_EQ(placed("in.tif ! median --window 3px ! still_median ! median --window 5px ! out.tif"),
            "card: median | host: still_median | card: median");
  EXPECT_EQ(placed("in.tif ! still ! decibel ! out.tif"), "host: still decibel") << "nothing is won on the card";
}

TEST(Placement, TheCutLiesWhereFewestBytesCross) {
  // Without linear on the card, nothing goes up that comes down again.
  EXPECT_EQ(placed("in.tif ! linear ! still_median ! median --window 3px ! out.tif"),
            "host: linear still_median | card: median");
  EXPECT_EQ(placed("in.tif ! linear ! median --window 3px ! out.tif"), "card: linear median");
  // Band by band, however many bands there are.
  std::string bands = "in.tif";
  for (int b = 1; b < 8; ++b) bands += " --with in.tif";
  const std::string many = placed(bands + " ! linear ! decibel ! still_median ! out.tif");
  EXPECT_EQ(many.find("card"), std::string::npos) << many;
  // It crosses as f32 before decibel or after it: what can be on the card is.
  EXPECT_EQ(placed("in.tif ! still_median ! linear ! median --window 3px ! out.tif"),
            "host: still_median | card: linear median");
  // Both branches end on the host: what joins them is there too.
  EXPECT_EQ(placed("in.tif --with [ in.tif ! still_median ] --with [ in.tif ! median --window 3px ] ! expression 'b2 + "
                   "b3' ! out.tif"),
            "host: still_median | card: median | host: expression");
}

TEST(Placement, AWarpedSourceWeighsTheCellsUnderIt) {
  // On the card, the expression needs a byte of in.tif, what lies under a cell of other.tif, and a byte of the
  // detections; on the host its 4 bytes go up. So other.tif may have 2 bytes under a cell of 10 metres.
  const auto weighed = [](DType type, int cell, bool masked = false) {
    auto other = std::make_shared<Promised>("other.tif", grid_of(9000 / cell, 7000 / cell, cell), type,
                                            Window{0, 0, 64, 64}, "dB");
    (*other->lattice.affine)[0] += 3, other->stored.front().has_mask = masked;
    return placed(
        "in.tif --with [ other.tif ! align --to in.tif --resample nearest ] --with [ in.tif ! linear ! still_cfar "
        "--guard 2px "
        "--background 5px ] ! expression 'b1 + b2 + b3' ! median --window 3px ! out.tif",
        DType::u8, other);
  };
  const std::string card = "host: linear still_cfar | card: expression median",
                    host = "host: linear still_cfar expression | card: median";
  EXPECT_EQ(weighed(DType::u8, 10), card);
  EXPECT_EQ(weighed(DType::u16, 10), card) << "as many bytes as on the host: what can be on the card is";
  EXPECT_EQ(weighed(DType::u16, 10, true), host) << "the mask is a byte a cell";
  EXPECT_EQ(weighed(DType::f32, 10), host);
  EXPECT_EQ(weighed(DType::u8, 5), host) << "four cells of a byte lie under one";
  EXPECT_EQ(weighed(DType::f32, 20), card) << "a quarter of a cell of four bytes";
}

}  // namespace
}  // namespace fulmar::test
