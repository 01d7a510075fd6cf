// SPDX-License-Identifier: Apache-2.0
#include "plan/device_plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <utility>

#include "core/device_warp.hpp"
#include "core/found_runs.hpp"
#include "plan/warp.hpp"

namespace fulmar {
namespace {

std::int64_t padded(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }
std::int64_t bytes_of(const Window& window, DType type) {
  return padded(window.cells() * static_cast<std::int64_t>(size_of(type)));
}
std::int64_t blocks_in(const Window& own) {
  const Window all = whole_blocks(own, block_width, block_height);
  return all.cells() / (block_width * block_height);
}
std::int64_t room_of(const Window& window, DType type) {
  return room_on_card(window.cells() * static_cast<std::int64_t>(size_of(type)));
}
const Band& band_of(const Graph& graph, Edge e) { return graph.node_of(e).outputs[static_cast<std::size_t>(e.output)]; }

/// Source cells that a card holds for a tile at least, where it needs as many.
constexpr std::int64_t least_held = std::int64_t{1} << 20;

/// Source cells under a window of a warped source, by the steps from cell to cell that samples found.
double cells_under(const RasterSource& source, std::int64_t width, std::int64_t height) {
  const WarpParts& warped = *warped_of(source);
  const WarpSteps& s = steps_of(source);
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  const auto along = [&](double by_column, double by_row) {
    const double reach = reach_of(warped.method, std::max(by_column, by_row));
    return 1.1 * (w * by_column + h * by_row) + 2 * reach + 8;
  };
  double columns = along(s.columns_along, s.columns_down), rows = along(s.rows_along, s.rows_down);
  double widest = 0, tallest = 0;
  for (const WarpInput& input : warped.inputs) {
    const Grid& grid = input.source->grid();
    const double beyond = grid.wraps ? 2 * reach_of(warped.method, std::max(s.columns_along, s.columns_down)) + 8 : 0;
    widest = std::max(widest, static_cast<double>(grid.width) + beyond);
    tallest = std::max(tallest, static_cast<double>(grid.height));
  }
  return std::min(columns, widest) * std::min(rows, tallest);
}

/// What no card has, and what can be multiplied by a few tiles.
constexpr std::int64_t beyond_any_card = std::int64_t{1} << 55;

/// What finding the objects of a tile takes of a lane.
std::int64_t bytes_to_find(const Node& node, std::int64_t width, std::int64_t height) {
  if (!can_be_found(width, height)) return beyond_any_card;
  const FindingRoom room = finding_room(width, height);
  return room_on_card(room.bits) + room_on_card(room.counts) + room_on_card(room.adding) +
         room_on_card(most_found_bytes(width, height, found_values(node)));
}

/// Bytes of the sums of a window around a cell, where a step looks at them.
constexpr std::int64_t kept_sums = 3 * 8;

/// What one node takes of a lane for a window.
std::int64_t bytes_of_node(const Graph& graph, const Stage& stage, const Node& node, const Window& own) {
  std::int64_t bytes = 0;
  for (const Band& b : node.outputs) bytes += room_of(own, node.labels() ? DType::u8 : b.type);
  if (node.op == nullptr) return bytes;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Edge& e = node.inputs[i];
    if (!e.connected()) continue;
    const Window wide = grow(own, node.halo(i, graph.grid));
    // A copy with a border of what an earlier stage kept, and one in another type.
    if (!std::binary_search(stage.nodes.begin(), stage.nodes.end(), e.node))
      bytes += room_of(wide, band_of(graph, e).type);
    if (band_of(graph, e).type != node.port(i).type) bytes += room_of(wide, node.port(i).type);
  }
  for (const fulmar_view& v : node.views) {
    if (v.kind == FULMAR_VIEW_WITHIN) {
      const Halo reach = node.halo(node.input_of(v.input), graph.grid);
      bytes += room_on_card((own.height + 2 * reach.y) * own.width * 2) + room_of(own, DType::u8);
    }
    if (v.kind == FULMAR_VIEW_BOX && node.round >= 0) bytes += room_on_card(kept_sums * own.cells());
    if (v.kind == FULMAR_VIEW_SERIES)
      bytes += room_on_card(slab_rows(node, own) * own.width * static_cast<std::int64_t>(node.bands) * 4);
  }
  return bytes +
         room_on_card(node.round >= 0 ? state_room(graph, node, own).bytes() : device_scratch(graph, node, own));
}

}  // namespace

