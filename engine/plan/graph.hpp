// SPDX-License-Identifier: Apache-2.0
/// @file
/// A pipeline that means something: every name, type, unit, grid and output checked, before a cell is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.hpp"
#include "op/operator.hpp"
#include "plan/pipeline.hpp"

namespace fulmar {

/// One output of one node. node < 0: nothing is connected.
struct Edge {
  int node = -1;
  int output = 0;
  [[nodiscard]] bool connected() const { return node >= 0; }
  friend bool operator==(const Edge&, const Edge&) = default;
};

/// What flows along an edge.
struct Band {
  std::string name;
  DType type = DType::f32;
  Unit unit;
};

/// The most cells along a row that a node with a distance can look at: they are counted in 16 bits, with one more for
/// what is further.
inline constexpr std::int64_t most_reach = 65534;

/// Numbers that are looked up and never change, so that all copies of a graph hold them but once.
class Numbers {
 public:
  Numbers() = default;
  Numbers(std::vector<double> values) : values_{std::make_shared<const std::vector<double>>(std::move(values))} {}
  Numbers(std::shared_ptr<const std::vector<double>> values) : values_{std::move(values)} {}

  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const { return values_ ? values_->size() : 0; }
  [[nodiscard]] const double* data() const { return values_ ? values_->data() : nullptr; }
  operator std::vector<double>() const { return values_ ? *values_ : std::vector<double>{}; }

 private:
  std::shared_ptr<const std::vector<double>> values_;
};

/// One band of a source, or one operator with its inputs.
struct Node {
  // a band of a source
  int source = -1;
  int band = 0;
  // an operator
  const Operator* op = nullptr;
  std::vector<std::byte> params;  ///< aligned by the allocator's default, which suffices for every table
  Numbers table;
  std::vector<fulmar_view> views;
  std::vector<Edge> inputs;   ///< one for each input port; the first port of a variadic operator has one for each band
  std::size_t bands = 1;      ///< inputs that belong to the first port
  std::vector<double> times;  ///< of a variadic operator: when each date was measured; NaN where unknown
  std::vector<ParamValue> values;
  Span span;

  std::vector<Band> outputs;
  int grid = 0;             ///< the grid its cells lie on, see Graph::grid_of()
  int origin = -1;          ///< its place in the whole graph, where this is the graph of one pass
  int round = -1;           ///< a reducing operator that is being reduced, not one whose numbers are there: which round
  std::string remark = {};  ///< what the operator has to say of its dates
  int about = -1;  ///< of a reducing operator: the table whose rows its rows describe, by place in Graph::tables

  /// The port that an input belongs to, and the first input of a port.
  [[nodiscard]] const Port& port(std::size_t input) const {
    return op->inputs()[input < bands ? 0 : input - bands + 1];
  }
  [[nodiscard]] std::size_t input_of(std::size_t port) const { return port == 0 ? 0 : bands + port - 1; }
  /// True if the node's operator sees all bands of one cell side by side (FULMAR_VIEW_SERIES).
  [[nodiscard]] bool stacks() const;
  /// Doubles of scratch that one call of the operator needs.
  [[nodiscard]] std::int64_t scratch() const;

