// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where water stands and where it runs: filled depressions, D8 directions and the area upstream, on a whole raster.
/// Rows without gaps; missing is NaN. No recursion; memory is linear in the cells and stated. Host only.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "core/error.hpp"
#include "core/missing.hpp"

namespace fulmar::hydrology {

using Cell = std::uint32_t;  ///< the number of a cell, in raster order
inline constexpr std::uint64_t most_cells = std::numeric_limits<Cell>::max() - 1;

/// Bytes that fill() and accumulate() need beside their planes.
inline std::uint64_t fill_bytes(std::uint64_t cells) { return 8 * cells + 4096; }
inline std::uint64_t accumulate_bytes(std::uint64_t cells) { return 9 * cells + 4096; }

/// A raster's shape, checked.
struct Shape {
  std::int64_t width, height;
  bool round;  ///< the first column lies beside the last

  /// `goes_round`: the raster does, round the earth; of fewer than three columns none is neighbour on both sides.
  Shape(std::int64_t w, std::int64_t h, bool goes_round) : width{w}, height{h}, round{goes_round && w > 2} {
    if (static_cast<std::uint64_t>(w) * static_cast<std::uint64_t>(h) > most_cells)
      fail(Errc::usage, "a raster of more than 4294967294 cells cannot be drained as a whole: cut it at a divide");
  }
  [[nodiscard]] std::size_t cells() const { return static_cast<std::size_t>(width * height); }
};

/// A step to a neighbour. The order is the one in which ties are settled: E, SE, S, SW, W, NW, N, NE.
struct Step {
  std::int32_t dx, dy;
};
inline constexpr std::array<Step, 8> steps{{{1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}, {0, -1}, {1, -1}}};

/// Calls use(direction, cell number) for the neighbours of (x, y) inside the raster, over its seam where it goes round.
/// Returns how many there are.
template <class Use>
int each_neighbour(const Shape& shape, std::int64_t x, std::int64_t y, Use&& use) {
  int inside = 0;
  for (std::size_t d = 0; d < steps.size(); ++d) {
    std::int64_t nx = x + steps[d].dx;
    const std::int64_t ny = y + steps[d].dy;
    if (ny < 0 || ny >= shape.height) continue;
    if (nx < 0 || nx >= shape.width) {
      if (!shape.round) continue;
      nx += nx < 0 ? shape.width : -shape.width;
    }
    ++inside;
    use(d, static_cast<Cell>(ny * shape.width + nx));
  }
  return inside;
}

/// True if water may leave the raster from a cell: at the raster's edge, and beside a missing cell.
inline bool is_outlet(const float* heights, const Shape& shape, std::int64_t x, std::int64_t y) {
  bool beside_missing = false;
  const int inside =
      each_neighbour(shape, x, y, [&](std::size_t, Cell n) { beside_missing |= is_missing(heights[n]); });
  return inside < 8 || beside_missing;
}

/// Raises every cell to the lowest height from which water can run to an outlet: the raster's edge, or beside a missing
/// cell. out(c) = min over paths from c to an outlet of the highest cell on the path. 8-connected, no gradient added,
/// so the result is unique: the morphological reconstruction by erosion. Source: Barnes, Lehman & Mulla 2014, Computers
/// & Geosciences 62, 117-127, algorithm 2: cells of a depression wait in a stack, not in the priority queue.
inline void fill(const float* heights, float* filled, const Shape& shape) {
  const std::int64_t width = shape.width, height = shape.height;
  // A number that orders as the height does (-0 is 0), then the cell.
  const auto entry = [](float z, Cell c) {
    const auto bits = std::bit_cast<std::uint32_t>(z + 0.0F);
    return std::uint64_t{(bits >> 31) != 0 ? ~bits : bits | 0x80000000U} << 32 | c;
  };
  // The heap grows from the front, the stack from the back. A cell enters once, so they never meet; what neither
  // reaches is never touched.
  const std::size_t cells = shape.cells();
  const std::unique_ptr<std::uint64_t[]> room{new std::uint64_t[cells]};
  std::uint64_t *heap = room.get(), *heap_end = heap, *const stack_base = heap + cells, *stack = stack_base;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const auto c = static_cast<Cell>(y * width + x);
      filled[c] = std::numeric_limits<float>::quiet_NaN();  // not seen yet
      if (is_missing(heights[c]) || !is_outlet(heights, shape, x, y)) continue;
      filled[c] = heights[c];
      *heap_end++ = entry(heights[c], c);
    }
  std::make_heap(heap, heap_end, std::greater<>{});
  while (stack != stack_base || heap_end != heap) {
    Cell c = 0;
    if (stack != stack_base) {
      c = static_cast<Cell>(*stack++);
    } else {
      std::pop_heap(heap, heap_end, std::greater<>{});
      c = static_cast<Cell>(*--heap_end);
    }
    each_neighbour(shape, c % width, c / width, [&](std::size_t, Cell n) {
      if (!is_missing(filled[n]) || is_missing(heights[n])) return;
      if (heights[n] > filled[c]) {
        filled[n] = heights[n];
        *heap_end++ = entry(heights[n], n);
        std::push_heap(heap, heap_end, std::greater<>{});
      } else {
        filled[n] = filled[c];
        *--stack = n;
      }
    });
  }
}

