// SPDX-License-Identifier: Apache-2.0
// Warps on a card: ways that are surfaces, places one by one, or neither; seams, gaps, stored types, mosaics, tiles
// that need more of the source than is held; to the bit, with the copies counted. And states merged where they were
// stepped.
#include "plan/warp.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "cuda/backend.hpp"
#include "device/checked_device.hpp"
#include "exec/reduce.hpp"
#include "plan/device_plan.hpp"
#include "ptx/runtime/fulmar_ptx.h"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

class CardWarps : public testing::Test {
 protected:
  void SetUp() override {
    if (card() != nullptr) return;
    ASSERT_EQ(std::getenv("FULMAR_CARD_EXPECTED"), nullptr) << cuda::devices().trouble;
    GTEST_SKIP() << cuda::devices().trouble;
  }
  static Device* card() {
    static const std::unique_ptr<Device> opened =
        cuda::devices().devices.empty()
            ? nullptr
            : std::make_unique<CheckedDevice>(cuda::open(cuda::devices().devices.front().number));
    return opened.get();
  }
  static Budget budget(std::int64_t width, std::int64_t height) {
    Budget b = budget_of(width, height, 1, Backend::cuda);
    b.device_memory = std::int64_t{1} << 30;
    return b;
  }
};

/// Turned and bent places: a surface for most squares, place by place for the rest, and beyond some line nothing.
class Bent final : public GridTransformer {
 public:
  Bent(double scale, double turn, std::int64_t width) : scale_{scale}, turn_{turn}, width_{width} {}
  void places(const Window& w, double* columns, double* rows) override {
    for (std::int64_t y = w.y; y < w.bottom(); ++y)
      for (std::int64_t x = w.x; x < w.right(); ++x) {
        const std::int64_t sx = floor_to(x, square_side), sy = floor_to(y, square_side);
        double n[surface_numbers];
        Spot s{};
        if (surface(sx, sy, n)) {
          double c[3], r[3];
          const double u = into_square(x, static_cast<double>(sx), 32), v = into_square(y, static_cast<double>(sy), 32);
          surface_row(n, v, c), surface_row(n + 9, v, r);
          s = {surface_at(c, u), surface_at(r, u)};
        } else {
          s = exact(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
        }
        *columns++ = turn_ > 0 ? nearest_column(s.column, width_, turn_) : s.column;
        *rows++ = s.row;
      }
  }
  bool surface(std::int64_t x, std::int64_t y, double* n) override {
    if ((x / square_side + 2 * (y / square_side)) % 5 == 3) return false;
    for (int axis = 0; axis < 2; ++axis) {
      double along[3][3];
      for (int j = 0; j < 3; ++j) {
        double v[3];
        for (int i = 0; i < 3; ++i) {
          const Spot s = exact(static_cast<double>(x) + 16 * i, static_cast<double>(y) + 16 * j);
          v[i] = axis == 0 ? s.column : s.row;
          if (is_missing(v[i])) return false;
        }
        fit(v, along[j]);
      }
      for (int i = 0; i < 3; ++i) {
        const double v[3] = {along[0][i], along[1][i], along[2][i]};
        double down[3];
        fit(v, down);
        for (int j = 0; j < 3; ++j) n[9 * axis + 3 * j + i] = down[j];
      }
    }
    return true;
  }
  [[nodiscard]] double turn() const override { return turn_; }
  [[nodiscard]] std::unique_ptr<GridTransformer> copy() const override { return std::make_unique<Bent>(*this); }

 private:
  static void fit(const double* v, double* to) {
    to[0] = v[0], to[1] = 4 * v[1] - 3 * v[0] - v[2], to[2] = 2 * v[0] - 4 * v[1] + 2 * v[2];
  }
  [[nodiscard]] Spot exact(double x, double y) const {
    if (x + 2 * y > 250) return {missing<double>, missing<double>};
    return {scale_ * (0.9 * x + 0.25 * y + 6 * math::sin(0.03 * x) + 0.0031 * x * y + 0.0027 * y * y) - 5,
            scale_ * (0.8 * y - 0.2 * x + 0.002 * x * x - 0.0019 * y * y) + 3};
  }
  double scale_, turn_;
  std::int64_t width_;
};

/// A world where ways between some grids are bent.
class BentIo final : public MemoryIo {
 public:
  double scale = 1;
  bool bent = true;
  /// Where grids are turned nothing here tells how far they reach.
  bool turned = false;
  [[nodiscard]] Grid grid_for(const Grid& source, const GridRequest& request) const override {
    return turned ? source : MemoryIo::grid_for(source, request);
  }
  std::shared_ptr<const GridTransformer> transformer(const Grid& target, const Grid& source) const override {
    if (!bent) return affine_transformer(target, source);
    return std::make_shared<Bent>(scale, columns_of_turn(source), source.width);
  }
};

struct World {
  BentIo io;
  Graph graph;
  std::string text;

