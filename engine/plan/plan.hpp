// SPDX-License-Identifier: Apache-2.0
/// @file
/// How a graph will be run: tiles, stages, halos, memory. A pure function of the graph and the budget.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/backend.hpp"
#include "plan/graph.hpp"

namespace fulmar {

/// Rows of window sums that are computed together: their running sums overlap in the processor.
inline constexpr std::int64_t window_rows = 4;
/// Handles of files that a run keeps open. Where there would be more, each file is closed again after its part.
inline constexpr std::int64_t most_open = 256;
/// Scratch that window sums of a view need for a block of some width, in bytes.
std::int64_t window_scratch_bytes(const fulmar_view& view, std::int64_t width);

/// Cells of a window whose order statistics are asked for; windows of no more than most_network_cells are sorted by a
/// network.
inline constexpr std::int64_t most_network_cells = 49;
std::int64_t rank_cells(const fulmar_view& view);
/// Scratch that the ranks of a view need for a block of some size, in bytes.
std::int64_t rank_scratch_bytes(const fulmar_view& view, std::int64_t width, std::int64_t height);

/// Rows of a block that are handed to an operator in one call: all of them, a few where their window sums would leave
/// the nearest cache otherwise, one where all bands of a cell are brought together.
std::int64_t rows_at_once(const Node& node, std::int64_t height);

const char* name_of(Backend backend);

struct Budget {
  std::int64_t memory = std::int64_t{512} << 20;  ///< bytes, everything counted
  std::int64_t held = 0;                          ///< of these, what companions keep; make_plan() counts it
  int threads = 0;                                ///< 0: as many as the machine has, or as the memory suffices for
  std::int64_t tile_width = 0, tile_height = 0;   ///< forced, for tests; 0: the planner chooses
  Backend backend = Backend::automatic;
  std::int64_t device_memory = 0;  ///< free memory of the card; 0: there is none
};

/// Nodes that are computed block after block, each block from its sources to the stage's results without leaving cache.
/// A stage ends where a node that looks around itself needs neighbours from one that works in whole blocks: those come
/// from other blocks, which must be done first.
struct Stage {
  std::vector<int> nodes;     ///< in order, sources first
  std::vector<Halo> margins;  ///< for each of them, how far beyond a block it is computed
  std::vector<Edge> results;  ///< kept for the whole tile: bands of products, inputs of later stages
  Halo beyond;                ///< how far beyond the tile the results are needed
  bool anchored = false;      ///< works in whole blocks of the lattice
  bool device = false;        ///< runs on the card
  /// Cells of a compute block: those of the lattice, or fewer where so many bands are open at once that whole blocks
  /// would fill memory. Only a stage whose results do not depend on blocks has others.
  std::int64_t across = block_width, down = block_height;
};

/// The bands of a stored source that a pass reads; computed sources are asked block by block and keep nothing.
struct SourceUse {
  int source = 0;
  std::vector<int> bands;
};

struct Pass;

/// What is set aside for features at least.
inline constexpr std::int64_t least_features = std::int64_t{64} << 20;

struct Plan {
  Backend backend = Backend::cpu;
  int threads = 1;
  int encoders = 1;  ///< of the threads, those that encode the blocks of a raster product
  int tokens = 1;    ///< tiles in flight
  std::int64_t tile_width = 0, tile_height = 0;
  std::vector<SourceUse> sources;
  std::vector<Stage> stages;
  std::int64_t tiles = 0;
  std::int64_t bytes_read = 0;     ///< stored cells that are decoded
  std::int64_t bytes_written = 0;  ///< cells of raster products, before compression
  /// Stored cells of other grids that warped sources may decode, at most: those under the target, once. Whole graph.
  std::int64_t bytes_warped = 0;
  double decoded_times = 1;        ///< cells decoded over cells there are
  std::int64_t process_bytes = 0;  ///< the program and its libraries, and what companions keep
  std::int64_t held_bytes = 0;     ///< what companions keep, part of process_bytes
  std::int64_t cache_bytes = 0;    ///< block cache of the library below
  std::int64_t decoder_bytes = 0;  ///< blocks of the files that are being decoded
  std::int64_t encoder_bytes = 0;  ///< blocks of raster products that are being encoded
  std::int64_t tile_bytes = 0;     ///< one tile in flight
  std::int64_t scratch_bytes = 0;  ///< one thread
  std::int64_t buffer_bytes = 0;   ///< what the pool holds: tiles in flight and scratch of all threads
  std::int64_t feature_bytes = 0;  ///< left for features; least_features at least where there are any
  std::int64_t reduce_bytes = 0;   ///< states of reducing operators, part of buffer_bytes
  std::int64_t lane_bytes = 0;     ///< device memory of one tile in flight, where stages run on a card
  std::int64_t card_bytes = 0;     ///< of all tiles in flight, of the pass that needs most
  std::string no_card;             ///< why a card that is there is not used
  std::int64_t peak_bytes = 0;     ///< all of it without the features
  /// Empty where the graph runs in one plain pass. Otherwise each pass has a plan of its own, and this one tells sums
  /// of what is read and written, and the shape and memory of the pass that needs most.
  std::vector<Pass> passes;
};

/// One pass of several, or what whole operators need before it.
struct Pass {
  std::vector<int> wholes;       ///< Graph::wholes to run before it
  std::int64_t whole_bytes = 0;  ///< the most that one of them needs, all counted
  Graph graph;
  Plan plan;
  Budget budget;  ///< that it was planned for
};

/// The window that a stage computes for a tile, as Grid::there() counts columns; whole blocks of the lattice where the
/// stage is anchored.
Window stage_window(const Stage& stage, const Window& tile, const Grid& grid);
/// The largest window that a stage computes for tiles of some size, with a margin; its place does not count.
Window largest_window(const Graph& graph, const Stage& stage, Halo margin, std::int64_t width, std::int64_t height);
/// The window of a stored source that the stages need for a tile, likewise.
Window source_window(const Graph& graph, const Plan& plan, int source, const Window& tile);
/// The tile in place (column, row) of the pass's tiling.
Window tile_window(const Graph& graph, const Plan& plan, std::int64_t column, std::int64_t row);
/// True if some node or product uses this output.
bool is_used(const Graph& graph, Edge edge);

/// What a whole operator needs: its planes and what it asks for beside them.
std::int64_t bytes_of_whole(const Graph& graph, const WholeStep& step);
/// Rows that are read and widened at a time for a whole operator: a quarter of a million cells or so.
std::int64_t rows_of_strip(std::int64_t width, std::int64_t height);
/// Bytes of one state of a reducing operator in a round.
std::int64_t state_bytes(const Node& node, const Grid& grid);

/// Errors: Errc::usage where the budget is too small for even the smallest tile, with the numbers.
Plan make_plan(const Graph& graph, const Budget& budget);

/// The plan of a pass again, where tables were drawn for it: only then it is known how many zones there are, and what
/// their shares take. `table_bytes`: of those tables. `whole`: the graph of all passes; `drawn`: that of the pass, as
/// it is now. The same plan, its bytes counted anew, where they fit; otherwise one of smaller tiles. Errors: as
/// make_plan.
Plan plan_again(const Graph& whole, const Graph& drawn, const Pass& pass, std::int64_t table_bytes);

/// The plan in words: passes, halos, tiles, bytes, memory, backend.
std::string explain(const Graph& graph, const Plan& plan);
std::string explain_json(const Graph& graph, const Plan& plan);

}  // namespace fulmar
