// SPDX-License-Identifier: Apache-2.0
#include "exec/device_pass.hpp"

#include <algorithm>
#include <cstring>

#include "core/found_runs.hpp"
#include "exec/parallel.hpp"
#include "plan/device_plan.hpp"

namespace fulmar {
namespace {

std::int64_t bytes_of(DType type) { return static_cast<std::int64_t>(size_of(type)); }

std::byte* address(const PlaneRef& p, std::int64_t x, std::int64_t y) {
  return p.cells + ((y - p.window.y) * p.stride + (x - p.window.x)) * bytes_of(p.type);
}

/// A part of a plane, for the card's commands.
fulmar_plane part(const PlaneRef& p, const Window& window) {
  fulmar_plane plane{};
  plane.cells = address(p, window.x, window.y);
  plane.stride = p.stride;
  plane.x = window.x, plane.y = window.y, plane.width = window.width, plane.height = window.height;
  plane.dtype = static_cast<std::int32_t>(p.type);
  return plane;
}

void move_down(fulmar_plane& plane, std::int64_t rows, DType type) {
  if (plane.cells != nullptr) plane.cells = static_cast<std::byte*>(plane.cells) + rows * plane.stride * bytes_of(type);
  plane.y += rows;
}

}  // namespace

DeviceArena::DeviceArena(DeviceLane& lane, std::byte* memory, std::int64_t bytes)
    : lane_{&lane}, memory_{memory}, size_{bytes} {
  clear();
}

void DeviceArena::clear() {
  used_ = 0;
  lane_->give_back(memory_);
}

std::byte* DeviceArena::piece(std::int64_t bytes) {
  const std::int64_t room = room_on_card(bytes);
  if (used_ + room > size_) fail(Errc::runtime, "the plan set too little memory of the card aside");
  std::byte* piece = memory_ + used_;
  used_ += room;
  if (bytes > 0) lane_->use(piece, bytes);
  return piece;
}

DevicePass::DevicePass(const Graph& graph, const Plan& plan, Device& device, const std::vector<double>& ground_rows,
                       Reductions& reductions)
    : graph_{graph},
      plan_{plan},
      device_{device},
      reductions_{reductions},
      border_{rows_beyond(plan)},
      lanes_(static_cast<std::size_t>(plan.tokens)) {
  for (std::size_t s = 0; s < graph.sources.size(); ++s) {
    const RasterSource& source = *graph.sources[s];
    computed_.push_back(std::make_unique<ReaderPool>(source, true));
    const WarpRoom room = warp_room(graph, plan, static_cast<int>(s), plan.tile_width, plan.tile_height);
    warps_.push_back(room.cells > 0 ? std::make_unique<CardWarp>(source, room, plan.threads) : nullptr);
  }
  for (const Stage& stage : plan.stages) {
    auto& needed = needed_.emplace_back();
    for (const Edge& e : stage.results) needed.push_back(needed_on_host(graph, plan, e));
  }
  std::vector<double> ground;
  for (std::int64_t y = -border_; y < graph.grid.height + border_; ++y) {
    const auto row = static_cast<std::size_t>(std::clamp<std::int64_t>(y, 0, graph.grid.height - 1));
    ground.push_back(ground_rows[2 * row]), ground.push_back(ground_rows[2 * row + 1]);
  }
  const std::int64_t constants = constant_bytes(graph, plan);
  for (Lane& lane : lanes_) {
    lane.device = device.lane(plan.lane_bytes);
    DeviceArena fixed{*lane.device, lane.device->memory(), constants};
    const auto up = [&](const std::vector<double>& values) -> const double* {
      if (values.empty()) return nullptr;
      const auto count = static_cast<std::int64_t>(values.size());
      double* to = fixed.take<double>(count);
      lane.device->upload(to, count * 8, values.data(), count * 8, count * 8, 1);
      return to;
    };
    lane.ground = up(ground);
    lane.tables.resize(graph.nodes.size()), lane.times.resize(graph.nodes.size()),
        lane.found.resize(graph.nodes.size());
    for (const Stage& stage : plan.stages)
      for (const int n : stage.nodes) {
        const Node& node = graph.nodes[static_cast<std::size_t>(n)];
        if (!stage.device || node.op == nullptr) continue;
        const std::vector<double> table = node.table;
        std::vector<double> found;
        if (node.round >= 0) {
          const fulmar_round& round = reductions.at(n).round();
          found.assign(round.summary, round.summary + (round.summary == nullptr ? 0 : round.summary_count));
        }
        if (node.reduces() && std::ssize(node.round >= 0 ? found : table) * 8 > summary_room(node, graph.grid))
          fail(Errc::device, node.op->name() +
                                 " found more numbers than the plan set aside on the card: --backend cpu "
                                 "has room for them");
        lane.found[static_cast<std::size_t>(n)] = up(found);
        lane.tables[static_cast<std::size_t>(n)] = up(table);
        lane.times[static_cast<std::size_t>(n)] = up(node.times);
      }
    lane.device->wait();
    lane.arena = DeviceArena{*lane.device, lane.device->memory() + constants, plan.lane_bytes - constants};
    lane.planes.resize(graph.nodes.size());
    lane.sources.resize(plan.sources.size());
    lane.results.resize(plan.stages.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) lane.planes[n].resize(graph.nodes[n].outputs.size());
    lane.constants = lane.device->traffic();
  }
}

DevicePass::~DevicePass() {
  // A run that was cancelled or failed may have copies in flight, into memory that is about to go.
  for (Lane& lane : lanes_) try {
      if (lane.device) lane.device->wait();
    } catch (const Error&) {
      continue;  // what failed was told where it failed
    }
  for (std::byte* memory : pinned_) device_.unpin(memory);
}

void DevicePass::pin(std::byte* memory, std::int64_t bytes) {
  device_.pin(memory, bytes);
  pinned_.push_back(memory);
}

void DevicePass::begin(std::size_t which, TileContext& tile) {
  Lane& lane = lanes_[which];
  lane.arena.clear();
  for (std::size_t u = 0; u < lane.sources.size(); ++u) lane.sources[u].assign(plan_.sources[u].bands.size(), {});
  for (auto& results : lane.results) results.clear();
  lane.warps.assign(warps_.size(), {});
  tile.labelled.clear();
  tile.reduced.clear();
}

PlaneRef DevicePass::plane(Lane& lane, const Window& window, DType type) const {
  auto* memory = type == DType::f32 ? reinterpret_cast<std::byte*>(lane.arena.take<float>(window.cells()))
                                    : reinterpret_cast<std::byte*>(lane.arena.take<std::uint8_t>(window.cells()));
  return {memory, window.width, window, type};
}

void DevicePass::run(std::size_t which, std::size_t stage, TileContext& tile) {
  Lane& lane = lanes_[which];
  const Stage& s = plan_.stages[stage];
  const Window window = stage_window(s, tile.tile, graph_.grid);
  for (std::size_t k = 0; k < s.nodes.size(); ++k) {
    const int n = s.nodes[k];
    const Window own = grow(window, s.margins[k]);
    if (graph_.nodes[static_cast<std::size_t>(n)].source >= 0)
      load(lane, n, own, tile);
    else
      apply(lane, stage, n, own, tile);
  }
  for (std::size_t r = 0; r < s.results.size(); ++r) {
    const Edge& e = s.results[r];
    const PlaneRef& from = lane.planes[static_cast<std::size_t>(e.node)][static_cast<std::size_t>(e.output)];
    lane.results[stage].push_back({address(from, window.x, window.y), from.stride, window, from.type});
    if (needed_[stage][r]) download(lane, from, tile.results[stage][r], window);
  }
}

void DevicePass::upload(Lane& lane, const PlaneRef& from, const PlaneRef& to, const Window& window) {
  const std::int64_t size = bytes_of(from.type);
  lane.device->upload(address(to, window.x, window.y), to.stride * size, address(from, window.x, window.y),
                      from.stride * size, window.width * size, window.height);
}

void DevicePass::download(Lane& lane, const PlaneRef& from, const PlaneRef& to, const Window& window) {
  const std::int64_t size = bytes_of(from.type);
  lane.device->download(address(to, window.x, window.y), to.stride * size, address(from, window.x, window.y),
                        from.stride * size, window.width * size, window.height);
}

void DevicePass::load(Lane& lane, int n, const Window& own, TileContext& tile) {
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  const auto s = static_cast<std::size_t>(node.source);
  const RasterSource& source = *graph_.sources[s];
  const PlaneRef to = plane(lane, own, node.outputs[0].type);
  lane.planes[static_cast<std::size_t>(n)][0] = to;
  Window inside = intersect(own, graph_.grid.window());
  const std::int64_t turn = graph_.grid.turn();
  if (turn > 0) inside.x = own.x, inside.width = own.width;
  if (!(inside == own)) lane.device->clear(part(to, own));
  if (inside.empty()) return;
  if (warps_[s]) return load_warped(lane, node, inside, to, tile);
  if (source.computed()) {
    auto* memory = tile.memory.take<std::byte>(inside.cells() * bytes_of(to.type));
    const PlaneRef staged{memory, inside.width, inside, to.type};
    const std::int64_t rows = rows_of_strip(inside.width, inside.height), strips = (inside.height + rows - 1) / rows;
    parallel::each(static_cast<std::size_t>(strips), [&](std::size_t strip_of) {
      const auto i = static_cast<std::int64_t>(strip_of);
      const Window strip = intersect({inside.x, inside.y + i * rows, inside.width, rows}, inside);
      auto reader = computed_[s]->take();
      each_run(
          strip.x, strip.right(), 0, graph_.grid.width, turn, [&](std::int64_t x, std::int64_t at, std::int64_t count) {
            reader->read(node.band, {at, strip.y, count, strip.height}, address(staged, x, strip.y), staged.stride);
          });
      computed_[s]->give(std::move(reader));
    });
    upload(lane, staged, to, inside);
    return;
  }
  const auto use = static_cast<std::size_t>(std::find_if(plan_.sources.begin(), plan_.sources.end(),
                                                         [&](const SourceUse& u) { return u.source == node.source; }) -
                                            plan_.sources.begin());
  const auto& bands = plan_.sources[use].bands;
  const auto b = static_cast<std::size_t>(std::find(bands.begin(), bands.end(), node.band) - bands.begin());
  const TileContext::Stored& stored = tile.sources[use][b];
  // Bands of several nodes go up once, and no more rows of them than the tile needs.
  Window needed = source_window(graph_, plan_, node.source, tile.tile);
  needed.x = stored.cells.window.x, needed.width = stored.cells.window.width;
  auto& there = lane.sources[use][b];
  const auto up = [&](const PlaneRef& from, std::byte*& memory) {
    if (memory == nullptr) {
      memory = lane.arena.take<std::byte>(needed.cells() * bytes_of(from.type));
      upload(lane, from, {memory, needed.width, needed, from.type}, needed);
    }
  };
  up(stored.cells, there.cells);
  if (stored.mask.cells != nullptr) up(stored.mask, there.mask);
  const PlaneRef cells{there.cells, needed.width, needed, stored.cells.type};
  const PlaneRef mask{there.mask, needed.width, needed, DType::u8};
  each_run(inside.x, inside.right(), needed.x, needed.width, turn,
           [&](std::int64_t x, std::int64_t at, std::int64_t count) {
             const auto* valid =
                 there.mask == nullptr ? nullptr : reinterpret_cast<const std::uint8_t*>(address(mask, at, inside.y));
             lane.device->widen(source.bands()[static_cast<std::size_t>(node.band)], address(cells, at, inside.y),
                                cells.stride, valid, mask.stride, part(to, {x, inside.y, count, inside.height}));
           });
}

void DevicePass::load_warped(Lane& lane, const Node& node, const Window& inside, const PlaneRef& to,
                             TileContext& tile) {
  const auto s = static_cast<std::size_t>(node.source);
  CardWarp& warp = *warps_[s];
  const WarpRoom& room = warp.room();
  CardWarp::Tile& memory = lane.warps[s];
  if (memory.cells == nullptr) {
    memory.squares = lane.arena.take<std::byte>(room.square_bytes());
    memory.needs = reinterpret_cast<SquareNeed*>(lane.arena.take<std::byte>(room.need_bytes()));
    memory.stored = lane.arena.take<std::byte>(room.cells * room.cell_size);
    if (room.masks) memory.mask = lane.arena.take<std::uint8_t>(room.cells);
    memory.cells = lane.arena.take<float>(room.cells);
    memory.host_squares = tile.memory.take<std::byte>(room.square_bytes());
    memory.host_needs = reinterpret_cast<SquareNeed*>(tile.memory.take<std::byte>(room.need_bytes()));
    memory.staging = tile.memory.take<std::byte>(room.staged_bytes());
  }
  each_run(inside.x, inside.right(), 0, graph_.grid.width, graph_.grid.turn(),
           [&](std::int64_t x, std::int64_t at, std::int64_t count) {
             const Window target{at, inside.y, count, inside.height};
             warp.make(*lane.device, memory, node.band, target, {address(to, x, inside.y), to.stride, target, to.type});
           });
}

PlaneRef DevicePass::fetch(Lane& lane, std::size_t stage, Edge edge, const Window& needed, DType type,
                           const TileContext& tile) {
  const auto& nodes = plan_.stages[stage].nodes;
  PlaneRef from;
  if (std::binary_search(nodes.begin(), nodes.end(), edge.node)) {
    from = lane.planes[static_cast<std::size_t>(edge.node)][static_cast<std::size_t>(edge.output)];
  } else {
    for (std::size_t s = stage; s-- > 0;) {
      const auto& results = plan_.stages[s].results;
      const auto it = std::find(results.begin(), results.end(), edge);
      if (it == results.end()) continue;
      const auto r = static_cast<std::size_t>(it - results.begin());
      const bool here = plan_.stages[s].device;
      const PlaneRef& kept = here ? lane.results[s][r] : tile.results[s][r];
      from = plane(lane, needed, kept.type);
      Window inside = intersect(needed, kept.window);
      if (graph_.grid.wraps) inside.x = needed.x, inside.width = needed.width;
      if (!(inside == needed)) lane.device->clear(part(from, needed));
      if (inside.height > 0)
        each_run(inside.x, inside.right(), kept.window.x, kept.window.width, graph_.grid.turn(),
                 [&](std::int64_t x, std::int64_t at, std::int64_t count) {
                   const Window run{x, inside.y, count, inside.height}, there{at, inside.y, count, inside.height};
                   if (here)
                     lane.device->copy(part(kept, there), part(from, run));
                   else
                     upload(lane, {address(kept, at, inside.y), kept.stride, run, kept.type}, from, run);
                 });
      break;
    }
  }
  if (from.type == type) return from;
  const PlaneRef to = plane(lane, needed, type);
  lane.device->copy(part(from, needed), part(to, needed));
  return to;
}

void DevicePass::apply(Lane& lane, std::size_t stage, int n, const Window& own, TileContext& tile) {
  const auto place = static_cast<std::size_t>(n);
  const Node& node = graph_.nodes[place];
  const fulmar_operator& table = node.op->table();
  const int number = device_.facts().number;

  std::vector<PlaneRef> inputs(node.inputs.size());
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i].connected())
      inputs[i] = fetch(lane, stage, node.inputs[i], grow(own, node.halo(i, graph_.grid)), node.port(i).type, tile);

  std::vector<fulmar_plane> planes, outputs;
  fulmar_call call = shape_of_call(node, own, planes, outputs);
  for (std::size_t k = 0; k < node.outputs.size(); ++k) {
    if (k > 0 && !node.op->all_flow() && !is_used(graph_, {n, static_cast<int>(k)})) continue;
    const PlaneRef to = plane(lane, own, node.labels() ? DType::u8 : node.outputs[k].type);
    lane.planes[place][k] = to;
    outputs[k] = part(to, own);
    outputs[k].device = number;
  }
  const double* ground = lane.ground + 2 * (own.y + border_);

  std::size_t stacked = planes.size(), next = 0;
  for (const fulmar_view& v : node.views) {
    const PlaneRef& in = inputs[node.input_of(v.input)];
    switch (v.kind) {
      case FULMAR_VIEW_BANDS:
        for (std::size_t b = 0; b < node.bands; ++b) planes[next++] = part(inputs[b], own);
        break;
      case FULMAR_VIEW_SERIES: {
        stacked = next;
        fulmar_plane& p = planes[next++];
        p.stride = own.width * p.layer;
        p.dtype = FULMAR_F32;
        p.cells = lane.arena.take<float>(slab_rows(node, own) * p.stride);
        break;
      }
      case FULMAR_VIEW_WITHIN: {
        const Halo reach = node.halo(node.input_of(v.input), graph_.grid);
        auto* distance = lane.arena.take<std::uint16_t>((own.height + 2 * reach.y) * own.width);
        const fulmar_plane flags = part(plane(lane, own, DType::u8), own);
        lane.device->within(part(in, own), reach.x, reach.y, ground, v.reach, distance, flags);
        planes[next++] = flags;
        break;
      }
      case FULMAR_VIEW_BOX:
        if (node.round >= 0) {
          fulmar_plane& p = planes[next++];
          p.cells = lane.arena.take<double>(3 * own.cells());
          p.stride = own.width, p.layer = own.cells();
          p.dtype = FULMAR_F64;
          lane.device->sums(part(in, own), v, p);
          break;
        }
        [[fallthrough]];
      default:
        planes[next++] = part(in, own);
    }
  }
  for (auto& p : planes) p.device = number;

  call.table = lane.tables[place];
  call.times = lane.times[place];
  auto* scratch = lane.arena.take<std::byte>(node.round >= 0 ? state_room(graph_, node, own).bytes()
                                                             : device_scratch(graph_, node, own));
  call.scratch = reinterpret_cast<double*>(scratch);
  if (node.round >= 0) begin_states(lane, n, own, scratch, tile);
  const std::int64_t step = slab_rows(node, own);
  std::vector<fulmar_plane> bands(node.bands);
  for (std::int64_t y = 0; y < own.height; y += step) {
    const std::int64_t rows = std::min(step, own.height - y);
    for (auto& p : planes) p.height = rows;
    for (auto& p : outputs) p.height = rows;
    if (stacked < planes.size()) {
      const Window slab{own.x, own.y + y, own.width, rows};
      for (std::size_t b = 0; b < node.bands; ++b) bands[b] = part(inputs[b], slab);
      lane.device->stack(bands.data(), static_cast<std::int64_t>(node.bands), 0, planes[stacked]);
    }
    call.ground = ground + 2 * y;
    if (node.round >= 0) {
      const Reduction& reduction = reductions_.at(n);
      fulmar_round round = reduction.round();
      round.summary = lane.found[place];
      const std::int64_t across = (own.width + block_width - 1) / block_width;
      const std::int64_t above = (own.y + y) / block_height - own.y / block_height;
      call_operator(node, own, [&](fulmar_error* error) {
        return table.step_cuda(node.params.data(), &round, &call, scratch + above * across * reduction.bytes(),
                               static_cast<std::uint64_t>(reduction.bytes()), lane.device->stream(), error);
      });
    } else {
      call_kernels(lane, node, own, call, stacked);
    }
    for (std::size_t i = 0; i < planes.size(); ++i)
      if (i == stacked)
        planes[i].y += rows;
      else
        move_down(planes[i], rows, static_cast<DType>(planes[i].dtype));
    for (auto& p : outputs)
      if (p.cells != nullptr)
        move_down(p, rows, static_cast<DType>(p.dtype));
      else
        p.y += rows;
  }
  if (node.round >= 0) fetch_states(lane, n, own, scratch, tile);

  if (node.labels()) find(lane, n, own, inputs, tile);
}

