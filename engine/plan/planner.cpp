// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>
#include <string_view>
#include <thread>

#include "plan/device_plan.hpp"
#include "plan/plan.hpp"

namespace fulmar {
namespace {

constexpr std::int64_t mebi = std::int64_t{1} << 20;

int threads_of(const Budget& budget) {
  return budget.threads > 0 ? budget.threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

/// The program with GDAL, PROJ and TBB loaded and one small file open, as measured; see decision 0005.
constexpr std::int64_t process_bytes = 104 * mebi;
/// What the C library and GDAL keep for every thread beyond two, whose share is in process_bytes, as measured.
constexpr std::int64_t thread_bytes = 2 * mebi;

/// The stages, from the nodes' own halos and from their sides: no stage works on both.
std::vector<Stage> make_stages(const Graph& graph, const std::vector<Side>& sides) {
  const std::size_t count = graph.nodes.size();
  const auto is_source = [&](std::size_t n) { return graph.nodes[n].source >= 0; };
  std::vector<int> stage_of(count, 0);
  std::vector<char> blocked(count, 0);  // in its stage, it comes after a node that works in whole blocks
  for (std::size_t n = 0; n < count; ++n) {
    const Node& node = graph.nodes[n];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].connected()) continue;
      const auto m = static_cast<std::size_t>(node.inputs[i].node);
      const bool around = !(node.halo(i, graph.grid) == Halo{});
      const bool crosses = !is_source(m) && sides[m] != sides[n];
      stage_of[n] = std::max(stage_of[n], stage_of[m] + ((around && blocked[m] != 0) || crosses ? 1 : 0));
    }
    bool after = node.anchored();
    for (const Edge& e : node.inputs)
      if (e.connected())
        after |=
            blocked[static_cast<std::size_t>(e.node)] != 0 && stage_of[static_cast<std::size_t>(e.node)] == stage_of[n];
    blocked[n] = after ? 1 : 0;
  }
  // What works beside each other on both sides is two stages. Sources are read where they are needed.
  std::set<std::pair<int, Side>> kinds;
  for (std::size_t n = 0; n < count; ++n)
    if (!is_source(n)) kinds.emplace(stage_of[n], sides[n]);
  // Where nothing else is done, rasters on other grids are made by whoever can.
  if (kinds.empty())
    kinds.emplace(0, std::find(sides.begin(), sides.end(), Side::card) == sides.end() ? Side::host : Side::card);
  for (std::size_t n = 0; n < count; ++n)
    stage_of[n] =
        is_source(n) ? 0 : static_cast<int>(std::distance(kinds.begin(), kinds.find({stage_of[n], sides[n]})));

  std::vector<Stage> stages(kinds.size());
  for (auto [stage, kind] = std::pair{stages.begin(), kinds.begin()}; stage != stages.end(); ++stage, ++kind)
    stage->device = kind->second == Side::card;
  const auto keep = [&](Edge e) {
    auto& results = stages[static_cast<std::size_t>(stage_of[static_cast<std::size_t>(e.node)])].results;
    if (std::find(results.begin(), results.end(), e) == results.end()) results.push_back(e);
  };
  for (const Product& p : graph.products)
    for (const Edge& e : p.bands) keep(e);
  // A source is read again in every stage that uses it; anything else that crosses stages is kept for the tile.
  std::vector<std::set<int>> members(stages.size());
  for (std::size_t n = 0; n < count; ++n) {
    const Node& node = graph.nodes[n];
    const auto s = static_cast<std::size_t>(stage_of[n]);
    if (node.op != nullptr) members[s].insert(static_cast<int>(n));
    for (const Edge& e : node.inputs) {
      if (!e.connected()) continue;
      if (is_source(static_cast<std::size_t>(e.node)))
        members[s].insert(e.node);
      else if (static_cast<std::size_t>(stage_of[static_cast<std::size_t>(e.node)]) != s)
        keep(e);
    }
  }
  for (std::size_t s = 0; s < stages.size(); ++s) {
    for (const Edge& e : stages[s].results) members[s].insert(e.node);
    stages[s].nodes.assign(members[s].begin(), members[s].end());
  }

  // Margins within a stage, and what later stages need of earlier ones, from the last node back.
  for (std::size_t s = stages.size(); s-- > 0;) {
    Stage& stage = stages[s];
    stage.margins.assign(stage.nodes.size(), Halo{});
    const auto place = [&](int n) {
      const auto it = std::lower_bound(stage.nodes.begin(), stage.nodes.end(), n);
      return it != stage.nodes.end() && *it == n ? it - stage.nodes.begin() : std::ptrdiff_t{-1};
    };
    for (std::size_t k = stage.nodes.size(); k-- > 0;) {
      const Node& node = graph.nodes[static_cast<std::size_t>(stage.nodes[k])];
      stage.anchored |= node.anchored();
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (!node.inputs[i].connected()) continue;
        const Halo need = stage.margins[k] + node.halo(i, graph.grid);
        if (const auto p = place(node.inputs[i].node); p >= 0) {
          auto& margin = stage.margins[static_cast<std::size_t>(p)];
          margin = widest(margin, need);
        } else {
          auto& before =
              stages[static_cast<std::size_t>(stage_of[static_cast<std::size_t>(node.inputs[i].node)])].beyond;
          // An anchored stage computes whole blocks, up to a block beyond what is asked of it.
          const Halo snapped = stage.anchored ? Halo{block_width, block_height} : Halo{};
          before = widest(before, stage.beyond + need + snapped);
        }
      }
    }
  }
  return stages;
}

