// SPDX-License-Identifier: Apache-2.0
#include "exec/products.hpp"

#include <algorithm>
#include <limits>

#include "core/missing.hpp"

namespace fulmar {

void stop_if_asked(const std::atomic<bool>* cancel) {
  if (cancel != nullptr && cancel->load())
    fail(Errc::cancelled, "stopped before the products were whole; none was written");
}

Products::Products(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options)
    : graph_{graph},
      cancel_{options.cancel},
      labels_{labelling_nodes(graph)},
      rasters_(graph.products.size()),
      features_(graph.products.size()) {
  for (const int n : labels_) {
    const Node& node = graph.nodes[static_cast<std::size_t>(n)];
    bool eight = true;
    for (const ParamValue& v : node.values)
      if (v.name == "connectivity") eight = v.number == 0;
    labellers_.emplace_back(
        graph.grid, eight,
        [&node](const fulmar_object& o) { return node.op->table().keep(node.params.data(), &o) != 0; },
        plan.feature_bytes / 2 / static_cast<std::int64_t>(labels_.size()));
  }
  Metadata metadata = graph.sources.empty() ? Metadata{} : graph.sources.front()->metadata();
  for (const auto& [key, value] : options.provenance) metadata[key] = value;
  metadata["FULMAR_PIPELINE"] = graph.text;
  for (std::size_t p = 0; p < graph.products.size(); ++p) {
    const Product& product = graph.products[p];
    if (product.kind != ProductKind::raster) {
      features_[p] = io.create_features(product.path, product.options, graph.grid, Labeller::columns(), metadata);
      continue;
    }
    std::vector<ProductBand> bands;
    for (const Edge& e : product.bands) {
      const Band& b = graph.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)];
      const double none =
          b.type == DType::u8 ? static_cast<double>(missing<std::uint8_t>) : std::numeric_limits<double>::quiet_NaN();
      bands.push_back({b.name, b.type, none, b.unit});
    }
    rasters_[p] = io.create_raster(product.path, product.options, graph.grid, bands, metadata);
  }
}

void Products::write(std::size_t product, std::size_t band, const Window& window, const PlaneRef& plane) {
  if (rasters_[product]) {
    const void* cells = plane.type == DType::f32 ? static_cast<const void*>(plane.at<float>(window.x, window.y))
                                                 : static_cast<const void*>(plane.at<std::uint8_t>(window.x, window.y));
    rasters_[product]->write(static_cast<int>(band), window, cells, plane.stride);
  } else if (features_[product]->wants_raster() && plane.type == DType::f32) {
    features_[product]->write_raster(window, plane.at<float>(window.x, window.y), plane.stride);
  }
}

void Products::finish(RunReport& report) {
  for (auto& labeller : labellers_) report.tables.push_back(labeller.finish());
  for (std::size_t p = 0; p < graph_.products.size(); ++p) {
    const Product& product = graph_.products[p];
    ProductReport made{product.path, product.kind, 0};
    if (product.features >= 0) {
      const auto which = std::find(labels_.begin(), labels_.end(), product.features) - labels_.begin();
      const FeatureTable& table = report.tables[static_cast<std::size_t>(which)];
      made.features = static_cast<std::int64_t>(table.rows.size());
      features_[p]->write(table);
    }
    report.products.push_back(std::move(made));
  }
  // Whatever can fail comes before the first product appears, so that they appear together or not at all.
  for (std::size_t p = 0; p < graph_.products.size(); ++p) {
    stop_if_asked(cancel_);
    rasters_[p] ? rasters_[p]->finish() : features_[p]->finish();
  }
  stop_if_asked(cancel_);
  for (std::size_t p = 0; p < graph_.products.size(); ++p) rasters_[p] ? rasters_[p]->commit() : features_[p]->commit();
}

}  // namespace fulmar
