// SPDX-License-Identifier: Apache-2.0
/// @file
/// Runs a planned graph.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "core/device.hpp"
#include "plan/plan.hpp"

namespace fulmar {

struct RunOptions {
  /// Called with the share of work done, 0 to 1, never backwards, by one thread at a time.
  std::function<void(double)> progress;
  /// Set by anyone to stop the run; products that are not whole do not appear.
  const std::atomic<bool>* cancel = nullptr;
  Metadata provenance;
  /// Where the plan has stages for a card: the card.
  Device* device = nullptr;
};

struct ProductReport {
  std::string path;
  ProductKind kind = ProductKind::raster;
  std::int64_t features = 0;  ///< rows
  bool objects = false;       ///< that are what a labelling operator found, or whose boxes a picture shows
};

/// What a reducing operator found.
struct SummaryReport {
  std::string op;
  FeatureTable table;
};

struct RunReport {
  Backend backend = Backend::cpu;
  std::vector<ProductReport> products;
  std::vector<FeatureTable> tables;      ///< one for each labelling node, in node order; empty where a sink kept it
  std::vector<SummaryReport> summaries;  ///< one for each reducing node, in node order
  std::vector<std::string> notes;        ///< what operators have to say, such as what they dropped
  std::int64_t pool_peak = 0;            ///< bytes the engine's pool held at most
  std::int64_t device_peak = 0;          ///< bytes of device memory held at most
  DeviceTraffic traffic;                 ///< what crossed to and from the card, tile by tile
};

/// Errors: Errc::input, Errc::output, Errc::cancelled, Errc::runtime, each with the product or file it concerns.
RunReport run(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options);

}  // namespace fulmar
