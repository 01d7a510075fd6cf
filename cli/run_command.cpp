// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "api/card.hpp"
#include "api/names.hpp"
#include "api/product_folder.hpp"
#include "cli/command.hpp"
#include "cli/engine_options.hpp"
#include "cli/progress.hpp"
#include "cli/signals.hpp"
#include "cli/terminal_io.hpp"
#include "core/iso_time.hpp"
#include "core/missing.hpp"
#include "exec/run.hpp"

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

/// What a line of the report calls a product.
const char* word_of(const ProductReport& p) {
  if (p.kind == ProductKind::features) return p.objects ? "objects" : "table";
  return name_of(p.kind);
}

/// A value as it is printed; nothing where it is missing.
std::string text_of(const FeatureTable& table, const Feature& row, std::size_t column) {
  const double value = row.values[column];
  if (is_missing(value)) return {};
  if (table.columns[column].type == ColumnType::text) return table.word(value);
  return table.columns[column].type == ColumnType::time ? time_text(table.columns[column], value)
                                                        : fmt::format("{}", value);
}

/// The numbers of one row, a line each.
std::string numbers_of(const SummaryReport& s) {
  std::string text;
  for (std::size_t c = 0; c < s.table.columns.size(); ++c) {
    const std::string value = text_of(s.table, s.table.rows.front(), c), &unit = s.table.columns[c].unit.symbol;
    // A number without a unit stands alone, and so does one that is not there.
    text +=
        fmt::format("{:<8}  {:<16} {}{}\n", c == 0 ? s.op : "", s.table.columns[c].name, value.empty() ? "none" : value,
                    value.empty() || unit == units::one || unit.empty() ? "" : " " + unit);
  }
  return text;
}

/// A few rows beneath the names of their columns.
std::string rows_of(const SummaryReport& s) {
  std::vector<std::size_t> width;
  for (std::size_t c = 0; c < s.table.columns.size(); ++c) {
    width.push_back(s.table.columns[c].name.size());
    for (const Feature& row : s.table.rows) width[c] = std::max(width[c], text_of(s.table, row, c).size());
  }
  std::string text = fmt::format("{:<8}", s.op);
  for (std::size_t c = 0; c < width.size(); ++c) text += fmt::format("  {:<{}}", s.table.columns[c].name, width[c]);
  for (const Feature& row : s.table.rows) {
    text += fmt::format("\n{:<8}", "");
    for (std::size_t c = 0; c < width.size(); ++c) text += fmt::format("  {:<{}}", text_of(s.table, row, c), width[c]);
  }
  return text + "\n";
}

/// The products of all runs, what operators have to say, and what reducing operators found, each once; tables
/// of many rows are left to their products. To standard error where a table is printed.
void print_reports(const std::vector<RunReport>& reports) {
  constexpr std::size_t few = 16;
  const bool prints = std::any_of(reports.begin(), reports.end(), [](const RunReport& r) {
    return std::any_of(r.products.begin(), r.products.end(), [](const ProductReport& p) { return p.path == printed; });
  });
  std::FILE* to = prints ? stderr : stdout;
  bool begun = false;
  for (const RunReport& report : reports)
    for (const ProductReport& p : report.products) {
      if (!begun) fmt::print(to, "{:<8}  {:>8}  {}\n", "kind", "rows", "product");
      begun = true;
      fmt::print(to, "{:<8}  {:>8}  {}\n", word_of(p), p.kind == ProductKind::raster ? "-" : std::to_string(p.features),
                 p.path);
    }
  std::set<std::string> said;
  for (const RunReport& report : reports)
    for (const std::string& note : report.notes)
      if (said.insert(note).second) fmt::print(to, "{}\n", note);
  for (const RunReport& report : reports)
    for (const SummaryReport& s : report.summaries) {
      // Of several rows those of bands, dates and zones, which the first column tells; others are numbers to go on
      // with.
      const bool told = s.table.rows.size() == 1 || s.table.columns.front().type != ColumnType::real;
      if (prints || !told || s.table.rows.size() > few) continue;
      // Pipelines of a recipe may find the same.
      if (const std::string text = s.table.rows.size() == 1 ? numbers_of(s) : rows_of(s); said.insert(text).second)
        fmt::print(to, "\n{}", text);
    }
}

/// A number, text or time; null where it is missing.
nlohmann::ordered_json to_json(const FeatureTable& table, const Feature& row, std::size_t column) {
  const double value = row.values[column];
  if (is_missing(value)) return {};
  if (table.columns[column].type == ColumnType::text) return table.word(value);
  if (table.columns[column].type == ColumnType::time) return time_text(table.columns[column], value);
  if (table.columns[column].type == ColumnType::integer) return std::llround(value);
  return value;
}

nlohmann::ordered_json to_json(const RunReport& report) {
  auto products = nlohmann::ordered_json::array();
  for (const ProductReport& p : report.products) {
    nlohmann::ordered_json product{{"path", p.path}, {"kind", name_of(p.kind)}};
    if (p.kind != ProductKind::raster) product["rows"] = p.features;
    if (p.objects) product["objects"] = p.features;
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

void print_json(std::FILE* to, const nlohmann::ordered_json& whole) {
  // A file's name may be any bytes.
  fmt::print(to, "{}\n", whole.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

RunReport run_pipeline(const Options& options, PipelineText request) {
  const OnlyResults only{!options.quiet && !options.json};
  Budget budget = options.engine.budget();
  const std::unique_ptr<Device> card = open_card(budget, print_note);
  options.engine.configure_gdal();
  const TerminalIo io;
  options.engine.apply_to(request.pipeline, io);
  const Registry registry = options.engine.plugins.registry();
  const Graph graph =
      fulmar::make_graph(request.pipeline, request.text, registry, io, options.engine.encoder_threads());
  const Plan plan = make_plan(graph, budget);

  Progress progress{Progress::style_of(options.progress, options.quiet)};
  RunOptions run_options;
  run_options.progress = [&](double share) { progress.show(share); };
  run_options.cancel = &catch_signals();
  run_options.device = card.get();
  run_options.provenance = provenance(request.pipeline, graph, plan.backend, card.get(), io);
  return run(graph, plan, io, run_options);
}

void run_all(const Options& options, const Request& request) {
  options.engine.check_for(request.pipelines);
  const ProductFolder folder{request.folder};
  std::vector<RunReport> reports;
  const auto tell = [&] {
    if (!options.quiet && !options.json) print_reports(reports);
  };
  try {
    for (const PipelineText& pipeline : request.pipelines) {
      reports.push_back(run_pipeline(options, pipeline));
      reports.back().tables.clear();  // the objects of many runs, which the report does not show
    }
  } catch (...) {
    tell();  // what is there already
    throw;
  }
  tell();
  if (!options.json) return;
  auto runs = nlohmann::ordered_json::array();
  bool prints = false;
  for (const RunReport& report : reports) {
    runs.push_back(to_json(report));
    for (const ProductReport& p : report.products) prints = prints || p.path == printed;
  }
  print_json(prints ? stderr : stdout, request.recipe.empty()
                                           ? runs.front()
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
