// SPDX-License-Identifier: Apache-2.0
#include "exec/block.hpp"

#include <algorithm>
#include <cstring>
#include <map>

#include "core/missing.hpp"
#include "exec/cells.hpp"
#include "exec/ranks.hpp"
#include "exec/reduce.hpp"
#include "exec/windows.hpp"

namespace fulmar {
namespace {

std::int64_t bytes_of(DType type) { return static_cast<std::int64_t>(size_of(type)); }

/// Makes the cells of a plane outside `inside` missing: the border is data.
void fill_border(const PlaneRef& p, const Window& inside) {
  const auto fill = [&](std::int64_t x, std::int64_t y, std::int64_t count) {
    if (count <= 0) return;
    if (p.type == DType::f32)
      std::fill_n(p.at<float>(x, y), count, missing<float>);
    else
      std::fill_n(p.at<std::uint8_t>(x, y), count, missing<std::uint8_t>);
  };
  for (std::int64_t y = p.window.y; y < p.window.bottom(); ++y) {
    if (inside.empty() || y < inside.y || y >= inside.bottom()) {
      fill(p.window.x, y, p.window.width);
    } else {
      fill(p.window.x, y, inside.x - p.window.x);
      fill(inside.right(), y, p.window.right() - inside.right());
    }
  }
}

/// `at`: the column of `from` that goes to the window's first.
void copy_cells(const PlaneRef& from, std::int64_t at, const PlaneRef& to, const Window& window) {
  const auto size = bytes_of(from.type);
  for (std::int64_t y = window.y; y < window.bottom(); ++y)
    std::memcpy(to.cells + ((y - to.window.y) * to.stride + (window.x - to.window.x)) * size,
                from.cells + ((y - from.window.y) * from.stride + (at - from.window.x)) * size,
                static_cast<std::size_t>(window.width * size));
}

fulmar_plane abi_plane(const PlaneRef& p, const Window& own) {
  fulmar_plane plane{};
  plane.cells = p.cells + ((own.y - p.window.y) * p.stride + (own.x - p.window.x)) * bytes_of(p.type);
  plane.stride = p.stride;
  plane.x = own.x, plane.y = own.y, plane.width = own.width, plane.height = own.height;
  plane.dtype = static_cast<std::int32_t>(p.type);
  plane.device = -1;
  return plane;
}

/// Brings the bands of each cell together: all of the first cell's, then all of the second's.
void stack(const PlaneRef* bands, std::size_t count, const Window& window, float* to) {
  // A cache line of the result at a time, from as many bands.
  constexpr std::size_t together = 16;
  for (std::int64_t y = window.y; y < window.bottom(); ++y) {
    for (std::size_t b = 0; b < count; b += together) {
      const std::size_t n = std::min(together, count - b);
      const float* from[together];
      for (std::size_t k = 0; k < n; ++k) from[k] = bands[b + k].at<float>(window.x, y);
      for (std::int64_t x = 0; x < window.width; ++x)
        for (std::size_t k = 0; k < n; ++k) to[static_cast<std::size_t>(x) * count + b + k] = from[k][x];
    }
    to += window.width * static_cast<std::int64_t>(count);
  }
}

void move_right(fulmar_plane& plane, std::int64_t columns, std::int64_t values) {
  if (plane.cells != nullptr)
    plane.cells = static_cast<std::byte*>(plane.cells) + columns * values * bytes_of(static_cast<DType>(plane.dtype));
}

void move_down(fulmar_plane& plane, std::int64_t rows) {
  if (plane.cells != nullptr)
    plane.cells =
        static_cast<std::byte*>(plane.cells) + rows * plane.stride * bytes_of(static_cast<DType>(plane.dtype));
  plane.y += rows;
}

}  // namespace

bool touches_by_corner(const Node& node) {
  bool eight = true;
  for (const ParamValue& v : node.values)
    if (v.name == "connectivity") eight = v.number == 0;
  return eight;
}

std::vector<int> labelling_nodes(const Graph& graph) {
  std::vector<int> nodes;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    if (graph.nodes[n].labels()) nodes.push_back(static_cast<int>(n));
  return nodes;
}

void check_call(int status, const fulmar_error& error, const Node& node, const Window& window) {
  if (status == 0) return;
  throw error_of(error)
      .within("operator " + node.op->name() + " of plugin " + node.op->plugin())
      .within(cells_of(window));
}

std::string cells_of(const Window& window) {
  return "cells " + std::to_string(window.x) + "," + std::to_string(window.y) + " + " + std::to_string(window.width) +
         " x " + std::to_string(window.height);
}

BlockRunner::BlockRunner(const Graph& graph, const Plan& plan, Arena arena, const std::vector<double>& ground_rows,
                         Reductions& reductions)
    : graph_{graph},
      plan_{plan},
      arena_{arena},
      ground_rows_{ground_rows},
      reductions_{reductions},
      readers_(graph.sources.size()),
      planes_(graph.nodes.size()),
      used_(graph.nodes.size()),
      networks_(graph.nodes.size()),
      stored_at_(graph.nodes.size()) {
  std::map<std::pair<int, int>, std::pair<std::size_t, std::size_t>> places;
  for (std::size_t u = 0; u < plan.sources.size(); ++u)
    for (std::size_t b = 0; b < plan.sources[u].bands.size(); ++b)
      places[{plan.sources[u].source, plan.sources[u].bands[b]}] = {u, b};
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    if (const auto place = places.find({graph.nodes[n].source, graph.nodes[n].band}); place != places.end())
      stored_at_[n] = place->second;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    planes_[n].resize(graph.nodes[n].outputs.size());
    for (const fulmar_view& v : graph.nodes[n].views)
      networks_[n].push_back(v.kind == FULMAR_VIEW_RANKS ? std::make_unique<RankNetwork>(v) : nullptr);
    const bool all = graph.nodes[n].op != nullptr && graph.nodes[n].op->all_flow();
    for (std::size_t k = 0; k < graph.nodes[n].outputs.size(); ++k)
      used_[n].push_back(k == 0 || all || is_used(graph, {static_cast<int>(n), static_cast<int>(k)}) ? 1 : 0);
  }
}

