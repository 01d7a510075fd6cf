// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "plan/graph.hpp"

namespace fulmar {
namespace {

std::uint32_t rounds_of(const Node& node) {
  const std::uint32_t rounds = node.op->guard([&] { return node.op->table().rounds(node.params.data()); });
  if (rounds == 0 || rounds > 1000)
    fail(Errc::usage, "operator " + node.op->name() + " of plugin " + node.op->plugin() + " asks for " +
                          std::to_string(rounds) + " rounds: its plugin is broken");
  return rounds;
}

/// The first pass in which the cells of each node, and the bands of each source, can be had.
struct Levels {
  std::vector<int> node, source, whole;  ///< whole: before which pass it runs

  explicit Levels(const Graph& graph)
      : node(graph.nodes.size(), 0), source(graph.sources.size(), 0), whole(graph.wholes.size(), 0) {
    // What a temporary raster is made of comes before the nodes that read it, so one walk in order suffices, but whole
    // operators stand apart: they are asked for when the first node reads what they made.
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Node& each = graph.nodes[n];
      if (each.op == nullptr) {
        node[n] = level_of_source(graph, each.source);
        continue;
      }
      node[n] = inputs(each);
      if (each.reduces()) node[n] += static_cast<int>(rounds_of(each));
    }
    for (std::size_t w = 0; w < graph.wholes.size(); ++w) whole[w] = inputs(graph.wholes[w].node);
  }

  [[nodiscard]] int inputs(const Node& each) const {
    int level = 0;
    for (const Edge& e : each.inputs)
      if (e.connected()) level = std::max(level, node[static_cast<std::size_t>(e.node)]);
    return level;
  }

 private:
  /// The first pass before which a table can be made.
  [[nodiscard]] int level_of_table(const Graph& graph, int t) const {
    const TableNode& table = graph.tables[static_cast<std::size_t>(t)];
    int level = 0;
    for (const int n : table.stacked.nodes) level = std::max(level, node[static_cast<std::size_t>(n)]);
    if (table.node >= 0) {
      const Node& from = graph.nodes[static_cast<std::size_t>(table.node)];
      return node[static_cast<std::size_t>(table.node)] + (from.reduces() ? 0 : 1);
    }
    for (const int input : table.inputs)
      if (input >= 0) level = std::max(level, level_of_table(graph, input));
    return level;
  }
  int level_of_source(const Graph& graph, int s) {
    int& level = source[static_cast<std::size_t>(s)];
    for (const Drawing& d : graph.drawings)
      if (d.source == s) level = std::max(level, level_of_table(graph, d.table));
    for (const Warped& w : graph.warps)
      if (w.source == s)
        for (const int from : w.from) level = std::max(level, level_of_source(graph, from));
    for (std::size_t t = 0; t < graph.temporaries.size(); ++t) {
      const Temporary& temporary = graph.temporaries[t];
      if (temporary.source != s) continue;
      for (const Edge& e : temporary.bands) level = std::max(level, node[static_cast<std::size_t>(e.node)] + 1);
      for (const WholeStep& w : graph.wholes)
        if (w.temporary == static_cast<int>(t)) level = std::max(level, inputs(w.node));
    }
    return level;
  }
};

/// Builds the graph of one pass from what it has to make.
class PassBuilder {
 public:
  PassBuilder(const Graph& whole, const Grid& grid) : whole_{whole} {
    pass_.grid = grid;
    pass_.text = whole.text;
    pass_.tables = whole.tables;
  }

  void make(const Product& product, int origin) {
    Product p = product;
    p.origin = origin;
    for (Edge& e : p.bands) e = {take(e.node), e.output};
    p.features = -1;  // features are gathered for the whole graph
    pass_.products.push_back(std::move(p));
  }
  void spool(const Temporary& temporary, int which) {
    Product p;
    p.path = temporary.raster->name();
    p.temporary = which;
    for (const Edge& e : temporary.bands) p.bands.push_back({take(e.node), e.output});
    pass_.products.push_back(std::move(p));
  }
  void reduce(int node, int round) {
    Node copy = with_inputs(node);
    copy.round = round;
    copy.outputs.clear();
    pass_.nodes.push_back(std::move(copy));
  }
  /// A labelling node whose objects are asked for, though no product of this pass holds them.
  void label(int node) { take(node); }
  [[nodiscard]] bool empty() const { return pass_.nodes.empty(); }
  Graph finish() { return std::move(pass_); }

