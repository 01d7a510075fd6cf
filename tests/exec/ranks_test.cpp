// SPDX-License-Identifier: Apache-2.0
// Order statistics of windows against plain sorting of every window's cells.
#include "exec/ranks.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "core/missing.hpp"
#include "core/views.hpp"

namespace fulmar {
namespace {

struct Image {
  std::int64_t width, height;
  std::vector<float> cells;
  [[nodiscard]] float at(std::int64_t x, std::int64_t y) const {
    return x >= 0 && x < width && y >= 0 && y < height ? cells[static_cast<std::size_t>(y * width + x)]
                                                       : missing<float>;
  }
};

struct Statistics {
  std::vector<double> n, lower, upper;
};

fulmar_view box(int ox, int oy, double p, std::uint32_t rank = 0) {
  return {0, FULMAR_VIEW_RANKS, 0, 0, ox, oy, p, 0, rank};
}
fulmar_view ring(int gx, int gy, int ox, int oy, double p, std::uint32_t rank = FULMAR_RANK_CEIL) {
  return {0, FULMAR_VIEW_RANKS, gx, gy, ox, oy, p, 0, rank | FULMAR_RANK_RING};
}

/// The engine's statistics over a block that is the whole image.
Statistics engine_ranks(const Image& image, const fulmar_view& v) {
  const std::int64_t stride = image.width + 2 * v.outer_x + 5;
  std::vector<float> plane(static_cast<std::size_t>(stride * (image.height + 2 * v.outer_y)));
  for (std::int64_t y = -v.outer_y; y < image.height + v.outer_y; ++y)
    for (std::int64_t x = -v.outer_x; x < image.width + v.outer_x; ++x)
      plane[static_cast<std::size_t>((y + v.outer_y) * stride + x + v.outer_x)] = image.at(x, y);
  const std::int64_t bytes = rank_scratch_bytes(v, image.width, image.height);
  const std::unique_ptr<std::byte, decltype(&std::free)> memory{
      static_cast<std::byte*>(std::aligned_alloc(64, static_cast<std::size_t>((bytes + 63) / 64 * 64))), &std::free};
  Arena arena{memory.get(), bytes};  // no more than the planner sets aside
  const RankNetwork network{v};
  RankRows rows{v, network, plane.data() + v.outer_y * stride + v.outer_x, stride, image.width, image.height, arena};
  Statistics out;
  for (std::int64_t y = 0; y < image.height; y += window_rows) {
    const std::int64_t count = std::min(window_rows, image.height - y);
    rows.advance(count);
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t x = 0; x < image.width; ++x) {
        const double* p = rows.cells() + r * rows.stride() + x;
        out.n.push_back(p[0]), out.lower.push_back(p[rows.layer()]), out.upper.push_back(p[2 * rows.layer()]);
      }
  }
  return out;
}

Statistics plain_ranks(const Image& image, const fulmar_view& v) {
  Statistics out;
  std::vector<double> cells;
  for (std::int64_t y = 0; y < image.height; ++y)
    for (std::int64_t x = 0; x < image.width; ++x) {
      cells.clear();
      for (std::int64_t j = -v.outer_y; j <= v.outer_y; ++j)
        for (std::int64_t i = -v.outer_x; i <= v.outer_x; ++i) {
          const bool hole = (v.rank & FULMAR_RANK_RING) != 0 && std::abs(i) <= v.inner_x && std::abs(j) <= v.inner_y;
          if (!hole && !is_missing(image.at(x + i, y + j)))
            cells.push_back(static_cast<double>(image.at(x + i, y + j)));
        }
      std::sort(cells.begin(), cells.end());
      const auto n = static_cast<double>(cells.size());
      out.n.push_back(n);
      if (cells.empty()) {
        out.lower.push_back(missing<double>), out.upper.push_back(missing<double>);
      } else if ((v.rank & FULMAR_RANK_CEIL) != 0) {
        const double k = std::max(1.0, std::ceil(v.reach * n));
        out.lower.push_back(cells[static_cast<std::size_t>(k) - 1]), out.upper.push_back(out.lower.back());
      } else {
        const double h = (n - 1) * v.reach;
        out.lower.push_back(cells[static_cast<std::size_t>(std::floor(h))]);
        out.upper.push_back(cells[static_cast<std::size_t>(std::ceil(h))]);
      }
    }
  return out;
}

void expect_equal(const Image& image, const fulmar_view& v) {
  SCOPED_TRACE(testing::Message() << image.width << " x " << image.height << ", box " << v.outer_x << " x " << v.outer_y
                                  << ", guard " << v.inner_x << " x " << v.inner_y << ", p " << v.reach << ", rank "
                                  << v.rank);
  const Statistics got = engine_ranks(image, v), expected = plain_ranks(image, v);
  ASSERT_EQ(got.n.size(), expected.n.size());
  const auto same = [](double a, double b) { return a == b || (is_missing(a) && is_missing(b)); };
  for (std::size_t i = 0; i < got.n.size(); ++i) {
    ASSERT_EQ(got.n[i], expected.n[i]) << "cell " << i;
    ASSERT_PRED2(same, got.lower[i], expected.lower[i]) << "cell " << i;
    ASSERT_PRED2(same, got.upper[i], expected.upper[i]) << "cell " << i;
    ASSERT_FALSE(got.lower[i] == 0 && std::signbit(got.lower[i])) << "cell " << i;
  }
}

template <class Value>
Image make_image(std::int64_t width, std::int64_t height, double gaps, unsigned seed, Value&& value) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<double> u;
  Image image{width, height, {}};
  for (std::int64_t i = 0; i < width * height; ++i) image.cells.push_back(u(rng) < gaps ? missing<float> : value(rng));
  return image;
}
Image normal_image(std::int64_t width, std::int64_t height, double gaps, unsigned seed) {
  std::normal_distribution<float> d;
  return make_image(width, height, gaps, seed, [&](auto& rng) { return d(rng); });
}

