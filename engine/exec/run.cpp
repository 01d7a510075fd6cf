// SPDX-License-Identifier: Apache-2.0
#include "exec/run.hpp"

#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>
#include <tbb/version.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "exec/pool.hpp"
#include "exec/products.hpp"
#include "exec/reference.hpp"
#include "exec/strips.hpp"
#include "exec/version.hpp"

namespace fulmar {
namespace {

std::vector<double> ground_of_rows(const Grid& grid) {
  std::vector<double> rows;
  rows.reserve(static_cast<std::size_t>(2 * grid.height));
  for (std::int64_t y = 0; y < grid.height; ++y) {
    const Ground g = grid.ground(y);
    rows.push_back(g.dx);
    rows.push_back(g.dy);
  }
  return rows;
}

/// The blocks of the anchored lattice that a stage computes for a tile: whole ones where the stage is anchored.
std::vector<Window> blocks_of(const Window& window) {
  std::vector<Window> blocks;
  const Window all = whole_blocks(window, block_width, block_height);
  for (std::int64_t y = all.y; y < all.bottom(); y += block_height)
    for (std::int64_t x = all.x; x < all.right(); x += block_width)
      blocks.push_back(intersect({x, y, block_width, block_height}, window));
  return blocks;
}

class Executor {
 public:
  Executor(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options)
      : graph_{graph},
        plan_{plan},
        options_{options},
        labels_{labelling_nodes(graph)},
        ground_rows_{ground_of_rows(graph.grid)},
        products_{graph, plan, io, options},
        strips_{graph, plan},
        pool_{std::make_unique<Pool>(plan.buffer_bytes + (std::int64_t{1} << 20))} {
    for (int t = 0; t < plan.tokens; ++t) {
      contexts_.emplace_back();
      contexts_.back().memory = Arena{pool_->take(plan.tile_bytes), plan.tile_bytes};
      contexts_.back().results.resize(plan.stages.size());
      contexts_.back().runs.resize(labels_.size());
      contexts_.back().parts.resize(labels_.size());
    }
    for (int t = 0; t < plan.threads; ++t)
      runners_.push_back(std::make_unique<BlockRunner>(
          graph, plan, Arena{pool_->take(plan.scratch_bytes), plan.scratch_bytes}, ground_rows_));
    columns_ = (graph.grid.width + plan.tile_width - 1) / plan.tile_width;
    rows_ = (graph.grid.height + plan.tile_height - 1) / plan.tile_height;
  }