  void bind(std::string pipeline) {
    text = std::move(pipeline);
    graph = make_graph(parse_text(text), text, registry(), io, 1);
  }
  Results run(const Budget& budget, Device* device = nullptr) {
    io.products = {};
    Results r;
    r.plan = make_plan(graph, budget);
    RunOptions options;
    options.device = device;
    r.report = fulmar::run(graph, r.plan, io, options);
    for (auto& [path, raster] : io.products.rasters) r.rasters[path] = std::move(raster.cells);
    for (const SummaryReport& s : r.report.summaries) r.summaries.push_back(s.table);
    return r;
  }
  void add(const std::string& name, const Grid& grid, unsigned seed, double gaps = 0.02) {
    std::mt19937 random{seed};
    std::vector<float> cells(static_cast<std::size_t>(grid.width * grid.height));
    std::vector<std::uint8_t> valid(cells.size(), 1);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      cells[i] = static_cast<float>(random() % 1000) / 37 - 9;
      valid[i] = static_cast<double>(random() % 10000) < 10000 * gaps ? 0 : 1;
    }
    auto raster = std::make_shared<MemoryRaster>(name, grid, Window{0, 0, 64, 48});
    raster->add_band({DType::f32, {}, {}, 1, 0, false, Unit{}, "band"}, cells, valid);
    // Stored in another type, with nodata and a scale.
    std::vector<std::int16_t> small(cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i)
      small[i] = valid[i] == 0 ? std::int16_t{-1} : static_cast<std::int16_t>(random() % 300);
    raster->add_band({DType::i16, -1.0, {}, 0.5, 3, false, Unit{}, "scaled"}, small);
    io.rasters[name] = raster;
  }
};

constexpr const char* methods[] = {"nearest", "bilinear", "cubic", "lanczos", "average"};

Grid plain_grid(std::int64_t width, std::int64_t height) { return make_grid(Place::metric, width, height); }

void expect_the_same(World& world, const std::vector<std::pair<std::int64_t, std::int64_t>>& tilings, Device* card,
                     const std::function<Budget(std::int64_t, std::int64_t)>& budget) {
  SCOPED_TRACE(world.text);
  const Results expected = world.run(reference_budget());
  std::size_t valid = 0, missing_cells = 0;
  for (const auto& [path, bands] : expected.rasters)
    for (const auto& band : bands)
      for (const float v : band) (is_missing(v) ? missing_cells : valid) += 1;
  EXPECT_GT(valid, missing_cells / 8);
  for (const auto& [w, h] : tilings) {
    SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
    const Results got = world.run(budget(w, h), card);
    EXPECT_EQ(got.report.backend, Backend::cuda);
    EXPECT_EQ(difference(expected, got, world.graph.grid.width), "");
    EXPECT_LE(got.report.device_peak, got.plan.card_bytes);
  }
}

TEST_F(CardWarps, SurfacesPlacesAndNothingAgree) {
  for (const double scale : {0.7, 2.6}) {
    World world;
    world.io.scale = scale;
    world.add("in.tif", plain_grid(static_cast<std::int64_t>(100 * scale), static_cast<std::int64_t>(80 * scale)), 5);
    world.add("to.tif", plain_grid(110, 83), 6);
    for (const char* method : methods) {
      world.bind(std::string{"in.tif ! align --to to.tif --resample "} + method + " ! out.tif");
      expect_the_same(world, {{0, 0}, {40, 33}}, card(), budget);
    }
  }
}

