// SPDX-License-Identifier: Apache-2.0
/// @file
/// The options that `run` and `explain` share: ceilings, backend, and what is handed to GDAL.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/pipeline_argument.hpp"
#include "cli/plugins.hpp"
#include "cli/terminal_io.hpp"
#include "plan/pipeline.hpp"
#include "plan/plan.hpp"

namespace fulmar::cli {

struct EngineOptions {
  std::string memory = "512M", tile, backend = "auto";
  int threads = 0;
  bool overwrite = false;
  std::vector<std::string> config, open_options, creation_options, layer_options;
  PluginOptions plugins;

  void add_to(CLI::App& command);

  /// Errors: Errc::usage for sizes that cannot be read.
  [[nodiscard]] Budget budget() const;
  /// Hands the options of GDAL over, before it starts.
  void configure_gdal() const;
  /// Errors: Errc::usage for options of files that no product of these pipelines knows.
  void check_for(const std::vector<PipelineText>& pipelines) const;
  /// Gives the options of files to the step that reads, and to those that write a format that knows them.
  void apply_to(Pipeline& pipeline, const TerminalIo& io) const;
  /// Threads of an encoder.
  [[nodiscard]] int encoder_threads() const;
};

/// Bytes, with an optional suffix K, M, G, T, as powers of 1024: 512M, 2G, 1GiB. Errors: Errc::usage.
std::int64_t parse_bytes(const std::string& text);

}  // namespace fulmar::cli