std::vector<fulmar_view> views() {
  std::vector<fulmar_view> all;
  for (const double p : {0.0, 0.37, 0.5, 0.9, 1.0}) {
    for (const auto& [x, y] : std::vector<std::pair<int, int>>{{0, 0},
                                                               {1, 1},
                                                               {2, 2},
                                                               {3, 3},
                                                               {1, 0},
                                                               {0, 1},
                                                               {0, 24},
                                                               {24, 0},
                                                               {2, 4},
                                                               {4, 2},
                                                               {4, 3},
                                                               {4, 4},
                                                               {8, 5}}) {
      all.push_back(box(x, y, p));
      all.push_back(box(x, y, p, FULMAR_RANK_CEIL));
    }
    for (const auto& v : {ring(0, 0, 1, 1, p), ring(1, 1, 3, 3, p), ring(1, 0, 2, 2, p), ring(2, 2, 2, 2, p),
                          ring(2, 2, 5, 5, p), ring(3, 1, 7, 6, p), ring(0, 0, 5, 4, p, 0), ring(5, 4, 5, 5, p)})
      all.push_back(v);
  }
  return all;
}

TEST(WindowRanks, EqualPlainSorting) {
  for (const double gaps : {0.0, 0.03, 0.7})
    for (const fulmar_view& v : views()) expect_equal(normal_image(83, 37, gaps, 21), v);
}

TEST(WindowRanks, ManyTies) {
  const Image image = make_image(90, 41, 0.05, 22, [](auto& rng) { return static_cast<float>(rng() % 4) - 1; });
  for (const fulmar_view& v : views()) expect_equal(image, v);
}

TEST(WindowRanks, AllEqual) {
  for (const fulmar_view& v : views()) expect_equal(make_image(70, 9, 0, 23, [](auto&) { return -2.5f; }), v);
}

TEST(WindowRanks, AllMissing) {
  for (const fulmar_view& v : views()) expect_equal(make_image(70, 9, 1.1, 24, [](auto&) { return 0.0f; }), v);
}

TEST(WindowRanks, OneCellIsValid) {
  Image image = make_image(70, 19, 1.1, 25, [](auto&) { return 0.0f; });
  image.cells[9 * 70 + 35] = 4.0f;
  for (const fulmar_view& v : views()) expect_equal(image, v);
}

TEST(WindowRanks, NegativeZeroIsZero) {
  const Image image = make_image(70, 19, 0.1, 26, [](auto& rng) {
    constexpr float values[] = {-0.0f, 0.0f, -1e-45f, 1e-45f};
    return values[rng() % 4];
  });
  for (const fulmar_view& v : views()) expect_equal(image, v);
}

TEST(WindowRanks, ExtremesOfTheType) {
  const Image image = make_image(70, 19, 0.1, 27, [](auto& rng) {
    constexpr float values[] = {-3.4028235e38f, 3.4028235e38f, 1e-45f, -1e-45f, 0, 1e30f};
    return values[rng() % 6];
  });
  for (const fulmar_view& v : views()) expect_equal(image, v);
}

TEST(WindowRanks, AnInfiniteCellIsMissing) {
  Image infinite = make_image(70, 19, 0.05, 30, [](auto& rng) { return static_cast<float>(rng() % 100); });
  Image missing_there = infinite;
  for (std::size_t k = 0; k < infinite.cells.size(); k += 7) {
    infinite.cells[k] = k % 2 == 0 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    missing_there.cells[k] = missing<float>;
  }
  for (const fulmar_view& v : views()) {
    const Statistics got = engine_ranks(infinite, v), expected = engine_ranks(missing_there, v);
    for (std::size_t i = 0; i < got.n.size(); ++i) {
      ASSERT_EQ(got.n[i], expected.n[i]) << i;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(got.lower[i]), std::bit_cast<std::uint64_t>(expected.lower[i])) << i;
      ASSERT_EQ(std::bit_cast<std::uint64_t>(got.upper[i]), std::bit_cast<std::uint64_t>(expected.upper[i])) << i;
    }
  }
}

TEST(WindowRanks, ARampPutsAllOfAWindowTogether) {
  Image image{150, 80, {}};
  for (std::int64_t i = 0; i < 150 * 80; ++i) image.cells.push_back(static_cast<float>(i % 150 * 1000 + i / 150));
  for (const fulmar_view& v : views()) expect_equal(image, v);
}

TEST(WindowRanks, SmallScenesAndLargeWindows) {
  for (const auto& [w, h] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {1, 9}, {9, 1}, {63, 2}, {64, 3}, {65, 5}, {129, 1}})
    for (const fulmar_view& v :
         {box(1, 1, 0.5), box(3, 3, 0.5), box(4, 4, 0.5), box(20, 30, 0.5), ring(3, 2, 20, 17, 0.75)})
      expect_equal(normal_image(w, h, 0.1, 28), v);
}

TEST(WindowRanks, AWholeBlock) {
  expect_equal(normal_image(block_width, block_height, 0.02, 29), box(2, 2, 0.5));
  expect_equal(normal_image(block_width, block_height, 0.02, 29), ring(3, 3, 8, 8, 0.75));
}

}  // namespace
}  // namespace fulmar
