// SPDX-License-Identifier: Apache-2.0
#include "api/recipe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <system_error>

#include "core/error.hpp"
#include "op/operator.hpp"

namespace fulmar {
namespace {

using nlohmann::ordered_json;

constexpr const char* out_name = "out";

// ---- reading ----

/// Where in which file something stands, for messages.
class Place {
 public:
  Place(std::string origin, std::string pointer = "") : origin_{std::move(origin)}, pointer_{std::move(pointer)} {}
  [[nodiscard]] Place operator/(const std::string& key) const { return {origin_, pointer_ + "/" + key}; }
  [[nodiscard]] Place operator/(std::size_t index) const { return *this / std::to_string(index); }
  [[noreturn]] void refuse(const std::string& message) const {
    fail(Errc::usage,
         fmt::format("the recipe {}: {}{}", origin_, message, pointer_.empty() ? "" : " (at " + pointer_ + ")"));
  }

 private:
  std::string origin_, pointer_;
};

void check_members(const ordered_json& object, const std::vector<std::string>& known, const Place& place) {
  if (!object.is_object()) place.refuse("an object is needed here");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    place.refuse(fmt::format("'{}' means nothing here{}", key, near.empty() ? "" : "; did you mean '" + near + "'?"));
  }
}

std::string text_of(const ordered_json& object, const char* key, const Place& place) {
  if (!object.contains(key)) place.refuse(fmt::format("'{}' is missing", key));
  const ordered_json& value = object[key];
  if (!value.is_string() || value.get_ref<const std::string&>().empty())
    (place / key).refuse("a text that is not empty is needed here");
  return value.get<std::string>();
}

const ordered_json& list_of(const ordered_json& object, const char* key, const Place& place) {
  static const ordered_json none = ordered_json::array();
  if (!object.contains(key)) return none;
  if (!object[key].is_array()) (place / key).refuse("a list is needed here");
  return object[key];
}

bool is_name(std::string_view name) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && lower(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
    return lower(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string name_in(const ordered_json& object, const Place& place) {
  std::string name = text_of(object, "name", place);
  if (!is_name(name)) (place / "name").refuse("a name has small letters, digits, - and _, and begins with a letter");
  return name;
}

/// The text of a default: numbers as they would be written on the command line.
std::string word_of(const ordered_json& value, const Place& place) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  place.refuse("a text or a number is needed here");
}

RecipeInput read_input(const ordered_json& json, bool parameter, const Place& place) {
  check_members(json, {"name", "what", "kind", "default", "example"}, place);
  RecipeInput input;
  input.name = name_in(json, place);
  input.what = text_of(json, "what", place);
  input.kind = text_of(json, "kind", place);
  const std::vector<std::string> kinds =
      parameter ? std::vector<std::string>{"number", "text"} : std::vector<std::string>{"raster", "vector", "table"};
  if (std::find(kinds.begin(), kinds.end(), input.kind) == kinds.end())
    (place / "kind").refuse(fmt::format("'{}' is none of {}", input.kind, fmt::join(kinds, ", ")));
  if (json.contains("default")) input.fallback = word_of(json["default"], place / "default");
  if (json.contains("example")) input.example = word_of(json["example"], place / "example");
  if (!input.fallback && input.example.empty()) place.refuse("an example is needed where there is no default");
  return input;
}

void read_inputs(const ordered_json& json, const char* key, bool parameters, Recipe& recipe, const Place& place) {
  const ordered_json& list = list_of(json, key, place);
  for (std::size_t i = 0; i < list.size(); ++i) {
    RecipeInput input = read_input(list[i], parameters, place / key / i);
    if (input.name == out_name || recipe.find(input.name) != nullptr)
      (place / key / i).refuse(fmt::format("there is another '{}'", input.name));
    recipe.inputs.push_back(std::move(input));
  }
}

std::vector<std::string> read_domains(const ordered_json& json, const Place& place) {
  static const std::vector<std::string> known{"space", "air", "ground", "sea"};
  if (!json.contains("domain")) place.refuse("'domain' is missing");
  const ordered_json list = json["domain"].is_array() ? json["domain"] : ordered_json::array({json["domain"]});
  std::vector<std::string> domains;
  for (const ordered_json& domain : list) {
    if (!domain.is_string() || std::find(known.begin(), known.end(), domain.get<std::string>()) == known.end())
      (place / "domain").refuse("a domain is one of space, air, ground and sea");
    domains.push_back(domain.get<std::string>());
  }
  if (domains.empty()) (place / "domain").refuse("the list is empty");
  return domains;
}

Pipeline read_pipeline(const ordered_json& json, const Place& place) {
  try {
    if (json.is_string()) return parse_text(json.get_ref<const std::string&>());
    if (json.is_object()) return parse_json(json.dump());
  } catch (const Error& e) {
    place.refuse(e.message());
  }
  place.refuse("a pipeline is a text, or {\"pipeline\": [...]}");
}

// ---- placeholders ----

/// Puts together what `text` and `name` return for the pieces of a text between and within its ${...}.
template <class Text, class Name>
void take_apart(std::string_view whole, Text&& text, Name&& name) {
  while (true) {
    const auto begin = whole.find("${");
    const auto end = begin == std::string_view::npos ? begin : whole.find('}', begin);
    text(whole.substr(0, end == std::string_view::npos ? whole.size() : begin));
    if (end == std::string_view::npos) return;
    name(std::string{whole.substr(begin + 2, end - begin - 2)});
    whole.remove_prefix(end + 1);
  }
}

std::string fill(const std::string& whole, const std::map<std::string, std::string>& values) {
  std::string filled;
  take_apart(
      whole, [&](std::string_view text) { filled += text; },
      [&](const std::string& name) { filled += values.at(name); });
  return filled;
}

void names_in(const std::string& whole, std::set<std::string>& names) {
  take_apart(
      whole, [](std::string_view) {}, [&](const std::string& name) { names.insert(name); });
}

void names_in(const Pipeline& pipeline, std::set<std::string>& names) {
  for (const Step& step : pipeline) {
    names_in(step.name, names);
    names_in(step.branch, names);
    for (const Argument& a : step.arguments) {
      names_in(a.value, names);
      names_in(a.pipeline, names);
    }
  }
}

void check_names(const Recipe& recipe, const Place& place) {
  std::set<std::string> used;
  for (const Pipeline& pipeline : recipe.pipelines) names_in(pipeline, used);
  for (const RecipeInput& input : recipe.inputs)
    if (!used.contains(input.name)) place.refuse(fmt::format("no pipeline uses ${{{}}}", input.name));
  for (const RecipeOutput& output : recipe.outputs) names_in(output.file, used);
  for (const std::string& name : used)
    if (recipe.find(name) == nullptr) place.refuse(fmt::format("${{{}}} is not declared among its inputs", name));
}

bool is_number(const std::string& text) {
  double x = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file) fail(Errc::input, "cannot read the recipe " + path.string() + ": " + std::strerror(errno));
  return text;
}

}  // namespace

