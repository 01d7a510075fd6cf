// SPDX-License-Identifier: Apache-2.0
#include "exec/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <vector>

#include "exec/device_pass.hpp"
#include "exec/parallel.hpp"
#include "exec/pool.hpp"
#include "exec/products.hpp"
#include "exec/reduce.hpp"
#include "exec/reference.hpp"
#include "exec/strips.hpp"
#include "exec/tables.hpp"
#include "exec/whole.hpp"

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

/// The blocks of the lattice that a stage computes for a tile: whole ones where the stage is anchored. On a grid that
/// wraps, a block ends at the seam.
std::vector<Window> blocks_of(const Stage& stage, const Window& window, std::int64_t turn) {
  std::vector<Window> blocks;
  const Window all = whole_blocks(window, stage.across, stage.down, turn);
  for (std::int64_t y = all.y; y < all.bottom(); y += stage.down)
    for (std::int64_t x = all.x; x < all.right();) {
      const std::int64_t seam = turn > 0 ? floor_to(x, turn) + turn - x : stage.across;
      const std::int64_t across = std::min(stage.across, seam);
      blocks.push_back(intersect({x, y, across, stage.down}, window));
      x += across;
    }
  return blocks;
}

class Executor {
 public:
  /// `progress`: with the share of this pass that is done.
  Executor(const Graph& graph, const Plan& plan, Products& products, const RunOptions& options,
           std::function<void(double)> progress)
      : graph_{graph},
        plan_{plan},
        cancel_{options.cancel},
        progress_{std::move(progress)},
        labels_{labelling_nodes(graph)},
        on_card_(labels_.size()),
        ground_rows_{ground_of_rows(graph.grid)},
        products_{products},
        strips_{graph, plan},
        pool_{std::make_unique<Pool>(plan.buffer_bytes + (std::int64_t{1} << 20))} {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
      if (const Node& node = graph.nodes[n]; node.round >= 0)
        reductions_.try_emplace(static_cast<int>(n), node, graph.grid, products.found(node.origin).numbers);
    for (std::size_t l = 0; l < labels_.size(); ++l)
      on_card_[l] = std::any_of(plan.stages.begin(), plan.stages.end(), [&](const Stage& stage) {
        return stage.device && std::find(stage.nodes.begin(), stage.nodes.end(), labels_[l]) != stage.nodes.end();
      });
    if (plan.lane_bytes > 0) {
      if (options.device == nullptr) fail(Errc::device, "the plan has stages for a card, and none was given");
      device_ = std::make_unique<DevicePass>(graph, plan, *options.device, ground_rows_, reductions_);
    }
    for (int t = 0; t < plan.tokens; ++t) {
      contexts_.emplace_back();
      std::byte* memory = pool_->take(plan.tile_bytes);
      contexts_.back().memory = Arena{memory, plan.tile_bytes};
      contexts_.back().lane = static_cast<std::size_t>(t);
      if (device_) device_->pin(memory, plan.tile_bytes);
      contexts_.back().results.resize(plan.stages.size());
      contexts_.back().runs.resize(labels_.size());
      contexts_.back().parts.resize(labels_.size());
    }
    for (int t = 0; t < plan.threads; ++t)
      runners_.push_back(std::make_unique<BlockRunner>(
          graph, plan, Arena{pool_->take(plan.scratch_bytes), plan.scratch_bytes}, ground_rows_, reductions_));
    columns_ = (graph.grid.width + plan.tile_width - 1) / plan.tile_width;
    rows_ = (graph.grid.height + plan.tile_height - 1) / plan.tile_height;
  }

  /// Adds to the report what was held and what crossed to the card.
  void run(RunReport& report) {
    // Read, compute and write overlap; no more than `tokens` tiles are in flight, so memory has a bound.
    parallel::pipeline(
        plan_.threads, plan_.tokens, [this] { return static_cast<void*>(read()); },
        [this](void* tile) { compute(*static_cast<TileContext*>(tile)); },
        [this](void* tile) { write(*static_cast<TileContext*>(tile)); });
    stop_if_asked(cancel_);
    for (auto& [n, reduction] : reductions_)
      products_.found(graph_.nodes[static_cast<std::size_t>(n)].origin) = reduction.finish();
    report.pool_peak = std::max(report.pool_peak, pool_->held());
    if (!device_) return;
    report.device_peak = std::max(report.device_peak, device_->held());
    const DeviceTraffic t = device_->traffic();
    report.traffic.uploads += t.uploads, report.traffic.uploaded += t.uploaded;
    report.traffic.downloads += t.downloads, report.traffic.downloaded += t.downloaded;
    report.traffic.rests += t.rests;
  }