void DevicePass::find(Lane& lane, int n, const Window& own, const std::vector<PlaneRef>& inputs, TileContext& tile) {
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  // A stage computes more than the tile's own cells, but each cell belongs to one tile.
  TileContext::Labelled labelled;
  labelled.node = n;
  labelled.window = intersect(own, tile.tile);
  labelled.values = found_values(node);
  const auto [x, y, width, height] = labelled.window;

  FindWork work;
  work.width = width, work.height = height;
  work.set = part(lane.planes[static_cast<std::size_t>(n)][0], labelled.window);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].cells == nullptr) continue;
    if (node.port(i).name == "intensity") {
      work.intensity = part(inputs[i], labelled.window);
      labelled.intensity = true;
    } else if (node.port(i).name == "background") {
      work.background = part(inputs[i], labelled.window);
    }
  }
  work.near = graph_.grid.neighbourhood();
  work.near.x -= x, work.near.y -= y;
  work.eight = touches_by_corner(node);
  const FindingRoom room = finding_room(width, height);
  work.bits = lane.arena.take<std::uint32_t>(room.bits / 4);
  work.counts = lane.arena.take<std::uint64_t>(room.counts / 8);
  work.adding = lane.arena.take<std::byte>(room.adding);
  const std::int64_t most = most_found_bytes(width, height, labelled.values);
  work.found = labelled.there = lane.arena.take<std::byte>(most);
  work.first = labelled.first = first_found_bytes(width, height, labelled.values);
  lane.device->find(work);
  labelled.found = tile.memory.take<std::byte>(most);
  lane.device->download(labelled.found, work.first, work.found, work.first, work.first, 1);
  tile.labelled.push_back(labelled);
}