 private:
  /// A copy of a node whose inputs are in this pass already.
  Node copy_of(int n) {
    Node copy = whole_.nodes[static_cast<std::size_t>(n)];
    copy.grid = 0;
    for (Edge& e : copy.inputs)
      if (e.connected()) e.node = taken_.at(e.node);
    if (copy.source >= 0) {
      const auto [known, fresh] = sources_.try_emplace(copy.source, static_cast<int>(pass_.sources.size()));
      if (fresh) pass_.sources.push_back(whole_.sources[static_cast<std::size_t>(copy.source)]);
      copy.source = known->second;
    }
    return copy;
  }
  /// Takes what a node needs, each node once, in their order: inputs come before their users.
  void take_inputs(int n) {
    std::set<int> needed;
    std::vector<int> ask{n};
    while (!ask.empty()) {
      const int each = ask.back();
      ask.pop_back();
      for (const Edge& e : whole_.nodes[static_cast<std::size_t>(each)].inputs)
        if (e.connected() && !taken_.contains(e.node) && needed.insert(e.node).second) ask.push_back(e.node);
    }
    for (const int each : needed) {
      pass_.nodes.push_back(copy_of(each));
      taken_[each] = static_cast<int>(pass_.nodes.size()) - 1;
    }
  }
  Node with_inputs(int n) {
    take_inputs(n);
    return copy_of(n);
  }
  /// The node's place in this pass; it and what it needs are copied once.
  int take(int n) {
    if (const auto known = taken_.find(n); known != taken_.end()) return known->second;
    Node copy = with_inputs(n);
    pass_.nodes.push_back(std::move(copy));
    return taken_[n] = static_cast<int>(pass_.nodes.size()) - 1;
  }

  const Graph& whole_;
  Graph pass_;
  std::map<int, int> taken_, sources_;
};

}  // namespace

std::vector<PassGraph> halves_of(const Graph& whole, const Graph& pass) {
  const auto reducing = std::count_if(pass.nodes.begin(), pass.nodes.end(), [](const Node& n) { return n.round >= 0; });
  if (reducing < 2) return {};
  PassBuilder first{whole, pass.grid}, second{whole, pass.grid};
  for (const Product& p : pass.products)
    if (p.temporary >= 0)
      first.spool(whole.temporaries[static_cast<std::size_t>(p.temporary)], p.temporary);
    else
      first.make(whole.products[static_cast<std::size_t>(p.origin)], p.origin);
  std::ptrdiff_t taken = 0;
  for (const Node& n : pass.nodes) {
    if (n.labels()) first.label(n.origin);
    if (n.round >= 0) (++taken <= reducing / 2 ? first : second).reduce(n.origin, n.round);
  }
  std::vector<PassGraph> halves(2);
  halves[0].graph = first.finish();
  halves[1].graph = second.finish();
  return halves;
}

std::vector<PassGraph> passes_of(const Graph& graph) {
  const Levels levels{graph};
  const auto level = [&](int n) { return levels.node[static_cast<std::size_t>(n)]; };
  const auto grid = [&](int n) { return graph.nodes[static_cast<std::size_t>(n)].grid; };

  // In the order of passes, then of grids.
  std::map<std::pair<int, int>, PassBuilder> builders;
  const auto builder = [&](int at, int which) -> PassBuilder& {
    return builders.try_emplace({at, which}, graph, graph.grid_of(which)).first->second;
  };
  for (std::size_t p = 0; p < graph.products.size(); ++p) {
    const Product& product = graph.products[p];
    if (product.bands.empty()) continue;  // features alone: their nodes are taken below
    int at = 0;
    for (const Edge& e : product.bands) at = std::max(at, level(e.node));
    builder(at, grid(product.bands.front().node)).make(product, static_cast<int>(p));
  }
  for (std::size_t t = 0; t < graph.temporaries.size(); ++t) {
    const Temporary& temporary = graph.temporaries[t];
    if (temporary.bands.empty()) continue;
    int at = 0;
    for (const Edge& e : temporary.bands) at = std::max(at, level(e.node));
    builder(at, grid(temporary.bands.front().node)).spool(temporary, static_cast<int>(t));
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.labels()) builder(level(static_cast<int>(n)), node.grid).label(static_cast<int>(n));
    if (!node.reduces()) continue;
    const int first = levels.inputs(node), rounds = static_cast<int>(rounds_of(node));
    for (int r = 0; r < rounds; ++r) builder(first + r, node.grid).reduce(static_cast<int>(n), r);
  }

  std::vector<PassGraph> passes;
  std::set<int> done;
  for (auto& [key, each] : builders) {
    PassGraph pass;
    for (std::size_t w = 0; w < graph.wholes.size(); ++w)
      if (levels.whole[w] <= key.first && done.insert(static_cast<int>(w)).second)
        pass.wholes.push_back(static_cast<int>(w));
    pass.graph = each.finish();
    passes.push_back(std::move(pass));
  }
  return passes;
}

}  // namespace fulmar