 private:
  /// The next tile with its cells, or null.
  TileContext* read() {
    if (next_ == plan_.tiles) return nullptr;
    stop_if_asked(cancel_);
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

  void compute(TileContext& tile) {
    if (device_) device_->begin(tile.lane, tile);
    tile.label_bytes = 0;
    for (auto& blocks : tile.runs)
      for (auto& block : blocks) block.clear();
    for (std::size_t s = 0; s < plan_.stages.size(); ++s) {
      const Stage& stage = plan_.stages[s];
      const Window window = stage_window(stage, tile.tile, graph_.grid);
      auto& results = tile.results[s];
      results.clear();
      for (const Edge& e : stage.results) {
        const DType type =
            graph_.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)].type;
        auto* memory = tile.memory.take<std::byte>(window.cells() * static_cast<std::int64_t>(size_of(type)));
        results.push_back({memory, window.width, window, type});
      }
      const auto blocks = blocks_of(stage, window, graph_.grid.turn());
      for (auto& runs : tile.runs)
        if (runs.size() < blocks.size()) runs.resize(blocks.size());
      if (stage.device) {
        stop_if_asked(cancel_);
        device_->run(tile.lane, s, tile);
        // Stages on the host, and labels, need what comes down. Products wait in write(), while the next tile goes up.
        const bool host_next = s + 1 < plan_.stages.size() && !plan_.stages[s + 1].device;
        if (host_next || !tile.labelled.empty()) device_->wait(tile.lane);
        take_up_found(tile);
        continue;
      }
      parallel::each(blocks.size(), [&](std::size_t b) {
        stop_if_asked(cancel_);
        runners_[parallel::this_thread()]->run(s, blocks[b], b, tile);
      });
    }
    for (std::size_t l = 0; l < labels_.size(); ++l)
      if (!on_card_[l])
        tile.parts[l] = label_tile(tile.runs[l], graph_.grid.neighbourhood(), labeller(l).eight(), label_share());
  }

  /// Makes objects of the runs that came down from the card.
  void take_up_found(TileContext& tile) {
    if (tile.labelled.empty()) return;
    device_->find_rest(tile.lane, tile);
    for (const auto& found : tile.labelled) {
      const auto l = static_cast<std::size_t>(std::find(labels_.begin(), labels_.end(), found.node) - labels_.begin());
      tile.parts[l] = parts_of(found.found, found.window, found.intensity, found.values, graph_.grid.neighbourhood(),
                               label_share());
    }
    tile.labelled.clear();
  }
  /// What a tile may take for its objects: a quarter of what is left for features is shared by those in flight.
  [[nodiscard]] Share label_share() const {
    return {plan_.feature_bytes / 4 / plan_.tokens, plan_.feature_bytes, true};
  }

  void write(TileContext& tile) {
    if (device_) {
      device_->wait(tile.lane);
      device_->reduce(tile);
    }
    for (std::int64_t y = tile.tile.y; y < tile.tile.bottom();) {
      const std::int64_t below = std::min(floor_to(y, RasterSink::strip) + RasterSink::strip, tile.tile.bottom());
      const Window strip{tile.tile.x, y, tile.tile.width, below - y};
      for (std::size_t p = 0; p < graph_.products.size(); ++p)
        for (std::size_t b = 0; b < graph_.products[p].bands.size(); ++b)
          products_.write(graph_.products[p], b, strip, result_of(tile, graph_.products[p].bands[b]));
      y = below;
    }
    for (std::size_t l = 0; l < labels_.size(); ++l) labeller(l).add(tile.tile, std::move(tile.parts[l]));
    ++done_;
    if (progress_) progress_(static_cast<double>(done_) / static_cast<double>(plan_.tiles));
  }

  [[nodiscard]] Labeller& labeller(std::size_t which) {
    return products_.labeller(graph_.nodes[static_cast<std::size_t>(labels_[which])].origin);
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
  const std::atomic<bool>* cancel_;
  std::function<void(double)> progress_;
  std::vector<int> labels_;
  std::vector<bool> on_card_;  ///< by labelling node
  std::vector<double> ground_rows_;
  Products& products_;
  Reductions reductions_;
  StripReader strips_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<DevicePass> device_;  ///< where stages run on a card
  std::deque<TileContext> contexts_;    // their places stay while they are in flight
  std::vector<std::unique_ptr<BlockRunner>> runners_;
  std::int64_t columns_ = 0, rows_ = 0, next_ = 0, done_ = 0;
};