std::vector<SourceUse> make_sources(const Graph& graph, const std::vector<Stage>& stages) {
  std::vector<SourceUse> uses;
  for (std::size_t s = 0; s < graph.sources.size(); ++s) {
    if (graph.sources[s]->computed()) continue;
    SourceUse use{static_cast<int>(s), {}};
    for (const Stage& stage : stages)
      for (const int n : stage.nodes) {
        const Node& node = graph.nodes[static_cast<std::size_t>(n)];
        if (node.source == use.source && std::find(use.bands.begin(), use.bands.end(), node.band) == use.bands.end())
          use.bands.push_back(node.band);
      }
    if (!use.bands.empty()) uses.push_back(std::move(use));
  }
  return uses;
}

std::int64_t padded(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Scratch of one thread for the largest block of a stage.
std::int64_t scratch_of(const Graph& graph, const Stage& stage) {
  std::int64_t bytes = 0;
  for (std::size_t k = 0; k < stage.nodes.size(); ++k) {
    const Node& node = graph.nodes[static_cast<std::size_t>(stage.nodes[k])];
    const Window own = grow({0, 0, std::min(stage.across, graph.grid.width), std::min(stage.down, graph.grid.height)},
                            stage.margins[k]);
    for (const Band& b : node.outputs) bytes += padded(own.cells() * static_cast<std::int64_t>(size_of(b.type)));
    bytes += padded(2 * own.height * 8);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Edge& e = node.inputs[i];
      if (!e.connected()) continue;
      // A copy with a border of what an earlier stage kept, one in another type, and one that the operator sampled.
      const Band& from = graph.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)];
      const DType wanted = node.port(i).type;
      const std::int64_t cells = padded(grow(own, node.halo(i, graph.grid)).cells() * 4);
      if (!std::binary_search(stage.nodes.begin(), stage.nodes.end(), e.node)) bytes += cells;
      if (from.type != wanted) bytes += cells;
      for (const fulmar_view& v : node.views)
        if (node.input_of(v.input) == i && v.sampled != 0) bytes += cells;
    }
    for (const fulmar_view& v : node.views) {
      if (v.kind == FULMAR_VIEW_BOX || v.kind == FULMAR_VIEW_RING) bytes += window_scratch_bytes(v, own.width);
      if (v.kind == FULMAR_VIEW_RANKS) bytes += rank_scratch_bytes(v, own.width, own.height);
      if (v.kind == FULMAR_VIEW_WITHIN)
        bytes += 2 * padded(grow(own, node.halo(node.input_of(v.input), graph.grid)).cells() * 2);
      if (v.kind == FULMAR_VIEW_SERIES)
        bytes += padded(rows_at_once(node, own.height) * own.width * static_cast<std::int64_t>(node.bands) * 4);
    }
    if (node.op != nullptr) bytes += padded(node.scratch() * 8);
  }
  return padded(bytes) + 4096;
}

/// Makes the blocks of stages that hold many bands at once smaller, where nothing depends on blocks.
void shrink_blocks(const Graph& graph, std::vector<Stage>& stages) {
  constexpr std::int64_t most_scratch = 24 * mebi, narrowest = 16;
  for (Stage& stage : stages) {
    const bool fixed = std::any_of(stage.nodes.begin(), stage.nodes.end(), [&](int n) {
      const Node& node = graph.nodes[static_cast<std::size_t>(n)];
      return node.labels() || (node.op != nullptr && node.op->table().kind == FULMAR_KIND_REDUCING);
    });
    const auto stacks = [&](int n) { return graph.nodes[static_cast<std::size_t>(n)].stacks(); };
    if (stage.anchored || fixed || std::none_of(stage.nodes.begin(), stage.nodes.end(), stacks)) continue;
    const auto halve = [&](std::int64_t& side, std::int64_t least) {
      while (side > least && scratch_of(graph, stage) > most_scratch) side /= 2;
    };
    // Long rows as long as there are a few of them; in the end a short row.
    halve(stage.down, 8);
    halve(stage.across, 128);
    halve(stage.down, 1);
    halve(stage.across, narrowest);
  }
}

/// True if every tile may have any shape: no stage works in blocks of the lattice.
bool tiles_may_be_small(const std::vector<Stage>& stages) {
  return std::all_of(stages.begin(), stages.end(), [](const Stage& s) { return !s.anchored; }) &&
         std::any_of(stages.begin(), stages.end(), [](const Stage& s) { return s.down < block_height; });
}

