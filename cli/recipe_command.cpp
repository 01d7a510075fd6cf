// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/recipe.hpp"
#include "cli/command.hpp"

namespace fulmar::cli {
namespace {

using nlohmann::ordered_json;

using Rows = std::vector<std::pair<std::string, std::string>>;

void print_rows(const char* title, const Rows& rows) {
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  fmt::print("\n{}\n", title);
  for (const auto& [left, right] : rows) fmt::print("  {:<{}}  {}\n", left, width, right);
}

void list_recipes(const Recipes& recipes, bool json) {
  auto all = ordered_json::array();
  std::vector<Recipe> found;
  for (const std::string& name : recipes.names()) found.push_back(recipes.find(name));
  std::size_t name_width = 0, domain_width = 0;
  const auto domains = [](const Recipe& r) { return fmt::format("{}", fmt::join(r.domains, ", ")); };
  for (const Recipe& r : found) {
    name_width = std::max(name_width, r.name.size());
    domain_width = std::max(domain_width, domains(r).size());
    all.push_back({{"name", r.name}, {"domain", r.domains}, {"summary", r.summary}});
  }
  if (json)
    fmt::print("{}\n", all.dump(2));
  else
    for (const Recipe& r : found)
      fmt::print("{:<{}}  {:<{}}  {}\n", r.name, name_width, domains(r), domain_width, r.summary);
}

/// A word as a shell takes it.
std::string in_quotes(const std::string& word) {
  const bool plain = std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view{"._/-+:,@%="}.find(static_cast<char>(c)) != std::string_view::npos;
  });
  return plain ? word : "'" + word + "'";
}

void show_recipe(const Recipe& recipe) {
  fmt::print("{}: {}\n{}\n\n{}\n", recipe.name, recipe.summary, fmt::join(recipe.domains, ", "), recipe.description);
  Rows inputs, outputs, pipelines;
  std::string example = "fulmar run @" + recipe.name;
  for (const RecipeInput& i : recipe.inputs) {
    inputs.emplace_back(i.name, fmt::format("{} [{}; {}]", i.what, i.kind,
                                            i.fallback ? "default " + *i.fallback : std::string{"required"}));
    if (!i.fallback || i.name == "out")
      example += " --set " + in_quotes(i.name + "=" + (i.example.empty() ? *i.fallback : i.example));
  }
  for (const RecipeOutput& o : recipe.outputs) outputs.emplace_back(o.file, o.what);
  print_rows("Inputs", inputs);
  print_rows("Products", outputs);
  for (const Pipeline& p : recipe.pipelines) pipelines.emplace_back(std::to_string(pipelines.size() + 1), to_text(p));
  print_rows("Pipelines", pipelines);
  fmt::print("\nExample\n  {}\n", example);
}

}  // namespace

void show_recipe(const std::string& name) { show_recipe(Recipes{""}.find(name)); }

void add_recipes(CLI::App& app) {
  CLI::App* command = app.add_subcommand("recipes", "List the recipes, or tell all about one");
  const auto name = std::make_shared<std::string>();
  const auto folder = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("recipe", *name, "Name of the recipe")->type_name("RECIPE");
  command->add_option("--recipes", *folder, "A folder of further recipes")->type_name("DIR");
  command->add_flag("--json", *json, "Print as JSON");
  command->callback([name, folder, json] {
    const Recipes recipes{*folder};
    if (name->empty()) return list_recipes(recipes, *json);
    const std::string plain = name->starts_with('@') ? name->substr(1) : *name;
    const Recipe recipe = recipes.find(plain);
    if (*json)
      fmt::print("{}\n", ordered_json::parse(recipes.text(plain)).dump(2));
    else
      show_recipe(recipe);
  });
}

}  // namespace fulmar::cli
