// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "plan/parse_rules.hpp"
#include "plan/pipeline.hpp"

namespace fulmar {
namespace {

using nlohmann::ordered_json;  // arguments keep the order in which they are written
using rules::Place;

[[noreturn]] void refuse(const std::string& pointer, const std::string& message) {
  fail(Errc::usage, message + " (at " + (pointer.empty() ? "the top" : pointer) + " of the JSON pipeline)");
}

std::string operator/(const std::string& pointer, std::size_t index) { return pointer + "/" + std::to_string(index); }
std::string operator/(const std::string& pointer, std::string_view key) {
  std::string escaped = pointer + "/";
  for (const char c : key) c == '~' ? escaped += "~0" : c == '/' ? escaped += "~1" : escaped += c;
  return escaped;
}

// ---- reading ----

/// Reads a document and keeps nothing of it: after that, no input can exhaust the stack or take quadratic time.
class Guard : public ordered_json::json_sax_t {
 public:
  explicit Guard(std::string_view text) : text_{text} {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second)
      fail(Errc::usage, "'" + key + "' appears twice in one object of the JSON pipeline");
    if (keys_.back().size() > rules::most_arguments + 1)
      fail(Errc::usage, "an object of the JSON pipeline has too many members");
    return true;
  }
  bool end_object() override {
    keys_.pop_back();
    return leave();
  }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    const std::size_t at = position > 0 ? position - 1 : 0;
    const bool syntax = dynamic_cast<const ordered_json::parse_error*>(&e) != nullptr;
    fail(Errc::usage, (syntax ? "the pipeline is not JSON\n" : "a number is beyond what can be held\n") +
                          underline(text_, {at, at + 1}));
  }

 private:
  bool enter() {
    // A nested pipeline is at most three levels of JSON deeper than its parent.
    if (++depth_ > 3 * (rules::deepest + 2)) fail(Errc::usage, "the JSON pipeline is nested too deeply");
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  std::string_view text_;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> keys_;
};

Pipeline read_steps(const ordered_json& steps, Place place, std::size_t depth, const std::string& pointer);

const ordered_json& single_member(const ordered_json& object, const char* key, const std::string& pointer) {
  if (object.size() != 1 || !object.contains(key))
    refuse(pointer, std::string{"an object here has one member, \""} + key + "\"");
  return object.begin().value();
}

/// A text; it must not hold the character that ends a text in C, or a name would be cut there.
std::string read_string(const ordered_json& value, const std::string& pointer) {
  const auto& text = value.get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) refuse(pointer, "a text holds the character U+0000");
  return text;
}

Argument read_argument(const std::string& name, const ordered_json& value, std::size_t depth,
                       const std::string& pointer) {
  Argument a;
  a.name = name;
  if (value.is_string())
    a.value = read_string(value, pointer);
  else if (value.is_boolean())
    a.value = value.get<bool>() ? "true" : "false";
  else if (value.is_number())
    a.value = rules::canonical_number(value.dump()).value_or(value.dump());
  else if (value.is_object() && !name.empty())
    a.pipeline = read_steps(single_member(value, "pipeline", pointer), Place::input, depth + 1, pointer / "pipeline");
  else
    refuse(pointer, "a value is a text, a number, true or false, an array of these, or {\"pipeline\": [...]}");
  return a;
}

void read_arguments(const std::string& name, const ordered_json& value, std::size_t depth, const std::string& pointer,
                    std::vector<Argument>& arguments) {
  if (!value.is_array()) return arguments.push_back(read_argument(name, value, depth, pointer));
  if (value.empty()) refuse(pointer, "an array here is not empty");
  for (std::size_t i = 0; i < value.size(); ++i) arguments.push_back(read_argument(name, value[i], depth, pointer / i));
}

/// Tells what kind of step it is by the one key that says so.
Step::Kind read_kind(const ordered_json& step, const std::string& pointer) {
  static constexpr std::pair<const char*, Step::Kind> kinds[] = {{"read", Step::Kind::read},
                                                                 {"apply", Step::Kind::apply},
                                                                 {"write", Step::Kind::write},
                                                                 {"branch", Step::Kind::branch}};
  const Step::Kind* kind = nullptr;
  for (const auto& [key, value] : kinds) {
    if (!step.is_object() || !step.contains(key)) continue;
    if (kind != nullptr) refuse(pointer, "a step is one of read, apply, write and branch, not two of them");
    kind = &value;
  }
  if (kind == nullptr) refuse(pointer, "a step is an object with \"read\", \"apply\", \"write\" or \"branch\"");
  return *kind;
}

