// SPDX-License-Identifier: Apache-2.0
/// @file
/// Order statistics of the box or ring around every cell of one compute block, row after row.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "exec/pool.hpp"
#include "plan/plan.hpp"

namespace fulmar {

/// A sorting network (Batcher 1968) for the cells of a small window, and what is left of it where the places that are
/// asked for are known. Made once; many blocks use it.
class RankNetwork {
 public:
  /// Cells whose windows go through the network side by side.
  static constexpr std::int64_t lanes = 64;

  /// Leaves the smaller of two wires in the first, the larger in the second; or only one of them, the other being
  /// wanted no more.
  struct Step {
    enum Keep : std::uint8_t { both, smaller, larger };
    std::uint8_t first, second, keep;
  };
  using Steps = std::vector<Step>;

  explicit RankNetwork(const fulmar_view& view);

 private:
  friend class RankRows;
  using Wires = std::vector<std::uint8_t>;
  static Wires merge(const Wires& a, const Wires& b, Steps& steps);
  static Wires sort(const Wires& wires, Steps& steps);
  [[nodiscard]] static Steps only(const Steps& all, const Wires& wanted, std::size_t wires);

  Steps columns_;                         ///< sorts one column of a box; empty for a ring, whose cells are wires
  Steps whole_, gaps_;                    ///< the places of a window without gaps; all places that gaps may ask for
  Wires order_;                           ///< the wire that holds each place in the end
  std::vector<std::int32_t> low_, high_;  ///< by the number of valid cells: places from 0
  std::vector<std::array<std::int32_t, 2>> ring_;  ///< column and row of each wire
};

/// A large window on its way.
struct RankSlide {
  const std::uint32_t* places = nullptr;  ///< of each cell of the plane, column after column
  const float* values = nullptr;          ///< in their order
  std::uint64_t* bits = nullptr;          ///< which places are in the window
  std::uint32_t* counts = nullptr;        ///< of the set bits of 8 words; the last one counts missing cells
  std::int64_t tall = 0;                  ///< rows of the plane
  std::uint32_t none = 0;                 ///< the place of missing cells
  std::uint32_t at = 0, below = 0;        ///< 8 words, and how many bits are set before them
  std::uint32_t cells = 0;                ///< of the window, missing ones too
  std::int64_t x = 0;
  double fraction = 0;
  bool one = false;
  std::int64_t ox = 0, oy = 0, gx = 0, gy = 0;  ///< no guard: gx = -1
};

/// The definition, which every backend follows to the bit. The n valid cells of the window, -0 read as 0, stand in the
/// order of their values: x_0 <= ... <= x_(n-1). With p the view's fraction, `lower` and `upper` are x_floor(h) and
/// x_ceil(h), h = (n-1) p; with FULMAR_RANK_CEIL both are x_(k-1), k = max(1, ceil(p n)). NaN where n = 0.
///
/// Windows of few cells run through a sorting network, 64 side by side. For larger ones the block's cells are sorted
/// once; a window is then a set of their places in that order, a bit each, which slides along the rows to and fro: of a
/// window of w by h cells 2 h bits change at each step, and where they are counted 512 at a time a place is found in a
/// few words. Cost: O(h) a cell, and the sorting of the block with its halo.
class RankRows {
 public:
  /// `cells` is the block's first cell in a plane that reaches at least the outer half widths beyond the block.
  RankRows(const fulmar_view& view, const RankNetwork& network, const float* cells, std::int64_t stride,
           std::int64_t width, std::int64_t height, Arena& arena);

  /// Computes the next rows, at most window_rows, and leaves their statistics in cells().
  void advance(std::int64_t rows);
  /// Layers count, lower, upper of the rows last computed, as the C contract describes.
  [[nodiscard]] const double* cells() const { return out_; }
  [[nodiscard]] std::int64_t stride() const { return width_; }
  [[nodiscard]] std::int64_t layer() const { return width_ * window_rows; }

 private:
  void copy_plane(const float* cells, std::int64_t stride, Arena& arena);
  void sort_cells(const float* cells, std::int64_t stride, Arena& arena);
  void network_row(std::int64_t y, double* out);

  fulmar_view view_;
  const RankNetwork& network_;
  std::int64_t width_, height_, ox_, oy_;
  std::int64_t next_row_ = 0;
  double* out_;

  // a small window
  bool gaps_ = false;
  std::int64_t padded_ = 0;  ///< cells from a row to the next
  float *plane_ = nullptr, *columns_ = nullptr, *wires_ = nullptr;

  RankSlide slide_;
};

}  // namespace fulmar
