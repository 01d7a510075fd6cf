// SPDX-License-Identifier: Apache-2.0
#include "cli/pipeline_argument.hpp"

#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "api/recipe.hpp"
#include "core/error.hpp"
#include "op/operator.hpp"

namespace fulmar::cli {
namespace {

class PipelineUsage : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = Formatter::make_usage(app, std::move(name));
    usage.insert(usage.find_last_not_of('\n') + 1, " PIPELINE");
    return usage;
  }
};

bool is_file_of_json(const std::string& word) {
  return word.ends_with(".json") && word.find(" ! ") == std::string::npos;
}

std::string read_file(const std::string& name) {
  std::ifstream file{name, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file) fail(Errc::input, "cannot read the pipeline " + name + ": " + std::strerror(errno));
  return text;
}

PipelineText read_json_file(const std::string& name) {
  PipelineText result;
  try {
    // The canonical text takes the place of the user's own, so that errors can show their place in it.
    result.text = to_text(parse_json(read_file(name)));
  } catch (Error& e) {
    throw e.code() == Errc::usage ? e.within("in " + name) : e;
  }
  result.pipeline = parse_text(result.text);
  return result;
}

[[noreturn]] void refuse_option(const CLI::App& command, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  const std::string near = nearest(word.substr(0, word.find('=')), names);
  fail(Errc::usage, "fulmar " + command.get_name() + " has no option " + word +
                        (near.empty() ? "" : "; did you mean " + near + "?"));
}

bool is_recipe(const std::string& word) {
  return word.size() > 1 && word.front() == '@' && word.find_first_of(" !\t\n") == std::string::npos;
}

Request read_recipe(const std::string& name, const RecipeOptions& options) {
  const Recipe recipe = Recipes{options.folder}.find(name);
  const auto values = recipe_values(recipe, options.values);
  Request request{recipe.name, values.at("out"), {}};
  for (const Pipeline& pipeline : recipe.pipelines) {
    // The canonical text, so that errors can show their place in it. It quotes whatever a value holds.
    PipelineText filled;
    filled.text = to_text(fill_in(pipeline, values));
    filled.pipeline = parse_text(filled.text);
    request.pipelines.push_back(std::move(filled));
  }
  return request;
}

}  // namespace

Folded fold(const std::vector<std::string>& arguments) {
  const auto first = std::find(arguments.begin(), arguments.end(), "!");
  if (first == arguments.end()) return {arguments, ""};
  const auto last = std::find(arguments.rbegin(), arguments.rend(), "!").base();  // one past it
  Folded folded;
  folded.middle = join_words({first, last});
  folded.arguments.assign(arguments.begin(), first);
  folded.arguments.push_back(folded.middle);
  folded.arguments.insert(folded.arguments.end(), last, arguments.end());
  return folded;
}

void take_pipeline(CLI::App& command) {
  command.allow_extras();
  command.formatter(std::make_shared<PipelineUsage>());
  command.footer(
      "PIPELINE is one quoted text, several words, or a file that ends in .json:\n"
      "  'scene.tif ! linear ! cfar --pfa 1e-6 ! objects ! ships.gpkg'\n"
      "The first step reads, the last writes, those between name operators (see fulmar list).\n"
      "fulmar help files and fulmar help products tell what may stand behind the names of files; fulmar help OPERATOR\n"
      "tells the parameters of an operator.");
}

void RecipeOptions::add_to(CLI::App& command) {
  command.add_option("--set", values, "An input of a recipe, such as @flood (see fulmar recipes)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command.add_option("--recipes", folder, "A folder of further recipes")->type_name("DIR");
}

PipelineText read_pipeline(const CLI::App& command, const Folded& folded) {
  const std::vector<std::string> words = command.remaining();
  if (words.empty())
    fail(Errc::usage,
         "no pipeline is given, such as: fulmar " + command.get_name() + " 'scene.tif ! linear ! out.tif'");
  if (words.size() == 1 && is_file_of_json(words.front())) return read_json_file(words.front());

  PipelineText result;
  if (words.size() == 1) {
    result.text = words.front();
  } else if (folded.middle.empty()) {
    const auto option = std::find_if(words.begin(), words.end(), [](const auto& w) { return w.starts_with('-'); });
    if (option != words.end()) refuse_option(command, *option);
    result.text = join_words(words);
  } else {
    const auto middle = std::find(words.begin(), words.end(), folded.middle);
    result.text = join_words({words.begin(), middle});
    for (const std::string& part : {folded.middle, join_words({std::next(middle), words.end()})})
      if (!part.empty()) result.text += (result.text.empty() ? "" : " ") + part;
  }
  result.pipeline = parse_text(result.text);
  return result;
}

Request read_request(const CLI::App& command, const Folded& folded, const RecipeOptions& options) {
  const std::vector<std::string> words = command.remaining();
  if (!words.empty() && is_recipe(words.front()) && folded.middle.empty()) {
    if (words.size() > 1) {
      if (words[1].starts_with('-')) refuse_option(command, words[1]);
      fail(Errc::usage, "'" + words[1] + "' is one word too many after " + words.front() +
                            ": give its inputs with --set NAME=VALUE");
    }
    return read_recipe(words.front().substr(1), options);
  }
  if (!options.values.empty() || !options.folder.empty())
    fail(Errc::usage, "--set and --recipes belong to a recipe, such as fulmar " + command.get_name() +
                          " @flood; fulmar recipes names them");
  return {"", "", {read_pipeline(command, folded)}};
}

}  // namespace fulmar::cli