TEST_F(CardWarps, TheSeamOfTheEarthAgrees) {
  for (const double west : {-180.0, 5.0}) {
    World world;
    Grid globe = make_grid(Place::global, 90, 45);
    (*globe.affine)[0] = west;
    world.add("in.tif", globe, 7);
    Grid target = make_grid(Place::geographic, 50, 37);
    target.affine = {-220, 1.9, 0, 71, 0, -2.1};
    world.add("to.tif", target, 8);
    for (const bool bent : {false, true}) {
      world.io.bent = bent, world.io.scale = 1.4;
      for (const char* method : methods) {
        world.bind(std::string{"in.tif ! align --to to.tif --resample "} + method + " ! out.tif");
        expect_the_same(world, {{0, 0}, {33, 16}}, card(), budget);
      }
    }
  }
}

TEST_F(CardWarps, TurnedGridsAgree) {
  for (const double cell : {0.8, 2.3}) {
    World world;
    world.io.bent = false, world.io.turned = true;
    Grid turned = plain_grid(70, 60), target = plain_grid(60, 50);
    turned.affine = {500000, 90, 31, 4000000, 27, -88};
    target.affine = {500400, 84 * cell, -17 * cell, 3999500, -13 * cell, -79 * cell};
    world.add("in.tif", turned, 20), world.add("to.tif", target, 21);
    for (const char* method : methods) {
      world.bind(std::string{"in.tif ! align --to to.tif --resample "} + method + " ! out.tif");
      SCOPED_TRACE(method);
      const Results expected = world.run(reference_budget()), got = world.run(budget(37, 0), card());
      EXPECT_EQ(got.report.backend, Backend::cuda);
      EXPECT_EQ(difference(expected, got, 60), "");
    }
  }
}

/// Footprints of 34 x 8 cells: more weights along a row than a thread keeps.
TEST_F(CardWarps, WideKernelsAgree) {
  World world;
  world.io.bent = false;
  Grid fine = plain_grid(330, 70), coarse = plain_grid(10, 8);
  (*fine.affine)[1] = 100.0 / 34, (*fine.affine)[5] = -100.0 / 8;
  (*coarse.affine)[0] += 13;
  world.add("in.tif", fine, 22, 0.0002), world.add("to.tif", coarse, 23);
  for (const char* method : methods) {
    world.bind(std::string{"in.tif ! align --to to.tif --resample "} + method + " ! out.tif");
    expect_the_same(world, {{0, 0}}, card(), budget);
  }
}

TEST_F(CardWarps, ATargetRoundTheEarthAgrees) {
  World world;
  world.io.bent = false;
  world.add("in.tif", make_grid(Place::global, 70, 40), 9);
  world.add("to.tif", make_grid(Place::global, 96, 50), 10);
  world.bind("in.tif ! align --to to.tif --resample cubic ! median --window 5 ! out.tif");
  expect_the_same(world, {{0, 0}, {40, 20}}, card(), budget);
}

TEST_F(CardWarps, MosaicsAgreeAndTheirCopiesAreThoseOfWhatIsMissing) {
  World world;
  world.io.bent = false;
  const Grid left = plain_grid(60, 50);
  Grid right = left, far = left;
  (*right.affine)[0] += 3300, (*far.affine)[0] += 7700, (*far.affine)[3] += 1230;
  world.add("a.tif", left, 11, 0.1), world.add("b.tif", right, 12, 0.1), world.add("c.tif", far, 13, 0);
  for (const char* method : methods) {
    world.bind(std::string{"a.tif ! mosaic --with [ b.tif ] --with [ c.tif ] --resample "} + method + " ! out.tif");
    expect_the_same(world, {{0, 0}, {64, 32}}, card(), budget);
  }
  // One tile, two bands. Of each raster and band: what it needs comes down, its cells go up and the first band's mask.
  const Results got = world.run(budget(0, 0), card());
  EXPECT_EQ(got.report.traffic.downloads, 2 * 3 + 2);
  EXPECT_EQ(got.report.traffic.uploads, 3 * 3);
}