const char* key_of(Step::Kind kind) {
  static constexpr const char* keys[] = {"read", "apply", "write", "branch"};
  return keys[static_cast<std::size_t>(kind)];
}

Step read_step(const ordered_json& json, std::size_t depth, const std::string& pointer) {
  Step step;
  step.kind = read_kind(json, pointer);
  const std::string kind_key = key_of(step.kind);
  if (step.kind == Step::Kind::branch) {
    step.branch = read_steps(single_member(json, "branch", pointer), Place::branch, depth + 1, pointer / "branch");
    return step;
  }
  const ordered_json& name = json[kind_key];
  if (!name.is_string() || name.get_ref<const std::string&>().empty())
    refuse(pointer / kind_key, "the name of a file or operator is a text that is not empty");
  step.name = read_string(name, pointer / kind_key);
  for (const auto& [key, value] : json.items()) {
    if (key == kind_key) continue;
    const bool unnamed = key == "arguments";
    if (unnamed && step.kind != Step::Kind::apply) refuse(pointer / key, "a file takes no arguments without a name");
    if (!unnamed && !rules::is_option_name(key)) refuse(pointer / key, "'" + key + "' is not the name of an option");
    read_arguments(unnamed ? "" : key, value, depth, pointer / key, step.arguments);
    if (step.arguments.size() > rules::most_arguments) refuse(pointer, "a step with so many arguments is a mistake");
  }
  return step;
}

Pipeline read_steps(const ordered_json& steps, Place place, std::size_t depth, const std::string& pointer) {
  if (depth > rules::deepest) fail(Errc::usage, "the JSON pipeline is nested too deeply");
  if (!steps.is_array() || steps.empty()) refuse(pointer, "a pipeline is an array of steps that is not empty");
  if (place == Place::top && steps.size() == 1) refuse(pointer, rules::rule_of(place));
  Pipeline result;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Step step = read_step(steps[i], depth, pointer / i);
    if (i == 0 && place == Place::input && step.kind == Step::Kind::apply) place = Place::onward;
    if (step.kind == Step::Kind::branch) {
      if (const char* trouble = rules::branch_trouble(place, i, steps.size())) refuse(pointer / i, trouble);
    } else if (step.kind != rules::kind_at(place, i, steps.size())) {
      refuse(pointer / i, rules::rule_of(place));
    }
    result.push_back(std::move(step));
  }
  return result;
}

// ---- printing ----

ordered_json print_steps(const Pipeline& pipeline);

ordered_json print_value(const Argument& argument) {
  if (!argument.pipeline.empty()) return {{"pipeline", print_steps(argument.pipeline)}};
  if (argument.value == "true" || argument.value == "false") return argument.value == "true";
  // A number becomes a JSON number where that gives the same text back.
  if (rules::canonical_number(argument.value) == argument.value) return ordered_json::parse(argument.value);
  return argument.value;
}

ordered_json print_step(const Step& step) {
  if (step.kind == Step::Kind::branch) return {{"branch", print_steps(step.branch)}};
  ordered_json json = ordered_json::object();
  json[key_of(step.kind)] = step.name;
  for (const Argument& a : step.arguments) {
    const std::string key = a.name.empty() ? "arguments" : a.name;
    ordered_json value = print_value(a);
    if (!json.contains(key)) {
      json[key] = a.name.empty() ? ordered_json::array({std::move(value)}) : std::move(value);
      continue;
    }
    ordered_json& before = json[key];
    if (!before.is_array()) before = ordered_json::array({std::move(before)});
    before.push_back(std::move(value));
  }
  return json;
}

ordered_json print_steps(const Pipeline& pipeline) {
  ordered_json steps = ordered_json::array();
  for (const Step& step : pipeline) steps.push_back(print_step(step));
  return steps;
}

}  // namespace

Pipeline parse_json(std::string_view text) {
  Guard guard{text};
  ordered_json::sax_parse(text, &guard);
  const ordered_json document = ordered_json::parse(text);
  if (!document.is_object() || !document.contains("pipeline")) refuse("", "a pipeline is {\"pipeline\": [...]}");
  for (const auto& [key, value] : document.items())
    if (key != "pipeline" && key != "$schema") refuse(std::string{} / key, "'" + key + "' means nothing here");
  return read_steps(document["pipeline"], Place::top, 0, "/pipeline");
}

std::string to_json(const Pipeline& pipeline) {
  try {
    return ordered_json{{"pipeline", print_steps(pipeline)}}.dump(2) + "\n";
  } catch (const ordered_json::type_error&) {
    fail(Errc::usage, "a name or value of the pipeline is not UTF-8, which is all that JSON can hold");
  }
}

}  // namespace fulmar
