// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/found_runs.hpp"
#include "core/iso_time.hpp"
#include "plan/device_plan.hpp"
#include "plan/plan.hpp"
#include "plan/warp.hpp"

namespace fulmar {
namespace {

std::string mebibytes(std::int64_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

std::string cells_text(Halo h) { return h.x == h.y ? fmt::format("{}", h.x) : fmt::format("{} x {}", h.x, h.y); }

std::string node_name(const Graph& graph, int n) {
  const Node& node = graph.nodes[static_cast<std::size_t>(n)];
  if (node.op != nullptr) return node.op->name();
  return fmt::format("{} band {}", graph.sources[static_cast<std::size_t>(node.source)]->name(), node.band + 1);
}

/// What the node looks at beyond its own cell.
std::string look(const Graph& graph, const Node& node) {
  Halo halo;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i].connected()) halo = widest(halo, node.halo(i, graph.grid));
  const bool over = graph.grid.wraps && (halo.x > 0 || node.labels());
  return (halo == Halo{} ? "cell by cell" : fmt::format("halo {} cells", cells_text(halo))) +
         (over ? ", over the seam too" : "");
}

/// What comes down from a card of a tile's objects.
std::string found_text(const Graph& graph, const Plan& plan, const Node& node) {
  const std::int64_t width = std::min(plan.tile_width, graph.grid.width),
                     height = std::min(plan.tile_height, graph.grid.height);
  const int values = found_values(node);
  return fmt::format(", runs come down: {:.3g} MiB a tile, {} at most",
                     static_cast<double>(first_found_bytes(width, height, values)) / (1 << 20),
                     mebibytes(most_found_bytes(width, height, values)));
}

std::string ground_text(const Grid& grid) {
  const Ground g = grid.ground();
  return g.dx > 0 ? fmt::format("cells of {:.4g} x {:.4g} m at the centre", g.dx, g.dy) : "ground size unknown";
}

/// Where the first column borders on the last.
const char* round_text(const Grid& grid) { return grid.wraps ? ", round the earth" : ""; }

const char* kind_text(ProductKind kind) {
  return kind == ProductKind::raster ? "raster" : kind == ProductKind::features ? "features" : "picture";
}

}  // namespace

namespace {

/// A pass: its tiles, stages and what it leaves behind.
std::string explain_pass(const Graph& graph, const Plan& plan, std::size_t number) {
  std::string out = fmt::format("pass {:<4} {} tile{} of {} x {} cells, {} in flight\n", number, plan.tiles,
                                plan.tiles == 1 ? "" : "s", plan.tile_width, plan.tile_height, plan.tokens);
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const Stage& stage = plan.stages[s];
    out += fmt::format(
        "  stage {}{}{}{}\n", s + 1,
        plan.backend != Backend::cuda ? ""
        : stage.device                ? ", on the card"
                                      : ", on the host: " + why_on_host(graph, stage),
        stage.anchored ? fmt::format(", blocks of {} x {} from the raster's first cell", block_width, block_height)
                       : "",
        stage.beyond == Halo{} ? "" : fmt::format(", {} cells beyond the tile", cells_text(stage.beyond)));
    for (std::size_t k = 0; k < stage.nodes.size(); ++k) {
      const Node& node = graph.nodes[static_cast<std::size_t>(stage.nodes[k])];
      const auto* source = node.op != nullptr ? nullptr : graph.sources[static_cast<std::size_t>(node.source)].get();
      const bool computed = source != nullptr && source->computed();
      out += fmt::format("    {:<12} {}",
                         node.round >= 0      ? "reduce"
                         : node.op != nullptr ? node.op->kind()
                         : !computed          ? "read"
                         // A companion is made from what it holds; a warped raster reads others.
                         : warped_of(*source) != nullptr ? "warp"
                                                         : "companion",
                         node_name(graph, stage.nodes[k]));
      // Bands that follow one another in a stack take one line.
      std::size_t last = k;
      const auto follows = [&](std::size_t next) {
        const Node &a = graph.nodes[static_cast<std::size_t>(stage.nodes[next - 1])],
                   &b = graph.nodes[static_cast<std::size_t>(stage.nodes[next])];
        return b.op == nullptr && b.source == a.source && b.band == a.band + 1 &&
               stage.margins[next] == stage.margins[next - 1];
      };
      while (source != nullptr && last + 1 < stage.nodes.size() && follows(last + 1)) ++last;
      if (last > k) out += fmt::format(" to {}", node.band + 1 + static_cast<int>(last - k));
      out += node.op != nullptr ? fmt::format(", {}", look(graph, node)) : "";
      if (stage.device && source != nullptr && warped_of(*source) != nullptr)
        if (const std::string why = why_warped_on_host(*source); !why.empty()) out += ", by the host: " + why;
      if (node.labels() && stage.device) out += found_text(graph, plan, node);
      if (node.round > 0) out += fmt::format(", round {}", node.round + 1);
      if (stage.margins[k] != Halo{})
        out += fmt::format(", computed {} cells beyond the block", cells_text(stage.margins[k]));
      out += "\n";
      k = last;
    }
  }
  for (const Product& p : graph.products)
    out += p.temporary >= 0
               ? fmt::format("  keep {} band{} of {} for a later pass, {}\n", p.bands.size(),
                             p.bands.size() == 1 ? "" : "s", p.path,
                             mebibytes(graph.grid.window().cells() * 4 * static_cast<std::int64_t>(p.bands.size())))
               : fmt::format("  write {} ({})\n", p.path, kind_text(p.kind));
  return out;
}