TEST_F(CardWarps, WaysGoUpOnceForAllBandsOfATile) {
  World world;
  world.add("in.tif", plain_grid(90, 70), 14);
  world.add("to.tif", plain_grid(100, 60), 15);
  world.bind("in.tif ! align --to to.tif --resample bilinear ! out.tif");
  const Results got = world.run(budget(50, 60), card());
  EXPECT_EQ(got.plan.tiles, 2);
  // A tile: squares, cells of two bands, a mask; what is needed down, two bands down.
  EXPECT_EQ(got.report.traffic.uploads, 2 * 4);
  EXPECT_EQ(got.report.traffic.downloads, 2 * 3);
  EXPECT_NE(explain(world.graph, got.plan).find("stage 1, on the card"), std::string::npos)
      << explain(world.graph, got.plan);
}

/// Memory for cells on their way up is shared by bands beyond a few.
TEST_F(CardWarps, ManyBandsShareWhatTheyGoUpThrough) {
  World world;
  world.io.scale = 0.8;
  const Grid grid = plain_grid(80, 60);
  auto raster = std::make_shared<MemoryRaster>("in.tif", grid, Window{0, 0, 64, 48});
  std::mt19937 random{24};
  for (int b = 0; b < 9; ++b) {
    std::vector<double> cells(static_cast<std::size_t>(grid.width * grid.height));
    for (double& v : cells) v = static_cast<double>(random() % 1000) / 3;
    raster->add_band({DType::f64, {}, {}, 1, 0, false, Unit{}, "band"}, cells);
  }
  world.io.rasters["in.tif"] = raster;
  world.add("to.tif", plain_grid(90, 70), 25);
  world.bind("in.tif ! align --to to.tif --resample bilinear ! out.tif");
  expect_the_same(world, {{0, 0}, {50, 70}}, card(), budget);
  const Plan plan = make_plan(world.graph, budget(0, 0));
  ASSERT_EQ(plan.passes.size(), 1u);
  const Graph& graph = plan.passes.front().graph;
  const WarpRoom room = warp_room(graph, plan.passes.front().plan, graph.nodes.front().source, 90, 70);
  EXPECT_EQ(room.bands, 9);
  EXPECT_LE(room.staged_bytes(), 4 * (room.cells * 8 + 64));
}

/// A way that is gentle where samples look and steep elsewhere: more of the source is needed than is held.
class Steep final : public GridTransformer {
 public:
  void places(const Window& w, double* columns, double* rows) override {
    for (std::int64_t y = w.y; y < w.bottom(); ++y)
      for (std::int64_t x = w.x; x < w.right(); ++x) {
        const bool steep = x >= 40 && x < 72;
        *columns++ = steep ? 5.0 * static_cast<double>(x - 40) + 0.3 : 0.5 * static_cast<double>(x) + 0.3;
        *rows++ = (steep ? 2.0 : 0.5) * static_cast<double>(y) + 0.4;
      }
  }
  [[nodiscard]] double turn() const override { return 0; }
  [[nodiscard]] std::unique_ptr<GridTransformer> copy() const override { return std::make_unique<Steep>(); }
};
class SteepIo final : public MemoryIo {
 public:
  std::shared_ptr<const GridTransformer> transformer(const Grid&, const Grid&) const override {
    return std::make_shared<Steep>();
  }
};

TEST_F(CardWarps, WhatNeedsMoreThanIsHeldIsMadeInPiecesAndByTheHost) {
  World with;
  with.add("in.tif", plain_grid(170, 130), 16, 0.01);
  with.add("to.tif", plain_grid(130, 61), 17);
  SteepIo io;
  io.rasters = with.io.rasters;
  for (const char* method : methods) {
    const std::string text = std::string{"in.tif ! align --to to.tif --resample "} + method + " ! out.tif";
    SCOPED_TRACE(text);
    const Graph graph = make_graph(parse_text(text), text, registry(), io, 1);
    const auto run = [&](const Budget& b, Device* device) {
      io.products = {};
      const Plan plan = make_plan(graph, b);
      RunOptions options;
      options.device = device;
      Results r;
      r.report = fulmar::run(graph, plan, io, options);
      for (auto& [path, raster] : io.products.rasters) r.rasters[path] = std::move(raster.cells);
      return r;
    };
    const Results expected = run(reference_budget(), nullptr), got = run(budget(0, 0), card());
    EXPECT_EQ(got.report.backend, Backend::cuda);
    EXPECT_EQ(difference(expected, got, 130), "");
    EXPECT_GT(got.report.traffic.uploads, 10) << "it was to be made in pieces";
  }
}

