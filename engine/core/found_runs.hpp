// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a card tells of the objects in one window, in one stretch of memory: the totals, the runs of set cells in
/// raster order, then of every set cell, in the same order, its intensity and its background where there are any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/window.hpp"
#include "fulmar_abi.h"

namespace fulmar {

struct FoundTotals {
  std::uint32_t runs, cells;
};

/// Set cells that follow one another in a row; cells are counted through the window, row by row.
struct FoundRun {
  std::uint32_t begin;
  std::uint32_t end;   ///< beyond the last cell; found_beside_gap is added where a cell around has no intensity
  std::uint32_t root;  ///< the first run of the object that this one is part of, as far as the window shows
};
inline constexpr std::uint32_t found_beside_gap = std::uint32_t{1} << 31;

/// Bytes of it for any window of a size; `values`: 0 to 2, of each set cell. Runs of single cells take the most.
constexpr std::int64_t most_found_bytes(std::int64_t width, std::int64_t height, int values) {
  const std::int64_t runs = (width + 1) / 2 * height, cells = height * (width + 1) - runs;
  return static_cast<std::int64_t>(sizeof(FoundTotals) + sizeof(FoundRun) * static_cast<std::size_t>(runs)) +
         4 * values * cells;
}
constexpr std::int64_t found_bytes(const FoundTotals& totals, int values) {
  return static_cast<std::int64_t>(sizeof(FoundTotals) + sizeof(FoundRun) * std::size_t{totals.runs}) +
         std::int64_t{4} * values * totals.cells;
}
/// Bytes of it that come down unasked, before anyone knows how much was found: a sixteenth of a byte a cell, which
/// detections seldom fill. What is beyond them comes in a second copy.
constexpr std::int64_t first_found_bytes(std::int64_t width, std::int64_t height, int values) {
  return std::min(most_found_bytes(width, height, values), std::max<std::int64_t>(4096, width * height / 64 * 4));
}

/// A window's rows are gone through in segments, and the cells of one are bits of 32 words.
inline constexpr std::int64_t segment_cells = 1024, segment_words = segment_cells / 32;
constexpr std::int64_t segments_of(std::int64_t width, std::int64_t height) {
  return (width + segment_cells - 1) / segment_cells * height;
}
/// True if cells and bits of a window are counted by 32 bits.
constexpr bool can_be_found(std::int64_t width, std::int64_t height) {
  return width * height < std::int64_t{found_beside_gap} && segments_of(width, height) <= std::int64_t{1} << 26;
}
/// Memory that finding takes beside planes and what it finds: bits, numbers of runs and cells before each segment, and
/// what adding those up needs.
struct FindingRoom {
  std::int64_t bits, counts, adding;
};
constexpr FindingRoom finding_room(std::int64_t width, std::int64_t height) {
  const std::int64_t segments = segments_of(width, height);
  return {segments * segment_words * 4, (segments + 1) * 8, 8192 + segments};
}

/// Where objects are looked for. Planes begin at the window's first cell; all memory is the lane's.
struct FindWork {
  std::int64_t width = 0, height = 0;  ///< of the window; can_be_found()
  fulmar_plane set{};                  ///< flags: a cell that is not 0 is set
  fulmar_plane intensity{};            ///< reaches one cell further on every side; cells may be null
  fulmar_plane background{};           ///< cells may be null
  Window near;                         ///< where a neighbour of a cell may be a cell too, from the window's first cell
  bool eight = true;                   ///< cells touch by corner too
  std::uint32_t* bits = nullptr;       ///< as finding_room() says, like the next two
  std::uint64_t* counts = nullptr;
  std::byte* adding = nullptr;
  std::byte* found = nullptr;  ///< as above
  std::int64_t first = 0;      ///< bytes of it, from its beginning, that are made zero where nothing is found
};

}  // namespace fulmar