std::string why_on_host(const Graph& graph, const Node& node) {
  const fulmar_operator& table = node.op->table();
  if (node.round >= 0) {
    constexpr std::size_t member = offsetof(fulmar_operator, step_cuda) + sizeof(fulmar_operator::step_cuda);
    if (!node.op->has(member) || table.step_cuda == nullptr) return node.op->name() + " reduces on the host alone";
    if (state_bytes(node, graph.grid) > most_state)
      return "the states of " + node.op->name() + " are too large for a card";
    if (std::any_of(node.views.begin(), node.views.end(),
                    [](const fulmar_view& v) { return v.kind == FULMAR_VIEW_BOX && v.outer_x > most_summed; }))
      return "the windows of " + node.op->name() + " are too wide for a card";
  } else if (table.run_cuda == nullptr) {
    return node.op->name() + " has no device twin";
  }
  std::size_t planes = 0;
  for (const fulmar_view& v : node.views) planes += v.kind == FULMAR_VIEW_BANDS ? node.bands : 1;
  if (planes > most_device_inputs || node.outputs.size() > most_device_outputs)
    return node.op->name() + " has more bands than a kernel takes";
  return "";
}

std::int64_t WarpRoom::square_bytes() const {
  return surfaces ? 8 * (squares + surface_numbers * squares + 2 * square_side * square_side * dense) : 0;
}
std::int64_t WarpRoom::need_bytes() const { return squares * static_cast<std::int64_t>(sizeof(SquareNeed)); }
std::int64_t WarpRoom::bytes() const {
  return room_on_card(square_bytes()) + room_on_card(need_bytes()) + room_on_card(cells * cell_size) +
         (masks ? room_on_card(cells) : 0) + room_on_card(4 * cells);
}
std::int64_t WarpRoom::staged_bytes() const {
  // A square that the host makes goes the same way.
  const std::int64_t each =
      std::max(padded(cells * cell_size) + (masks ? padded(cells) : 0), 4 * square_side * square_side);
  return std::min<std::int64_t>(bands, 4) * each;
}

WarpRoom warp_room(const Graph& graph, const Plan& plan, int source, std::int64_t width, std::int64_t height) {
  WarpRoom room;
  const RasterSource& raster = *graph.sources[static_cast<std::size_t>(source)];
  Window w;
  for (const Stage& stage : plan.stages)
    for (std::size_t k = 0; k < stage.nodes.size(); ++k)
      if (stage.device && graph.nodes[static_cast<std::size_t>(stage.nodes[k])].source == source) {
        w = hull(w, largest_window(graph, stage, stage.margins[k], width, height));
        ++room.bands;
      }
  if (w.empty() || !warps_on_card(raster)) return {};
  // A window and the cells around it, wherever they begin.
  const auto along = [](std::int64_t cells) { return (cells + 2 + 2 * (square_side - 1)) / square_side; };
  room.squares = along(w.width) * along(w.height);
  // A square alone, with those around it, has room for all their places.
  room.dense = std::max<std::int64_t>(9, room.squares / 8);
  const double most = static_cast<double>(std::max(least_held, 2 * w.cells()));
  room.cells = static_cast<std::int64_t>(std::clamp(cells_under(raster, w.width, w.height), 4096.0, most));
  for (const WarpInput& input : warped_of(raster)->inputs) {
    room.surfaces |= input.transformer->affine() == nullptr;
    for (const StoredBand& band : input.source->bands()) {
      room.cell_size = std::max(room.cell_size, static_cast<std::int64_t>(size_of(band.dtype)));
      room.masks |= band.has_mask;
    }
  }
  return room;
}