/// Directions: 0 to 7 as in `steps`, or one of these.
inline constexpr std::uint8_t leaves = 8;   ///< off the raster, or into missing cells
inline constexpr std::uint8_t stays = 9;    ///< a pit, or a flat without an outlet
inline constexpr std::uint8_t absent = 10;  ///< missing
inline constexpr std::uint8_t waits = 11;   ///< a flat cell, on its way to a direction

/// ESRI's code of a direction: E 1, SE 2, S 4, ... NE 128; 0 where water leaves or stays; 255 missing.
inline std::uint8_t esri_code(std::uint8_t direction) {
  if (direction == absent) return 255;
  return direction < 8 ? static_cast<std::uint8_t>(1U << direction) : std::uint8_t{0};
}

namespace detail {

/// The steepest way down of one cell, or `leaves`, or `stays`.
inline std::uint8_t steepest(const float* heights, const Shape& shape, const double* ground, std::int64_t x,
                             std::int64_t y) {
  const double z = static_cast<double>(heights[y * shape.width + x]);
  const bool known = ground[2 * y] > 0 && ground[2 * y + 1] > 0;
  const double dx = known ? ground[2 * y] : 1.0, dy = known ? ground[2 * y + 1] : 1.0;
  const std::array<double, 4> distances{dx, std::sqrt(dx * dx + dy * dy), dy, std::sqrt(dx * dx + dy * dy)};
  double best = 0;
  auto direction = stays;
  bool open = false;
  const int inside = each_neighbour(shape, x, y, [&](std::size_t d, Cell n) {
    open |= is_missing(heights[n]);
    const double slope = (z - static_cast<double>(heights[n])) / distances[d % 4];
    if (slope > best) {
      best = slope;
      direction = static_cast<std::uint8_t>(d);
    }
  });
  return direction == stays && (open || inside < 8) ? leaves : direction;
}

/// Spreads from the cells in the queue over the cells of their flats that `take(cell, level)` takes, breadth first.
template <class Take>
void spread(const float* heights, const Shape& shape, std::vector<Cell>& queue, Take&& take) {
  std::size_t level_end = queue.size();
  std::int32_t level = 2;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    if (i == level_end) level_end = queue.size(), ++level;
    const Cell c = queue[i];
    each_neighbour(shape, c % shape.width, c / shape.width, [&](std::size_t, Cell n) {
      if (heights[n] == heights[c] && take(n, level)) queue.push_back(n);
    });
  }
}