/// The numbers that earlier passes found, where operators look for them.
void hand_summaries(Graph& pass, Products& products) {
  for (Node& node : pass.nodes)
    if (node.reduces() && node.round < 0) node.table = products.found(node.origin).numbers;
}

/// Draws what a pass reads of tables, and tells its nodes how much that is. Returns the bytes of those tables, -1 where
/// there are none.
std::int64_t draw_tables(const Graph& graph, Graph& pass, Products& products, std::set<const RasterSource*>& drawn) {
  std::map<int, std::int64_t> bytes;
  for (const Drawing& d : graph.drawings) {
    const auto at =
        std::find(pass.sources.begin(), pass.sources.end(), graph.sources[static_cast<std::size_t>(d.source)]);
    if (at == pass.sources.end()) continue;
    bytes[d.table] = bytes_of(products.table(d.table));
    if (drawn.insert(at->get()).second) d.raster->draw(products.table(d.table));
    for (Node& node : pass.nodes)
      for (std::size_t i = 0; node.op != nullptr && i < node.inputs.size(); ++i) {
        if (!node.inputs[i].connected()) continue;
        const Node& from = pass.node_of(node.inputs[i]);
        if (from.source == at - pass.sources.begin()) learn_from(node, node.port(i), **at, pass.grid);
      }
  }
  if (bytes.empty()) return -1;
  return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& each) { return sum + each.second; });
}

/// Empties the temporary rasters of a graph when the run ends, however it ends.
struct Cleaner {
  const Graph& graph;
  ~Cleaner() {
    for (const Temporary& t : graph.temporaries) t.raster->clear();
  }
};

}  // namespace

RunReport run(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options) {
  io.limit_cache(plan.cache_bytes);
  Products products{graph, plan, io, options};
  const Cleaner cleaner{graph};
  RunReport report;
  report.backend = plan.backend;
  const std::size_t count = std::max<std::size_t>(1, plan.passes.size());
  std::size_t done = 0;
  const auto pass = [&](const Graph& its_graph, const Plan& its_plan) {
    const auto progress = [&options, done, count](double share) {
      if (options.progress) options.progress(0.99 * (static_cast<double>(done) + share) / static_cast<double>(count));
    };
    if (plan.backend == Backend::reference)
      run_reference(its_graph, products, options.cancel);
    else
      // Encoders and drawings need memory of their own; that of the tiles is free by then.
      Executor{its_graph, its_plan, products, options, progress}.run(report);
    ++done;
  };
  if (plan.passes.empty() && !graph.nodes.empty()) pass(graph, plan);
  std::set<const RasterSource*> drawn;
  for (const Pass& each : plan.passes) {
    if (!each.wholes.empty()) io.limit_cache(std::int64_t{16} << 20);  // as the plan counts
    for (const int w : each.wholes) {
      stop_if_asked(options.cancel);
      run_whole(graph, graph.wholes[static_cast<std::size_t>(w)]);
    }
    io.limit_cache(each.plan.cache_bytes);
    Graph its_graph = each.graph;
    std::optional<Plan> counted;
    if (const std::int64_t tables = draw_tables(graph, its_graph, products, drawn); tables >= 0) {
      try {
        counted = plan_again(graph, its_graph, each, tables);
      } catch (Error& e) {
        throw e.within(
            fmt::format("the shapes were made by this run: {} MiB of rows; objects --min-area and `filter` "
                        "leave rows out",
                        tables >> 20));
      }
      io.limit_cache(counted->cache_bytes);
    }
    hand_summaries(its_graph, products);
    pass(its_graph, counted ? *counted : each.plan);
  }
  products.finish(report);
  if (options.progress) options.progress(1.0);
  return report;
}

}  // namespace fulmar