/// How many rows of a table that is made first there is room for, where something is counted for each.
std::string room_for_rows(const Graph& graph, const Plan& plan, const Drawing& drawing) {
  constexpr std::int64_t row_bytes = 1024;  // of the table itself, with an outline of some corners
  const RasterSource* drawn = graph.sources[static_cast<std::size_t>(drawing.source)].get();
  std::int64_t rows = -1, most = 0;
  std::string who;
  for (const Pass& pass : plan.passes)
    for (const Node& node : pass.graph.nodes) {
      if (node.round < 0) continue;
      const bool counts_its_rows = std::any_of(node.inputs.begin(), node.inputs.end(), [&](const Edge& e) {
        return e.connected() && pass.graph.node_of(e).source >= 0 &&
               pass.graph.sources[static_cast<std::size_t>(pass.graph.node_of(e).source)].get() == drawn;
      });
      const auto count = std::find_if(node.values.begin(), node.values.end(),
                                      [](const ParamValue& v) { return v.name == "zones-count"; });
      if (!counts_its_rows || count == node.values.end() || !(count->number > 0)) continue;
      const std::int64_t each = pass.plan.reduce_bytes / static_cast<std::int64_t>(count->number) + row_bytes;
      const std::int64_t room = pass.budget.memory - (pass.plan.peak_bytes - pass.plan.reduce_bytes);
      const std::int64_t fit = std::max<std::int64_t>(0, room) / each;
      if (rows < 0 || fit < rows) rows = fit, most = each, who = node.op->name();
    }
  if (rows < 0) return {};
  return fmt::format(
      ": at most {} rows, {:.1f} KiB each while {} counts; more than fit are refused when they are known: "
      "--memory makes room, --threads 1 needs less, --min-area or `filter` leave rows out",
      rows, static_cast<double>(most) / 1024, who);
}

}  // namespace

std::string explain(const Graph& graph, const Plan& plan) {
  std::string out = fmt::format("pipeline  {}\n", graph.text);
  if (!graph.nodes.empty())
    out += fmt::format("grid      {} x {} cells, {}{}\n", graph.grid.width, graph.grid.height, ground_text(graph.grid),
                       round_text(graph.grid));
  for (const Grid& g : graph.others)
    out += fmt::format("          {} x {} cells, {}{}\n", g.width, g.height, ground_text(g), round_text(g));
  out += fmt::format("backend   {}, {} thread{}\n", name_of(plan.backend), plan.threads, plan.threads == 1 ? "" : "s");
  for (const ChosenDates& d : graph.dates)
    out += fmt::format("dates     {} of {} in {}, {} to {}\n", d.chosen, d.of, d.name, iso_time(d.first),
                       iso_time(d.last));
  for (const TableNode& t : graph.tables)
    if (!t.path.empty()) out += fmt::format("read      {}, a table\n", t.path);
  for (const Drawing& d : graph.drawings)
    out += fmt::format("draw      {}{}\n", graph.sources[static_cast<std::size_t>(d.source)]->name(),
                       room_for_rows(graph, plan, d));
  if (plan.passes.empty() && !graph.nodes.empty()) out += explain_pass(graph, plan, 1);
  std::size_t number = 0;
  for (const Pass& pass : plan.passes) {
    for (const int w : pass.wholes) {
      const WholeStep& step = graph.wholes[static_cast<std::size_t>(w)];
      out += fmt::format("whole     {}, the raster at once, {}\n", step.node.op->name(),
                         mebibytes(bytes_of_whole(graph, step)));
    }
    out += explain_pass(pass.graph, pass.plan, ++number);
  }
  for (const std::string& note : graph.notes) out += fmt::format("note      {}\n", note);
  for (const TableNode& t : graph.tables)
    if (t.op != nullptr) out += fmt::format("tables    {}\n", t.op->name());
  if (!plan.passes.empty() || graph.nodes.empty())
    for (const Product& p : graph.products)
      if (p.bands.empty()) out += fmt::format("  write {} ({})\n", p.path, kind_text(p.kind));
  if (graph.nodes.empty())
    return out + fmt::format("memory    {} at the peak, and up to {} for tables\n", mebibytes(plan.peak_bytes),
                             mebibytes(plan.feature_bytes));
  out += fmt::format("decode    {}, each cell {:.2f} times{}\n", mebibytes(plan.bytes_read), plan.decoded_times,
                     plan.bytes_warped == 0
                         ? ""
                         : fmt::format("; of other grids up to {}, as it is needed", mebibytes(plan.bytes_warped)));
  out += fmt::format("encode    {}\n", mebibytes(plan.bytes_written));
  out += fmt::format(
      "memory    {} at the peak: program {}, block cache {}, decoders {}, encoders {}, {} tile{} of {}, {} thread{} of "
      "{}\n",
      mebibytes(plan.peak_bytes), mebibytes(plan.process_bytes), mebibytes(plan.cache_bytes),
      mebibytes(plan.decoder_bytes), mebibytes(plan.encoder_bytes), plan.tokens, plan.tokens == 1 ? "" : "s",
      mebibytes(plan.tile_bytes), plan.threads, plan.threads == 1 ? "" : "s", mebibytes(plan.scratch_bytes));
  if (plan.held_bytes >= std::int64_t{1} << 20)
    out += fmt::format("          of the program {} for shares of cells\n", mebibytes(plan.held_bytes));
  if (plan.card_bytes > 0) out += fmt::format("card      {} of its memory at the peak\n", mebibytes(plan.card_bytes));
  if (!plan.no_card.empty()) out += fmt::format("card      not used: {}\n", plan.no_card);
  if (plan.feature_bytes > 0)
    out += fmt::format("          and {} for features at least, {} at most\n", mebibytes(least_features),
                       mebibytes(plan.feature_bytes));
  return out;
}