/// Gives flat cells a direction: away from higher ground and, twice as strongly, towards the cells by which the flat
/// drains. Barnes's sum is 2 towards - away + a constant of the flat; a cell compares with cells of its own flat alone,
/// and the cells by which it drains are the lowest of it, so the constant is left out, and with it the labels.
inline void drain_flats(const float* heights, const Shape& shape, std::vector<std::uint8_t>& directions,
                        std::vector<std::int32_t>& rank, std::vector<Cell>& queue) {
  const auto border_cells = [&](auto&& belongs) {
    queue.clear();
    for (std::size_t c = 0; c < shape.cells(); ++c) {
      bool found = false;
      const auto cell = static_cast<Cell>(c);
      if (directions[c] != absent)
        each_neighbour(shape, cell % shape.width, cell / shape.width,
                       [&](std::size_t, Cell n) { found |= belongs(cell, n); });
      if (found) queue.push_back(cell);
    }
  };

  // Away from higher ground.
  border_cells([&](Cell c, Cell n) { return directions[c] == stays && heights[n] > heights[c]; });
  for (const Cell c : queue) rank[c] = -1;
  spread(heights, shape, queue, [&](Cell n, std::int32_t level) {
    if (directions[n] != stays || rank[n] != 0) return false;
    rank[n] = -level;
    return true;
  });

  // Towards lower ground: from the cells that have a way out and stand as high as one that has none.
  border_cells(
      [&](Cell c, Cell n) { return directions[c] <= leaves && directions[n] == stays && heights[n] == heights[c]; });
  const std::size_t ways_out = queue.size();
  for (const Cell c : queue) rank[c] = std::numeric_limits<std::int32_t>::min();
  spread(heights, shape, queue, [&](Cell n, std::int32_t level) {
    if (directions[n] != stays) return false;
    directions[n] = waits;
    rank[n] += 2 * level;
    return true;
  });

  // What the queue holds after the ways out are the cells to drain. A cell beside a way out takes it.
  for (std::size_t i = ways_out; i < queue.size(); ++i) {
    const Cell c = queue[i];
    std::int32_t best = rank[c];
    std::size_t direction = stays;
    each_neighbour(shape, c % shape.width, c / shape.width, [&](std::size_t d, Cell n) {
      if (heights[n] != heights[c]) return;
      if (rank[n] < best) {
        best = rank[n];
        direction = d;
      }
    });
    directions[c] = static_cast<std::uint8_t>(direction);
  }
}

}  // namespace detail

/// D8 directions (O'Callaghan & Mark 1984): the neighbour with the largest drop / distance, the first of E, SE, S, SW,
/// W, NW, N, NE where several are as steep. Distances in metres by `ground` (dx, dy a row); in cells where it is 0. A
/// cell without a lower neighbour drains off the raster if it is an outlet; one on a flat drains by Barnes, Lehman &
/// Mulla 2014 (Computers & Geosciences 62, 128-135); otherwise it keeps its water.
///
/// Counts, too, the cells that drain through each cell, itself included; NaN where missing. The counts are whole
/// numbers until they are stored as f32, which holds them exactly up to 2^24.
inline void accumulate(const float* heights, const double* ground, float* counts, std::uint8_t* codes,
                       const Shape& shape) {
  const std::int64_t width = shape.width, height = shape.height;
  const std::size_t cells = shape.cells();
  std::vector<std::uint8_t> directions(cells);
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const auto c = static_cast<std::size_t>(y * width + x);
      directions[c] = is_missing(heights[c]) ? absent : detail::steepest(heights, shape, ground, x, y);
    }
  std::vector<Cell> queue;
  queue.reserve(cells);
  {
    std::vector<std::int32_t> rank(cells);
    detail::drain_flats(heights, shape, directions, rank, queue);
  }

  const auto below = [&](Cell c) {
    const Step s = steps[directions[c]];
    std::int64_t to = static_cast<std::int64_t>(c) + s.dy * width + s.dx;
    if (shape.round && s.dx != 0) {
      const std::int64_t x = static_cast<std::int64_t>(c) % width + s.dx;
      to += x < 0 ? width : x == width ? -width : 0;
    }
    return static_cast<Cell>(to);
  };
  // From the divides down: a cell is ready once all that drain into it are; until then its code counts them.
  std::vector<std::uint32_t> total(cells, 1);
  for (std::size_t c = 0; c < cells; ++c) codes[c] = 0;
  for (std::size_t c = 0; c < cells; ++c)
    if (directions[c] < 8) ++codes[below(static_cast<Cell>(c))];
  queue.clear();
  for (std::size_t c = 0; c < cells; ++c)
    if (codes[c] == 0) queue.push_back(static_cast<Cell>(c));
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Cell c = queue[i];
    if (directions[c] >= 8) continue;
    const Cell to = below(c);
    total[to] += total[c];
    if (--codes[to] == 0) queue.push_back(to);
  }
  for (std::size_t c = 0; c < cells; ++c) {
    counts[c] = directions[c] == absent ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(total[c]);
    codes[c] = esri_code(directions[c]);
  }
}

}  // namespace fulmar::hydrology
