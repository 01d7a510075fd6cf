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

/// One band of a source, or one operator with its inputs.
struct Node {
  // a band of a source
  int source = -1;
  int band = 0;
  // an operator
  const Operator* op = nullptr;
  std::vector<std::byte> params;  ///< aligned by the allocator's default, which suffices for every table
  std::vector<double> table;
  std::vector<fulmar_view> views;
  std::vector<Edge> inputs;   ///< one for each input port; the first port of a variadic operator has one for each band
  std::size_t bands = 1;      ///< inputs that belong to the first port
  std::vector<double> times;  ///< of a variadic operator: when each date was measured; NaN where unknown
  std::vector<ParamValue> values;
  Span span;

  std::vector<Band> outputs;

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
  [[nodiscard]] Halo halo(std::size_t input, const Grid& grid) const;
  [[nodiscard]] bool anchored() const;  ///< works in whole blocks of the anchored lattice (window sums)
  [[nodiscard]] bool labels() const { return op != nullptr && op->table().kind == FULMAR_KIND_LABELLING; }
};

/// A product. Rasters have bands; features come from a labelling node; a picture has both.
struct Product {
  ProductKind kind = ProductKind::raster;
  std::string path;
  FileOptions options;
  std::vector<Edge> bands;
  int features = -1;  ///< the labelling node
};

struct Graph {
  std::string text;  ///< canonical text of the pipeline, for provenance
  Grid grid;         ///< of every raster in the graph
  std::vector<std::shared_ptr<const RasterSource>> sources;
  std::vector<Node> nodes;  ///< inputs before users
  std::vector<Product> products;
};

/// Turns a pipeline into a graph. The graph points to the registry's operators, so the registry must outlive it. or
/// says what is wrong where. `text` is the user's own text, for the caret.
Graph make_graph(const Pipeline& pipeline, std::string_view text, const Registry& registry, const Io& io, int threads);
Graph make_graph(const Pipeline&, std::string_view, const Registry&&, const Io&, int) = delete;

}  // namespace fulmar