/// What the library below holds of the files' own blocks while it decodes: one for each handle at work.
std::int64_t decoder_bytes(const Graph& graph, const Plan& plan) {
  std::int64_t bytes = 0, most = 0;
  const Window raster = graph.grid.window();
  for (const SourceUse& use : plan.sources) {
    const auto& source = *graph.sources[static_cast<std::size_t>(use.source)];
    const Window block = source.block();
    if (block.empty()) continue;
    const std::int64_t blocks =
        ((raster.width + block.width - 1) / block.width) * ((raster.height + block.height - 1) / block.height);
    const std::int64_t handles = std::min<std::int64_t>({plan.threads, source.parallel_readers(), blocks});
    std::int64_t cell = 0, largest = 0;
    for (const int band : use.bands) {
      const auto size = static_cast<std::int64_t>(size_of(source.bands()[static_cast<std::size_t>(band)].dtype));
      cell += size;
      largest = std::max(largest, size);
    }
    cell = std::min(cell, largest * std::max<std::int64_t>(1, source.bands_together()));
    // Compressed and decoded.
    const std::int64_t each =
        2 * std::min(block.width, raster.width) * std::min(block.height, raster.height) * cell * handles;
    bytes += each;
    most = std::max(most, each);
  }
  if (static_cast<std::int64_t>(plan.sources.size()) * plan.threads > most_open) bytes = most;
  for (const auto& source : graph.sources)
    if (source->computed()) bytes += source->working_bytes() * plan.threads;
  return bytes;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// The value of a creation option of a product, in small letters; empty where it is not given.
std::string creation_option(const Product& product, std::string_view name) {
  for (const std::string& pair : product.options.creation_options)
    if (const auto end = pair.find('='); end != std::string::npos && lower_case(pair.substr(0, end)) == name)
      return lower_case(pair.substr(end + 1));
  return {};
}

/// Blocks in which a raster product is encoded: those of 512 x 512 cells of all bands, or band by band of many, unless
/// its options choose others.
struct EncodedBlocks {
  std::int64_t bytes = 0, count = 0;

  EncodedBlocks(const Graph& graph, const Product& product) {
    const auto size = [&](std::string_view name, std::int64_t otherwise) {
      const std::string value = creation_option(product, name);
      std::int64_t number = 0;
      std::from_chars(value.data(), value.data() + value.size(), number);
      return number > 0 && number < (1 << 20) ? number : otherwise;
    };
    const Window raster = graph.grid.window();
    const std::string tiled = creation_option(product, "tiled"), interleave = creation_option(product, "interleave");
    const bool strips = tiled == "no" || tiled == "false" || tiled == "off" || tiled == "0";
    const std::int64_t side = size("blocksize", 512), wide = strips ? raster.width : size("blockxsize", side),
                       high = size("blockysize", strips ? 1 : side), bands = std::ssize(product.bands);
    std::int64_t cell = 1;
    for (const Edge& e : product.bands) {
      const DType type = graph.node_of(e).outputs[static_cast<std::size_t>(e.output)].type;
      cell = std::max(cell, static_cast<std::int64_t>(size_of(product.options.type.value_or(type))));
    }
    const std::int64_t together = interleave == "pixel" || (interleave.empty() && bands <= 8) ? bands : 1;
    bytes = std::min(raster.width, wide) * std::min(raster.height, high) * cell * together;
    count = ((raster.width + wide - 1) / wide) * ((raster.height + high - 1) / high) * (bands / together);
  }
};

/// What the library below holds while it encodes, as measured. Several threads: a block for each and one that waits, as
/// cells, as differences, encoded into memory that grows, and with the state of the codec. One: what a large block
/// needs beyond what is in process_bytes.
std::int64_t encoder_bytes(const Graph& graph, int encoders) {
  constexpr std::int64_t codec = 5 * mebi, of_process = 8 * mebi;
  std::int64_t bytes = 0;
  for (const Product& p : graph.products) {
    if (p.kind != ProductKind::raster || p.temporary >= 0) continue;
    const EncodedBlocks blocks{graph, p};
    bytes += encoders < 2 ? std::max<std::int64_t>(0, 3 * blocks.bytes - of_process)
                          : std::min(encoders + std::int64_t{1}, blocks.count) * (6 * blocks.bytes + codec);
  }
  return bytes;
}

/// States of reducing operators that wait for their neighbours in the tree, at most.
std::int64_t bytes_of_states(const Graph& graph, const Plan& plan, std::int64_t width, std::int64_t height,
                             int tokens) {
  std::int64_t state = 0;
  for (const Node& node : graph.nodes)
    if (node.round >= 0) state += state_bytes(node, graph.grid);
  if (state == 0) return 0;
  const auto blocks = [](std::int64_t cells, std::int64_t block) { return (cells + block - 1) / block; };
  const std::int64_t across = blocks(graph.grid.width, block_width), down = blocks(graph.grid.height, block_height);
  // A tile's blocks while it is in flight; it is not aligned with them where it is no whole number of them. Of those
  // before, every row of blocks leaves a few subtrees for each side at which tiles cut it; whole rows leave a few in
  // all.
  const auto spans = [&](std::int64_t cells, std::int64_t block, std::int64_t all) {
    return blocks(std::min(cells, all), block) + (cells < all && cells % block != 0 ? 1 : 0);
  };
  const std::int64_t flying =
      tokens * spans(width, block_width, graph.grid.width) * spans(height, block_height, graph.grid.height);
  std::int64_t depth = 1;
  while ((std::int64_t{1} << depth) < across * down) ++depth;
  const std::int64_t left = width >= graph.grid.width ? 2 * depth + across : 2 * depth * down;
  return state * (std::min(across * down, flying + left) + plan.threads);
}

struct Shape {
  std::int64_t width, height;
  int tokens;
};

std::int64_t bytes_of_tile(const Graph& graph, const Plan& plan, std::int64_t width, std::int64_t height) {
  const Window raster = graph.grid.window();
  const auto enlarged = [&](const Stage& stage, Halo margin) {
    return largest_window(graph, stage, margin, width, height);
  };
  std::int64_t bytes = 0;
  for (const SourceUse& use : plan.sources) {
    const auto& source = *graph.sources[static_cast<std::size_t>(use.source)];
    Window w;
    for (const Stage& stage : plan.stages)
      for (std::size_t k = 0; k < stage.nodes.size(); ++k)
        if (graph.nodes[static_cast<std::size_t>(stage.nodes[k])].source == use.source)
          w = hull(w, enlarged(stage, stage.margins[k]));
    // Whole rows of the file's blocks are decoded at once, so a tile may hold most of one more.
    w.height = std::min(raster.height, w.height + source.block().height);
    for (const int band : use.bands) {
      const auto& stored = source.bands()[static_cast<std::size_t>(band)];
      bytes += padded(w.cells() * static_cast<std::int64_t>(size_of(stored.dtype)));
      if (stored.has_mask) bytes += padded(w.cells());
    }
  }
  for (const Stage& stage : plan.stages) {
    const Window w = enlarged(stage, {});
    for (const Edge& e : stage.results) {
      const auto type = graph.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)].type;
      bytes += padded(w.cells() * static_cast<std::int64_t>(size_of(type)));
    }
  }
  return bytes + staging_bytes(graph, plan, width, height);
}

}  // namespace

