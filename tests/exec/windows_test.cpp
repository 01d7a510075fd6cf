// SPDX-License-Identifier: Apache-2.0
// Window sums against plain double loops over the definition.
#include "exec/windows.hpp"

#include <gtest/gtest.h>

#include <cmath>
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

struct Sums {
  std::vector<double> n, s1, s2;
};

fulmar_view ring(int gx, int gy, int ox, int oy) { return {0, FULMAR_VIEW_RING, gx, gy, ox, oy, 0, 0, 0}; }
fulmar_view side(unsigned which, int gx, int gy, int ox, int oy) {
  return {0, FULMAR_VIEW_RING, gx, gy, ox, oy, 0, 0, which};
}
fulmar_view box(int ox, int oy) { return {0, FULMAR_VIEW_BOX, 0, 0, ox, oy, 0, 0, 0}; }

/// The engine's sums over a block that is the whole image.
Sums engine_sums(const Image& image, const fulmar_view& v) {
  const std::int64_t stride = image.width + 2 * v.outer_x + 5;
  std::vector<float> plane(static_cast<std::size_t>(stride * (image.height + 2 * v.outer_y)));
  for (std::int64_t y = -v.outer_y; y < image.height + v.outer_y; ++y)
    for (std::int64_t x = -v.outer_x; x < image.width + v.outer_x; ++x)
      plane[static_cast<std::size_t>((y + v.outer_y) * stride + x + v.outer_x)] = image.at(x, y);
  const std::int64_t bytes = window_scratch_bytes(v, image.width);
  const std::unique_ptr<std::byte, decltype(&std::free)> memory{
      static_cast<std::byte*>(std::aligned_alloc(64, static_cast<std::size_t>((bytes + 63) / 64 * 64))), &std::free};
  Arena arena{memory.get(), bytes};  // no more than the planner sets aside
  WindowRows rows{v, plane.data() + v.outer_y * stride + v.outer_x, stride, image.width, image.height, arena};
  Sums out;
  for (std::int64_t y = 0; y < image.height; y += window_rows) {
    const std::int64_t count = std::min(window_rows, image.height - y);
    rows.advance(count);
    for (std::int64_t r = 0; r < count; ++r)
      for (std::int64_t x = 0; x < image.width; ++x) {
        const double* p = rows.cells() + r * rows.stride() + x;
        out.n.push_back(p[0]), out.s1.push_back(p[rows.layer()]), out.s2.push_back(p[2 * rows.layer()]);
      }
  }
  return out;
}

Sums plain_sums(const Image& image, const fulmar_view& v) {
  Sums out;
  for (std::int64_t y = 0; y < image.height; ++y)
    for (std::int64_t x = 0; x < image.width; ++x) {
      long double n = 0, s1 = 0, s2 = 0;
      for (std::int64_t j = -v.outer_y; j <= v.outer_y; ++j)
        for (std::int64_t i = -v.outer_x; i <= v.outer_x; ++i) {
          if (v.kind == FULMAR_VIEW_RING && std::abs(i) <= v.inner_x && std::abs(j) <= v.inner_y) continue;
          if ((v.rank == FULMAR_RING_LEFT && i >= 0) || (v.rank == FULMAR_RING_RIGHT && i <= 0)) continue;
          const float c = image.at(x + i, y + j);
          if (is_missing(c)) continue;
          n += 1, s1 += c, s2 += static_cast<long double>(c) * c;
        }
      out.n.push_back(static_cast<double>(n)), out.s1.push_back(static_cast<double>(s1)),
          out.s2.push_back(static_cast<double>(s2));
    }
  return out;
}

void expect_near(const Sums& got, const Sums& expected, double tolerance) {
  ASSERT_EQ(got.n.size(), expected.n.size());
  double worst1 = 0, worst2 = 0;
  for (std::size_t i = 0; i < got.n.size(); ++i) {
    ASSERT_EQ(got.n[i], expected.n[i]) << "count of cell " << i;
    if (expected.n[i] == 0) continue;
    worst1 = std::max(worst1, std::abs(got.s1[i] / expected.s1[i] - 1));
    worst2 = std::max(worst2, std::abs(got.s2[i] / expected.s2[i] - 1));
  }
  EXPECT_LT(worst1, tolerance);
  EXPECT_LT(worst2, tolerance);
}

Image gamma_image(std::int64_t width, std::int64_t height, double gaps, unsigned seed) {
  std::mt19937 rng(seed);
  std::gamma_distribution<float> g(4.4f, 0.02f / 4.4f);
  std::uniform_real_distribution<double> u;
  Image image{width, height, {}};
  for (std::int64_t i = 0; i < width * height; ++i) image.cells.push_back(u(rng) < gaps ? missing<float> : g(rng));
  return image;
}