  /// How far the node looks on one of its inputs, in cells.
  [[nodiscard]] Halo halo(std::size_t input, const Grid& raster) const;
  [[nodiscard]] bool anchored() const;  ///< works in whole blocks of the anchored lattice (window sums)
  [[nodiscard]] bool labels() const { return op != nullptr && op->table().kind == FULMAR_KIND_LABELLING; }
  [[nodiscard]] bool reduces() const { return op != nullptr && op->table().kind == FULMAR_KIND_REDUCING; }
};

/// A product. Rasters have bands; features come from a labelling node; a picture has both.
struct Product {
  ProductKind kind = ProductKind::raster;
  std::string path;
  FileOptions options;
  std::vector<Edge> bands;
  std::vector<double> times;  ///< of the bands, seconds since 1970-01-01T00:00:00Z; NaN: unknown
  int features = -1;          ///< the node whose features or summary it holds
  int table = -1;             ///< or the table, by place in Graph::tables
  int origin = -1;            ///< its place in the whole graph, where this is the graph of one pass
  int temporary = -1;         ///< not a product: bands for a temporary raster of the whole graph
};

/// A raster that one pass, or a whole operator, leaves for a later pass.
struct Temporary {
  std::shared_ptr<TemporaryRaster> raster;
  int source = -1;          ///< where later nodes read it
  std::vector<Edge> bands;  ///< what is written to it; empty where a whole operator makes it
};

/// A whole operator: it reads source nodes and makes the bands of a temporary raster.
struct WholeStep {
  Node node;           ///< its inputs are source nodes
  int temporary = -1;  ///< what it makes
};

/// A source that takes its cells from other sources of the graph.
struct Warped {
  int source = -1;
  std::vector<int> from;
};

/// A companion that is drawn from a table before the first pass that reads it.
struct Drawing {
  std::shared_ptr<DrawnSource> raster;
  int source = -1;  ///< where nodes read it
  int table = -1;   ///< by place in Graph::tables
};

/// What several reducing nodes find, each of a band or a date of its own, as one table.
struct Stacked {
  std::vector<int> nodes;
  std::vector<double> times;       ///< of each, seconds since 1970-01-01T00:00:00Z; empty where they tell nothing apart
  std::vector<std::string> bands;  ///< the name of each; empty where these tell nothing apart
  bool by_row = false;  ///< the rows of all nodes that describe one thing stand together, not all rows of one node
};

/// A table: from a file, from a node that labels or reduces, or made by a tabular operator of other tables. Tables are
/// made when all passes are done, or before the pass that draws them.
struct TableNode {
  std::string path;  ///< of a file
  FileOptions options;
  int node = -1;                  ///< or the node whose features or summary it is
  Stacked stacked = {};           ///< or several
  const Operator* op = nullptr;   ///< or the operator that makes it
  std::vector<std::byte> params;  ///< as Node::params
  std::vector<int> inputs;        ///< the tables it is made of, one for each input port; -1: nothing is connected
};

/// What --time-range chose of a file, or of a stack of files.
struct ChosenDates {
  std::string name;
  std::size_t chosen = 0, of = 0;
  double first = 0, last = 0;  ///< of those chosen, seconds since 1970-01-01T00:00:00Z
};

struct Graph {
  std::string text;  ///< canonical text of the pipeline, for provenance
  Grid grid;         ///< of every raster in the graph, but for those of `others`
  std::vector<Grid> others;
  std::vector<std::shared_ptr<const RasterSource>> sources;
  std::vector<Node> nodes;  ///< inputs before users
  std::vector<Product> products;
  std::vector<Temporary> temporaries;
  std::vector<Warped> warps;
  std::vector<ChosenDates> dates;
  std::vector<WholeStep> wholes;  ///< in the order in which they can run
  std::vector<TableNode> tables;  ///< inputs before users
  std::vector<Drawing> drawings;
  std::vector<std::string> notes;  ///< what looks like a mistake and may be none

  [[nodiscard]] const Grid& grid_of(int which) const {
    return which == 0 ? grid : others[static_cast<std::size_t>(which) - 1];
  }
  [[nodiscard]] const Node& node_of(const Edge& e) const { return nodes[static_cast<std::size_t>(e.node)]; }
};

/// A graph cut into passes. A pass reads its sources once and knows everything it needs before it starts: numbers that
/// an earlier pass reduced, rasters that an earlier pass or a whole operator left. One pass has one grid.
struct PassGraph {
  std::vector<int> wholes;  ///< to run before it, by place in Graph::wholes
  Graph graph;              ///< its nodes and products tell by `origin` what they are in the whole graph
};
/// In the order in which they run. Reducing operators appear once a round (Node::round), and again where their cells
/// are.
std::vector<PassGraph> passes_of(const Graph& graph);
/// A pass that reduces for several nodes as two, each for half of them; empty where there is one or none.
std::vector<PassGraph> halves_of(const Graph& whole, const Graph& pass);

/// Tells a node what its companion knows: how many shapes there are, and numbers that go with its cells.
/// Errors: Errc::usage, the operator's own.
void learn_from(Node& node, const Port& port, const RasterSource& companion, const Grid& grid);

/// Turns a pipeline into a graph. The graph points to the registry's operators, so the registry must outlive it. or
/// says what is wrong where. `text` is the user's own text, for the caret.
Graph make_graph(const Pipeline& pipeline, std::string_view text, const Registry& registry, const Io& io, int threads);
Graph make_graph(const Pipeline&, std::string_view, const Registry&&, const Io&, int) = delete;

}  // namespace fulmar