void DevicePass::find_rest(std::size_t which, TileContext& tile) {
  DeviceLane& lane = *lanes_[which].device;
  bool more = false;
  for (const auto& l : tile.labelled) {
    FoundTotals totals;
    std::memcpy(&totals, l.found, sizeof totals);
    const std::int64_t rest = found_bytes(totals, l.values) - l.first;
    if (rest <= 0) continue;
    more = true, ++rests_;
    lane.download(l.found + l.first, rest, l.there + l.first, rest, rest, 1);
  }
  if (more) lane.wait();
}

void DevicePass::call_kernels(Lane& lane, const Node& node, const Window& own, const fulmar_call& call,
                              std::size_t stacked) const {
  const auto launch = [&](const fulmar_call& part) {
    call_operator(node, own, [&](fulmar_error* error) {
      return node.op->table().run_cuda(node.params.data(), &part, lane.device->stream(), error);
    });
  };
  const Grid& grid = graph_.grid;
  if (!grid.wraps || (own.x >= 0 && own.right() <= grid.width)) return launch(call);
  // Beyond the seam a function must hear of the cells' own columns: it is called for each stretch of them.
  each_run(own.x, own.right(), 0, grid.width, grid.turn(), [&](std::int64_t x, std::int64_t at, std::int64_t count) {
    const std::size_t outputs = std::max<std::size_t>(1, call.outputs);
    std::vector<fulmar_plane> in(call.input, call.input + call.inputs), out(call.output, call.output + outputs);
    const auto move = [&](fulmar_plane& p, std::int64_t values) {
      if (p.cells != nullptr)
        p.cells = static_cast<std::byte*>(p.cells) + (x - own.x) * values * bytes_of(static_cast<DType>(p.dtype));
      p.x = at, p.width = count;
    };
    for (std::size_t i = 0; i < in.size(); ++i) move(in[i], i == stacked ? in[i].layer : 1);
    for (auto& p : out) move(p, 1);
    fulmar_call part = call;
    part.input = in.data(), part.output = out.data();
    launch(part);
  });
}

