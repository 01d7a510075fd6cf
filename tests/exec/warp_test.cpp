// SPDX-License-Identifier: Apache-2.0
// Against sums written from the text of plan/warp.hpp, cell by cell, and against what must hold whatever the window.
#include "plan/warp.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>
#include <random>

#include "support/memory_io.hpp"

namespace fulmar::test {
namespace {

constexpr float none = missing<float>;

Grid grid_at(double x, double y, double dx, double dy, std::int64_t width, std::int64_t height) {
  Grid g;
  g.width = width, g.height = height;
  g.affine = std::array<double, 6>{x, dx, 0, y, 0, -dy};
  g.crs = "somewhere";
  return g;
}

std::vector<float> noise(const Grid& grid, unsigned seed, double gaps) {
  std::mt19937 random{seed};
  std::uniform_real_distribution<double> uniform{0, 1};
  std::vector<float> cells(static_cast<std::size_t>(grid.width * grid.height));
  for (auto& c : cells) {
    c = static_cast<float>(10 * uniform(random) - 3);
    if (uniform(random) < gaps) c = none;
  }
  return cells;
}

/// Turned and stretched places, a different footprint at every cell.
class Curved : public GridTransformer {
 public:
  explicit Curved(double scale) : scale_{scale} {}
  void places(const Window& w, double* columns, double* rows) override {
    for (std::int64_t y = w.y; y < w.bottom(); ++y)
      for (std::int64_t x = w.x; x < w.right(); ++x) {
        const double u = static_cast<double>(x) + 0.5, v = static_cast<double>(y) + 0.5;
        *columns++ = scale_ * (0.9 * u + 0.3 * v) - 4.3 + 1e-3 * scale_ * u * v;
        *rows++ = scale_ * (0.8 * v - 0.2 * u) + 7.1 + 5e-4 * scale_ * u * u;
      }
  }
  [[nodiscard]] double turn() const override { return 0; }
  [[nodiscard]] std::unique_ptr<GridTransformer> copy() const override { return std::make_unique<Curved>(*this); }

 private:
  double scale_;
};

struct Case {
  std::shared_ptr<MemoryRaster> raster;
  std::vector<float> cells;
  Grid target;
  std::shared_ptr<const GridTransformer> way;