std::string why_warped_on_host(const RasterSource& source) {
  const WarpParts* warped = warped_of(source);
  if (warped == nullptr) return "it is none";
  if (std::any_of(warped->inputs.begin(), warped->inputs.end(),
                  [](const WarpInput& input) { return input.source->computed(); }))
    return "it is made of what is computed";
  if (cells_under(source, square_side, square_side) > static_cast<double>(least_held))
    return "its cells cover so many of the source that fewer bytes cross when they are made";
  return "";
}

bool warps_on_card(const RasterSource& source) {
  return warped_of(source) != nullptr && why_warped_on_host(source).empty();
}

double bytes_under_cell(const RasterSource& source) {
  const WarpSteps& s = steps_of(source);
  std::size_t bytes = 0;
  for (const WarpInput& input : warped_of(source)->inputs)
    for (const StoredBand& band : input.source->bands())
      bytes = std::max(bytes, size_of(band.dtype) + (band.has_mask ? 1 : 0));
  // Windows go up, of which those under a tile that is as high as wide are upright.
  return (s.columns_along + s.columns_down) * (s.rows_along + s.rows_down) * static_cast<double>(bytes);
}

std::string why_on_host(const Graph& graph, const Stage& stage) {
  bool works = false;
  for (const int n : stage.nodes) {
    const Node& node = graph.nodes[static_cast<std::size_t>(n)];
    if (node.source >= 0) works |= warps_on_card(*graph.sources[static_cast<std::size_t>(node.source)]);
    if (node.op == nullptr) continue;
    works = true;
    if (std::string why = why_on_host(graph, node); !why.empty()) return why;
    // Beyond the seam, blocks are not in the order in which steps on a card go through them.
    if (node.round >= 0 && graph.grid.wraps && stage.beyond.x > 0)
      return node.op->name() + " reduces a raster that goes round the earth";
  }
  if (!works) return "nothing is computed";
  return stage.device ? "" : "fewer bytes cross so";
}

bool merges_on_card(const Node& node) {
  constexpr std::size_t member = offsetof(fulmar_operator, merge_cuda) + sizeof(fulmar_operator::merge_cuda);
  return node.op->has(member) && node.op->table().merge_cuda != nullptr;
}

std::int64_t summary_room(const Node& node, const Grid& grid) {
  constexpr std::int64_t least = std::int64_t{1} << 20, most = std::int64_t{1} << 24;
  Node before = node;
  before.round = (node.round >= 0 ? node.round : static_cast<int>(node.op->table().rounds(node.params.data()))) - 1;
  // What a round hands on is about as much as a state of it, by every operator so far.
  return before.round < 0 ? 0 : std::clamp(2 * state_bytes(before, grid), least, most);
}

StateRoom state_room(const Graph& graph, const Node& node, const Window& own) {
  StateRoom room;
  const std::int64_t blocks = blocks_in(own);
  room.fresh = state_bytes(node, graph.grid);
  room.states = blocks * room.fresh;
  if (!merges_on_card(node)) return room;
  // Fewer pairs than blocks, two places a pair; a place for each that is left.
  room.lists = padded(3 * blocks * static_cast<std::int64_t>(sizeof(std::uint32_t)));
  room.packed = room.states;
  return room;
}

bool needed_on_host(const Graph& graph, const Plan& plan, Edge edge) {
  if (std::any_of(graph.products.begin(), graph.products.end(),
                  [&](const Product& p) { return std::find(p.bands.begin(), p.bands.end(), edge) != p.bands.end(); }))
    return true;
  for (const Stage& stage : plan.stages)
    if (!stage.device)
      for (const int n : stage.nodes) {
        const auto& inputs = graph.nodes[static_cast<std::size_t>(n)].inputs;
        if (std::find(inputs.begin(), inputs.end(), edge) != inputs.end()) return true;
      }
  return false;
}