void DevicePass::begin_states(Lane& lane, int n, const Window& own, std::byte* states, TileContext& tile) {
  const Reduction& reduction = reductions_.at(n);
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  const StateRoom room = state_room(graph_, node, own);
  const std::int64_t bytes = reduction.bytes();
  TileContext::Reduced& reduced = tile.reduced.emplace_back();
  reduced.node = n;
  reduced.states = tile.memory.take<std::byte>(room.staged());
  const Reduction::State fresh = reduction.begin();
  std::memcpy(reduced.states, fresh.get(), static_cast<std::size_t>(bytes));
  // What will be merged is known from the start and goes up with the state that all blocks begin with.
  auto* list = reinterpret_cast<std::uint32_t*>(reduced.states + room.fresh);
  const Merges merges = reduction.merges(own, tile.tile, room.lists > 0);
  if (room.lists > 0) {
    for (const auto& level : merges.levels)
      for (const auto& [into, from] : level) *list++ = into, *list++ = from;
    for (const Subtree& tree : merges.left) *list++ = tree.place;
  }
  const std::int64_t all = reinterpret_cast<std::byte*>(list) - reduced.states;
  lane.device->upload(states + room.states, all, reduced.states, all, all, 1);
  lane.device->pack(states + room.states, bytes, nullptr, room.states / bytes, states);
}