Window largest_window(const Graph& graph, const Stage& stage, Halo margin, std::int64_t width, std::int64_t height) {
  const Window raster = graph.grid.window();
  width = std::min(width, raster.width), height = std::min(height, raster.height);
  // A stage in whole blocks computes up to a block more on each side, unless tiles are whole blocks themselves.
  const bool cut_x = width % block_width != 0 && width < raster.width,
             cut_y = height % block_height != 0 && height < raster.height;
  Halo h = stage.beyond + margin;
  if (stage.anchored && (cut_x || h.x > 0)) h.x += block_width;
  if (stage.anchored && (cut_y || h.y > 0)) h.y += block_height;
  return {0, 0, std::min(raster.width, width + 2 * h.x), std::min(raster.height, height + 2 * h.y)};
}

std::int64_t window_scratch_bytes(const fulmar_view& view, std::int64_t width) {
  const std::int64_t outer = width + 2 * view.outer_x, inner = width + 2 * view.inner_x;
  // Three sums of columns for each of the two boxes, three layers of results, each rounded up to a cache line.
  return (3 * outer + 3 * inner + 3 * window_rows * width) * 8 + 7 * 64;
}

std::int64_t rank_cells(const fulmar_view& view) {
  const auto box = [](std::int64_t x, std::int64_t y) { return (2 * x + 1) * (2 * y + 1); };
  const bool ring = (view.rank & FULMAR_RANK_RING) != 0;
  return box(view.outer_x, view.outer_y) - (ring ? box(view.inner_x, view.inner_y) : 0);
}

std::int64_t rank_scratch_bytes(const fulmar_view& view, std::int64_t width, std::int64_t height) {
  const std::int64_t results = padded(3 * window_rows * width * 8), wide = width + 2 * view.outer_x,
                     tall = height + 2 * view.outer_y;
  if (rank_cells(view) <= most_network_cells) {
    // The plane and a window's rows of it, rows rounded up to whole packs of 64; the packs themselves.
    const std::int64_t row = (wide + 2 * 64) * 4;
    return results + row * (tall + 2 * view.outer_y + 1) + most_network_cells * 64 * 4 + 3 * 64;
  }
  // Two words for each cell while they are sorted; a bit for each, and a count for each 512.
  const std::int64_t groups = (wide * tall >> 9) + 2;
  return results + 2 * padded(wide * tall * 8) + groups * 64 + padded(groups * 4);
}

std::int64_t rows_at_once(const Node& node, std::int64_t height) {
  if (std::any_of(node.views.begin(), node.views.end(), [](const fulmar_view& v) {
        return v.kind == FULMAR_VIEW_BOX || v.kind == FULMAR_VIEW_RING || v.kind == FULMAR_VIEW_RANKS;
      }))
    return std::min(window_rows, height);
  return node.stacks() ? 1 : height;
}

const char* name_of(Backend backend) {
  static constexpr const char* names[] = {"auto", "reference", "cpu", "cuda"};
  return names[static_cast<int>(backend)];
}

bool is_used(const Graph& graph, Edge edge) {
  for (const Node& node : graph.nodes)
    if (std::find(node.inputs.begin(), node.inputs.end(), edge) != node.inputs.end()) return true;
  return std::any_of(graph.products.begin(), graph.products.end(), [&](const Product& p) {
    return std::find(p.bands.begin(), p.bands.end(), edge) != p.bands.end();
  });
}

Window stage_window(const Stage& stage, const Window& tile, const Grid& grid) {
  const Window w = grid.there(grow(tile, stage.beyond));
  return stage.anchored ? grid.there(whole_blocks(w, block_width, block_height, grid.turn())) : w;
}

Window source_window(const Graph& graph, const Plan& plan, int source, const Window& tile) {
  Window needed;
  for (const Stage& stage : plan.stages)
    for (std::size_t k = 0; k < stage.nodes.size(); ++k)
      if (graph.nodes[static_cast<std::size_t>(stage.nodes[k])].source == source)
        needed = hull(needed, graph.grid.there(grow(stage_window(stage, tile, graph.grid), stage.margins[k])));
  return graph.grid.there(needed);
}

Window tile_window(const Graph& graph, const Plan& plan, std::int64_t column, std::int64_t row) {
  return intersect({column * plan.tile_width, row * plan.tile_height, plan.tile_width, plan.tile_height},
                   graph.grid.window());
}

namespace {

/// What stands out of the memory that is lacking.
std::string parts_of(const Graph& graph, const Budget& budget, std::int64_t states, std::int64_t features) {
  std::string words, counted;
  if (features > 0) words = fmt::format("; {} MiB of it for features", features / mebi);
  for (const Node& node : graph.nodes)
    if (node.round >= 0 && states >= mebi)
      counted += (counted.empty() ? fmt::format("; {} MiB of it for what is counted by ", states / mebi)
                                  : std::string{" and "}) +
                 node.op->name();
  words += counted;
  if (budget.held >= mebi)
    words += fmt::format("; {} MiB of it for shapes and their shares of cells", budget.held / mebi);
  return words;
}

/// What makes tiles large that cannot be made smaller: an operator that looks far around each cell.
std::string far_sighted(const Graph& graph, const std::vector<Stage>& stages) {
  constexpr std::int64_t far = 1024;
  const Node* furthest = nullptr;
  Halo most;
  for (const Stage& stage : stages)
    for (const int n : stage.nodes) {
      const Node& node = graph.nodes[static_cast<std::size_t>(n)];
      for (std::size_t i = 0; node.op != nullptr && i < node.inputs.size(); ++i)
        if (const Halo h = node.halo(i, graph.grid); std::max(h.x, h.y) > std::max({most.x, most.y, far}))
          furthest = &node, most = h;
    }
  if (furthest == nullptr) return {};
  return fmt::format("; {} looks {} x {} cells around each: a smaller window or search, or coarser cells, need less",
                     furthest->op->name(), 2 * most.x + 1, 2 * most.y + 1);
}

/// True if what is counted grows with a number of zones.
bool counts_zones(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.round >= 0 && std::any_of(node.values.begin(), node.values.end(),
                                          [](const ParamValue& v) { return v.name == "zones-count"; });
  });
}

