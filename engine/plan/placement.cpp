// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "plan/device_plan.hpp"

namespace fulmar {
namespace {

/// More nodes than this that hang together, and whose side is open, are not tried in every combination: they stay on
/// the card.
constexpr std::size_t most_tried = 12;

/// Cheap enough that its side may be chosen by what crosses: one cell is made of one cell.
bool is_cellwise(const Node& node) {
  return node.op != nullptr && node.round < 0 && !node.labels() && !node.reduces() &&
         std::all_of(node.views.begin(), node.views.end(),
                     [](const fulmar_view& v) { return v.kind == FULMAR_VIEW_CELL || v.kind == FULMAR_VIEW_BANDS; });
}

/// What crosses is counted for so many cells, so that it is a whole number and equals are equal.
constexpr std::int64_t counted_cells = 1024;

/// Bytes of a value of a node that cross between host and card, for `counted_cells`: of what a file holds as it is
/// stored, and of a warped source the cells of the file.
std::int64_t bytes_of(const Graph& graph, const Edge& edge) {
  const Node& node = graph.node_of(edge);
  DType type = node.outputs[static_cast<std::size_t>(edge.output)].type;
  if (node.op == nullptr) {
    const RasterSource& source = *graph.sources[static_cast<std::size_t>(node.source)];
    if (warps_on_card(source)) return std::llround(bytes_under_cell(source) * static_cast<double>(counted_cells));
    if (!source.computed()) type = source.bands()[static_cast<std::size_t>(node.band)].dtype;
  }
  return counted_cells * static_cast<std::int64_t>(size_of(type));
}

/// Bytes that cross between host and card, for `counted_cells`: every value once in each direction in which it is
/// needed. Sources and products are on the host.
std::int64_t crossing(const Graph& graph, const std::vector<Side>& sides) {
  std::int64_t bytes = 0;
  for (std::size_t m = 0; m < graph.nodes.size(); ++m) {
    const Node& node = graph.nodes[m];
    for (std::size_t k = 0; k < node.outputs.size(); ++k) {
      const Edge edge{static_cast<int>(m), static_cast<int>(k)};
      bool host = std::any_of(graph.products.begin(), graph.products.end(), [&](const Product& p) {
        return std::find(p.bands.begin(), p.bands.end(), edge) != p.bands.end();
      });
      bool card = false;
      for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const auto& inputs = graph.nodes[n].inputs;
        if (graph.nodes[n].op == nullptr || std::find(inputs.begin(), inputs.end(), edge) == inputs.end()) continue;
        (sides[n] == Side::card ? card : host) = true;
      }
      const bool made_on_card = node.op != nullptr && sides[m] == Side::card;
      if (made_on_card ? host : card) bytes += bytes_of(graph, edge);
    }
  }
  return bytes;
}

/// Nodes whose side is open: cellwise ones that hang together with a node that must be on the host through such nodes
/// alone; in groups that hang together.
std::vector<std::vector<std::size_t>> open_nodes(const Graph& graph, const std::vector<Side>& sides) {
  std::vector<std::vector<std::size_t>> beside(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    for (const Edge& e : graph.nodes[n].inputs)
      if (e.connected() && graph.node_of(e).op != nullptr)
        beside[n].push_back(static_cast<std::size_t>(e.node)), beside[static_cast<std::size_t>(e.node)].push_back(n);
  std::vector<char> seen(graph.nodes.size(), 0);
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t first = 0; first < seen.size(); ++first) {
    const auto may = [&](std::size_t n) { return sides[n] == Side::card && is_cellwise(graph.nodes[n]); };
    if (seen[first] != 0 || !may(first)) continue;
    std::vector<std::size_t> group{first};
    seen[first] = 1;
    bool touches_host = false;
    for (std::size_t i = 0; i < group.size(); ++i)
      for (const std::size_t n : beside[group[i]]) {
        touches_host |= sides[n] == Side::host;
        if (seen[n] == 0 && may(n)) seen[n] = 1, group.push_back(n);
      }
    if (touches_host) groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

std::vector<Side> place_nodes(const Graph& graph) {
  std::vector<Side> sides(graph.nodes.size(), Side::host);
  for (std::size_t n = 0; n < sides.size(); ++n)
    if (graph.nodes[n].op != nullptr ? why_on_host(graph, graph.nodes[n]).empty()
                                     : warps_on_card(*graph.sources[static_cast<std::size_t>(graph.nodes[n].source)]))
      sides[n] = Side::card;

  for (const auto& open : open_nodes(graph, sides)) {
    if (open.size() > most_tried) continue;
    std::int64_t least = crossing(graph, sides);
    const std::vector<Side> before = sides;
    // In the order of how few go to the host, so that of equals the one with most on the card stays.
    std::vector<std::size_t> choices((std::size_t{1} << open.size()) - 1);
    std::iota(choices.begin(), choices.end(), 1);
    std::stable_sort(choices.begin(), choices.end(),
                     [](std::size_t a, std::size_t b) { return std::popcount(a) < std::popcount(b); });
    for (const std::size_t choice : choices) {
      std::vector<Side> tried = before;
      for (std::size_t i = 0; i < open.size(); ++i)
        if ((choice >> i & 1) != 0) tried[open[i]] = Side::host;
      if (const std::int64_t bytes = crossing(graph, tried); bytes < least) least = bytes, sides = std::move(tried);
    }
  }
  return sides;
}

}  // namespace fulmar
