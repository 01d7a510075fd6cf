// SPDX-License-Identifier: Apache-2.0
/// @file
/// The products of a run while they are being made, shared by all passes and backends.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "exec/block.hpp"
#include "exec/reduce.hpp"
#include "exec/run.hpp"
#include "exec/tables.hpp"

namespace fulmar {

/// Fails with Errc::cancelled once the caller has asked to stop.
void stop_if_asked(const std::atomic<bool>* cancel);

/// The bands of a raster product as they are stored.
std::vector<ProductBand> product_bands(const Graph& graph, const Product& product);

class Products {
 public:
  /// Creates every product's temporary file, so that what cannot be written fails before anything is read.
  Products(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options);

  /// Hands the cells of one band of a pass's product to its sink. `plane` covers at least the window.
  void write(const Product& product, std::size_t band, const Window& window, const PlaneRef& plane);
  /// The objects of a labelling node of the whole graph.
  [[nodiscard]] Labeller& labeller(int node) { return labellers_.at(node); }
  /// What a reducing node of the whole graph has found so far; empty before its first round.
  [[nodiscard]] Found& found(int node) { return reduced_[node]; }
  /// A table of the graph, made if it is not there yet; the passes that find what it is made of must be done.
  [[nodiscard]] const FeatureTable& table(int which);
  /// Writes the features and lets all products appear. The report lists them.
  void finish(RunReport& report);

 private:
  /// Gives tables to the sinks that keep them; a table that is nobody else's is not copied.
  void hand_over();
  /// The numbers of a reducing node.
  [[nodiscard]] FeatureTable summary_table(int node) const;
  /// The features of a labelling node, or the numbers of a reducing one beside the rows that they describe.
  [[nodiscard]] const FeatureTable& table_of(int node);
  /// The numbers of several nodes beside what tells them apart, and beside the rows that they describe, if any.
  [[nodiscard]] FeatureTable stacked_table(const Stacked& stacked, const FeatureTable* about,
                                           std::int64_t most_bytes) const;
  [[nodiscard]] int node_of(const Product& product) const;

  const Graph& graph_;
  const Io& io_;
  const std::atomic<bool>* cancel_;
  TableMaker made_;
  Metadata metadata_;
  std::map<int, Labeller> labellers_;
  std::map<int, Found> reduced_;
  std::map<int, FeatureTable> found_;                   ///< by node, once asked for
  std::vector<std::unique_ptr<RasterSink>> rasters_;    ///< by product, null where it is not one
  std::vector<std::unique_ptr<FeatureSink>> features_;  ///< likewise
  std::vector<bool> known_;                             ///< by product: a cell of it had a value
  std::vector<float> row_;                              ///< flags on their way to a temporary raster
};

}  // namespace fulmar
