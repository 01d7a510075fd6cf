// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/command.hpp"
#include "cli/engine_options.hpp"
#include "io/gdal_io.hpp"
#include "plugins/builtin.hpp"

namespace fulmar::cli {
namespace {

struct Options {
  EngineOptions engine;
  bool json = false;
};

void explain_pipeline(const Options& options, PipelineText request) {
  const Budget budget = options.engine.budget();
  options.engine.configure_gdal();
  options.engine.apply_to(request.pipeline);
  const Registry registry = builtin_registry();
  const GdalIo io;
  const Graph graph =
      fulmar::make_graph(request.pipeline, request.text, registry, io, options.engine.encoder_threads());
  const Plan plan = make_plan(graph, budget);
  const std::string text = options.json ? explain_json(graph, plan) : explain(graph, plan);
  fmt::print("{}{}", text, text.ends_with('\n') ? "" : "\n");
}

}  // namespace

void add_explain(CLI::App& app, const Folded& folded) {
  CLI::App* command =
      app.add_subcommand("explain", "Tell how a pipeline would run: passes, halos, tiles, bytes, memory");
  command->alias("plan");
  take_pipeline(*command);
  const auto options = std::make_shared<Options>();
  options->engine.add_to(*command);
  command->add_flag("--json", options->json, "Print the plan as JSON");
  command->callback([command, options, &folded] { explain_pipeline(*options, read_pipeline(*command, folded)); });
}

}  // namespace fulmar::cli