TEST_F(CardWarps, WhatIsMuchCoarserIsMadeByTheHostAndExplainSaysSo) {
  World world;
  world.io.bent = false;
  world.add("in.tif", plain_grid(1300, 900), 18);
  world.bind("in.tif --band 1 ! warp --resolution 6000 --resample average ! linear ! out.tif");
  const Plan plan = make_plan(world.graph, budget(0, 0));
  EXPECT_NE(explain(world.graph, plan).find("by the host: its cells cover so many of the source"), std::string::npos)
      << explain(world.graph, plan);
  expect_the_same(world, {{0, 0}}, card(), budget);
}

// ---- a source of one reader ----

/// A raster below which one lock is held for all: no two threads may read it at once.
class OfOneReader final : public MemoryRaster {
 public:
  using MemoryRaster::MemoryRaster;
  [[nodiscard]] int parallel_readers() const override { return 1; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<Watched>(*this, MemoryRaster::reader());
  }
  [[nodiscard]] int most_at_once() const { return most_; }
  [[nodiscard]] int reads() const { return reads_; }

 private:
  struct Watched final : RasterReader {
    Watched(const OfOneReader& r, std::unique_ptr<RasterReader> i) : raster{r}, inner{std::move(i)} {}
    void read(int band, const Window& w, void* cells, std::int64_t stride) override {
      raster.enter();
      inner->read(band, w, cells, stride);
      std::this_thread::sleep_for(std::chrono::microseconds{300});  // so that others would come in meanwhile
      --raster.within_, ++raster.reads_;
    }
    void read_mask(int band, const Window& w, std::uint8_t* cells, std::int64_t stride) override {
      raster.enter();
      inner->read_mask(band, w, cells, stride);
      --raster.within_;
    }
    const OfOneReader& raster;
    std::unique_ptr<RasterReader> inner;
  };
  void enter() const {
    const int now = ++within_;
    for (int most = most_; now > most && !most_.compare_exchange_weak(most, now);) continue;
  }
  mutable std::atomic<int> within_{0}, most_{0}, reads_{0};
};