  RunReport run() {
    // More threads than cores have to be asked for by name; otherwise TBB ignores the wish, and says so on stderr.
    std::optional<tbb::global_control> more;
    if (plan_.threads > tbb::info::default_concurrency())
      more.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(plan_.threads));
    tbb::task_arena arena{plan_.threads};
    arena.execute([&] {
      // Read, compute and write overlap; no more than `tokens` tiles are in flight, so memory has a bound.
      tbb::parallel_pipeline(
          static_cast<std::size_t>(plan_.tokens),
          tbb::make_filter<void, TileContext*>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control& control) {
            return read(control);
          }) & tbb::make_filter<TileContext*, TileContext*>(tbb::filter_mode::parallel, [&](TileContext* tile) {
            return compute(tile);
          }) & tbb::make_filter<TileContext*, void>(tbb::filter_mode::serial_in_order, [&](TileContext* tile) {
            write(*tile);
          }));
    });
    stop_if_asked(options_.cancel);
    RunReport report;
    report.backend = Backend::cpu;
    report.pool_peak = pool_->held();
    // Encoders and drawings need memory of their own; that of the tiles is free now.
    runners_.clear();
    contexts_.clear();
    pool_.reset();
    products_.finish(report);
    if (options_.progress) options_.progress(1.0);
    return report;
  }

 private:
  TileContext* read(tbb::flow_control& control) {
    if (next_ == plan_.tiles) {
      control.stop();
      return nullptr;
    }
    stop_if_asked(options_.cancel);
    // Tiles go down a column of tiles, so that each finds the rows it shares with the one above.
    TileContext& tile = contexts_[static_cast<std::size_t>(next_ % plan_.tokens)];
    const TileContext* above = next_ % rows_ != 0 && plan_.tokens > 1
                                   ? &contexts_[static_cast<std::size_t>((next_ - 1) % plan_.tokens)]
                                   : nullptr;
    tile.tile = tile_window(graph_, plan_, next_ / rows_, next_ % rows_);
    tile.memory.clear();
    strips_.read(tile, above);
    ++next_;
    return &tile;
  }

  TileContext* compute(TileContext* tile) {
    const Window raster = graph_.grid.window();
    tile->label_bytes = 0;
    for (auto& blocks : tile->runs)
      for (auto& block : blocks) block.clear();
    for (std::size_t s = 0; s < plan_.stages.size(); ++s) {
      const Stage& stage = plan_.stages[s];
      const Window window = stage_window(stage, tile->tile, raster);
      auto& results = tile->results[s];
      results.clear();
      for (const Edge& e : stage.results) {
        const DType type =
            graph_.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)].type;
        auto* memory = tile->memory.take<std::byte>(window.cells() * static_cast<std::int64_t>(size_of(type)));
        results.push_back({memory, window.width, window, type});
      }
      const auto blocks = blocks_of(window);
      for (auto& runs : tile->runs)
        if (runs.size() < blocks.size()) runs.resize(blocks.size());
      tbb::parallel_for(std::size_t{0}, blocks.size(), [&](std::size_t b) {
        stop_if_asked(options_.cancel);
        runners_[static_cast<std::size_t>(tbb::this_task_arena::current_thread_index())]->run(s, blocks[b], b, *tile);
      });
    }
    for (std::size_t l = 0; l < labels_.size(); ++l)
      tile->parts[l] =
          label_tile(tile->runs[l], raster, products_.labeller(l).eight(), plan_.feature_bytes / 4 / plan_.tokens);
    return tile;
  }

  void write(TileContext& tile) {
    for (std::int64_t y = tile.tile.y; y < tile.tile.bottom();) {
      const std::int64_t below = std::min(floor_to(y, RasterSink::strip) + RasterSink::strip, tile.tile.bottom());
      const Window strip{tile.tile.x, y, tile.tile.width, below - y};
      for (std::size_t p = 0; p < graph_.products.size(); ++p)
        for (std::size_t b = 0; b < graph_.products[p].bands.size(); ++b)
          products_.write(p, b, strip, result_of(tile, graph_.products[p].bands[b]));
      y = below;
    }
    for (std::size_t l = 0; l < labels_.size(); ++l) products_.labeller(l).add(tile.tile, std::move(tile.parts[l]));
    ++done_;
    if (options_.progress) options_.progress(0.99 * static_cast<double>(done_) / static_cast<double>(plan_.tiles));
  }

  const PlaneRef& result_of(const TileContext& tile, const Edge& edge) const {
    for (std::size_t s = 0; s < plan_.stages.size(); ++s) {
      const auto& kept = plan_.stages[s].results;
      if (const auto it = std::find(kept.begin(), kept.end(), edge); it != kept.end())
        return tile.results[s][static_cast<std::size_t>(it - kept.begin())];
    }
    fail(Errc::runtime, "a product's band was not kept by any stage");
  }

  const Graph& graph_;
  const Plan& plan_;
  const RunOptions& options_;
  std::vector<int> labels_;
  std::vector<double> ground_rows_;
  Products products_;
  StripReader strips_;
  std::unique_ptr<Pool> pool_;
  std::deque<TileContext> contexts_;  // their places stay while they are in flight
  std::vector<std::unique_ptr<BlockRunner>> runners_;
  std::int64_t columns_ = 0, rows_ = 0, next_ = 0, done_ = 0;
};

}  // namespace

RunReport run(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options) {
  io.limit_cache(plan.cache_bytes);
  if (plan.backend == Backend::reference) return run_reference(graph, plan, io, options);
  return Executor{graph, plan, io, options}.run();
}

std::string tbb_version() { return std::to_string(TBB_VERSION_MAJOR) + "." + std::to_string(TBB_VERSION_MINOR); }

}  // namespace fulmar
