// SPDX-License-Identifier: Apache-2.0
/// @file
/// One stage on one block: load the sources, run the nodes in order, keep the results. Everything stays in the cache of
/// the thread that does it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "exec/label.hpp"
#include "exec/pool.hpp"
#include "exec/ranks.hpp"
#include "exec/reduce.hpp"
#include "plan/plan.hpp"

namespace fulmar {

/// The memory of one band over one window.
struct PlaneRef {
  std::byte* cells = nullptr;
  std::int64_t stride = 0;
  Window window;
  DType type = DType::f32;

  template <class T>
  [[nodiscard]] T* at(std::int64_t x, std::int64_t y) const {
    return reinterpret_cast<T*>(cells) + (y - window.y) * stride + (x - window.x);
  }
};

/// A tile in flight: what was decoded for it, what its stages leave behind, and the objects seen in it.
struct TileContext {
  struct Stored {
    PlaneRef cells;
    PlaneRef mask;  ///< cells is null where the band has no mask
  };
  Window tile;
  std::vector<std::vector<Stored>> sources;    ///< by Plan::sources, then band
  std::vector<std::vector<PlaneRef>> results;  ///< by stage, then result
  std::vector<std::vector<BlockRuns>> runs;    ///< by labelling node of the graph (in node order), then block
  std::vector<std::vector<Part>> parts;        ///< by labelling node
  std::atomic<std::int64_t> label_bytes{0};    ///< held by runs
  /// What comes down from a card for a labelling node, as core/found_runs.hpp says.
  struct Labelled {
    int node = -1;
    Window window;
    int values = 0;
    bool intensity = false;      ///< is the first of the values
    std::byte* found = nullptr;  ///< here
    std::byte* there = nullptr;  ///< on the card
    std::int64_t first = 0;      ///< bytes of it that come unasked
  };
  std::vector<Labelled> labelled;
  /// States that came down from a card for a reducing node: of blocks, or of what they were merged to there.
  struct Reduced {
    int node = -1;
    std::vector<Subtree> trees;  ///< each with its place among the states
    std::byte* states = nullptr;
  };
  std::vector<Reduced> reduced;
  std::size_t lane = 0;  ///< the tile's lane of the card
  Arena memory;
};

/// Gathers the set cells of a block of a labelling node for the tile; `index` is the block's place among the tile's.
void gather(const Graph& graph, const Plan& plan, int node, const Window& own, std::size_t index, TileContext& tile,
            const PlaneRef& set, const std::vector<PlaneRef>& inputs);

/// The labelling nodes of a graph, in order.
std::vector<int> labelling_nodes(const Graph& graph);
/// True if cells that touch by corner alone are one object of a labelling node.
bool touches_by_corner(const Node& node);

/// Of the reducing nodes of a pass, by node.
using Reductions = std::map<int, Reduction>;

/// Runs blocks for one thread.
class BlockRunner {
 public:
  BlockRunner(const Graph& graph, const Plan& plan, Arena arena, const std::vector<double>& ground_rows,
              Reductions& reductions);

  /// Computes a stage on `block`, a part of the stage's window; `index` is the block's place among the tile's blocks.
  void run(std::size_t stage, const Window& block, std::size_t index, TileContext& tile);

 private:
  PlaneRef plane(const Window& window, DType type);
  void load(int node, const Window& own, TileContext& tile);
  void apply(std::size_t stage, int node, const Window& own, std::size_t index, TileContext& tile);
  PlaneRef fetch(std::size_t stage, Edge edge, const Window& needed, DType type, const TileContext& tile);
  PlaneRef result_memory(std::size_t stage, Edge edge, const TileContext& tile) const;

  const Graph& graph_;
  const Plan& plan_;
  Arena arena_;
  const std::vector<double>& ground_rows_;
  Reductions& reductions_;
  std::vector<std::unique_ptr<RasterReader>> readers_;  ///< of computed sources
  std::vector<std::vector<PlaneRef>> planes_;           ///< by node, then output
  std::vector<std::vector<char>> used_;
  std::vector<std::vector<std::unique_ptr<const RankNetwork>>> networks_;  ///< by node, then view
  std::vector<std::pair<std::size_t, std::size_t>> stored_at_;  ///< by node of a stored source: place among the plan's
                                                                ///< sources, and of the band there
};

/// Checks the status of an operator's call.
void check_call(int status, const fulmar_error& error, const Node& node, const Window& window);
/// "cells 0,128 + 256 x 128".
std::string cells_of(const Window& window);

/// Calls a function of the node's operator with an error to fill. Whatever goes wrong, a plugin that throws included,
/// is told with the operator, its plugin and the window. Errors: those of the operator.
template <class Call>
void call_operator(const Node& node, const Window& window, Call&& call) {
  fulmar_error error{};
  int status = 0;
  try {
    status = node.op->guard([&] { return call(&error); });
  } catch (Error& e) {
    throw e.within(cells_of(window));
  }
  check_call(status, error, node, window);
}

}  // namespace fulmar
