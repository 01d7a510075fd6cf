// SPDX-License-Identifier: Apache-2.0
#include "plan/json_schema.hpp"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "plan/file_options.hpp"

namespace fulmar {
namespace {

using nlohmann::ordered_json;

ordered_json reference(const std::string& definition) { return {{"$ref", "#/definitions/" + definition}}; }

/// A text; a word that looks like a number or a truth value may be written as one.
ordered_json scalar(const std::string& description) {
  return {{"description", description}, {"type", {"string", "number", "boolean"}}};
}

ordered_json one_or_more(const ordered_json& item, const std::string& description) {
  return {{"description", description}, {"anyOf", {item, {{"type", "array"}, {"minItems", 1}, {"items", item}}}}};
}

ordered_json key_value(const std::string& description) {
  return one_or_more({{"type", "string"}, {"pattern", "^[^=]+="}}, description);
}

// ---- parameters ----

void add_range(const Param& p, ordered_json& schema) {
  if (p.minimum) schema["minimum"] = *p.minimum;
  if (p.maximum) schema["maximum"] = *p.maximum;
  if (p.above) schema["exclusiveMinimum"] = *p.above;
  if (p.below) schema["exclusiveMaximum"] = *p.below;
}

/// The number or truth value that a word would be read as, for choices such as 8 or 4.
void add_choice(const std::string& choice, ordered_json& values) {
  values.push_back(choice);
  const ordered_json value = ordered_json::parse(choice, nullptr, false);
  if (value.is_number() || value.is_boolean()) values.push_back(value);
}

std::string describe(const Param& p) {
  std::string text = p.description;
  if (!p.unit.empty()) text += " Unit: " + p.unit + ".";
  if (p.type == ParamType::length) text += " A number is in metres; \"7px\" counts cells of the scene.";
  return text;
}

ordered_json default_of(const Param& p) {
  if (p.type == ParamType::text || p.type == ParamType::file || p.type == ParamType::choice) return p.fallback;
  if (p.type == ParamType::length && p.fallback.ends_with("px")) return p.fallback;
  return ordered_json::parse(p.fallback);
}

ordered_json parameter(const Param& p) {
  ordered_json schema{{"description", describe(p)}};
  switch (p.type) {
    case ParamType::number:
    case ParamType::integer:
      schema["type"] = name_of(p.type);
      add_range(p, schema);
      break;
    case ParamType::boolean:
      schema["type"] = "boolean";
      break;
    case ParamType::length: {
      ordered_json metres{{"type", "number"}};
      add_range(p, metres);
      schema["anyOf"] = {metres, {{"type", "string"}, {"pattern", "^[0-9.]+([eE][+-]?[0-9]+)? *(px|m|km)$"}}};
      break;
    }
    case ParamType::choice:
      schema["enum"] = ordered_json::array();
      for (const std::string& choice : p.choices) add_choice(choice, schema["enum"]);
      break;
    case ParamType::text:
      schema["type"] = {"string", "number", "boolean"};
      break;
    case ParamType::file:
      schema["anyOf"] = {scalar("The name of a file."), reference("input")};
      break;
  }
  if (!p.fallback.empty()) schema["default"] = default_of(p);
  return schema;
}

// ---- steps ----

ordered_json step(ordered_json properties, ordered_json required) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

/// An output's name, in place of a pipeline.
ordered_json value_name() {
  return {{"description", "The name of a value that was made before."},
          {"type", "string"},
          {"pattern", "^[a-z][a-z0-9]*([-_][a-z0-9]+)*$"}};
}

ordered_json operator_step(const Operator& op) {
  ordered_json properties{{"apply", {{"const", op.name()}}}};
  ordered_json required{"apply"}, alternatives = ordered_json::array();
  std::size_t positional = 0;
  for (const Param& p : op.params()) {
    properties[p.name] = parameter(p);
    if (p.positional) ++positional;
    const bool shapes = std::any_of(op.inputs().begin(), op.inputs().end(), [&](const Port& port) {
      return port.companion == "shapes" && port.name == p.name;  // these may flow, too
    });
    if (p.required && !p.positional && !shapes) required.push_back(p.name);
    // A parameter that may stand without its name is either a member of its own or one of "arguments".
    if (p.required && p.positional)
      alternatives.push_back({{"anyOf", {{{"required", {p.name}}}, {{"required", {"arguments"}}}}}});
  }
  bool companion = false;
  for (const Port& port : op.inputs()) {
    companion = companion || !port.companion.empty();
    if (const Port& scene = op.inputs().front(); port.companion == "shapes")
      properties[scene.name] = {{"description", scene.description + " Where the shapes flow."},
                                {"anyOf", {scalar("The name of a file."), reference("input")}}};
    // The first input is what flows down the pipeline; one of all bands may be given more of them.
    const bool flows = &port == op.inputs().data();
    if ((flows && !op.variadic()) || !port.companion.empty()) continue;
    if (port.table)
      properties[port.name] = {{"description", port.description},
                               {"anyOf", {scalar("The name of a file."), reference("input")}}};
    else
      properties[port.name] = one_or_more({{"anyOf", {value_name(), reference("input")}}}, port.description);
  }
  if (companion) properties["oo"] = key_value("Open options of the file beside the scene.");
  if (positional > 0)
    properties["arguments"] = {{"description", "Parameters without their names."},
                               {"type", "array"},
                               {"minItems", 1},
                               {"maxItems", positional},
                               {"items", {{"type", {"string", "number", "boolean"}}}}};
  ordered_json schema{{"title", op.name()}, {"description", op.summary()}};
  schema.update(step(std::move(properties), std::move(required)));
  if (!alternatives.empty()) schema["allOf"] = std::move(alternatives);
  return schema;
}

ordered_json file_option(const FileOption& option) {
  const std::string words{option.words};
  switch (option.form) {
    case FileOption::Form::pair:
      return key_value(words);
    case FileOption::Form::flag:
      return {{"description", words}, {"type", "boolean"}};
    case FileOption::Form::rasters:
      return one_or_more({{"anyOf", {{{"type", "string"}, {"minLength", 1}}, reference("input")}}}, words);
    case FileOption::Form::bands: {
      ordered_json bands = one_or_more({{"type", "integer"}, {"minimum", 1}}, words);
      bands["anyOf"].push_back(
          {{"type", "string"}, {"pattern", "^[1-9][0-9]*(-[1-9][0-9]*)?(,[1-9][0-9]*(-[1-9][0-9]*)?)*$"}});
      return bands;
    }
    case FileOption::Form::text:
      break;
  }
  return scalar(words);
}

/// A step that reads or writes: the file's name, and the options there are.
ordered_json file_step(const char* verb, const char* description, bool write) {
  ordered_json properties{{verb, {{"description", description}, {"type", "string"}, {"minLength", 1}}}};
  for (const FileOption& option : file_option_table())
    if (write ? option.write : option.read) properties[std::string{option.name}] = file_option(option);
  return step(std::move(properties), {verb});
}

ordered_json branch_step() { return step({{"branch", reference("branch")}}, {"branch"}); }

/// Steps, the first of which (and some of which) must be of a kind.
ordered_json steps(const char* description, const char* first, const char* others, const char* some) {
  ordered_json schema{{"description", description}, {"type", "array"}};
  if (first != nullptr) {
    schema["minItems"] = some != nullptr ? 2 : 1;
    schema["items"] = ordered_json::array({reference(first)});
    schema["additionalItems"] = reference(others);
  } else {
    schema["minItems"] = 1;
    schema["items"] = reference(others);
  }
  if (some != nullptr) schema["contains"] = reference(some);
  return schema;
}

}  // namespace

std::string json_schema(const Registry& registry) {
  ordered_json definitions, operators = ordered_json::array();
  for (const auto& [name, op] : registry.operators()) operators.push_back(reference("operator." + name));
  definitions["pipeline"] = steps("Reads first and writes last.", "read", "later", "write");
  definitions["branch"] = steps("Takes what flows, and writes last.", nullptr, "later", "write");
  definitions["input"] = step(
      {{"pipeline", steps("Reads first, or goes on with what flows, and writes nothing.", "first", "apply", nullptr)}},
      {"pipeline"});
  definitions["first"] = {{"anyOf", {reference("read"), reference("apply")}}};
  definitions["later"] = {{"anyOf", {reference("apply"), reference("branch_step"), reference("write")}}};
  definitions["apply"] = {{"anyOf", std::move(operators)}};
  definitions["read"] = file_step("read", "A raster that GDAL opens.", false);
  definitions["write"] = file_step("write", "A product; its extension tells its format.", true);
  definitions["branch_step"] = branch_step();
  for (const auto& [name, op] : registry.operators()) definitions["operator." + name] = operator_step(op);

  ordered_json schema{{"$schema", "http://json-schema.org/draft-07/schema#"},
                      {"title", "Fulmar pipeline"},
                      {"description", "What `fulmar run pipeline.json` runs. Made by `fulmar schema`."}};
  schema.update(step({{"$schema", {{"type", "string"}}}, {"pipeline", reference("pipeline")}}, {"pipeline"}));
  schema["definitions"] = std::move(definitions);
  return schema.dump(2) + "\n";
}

}  // namespace fulmar