Plan plan_for_encoders(const Graph& graph, const Budget& budget, int encoders) {
  Plan plan;
  plan.backend = budget.backend;
  if (plan.backend == Backend::cuda && budget.device_memory <= 0)
    fail(Errc::device, "no CUDA device is at hand; --backend cpu, or auto, runs everything on the processor");
  plan.threads = threads_of(budget);
  plan.stages = make_stages(
      graph, plan.backend == Backend::cuda ? place_nodes(graph) : std::vector<Side>(graph.nodes.size(), Side::host));
  shrink_blocks(graph, plan.stages);
  for (Stage& stage : plan.stages) stage.device = stage.device && why_on_host(graph, stage).empty();
  plan.sources = make_sources(graph, plan.stages);
  plan.held_bytes = budget.held;
  plan.process_bytes = process_bytes + std::max(0, plan.threads - 2) * thread_bytes + budget.held;
  plan.decoder_bytes = decoder_bytes(graph, plan);
  plan.encoders = encoders;
  plan.encoder_bytes = encoder_bytes(graph, encoders);
  const Window raster = graph.grid.window();
  if (raster.empty()) fail(Errc::input, "the scene has no cells");

  bool labels = !graph.tables.empty();
  for (const Stage& stage : plan.stages) {
    plan.scratch_bytes = std::max(plan.scratch_bytes, scratch_of(graph, stage));
    for (const int n : stage.nodes) labels |= graph.nodes[static_cast<std::size_t>(n)].labels();
  }
  const std::int64_t features = labels ? least_features : 0;

  const bool on_device = std::any_of(plan.stages.begin(), plan.stages.end(), [](const Stage& s) { return s.device; });
  if (!on_device && plan.backend == Backend::cuda) {
    plan.backend = Backend::cpu;
    plan.no_card = "nothing in it can work there: " + why_on_host(graph, plan.stages.front());
  }
  const auto fits_device = [&](const Shape& s) {
    return !on_device || lane_bytes(graph, plan, s.width, s.height) * s.tokens <= budget.device_memory;
  };
  const auto fits = [&](const Shape& s, std::int64_t cache) {
    return fits_device(s) && plan.process_bytes + plan.decoder_bytes + plan.encoder_bytes + cache + features +
                                     bytes_of_states(graph, plan, s.width, s.height, s.tokens) +
                                     bytes_of_tile(graph, plan, s.width, s.height) * s.tokens +
                                     plan.scratch_bytes * plan.threads <=
                                 budget.memory;
  };
  // Candidates from the best to the least: whole rows, tall enough to share among the threads; then fewer in flight;
  // then columns of tiles, at the price of decoding their margins twice.
  std::int64_t rows = 2 * block_height;
  for (const SourceUse& use : plan.sources) {
    const auto h = graph.sources[static_cast<std::size_t>(use.source)]->block().height;
    if (h > rows && h <= 2048) rows = ceil_to(h, block_height);
  }
  while (rows < 2048 && raster.width * rows < std::int64_t{4} << 20) rows *= 2;
  const int most = plan.threads > 2 || on_device ? 3 : 2;
  std::vector<Shape> shapes;
  if (budget.tile_width > 0 && budget.tile_height > 0) {
    for (int t = most; t >= 1; --t) shapes.push_back({budget.tile_width, budget.tile_height, t});
  } else {
    for (std::int64_t width = raster.width;;) {
      for (std::int64_t height = rows; height >= block_height;
           height = height > block_height ? floor_to(height / 2, block_height) : 0)
        // Alone in flight, a tile cannot take over what it shares with the one above and decodes it again: the last
        // resort.
        for (int t = most; t >= (height > block_height || width > block_width ? 2 : 1); --t)
          shapes.push_back({width, height, t});
      if (width <= block_width) break;
      width = std::max(block_width, ceil_to(width / 2, block_width));
      if (width >= raster.width) break;
    }
  }
  // A tall stack may not fit in tiles of whole blocks: then a few rows of the file, whole if they can be.
  if (budget.tile_width <= 0 && tiles_may_be_small(plan.stages)) {
    std::int64_t column = 16;
    for (const SourceUse& use : plan.sources)
      column = std::max(column, graph.sources[static_cast<std::size_t>(use.source)]->block().width);
    for (std::int64_t width = raster.width;; width = ceil_to(width / 2, column)) {
      for (std::int64_t height = block_height / 2; height >= 1; height /= 2)
        for (int t = most; t >= (height > 1 || width > column ? 2 : 1); --t) shapes.push_back({width, height, t});
      if (width <= column) break;
    }
  }
  const auto choose = [&](std::int64_t cache) {
    plan.cache_bytes = cache;
    return std::find_if(shapes.begin(), shapes.end(), [&](const Shape& s) { return fits(s, cache); });
  };
  auto chosen = choose(std::clamp(budget.memory / 8, 16 * mebi, 64 * mebi));
  if (chosen == shapes.end()) chosen = choose(16 * mebi);
  if (chosen == shapes.end()) {
    const Shape& smallest = shapes.back();
    if (!fits_device(smallest))
      fail(Errc::device,
           fmt::format("{} MiB of device memory do not suffice: the smallest tile, {} x {} cells, needs {} MiB; "
                       "--backend cpu runs everything on the processor",
                       budget.device_memory / mebi, smallest.width, smallest.height,
                       (lane_bytes(graph, plan, smallest.width, smallest.height) + mebi - 1) / mebi));
    const auto states_of = [&](const Shape& x) { return bytes_of_states(graph, plan, x.width, x.height, x.tokens); };
    const auto tiles_of = [&](const Shape& x) { return bytes_of_tile(graph, plan, x.width, x.height) * x.tokens; };
    // Whole rows leave fewer states than columns of tiles do.
    const Shape& least = states_of(smallest) < mebi
                             ? smallest
                             : *std::min_element(shapes.begin(), shapes.end(), [&](const Shape& x, const Shape& y) {
                                 return states_of(x) + tiles_of(x) < states_of(y) + tiles_of(y);
                               });
    const std::int64_t states = states_of(least);
    const std::int64_t needed = plan.process_bytes + plan.decoder_bytes + plan.encoder_bytes + plan.cache_bytes +
                                features + states + tiles_of(least) + plan.scratch_bytes * plan.threads;
    fail(Errc::usage,
         fmt::format("{} MiB of memory do not suffice: the smallest tile, {} x {} cells, needs {} MiB in all with "
                     "{} thread{}{}; raise --memory or lower --threads{}{}",
                     budget.memory / mebi, least.width, least.height, (needed + mebi - 1) / mebi, plan.threads,
                     plan.threads == 1 ? "" : "s", parts_of(graph, budget, states, features),
                     counts_zones(graph) ? "; fewer zones, percentiles or categories need less" : "",
                     far_sighted(graph, plan.stages)));
  }
  plan.tile_width = std::min(chosen->width, raster.width);
  plan.tile_height = std::min(chosen->height, raster.height);
  const std::int64_t columns = (raster.width + plan.tile_width - 1) / plan.tile_width;
  const std::int64_t lines = (raster.height + plan.tile_height - 1) / plan.tile_height;
  plan.tiles = columns * lines;
  plan.tokens = static_cast<int>(std::min<std::int64_t>(chosen->tokens, std::max<std::int64_t>(1, plan.tiles)));
  plan.tile_bytes = bytes_of_tile(graph, plan, plan.tile_width, plan.tile_height);
  plan.lane_bytes = on_device ? lane_bytes(graph, plan, plan.tile_width, plan.tile_height) : 0;
  plan.card_bytes = plan.lane_bytes * plan.tokens;
  plan.reduce_bytes = bytes_of_states(graph, plan, plan.tile_width, plan.tile_height, plan.tokens);
  plan.buffer_bytes = plan.tile_bytes * plan.tokens + plan.scratch_bytes * plan.threads + plan.reduce_bytes;
  plan.peak_bytes = plan.process_bytes + plan.decoder_bytes + plan.encoder_bytes + plan.cache_bytes + plan.buffer_bytes;
  plan.feature_bytes = std::max<std::int64_t>(features, labels ? budget.memory - plan.peak_bytes : 0);

  std::int64_t decoded = 0, there = 0;
  for (const SourceUse& use : plan.sources) {
    const auto& source = *graph.sources[static_cast<std::size_t>(use.source)];
    if (source.temporary()) continue;
    std::int64_t cell = 0;
    for (const int band : use.bands)
      cell += static_cast<std::int64_t>(size_of(source.bands()[static_cast<std::size_t>(band)].dtype));
    std::int64_t width = 0, height = 0;  // of all columns and rows of tiles, with their margins
    for (std::int64_t c = 0; c < columns; ++c)
      width += source_window(graph, plan, use.source, tile_window(graph, plan, c, 0)).width;
    if (plan.tokens > 1) {
      height = raster.height;  // what a tile shares with the one above is copied
    } else {
      const std::int64_t block = std::max<std::int64_t>(1, source.block().height);
      for (std::int64_t l = 0; l < lines; ++l) {
        const Window w = source_window(graph, plan, use.source, tile_window(graph, plan, 0, l));
        height += std::min(raster.height, ceil_to(w.bottom(), block)) - w.y;
      }
    }
    decoded += width * height * cell;
    there += raster.cells() * cell;
  }
  plan.bytes_read = decoded;
  plan.decoded_times = there > 0 ? static_cast<double>(decoded) / static_cast<double>(there) : 1;
  for (const Product& p : graph.products)
    if (p.kind == ProductKind::raster && p.temporary < 0)
      for (const Edge& e : p.bands)
        plan.bytes_written +=
            raster.cells() *
            static_cast<std::int64_t>(size_of(
                graph.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)].type));
  return plan;
}