PlaneRef BlockRunner::plane(const Window& window, DType type) {
  const auto cells = window.cells();
  auto* memory = type == DType::f32 ? reinterpret_cast<std::byte*>(arena_.take<float>(cells))
                                    : reinterpret_cast<std::byte*>(arena_.take<std::uint8_t>(cells));
  return {memory, window.width, window, type};
}

PlaneRef BlockRunner::result_memory(std::size_t stage, Edge edge, const TileContext& tile) const {
  const auto& results = plan_.stages[stage].results;
  const auto it = std::find(results.begin(), results.end(), edge);
  if (it == results.end()) return {};
  return tile.results[stage][static_cast<std::size_t>(it - results.begin())];
}

void BlockRunner::run(std::size_t stage, const Window& block, std::size_t index, TileContext& tile) {
  arena_.clear();
  const Stage& s = plan_.stages[stage];
  for (std::size_t k = 0; k < s.nodes.size(); ++k) {
    const int n = s.nodes[k];
    const Window own = grow(block, s.margins[k]);
    if (graph_.nodes[static_cast<std::size_t>(n)].source >= 0)
      load(n, own, tile);
    else
      apply(stage, n, own, index, tile);
  }
  for (const Edge& e : s.results) {
    const PlaneRef to = result_memory(stage, e, tile);
    const PlaneRef& from = planes_[static_cast<std::size_t>(e.node)][static_cast<std::size_t>(e.output)];
    if (from.cells != to.cells) copy_cells(from, block.x, to, block);
  }
}

