// SPDX-License-Identifier: Apache-2.0
// Objects that a card finds in one window, against a flood fill: runs, roots, values, gaps beside, under many
// schedules; and how much of it crosses to the host.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "core/found_runs.hpp"
#include "core/missing.hpp"
#include "device/checked_device.hpp"
#include "exec/device_pass.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

/// A window, what is set in it, and what lies around.
struct Flags {
  std::string name;
  std::int64_t width, height;
  std::vector<std::uint8_t> set;
  [[nodiscard]] bool at(std::int64_t x, std::int64_t y) const {
    return x >= 0 && x < width && y >= 0 && y < height && set[static_cast<std::size_t>(y * width + x)] != 0;
  }
};

template <class IsSet>
Flags flags_of(std::string name, std::int64_t width, std::int64_t height, IsSet is_set) {
  Flags f{std::move(name), width, height, {}};
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) f.set.push_back(is_set(x, y) ? 1 : 0);
  return f;
}
Flags noise(std::int64_t width, std::int64_t height, double share, std::uint32_t seed) {
  std::mt19937 rng{seed};
  std::bernoulli_distribution is_set{share};
  return flags_of("noise of " + std::to_string(share), width, height,
                  [&](std::int64_t, std::int64_t) { return is_set(rng); });
}
/// Teeth that meet in the last row alone: what looks apart is joined at the very end.
Flags comb(std::int64_t width, std::int64_t height) {
  return flags_of("comb", width, height, [=](std::int64_t x, std::int64_t y) { return x % 2 == 0 || y == height - 1; });
}
/// Nested frames, each open at a corner in turn.
Flags frames(std::int64_t width, std::int64_t height) {
  return flags_of("frames", width, height, [=](std::int64_t x, std::int64_t y) {
    const std::int64_t d = std::min(std::min(x, y), std::min(width - 1 - x, height - 1 - y));
    return d % 2 == 0 || (x == d && y == d + 1);
  });
}
/// One line that goes to and fro through all rows.
Flags snake(std::int64_t width, std::int64_t height) {
  return flags_of("snake", width, height,
                  [=](std::int64_t x, std::int64_t y) { return y % 2 == 0 || x == (y % 4 == 1 ? width - 1 : 0); });
}

struct Found {
  std::vector<FoundRun> runs;
  std::vector<float> intensity, background;
};

/// Values that tell where they are from; the intensity has gaps. Of a window with one cell around it.
float intensity_at(std::int64_t x, std::int64_t y) {
  return (x * 7 + y * 13) % 29 == 0 ? missing<float> : static_cast<float>(1000 * y + x);
}
float background_at(std::int64_t x, std::int64_t y) { return static_cast<float>(-1000 * y - x); }

/// By flood fill, from the first cell of each object on.
Found expected(const Flags& f, bool eight, int values, const Window& near) {
  Found found;
  std::vector<std::uint32_t> run_of(f.set.size());
  for (std::int64_t y = 0; y < f.height; ++y)
    for (std::int64_t x = 0; x < f.width; ++x) {
      if (!f.at(x, y)) continue;
      const auto cell = static_cast<std::uint32_t>(y * f.width + x);
      if (!f.at(x - 1, y)) found.runs.push_back({cell, cell, 0xffffffff});
      found.runs.back().end = (found.runs.back().end & found_beside_gap) | (cell + 1);
      run_of[cell] = static_cast<std::uint32_t>(found.runs.size() - 1);
      for (std::int64_t j = y - 1; j <= y + 1; ++j)
        for (std::int64_t i = x - 1; i <= x + 1; ++i)
          if (values > 0 && near.contains(i, j) && is_missing(intensity_at(i, j)))
            found.runs.back().end |= found_beside_gap;
      if (values > 0) found.intensity.push_back(intensity_at(x, y));
      if (values > 1) found.background.push_back(background_at(x, y));
    }
  for (std::uint32_t first = 0; first < found.runs.size(); ++first) {
    if (found.runs[first].root != 0xffffffff) continue;
    std::vector<std::uint32_t> open{found.runs[first].begin};
    std::vector<bool> seen(f.set.size());
    while (!open.empty()) {
      const std::int64_t cell = open.back(), x = cell % f.width, y = cell / f.width;
      open.pop_back();
      found.runs[run_of[static_cast<std::size_t>(cell)]].root = first;
      for (std::int64_t j = -1; j <= 1; ++j)
        for (std::int64_t i = -1; i <= 1; ++i) {
          if (!f.at(x + i, y + j) || (!eight && i != 0 && j != 0)) continue;
          const auto next = static_cast<std::size_t>((y + j) * f.width + x + i);
          if (!seen[next]) seen[next] = true, open.push_back(static_cast<std::uint32_t>(next));
        }
    }
  }
  return found;
}

