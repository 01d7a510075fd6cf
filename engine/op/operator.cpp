// SPDX-License-Identifier: Apache-2.0
#include "op/operator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.hpp"

namespace fulmar {
namespace {

using nlohmann::json;

constexpr std::array kind_names{"cellwise", "focal",    "windowed", "labelling", "detecting", "ranked",
                                "temporal", "reducing", "warping",  "tabular",   "whole"};
constexpr std::array type_names{"number", "integer", "boolean", "length", "choice", "text", "file"};
/// Whole numbers beyond this are not exact in a double.
constexpr double largest_whole = 9007199254740992.0;

/// The shortest text that gives the number back.
std::string number_text(double x) { return fmt::format("{}", x); }

/// The user's words as an error shows them: quoted, and never a page long.
std::string shown(std::string_view text) {
  constexpr std::size_t most = 60;
  return text.size() <= most ? "'" + std::string{text} + "'" : "'" + std::string{text.substr(0, most)} + "...'";
}

// ---- reading the schema ----

/// Reads a part of the schema; what is wrong in it is told with its place.
template <class Read>
decltype(auto) located(const std::string& place, Read&& read) {
  try {
    return read();
  } catch (const json::exception& e) {
    std::string_view why = e.what();  // "[json.exception.out_of_range.403] key 'unit' not found"
    if (const auto end = why.find("] "); why.starts_with('[') && end != why.npos) why.remove_prefix(end + 2);
    throw Error{Errc::usage, "the schema cannot be read: " + std::string{why}}.within(place);
  } catch (Error& e) {
    throw e.within(place);
  }
}

ParamType parse_type(const std::string& word) {
  const auto* found = std::find(type_names.begin(), type_names.end(), word);
  if (found == type_names.end()) fail(Errc::usage, "the type " + shown(word) + " is not one the contract knows");
  return static_cast<ParamType>(found - type_names.begin());
}

std::string default_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number()) return number_text(value.get<double>());
  fail(Errc::usage, "a default is a text, a number, or true or false");
}

std::optional<double> optional_number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? std::nullopt : std::optional{found->get<double>()};
}

DType port_type(const std::string& letters, std::size_t port) {
  if (port >= letters.size() || letters[port] == 'f' || letters[port] == 't') return DType::f32;
  if (letters[port] == 'u') return DType::u8;
  fail(Errc::usage, "the types of the ports are written " + shown(letters) + ", which is not made of f, u and t");
}

Port read_port(const json& p, DType type) {
  Port port;
  port.name = p.at("name").get<std::string>();
  port.unit = Unit{p.at("unit").get<std::string>()};
  port.description = p.at("description").get<std::string>();
  port.companion = p.value("companion", std::string{});
  port.optional = p.value("optional", false);
  port.table = p.value("table", false);
  port.each = p.value("each", std::string{});
  port.whole = p.value("whole", false);
  port.whole_unless = p.value("whole_unless", std::string{});
  port.type = type;
  port.unit_by = p.value("unit_by", std::string{});
  port.named_by = p.value("named_by", std::string{});
  for (const auto& unit : p.value("units", std::vector<std::string>{})) port.units.push_back({unit});
  return port;
}

/// `what`: "inputs" or another list of ports.
std::vector<Port> read_ports(const json& ports, const std::string& what, const std::string& letters) {
  std::vector<Port> result;
  located(what, [&] {
    if (!ports.is_array()) fail(Errc::usage, "it is no list");
    for (const json& p : ports)
      result.push_back(located("number " + std::to_string(result.size() + 1),
                               [&] { return read_port(p, port_type(letters, result.size())); }));
  });
  return result;
}

Param read_param(const json& p) {
  Param param;
  param.name = p.at("name").get<std::string>();
  return located("parameter " + shown(param.name), [&] {
    param.type = parse_type(p.at("type").get<std::string>());
    param.unit = p.at("unit").get<std::string>();
    param.description = p.at("description").get<std::string>();
    if (const auto found = p.find("default"); found != p.end()) param.fallback = default_text(*found);
    param.minimum = optional_number(p, "minimum");
    param.maximum = optional_number(p, "maximum");
    param.above = optional_number(p, "above");
    param.below = optional_number(p, "below");
    param.choices = p.value("choices", std::vector<std::string>{});
    param.required = p.value("required", false);
    param.positional = p.value("positional", false);
    if (param.type == ParamType::choice && param.choices.empty()) fail(Errc::usage, "a choice of nothing");
    return param;
  });
}

