// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "api/card.hpp"
#include "api/names.hpp"
#include "api/product_folder.hpp"
#include "cli/command.hpp"
#include "cli/engine_options.hpp"
#include "cli/progress.hpp"
#include "cli/signals.hpp"
#include "core/iso_time.hpp"
#include "core/missing.hpp"
#include "exec/run.hpp"
#include "io/gdal_io.hpp"
#include "plugins/builtin.hpp"

namespace fulmar::cli {
namespace {

struct Options {
  EngineOptions engine;
  RecipeOptions recipe;
  std::string progress;
  bool quiet = false, json = false;
};

const char* name_of(ProductKind kind) {
  switch (kind) {
    case ProductKind::raster:
      return "raster";
    case ProductKind::features:
      return "features";
    case ProductKind::picture:
    case ProductKind::any:
      break;
  }
  return "picture";
}

void print_table(const RunReport& report) {
  fmt::print("{:<8}  {:>8}  {}\n", "kind", "objects", "product");
  for (const ProductReport& p : report.products)
    fmt::print("{:<8}  {:>8}  {}\n", name_of(p.kind), p.kind == ProductKind::raster ? "-" : std::to_string(p.features),
               p.path);
}

/// What reducing operators found, a line a number; tables of many rows are left to their products.
void print_summaries(const RunReport& report) {
  for (const SummaryReport& s : report.summaries) {
    if (s.table.rows.size() != 1) continue;
    fmt::print("\n");
    for (std::size_t c = 0; c < s.table.columns.size(); ++c)
      fmt::print("{:<8}  {:<16} {} {}\n", c == 0 ? s.op : "", s.table.columns[c].name, s.table.rows.front().values[c],
                 s.table.columns[c].unit.symbol);
  }
}

void print_notes(const RunReport& report) {
  for (const std::string& note : report.notes) fmt::print("{}\n", note);
}

/// A number, text or time; null where it is missing.
nlohmann::ordered_json to_json(const FeatureTable& table, const Feature& row, std::size_t column) {
  const double value = row.values[column];
  if (is_missing(value)) return {};
  if (table.columns[column].type == ColumnType::text) return table.word(value);
  if (table.columns[column].type == ColumnType::time) return iso_time(value);
  return value;
}

nlohmann::ordered_json to_json(const RunReport& report) {
  auto products = nlohmann::ordered_json::array();
  for (const ProductReport& p : report.products) {
    nlohmann::ordered_json product{{"path", p.path}, {"kind", name_of(p.kind)}};
    if (p.kind != ProductKind::raster) product["objects"] = p.features;
    products.push_back(std::move(product));
  }
  auto summaries = nlohmann::ordered_json::array();
  for (const SummaryReport& s : report.summaries) {
    auto rows = nlohmann::ordered_json::array();
    for (const Feature& row : s.table.rows) {
      nlohmann::ordered_json each;
      for (std::size_t c = 0; c < s.table.columns.size(); ++c) each[s.table.columns[c].name] = to_json(s.table, row, c);
      rows.push_back(std::move(each));
    }
    summaries.push_back({{"operator", s.op}, {"rows", std::move(rows)}});
  }
  return {{"backend", fulmar::name_of(report.backend)},
          {"products", std::move(products)},
          {"summaries", std::move(summaries)},
          {"notes", report.notes},
          {"pool_peak_bytes", report.pool_peak},
          {"device",
           {{"peak_bytes", report.device_peak},
            {"uploads", report.traffic.uploads},
            {"uploaded_bytes", report.traffic.uploaded},
            {"downloads", report.traffic.downloads},
            {"downloaded_bytes", report.traffic.downloaded}}}};
}

void print_json(const nlohmann::ordered_json& whole) {
  // A file's name may be any bytes.
  fmt::print("{}\n", whole.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

RunReport run_pipeline(const Options& options, PipelineText request) {
  Budget budget = options.engine.budget();
  const std::unique_ptr<Device> card = open_card(budget, print_note);
  options.engine.configure_gdal();
  options.engine.apply_to(request.pipeline);
  const Registry registry = builtin_registry();
  const GdalIo io;
  const Graph graph =
      fulmar::make_graph(request.pipeline, request.text, registry, io, options.engine.encoder_threads());
  const Plan plan = make_plan(graph, budget);

  Progress progress{Progress::style_of(options.progress, options.quiet)};
  RunOptions run_options;
  run_options.progress = [&](double share) { progress.show(share); };
  run_options.cancel = &catch_signals();
  run_options.device = card.get();
  run_options.provenance = provenance(request.pipeline, graph, plan.backend, io);
  return run(graph, plan, io, run_options);
}

void run_all(const Options& options, const Request& request) {
  const ProductFolder folder{request.folder};
  auto runs = nlohmann::ordered_json::array();
  for (const PipelineText& pipeline : request.pipelines) {
    const RunReport report = run_pipeline(options, pipeline);
    if (options.json)
      runs.push_back(to_json(report));
    else if (!options.quiet)
      print_table(report), print_notes(report), print_summaries(report);
  }
  if (options.json)
    print_json(request.recipe.empty() ? runs.front()
                                      : nlohmann::ordered_json{{"recipe", request.recipe}, {"runs", runs}});
}

}  // namespace

void add_run(CLI::App& app, const Folded& folded) {
  CLI::App* command = app.add_subcommand("run", "Run a pipeline or a recipe");
  take_pipeline(*command);
  const auto options = std::make_shared<Options>();
  options->engine.add_to(*command);
  options->recipe.add_to(*command);
  command->add_flag("-q,--quiet", options->quiet, "Print nothing but errors");
  command
      ->add_option("--progress", options->progress, "How to show progress: bar (on a terminal by default), json, none")
      ->type_name("STYLE")
      ->check(CLI::IsMember({"bar", "json", "none"}));
  command->add_flag("--json", options->json, "Print the report as JSON");
  command->callback(
      [command, options, &folded] { run_all(*options, read_request(*command, folded, options->recipe)); });
}

}  // namespace fulmar::cli
