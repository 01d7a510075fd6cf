// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/recipe.hpp"
#include "cli/command.hpp"
#include "cli/plugins.hpp"
#include "core/error.hpp"
#include "op/operator.hpp"
#include "plan/json_schema.hpp"

namespace fulmar::cli {
namespace {

using nlohmann::ordered_json;

// ---- list ----

/// Of a plugin from outside: which. Nothing of the program's own.
std::string origin_of(const Operator& op) {
  return op.facts().file.empty() ? "" : fmt::format("  [{} {}]", op.plugin(), op.facts().version);
}

void list_operators(const Registry& registry, bool json) {
  if (json) {
    auto all = ordered_json::array();
    for (const auto& [name, op] : registry.operators())
      all.push_back({{"name", name},
                     {"kind", op.kind()},
                     {"plugin", op.plugin()},
                     {"version", op.facts().version},
                     {"library", op.facts().file},
                     {"summary", op.summary()}});
    fmt::print("{}\n", all.dump(2));
    return;
  }
  std::size_t width = 0;
  for (const auto& [name, op] : registry.operators()) width = std::max(width, name.size());
  for (const auto& [name, op] : registry.operators())
    fmt::print("{:<{}}  {:<9}  {}{}\n", name, width, op.kind(), op.summary(), origin_of(op));
}

// ---- inspect ----

const Operator& find_operator(const Registry& registry, const std::string& name) {
  if (const Operator* op = registry.find(name)) return *op;
  const std::string plain = name.starts_with('@') ? name.substr(1) : name;
  const auto recipes = Recipes{""}.names();
  if (std::find(recipes.begin(), recipes.end(), plain) != recipes.end())
    fail(Errc::usage, fmt::format("'{0}' is a recipe and no operator; fulmar recipes {0} tells all about it", plain));
  const std::string near = nearest(name, registry.names());
  fail(Errc::usage, fmt::format("there is no operator '{}'; {}", name,
                                near.empty() ? "fulmar list names them" : "did you mean '" + near + "'?"));
}

/// Rows of two columns; the first as wide as its widest.
void print_rows(const char* title, const std::vector<std::pair<std::string, std::string>>& rows) {
  if (rows.empty()) return;
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  fmt::print("\n{}\n", title);
  for (const auto& [left, right] : rows) fmt::print("  {:<{}}  {}\n", left, width, right);
}

/// "cover=fraction" as it is written in a pipeline.
std::string spaced(std::string choice) {
  std::replace(choice.begin(), choice.end(), '=', ' ');
  return choice;
}

std::string describe(const Port& port) {
  const auto word = [](const Unit& u) {
    if (u.symbol == units::any) return std::string{"any unit"};
    if (u.symbol.starts_with(units::any)) return "the input's unit" + u.symbol.substr(units::any.size());
    return u.known() ? u.symbol : "no unit";
  };
  std::string unit = word(port.unit);
  if (!port.unit_by.empty()) {
    std::vector<std::string> words;
    for (const Unit& u : port.units) words.push_back(word(u));
    unit = fmt::format("{}, as {} says", fmt::join(words, ", "), port.unit_by);
  }
  if (port.table) unit = "table";
  if (!port.companion.empty()) unit = "made from a file: " + port.companion;
  if (port.whole) unit += ", whole";
  if (!port.whole_unless.empty()) unit += " unless --" + spaced(port.whole_unless);
  return fmt::format("{} [{}{}]", port.description, unit, port.optional ? ", optional" : "");
}

std::string describe(const Param& param) {
  std::vector<std::string> facts;
  if (!param.unit.empty()) facts.push_back("unit " + param.unit);
  if (const std::string range = param.range(); !range.empty()) facts.push_back(range);
  if (!param.choices.empty()) facts.push_back(fmt::format("one of {}", fmt::join(param.choices, ", ")));
  if (param.required)
    facts.emplace_back("required");
  else if (!param.fallback.empty())
    facts.push_back("default " + param.fallback);
  else
    facts.emplace_back("optional");
  if (param.positional) facts.emplace_back("may stand without its name");
  return fmt::format("{} [{}]", param.description, fmt::join(facts, "; "));
}

std::string heading(const Param& param) {
  std::string type = name_of(param.type);
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::toupper(c); });
  return "--" + param.name + (param.type == ParamType::boolean ? "" : " " + type);
}

}  // namespace

void inspect_operator(const Registry& registry, const std::string& name, bool json) {
  const Operator& op = find_operator(registry, name);
  if (json) {
    fmt::print("{}\n", ordered_json::parse(op.schema()).dump(2));
    return;
  }
  fmt::print("{}: {}\n", op.name(), op.summary());
  fmt::print("{}, of the plugin {}; backends agree {}\n", op.kind(), op.plugin(),
             op.agrees() == "exactly" ? "exactly" : "within one unit in the last place");
  if (const PluginFacts& facts = op.facts(); !facts.file.empty())
    fmt::print("version {}, {}; {}\n", facts.version, facts.license, facts.file);
  const auto ports = [](const std::vector<Port>& all) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const Port& p : all) rows.emplace_back(p.name, describe(p));
    return rows;
  };
  print_rows("Inputs", ports(op.inputs()));
  print_rows("Outputs", ports(op.outputs()));
  print_rows("Finds", ports(op.summary_columns()));
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Param& p : op.params()) rows.emplace_back(heading(p), describe(p));
  print_rows("Parameters", rows);
  const char quote = op.example().find('\'') == std::string::npos ? '\'' : '"';
  fmt::print("\nExample\n  fulmar run {0}{1}{0}\n\nSources\n", quote, op.example());
  for (const std::string& source : op.cites()) fmt::print("  {}\n", source);
}

void add_list(CLI::App& app) {
  CLI::App* command = app.add_subcommand("list", "List the operators");
  command->alias("operators");
  const auto json = std::make_shared<bool>(false);
  const auto plugins = std::make_shared<PluginOptions>();
  command->add_flag("--json", *json, "Print them as JSON");
  plugins->add_to(*command);
  command->callback([json, plugins] { list_operators(plugins->registry(NoSidecar::refuse), *json); });
}

void add_inspect(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "Tell all about an operator: ports, parameters, example, sources");
  const auto name = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  const auto plugins = std::make_shared<PluginOptions>();
  plugins->add_to(*command);
  command->add_option("operator", *name, "Name of the operator")->type_name("OPERATOR")->required();
  command->add_flag("--json", *json, "Print its schema as JSON");
  command->callback([name, json, plugins] { inspect_operator(plugins->registry(NoSidecar::refuse), *name, *json); });
}

void add_schema(CLI::App& app) {
  CLI::App* command = app.add_subcommand("schema", "Print the JSON Schema of pipelines in JSON");
  const auto recipe = std::make_shared<bool>(false);
  command->add_flag("--recipe", *recipe, "Print that of recipes instead");
  const auto plugins = std::make_shared<PluginOptions>();
  plugins->add_to(*command);
  command->callback([recipe, plugins] {
    fmt::print("{}", *recipe ? recipe_schema() : json_schema(plugins->registry(NoSidecar::refuse)));
  });
}

}  // namespace fulmar::cli