/// Kinds whose operators may have no function on cells.
bool has_no_cells(std::uint32_t kind) {
  return kind == FULMAR_KIND_REDUCING || kind == FULMAR_KIND_WHOLE || kind == FULMAR_KIND_WARPING ||
         kind == FULMAR_KIND_TABULAR;
}

void check_table(const fulmar_operator& table) {
  // The members of version 1.0 end with run_cuda; what later versions append is not asked for here.
  constexpr std::size_t first_version = offsetof(fulmar_operator, run_cuda) + sizeof table.run_cuda;
  if (table.size < first_version) fail(Errc::usage, "an operator's table is shorter than version 1.0's");
  if (table.schema == nullptr) fail(Errc::usage, "an operator has no schema");
  if (table.parse == nullptr || table.views == nullptr || table.table == nullptr ||
      (table.run == nullptr && !has_no_cells(table.kind)))
    fail(Errc::usage, "an operator's table lacks parse, views, table or run");
  constexpr std::size_t second_version = offsetof(fulmar_operator, whole_bytes) + sizeof table.whole_bytes;
  const bool reducing = table.kind == FULMAR_KIND_REDUCING, whole = table.kind == FULMAR_KIND_WHOLE;
  if ((reducing || whole) && table.size < second_version)
    fail(Errc::usage, "an operator of this kind needs a table of version 1.2");
  if (reducing && (table.rounds == nullptr || table.state_bytes == nullptr || table.begin == nullptr ||
                   table.step == nullptr || table.merge == nullptr || table.finish == nullptr))
    fail(Errc::usage, "a reducing operator's table lacks rounds, state_bytes, begin, step, merge or finish");
  if (whole && table.whole == nullptr) fail(Errc::usage, "a whole operator's table lacks whole");
  if (table.kind >= kind_names.size()) fail(Errc::usage, "an operator is of a kind that this engine does not know");
  if (table.params_align > alignof(std::max_align_t))
    fail(Errc::usage, "an operator's parameters ask for a stricter alignment than memory has");
  if (table.kind == FULMAR_KIND_TABULAR &&
      (table.size < offsetof(fulmar_operator, tabulate) + sizeof table.tabulate || table.tabulate == nullptr))
    fail(Errc::usage, "a tabular operator's table lacks tabulate");
  if (table.kind == FULMAR_KIND_LABELLING && table.keep == nullptr)
    fail(Errc::usage, "a labelling operator's table lacks keep");
}

/// The engine warps by itself: it must find what tells it whither and how.
template <class Broken>
void check_warping(const Operator& op, Broken&& broken) {
  if (op.outputs().size() != 1 || op.outputs()[0].type != DType::f32) broken("a warping operator makes one raster");
  const Param *to = op.param("to"), *crs = op.param("crs"), *how = op.param("resample");
  if (to == nullptr && crs == nullptr)
    broken("a warping operator needs the parameter 'to', a raster with the grid, or 'crs'");
  for (const Param* text : {to, crs, op.param("extent")})
    if (text != nullptr && text->type != ParamType::text && text->type != ParamType::file)
      broken("the parameter " + shown(text->name) + " of a warping operator is a text");
  if (const Param* resolution = op.param("resolution"); resolution != nullptr && resolution->type != ParamType::number)
    broken("the parameter 'resolution' of a warping operator is a number");
  const std::vector<std::string> methods{"nearest", "bilinear", "cubic", "lanczos", "average"};
  if (how == nullptr || how->type != ParamType::choice || how->choices != methods)
    broken("a warping operator needs the parameter 'resample', a choice of nearest, bilinear, cubic, lanczos, average");
}

// ---- reading a parameter ----

enum class Trouble { none, malformed, too_large };

/// The whole text as a finite number: no blanks, no locale, no words such as nan.
Trouble read_number(std::string_view text, double& x) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
  if (error == std::errc::result_out_of_range) return Trouble::too_large;
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(x)) return Trouble::malformed;
  return Trouble::none;
}

[[noreturn]] void refuse(const Param& param, const std::string& must, const std::string& text) {
  fail(Errc::usage, param.name + " must be " + must + ", not " + shown(text));
}

