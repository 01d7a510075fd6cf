// SPDX-License-Identifier: Apache-2.0
/// @file
/// The products of a graph while they are being made, shared by all backends.
#pragma once

#include <memory>
#include <vector>

#include "exec/block.hpp"
#include "exec/run.hpp"

namespace fulmar {

/// Fails with Errc::cancelled once the caller has asked to stop.
void stop_if_asked(const std::atomic<bool>* cancel);

class Products {
 public:
  /// Creates every product's temporary file, so that what cannot be written fails before anything is read.
  Products(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options);

  /// Hands the cells of one band of a product to its sink. `plane` covers at least the window.
  void write(std::size_t product, std::size_t band, const Window& window, const PlaneRef& plane);
  [[nodiscard]] Labeller& labeller(std::size_t which) { return labellers_[which]; }
  /// Writes the features and lets all products appear. The report lists them.
  void finish(RunReport& report);

 private:
  const Graph& graph_;
  const std::atomic<bool>* cancel_;
  std::vector<int> labels_;
  std::vector<Labeller> labellers_;
  std::vector<std::unique_ptr<RasterSink>> rasters_;    ///< by product, null where it is not one
  std::vector<std::unique_ptr<FeatureSink>> features_;  ///< likewise
};

}  // namespace fulmar
