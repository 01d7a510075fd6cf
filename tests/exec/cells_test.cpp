// SPDX-License-Identifier: Apache-2.0
#include "exec/cells.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/missing.hpp"

namespace fulmar {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

template <class T>
std::vector<float> widened(const StoredBand& band, const std::vector<T>& cells,
                           const std::vector<std::uint8_t>& mask = {}) {
  std::vector<float> out(cells.size(), -777);
  const auto n = static_cast<std::int64_t>(cells.size());
  widen(band, cells.data(), n, mask.empty() ? nullptr : mask.data(), n, n, 1, out.data(), n);
  return out;
}

void expect_cells(const std::vector<float>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i]))
      EXPECT_TRUE(is_missing(got[i])) << "cell " << i << " is " << got[i];
    else
      EXPECT_EQ(got[i], static_cast<float>(expected[i])) << "cell " << i;
  }
}

template <class T>
StoredBand band_of(std::optional<double> nodata = {}, double scale = 1, double offset = 0) {
  StoredBand b;
  b.dtype = std::is_same_v<T, std::uint8_t>    ? DType::u8
            : std::is_same_v<T, std::int8_t>   ? DType::i8
            : std::is_same_v<T, std::uint16_t> ? DType::u16
            : std::is_same_v<T, std::int16_t>  ? DType::i16
            : std::is_same_v<T, std::uint32_t> ? DType::u32
            : std::is_same_v<T, std::int32_t>  ? DType::i32
            : std::is_same_v<T, std::uint64_t> ? DType::u64
            : std::is_same_v<T, std::int64_t>  ? DType::i64
            : std::is_same_v<T, float>         ? DType::f32
                                               : DType::f64;
  b.nodata = nodata;
  b.scale = scale, b.offset = offset;
  return b;
}

template <class T>
class WidenInteger : public testing::Test {};
using Integers = testing::Types<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t,
                                std::uint64_t, std::int64_t>;
TYPED_TEST_SUITE(WidenInteger, Integers);

TYPED_TEST(WidenInteger, PlainNodataScaleMask) {
  using T = TypeParam;
  const T top = std::numeric_limits<T>::max(), bottom = std::numeric_limits<T>::lowest();
  const std::vector<T> cells{0, 1, 7, 100, top, bottom};
  const auto d = [](T x) { return static_cast<double>(x); };
  expect_cells(widened(band_of<T>(), cells), {0, 1, 7, 100, d(top), d(bottom)});
  expect_cells(widened(band_of<T>(7), cells), {0, 1, none, 100, d(top), d(bottom)});
  // Compared before scaling: 7 is missing, 3.5 = 7 / 2 is not asked for.
  expect_cells(widened(band_of<T>(7, 0.5, -1), cells), {-1, -0.5, none, 49, d(top) * 0.5 - 1, d(bottom) * 0.5 - 1});
  expect_cells(widened(band_of<T>({}, 0.5, -1), cells, {1, 0, 255, 0, 1, 1}),
               {-1, none, 2.5, none, d(top) * 0.5 - 1, d(bottom) * 0.5 - 1});
  // Nodata that no cell of the type can equal.
  expect_cells(widened(band_of<T>(7.5), cells), {0, 1, 7, 100, d(top), d(bottom)});
  expect_cells(widened(band_of<T>(1e30), cells), {0, 1, 7, 100, d(top), d(bottom)});
  expect_cells(widened(band_of<T>(-1e30), cells), {0, 1, 7, 100, d(top), d(bottom)});
  expect_cells(widened(band_of<T>(none), cells), {0, 1, 7, 100, d(top), d(bottom)});
  if (sizeof(T) < 8) {
    expect_cells(widened(band_of<T>(d(top)), cells), {0, 1, 7, 100, none, d(bottom)});
    const auto b = widened(band_of<T>(d(bottom)), cells);
    EXPECT_TRUE(is_missing(b[5]));
    EXPECT_FALSE(is_missing(b[4]));
  }
}