double checked_number(const Param& param, std::string_view digits, const std::string& text, const char* what) {
  double x = 0;
  switch (read_number(digits, x)) {
    case Trouble::none:
      return x;
    case Trouble::too_large:
      fail(Errc::usage, param.name + ": " + shown(text) + " is beyond what a number can hold");
    case Trouble::malformed:
      break;
  }
  refuse(param, what, text);
}

void check_range(const Param& param, double x) {
  const bool inside = (!param.minimum || x >= *param.minimum) && (!param.maximum || x <= *param.maximum) &&
                      (!param.above || x > *param.above) && (!param.below || x < *param.below);
  if (!inside) fail(Errc::usage, param.name + " must be " + param.range() + ", not " + number_text(x));
}

void parse_integer(const Param& param, ParamValue& value) {
  // 1e3 is a whole number too: that is how a JSON number may arrive.
  value.number = checked_number(param, value.text, value.text, "a whole number");
  if (value.number != std::floor(value.number)) refuse(param, "a whole number", value.text);
  if (std::abs(value.number) > largest_whole)
    fail(Errc::usage, param.name + ": " + shown(value.text) + " is beyond the whole numbers that are exact");
  check_range(param, value.number);
}

void parse_boolean(const Param& param, ParamValue& value) {
  static constexpr std::array yes{"true", "yes", "1"}, no{"false", "no", "0"};
  if (std::find(yes.begin(), yes.end(), value.text) != yes.end())
    value.number = 1;
  else if (std::find(no.begin(), no.end(), value.text) == no.end())
    refuse(param, "true or false", value.text);
}

void parse_length(const Param& param, ParamValue& value) {
  std::string_view digits = value.text;
  double scale = 1;
  const auto drop = [&](std::string_view suffix) {
    if (!digits.ends_with(suffix)) return false;
    digits.remove_suffix(suffix.size());
    while (digits.ends_with(' ')) digits.remove_suffix(1);
    return true;
  };
  if (drop("px"))
    value.cells = true;
  else if (drop("km"))
    scale = 1000;
  else
    drop("m");
  value.number = scale * checked_number(param, digits, value.text,
                                        "a length such as 250, 250m, 0.25km, or 7px for cells of the scene");
  if (!value.cells) return check_range(param, value.number);
  // The range is in metres; of a count of cells only the sign can be told before the scene is known.
  Param in_cells;
  in_cells.name = param.name;
  if (param.minimum && *param.minimum >= 0) in_cells.minimum = 0;
  if (param.above && *param.above >= 0) in_cells.above = 0;
  check_range(in_cells, value.number);
}

void parse_choice(const Param& param, ParamValue& value) {
  const auto found = std::find(param.choices.begin(), param.choices.end(), value.text);
  if (found == param.choices.end()) {
    std::string all;
    for (const auto& choice : param.choices) all += (all.empty() ? "" : ", ") + choice;
    const std::string near = nearest(value.text, param.choices);
    fail(Errc::usage, param.name + " must be one of " + all + ", not " + shown(value.text) +
                          (near.empty() ? "" : "; did you mean " + near + "?"));
  }
  value.number = static_cast<double>(found - param.choices.begin());
}

// ---- lint ----

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Words of lower-case letters and digits, joined by - or _, the first of which begins with a letter.
bool is_kebab_or_snake(std::string_view name) {
  if (name.empty() || !is_lower(name.front())) return false;
  char before = 'a';
  for (const char c : name) {
    const bool joint = c == '-' || c == '_';
    if (!joint && !is_lower(c) && !is_digit(c)) return false;
    if (joint && (before == '-' || before == '_')) return false;
    before = c;
  }
  return before != '-' && before != '_';
}

/// "Detect targets." but not "Detects targets.", "Detecting targets." or "The detection of targets."
bool begins_with_verb(std::string_view summary) {
  const std::string_view word = summary.substr(0, summary.find(' '));
  if (word.empty() || word.front() < 'A' || word.front() > 'Z') return false;
  if (word == "The" || word == "A" || word == "An" || word.ends_with("ing")) return false;
  return !word.ends_with('s') || word.ends_with("ss");
}

bool is_numeric(ParamType type) {
  return type == ParamType::number || type == ParamType::integer || type == ParamType::length;
}

