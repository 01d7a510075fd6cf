// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/recipe.hpp"
#include "cli/command.hpp"
#include "cli/plugins.hpp"
#include "core/error.hpp"
#include "io/gdal_io.hpp"
#include "op/operator.hpp"
#include "plan/file_options.hpp"

namespace fulmar::cli {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

/// Two columns, the second broken between words.
void print_rows(const char* title, const Rows& rows) {
  constexpr std::size_t broad = 110;
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  fmt::print("\n{}\n", title);
  for (const auto& [left, right] : rows) {
    fmt::print("  {:<{}}", left, width);
    std::size_t column = width + 4;
    for (std::size_t begin = 0; begin < right.size();) {
      const std::size_t end = std::min(right.find(' ', begin), right.size());
      if (column + (end - begin) > broad) {
        fmt::print("\n  {:<{}}", "", width);
        column = width + 4;
      }
      fmt::print("{}{}", column == width + 4 ? "  " : " ", right.substr(begin, end - begin));
      column += end - begin + 1;
      begin = end + 1;
    }
    fmt::print("\n");
  }
}

void print_options(const char* title, bool write) {
  Rows rows;
  for (const FileOption& o : file_option_table())
    if (write ? o.write : o.read)
      rows.emplace_back(fmt::format("--{}{}{}", o.name, o.value.empty() ? "" : " ", o.value), o.words);
  print_rows(title, rows);
}

void help_files() {
  fmt::print(
      "Files that are read stand first in a pipeline: any raster, cube or vector file that GDAL opens, a /vsi path, a\n"
      "table in .csv, .xlsx or .ods, or a name with * or ?, which stands for all files that it fits.\n");
  print_options("Options behind the name of a file that is read", false);
  fmt::print(
      "\nExamples\n"
      "  fulmar run 'scene.tif --band 3 --nodata 0 ! stats ! -'\n"
      "  fulmar run 'cube.nc --layer sst --time-range 2020-01/2020-03 ! composite ! mean.tif'\n\n"
      "fulmar help products tells of products.\n");
}

void help_products() {
  fmt::print(
      "A product is a file that a pipeline writes, in its last step or in a branch [ file ]. Its extension tells what\n"
      "it is; the name - prints a table as CSV.\n");
  Rows rasters, features;
  for (const ProductFormat& f : product_formats())
    (f.raster ? rasters : features).emplace_back("." + f.extension, f.words);
  print_rows("Rasters", rasters);
  print_rows("Tables and features", features);
  print_options("Options behind the name of a product", true);
  fmt::print(
      "\nExamples\n"
      "  fulmar run 'scene.tif ! linear ! out.tif --co COMPRESS=ZSTD --overwrite'\n"
      "  fulmar run 'dem.tif ! fill ! flow_accumulation ! flow.tif --values cells,direction'\n\n"
      "fulmar help files tells of files that are read.\n");
}

void print_help(std::string text) {
  if (!text.ends_with('\n')) text += '\n';
  fmt::print("{}", text);
}

void help(CLI::App& app, const std::string& topic) {
  // Asked for its help, the program itself would answer with that of this command.
  if (topic.empty())
    return print_help(app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal));
  if (topic == "files") return help_files();
  if (topic == "products") return help_products();
  std::vector<std::string> names{"files", "products"};
  for (CLI::App* command : app.get_subcommands(nullptr)) {
    if (command->check_name(topic)) return print_help(command->help());
    names.push_back(command->get_name());
  }
  const Registry registry = PluginOptions{}.registry(NoSidecar::refuse);
  if (registry.find(topic) != nullptr) return inspect_operator(registry, topic, false);
  const std::vector<std::string> recipes = Recipes{""}.names(), operators = registry.names();
  const std::string plain = topic.starts_with('@') ? topic.substr(1) : topic;
  if (std::find(recipes.begin(), recipes.end(), plain) != recipes.end()) return show_recipe(plain);
  names.insert(names.end(), operators.begin(), operators.end());
  names.insert(names.end(), recipes.begin(), recipes.end());
  const std::string near = nearest(topic, names);
  fail(Errc::usage,
       fmt::format("there is no help on '{}'; {}", topic.substr(0, 60),
                   near.empty() ? "it is on files, products, any command, operator (fulmar list) or recipe (fulmar "
                                  "recipes)"
                                : "did you mean 'fulmar help " + near + "'?"));
}

}  // namespace

void add_help(CLI::App& app) {
  CLI::App* command = app.add_subcommand("help", "Tell of files, products, a command, an operator or a recipe");
  const auto topic = std::make_shared<std::string>();
  command->add_option("topic", *topic, "files, products, or the name of a command, operator or recipe")
      ->type_name("TOPIC");
  command->callback([&app, topic] { help(app, *topic); });
}

}  // namespace fulmar::cli