/// What the card finds. Its memory is what the plan would set aside.
Found on_card(const Flags& f, bool eight, int values, const Window& near) {
  const FindingRoom room = finding_room(f.width, f.height);
  const std::int64_t most = most_found_bytes(f.width, f.height, values), cells = f.width * f.height,
                     around = (f.width + 2) * (f.height + 2);
  const auto lane = card()->lane(room_on_card(room.bits) + room_on_card(room.counts) + room_on_card(room.adding) +
                                 room_on_card(most) + room_on_card(cells) + 2 * room_on_card(4 * around));
  DeviceArena arena{*lane, lane->memory(), std::int64_t{1} << 40};
  const auto up = [&](auto* to, const auto& from) {
    const auto bytes = static_cast<std::int64_t>(from.size() * sizeof from[0]);
    lane->upload(to, bytes, from.data(), bytes, bytes, 1);
  };
  FindWork work;
  work.width = f.width, work.height = f.height, work.near = near, work.eight = eight;
  auto* set = arena.take<std::uint8_t>(cells);
  up(set, f.set);
  work.set.cells = set, work.set.stride = f.width;
  std::vector<float> intensity, background;
  if (values > 0) {
    for (std::int64_t y = -1; y <= f.height; ++y)
      for (std::int64_t x = -1; x <= f.width; ++x) intensity.push_back(intensity_at(x, y));
    auto* plane = arena.take<float>(around);
    up(plane, intensity);
    work.intensity.cells = plane + f.width + 3, work.intensity.stride = f.width + 2;
  }
  if (values > 1) {
    for (std::int64_t y = 0; y < f.height; ++y)
      for (std::int64_t x = 0; x < f.width; ++x) background.push_back(background_at(x, y));
    auto* plane = arena.take<float>(cells);
    up(plane, background);
    work.background.cells = plane, work.background.stride = f.width;
  }
  work.bits = arena.take<std::uint32_t>(room.bits / 4);
  work.counts = arena.take<std::uint64_t>(room.counts / 8);
  work.adding = arena.take<std::byte>(room.adding);
  work.found = arena.take<std::byte>(most);
  work.first = first_found_bytes(f.width, f.height, values);
  lane->find(work);
  std::vector<std::byte> bytes(static_cast<std::size_t>(most));
  lane->download(bytes.data(), work.first, work.found, work.first, work.first, 1);
  lane->wait();
  FoundTotals totals;
  std::memcpy(&totals, bytes.data(), sizeof totals);
  const std::int64_t all = found_bytes(totals, values), rest = all - work.first;
  EXPECT_LE(all, most);
  if (rest > 0) {
    lane->download(bytes.data() + work.first, rest, work.found + work.first, rest, rest, 1);
    lane->wait();
  }
  Found found;
  const auto* next = bytes.data() + sizeof totals;
  const auto take = [&](auto& to, std::size_t count) {
    to.resize(count);
    if (count > 0) std::memcpy(to.data(), next, count * sizeof to[0]);
    next += count * sizeof to[0];
  };
  take(found.runs, totals.runs);
  if (values > 0) take(found.intensity, totals.cells);
  if (values > 1) take(found.background, totals.cells);
  return found;
}

void expect_same(const Found& expected, const Found& got) {
  ASSERT_EQ(expected.runs.size(), got.runs.size());
  for (std::size_t k = 0; k < expected.runs.size(); ++k) {
    const FoundRun &e = expected.runs[k], &g = got.runs[k];
    ASSERT_EQ(e.begin, g.begin) << "run " << k;
    ASSERT_EQ(e.end, g.end) << "run " << k;
    ASSERT_EQ(e.root, g.root) << "run " << k;
  }
  const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
  };
  EXPECT_TRUE(same(expected.intensity, got.intensity));
  EXPECT_TRUE(same(expected.background, got.background));
}

void expect_flood_fill(const Flags& f, bool eight, int values, const Window& near) {
  SCOPED_TRACE(f.name + ", " + std::to_string(f.width) + " x " + std::to_string(f.height) +
               (eight ? ", 8, " : ", 4, ") + std::to_string(values) + " values");
  expect_same(expected(f, eight, values, near), on_card(f, eight, values, near));
}