void lint_param(const Param& p, std::vector<std::string>& wrong) {
  const std::string who = "parameter " + p.name;
  if (!is_kebab_or_snake(p.name)) wrong.push_back(who + ": the name is not lower-case words joined by - or _");
  if (p.description.empty() || !p.description.ends_with('.'))
    wrong.push_back(who + ": the description does not end with a period");
  if (is_numeric(p.type) && p.unit.empty()) wrong.push_back(who + ": it has no unit");
  if (is_numeric(p.type) && p.range().empty()) wrong.push_back(who + ": it has no range");
}

void lint_port(const Port& p, const char* side, std::vector<std::string>& wrong) {
  const std::string who = side + (" " + p.name);
  if (!is_kebab_or_snake(p.name)) wrong.push_back(who + ": the name is not lower-case words joined by - or _");
  if (p.description.empty() || !p.description.ends_with('.'))
    wrong.push_back(who + ": the description does not end with a period");
}

}  // namespace

const char* name_of(ParamType type) { return type_names.at(static_cast<std::size_t>(type)); }

std::string Param::range() const {
  if (minimum && maximum) return "in [" + number_text(*minimum) + ", " + number_text(*maximum) + "]";
  std::string low, high;
  if (minimum) low = "at least " + number_text(*minimum);
  if (above) low = "above " + number_text(*above);
  if (maximum) high = "at most " + number_text(*maximum);
  if (below) high = "below " + number_text(*below);
  return low + (low.empty() || high.empty() ? "" : " and ") + high;
}

ParamValue parse_param(const Param& param, const std::string& text) {
  ParamValue value;
  value.name = param.name;
  value.text = text;
  switch (param.type) {
    case ParamType::number:
      value.number = checked_number(param, text, text, "a number");
      check_range(param, value.number);
      break;
    case ParamType::integer:
      parse_integer(param, value);
      break;
    case ParamType::boolean:
      parse_boolean(param, value);
      break;
    case ParamType::length:
      parse_length(param, value);
      break;
    case ParamType::choice:
      parse_choice(param, value);
      break;
    case ParamType::text:
    case ParamType::file:
      if (text.empty() && param.required) fail(Errc::usage, param.name + " must not be empty");
      break;
  }
  return value;
}

Error error_of(const fulmar_error& error, Errc otherwise) {
  Errc code = otherwise;
  for (const Errc known : {Errc::runtime, Errc::usage, Errc::input, Errc::output, Errc::device})
    if (error.code == static_cast<int>(known)) code = known;
  const auto* end = std::find(std::begin(error.message), std::end(error.message), '\0');
  return {code, end == error.message ? std::string{"the operator failed without saying why"}
                                     : std::string{std::begin(error.message), end}};
}