std::int64_t rows_beyond(const Plan& plan) {
  std::int64_t rows = 0;
  for (const Stage& stage : plan.stages)
    for (const Halo& margin : stage.margins) rows = std::max(rows, margin.y);
  return rows;
}

std::int64_t slab_rows(const Node& node, const Window& own) {
  if (!node.stacks()) return std::max<std::int64_t>(1, own.height);
  const std::int64_t row = own.width * static_cast<std::int64_t>(node.bands) * 4;
  return std::clamp<std::int64_t>(slab_bytes / std::max<std::int64_t>(1, row), 1,
                                  std::max<std::int64_t>(1, own.height));
}

fulmar_call shape_of_call(const Node& node, const Window& rows, std::vector<fulmar_plane>& planes,
                          std::vector<fulmar_plane>& outputs) {
  fulmar_plane p{};
  p.x = rows.x, p.y = rows.y, p.width = rows.width, p.height = rows.height;
  planes.clear();
  for (const fulmar_view& v : node.views) {
    p.layer = v.kind == FULMAR_VIEW_SERIES ? static_cast<std::int64_t>(node.bands) : 0;
    planes.insert(planes.end(), v.kind == FULMAR_VIEW_BANDS ? node.bands : 1, p);
  }
  p.layer = 0;
  outputs.assign(std::max<std::size_t>(1, node.outputs.size()), p);
  fulmar_call call{};
  call.size = sizeof call;
  call.inputs = static_cast<std::uint32_t>(planes.size());
  call.outputs = static_cast<std::uint32_t>(node.outputs.size());
  call.input = planes.data();
  call.output = outputs.data();
  call.dates = node.times.size();
  call.views = node.views.data();
  return call;
}

std::int64_t device_scratch(const Graph& graph, const Node& node, const Window& own) {
  if (node.round >= 0) return blocks_in(own) * state_bytes(node, graph.grid);
  constexpr std::size_t member = offsetof(fulmar_operator, cuda_scratch) + sizeof(fulmar_operator::cuda_scratch);
  if (!node.op->has(member) || node.op->table().cuda_scratch == nullptr) return 0;
  std::vector<fulmar_plane> planes, outputs;
  const fulmar_call call = shape_of_call(node, {own.x, own.y, own.width, slab_rows(node, own)}, planes, outputs);
  return static_cast<std::int64_t>(
      node.op->guard([&] { return node.op->table().cuda_scratch(node.params.data(), &call); }));
}

std::int64_t least_bytes(const Graph& graph, int node, const Window& own) {
  const Node& n = graph.nodes[static_cast<std::size_t>(node)];
  std::int64_t each = 0;
  std::set<std::pair<std::size_t, bool>> planes;  // what is near a set cell is a plane of its own
  for (const fulmar_view& v : n.views)
    if (v.kind == FULMAR_VIEW_BANDS || v.kind == FULMAR_VIEW_SERIES)
      each += 4 * static_cast<std::int64_t>(n.bands);
    else if (const std::size_t i = n.input_of(v.input); planes.emplace(i, v.kind == FULMAR_VIEW_WITHIN).second)
      each += v.kind == FULMAR_VIEW_WITHIN ? 1 : static_cast<std::int64_t>(size_of(n.port(i).type));
  if (n.round >= 0)
    for (const fulmar_view& v : n.views) each += v.kind == FULMAR_VIEW_BOX ? 2 * kept_sums : 0;
  for (std::size_t k = 0; k < n.outputs.size(); ++k)
    if (k == 0 || n.op->all_flow() || is_used(graph, {node, static_cast<int>(k)}))
      each += n.labels() ? 1 : static_cast<std::int64_t>(size_of(n.outputs[k].type));
  std::int64_t fixed = 8 * static_cast<std::int64_t>(n.table.size() + n.times.size());
  if (n.round >= 0) fixed += 2 * device_scratch(graph, n, own);
  return each * own.cells() + fixed;
}