class FoundRuns : public testing::Test {
 protected:
  void SetUp() override {
    if (card() == nullptr) GTEST_SKIP() << cuda::devices().trouble;
  }
};

/// Sizes around a word of bits, a segment and what a thread block takes; shapes that join late.
TEST_F(FoundRuns, AreTheFloodFills) {
  for (const auto& [w, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {1, 67}, {31, 1}, {32, 9}, {33, 9}, {63, 5}, {64, 4}, {1023, 3}, {1024, 3}, {1025, 3}, {2049, 2}}) {
    std::uint32_t seed = 1;
    for (const double share : {0.02, 0.5, 0.9}) {
      ++seed;
      expect_flood_fill(noise(w, h, share, seed), seed % 2 == 0, static_cast<int>(seed % 3), {0, 0, w, h});
    }
    expect_flood_fill(noise(w, h, 1, 1), true, 2, {-1, -1, w + 2, h + 2});
    expect_flood_fill(noise(w, h, 0, 1), true, 2, {0, 0, w, h});
  }
  expect_flood_fill(noise(2, 3000, 0.5, 9), false, 0,
                    {0, 0, 2, 3000});  // more segments than one block of CUB's adds up
  for (const bool eight : {true, false}) {
    expect_flood_fill(comb(45, 23), eight, 0, {0, 0, 45, 23});
    expect_flood_fill(frames(41, 37), eight, 1, {-1, 0, 43, 37});
    expect_flood_fill(snake(35, 29), eight, 2, {0, 0, 36, 30});
    expect_flood_fill(flags_of("chequers", 39, 21, [](std::int64_t x, std::int64_t y) { return (x + y) % 2 == 0; }),
                      eight, 2, {0, 0, 39, 21});
    expect_flood_fill(noise(61, 43, 0.6, 11), eight, 1, {0, -1, 62, 44});
  }
}

/// Which of two roots hangs below the other is decided between threads, by atomics: what is found is the same whichever
/// comes first.
TEST_F(FoundRuns, AreTheSameUnderTwentySchedules) {
  if (fulmar_ptx_set == nullptr) GTEST_SKIP() << "a card runs threads as it likes";
  const Flags shapes[] = {comb(21, 19), frames(23, 21), snake(19, 21), noise(47, 24, 0.6, 3), noise(47, 24, 0.45, 4)};
  for (std::uint32_t seed = 0; seed < seeds_for_atomics; ++seed) {
    SCOPED_TRACE("schedule " + std::to_string(seed));
    choose(for_atomics(seed));
    fulmar_ptx_reset_counts();
    for (const Flags& f : shapes) expect_flood_fill(f, seed % 2 == 1, 1, {0, 0, f.width, f.height});
    fulmar_ptx_traffic joins{};
    EXPECT_GT(fulmar_ptx_get_traffic("join_runs", &joins), 0);
    EXPECT_GT(joins.atomics, 100u);
  }
  choose(usual_schedule);
}

/// Flags with what is measured in them, as files.
Scene scene_of(const Flags& f, Place place, const std::string& options) {
  Scene s;
  s.grid = make_grid(place, f.width, f.height);
  s.text = "set.tif ! objects --intensity [ level.tif ] --background [ around.tif ]" + options + " ! o.gpkg";
  Layer set, level, around;
  for (std::int64_t y = 0; y < f.height; ++y)
    for (std::int64_t x = 0; x < f.width; ++x) {
      set.values.push_back(f.at(x, y) ? 1 : 0);
      level.values.push_back(intensity_at(x, y));
      around.values.push_back(background_at(x, y));
    }
  s.files = {{"set.tif", {set}}, {"level.tif", {level}}, {"around.tif", {around}}};
  return s;
}
Budget budget_on_card(std::int64_t width, std::int64_t height) {
  Budget b = budget_of(width, height, 1, Backend::cuda);
  b.device_memory = std::int64_t{1} << 30;
  return b;
}