TEST(WindowSums, EqualPlainLoopsOnGammaClutter) {
  for (const double gaps : {0.0, 0.02, 0.6})
    for (const fulmar_view& v : {ring(2, 2, 4, 4), ring(3, 3, 15, 15), ring(0, 0, 1, 1), ring(5, 1, 9, 4),
                                 ring(1, 5, 4, 9), side(FULMAR_RING_LEFT, 2, 3, 7, 5),
                                 side(FULMAR_RING_RIGHT, 2, 3, 7, 5), side(FULMAR_RING_LEFT, 0, 0, 1, 2),
                                 side(FULMAR_RING_RIGHT, 0, 0, 1, 2), box(0, 0), box(1, 1), box(7, 2), box(0, 6)}) {
      SCOPED_TRACE(testing::Message() << "gaps " << gaps << ", outer " << v.outer_x << " x " << v.outer_y);
      const Image image = gamma_image(131, 90, gaps, 11);
      expect_near(engine_sums(image, v), plain_sums(image, v), 1e-12);
    }
}

TEST(WindowSums, AWholeBlock) {
  const Image image = gamma_image(block_width, block_height, 0.02, 12);
  expect_near(engine_sums(image, ring(3, 3, 6, 6)), plain_sums(image, ring(3, 3, 6, 6)), 1e-12);
}

TEST(WindowSums, AWindowLargerThanTheScene) {
  const Image image = gamma_image(9, 7, 0.1, 13);
  expect_near(engine_sums(image, ring(3, 2, 40, 30)), plain_sums(image, ring(3, 2, 40, 30)), 1e-12);
}

TEST(WindowSums, OneCell) {
  for (const auto& [w, h] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 9}, {9, 1}, {1, 4}, {5, 3}}) {
    const Image image = gamma_image(w, h, 0, 14);
    expect_near(engine_sums(image, ring(1, 1, 3, 3)), plain_sums(image, ring(1, 1, 3, 3)), 1e-12);
    expect_near(engine_sums(image, box(1, 2)), plain_sums(image, box(1, 2)), 1e-12);
  }
}

TEST(WindowSums, NothingValid) {
  Image image{20, 10, std::vector<float>(200, missing<float>)};
  const Sums got = engine_sums(image, ring(1, 1, 3, 3));
  for (std::size_t i = 0; i < got.n.size(); ++i) {
    EXPECT_EQ(got.n[i], 0);
    EXPECT_EQ(got.s1[i], 0);
    EXPECT_EQ(got.s2[i], 0);
  }
}

/// Worst relative error of the variance that an operator would see.
double worst_variance(const Image& image, const fulmar_view& v) {
  const Sums got = engine_sums(image, v);
  double worst = 0;
  for (std::int64_t y = 0; y < image.height; ++y)
    for (std::int64_t x = 0; x < image.width; ++x) {
      const auto k = static_cast<std::size_t>(y * image.width + x);
      WindowSums w;
      w.n = got.n[k], w.s1 = got.s1[k], w.s2 = got.s2[k];
      long double n = 0, mean = 0, m2 = 0;
      for (int pass = 0; pass < 2; ++pass) {
        for (std::int64_t j = -v.outer_y; j <= v.outer_y; ++j)
          for (std::int64_t i = -v.outer_x; i <= v.outer_x; ++i) {
            if (v.kind == FULMAR_VIEW_RING && std::abs(i) <= v.inner_x && std::abs(j) <= v.inner_y) continue;
            const float c = image.at(x + i, y + j);
            if (is_missing(c)) continue;
            if (pass == 0)
              n += 1, mean += c;
            else
              m2 += (c - mean) * (c - mean);
          }
        if (pass == 0) mean /= n;
      }
      const auto exact = static_cast<double>(m2 / n);
      worst = std::max(worst, std::abs(w.variance() - exact) / exact);
    }
  return worst;
}

TEST(WindowSums, VarianceOfKelvins) {
  // operators.md 0.7: an f32 summed-area table is wrong by a factor of 1700 here.
  std::mt19937 rng(15);
  std::normal_distribution<float> d(288, 0.3f);
  Image image{block_width, block_height, {}};
  for (std::int64_t i = 0; i < image.width * image.height; ++i) image.cells.push_back(d(rng));
  EXPECT_LT(worst_variance(image, box(4, 4)), 1e-6);
  EXPECT_LT(worst_variance(image, ring(2, 2, 5, 5)), 1e-6);
}

TEST(WindowSums, VarianceOfGammaClutter) {
  EXPECT_LT(worst_variance(gamma_image(block_width, 120, 0.02, 16), ring(3, 3, 7, 7)), 1e-10);
}

}  // namespace
}  // namespace fulmar