  [[nodiscard]] std::shared_ptr<const RasterSource> warped(Resampling method) const {
    return warped_source("warped", target, {{raster, way, target.window()}}, method);
  }
};

Case make_case(const Grid& source, const Grid& target, std::shared_ptr<const GridTransformer> way, double gaps = 0.02) {
  Case c;
  c.cells = noise(source, 7, gaps);
  c.raster = one_band("source", source, c.cells);
  c.target = target;
  c.way = way ? std::move(way) : affine_transformer(target, source);
  return c;
}

std::vector<float> all_of(const RasterSource& source, const Window& w) {
  std::vector<float> cells(static_cast<std::size_t>(w.cells()), -1);
  source.reader()->read(0, w, cells.data(), w.width);
  return cells;
}
std::vector<float> all_of(const RasterSource& source) { return all_of(source, source.grid().window()); }

double sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

double weight(Resampling method, double d) {
  d = std::abs(d);
  switch (method) {
    case Resampling::bilinear:
      return d < 1 ? 1 - d : 0;
    case Resampling::cubic:  // Keys 1981, a = -1/2
      return d <= 1 ? 1.5 * d * d * d - 2.5 * d * d + 1 : d < 2 ? -0.5 * (d * d * d - 5 * d * d + 8 * d - 4) : 0;
    default:
      return d < 3 ? sinc(d) * sinc(d / 3) : 0;
  }
}

/// What a cell should be, by looking at every cell of the source.
float brute(const Case& c, Resampling method, std::int64_t x, std::int64_t y) {
  const Grid& g = c.raster->grid();
  double columns[9], rows[9];
  c.way->copy()->places({x - 1, y - 1, 3, 3}, columns, rows);
  const double u = columns[4], v = rows[4];
  if (!(u >= 0 && u < static_cast<double>(g.width) && v >= 0 && v < static_cast<double>(g.height))) return none;
  const double w = std::max(std::abs(columns[5] - columns[3]), std::abs(columns[7] - columns[1])) / 2;
  const double h = std::max(std::abs(rows[5] - rows[3]), std::abs(rows[7] - rows[1])) / 2;
  const auto at = [&](std::int64_t i, std::int64_t j) {
    return i < 0 || j < 0 || i >= g.width || j >= g.height ? none : c.cells[static_cast<std::size_t>(j * g.width + i)];
  };
  const auto near = at(static_cast<std::int64_t>(std::floor(u)), static_cast<std::int64_t>(std::floor(v)));
  if (method == Resampling::nearest) return near;
  const double sx = w > 1 / 0.95 ? w : 1, sy = h > 1 / 0.95 ? h : 1;
  bool gap = false;
  const auto sums = [&](Resampling with, double& total, double& valid) {
    double sum = 0;
    total = valid = 0;
    const double rx = with == Resampling::average ? w : 3 * sx, ry = with == Resampling::average ? h : 3 * sy;
    for (auto j = static_cast<std::int64_t>(std::floor(v - ry - 1)); j <= static_cast<std::int64_t>(v + ry + 1); ++j)
      for (auto i = static_cast<std::int64_t>(std::floor(u - rx - 1)); i <= static_cast<std::int64_t>(u + rx + 1);
           ++i) {
        const auto di = static_cast<double>(i), dj = static_cast<double>(j);
        double k;
        if (with == Resampling::average)
          k = std::max(0.0, std::min(di + 1, u + w / 2) - std::max(di, u - w / 2)) *
              std::max(0.0, std::min(dj + 1, v + h / 2) - std::max(dj, v - h / 2));
        else
          k = weight(with, (di + 0.5 - u) / sx) * weight(with, (dj + 0.5 - v) / sy);
        if (std::abs(k) < 1e-12) continue;
        total += k;
        gap |= is_missing(at(i, j));
        if (is_missing(at(i, j))) continue;
        valid += k;
        sum += k * static_cast<double>(at(i, j));
      }
    return sum;
  };
  double total = 0, valid = 0;
  double sum = sums(method, total, valid);
  if (method == Resampling::average) return valid > 0.5 * total - 1e-9 ? static_cast<float>(sum / valid) : none;
  if (is_missing(near)) return none;
  if (gap && method != Resampling::bilinear) sum = sums(Resampling::bilinear, total, valid);
  return static_cast<float>(sum / valid);
}

constexpr std::array methods{Resampling::nearest, Resampling::bilinear, Resampling::cubic, Resampling::lanczos,
                             Resampling::average};

std::string word(Resampling m) { return std::string{resampling_words[static_cast<std::size_t>(m)]}; }

void expect_as_by_hand(const Case& c) {
  for (const Resampling m : methods) {
    const auto cells = all_of(*c.warped(m));
    std::size_t valid = 0;
    for (std::int64_t y = 0; y < c.target.height; ++y)
      for (std::int64_t x = 0; x < c.target.width; ++x) {
        const float is = cells[static_cast<std::size_t>(y * c.target.width + x)], should = brute(c, m, x, y);
        ASSERT_EQ(is_missing(is), is_missing(should)) << word(m) << " at " << x << ", " << y;
        if (is_missing(is)) continue;
        ++valid;
        ASSERT_NEAR(is, should, 4e-6) << word(m) << " at " << x << ", " << y;  // f32 of values up to 10
      }
    EXPECT_GT(valid, cells.size() / 8) << word(m);
  }
}

TEST(Warp, FinerCellsAreAsByHand) {
  expect_as_by_hand(make_case(grid_at(0, 60, 1, 1, 70, 60), grid_at(-3.3, 62.7, 0.37, 0.41, 190, 150), nullptr));
}

TEST(Warp, CoarserCellsAreAsByHand) {
  expect_as_by_hand(make_case(grid_at(0, 200, 1, 1, 210, 200), grid_at(-5.2, 203.1, 3.7, 2.9, 60, 70), nullptr));
}

TEST(Warp, TurnedAndCurvedCellsAreAsByHand) {
  for (const double scale : {0.6, 1.0, 2.5})
    expect_as_by_hand(
        make_case(grid_at(0, 0, 1, 1, 120, 110), grid_at(0, 0, 1, 1, 90, 80), std::make_shared<Curved>(scale)));
}

TEST(Warp, AnAverageOverWholeCellsIsTheirMean) {
  const auto c =
      make_case(grid_at(500000, 4000000, 10, 10, 60, 40), grid_at(500000, 4000000, 40, 40, 15, 10), nullptr, 0);
  const auto cells = all_of(*c.warped(Resampling::average));
  for (std::int64_t y = 0; y < 10; ++y)
    for (std::int64_t x = 0; x < 15; ++x) {
      double sum = 0;
      for (std::int64_t j = 0; j < 4; ++j)
        for (std::int64_t i = 0; i < 4; ++i) sum += c.cells[static_cast<std::size_t>((4 * y + j) * 60 + 4 * x + i)];
      EXPECT_FLOAT_EQ(cells[static_cast<std::size_t>(y * 15 + x)], static_cast<float>(sum / 16));
    }
}

TEST(Warp, TheSameGridAndShiftsByWholeCellsKeepEveryBit) {
  const Grid source = grid_at(600000.5, 4200000.25, 30, 30, 300, 200);
  for (const std::int64_t shift : {0, 13}) {
    const Grid target = grid_at(600000.5 + 30.0 * static_cast<double>(shift), 4200000.25, 30, 30, 300, 200);
    const auto c = make_case(source, target, nullptr, 0.1);
    for (const Resampling m : methods) {
      const auto cells = all_of(*c.warped(m));
      for (std::int64_t y = 0; y < 200; ++y)
        for (std::int64_t x = 0; x < 300; ++x) {
          const float should = x + shift < 300 ? c.cells[static_cast<std::size_t>(y * 300 + x + shift)] : none;
          const float is = cells[static_cast<std::size_t>(y * 300 + x)];
          ASSERT_TRUE(is == should || (is_missing(is) && is_missing(should))) << word(m) << " " << x << ", " << y;
        }
    }
  }
}

void expect_free_of_windows(const Case& c, const std::vector<std::pair<std::int64_t, std::int64_t>>& sizes) {
  for (const Resampling m : methods) {
    const auto source = c.warped(m);
    const auto whole = all_of(*source);
    for (const auto& [width, height] : sizes) {
      auto tiled = std::vector<float>(whole.size());
      auto reader = source->reader();
      for (std::int64_t y = 0; y < c.target.height; y += height)
        for (std::int64_t x = 0; x < c.target.width; x += width) {
          const Window w = intersect({x, y, width, height}, c.target.window());
          reader->read(0, w, tiled.data() + y * c.target.width + x, c.target.width);
        }
      ASSERT_EQ(std::memcmp(whole.data(), tiled.data(), whole.size() * 4), 0)
          << word(m) << " " << width << " x " << height;
    }
  }
}

TEST(Warp, WindowsDoNotShow) {
  expect_free_of_windows(
      make_case(grid_at(0, 0, 1, 1, 700, 600), grid_at(0, 0, 1, 1, 400, 300), std::make_shared<Curved>(1.3)),
      {{256, 256}, {97, 61}, {400, 1}, {1, 300}});
}

TEST(Warp, StripsOfTheSourceDoNotShow) {
  // Footprints of 90 x 70 source cells: a slice of the target needs more source cells than are held at once, a window
  // of a few target cells does not.
  expect_free_of_windows(make_case(grid_at(0, 0, 1, 1, 2700, 2100), grid_at(-40, 50, 90.3, 70.7, 32, 31), nullptr),
                         {{5, 4}, {32, 1}});
}

TEST(Warp, OneCellOfAWholeRasterIsStreamed) {
  const Grid source = grid_at(0, 0, 1, 1, 3000, 2000);
  const auto c = make_case(source, grid_at(0, 0, 3000, 2000, 1, 1), nullptr, 0.3);
  double sum = 0, count = 0;
  for (const float v : c.cells)
    if (!is_missing(v)) sum += v, ++count;
  EXPECT_NEAR(all_of(*c.warped(Resampling::average)).front(), sum / count, 1e-5);
  // Read once, and no more of it held than a block may need.
  EXPECT_EQ(c.raster->bytes_read() / 4, source.width * source.height);
  EXPECT_LT(c.warped(Resampling::average)->working_bytes(), std::int64_t{8} << 20);
}

TEST(Warp, AnAverageIsMissingWhereLessThanHalfHasValues) {
  const Grid source = grid_at(0, 0, 1, 1, 4, 4);
  auto raster = one_band("s", source,
                         {1, 2, none, none,     //
                          none, none, none, 3,  //
                          none, 5, 1, 1,        //
                          none, 7, 1, 1});
  const Grid target = grid_at(0, 0, 2, 2, 2, 2);
  const auto cells = all_of(*warped_source("w", target, {{raster, affine_transformer(target, source), target.window()}},
                                           Resampling::average));
  EXPECT_EQ(cells[0], 1.5f);
  EXPECT_TRUE(is_missing(cells[1]));
  EXPECT_EQ(cells[2], 6);
  EXPECT_EQ(cells[3], 1);
}

Grid globe(double west, std::int64_t width, std::int64_t height) {
  Grid g = grid_at(west, 90, 360.0 / static_cast<double>(width), 180.0 / static_cast<double>(height), width, height);
  g.geographic = true;
  g.wraps = true;
  return g;
}

TEST(Warp, TheSeamOfTheEarthDoesNotShow) {
  // The same field with its seam at Greenwich and at the antimeridian.
  const Grid pacific = globe(0, 72, 36), atlantic = globe(-180, 72, 36);
  const auto cells = noise(pacific, 3, 0.02);
  std::vector<float> turned(cells.size());
  for (std::size_t y = 0; y < 36; ++y)
    for (std::size_t x = 0; x < 72; ++x) turned[y * 72 + x] = cells[y * 72 + (x + 36) % 72];
  for (const double west : {-20.0, 160.0, -200.0, 340.0}) {
    Grid target = grid_at(west, 40, 1.7, 1.9, 30, 25);
    target.geographic = true;
    for (const Resampling m : methods) {
      const auto a = all_of(*warped_source(
          "a", target, {{one_band("p", pacific, cells), affine_transformer(target, pacific), target.window()}}, m));
      const auto b = all_of(*warped_source(
          "b", target, {{one_band("q", atlantic, turned), affine_transformer(target, atlantic), target.window()}}, m));
      for (std::size_t i = 0; i < a.size(); ++i) {
        ASSERT_EQ(is_missing(a[i]), is_missing(b[i])) << word(m) << " " << west << " " << i;
        if (!is_missing(a[i])) {
          ASSERT_NEAR(a[i], b[i], 2e-6) << word(m);
        }
      }
      EXPECT_GT(std::count_if(a.begin(), a.end(), [](float v) { return !is_missing(v); }), 700);
    }
  }
}

TEST(Warp, TheFirstThatHasAValueGivesIt) {
  const Grid left = grid_at(0, 10, 1, 1, 6, 10), right = grid_at(4, 10, 1, 1, 8, 10),
             all = grid_at(0, 10, 1, 1, 12, 10);
  std::vector<float> a(60, 1), b(80, 2);
  a[5] = none;  // column 5 of the first row
  const auto cells = all_of(*warped_source("m", all,
                                           {{one_band("a", left, a), affine_transformer(all, left), {0, 0, 7, 10}},
                                            {one_band("b", right, b), affine_transformer(all, right), {3, 0, 9, 10}}},
                                           Resampling::nearest));
  EXPECT_EQ(cells[4], 1);
  EXPECT_EQ(cells[5], 2);
  EXPECT_EQ(cells[6], 2);
  EXPECT_EQ(cells[12 + 5], 1);
  EXPECT_EQ(cells[119], 2);
}

TEST(Warp, MasksScalesAndFlagsAreReadAsEverywhere) {
  const Grid grid = grid_at(0, 2, 1, 1, 2, 2);
  auto raster = std::make_shared<MemoryRaster>("r", grid, Window{0, 0, 2, 1});
  StoredBand band{DType::i16, -5.0, {}, 0.5, 10, false, {}, "b"};
  raster->add_band<std::int16_t>(band, {4, -5, 8, 6}, {1, 1, 0, 1});
  const auto cells =
      all_of(*warped_source("w", grid, {{raster, affine_transformer(grid, grid), grid.window()}}, Resampling::nearest));
  EXPECT_EQ(cells[0], 12);
  EXPECT_TRUE(is_missing(cells[1]));
  EXPECT_TRUE(is_missing(cells[2]));
  EXPECT_EQ(cells[3], 13);
  const auto flags = MemoryRaster::flags("f", grid, {0, 1, 255, 1});
  const auto values =
      all_of(*warped_source("w", grid, {{flags, affine_transformer(grid, grid), grid.window()}}, Resampling::nearest));
  EXPECT_EQ(values[1], 1);
  EXPECT_TRUE(is_missing(values[2]));
}

}  // namespace
}  // namespace fulmar::test