/// Of few objects, one copy of known size comes down for each tile, many times smaller than planes; of many, a second
/// brings what the first left. Not a byte more.
TEST_F(FoundRuns, ComeDownInsteadOfPlanes) {
  constexpr std::int64_t width = 1000, height = 210;
  const Flags few =
      flags_of("few", width, height, [](std::int64_t x, std::int64_t y) { return x % 97 < 4 && y % 61 < 5; });
  for (const Flags& f : {few, noise(width, height, 0.4, 5)}) {
    SCOPED_TRACE(f.name);
    const bool many = f.name != few.name;
    const Scene s = scene_of(f, Place::metric, "");
    const Bound bound(tested_registry(), s);
    const Results expected = bound.run(reference_budget());
    for (const auto& [w, h] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{width, height}, {512, 128}, {250, 210}}) {
      if (fulmar_ptx_reset_counts != nullptr) fulmar_ptx_reset_counts();
      const Results got = bound.run(budget_on_card(w, h), card());
      EXPECT_EQ(difference(expected, got, width), "");
      std::int64_t bytes = 0, tiles = 0;
      for (std::int64_t y = 0; y < height; y += h)
        for (std::int64_t x = 0; x < width; x += w, ++tiles) {
          const Window tile = intersect({x, y, w, h}, {0, 0, width, height});
          FoundTotals totals{0, 0};
          for (std::int64_t j = tile.y; j < tile.bottom(); ++j)
            for (std::int64_t i = tile.x; i < tile.right(); ++i) {
              totals.cells += f.at(i, j) ? 1 : 0;
              totals.runs += f.at(i, j) && (i == tile.x || !f.at(i - 1, j)) ? 1 : 0;
            }
          bytes += std::max(first_found_bytes(tile.width, tile.height, 2), found_bytes(totals, 2));
        }
      const DeviceTraffic& t = got.report.traffic;
      EXPECT_EQ(got.plan.tiles, tiles);
      EXPECT_EQ(t.downloads, many ? 2 * tiles : tiles);
      EXPECT_EQ(t.rests, many ? tiles : 0);
      EXPECT_EQ(t.downloaded, bytes);
      if (!many) {
        EXPECT_LT(80 * t.downloaded, 9 * width * height);
      }
      EXPECT_LE(got.report.device_peak, got.plan.card_bytes);
      if (many || w != width || fulmar_ptx_get_traffic == nullptr) continue;
      // Each flag once, a bit for it once or twice, runs and what is around them.
      std::uint64_t moved = 0;
      for (const char* kernel : {"find_bits", "write_runs", "join_runs", "name_roots", "Scan"}) {
        fulmar_ptx_traffic k{};
        EXPECT_GT(fulmar_ptx_get_traffic(kernel, &k), 0) << kernel;
        moved += k.block_sector_bytes + k.store_bytes;
      }
      EXPECT_LE(moved, width * height * 3 / 2);
    }
  }
}

/// Objects over the seam of a raster that goes round the earth, and over those of tiles.
TEST_F(FoundRuns, AreJoinedOverEverySeam) {
  for (const Flags& f : {noise(67, 45, 0.45, 7), snake(67, 45), comb(64, 33), noise(67, 45, 0.2, 8)})
    for (const Place place : {Place::global, Place::geographic})
      for (const char* options : {"", " --connectivity 4"}) {
        SCOPED_TRACE(f.name + options);
        const Bound bound(tested_registry(), scene_of(f, place, options));
        const Results expected = bound.run(reference_budget());
        for (const auto& [w, h] :
             std::vector<std::pair<std::int64_t, std::int64_t>>{{67, 45}, {32, 16}, {19, 45}, {67, 1}}) {
          SCOPED_TRACE("tiles of " + std::to_string(w) + " x " + std::to_string(h));
          const Results got = bound.run(budget_on_card(w, h), card());
          EXPECT_EQ(difference(expected, got, f.width), "");
          EXPECT_EQ(got.report.backend, Backend::cuda);
        }
      }
}

TEST(FoundRoom, HoldsAnyWindow) {
  for (std::int64_t w = 1; w <= 5; ++w)
    for (std::int64_t h = 1; h * w <= 15; ++h)
      for (std::uint32_t bits = 0; bits < 1u << (w * h); ++bits) {
        FoundTotals totals{0, 0};
        for (std::int64_t c = 0; c < w * h; ++c) {
          if ((bits >> c & 1) == 0) continue;
          ++totals.cells;
          totals.runs += c % w == 0 || (bits >> (c - 1) & 1) == 0 ? 1 : 0;
        }
        for (const int values : {0, 1, 2}) ASSERT_LE(found_bytes(totals, values), most_found_bytes(w, h, values));
      }
}

}  // namespace
}  // namespace fulmar::test