void DevicePass::fetch_states(Lane& lane, int n, const Window& own, std::byte* states, TileContext& tile) {
  const Reduction& reduction = reductions_.at(n);
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  const StateRoom room = state_room(graph_, node, own);
  const std::int64_t bytes = reduction.bytes();
  TileContext::Reduced& reduced = tile.reduced.back();
  Merges merges = reduction.merges(own, tile.tile, room.lists > 0);
  reduced.trees = std::move(merges.left);
  if (room.lists == 0) {
    lane.device->download(reduced.states, room.states, states, room.states, room.states, 1);
    return;
  }
  const auto* list = reinterpret_cast<const std::uint32_t*>(states + room.states + room.fresh);
  fulmar_round round = reduction.round();
  round.summary = lane.found[static_cast<std::size_t>(n)];
  for (const auto& level : merges.levels) {
    call_operator(node, own, [&](fulmar_error* error) {
      return node.op->table().merge_cuda(node.params.data(), &round, list, level.size(), states,
                                         static_cast<std::uint64_t>(bytes), lane.device->stream(), error);
    });
    list += 2 * level.size();
  }
  const std::int64_t count = std::ssize(reduced.trees);
  if (count == 0) return;  // the window's blocks are other tiles'
  std::byte* packed = states + room.states + room.fresh + room.lists;
  lane.device->pack(states, bytes, list, count, packed);
  lane.device->download(reduced.states, count * bytes, packed, count * bytes, count * bytes, 1);
  for (std::int64_t i = 0; i < count; ++i)
    reduced.trees[static_cast<std::size_t>(i)].place = static_cast<std::uint32_t>(i);
}

void DevicePass::reduce(TileContext& tile) {
  for (const auto& r : tile.reduced) {
    Reduction& reduction = reductions_.at(r.node);
    const std::int64_t bytes = reduction.bytes();
    // A block that an odd tiling cuts is computed by several tiles; the one with its first cell hands it on.
    for (const Subtree& tree : r.trees) {
      Reduction::State state{new std::byte[static_cast<std::size_t>(bytes)]};
      std::memcpy(state.get(), r.states + static_cast<std::int64_t>(tree.place) * bytes,
                  static_cast<std::size_t>(bytes));
      reduction.add(tree, std::move(state));
    }
  }
  tile.reduced.clear();
}

void DevicePass::wait(std::size_t lane) { lanes_[lane].device->wait(); }

DeviceTraffic DevicePass::traffic() const {
  DeviceTraffic all;
  all.rests = rests_;
  for (const Lane& lane : lanes_) {
    const DeviceTraffic& t = lane.device->traffic();
    all.uploads += t.uploads - lane.constants.uploads, all.uploaded += t.uploaded - lane.constants.uploaded;
    all.downloads += t.downloads, all.downloaded += t.downloaded;
  }
  return all;
}

}  // namespace fulmar