/// As many threads encode as a third of the memory holds the blocks of; fewer where no tile fits beside them.
Plan plan_pass_on(const Graph& graph, const Budget& budget) {
  int encoders = threads_of(budget);
  while (encoders > 1 && encoder_bytes(graph, encoders) > budget.memory / 3) --encoders;
  for (;; encoders /= 2) try {
      return plan_for_encoders(graph, budget, encoders);
    } catch (const Error& e) {
      if (e.code() != Errc::usage || encoders < 2) throw;
    }
}

/// What the companions of a graph keep.
std::int64_t bytes_held(const Graph& graph) {
  std::set<const RasterSource*> counted;
  std::int64_t bytes = 0;
  for (const auto& source : graph.sources)
    if (counted.insert(source.get()).second) bytes += source->held_bytes();
  return bytes;
}

/// Where the user leaves the choice, a card is taken if it suffices.
Plan plan_pass(const Graph& graph, Budget budget) {
  if (budget.backend != Backend::automatic) return plan_pass_on(graph, budget);
  std::string trouble;
  if (budget.device_memory > 0) try {
      budget.backend = Backend::cuda;
      return plan_pass_on(graph, budget);
    } catch (const Error& e) {
      if (e.code() != Errc::device) throw;
      trouble = e.message();
    }
  budget.backend = Backend::cpu;
  Plan plan = plan_pass_on(graph, budget);
  plan.no_card = trouble;
  return plan;
}

/// Bytes of every band that any pass reads, each counted once.
std::int64_t bytes_there(const std::vector<Pass>& passes) {
  std::set<std::pair<const RasterSource*, int>> bands;
  std::int64_t bytes = 0;
  for (const Pass& pass : passes)
    for (const SourceUse& use : pass.plan.sources) {
      const auto& source = *pass.graph.sources[static_cast<std::size_t>(use.source)];
      for (const int band : use.bands)
        if (!source.temporary() && bands.insert({&source, band}).second)
          bytes += source.grid().window().cells() *
                   static_cast<std::int64_t>(size_of(source.bands()[static_cast<std::size_t>(band)].dtype));
    }
  return bytes;
}