TYPED_TEST(WidenInteger, ASignedNodataOfAnUnsignedBandIsNoCell) {
  using T = TypeParam;
  if (std::is_signed_v<T>) return;
  expect_cells(widened(band_of<T>(-1), std::vector<T>{0, 1, std::numeric_limits<T>::max()}),
               {0, 1, static_cast<double>(std::numeric_limits<T>::max())});
}

TEST(Widen, SixtyFourBitNodataIsExact) {
  StoredBand b = band_of<std::int64_t>();
  const std::int64_t n = 9007199254740993;  // 2^53 + 1, which no double is
  b.nodata_i64 = n;
  expect_cells(widened(b, std::vector<std::int64_t>{n, n - 1, n + 1, 0}),
               {none, static_cast<double>(n - 1), static_cast<double>(n + 1), 0});
  b.nodata_i64 = std::numeric_limits<std::int64_t>::min();
  expect_cells(widened(b, std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min(), -5}), {none, -5});
  StoredBand u = band_of<std::uint64_t>();
  u.nodata_i64 = 42;
  expect_cells(widened(u, std::vector<std::uint64_t>{42, 43}), {none, 43});
  // 2^63 in a double: beyond what an i64 holds, so no cell equals it, least of all the most negative one.
  const StoredBand far = band_of<std::int64_t>(9223372036854775808.0);
  EXPECT_FALSE(is_missing(widened(far, std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min()})[0]));
  const StoredBand farther = band_of<std::uint64_t>(18446744073709551616.0);
  EXPECT_FALSE(is_missing(widened(farther, std::vector<std::uint64_t>{0})[0]));
}

TEST(Widen, Floats) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> cells{0, -0.0f, 1.5f, -9999, inf, -inf, nan, std::numeric_limits<float>::max(), 1e-45f};
  expect_cells(widened(band_of<float>(), cells),
               {0, 0, 1.5, -9999, none, none, none, std::numeric_limits<float>::max(), 1e-45f});
  expect_cells(widened(band_of<float>(-9999), cells),
               {0, 0, 1.5, none, none, none, none, std::numeric_limits<float>::max(), 1e-45f});
  expect_cells(widened(band_of<float>(0.0), cells),
               {none, none, 1.5, -9999, none, none, none, std::numeric_limits<float>::max(), 1e-45f});
  expect_cells(widened(band_of<float>(none), cells),
               {0, 0, 1.5, -9999, none, none, none, std::numeric_limits<float>::max(), 1e-45f});
  // Scaled beyond what f32 holds: infinite, hence missing.
  expect_cells(widened(band_of<float>({}, 2), cells), {0, 0, 3, -19998, none, none, none, none, 2.0 * 1e-45f});
  // Nodata is written as a double but compared in the stored type.
  expect_cells(widened(band_of<float>(0.1), std::vector<float>{0.1f, 0.2f}), {none, 0.2f});
  expect_cells(widened(band_of<float>(-3.4028234663852886e38), std::vector<float>{-3.4028234663852886e38f, 1}),
               {none, 1});
}

TEST(Widen, Doubles) {
  const std::vector<double> cells{0.1,  1e300, -1e300, 1e39, -9999, std::numeric_limits<double>::infinity(),
                                  none, 1e-300};
  expect_cells(widened(band_of<double>(), cells), {0.1, none, none, none, -9999, none, none, 0});
  expect_cells(widened(band_of<double>(0.1), cells), {none, none, none, none, -9999, none, none, 0});
  // In f64, rounded once: 16777217 * 0.5 has no f32 on the way.
  expect_cells(widened(band_of<double>({}, 1e-270), std::vector<double>{1e300, 1e39}), {1e30, 1e39 * 1e-270});
}

TEST(Widen, ScalesInDoublePrecision) {
  // Landsat surface temperature: 0.00341802 DN + 149.
  std::vector<std::uint16_t> cells(65536);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<std::uint16_t>(i);
  const auto got = widened(band_of<std::uint16_t>(0, 0.00341802, 149), cells);
  EXPECT_TRUE(is_missing(got[0]));
  for (std::size_t i = 1; i < cells.size(); ++i)
    ASSERT_EQ(got[i], static_cast<float>(static_cast<double>(i) * 0.00341802 + 149));
}