void BlockRunner::load(int n, const Window& own, TileContext& tile) {
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  const auto s = static_cast<std::size_t>(node.source);
  const RasterSource& source = *graph_.sources[s];
  const PlaneRef to = plane(own, node.outputs[0].type);
  Window inside = intersect(own, graph_.grid.window());
  const std::int64_t turn = graph_.grid.turn();
  if (turn > 0) inside.x = own.x, inside.width = own.width;
  fill_border(to, inside);
  planes_[static_cast<std::size_t>(n)][0] = to;
  if (inside.empty()) return;
  if (source.computed()) {
    if (!readers_[s]) readers_[s] = source.reader();
    each_run(inside.x, inside.right(), 0, graph_.grid.width, turn,
             [&](std::int64_t x, std::int64_t at, std::int64_t count) {
               void* cells = to.type == DType::f32 ? static_cast<void*>(to.at<float>(x, inside.y))
                                                   : static_cast<void*>(to.at<std::uint8_t>(x, inside.y));
               readers_[s]->read(node.band, {at, inside.y, count, inside.height}, cells, to.stride);
             });
    return;
  }
  const auto [use, band] = stored_at_[static_cast<std::size_t>(n)];
  const TileContext::Stored& stored = tile.sources[use][band];
  const StoredBand& description = source.bands()[static_cast<std::size_t>(node.band)];
  const Window& held = stored.cells.window;
  each_run(
      inside.x, inside.right(), held.x, held.width, turn, [&](std::int64_t x, std::int64_t at, std::int64_t count) {
        const auto* cells = stored.cells.cells +
                            ((inside.y - held.y) * stored.cells.stride + at - held.x) * bytes_of(description.dtype);
        const std::uint8_t* mask = stored.mask.cells == nullptr ? nullptr : stored.mask.at<std::uint8_t>(at, inside.y);
        widen(description, cells, stored.cells.stride, mask, stored.mask.stride, count, inside.height,
              to.at<float>(x, inside.y), to.stride);
      });
}

PlaneRef BlockRunner::fetch(std::size_t stage, Edge edge, const Window& needed, DType type, const TileContext& tile) {
  const auto& nodes = plan_.stages[stage].nodes;
  PlaneRef from;
  if (std::binary_search(nodes.begin(), nodes.end(), edge.node)) {
    from = planes_[static_cast<std::size_t>(edge.node)][static_cast<std::size_t>(edge.output)];
  } else {
    PlaneRef kept;
    for (std::size_t s = stage; s-- > 0 && kept.cells == nullptr;) kept = result_memory(s, edge, tile);
    from = plane(needed, kept.type);
    Window inside = intersect(needed, kept.window);
    if (graph_.grid.wraps) inside.x = needed.x, inside.width = needed.width;
    fill_border(from, inside);
    if (!inside.empty())
      each_run(inside.x, inside.right(), kept.window.x, kept.window.width, graph_.grid.turn(),
               [&](std::int64_t x, std::int64_t at, std::int64_t count) {
                 copy_cells(kept, at, from, {x, inside.y, count, inside.height});
               });
  }
  if (from.type == type) return from;
  const PlaneRef to = plane(needed, type);
  if (type == DType::f32)
    to_floats(from.at<std::uint8_t>(needed.x, needed.y), from.stride, needed.width, needed.height,
              to.at<float>(needed.x, needed.y), to.stride);
  else
    to_flags(from.at<float>(needed.x, needed.y), from.stride, needed.width, needed.height,
             to.at<std::uint8_t>(needed.x, needed.y), to.stride);
  return to;
}