const RecipeInput* Recipe::find(const std::string& input) const {
  const auto it = std::find_if(inputs.begin(), inputs.end(), [&](const RecipeInput& i) { return i.name == input; });
  return it == inputs.end() ? nullptr : &*it;
}

Recipe parse_recipe(const std::string& text, const std::string& origin) {
  const Place place{origin};
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  if (json.is_discarded()) place.refuse("it is not JSON");
  check_members(json,
                {"$schema", "name", "summary", "domain", "description", "inputs", "parameters", "outputs", "pipelines"},
                place);
  Recipe recipe;
  recipe.name = name_in(json, place);
  recipe.summary = text_of(json, "summary", place);
  recipe.description = text_of(json, "description", place);
  recipe.domains = read_domains(json, place);
  read_inputs(json, "inputs", false, recipe, place);
  read_inputs(json, "parameters", true, recipe, place);
  recipe.inputs.push_back({out_name, "Folder of the products, made where there is none.", "text", ".", "results"});
  const ordered_json& outputs = list_of(json, "outputs", place);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Place here = place / "outputs" / i;
    check_members(outputs[i], {"file", "what"}, here);
    recipe.outputs.push_back({text_of(outputs[i], "file", here), text_of(outputs[i], "what", here)});
  }
  const ordered_json& pipelines = list_of(json, "pipelines", place);
  for (std::size_t i = 0; i < pipelines.size(); ++i)
    recipe.pipelines.push_back(read_pipeline(pipelines[i], place / "pipelines" / i));
  if (recipe.inputs.size() < 2 || recipe.outputs.empty() || recipe.pipelines.empty())
    place.refuse("it has no inputs, no outputs or no pipelines");
  check_names(recipe, place);
  return recipe;
}

// ---- finding ----

Recipes::Recipes(const std::string& folder) {
  for (const BuiltinRecipe* r = builtin_recipes; r->name != nullptr; ++r)
    all_[r->name] = {r->text, std::string{"'"} + r->name + "'"};
  if (folder.empty()) return;
  namespace fs = std::filesystem;
  std::error_code error;
  fs::directory_iterator files{folder, error};
  for (; !error && files != fs::directory_iterator{}; files.increment(error))
    if (files->path().extension() == ".json")
      all_[files->path().stem().string()] = {read_file(files->path()), files->path().string()};
  if (error) fail(Errc::input, "cannot read the folder of recipes " + folder + ": " + error.message());
}

std::vector<std::string> Recipes::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : all_) names.push_back(name);
  return names;
}

const Recipes::Entry& Recipes::entry(const std::string& name) const {
  const auto found = all_.find(name);
  if (found != all_.end()) return found->second;
  std::string message = fmt::format("there is no recipe '{}'; ", name);
  const std::string near = nearest(name, names());
  // A part of a longer name is near too.
  std::vector<std::string> parts;
  for (const std::string& other : names())
    if (other == near || (name.size() > 2 && other.find(name) != std::string::npos)) parts.push_back(other);
  message += parts.empty() ? "fulmar recipes names them" : fmt::format("did you mean {}?", fmt::join(parts, " or "));
  fail(Errc::usage, message);
}