TEST(Widen, StridesAndRows) {
  const std::vector<std::int16_t> cells{1, 2, -1, -1, 3, 4, -1, -1};
  const std::vector<std::uint8_t> mask{1, 0, 9, 1, 1, 9};
  std::vector<float> out(10, -777);
  widen(band_of<std::int16_t>(), cells.data(), 4, mask.data(), 3, 2, 2, out.data(), 5);
  expect_cells(out, {1, none, -777, -777, -777, 3, 4, -777, -777, -777});
}

TEST(Flags, ToAndFromFloats) {
  const std::vector<float> cells{0, 1, -0.0f, 0.5f, -3, missing<float>, 255};
  std::vector<std::uint8_t> flags(7);
  to_flags(cells.data(), 7, 7, 1, flags.data(), 7);
  EXPECT_EQ(flags, (std::vector<std::uint8_t>{0, 1, 0, 1, 1, 255, 1}));
  std::vector<float> back(7);
  to_floats(flags.data(), 7, 7, 1, back.data(), 7);
  expect_cells(back, {0, 1, 0, 1, 1, none, 1});
}

// ---- within ----

void check_within(std::int64_t width, std::int64_t height, double dx, double dy, double reach, double density,
                  unsigned seed) {
  SCOPED_TRACE(testing::Message() << width << " x " << height << ", cells of " << dx << " x " << dy << ", reach "
                                  << reach << ", density " << density);
  const auto rx = static_cast<std::int64_t>(reach / dx), ry = static_cast<std::int64_t>(reach / dy);
  const std::int64_t stride = width + 2 * rx + 3;
  std::mt19937 rng(seed);
  std::uniform_real_distribution<double> u;
  std::vector<std::uint8_t> plane(static_cast<std::size_t>(stride * (height + 2 * ry)));
  for (auto& c : plane) c = u(rng) < density ? 1 : u(rng) < 0.1 ? 255 : 0;  // a missing cell is not set
  const std::uint8_t* first = plane.data() + ry * stride + rx;
  std::vector<std::uint16_t> scratch(static_cast<std::size_t>((height + 2 * ry) * width));
  std::vector<std::uint8_t> out(static_cast<std::size_t>(width * height), 77);
  std::vector<double> ground;
  for (std::int64_t y = 0; y < height; ++y) ground.insert(ground.end(), {dx, dy});
  within(first, stride, width, height, rx, ry, ground.data(), reach, scratch.data(), out.data());
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      int expected = 0;
      for (std::int64_t j = -ry; j <= ry; ++j)
        for (std::int64_t i = -rx; i <= rx; ++i) {
          const double across = static_cast<double>(i) * dx, down = static_cast<double>(j) * dy;
          expected |= across * across + down * down <= reach * reach && first[(y + j) * stride + x + i] == 1 ? 1 : 0;
        }
      ASSERT_EQ(out[static_cast<std::size_t>(y * width + x)], expected) << "at " << x << "," << y;
    }
}

TEST(Within, EqualsADisc) {
  for (const double density : {0.0, 0.0005, 0.01, 0.3, 1.0})
    for (const auto& [dx, dy] : {std::pair{1.0, 1.0}, {84.0, 111.0}, {30.0, 10.0}})
      for (const double cells : {0.0, 0.5, 1.0, 1.4143, 2.0, 5.0, 12.7})
        check_within(61, 43, dx, dy, cells * dx, density, 21);
}
TEST(Within, ThinBlocks) {
  check_within(1, 50, 10, 10, 73, 0.02, 22);
  check_within(50, 1, 10, 10, 73, 0.02, 23);
  check_within(1, 1, 10, 10, 200, 0.002, 24);
}
TEST(Within, ReachesFarBeyondTheBlock) { check_within(16, 16, 1, 3, 60, 0.001, 25); }

}  // namespace
}  // namespace fulmar
