// SPDX-License-Identifier: Apache-2.0
#include "core/window.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace fulmar {
namespace {

TEST(Window, EndsAreOutside) {
  const Window w{2, 3, 4, 5};
  EXPECT_EQ(w.right(), 6);
  EXPECT_EQ(w.bottom(), 8);
  EXPECT_EQ(w.cells(), 20);
  EXPECT_TRUE(w.contains(2, 3));
  EXPECT_TRUE(w.contains(5, 7));
  EXPECT_FALSE(w.contains(6, 7));
  EXPECT_FALSE(w.contains(5, 8));
  EXPECT_FALSE(w.contains(1, 3));
  EXPECT_FALSE(w.empty());
  EXPECT_TRUE((Window{0, 0, 0, 5}.empty()));
  EXPECT_TRUE((Window{0, 0, 5, -1}.empty()));
}

TEST(Window, CountsMoreCellsThan32Bits) { EXPECT_EQ((Window{0, 0, 100000, 100000}.cells()), 10000000000); }

TEST(Window, GrowsOnAllSides) {
  EXPECT_EQ(grow({10, 20, 5, 6}, {2, 3}), (Window{8, 17, 9, 12}));
  EXPECT_EQ(grow({8, 17, 9, 12}, {-2, -3}), (Window{10, 20, 5, 6}));
  EXPECT_EQ((Halo{1, 2} + Halo{3, 4}), (Halo{4, 6}));
  EXPECT_EQ(widest({1, 9}, {3, 4}), (Halo{3, 9}));
}

TEST(Window, Intersects) {
  EXPECT_EQ(intersect({0, 0, 10, 10}, {5, 6, 10, 10}), (Window{5, 6, 5, 4}));
  EXPECT_TRUE(intersect({0, 0, 10, 10}, {10, 0, 5, 5}).empty());
  EXPECT_TRUE(intersect({0, 0, 10, 10}, {50, 50, 5, 5}).empty());
}

TEST(Window, HullIgnoresWhatIsEmpty) {
  EXPECT_EQ(hull({0, 0, 2, 2}, {5, 6, 1, 1}), (Window{0, 0, 6, 7}));
  EXPECT_EQ(hull({}, {5, 6, 1, 1}), (Window{5, 6, 1, 1}));
  EXPECT_EQ(hull({5, 6, 1, 1}, {-100, -100, 0, 7}), (Window{5, 6, 1, 1}));
}

TEST(Window, RoundsDownAndUpOnBothSidesOfZero) {
  EXPECT_EQ(floor_to(511, 512), 0);
  EXPECT_EQ(floor_to(512, 512), 512);
  EXPECT_EQ(floor_to(-1, 512), -512);
  EXPECT_EQ(floor_to(-512, 512), -512);
  EXPECT_EQ(floor_to(-513, 512), -1024);
  EXPECT_EQ(ceil_to(0, 512), 0);
  EXPECT_EQ(ceil_to(1, 512), 512);
  EXPECT_EQ(ceil_to(-1, 512), 0);
  EXPECT_EQ(ceil_to(-512, 512), -512);
}

TEST(Window, WholeBlocksAreAnchoredAtTheFirstCell) {
  EXPECT_EQ(whole_blocks({100, 100, 10, 10}, 512, 256), (Window{0, 0, 512, 256}));
  EXPECT_EQ(whole_blocks({511, 255, 2, 2}, 512, 256), (Window{0, 0, 1024, 512}));
  EXPECT_EQ(whole_blocks({-1, -1, 1, 1}, 512, 256), (Window{-512, -256, 512, 256}));
  EXPECT_EQ(whole_blocks({512, 256, 512, 256}, 512, 256), (Window{512, 256, 512, 256}));
}

TEST(Window, EveryTurnHasTheSameBlocks) {
  // Blocks of 512 and 188 columns, turn after turn.
  EXPECT_EQ(whole_blocks({-1, 0, 2, 1}, 512, 256, 700), (Window{-188, 0, 700, 256}));
  EXPECT_EQ(whole_blocks({-189, 0, 2, 1}, 512, 256, 700), (Window{-700, 0, 700, 256}));
  EXPECT_EQ(whole_blocks({600, 0, 101, 1}, 512, 256, 700), (Window{512, 0, 700, 256}));
  EXPECT_EQ(whole_blocks({600, 0, 100, 1}, 512, 256, 700), (Window{512, 0, 188, 256}));
  EXPECT_EQ(whole_blocks({710, 0, 1, 1}, 512, 256, 700), (Window{700, 0, 512, 256}));
  EXPECT_EQ(whole_blocks({5, 0, 1, 1}, 512, 256, 10), (Window{0, 0, 10, 256}));
  EXPECT_EQ(whole_blocks({700, 0, 1, 1}, 512, 256, 0), (Window{512, 0, 512, 256}));
}

TEST(Window, RunsOfColumnsAroundTheEarth) {
  using Runs = std::vector<std::array<std::int64_t, 3>>;
  const auto runs = [](std::int64_t first, std::int64_t end, std::int64_t from, std::int64_t width, std::int64_t turn) {
    Runs all;
    each_run(first, end, from, width, turn, [&](std::int64_t x, std::int64_t at, std::int64_t count) {
      all.push_back({x, at, count});
    });
    return all;
  };
  EXPECT_EQ(runs(-3, 12, 0, 10, 0), (Runs{{0, 0, 10}}));
  EXPECT_EQ(runs(20, 30, 0, 10, 0), Runs{});
  EXPECT_EQ(runs(-3, 12, 0, 10, 10), (Runs{{-3, 7, 3}, {0, 0, 10}, {10, 0, 2}}));
  EXPECT_EQ(runs(2, 5, 0, 10, 10), (Runs{{2, 2, 3}}));
  EXPECT_EQ(runs(12, 15, 0, 10, 10), (Runs{{12, 2, 3}}));
  EXPECT_EQ(runs(-25, 1, 0, 10, 10), (Runs{{-25, 5, 5}, {-20, 0, 10}, {-10, 0, 10}, {0, 0, 1}}));
  // Among the columns 8 to 12 of a turn of 10 only.
  EXPECT_EQ(runs(-2, 4, 8, 5, 10), (Runs{{-2, 8, 5}}));
  EXPECT_EQ(runs(0, 10, 8, 5, 10), (Runs{{0, 10, 3}, {8, 8, 2}}));
}

}  // namespace
}  // namespace fulmar