int found_values(const Node& node) {
  int values = 0;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (const std::string& name = node.port(i).name; name == "intensity" || name == "background")
      values += node.inputs[i].connected() ? 1 : 0;
  return values;
}

std::int64_t constant_bytes(const Graph& graph, const Plan& plan) {
  std::int64_t bytes = room_on_card(2 * (graph.grid.height + 2 * rows_beyond(plan)) * 8);
  for (const Stage& stage : plan.stages)
    for (const int n : stage.nodes) {
      const Node& node = graph.nodes[static_cast<std::size_t>(n)];
      if (!stage.device || node.op == nullptr) continue;
      if (node.reduces()) bytes += room_on_card(summary_room(node, graph.grid));
      if (!node.reduces() || node.round >= 0) bytes += room_on_card(static_cast<std::int64_t>(node.table.size()) * 8);
      bytes += room_on_card(static_cast<std::int64_t>(node.times.size()) * 8);
    }
  return bytes;
}

std::int64_t lane_bytes(const Graph& graph, const Plan& plan, std::int64_t width, std::int64_t height) {
  const Window raster = graph.grid.window();
  std::int64_t bytes = constant_bytes(graph, plan);
  for (const SourceUse& use : plan.sources) {
    const auto& source = *graph.sources[static_cast<std::size_t>(use.source)];
    Window w;
    for (const Stage& stage : plan.stages)
      for (std::size_t k = 0; k < stage.nodes.size(); ++k)
        if (stage.device && graph.nodes[static_cast<std::size_t>(stage.nodes[k])].source == use.source)
          w = hull(w, largest_window(graph, stage, stage.margins[k], width, height));
    for (const int band : use.bands) {
      const auto& stored = source.bands()[static_cast<std::size_t>(band)];
      bytes += room_of(w, stored.dtype) + (stored.has_mask ? room_on_card(w.cells()) : 0);
    }
  }
  for (std::size_t s = 0; s < graph.sources.size(); ++s)
    bytes += warp_room(graph, plan, static_cast<int>(s), width, height).bytes();
  for (const Stage& stage : plan.stages) {
    if (!stage.device) continue;
    const Window window = largest_window(graph, stage, {}, width, height);
    for (std::size_t k = 0; k < stage.nodes.size(); ++k) {
      const Node& node = graph.nodes[static_cast<std::size_t>(stage.nodes[k])];
      bytes += bytes_of_node(graph, stage, node, grow(window, stage.margins[k]));
      if (node.labels()) bytes += bytes_to_find(node, std::min(width, raster.width), std::min(height, raster.height));
    }
  }
  return bytes;
}

std::int64_t staging_bytes(const Graph& graph, const Plan& plan, std::int64_t width, std::int64_t height) {
  const Window raster = graph.grid.window();
  std::int64_t bytes = 0;
  std::vector<bool> warped;  // by source: what the card makes
  for (std::size_t s = 0; s < graph.sources.size(); ++s) {
    const WarpRoom room = warp_room(graph, plan, static_cast<int>(s), width, height);
    warped.push_back(room.cells > 0);
    if (warped.back()) bytes += padded(room.square_bytes()) + padded(room.need_bytes()) + padded(room.staged_bytes());
  }
  for (const Stage& stage : plan.stages) {
    if (!stage.device) continue;
    for (std::size_t k = 0; k < stage.nodes.size(); ++k) {
      const Node& node = graph.nodes[static_cast<std::size_t>(stage.nodes[k])];
      const Window own = grow(largest_window(graph, stage, {}, width, height), stage.margins[k]);
      if (node.source >= 0 && !warped[static_cast<std::size_t>(node.source)] &&
          graph.sources[static_cast<std::size_t>(node.source)]->computed())
        bytes += bytes_of(own, node.outputs[0].type);
      if (node.round >= 0) bytes += padded(state_room(graph, node, own).staged());
      if (node.labels())
        bytes += padded(
            most_found_bytes(std::min(width, raster.width), std::min(height, raster.height), found_values(node)));
    }
  }
  return bytes;
}

}  // namespace fulmar