const std::string& Recipes::text(const std::string& name) const { return entry(name).text; }

Recipe Recipes::find(const std::string& name) const {
  const Entry& found = entry(name);
  Recipe recipe = parse_recipe(found.text, found.origin);
  if (recipe.name != name)
    fail(Errc::usage,
         fmt::format("the recipe {} calls itself '{}': the name and the file's must agree", found.origin, recipe.name));
  return recipe;
}

// ---- values ----

std::map<std::string, std::string> recipe_values(const Recipe& recipe, const std::vector<std::string>& words) {
  std::map<std::string, std::string> values;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      fail(Errc::usage, fmt::format("--set takes NAME=VALUE, not '{}'", word));
    const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
    const RecipeInput* input = recipe.find(name);
    if (input == nullptr) {
      std::vector<std::string> names;
      for (const RecipeInput& i : recipe.inputs) names.push_back(i.name);
      const std::string near = nearest(name, names);
      fail(Errc::usage, fmt::format("recipe {} has no input '{}'; {}", recipe.name, name,
                                    near.empty() ? fmt::format("it has {}", fmt::join(names, ", "))
                                                 : "did you mean '" + near + "'?"));
    }
    if (value.empty()) fail(Errc::usage, fmt::format("--set {}= gives nothing; it is: {}", name, input->what));
    if (input->kind == "number" && !is_number(value))
      fail(Errc::usage, fmt::format("{} of recipe {} is a number, not '{}'", name, recipe.name, value));
    if (!values.emplace(name, value).second) fail(Errc::usage, fmt::format("--set {} is given twice", name));
  }
  std::string missing;
  for (const RecipeInput& input : recipe.inputs) {
    if (values.contains(input.name)) continue;
    if (input.fallback)
      values[input.name] = *input.fallback;
    else
      missing += fmt::format("{}recipe {} needs {}: {} Give it with --set {}={}", missing.empty() ? "" : "\n  ",
                             recipe.name, input.name, input.what, input.name,
                             input.kind == "number" || input.kind == "text" ? input.example : "FILE");
  }
  if (!missing.empty()) fail(Errc::usage, missing);
  return values;
}

Pipeline fill_in(const Pipeline& pipeline, const std::map<std::string, std::string>& values) {
  Pipeline filled = pipeline;
  for (Step& step : filled) {
    step.name = fill(step.name, values);
    step.branch = fill_in(step.branch, values);
    for (Argument& a : step.arguments) {
      a.value = fill(a.value, values);
      a.pipeline = fill_in(a.pipeline, values);
    }
  }
  return filled;
}

std::string recipe_schema() {
  const auto text = [](const char* words) {
    return ordered_json{{"description", words}, {"type", "string"}, {"minLength", 1}};
  };
  const auto list = [](const char* words, const ordered_json& items, int least) {
    return ordered_json{{"description", words}, {"type", "array"}, {"minItems", least}, {"items", items}};
  };
  const auto object = [](const ordered_json& properties, const ordered_json& required) {
    return ordered_json{
        {"type", "object"}, {"properties", properties}, {"required", required}, {"additionalProperties", false}};
  };
  const ordered_json name{{"type", "string"}, {"pattern", "^[a-z][a-z0-9_-]*$"}};
  const ordered_json word{{"type", {"string", "number"}}};
  const auto input = [&](const ordered_json& kinds) {
    ordered_json schema = object({{"name", name},
                                  {"what", text("What it is, as a sentence.")},
                                  {"kind", {{"enum", kinds}}},
                                  {"default", word},
                                  {"example", word}},
                                 {"name", "what", "kind"});
    schema["anyOf"] = {{{"required", {"default"}}}, {{"required", {"example"}}}};
    return schema;
  };
  const ordered_json domain{{"enum", {"space", "air", "ground", "sea"}}};
  ordered_json schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
                      {"title", "Fulmar recipe"},
                      {"description", "What `fulmar run @NAME` runs. Made by `fulmar schema --recipe`."}};
  schema.update(object(
      {{"$schema", {{"type", "string"}}},
       {"name", name},
       {"summary", text("One line.")},
       {"domain", {{"anyOf", {domain, {{"type", "array"}, {"minItems", 1}, {"items", domain}}}}}},
       {"description", text("What it does, how, and what it assumes.")},
       {"inputs", list("Files that the user gives.", input({"raster", "vector", "table"}), 1)},
       {"parameters", list("Numbers and words that the user may give.", input({"number", "text"}), 0)},
       {"outputs",
        list("Products.",
             object({{"file", text("Its name, with ${out}.")}, {"what", text("What it holds.")}}, {"file", "what"}),
             1)},
       {"pipelines",
        list("Run in this order. ${name} stands for an input or parameter; ${out} for the folder of the products.",
             {{"anyOf",
               {text("The text form."),
                {{"description", "The JSON form: see fulmar schema."},
                 {"type", "object"},
                 {"required", {"pipeline"}}}}}},
             1)}},
      {"name", "summary", "domain", "description", "inputs", "outputs", "pipelines"}));
  return schema.dump(2) + "\n";
}

}  // namespace fulmar