std::string explain_json(const Graph& graph, const Plan& plan) {
  nlohmann::ordered_json j;
  j["pipeline"] = graph.text;
  j["grid"] = {{"width", graph.grid.width},
               {"height", graph.grid.height},
               {"dx", graph.grid.ground().dx},
               {"dy", graph.grid.ground().dy},
               {"wraps", graph.grid.wraps}};
  if (!graph.notes.empty()) j["notes"] = graph.notes;
  j["backend"] = name_of(plan.backend);
  j["threads"] = plan.threads;
  j["tile"] = {
      {"width", plan.tile_width}, {"height", plan.tile_height}, {"count", plan.tiles}, {"in_flight", plan.tokens}};
  for (const ChosenDates& d : graph.dates)
    j["dates"].push_back({{"read", d.name},
                          {"chosen", d.chosen},
                          {"of", d.of},
                          {"first", iso_time(d.first)},
                          {"last", iso_time(d.last)}});
  const auto stages_of = [](const Graph& its_graph, const Plan& its_plan) {
    auto stages = nlohmann::ordered_json::array();
    for (const Stage& stage : its_plan.stages) {
      auto nodes = nlohmann::ordered_json::array();
      for (std::size_t k = 0; k < stage.nodes.size(); ++k)
        nodes.push_back({{"name", node_name(its_graph, stage.nodes[k])},
                         {"beyond_x", stage.margins[k].x},
                         {"beyond_y", stage.margins[k].y}});
      stages.push_back({{"anchored", stage.anchored}, {"device", stage.device}, {"nodes", nodes}});
    }
    return stages;
  };
  if (plan.passes.empty()) {
    j["stages"] = stages_of(graph, plan);
  } else {
    j["passes"] = nlohmann::ordered_json::array();
    for (const Pass& pass : plan.passes) {
      auto wholes = nlohmann::ordered_json::array();
      for (const int w : pass.wholes) wholes.push_back(graph.wholes[static_cast<std::size_t>(w)].node.op->name());
      j["passes"].push_back({{"width", pass.graph.grid.width},
                             {"height", pass.graph.grid.height},
                             {"tiles", pass.plan.tiles},
                             {"whole", wholes},
                             {"stages", stages_of(pass.graph, pass.plan)}});
    }
  }
  j["products"] = nlohmann::ordered_json::array();
  for (const Product& p : graph.products) j["products"].push_back({{"path", p.path}, {"kind", kind_text(p.kind)}});
  j["bytes"] = {{"read", plan.bytes_read},        {"warped", plan.bytes_warped},    {"written", plan.bytes_written},
                {"peak", plan.peak_bytes},        {"cache", plan.cache_bytes},      {"tile", plan.tile_bytes},
                {"scratch", plan.scratch_bytes},  {"features", plan.feature_bytes}, {"decoders", plan.decoder_bytes},
                {"encoders", plan.encoder_bytes}, {"process", plan.process_bytes},  {"device", plan.card_bytes}};
  j["decoded_times"] = plan.decoded_times;
  return j.dump(2) + "\n";
}

}  // namespace fulmar