/// Warps of a ramp in closed form: a kernel whose weights add up to one gives the ramp at its place, the nearest cell
/// the ramp at that cell's centre, an average that of the cells it covers. All numbers are multiples of 1/256 that f32
/// holds, so that nothing is rounded.
TEST_F(CardWarps, ASourceOfOneReaderGivesTheRamp) {
  constexpr std::int64_t width = 300, height = 240;
  const auto ramp = [](double column, double row) { return 0.5 * column - 0.25 * row + 64; };
  World world;
  world.io.bent = false;
  std::vector<float> cells(static_cast<std::size_t>(width * height));
  std::vector<std::int16_t> stored(cells.size());
  std::vector<std::uint8_t> valid(cells.size(), 1);
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const double v = ramp(static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5);
      const auto i = static_cast<std::size_t>(y * width + x);
      cells[i] = static_cast<float>(v);
      stored[i] = static_cast<std::int16_t>((v - 3) * 8);  // exact: the ramp has eighths
    }
  const auto source = std::make_shared<OfOneReader>("in.tif", plain_grid(width, height), Window{0, 0, 64, 16});
  source->add_band({DType::f32, {}, {}, 1, 0, false, Unit{}, "band"}, cells, valid);
  source->add_band({DType::i16, {}, {}, 0.125, 3, false, Unit{}, "scaled"}, stored);
  world.io.rasters["in.tif"] = source;

  // Where the centre of a target cell lies in columns and rows of the source.
  struct Case {
    const char* method;
    double cell, left, top;  ///< of the target, in cells of the source
    std::int64_t width, height;
  };
  for (const Case& c :
       {Case{"nearest", 1, 7.25, 9.75, 250, 200}, Case{"nearest", 0.5, 3.125, 4.125, 260, 190},
        Case{"bilinear", 1, 7.25, 9.75, 250, 200}, Case{"bilinear", 0.5, 3.125, 4.125, 260, 190},
        Case{"cubic", 1, 7.25, 9.5, 250, 200}, Case{"average", 2, 6, 10, 140, 110}, Case{"average", 4, 8, 4, 70, 55}}) {
    SCOPED_TRACE(std::string{c.method} + " of cells " + std::to_string(c.cell) + " times as large");
    Grid target = plain_grid(c.width, c.height);
    target.affine = {500000 + 100 * c.left, 100 * c.cell, 0, 4000000 - 100 * c.top, 0, -100 * c.cell};
    world.add("to.tif", target, 30);
    world.bind(std::string{"in.tif ! align --to to.tif --resample "} + c.method + " ! out.tif");
    for (const auto& [w, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 0}, {64, 32}}) {
      Budget several = budget(w, h);
      several.threads = 4;
      const Results got = world.run(several, card());
      EXPECT_EQ(got.report.backend, Backend::cuda);
      ASSERT_EQ(got.rasters.at("out.tif").size(), 2u);
      std::size_t wrong = 0;
      for (const std::vector<float>& band : got.rasters.at("out.tif"))
        for (std::int64_t y = 0; y < c.height; ++y)
          for (std::int64_t x = 0; x < c.width; ++x) {
            double column = c.left + (static_cast<double>(x) + 0.5) * c.cell,
                   row = c.top + (static_cast<double>(y) + 0.5) * c.cell;
            if (std::string_view{c.method} == "nearest") column = std::floor(column) + 0.5, row = std::floor(row) + 0.5;
            const float v = band[static_cast<std::size_t>(y * c.width + x)];
            if (v != static_cast<float>(ramp(column, row)) && wrong++ == 0)
              ADD_FAILURE() << "column " << x << ", row " << y << ": " << v << " against " << ramp(column, row);
          }
      EXPECT_EQ(wrong, 0u);
    }
  }
  EXPECT_GT(source->reads(), 14 * 2) << "tiles and strips were to be read apart";
  EXPECT_EQ(source->most_at_once(), 1) << "two threads were in the source at once";
}

// ---- states ----

TEST_F(CardWarps, StatesAreMergedAsFarAsTheTreeAllows) {
  World world;
  const Grid grid = plain_grid(2 * block_width + 60, 2 * block_height + 30);  // three blocks across, three down
  std::mt19937 random{19};
  std::vector<float> cells(static_cast<std::size_t>(grid.width * grid.height));
  for (float& v : cells) v = static_cast<float>(random() % 1000) / 7;
  auto raster = std::make_shared<MemoryRaster>("in.tif", grid, Window{0, 0, 512, 64});
  raster->add_band({DType::f32, {}, {}, 1, 0, false, Unit{}, "band"}, cells);
  world.io.rasters["in.tif"] = raster;
  world.bind("in.tif ! stats ! out.csv");
  const Results expected = world.run(reference_budget());
  const std::int64_t state = state_bytes(world.graph.nodes.back(), grid);
  // Of nine blocks in raster order, in the raster at once: one. By rows of blocks, 0-2: {0 1} 2, 3-5: 3 {4 5}, 6-8: {6
  // 7}
  // 8. By columns of tiles, blocks 0 3 6, 1 4 7 and 2 5 8 have no neighbour in their tile but 8, which has none at all.
  const std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>> tilings{
      {0, 0, 1}, {grid.width, block_height, 6}, {block_width, grid.height, 9}, {grid.width, 2 * block_height, 4}};
  for (const auto& [w, h, left] : tilings) {
    SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
    const Results got = world.run(budget(w, h), card());
    EXPECT_EQ(difference(expected, got, grid.width), "");
    EXPECT_EQ(got.report.traffic.downloads, got.plan.tiles);
    EXPECT_EQ(got.report.traffic.downloaded, left * state);
  }
}

}  // namespace
}  // namespace fulmar::test