void BlockRunner::apply(std::size_t stage, int n, const Window& own, std::size_t index, TileContext& tile) {
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  const fulmar_operator& table = node.op->table();

  std::vector<PlaneRef> inputs(node.inputs.size());
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.inputs[i].connected()) continue;
    const DType type = node.port(i).type;
    inputs[i] = fetch(stage, node.inputs[i], grow(own, node.halo(i, graph_.grid)), type, tile);
  }

  std::vector<fulmar_plane> outputs(std::max<std::size_t>(1, node.outputs.size()));
  for (std::size_t k = 0; k < node.outputs.size(); ++k) {
    if (used_[static_cast<std::size_t>(n)][k] == 0) continue;
    PlaneRef to = result_memory(stage, {n, static_cast<int>(k)}, tile);
    // Computed straight into the tile where nothing beyond the block is asked of it.
    const bool whole = to.cells != nullptr && intersect(own, to.window) == own && node.outputs[k].type == to.type;
    const auto& nodes = plan_.stages[stage].nodes;
    const auto place = static_cast<std::size_t>(std::lower_bound(nodes.begin(), nodes.end(), n) - nodes.begin());
    if (!whole || !(plan_.stages[stage].margins[place] == Halo{}))
      to = plane(own, node.labels() ? DType::u8 : node.outputs[k].type);
    planes_[static_cast<std::size_t>(n)][k] = to;
    outputs[k] = abi_plane(to, own);
  }

  double* ground = arena_.take<double>(2 * own.height);
  for (std::int64_t y = 0; y < own.height; ++y) {
    const auto row = static_cast<std::size_t>(std::clamp<std::int64_t>(own.y + y, 0, graph_.grid.height - 1));
    ground[2 * y] = ground_rows_[2 * row], ground[2 * y + 1] = ground_rows_[2 * row + 1];
  }

  std::vector<fulmar_plane> planes;
  std::vector<WindowRows> sums;
  std::vector<RankRows> ranks;
  std::vector<std::size_t> sum_planes;
  std::size_t stacked = node.views.size() + node.bands;  // the plane that brings all bands together, if there is one
  const std::int64_t step = rows_at_once(node, own.height);
  for (const fulmar_view& v : node.views) {
    const PlaneRef& in = inputs[node.input_of(v.input)];
    switch (v.kind) {
      case FULMAR_VIEW_BANDS:
        for (std::size_t b = 0; b < node.bands; ++b) planes.push_back(abi_plane(inputs[b], own));
        break;
      case FULMAR_VIEW_SERIES: {
        stacked = planes.size();
        fulmar_plane p = abi_plane(in, own);
        p.layer = static_cast<std::int64_t>(node.bands);
        p.stride = own.width * p.layer;
        p.cells = arena_.take<float>(step * p.stride);
        planes.push_back(p);
        break;
      }
      case FULMAR_VIEW_WITHIN: {
        const Halo reach = node.halo(node.input_of(v.input), graph_.grid);
        auto* distance = arena_.take<std::uint16_t>((own.height + 2 * reach.y) * own.width);
        const PlaneRef flags = plane(own, DType::u8);
        within(in.at<std::uint8_t>(own.x, own.y), in.stride, own.width, own.height, reach.x, reach.y, ground, v.reach,
               distance, flags.at<std::uint8_t>(own.x, own.y));
        planes.push_back(abi_plane(flags, own));
        break;
      }
      case FULMAR_VIEW_BOX:
      case FULMAR_VIEW_RING: {
        PlaneRef cells = in;
        if (v.sampled != 0) {
          const Window wide = grow(own, {v.outer_x, v.outer_y});
          cells = plane(wide, DType::f32);
          const fulmar_plane from = abi_plane(in, wide), to = abi_plane(cells, wide);
          const fulmar_call call{
              sizeof(fulmar_call), 1, 1, 0, &from, &to, nullptr, nullptr, nullptr, 0, nullptr, nullptr};
          call_operator(node, wide,
                        [&](fulmar_error* error) { return table.sample(node.params.data(), &call, error); });
        }
        sums.emplace_back(v, cells.at<float>(own.x, own.y), cells.stride, own.width, own.height, arena_);
        sum_planes.push_back(planes.size());
        fulmar_plane p = abi_plane(cells, own);
        p.cells = const_cast<double*>(sums.back().cells());
        p.stride = sums.back().stride();
        p.layer = sums.back().layer();
        p.dtype = FULMAR_F64;
        planes.push_back(p);
        break;
      }
      case FULMAR_VIEW_RANKS: {
        const auto place = static_cast<std::size_t>(&v - node.views.data());
        ranks.emplace_back(v, *networks_[static_cast<std::size_t>(n)][place], in.at<float>(own.x, own.y), in.stride,
                           own.width, own.height, arena_);
        sum_planes.push_back(planes.size());
        fulmar_plane p = abi_plane(in, own);
        p.cells = const_cast<double*>(ranks.back().cells());
        p.stride = ranks.back().stride();
        p.layer = ranks.back().layer();
        p.dtype = FULMAR_F64;
        planes.push_back(p);
        break;
      }
      default:
        planes.push_back(abi_plane(in, own));
    }
  }

  const std::int64_t scratch = node.scratch();
  if (node.round >= 0) {  // where it is, but no cells
    outputs[0].x = own.x, outputs[0].y = own.y, outputs[0].width = own.width;
    outputs[0].device = -1;
  }
  fulmar_call call{sizeof(fulmar_call),
                   static_cast<std::uint32_t>(planes.size()),
                   static_cast<std::uint32_t>(node.outputs.size()),
                   0,
                   planes.data(),
                   outputs.data(),
                   node.table.empty() ? nullptr : node.table.data(),
                   ground,
                   node.times.data(),
                   node.times.size(),
                   scratch > 0 ? arena_.take<double>(scratch) : nullptr,
                   nullptr};
  // Beyond the seam a function must hear of the cells' own columns: it is called for each stretch of them.
  struct Stretch {
    std::int64_t into, at, count;
  };
  std::vector<Stretch> stretches;
  const bool beyond_seam = graph_.grid.wraps && (own.x < 0 || own.right() > graph_.grid.width);
  if (beyond_seam)
    each_run(own.x, own.right(), 0, graph_.grid.width, graph_.grid.turn(),
             [&](std::int64_t x, std::int64_t at, std::int64_t count) {
               stretches.push_back({x - own.x, at, count});
             });
  const auto call_stretches = [&] {
    for (const Stretch& r : stretches) {
      std::vector<fulmar_plane> in = planes, out = outputs;
      for (std::size_t i = 0; i < in.size(); ++i) {
        move_right(in[i], r.into, i == stacked ? in[i].layer : 1);
        in[i].x = r.at, in[i].width = r.count;
      }
      for (auto& p : out) {
        move_right(p, r.into, 1);
        p.x = r.at, p.width = r.count;
      }
      fulmar_call part = call;
      part.input = in.data(), part.output = out.data();
      call_operator(node, own, [&](fulmar_error* error) { return table.run(node.params.data(), &part, error); });
    }
  };
  // A block that an odd tiling cuts is computed whole by several tiles; the one with its first cell reduces it.
  Reduction* reduction = node.round < 0 ? nullptr : &reductions_.at(n);
  if (reduction != nullptr && !tile.tile.contains(own.x, own.y)) return;
  Reduction::State state = reduction != nullptr ? reduction->begin() : nullptr;
  for (std::int64_t y = 0; y < own.height; y += step) {
    const std::int64_t rows = std::min(step, own.height - y);
    for (auto& s : sums) s.advance(rows);
    for (auto& r : ranks) r.advance(rows);
    if (stacked < planes.size())
      stack(inputs.data(), node.bands, {own.x, own.y + y, own.width, rows}, static_cast<float*>(planes[stacked].cells));
    for (auto& p : planes) p.height = rows;
    for (auto& p : outputs) p.height = rows;
    call.ground = ground + 2 * y;
    if (reduction != nullptr)
      reduction->step(state, call, own);
    else if (beyond_seam)
      call_stretches();
    else
      call_operator(node, own, [&](fulmar_error* error) { return table.run(node.params.data(), &call, error); });
    for (std::size_t i = 0; i < planes.size(); ++i)
      if (i != stacked && std::find(sum_planes.begin(), sum_planes.end(), i) == sum_planes.end())
        move_down(planes[i], rows);
      else
        planes[i].y += rows;
    for (auto& p : outputs) move_down(p, rows);
  }
  if (reduction != nullptr) reduction->add(reduction->block_of(own), std::move(state));
  if (node.labels()) gather(graph_, plan_, n, own, index, tile, planes_[static_cast<std::size_t>(n)][0], inputs);
}

