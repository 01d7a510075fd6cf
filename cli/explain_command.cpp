// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "api/card.hpp"
#include "api/names.hpp"
#include "api/product_folder.hpp"
#include "cli/command.hpp"
#include "cli/engine_options.hpp"
#include "cli/progress.hpp"
#include "cli/terminal_io.hpp"

namespace fulmar::cli {
namespace {

struct Options {
  EngineOptions engine;
  RecipeOptions recipe;
  bool json = false;
};

/// Nothing is written, so a product that exists is no hindrance: it is told.
struct OnlyLooking : TerminalIo {
  [[nodiscard]] ProductKind product_kind(const std::string& path, const FileOptions& options) const override {
    FileOptions any = options;
    any.overwrite = true;
    const ProductKind kind = TerminalIo::product_kind(path, any);
    if (!options.overwrite)
      for (const std::string& file : existing(path, options)) in_the_way.insert(file);
    return kind;
  }
  mutable std::set<std::string> in_the_way;
};

std::string explain_pipeline(const Options& options, PipelineText request) {
  const OnlyResults only{!options.json};
  Budget budget = options.engine.budget();
  const std::unique_ptr<Device> card = open_card(budget, print_note);
  options.engine.configure_gdal();
  const OnlyLooking io;
  options.engine.apply_to(request.pipeline, io);
  const Registry registry = options.engine.plugins.registry();
  Graph graph = fulmar::make_graph(request.pipeline, request.text, registry, io, options.engine.encoder_threads());
  for (const std::string& path : io.in_the_way)
    graph.notes.push_back(fmt::format("'{}' exists: a run is refused without --overwrite", path));
  const Plan plan = make_plan(graph, budget);
  std::string text = options.json ? explain_json(graph, plan) : explain(graph, plan);
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

void explain_all(const Options& options, const Request& request) {
  options.engine.check_for(request.pipelines);
  // Whether products can be written is looked at too.
  const ProductFolder folder{request.folder};
  std::set<std::string> made;
  auto all = nlohmann::ordered_json::array();
  for (const PipelineText& pipeline : request.pipelines) {
    const std::string file = awaited(pipeline.pipeline, made);
    names_of(pipeline.pipeline, Step::Kind::write, made);
    if (options.json) {
      all.push_back(file.empty() ? nlohmann::ordered_json::parse(explain_pipeline(options, pipeline))
                                 : nlohmann::ordered_json{{"pipeline", pipeline.text}, {"awaits", file}});
      continue;
    }
    if (&pipeline != request.pipelines.data()) fmt::print("\n");
    if (request.pipelines.size() > 1) fmt::print("{}\n", pipeline.text);
    fmt::print("{}", file.empty() ? explain_pipeline(options, pipeline)
                                  : "cannot be told before " + file + " is there, which a pipeline above makes\n");
  }
  if (options.json) fmt::print("{}\n", request.recipe.empty() ? all.front().dump(2) : all.dump(2));
}

}  // namespace

void add_explain(CLI::App& app, const Folded& folded) {
  CLI::App* command =
      app.add_subcommand("explain", "Tell how a pipeline would run: passes, halos, tiles, bytes, memory");
  command->alias("plan");
  take_pipeline(*command);
  const auto options = std::make_shared<Options>();
  options->engine.add_to(*command);
  options->recipe.add_to(*command);
  command->add_flag("--json", options->json, "Print the plan as JSON");
  command->callback(
      [command, options, &folded] { explain_all(*options, read_request(*command, folded, options->recipe)); });
}

}  // namespace fulmar::cli