void Operator::read(std::string_view text) {
  const json schema = located("the schema", [&] { return json::parse(text); });
  schema_ = text;
  // The name first: whatever is wrong after it can be told with it.
  name_ = located("the schema", [&] { return schema.at("name").get<std::string>(); });
  if (name_.empty()) fail(Errc::usage, "the operator has no name");
  located("the schema", [&] {
    summary_ = schema.at("summary").get<std::string>();
    kind_ = schema.at("kind").get<std::string>();
    example_ = schema.at("example").get<std::string>();
    agrees_ = schema.at("agrees").get<std::string>();
    cites_ = schema.at("cites").get<std::vector<std::string>>();
    variadic_ = schema.value("variadic", false);
    per_band_ = schema.value("outputs_per_band", false);
    all_flow_ = per_band_ || schema.value("all_flow", false);
    series_bands_ = schema.value("series_bands", std::size_t{0});
    inputs_ = read_ports(schema.at("inputs"), "inputs", schema.value("input_types", std::string{}));
    outputs_ = read_ports(schema.at("outputs"), "outputs", schema.value("output_types", std::string{}));
    summary_columns_ = read_ports(schema.value("finds", json::array()), "finds", {});
    located("params", [&] {
      for (const json& p : schema.at("params"))
        params_.push_back(located("number " + std::to_string(params_.size() + 1), [&] { return read_param(p); }));
    });
    const auto taken = schema.value("input_types", std::string{}).size(),
               made = schema.value("output_types", std::string{}).size();
    if (inputs_.empty() || (outputs_.empty() && summary_columns_.empty()) || taken > inputs_.size() ||
        made != outputs_.size() ||
        std::any_of(inputs_.begin() + static_cast<std::ptrdiff_t>(taken), inputs_.end(),
                    [](const Port& p) { return !p.optional; }))
      fail(Errc::usage, "its function takes " + std::to_string(taken) + " inputs and makes " + std::to_string(made) +
                            " outputs, but its schema names " + std::to_string(inputs_.size()) + " and " +
                            std::to_string(outputs_.size()));
  });
  const auto broken = [](const std::string& why) { fail(Errc::usage, why); };
  if (std::find(kind_names.begin(), kind_names.end(), kind_) == kind_names.end())
    broken("the kind " + shown(kind_) + " is not one that this engine knows");
  const bool tabular = kind_ == kind_names[FULMAR_KIND_TABULAR];
  for (const auto* ports : {&inputs_, &outputs_})
    for (const Port& p : *ports)
      if (p.table != tabular)
        broken(
            "the port " + shown(p.name) +
            (tabular ? " of a tabular operator is no table" : " is a table, which only a tabular operator may have"));
  if (tabular && outputs_.size() != 1) broken("a tabular operator makes one table");
  if (kind_ == kind_names[FULMAR_KIND_WARPING]) check_warping(*this, broken);
  if (per_band_ && (!variadic_ || outputs_.size() != 1)) broken("outputs for each band need bands and one description");
  if (kind_ == kind_names[FULMAR_KIND_REDUCING] && summary_columns_.empty())
    broken("a reducing operator names no column of its summary");
  for (const Port& p : outputs_) {
    if (const Param* choice = p.named_by.empty() ? nullptr : param(p.named_by);
        !p.named_by.empty() && (choice == nullptr || choice->choices.empty()))
      broken("the name of output " + shown(p.name) + " follows a choice that is none");
    if (p.unit_by.empty()) continue;
    const Param* choice = param(p.unit_by);
    if (choice == nullptr || choice->choices.size() != p.units.size())
      broken("the unit of output " + shown(p.name) + " follows a choice that has other words, or none");
  }
  for (const Param& p : params_)
    if (param(p.name) != &p) broken("the parameter " + shown(p.name) + " appears twice");
}

Operator::Operator(const fulmar_operator& table, const PluginFacts& plugin)
    : table_{&table}, plugin_{std::make_shared<const PluginFacts>(plugin)} {
  try {
    check_table(table);
    read(table.schema);
    if (kind_ != kind_names.at(table.kind))
      fail(Errc::usage, "the schema and the table tell different kinds of operator");
    if (table.run == nullptr && !outputs_.empty() && table.kind == FULMAR_KIND_REDUCING)
      fail(Errc::usage, "a reducing operator with outputs lacks run");
  } catch (Error& e) {
    throw e.within("operator " + shown(name_)).within("plugin " + plugin.name);
  }
}

Operator::Operator(const fulmar_operator& table, const std::string& plugin)
    : Operator{table, PluginFacts{plugin, {}, {}, {}, {}, FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR}} {}

Operator::Operator(std::string_view schema, const PluginFacts& plugin, std::shared_ptr<TableSource> source)
    : source_{std::move(source)}, plugin_{std::make_shared<const PluginFacts>(plugin)} {
  try {
    read(schema);
  } catch (Error& e) {
    throw e.within("operator " + shown(name_)).within("plugin " + plugin.name);
  }
}

void Operator::blame() const {
  const std::string who = "operator " + name_ + " of plugin " + plugin();
  try {
    throw;
  } catch (Error& e) {
    throw e.within(who);
  } catch (const std::exception& e) {
    throw Error{Errc::runtime, e.what()}.within(who);
  } catch (...) {
    throw Error{Errc::runtime, "it threw something that is not an exception"}.within(who);
  }
}

const Param* Operator::param(std::string_view name) const {
  const auto found = std::find_if(params_.begin(), params_.end(), [&](const Param& p) { return p.name == name; });
  return found == params_.end() ? nullptr : &*found;
}