void gather(const Graph& graph, const Plan& plan, int n, const Window& own, std::size_t index, TileContext& tile,
            const PlaneRef& set, const std::vector<PlaneRef>& inputs) {
  const Node& node = graph.nodes[static_cast<std::size_t>(n)];
  const auto nodes = labelling_nodes(graph);
  const auto which = static_cast<std::size_t>(std::find(nodes.begin(), nodes.end(), n) - nodes.begin());
  // A block that an odd tiling cuts is computed whole by both tiles, but each of its cells belongs to one.
  const Window mine = intersect(own, tile.tile);
  if (mine.empty()) return;
  LabelPlanes planes;
  planes.set = set.at<std::uint8_t>(mine.x, mine.y);
  planes.set_stride = set.stride;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].cells == nullptr) continue;
    if (node.port(i).name == "intensity") {
      planes.intensity = inputs[i].at<float>(mine.x, mine.y);
      planes.intensity_stride = inputs[i].stride;
    } else if (node.port(i).name == "background") {
      planes.background = inputs[i].at<float>(mine.x, mine.y);
      planes.background_stride = inputs[i].stride;
    }
  }
  BlockRuns& runs = tile.runs[which][index];
  collect(mine, graph.grid.neighbourhood(), planes, runs);
  // What is left for features is shared: half for the objects, a quarter for the set cells of the tiles in flight, a
  // quarter for labelling them.
  const Share share{plan.feature_bytes / 4 / plan.tokens, plan.feature_bytes, true};
  if (tile.label_bytes += runs.bytes(); tile.label_bytes > share.bytes) too_many_cells(share);
}

}  // namespace fulmar