/// A graph of tables alone has no pass.
Plan plan_tables(const Budget& budget) {
  Plan plan;
  plan.backend = budget.backend == Backend::reference ? Backend::reference : Backend::cpu;
  plan.threads = threads_of(budget);
  plan.process_bytes = process_bytes;
  plan.cache_bytes = 16 * mebi;
  plan.peak_bytes = plan.process_bytes + plan.cache_bytes;
  plan.feature_bytes = budget.memory - plan.peak_bytes;
  if (plan.feature_bytes < 16 * mebi)
    fail(Errc::usage, fmt::format("{} MiB of memory do not suffice for tables: raise --memory to {} MiB at least",
                                  budget.memory / mebi, plan.peak_bytes / mebi + 16));
  return plan;
}

}  // namespace

std::int64_t state_bytes(const Node& node, const Grid& grid) {
  const auto inputs =
      std::count_if(node.inputs.begin(), node.inputs.end(), [](const Edge& e) { return e.connected(); });
  const fulmar_round round{sizeof(fulmar_round),
                           static_cast<std::uint32_t>(node.round),
                           static_cast<std::uint32_t>(inputs),
                           0,
                           nullptr,
                           0,
                           grid.width,
                           grid.height};
  const std::uint64_t bytes = node.op->guard([&] { return node.op->table().state_bytes(node.params.data(), &round); });
  if (bytes > std::uint64_t{1} << 40)
    fail(Errc::usage, fmt::format("operator {} of plugin {} asks for a state of {} bytes: its plugin is broken",
                                  node.op->name(), node.op->plugin(), bytes));
  return padded(static_cast<std::int64_t>(bytes));
}

std::int64_t rows_of_strip(std::int64_t width, std::int64_t height) {
  return std::clamp<std::int64_t>((std::int64_t{1} << 18) / std::max<std::int64_t>(1, width), 1,
                                  std::max<std::int64_t>(1, height));
}

std::int64_t bytes_of_whole(const Graph& graph, const WholeStep& step) {
  const std::int64_t cells = graph.grid_of(step.node.grid).window().cells();
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < step.node.inputs.size(); ++i)
    if (step.node.inputs[i].connected())
      bytes += padded(cells * static_cast<std::int64_t>(size_of(step.node.op->inputs()[i].type)));
  for (const Band& b : step.node.outputs) bytes += padded(cells * static_cast<std::int64_t>(size_of(b.type)));
  // One band at a time is read: stored, its mask, and flags on their way.
  const Window raster = graph.grid_of(step.node.grid).window();
  bytes += rows_of_strip(raster.width, raster.height) * raster.width * (8 + 1 + 4);
  const auto beside = step.node.op->table().whole_bytes;
  if (beside != nullptr)
    bytes += static_cast<std::int64_t>(
        step.node.op->guard([&] { return beside(step.node.params.data(), static_cast<std::uint64_t>(cells)); }));
  return bytes;
}

namespace {

/// The cells of a grid that lie under another, where both are upright in one CRS; all of them where they are not.
Window under(const Grid& target, const Grid& source) {
  if (!target.affine || !source.affine || target.crs != source.crs) return source.window();
  const auto &t = *target.affine, &s = *source.affine;
  if (t[2] != 0 || t[4] != 0 || s[2] != 0 || s[4] != 0 || s[1] == 0 || s[5] == 0) return source.window();
  const auto cells = [](double a, double b) {
    const double low = std::floor(std::min(a, b)), high = std::ceil(std::max(a, b));
    constexpr double most = 1e15;
    return std::pair{static_cast<std::int64_t>(std::clamp(low, -most, most)),
                     static_cast<std::int64_t>(std::clamp(high, -most, most))};
  };
  const auto [left, right] =
      cells((t[0] - s[0]) / s[1], (t[0] + static_cast<double>(target.width) * t[1] - s[0]) / s[1]);
  const auto [top, bottom] =
      cells((t[3] - s[3]) / s[5], (t[3] + static_cast<double>(target.height) * t[5] - s[3]) / s[5]);
  return intersect({left, top, right - left, bottom - top}, source.window());
}

/// What warped sources may decode of the files that they stand for.
std::int64_t bytes_of_warps(const Graph& graph) {
  std::int64_t bytes = 0;
  for (const Warped& w : graph.warps) {
    const Grid& target = graph.sources[static_cast<std::size_t>(w.source)]->grid();
    const auto bands = std::count_if(graph.nodes.begin(), graph.nodes.end(),
                                     [&](const Node& n) { return n.op == nullptr && n.source == w.source; });
    for (const int from : w.from) {
      const auto& source = *graph.sources[static_cast<std::size_t>(from)];
      if (source.computed() || source.temporary() || source.bands().empty()) continue;
      bytes +=
          under(target, source.grid()).cells() * static_cast<std::int64_t>(size_of(source.bands()[0].dtype)) * bands;
    }
  }
  return bytes;
}

Plan plan_graph(const Graph& graph, const Budget& budget);

}  // namespace

Plan make_plan(const Graph& graph, const Budget& given) {
  if (graph.nodes.empty()) return plan_tables(given);
  Budget budget = given;
  budget.held = bytes_held(graph);
  Plan plan = [&] {
    if (budget.threads > 0) return plan_graph(graph, budget);
    // Nobody asked for all threads of a machine: fewer, where the memory does not suffice for them.
    for (budget.threads = threads_of(budget);; budget.threads /= 2) try {
        return plan_graph(graph, budget);
      } catch (const Error& e) {
        if (e.code() != Errc::usage || budget.threads < 2) throw;
      }
  }();
  plan.bytes_warped = bytes_of_warps(graph);
  return plan;
}