std::vector<std::string> Operator::lint() const {
  std::vector<std::string> wrong;
  if (!is_kebab_or_snake(name_)) wrong.emplace_back("the name is not lower-case words joined by - or _");
  if (!begins_with_verb(summary_)) wrong.emplace_back("the summary does not begin with a verb, as in: Detect ships.");
  if (!summary_.ends_with('.')) wrong.emplace_back("the summary does not end with a period");
  if (summary_.size() > 80) wrong.emplace_back("the summary is longer than 80 characters");
  if (example_.find(name_) == std::string::npos) wrong.emplace_back("no example that names the operator");
  if (cites_.empty()) wrong.emplace_back("no source is cited");
  for (const Port& p : inputs_) lint_port(p, "input", wrong);
  for (const Port& p : outputs_) lint_port(p, "output", wrong);
  for (const Param& p : params_) lint_param(p, wrong);
  return wrong;
}

namespace {
/// A plugin as an error names it: a path is never cut short.
std::string named(const PluginFacts& facts) {
  return facts.name == facts.file ? "'" + facts.file + "'" : shown(facts.name);
}
}  // namespace

PluginFacts facts_of(const fulmar_plugin& plugin, const std::string& library) {
  const auto text = [](const char* t) { return t == nullptr ? std::string{} : std::string{t}; };
  PluginFacts facts;
  facts.name = library.empty() ? "?" : library;
  facts.file = library;
  facts.abi_major = plugin.abi_major, facts.abi_minor = plugin.abi_minor;
  check_abi(facts);  // what follows in another contract's struct is not known
  // Where version 1.0 ended: what later versions append is not asked of an older plugin.
  constexpr std::size_t first_version = offsetof(fulmar_plugin, operators) + sizeof plugin.operators;
  if (plugin.size < first_version)
    fail(Errc::usage, "the plugin " + named(facts) + " tells less of itself than version 1.0 of the contract asks");
  if (plugin.name == nullptr || *plugin.name == '\0') fail(Errc::usage, "the plugin " + named(facts) + " has no name");
  facts.name = plugin.name;
  facts.version = text(plugin.version), facts.license = text(plugin.license), facts.origin = text(plugin.origin);
  facts.cuda_archs = text(plugin.cuda_archs);
  return facts;
}

void check_abi(const PluginFacts& facts) {
  // A later minor version is refused too: its plugin may read what this engine's own structs do not have yet.
  const bool later = facts.abi_major == FULMAR_ABI_MAJOR && facts.abi_minor > FULMAR_ABI_MINOR;
  if (facts.abi_major == FULMAR_ABI_MAJOR && !later) return;
  fail(Errc::usage, "the plugin " + named(facts) + " was built for version " + std::to_string(facts.abi_major) + "." +
                        std::to_string(facts.abi_minor) + " of the operator contract; this engine has " +
                        std::to_string(FULMAR_ABI_MAJOR) + "." + std::to_string(FULMAR_ABI_MINOR) +
                        ": build it again with this engine's SDK" + (later ? ", or update Fulmar" : ""));
}

std::vector<Operator> operators_of(const fulmar_plugin& plugin, const PluginFacts& facts) {
  std::vector<Operator> operators;
  for (std::uint32_t i = 0; i < plugin.count; ++i) {
    if (plugin.operators == nullptr || plugin.operators[i] == nullptr)
      fail(Errc::usage, "the plugin " + named(facts) + " lacks an operator that it counts");
    operators.emplace_back(*plugin.operators[i], facts);
  }
  return operators;
}

void Registry::add(const fulmar_plugin& plugin, const std::string& library) {
  add(operators_of(plugin, facts_of(plugin, library)));
}

void Registry::add(std::vector<Operator> operators) {
  const auto who = [](const Operator& op) {
    return shown(op.plugin()) + (op.facts().file.empty() ? "" : " (" + op.facts().file + ")");
  };
  // All or none: a plugin that fails half way leaves nothing behind.
  std::map<std::string, Operator, std::less<>> added;
  for (Operator& op : operators) {
    const Operator* other = find(op.name());
    if (const auto twin = added.find(op.name()); twin != added.end()) other = &twin->second;
    if (other != nullptr)
      fail(Errc::usage,
           "the operator " + shown(op.name()) + " of the plugin " + who(op) + " is already there, from " + who(*other));
    const std::string name = op.name();
    added.emplace(name, std::move(op));
  }
  operators_.merge(added);
}

const Operator* Registry::find(std::string_view name) const {
  const auto found = operators_.find(name);
  return found == operators_.end() ? nullptr : &found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> result;
  for (const auto& [name, op] : operators_) result.push_back(name);
  return result;
}

}  // namespace fulmar
