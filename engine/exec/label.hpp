// SPDX-License-Identifier: Apache-2.0
/// @file
/// Connected objects across blocks, tiles and panels, and their measures. Nothing here depends on where a seam lies:
/// sums are exact, objects are numbered by their first cell, outlines are made from whole objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "core/exact_sum.hpp"
#include "core/features.hpp"
#include "core/window.hpp"
#include "exec/outline.hpp"
#include "fulmar_abi.h"

namespace fulmar {

/// The set cells of one block, in raster order, with what was measured there.
struct BlockRuns {
  struct Piece {
    Run run;
    std::size_t first = 0;  ///< place of the run's first cell among the values
    bool at_mask = false;
    bool looked_around = false;
  };
  std::vector<Piece> pieces;
  std::vector<float> intensity, background;  ///< one for each set cell; empty where not measured

  void clear() { pieces.clear(), intensity.clear(), background.clear(); }
  [[nodiscard]] std::int64_t bytes() const {
    return static_cast<std::int64_t>(pieces.capacity() * sizeof(Piece) +
                                     (intensity.capacity() + background.capacity()) * sizeof(float));
  }
};

/// What detections may take: a part of what the budget leaves for features.
struct Share {
  std::int64_t bytes = 0, of = 0;
  bool of_a_tile = false;
};
/// Ends a run whose detections fill their share.
[[noreturn]] void too_many_cells(const Share& share);

/// Planes of a labelling node over one block. The intensity reaches one cell further on every side.
struct LabelPlanes {
  const std::uint8_t* set = nullptr;
  std::int64_t set_stride = 0;
  const float* intensity = nullptr;  ///< may be null
  std::int64_t intensity_stride = 0;
  const float* background = nullptr;  ///< may be null
  std::int64_t background_stride = 0;
};

/// Gathers the set cells of a window; planes start at the window's first cell. `raster` tells a raster's edge from a
/// gap: it is Grid::neighbourhood().
void collect(const Window& window, const Window& raster, const LabelPlanes& planes, BlockRuns& out);

/// An object, or what has been seen of it so far.
struct Part {
  std::vector<Run> runs;
  ExactSum intensity, background, weighted_x, weighted_y;
  std::int64_t cells = 0, with_intensity = 0, with_background = 0;
  float maximum = -std::numeric_limits<float>::infinity();
  bool at_edge = false, at_mask = false;
  bool looked_around = false;  ///< an intensity told what is missing around

  void merge(Part&& other);
  /// A run more, in raster order. Its cells' values may be null; `looked`: an intensity told whether it is beside a
  /// gap.
  void see(const Run& run, const Window& raster, bool looked, bool beside_mask, const float* intensities,
           const float* backgrounds);
};

/// Objects within one tile, as if there were nothing beyond it. `raster` is Grid::neighbourhood().
/// Errors: as too_many_cells() where they need more than their share.
std::vector<Part> label_tile(std::span<const BlockRuns> blocks, const Window& raster, bool eight, const Share& share);

/// The same of what a card found in one window (core/found_runs.hpp), where runs know already what they are part of.
/// `values` of each set cell are there; `intensity`: the first of them is. Errors: as label_tile().
std::vector<Part> parts_of(const std::byte* found, const Window& window, bool intensity, int values,
                           const Window& raster, const Share& share);

/// Joins the parts of all tiles, on a grid that wraps also those that meet over the seam. Tiles come column of tiles by
/// column of tiles, each from the top. One thread.
class Labeller {
 public:
  using Keep = std::function<bool(const fulmar_object&)>;
  Labeller(const Grid& grid, bool eight, Keep keep, const Share& share);

  void add(const Window& tile, std::vector<Part> parts);
  /// A whole object. One that crosses the seam has its columns counted on, beyond the last.
  void add_whole(Part part) { measure(part); }
  /// All objects kept, in order of their first cells, numbered from 1.
  FeatureTable finish();
  [[nodiscard]] bool eight() const { return eight_; }

  static std::vector<Column> columns();

 private:
  struct BottomRun {
    std::int64_t x0, x1;
    int part;
  };
  int root(int part);
  void join(int a, int b);
  void look_over_seam(const Run& run, int part);
  /// The groups in which parts meet over the seam, by part.
  std::vector<int> groups_over_seam();
  void close(const Window& tile);
  Part joined_over_seam(std::span<const int> parts);
  void measure(Part& part);

  Grid grid_;
  bool eight_;
  Keep keep_;
  Share share_;
  std::int64_t bytes_ = 0;
  OutlineTracer tracer_;
  std::vector<Part> parts_;
  std::vector<int> parent_;
  std::vector<BottomRun> bottom_;  ///< last row of the tile above
  std::vector<int> left_, right_;  ///< last column of the tiles to the left, and of this column of tiles; -1 none
  /// Of a grid that wraps. Parts that meet over the seam stay apart until none of them can grow: each lies on one side,
  /// so that what lies beyond the seam can be moved a turn on.
  std::vector<int> west_, east_;           ///< by row: what lies in the first and last column; -1 nothing
  std::vector<std::pair<int, int>> over_;  ///< parts that meet over the seam
  struct Found {
    Run first;
    Feature feature;
  };
  std::vector<Found> found_;
};

}  // namespace fulmar