namespace {

/// Plans a pass; one that would reduce for more nodes than memory holds becomes several, which read in turns.
void plan_portions(const Graph& whole, Pass pass, std::vector<Pass>& passes) {
  try {
    pass.plan = plan_pass(pass.graph, pass.budget);
  } catch (const Error& e) {
    auto halves = e.code() == Errc::usage ? halves_of(whole, pass.graph) : std::vector<PassGraph>{};
    if (halves.empty()) throw;
    for (std::size_t i = 0; i < halves.size(); ++i) {
      Pass half;
      if (i == 0) half.wholes = pass.wholes, half.whole_bytes = pass.whole_bytes;
      half.graph = std::move(halves[i].graph);
      half.budget = pass.budget;
      plan_portions(whole, std::move(half), passes);
    }
    return;
  }
  passes.push_back(std::move(pass));
}

Plan plan_graph(const Graph& graph, const Budget& budget) {
  const bool plain = graph.temporaries.empty() && graph.wholes.empty() && graph.others.empty() &&
                     graph.drawings.empty() &&
                     std::none_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) { return n.reduces(); });
  if (plain) return plan_pass(graph, budget);
  std::vector<Pass> passes;
  std::int64_t most_whole = 0;
  for (PassGraph& each : passes_of(graph)) {
    Pass pass;
    pass.wholes = std::move(each.wholes);
    pass.graph = std::move(each.graph);
    for (const int w : pass.wholes) {
      const WholeStep& step = graph.wholes[static_cast<std::size_t>(w)];
      const Window raster = graph.grid_of(step.node.grid).window();
      const std::int64_t needed = process_bytes + budget.held + 16 * mebi + bytes_of_whole(graph, step);
      if (needed > budget.memory)
        fail(Errc::usage, fmt::format("{} works on the whole raster at once, and {} x {} cells need {} MiB of memory "
                                      "where --memory allows {} MiB: raise it, or cut the raster first",
                                      step.node.op->name(), raster.width, raster.height, (needed + mebi - 1) / mebi,
                                      budget.memory / mebi));
      pass.whole_bytes = std::max(pass.whole_bytes, needed);
    }
    most_whole = std::max(most_whole, pass.whole_bytes);
    pass.budget = budget;
    plan_portions(graph, std::move(pass), passes);
  }
  // Objects found in one pass are kept while the later ones run: they get what those leave.
  std::int64_t later = 0, labelling = 0;
  for (const Pass& pass : passes) labelling += pass.plan.feature_bytes > 0 ? 1 : 0;
  for (auto pass = passes.rbegin(); pass != passes.rend(); ++pass) {
    if (pass->plan.feature_bytes > 0)
      pass->plan.feature_bytes =
          std::max(16 * mebi, std::min(pass->plan.feature_bytes, budget.memory - later) / labelling);
    later = std::max({later, pass->plan.peak_bytes, pass->whole_bytes});
  }
  const auto heaviest = std::max_element(passes.begin(), passes.end(), [](const Pass& a, const Pass& b) {
    return a.plan.peak_bytes + a.plan.feature_bytes < b.plan.peak_bytes + b.plan.feature_bytes;
  });
  Plan plan = heaviest->plan;
  for (const Pass& pass : passes) {
    if (pass.plan.backend == Backend::cuda) plan.backend = Backend::cuda;
    if (!pass.plan.no_card.empty()) plan.no_card = pass.plan.no_card;
    plan.card_bytes = std::max(plan.card_bytes, pass.plan.card_bytes);
    plan.encoders = std::min(plan.encoders, pass.plan.encoders);
  }
  plan.bytes_read = plan.bytes_written = 0;
  for (const Pass& pass : passes) {
    plan.bytes_read += pass.plan.bytes_read;
    plan.bytes_written += pass.plan.bytes_written;
    for (const int w : pass.wholes)
      for (const Edge& e : graph.wholes[static_cast<std::size_t>(w)].node.inputs) {
        if (!e.connected()) continue;
        const auto& source = *graph.sources[static_cast<std::size_t>(graph.node_of(e).source)];
        if (!source.temporary() && !source.computed())
          plan.bytes_read +=
              source.grid().window().cells() *
              static_cast<std::int64_t>(size_of(source.bands()[static_cast<std::size_t>(graph.node_of(e).band)].dtype));
      }
  }
  if (most_whole > plan.peak_bytes) {
    plan.buffer_bytes += most_whole - plan.peak_bytes;
    plan.peak_bytes = most_whole;
    plan.feature_bytes = std::max<std::int64_t>(0, std::min(plan.feature_bytes, budget.memory - most_whole));
  }
  const std::int64_t there = bytes_there(passes);
  plan.decoded_times = there > 0 ? static_cast<double>(plan.bytes_read) / static_cast<double>(there) : 1;
  plan.passes = std::move(passes);
  return plan;
}

}  // namespace

Plan plan_again(const Graph& whole, const Graph& drawn, const Pass& pass, std::int64_t table_bytes) {
  Plan plan = pass.plan;
  Budget budget = pass.budget;
  // A plan sets some room aside for tables.
  budget.held = bytes_held(whole) + std::max<std::int64_t>(0, table_bytes - least_features);
  const std::int64_t states = bytes_of_states(drawn, plan, plan.tile_width, plan.tile_height, plan.tokens);
  const std::int64_t more = states - plan.reduce_bytes + budget.held - plan.held_bytes;
  if (plan.peak_bytes + more + (plan.feature_bytes > 0 ? least_features : 0) > budget.memory) {
    plan = plan_pass(drawn, budget);
    plan.feature_bytes = std::min(plan.feature_bytes, pass.plan.feature_bytes);
    return plan;
  }
  plan.peak_bytes += more;
  plan.process_bytes += budget.held - plan.held_bytes;
  plan.held_bytes = budget.held;
  plan.buffer_bytes += states - plan.reduce_bytes;
  plan.reduce_bytes = states;
  return plan;
}

}  // namespace fulmar
