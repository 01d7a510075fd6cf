// SPDX-License-Identifier: Apache-2.0
/// @file
/// Grids: the one that all inputs lie on, and the ways to another.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/missing.hpp"
#include "plan/bind_warp.hpp"
#include "plan/binder.hpp"

namespace fulmar {
namespace {

/// True if two rasters of one CRS share no ground.
bool lie_apart(const Grid& a, const Grid& b) {
  if (!a.affine || !b.affine || a.crs != b.crs) return false;
  const auto extent = [](const Grid& g, int axis) {
    const auto& f = *g.affine;
    const auto at = [&](std::int64_t x, std::int64_t y) {
      const auto k = static_cast<std::size_t>(3 * axis);
      return f[k] + f[k + 1] * static_cast<double>(x) + f[k + 2] * static_cast<double>(y);
    };
    return std::minmax({at(0, 0), at(g.width, 0), at(0, g.height), at(g.width, g.height)});
  };
  for (const int axis : {0, 1}) {
    const auto [low, high] = extent(a, axis);
    const auto [left, right] = extent(b, axis);
    // Longitudes may be counted in another turn.
    if (!(axis == 0 && a.geographic) && (high <= left || right <= low)) return true;
  }
  return false;
}

/// What people call a CRS given as WKT: "WGS 84 / UTM zone 33N (EPSG:32633)".
std::string crs_name(const std::string& wkt) {
  const auto quoted_from = [&](std::size_t at) {
    const auto begin = wkt.find('"', at), end = wkt.find('"', begin + 1);
    return end == std::string::npos ? std::string{} : wkt.substr(begin + 1, end - begin - 1);
  };
  const std::string name = quoted_from(0);
  if (name.empty()) return wkt.substr(0, std::min<std::size_t>(wkt.find('\n'), 60));
  // The code of the whole stands last, with one bracket behind it; that of a part has more.
  const auto id = wkt.rfind("ID[\"");
  const auto end = id == std::string::npos ? id : wkt.find(']', id);
  if (end == std::string::npos || std::count(wkt.begin() + static_cast<std::ptrdiff_t>(end), wkt.end(), ']') != 2)
    return name;
  const auto comma = wkt.find(',', id);
  auto code = wkt.substr(comma + 1, end - comma - 1);
  std::erase(code, '"');
  return fmt::format("{} ({}:{})", name, quoted_from(id), code);
}

/// Where two grids differ that look alike in few digits.
std::string difference_of(const Grid& b, const Grid& a) {
  if (a.affine.has_value() != b.affine.has_value()) return "one of them lies on control points";
  if (a.affine) {
    const auto &p = *a.affine, &q = *b.affine;
    if (p[0] != q[0] || p[3] != q[3]) {
      const double cell = std::hypot(p[1], p[4]);
      return fmt::format("its first corner is {:.10g}, {:.10g} and not {:.10g}, {:.10g}, off by {:.4g} x {:.4g} cells",
                         q[0], q[3], p[0], p[3], std::abs(q[0] - p[0]) / cell, std::abs(q[3] - p[3]) / cell);
    }
    if (p != q)
      return fmt::format(
          "its cells are {:.12g} x {:.12g} and not {:.12g} x {:.12g}, with turns {:.6g}, {:.6g} and "
          "not {:.6g}, {:.6g}",
          q[1], std::abs(q[5]), p[1], std::abs(p[5]), q[2], q[4], p[2], p[4]);
  } else if (a.control_points != b.control_points) {
    return "their control points differ";
  }
  if (a.crs.empty() || b.crs.empty()) return "one of them has no CRS";
  const std::string one = crs_name(b.crs), other = crs_name(a.crs);
  return one != other ? fmt::format("its CRS is {} and not {}", one, other)
                      : fmt::format("their CRS, both called {}, are defined in different ways", one);
}

/// A grid out of all proportion to what it is made from is a mistake: metres given for degrees, or rasters worlds
/// apart.
void check_size(const std::vector<const Grid*>& from, const Grid& target) {
  double cells = 0;
  for (const Grid* g : from) cells += static_cast<double>(g->width) * static_cast<double>(g->height);
  const double made = static_cast<double>(target.width) * static_cast<double>(target.height);
  if (made > 1e4 * cells && made > 1e8)
    fail(Errc::usage,
         fmt::format("the grid would have {} x {} cells, {:.0f} times those it is made from: resolution is in the "
                     "units of the CRS (degrees or metres); an extent, or the CRS of one zone, keeps it small",
                     target.width, target.height, made / cells));
  if (made < 2 && cells > 16)
    fail(Errc::usage, fmt::format("the grid would be a single cell for {:.0f}: resolution is in the units of the CRS "
                                  "(degrees or metres)",
                                  cells));
}

}  // namespace

int Binder::grid_index(const Grid& grid) {
  if (graph_.sources.empty()) {
    graph_.grid = grid;
    return 0;
  }
  if (graph_.grid.same_cells(grid)) return 0;
  for (std::size_t g = 0; g < graph_.others.size(); ++g)
    if (graph_.others[g].same_cells(grid)) return static_cast<int>(g) + 1;
  graph_.others.push_back(grid);
  return static_cast<int>(graph_.others.size());
}

const Node& Binder::origin_of(const Edge& e) const {
  const Node* node = &node_of(e);
  while (node->op != nullptr) node = &node_of(node->inputs.front());
  return *node;
}

const std::string& Binder::name_of(const Edge& e) const {
  return graph_.sources[static_cast<std::size_t>(origin_of(e).source)]->name();
}

int Binder::same_grid(const std::vector<Edge>& inputs) const {
  const Edge* first = nullptr;
  for (const Edge& e : inputs) {
    if (!e.connected()) continue;
    if (first == nullptr) first = &e;
    if (node_of(e).grid != node_of(*first).grid) differing_grids(*first, e);
  }
  return first == nullptr ? 0 : node_of(*first).grid;
}

void Binder::differing_grids(const Edge& one, const Edge& other) const {
  const Grid &a = graph_.grid_of(node_of(one).grid), &b = graph_.grid_of(node_of(other).grid);
  const Node& origin = origin_of(other);
  const auto file = [&](const Node& node) { return graph_.sources[static_cast<std::size_t>(node.source)]->name(); };
  const auto describe = [](const Grid& g, bool corner) {
    std::string size = fmt::format("{} x {} cells", g.width, g.height);
    if (g.affine) size += fmt::format(" of {:.6g} x {:.6g}", (*g.affine)[1], std::abs((*g.affine)[5]));
    if (g.affine && corner) size += fmt::format(" from {:.10g}, {:.10g}", (*g.affine)[0], (*g.affine)[3]);
    return size + (g.crs.empty() ? ", no CRS" : " in " + crs_name(g.crs));
  };
  std::string words = fmt::format("{} against {}", describe(b, true), describe(a, true));
  if (describe(a, false) == describe(b, false)) words = describe(a, false) + ", but " + difference_of(b, a);
  if (lie_apart(a, b))
    wrong(origin.span, fmt::format("{} does not lie on the grid of {}: {}. They do not overlap: take rasters of one "
                                   "region, or put them side by side with `mosaic`",
                                   file(origin), file(origin_of(one)), words));
  // Detail is kept: the coarser grid is left, not gone to.
  const auto cell = [](const Grid& g) {
    const Ground ground = g.ground();
    return ground.dx > 0 ? ground.dx * ground.dy : g.affine ? std::abs((*g.affine)[1] * (*g.affine)[5]) : 0.0;
  };
  const bool finer = cell(b) > 0 && cell(b) < 0.999 * cell(a) && b.affine.has_value();
  const std::string from = file(finer ? origin_of(one) : origin), to = file(finer ? origin : origin_of(one));
  wrong(origin.span, fmt::format("{} does not lie on the grid of {}: {}. Bring {} where it is read, with {} ! align "
                                 "--to {}",
                                 file(origin), file(origin_of(one)), words,
                                 finer ? "the coarser one onto the finer grid" : "it onto that grid", from, to));
}

void Binder::warp(const Step& step, const Operator& op, const Arguments& arguments, Flow& flow) {
  WarpRequest request;
  try {
    request = warp_request(op, arguments.values);
  } catch (const Error& e) {
    wrong(span_of_complaint(step, e.message()), e.message());
  }
  const Port& main = op.inputs().front();
  std::vector<std::vector<Edge>> parts{flow.bands};
  if (op.name() == "mosaic") parts = parts_of_mosaic(op, arguments, flow);
  for (std::vector<Edge>& part : parts) {
    if (part.size() != parts.front().size())
      wrong(step.span,
            fmt::format("{} needs as many bands of every raster, but has {} of {} and {} of {}", op.name(),
                        parts.front().size(), name_of(parts.front().front()), part.size(), name_of(part.front())));
    for (std::size_t b = 0; b < part.size(); ++b) {
      check_unit(step, op, main, part[b], flow.last);
      check_resampling(step, op, request.method, band(part[b]));
      if (const Unit& one = band(parts.front()[b]).unit, &other = band(part[b]).unit; !compatible(one, other))
        wrong(step.span, fmt::format("{} puts values side by side that differ in unit: {} of {}, {} of {}", op.name(),
                                     one.symbol, name_of(parts.front()[b]), other.symbol, name_of(part[b])));
      if (graph_.grid_of(node_of(part[b]).grid).window().empty())
        wrong(step.span, fmt::format("{} has no cells", name_of(part[b])), Errc::input);
    }
  }
  Grid target;
  std::vector<Edge> results;
  try {
    if (!request.to.empty()) {
      target = io_.open(request.to, arguments.files)->grid();
      inputs_.insert(request.to);
      check_target(io_, graph_.grid_of(node_of(flow.bands.front()).grid), target, request.to);
    } else {
      std::vector<const Grid*> grids;
      std::set<int> known;
      for (const std::vector<Edge>& part : parts)
        for (const Edge& e : part)
          if (const int grid = node_of(e).grid; known.insert(grid).second) grids.push_back(&graph_.grid_of(grid));
      target = mosaic_grid(io_, grids, request.grid);
      check_size(grids, target);
    }
    const std::string name = parts.size() == 1 ? fmt::format("{} on another grid", name_of(parts.front().front()))
                                               : fmt::format("the {} of {} and {} more", op.name(),
                                                             name_of(parts.front().front()), parts.size() - 1);
    // Each band of the first part, with the same band of all others.
    for (std::vector<Edge>& part : parts) part = stored_bands(part, step.span);
    for (std::size_t b = 0; b < parts.front().size(); ++b)
      results.push_back(warped_band(step, name, parts, b, target, request.method));
  } catch (Error& e) {
    throw e.within(mark(step.span, "operator " + op.name()));
  }
  flow.bands = std::move(results);
  // What came before lies on another grid.
  flow.named.clear();
  flow.of_bands.clear();
  if (flow.times.size() != flow.bands.size() && op.name() == "mosaic") flow.times = {missing<double>};
  flow.last = op.name();
}

std::vector<std::vector<Edge>> Binder::parts_of_mosaic(const Operator& op, const Arguments& arguments,
                                                       const Flow& flow) {
  std::vector<std::vector<Edge>> parts;
  const auto add = [&](const std::vector<Edge>& bands) {
    int last = -1;
    for (const Edge& e : bands) {
      if (const int source = origin_of(e).source; parts.empty() || source != last) parts.emplace_back(), last = source;
      parts.back().push_back(e);
    }
  };
  add(flow.bands);
  for (const auto& [port, argument] : arguments.ports) {
    const Flow branch = side_flow(*argument, op, flow);
    if (branch.features >= 0) wrong(argument->span, fmt::format("{} yields features, not a raster", branch.last));
    if (branch.bands.empty()) wrong(argument->span, "this pipeline yields no raster");
    std::vector<std::vector<Edge>> before = std::move(parts);
    parts.clear();
    add(branch.bands);
    before.insert(before.end(), parts.begin(), parts.end());
    parts = std::move(before);
  }
  return parts;
}

void Binder::check_resampling(const Step& step, const Operator& op, Resampling method, const Band& b) const {
  if (method == Resampling::nearest) return;
  const auto word = resampling_words[static_cast<std::size_t>(method)];
  if (b.unit.symbol == units::decibel)
    wrong(step.span, fmt::format("{} --resample {} would average decibels, whose mean is not that of the intensities: "
                                 "put `linear` before it, or take --resample nearest",
                                 op.name(), word));
  if (b.unit.symbol == units::flag || b.type == DType::u8)
    wrong(step.span,
          fmt::format("{} --resample {} would make fractions of flags: take --resample nearest", op.name(), word));
}

Edge Binder::warped_band(const Step& step, const std::string& name, const std::vector<std::vector<Edge>>& parts,
                         std::size_t b, const Grid& target, Resampling method) {
  const Edge& first = parts.front()[b];
  if (parts.size() == 1 && graph_.grid_of(node_of(first).grid).same_cells(target)) return first;
  std::vector<int> from, bands;
  for (const std::vector<Edge>& part : parts) {
    from.push_back(node_of(part[b]).source);
    bands.push_back(node_of(part[b]).band);
  }
  // All bands of the same sources share one, as long as they stand in the same place everywhere.
  const bool aligned = std::all_of(bands.begin(), bands.end(), [&](int k) { return k == bands.front(); });
  std::string key = fmt::format("{} {} {}", fmt::join(from, " "), static_cast<int>(method), grid_index(target));
  if (!aligned) key += fmt::format(" bands {}", fmt::join(bands, " "));
  const auto [known, fresh] = warped_.try_emplace(key, static_cast<int>(graph_.sources.size()));
  if (fresh) {
    std::vector<WarpInput> inputs;
    for (std::size_t i = 0; i < from.size(); ++i) {
      inputs.push_back(warp_input(io_, graph_.sources[static_cast<std::size_t>(from[i])], target, from.size() > 1));
      if (!aligned) inputs.back().band = bands[i];
    }
    graph_.sources.push_back(warped_source(name, target, std::move(inputs), method));
    graph_.warps.push_back({known->second, from});
  }
  return add_source_node(known->second, aligned ? bands.front() : 0, step.span);
}

std::vector<Edge> Binder::stored_bands(const std::vector<Edge>& bands, Span span) {
  const auto stored = [&](const Edge& e) {
    const Node& node = node_of(e);
    return node.op == nullptr && !graph_.sources[static_cast<std::size_t>(node.source)]->computed();
  };
  const auto kept_as = [&](const Edge& e) {
    const auto known = kept_.find({e.node, e.output});
    return known == kept_.end() ? Edge{} : known->second;
  };
  std::vector<Edge> out(bands.size());
  std::map<int, std::vector<std::size_t>> computed;  // by grid
  for (std::size_t b = 0; b < bands.size(); ++b)
    if (stored(bands[b]))
      out[b] = bands[b];
    else if (const Edge known = kept_as(bands[b]); known.connected())
      out[b] = known;
    else
      computed[node_of(bands[b]).grid].push_back(b);
  for (const auto& [grid, places] : computed) {
    std::vector<Edge> some;
    std::vector<Band> kept;
    for (const std::size_t b : places) some.push_back(bands[b]), kept.push_back(band(bands[b]));
    some = temporary(name_of(some.front()), grid, kept, some, span);
    for (std::size_t k = 0; k < places.size(); ++k) {
      out[places[k]] = some[k];
      kept_[{bands[places[k]].node, bands[places[k]].output}] = some[k];
    }
  }
  return out;
}

std::vector<Edge> Binder::temporary(const std::string& name, int grid, const std::vector<Band>& bands,
                                    std::vector<Edge> written, Span span) {
  std::vector<StoredBand> stored;
  for (const Band& b : bands) {
    StoredBand each;
    each.unit = b.unit;
    each.description = b.name;
    stored.push_back(std::move(each));
  }
  Temporary made;
  made.raster = io_.temporary(name, graph_.grid_of(grid), stored);
  made.source = static_cast<int>(graph_.sources.size());
  made.bands = std::move(written);
  graph_.sources.push_back(made.raster);
  graph_.temporaries.push_back(std::move(made));
  std::vector<Edge> edges;
  for (std::size_t b = 0; b < bands.size(); ++b)
    edges.push_back(add_source_node(static_cast<int>(graph_.sources.size()) - 1, static_cast<int>(b), span));
  return edges;
}

}  // namespace fulmar
