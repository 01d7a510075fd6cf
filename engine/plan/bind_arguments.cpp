// SPDX-License-Identifier: Apache-2.0
/// @file
/// Words behind a step's name.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "plan/binder.hpp"
#include "plan/nodata.hpp"
#include "plan/parse_rules.hpp"

namespace fulmar {
namespace {

/// The types that a raster product may be given.
constexpr std::array product_types{DType::u8, DType::u16, DType::i16, DType::u32, DType::i32, DType::f32, DType::f64};

/// What other programs call it, and what it is called here.
using Foreign = std::pair<std::string_view, std::string_view>;
constexpr std::array foreign_operators{Foreign{"reproject", "warp --crs"},
                                       Foreign{"gdalwarp", "warp"},
                                       Foreign{"resample", "warp --resolution"},
                                       Foreign{"crop", "warp --extent"},
                                       Foreign{"clip", "warp --extent"},
                                       Foreign{"merge", "mosaic"},
                                       Foreign{"polygonize", "objects"},
                                       Foreign{"vectorize", "objects"},
                                       Foreign{"calc", "expression"},
                                       Foreign{"bandmath", "expression"},
                                       Foreign{"ndvi", "expression"},
                                       Foreign{"slope", "terrain --measure slope"},
                                       Foreign{"aspect", "terrain --measure aspect"},
                                       Foreign{"hillshade", "terrain --measure hillshade"},
                                       Foreign{"select", "filter"},
                                       Foreign{"where", "filter"}};
constexpr std::array foreign_parameters{
    Foreign{"t_srs", "crs"},       Foreign{"t-srs", "crs"},   Foreign{"srs", "crs"},
    Foreign{"tr", "resolution"},   Foreign{"te", "extent"},   Foreign{"r", "resample"},
    Foreign{"method", "resample"}, Foreign{"size", "window"}, Foreign{"radius", "window"}};

template <std::size_t n>
std::string ours_for(const std::string& name, const std::array<Foreign, n>& words) {
  const auto at = std::find_if(words.begin(), words.end(), [&](const Foreign& f) { return f.first == name; });
  return at == words.end() ? "" : std::string{at->second};
}

}  // namespace

const Port* shapes_of(const Operator& op) {
  for (const Port& port : op.inputs())
    if (port.companion == "shapes") return &port;
  return nullptr;
}

const Operator& Binder::find_operator(const Step& step) const {
  if (const Operator* op = registry_.find(step.name)) return *op;
  if (const char* trouble = rules::separator_trouble(step.name)) wrong(step.span, trouble);
  std::string message = fmt::format("there is no operator '{}'", step.name);
  const auto near = nearest(step.name, registry_.names());
  if (const auto ours = ours_for(step.name, foreign_operators); !ours.empty())
    message += fmt::format("; that is `{}` here", ours);
  else if (!near.empty())
    message += fmt::format("; did you mean '{}'?", near);
  else
    message += "; `fulmar list` names them";
  wrong(step.span, message);
}

Arguments Binder::read_arguments(const Step& step, const Operator& op, bool from_shapes) const {
  Arguments out;
  std::set<std::string> given;
  if (from_shapes) given.insert(shapes_of(op)->name);
  std::size_t next_positional = 0;
  std::vector<const Param*> positional;
  for (const Param& p : op.params())
    if (p.positional) positional.push_back(&p);

  for (const Argument& a : step.arguments) {
    std::string name = a.name;
    if (name.empty()) {
      const bool known = next_positional < positional.size() && given.contains(positional[next_positional]->name);
      if (known && !rules::separator_trouble(a.value))
        wrong(a.span, fmt::format("'{}' is one word too many: --{} has its value already; put all of it in quotes",
                                  a.value, positional[next_positional]->name));
      if (next_positional >= positional.size()) {
        if (a.value.starts_with('-') && rules::is_option_name(a.value.substr(1)))
          unknown_parameter(a, a.value.substr(1), op);
        if (const char* trouble = rules::separator_trouble(a.value)) wrong(a.span, trouble);
        std::string cure;
        if (!positional.empty())
          cure = fmt::format("; if it belongs to {0}, put all of {0} in quotes", positional.back()->name);
        for (const Param& p : op.params())
          if (std::find(p.choices.begin(), p.choices.end(), a.value) != p.choices.end())
            cure = fmt::format("; say --{} {}", p.name, a.value);
        wrong(a.span, fmt::format("'{}' is one word too many: {} takes {} without a name{}", a.value, op.name(),
                                  positional.empty() ? "nothing" : positional.back()->name, cure));
      }
      name = positional[next_positional++]->name;
    }
    const auto port =
        std::find_if(op.inputs().begin(), op.inputs().end(), [&](const Port& p) { return p.name == name; });
    // A table may be given by its file alone, and so may a scene that shapes flow onto; a raster by the name of a
    // value that was made before.
    const bool scene = from_shapes && port == op.inputs().begin();
    const bool of_port = port != op.inputs().end() && (port->table || op.param(name) == nullptr) && !a.name.empty();
    if (!a.pipeline.empty() || scene || of_port) {
      if (port == op.inputs().end())
        wrong(a.span, fmt::format("{} has no input '{}' that a pipeline could feed", op.name(), name));
      out.ports.emplace_back(&*port, &a);
      // Rasters of a mosaic and bands of the scene may be as many as one likes.
      const bool several = op.table().kind == FULMAR_KIND_WARPING || (port == op.inputs().begin() && op.variadic());
      if (!given.insert(name).second && !several) wrong(a.span, fmt::format("--{} is given twice", name));
      continue;
    }
    if (name == "oo") {
      out.files.open_options.push_back(a.value);
      continue;
    }
    const Param* p = op.param(name);
    if (p == nullptr) unknown_parameter(a, name, op);
    if (!given.insert(name).second) wrong(a.span, fmt::format("--{} is given twice", name));
    if (p->type != ParamType::boolean && a.value == "true" && a.name_span.end > 0 && a.span.end == a.name_span.end)
      wrong(a.span, fmt::format("--{} needs a value: {}", name, p->description));
    try {
      out.values.push_back(parse_param(*p, a.value));
    } catch (const Error& e) {
      wrong(a.span, e.message());
    }
    out.with_span = a.span;
  }
  for (const Param& p : op.params()) {
    if (given.contains(p.name)) continue;
    if (p.required) wrong(step.span, fmt::format("{} needs --{}: {}", op.name(), p.name, p.description));
    if (!p.fallback.empty()) out.values.push_back(parse_param(p, p.fallback));
  }
  return out;
}

void Binder::unknown_parameter(const Argument& a, const std::string& name, const Operator& op) const {
  std::vector<std::string> names;
  for (const Param& p : op.params()) names.push_back(p.name);
  for (std::size_t i = 1; i < op.inputs().size(); ++i)
    if (op.inputs()[i].companion.empty()) names.push_back(op.inputs()[i].name);
  std::string message = fmt::format("{} has no parameter '{}'", op.name(), name);
  const auto near = nearest(name, names);
  const auto ours = ours_for(name, foreign_parameters);
  if (std::find(names.begin(), names.end(), name) != names.end())
    message = fmt::format("-{0} is written --{0}", name);
  else if (!ours.empty() && std::find(names.begin(), names.end(), ours) != names.end())
    message += fmt::format("; that is --{} here", ours);
  else if (!near.empty())
    message += fmt::format("; did you mean '{}'?", near);
  else if (names.empty())
    message += "; it takes none";
  else
    message += fmt::format("; it has {}", fmt::join(names, ", "));
  wrong(a.name_span.end > a.name_span.begin ? a.name_span : a.span, message);
}

FileOptions Binder::file_options(const Step& step, std::vector<int>* bands) const {
  FileOptions o;
  o.threads = threads_;
  for (const Argument& a : step.arguments) {
    if (a.name.empty()) wrong(a.span, fmt::format("'{}' is one word too many after {}", a.value, step.name));
    if (a.name == "with" && bands != nullptr) continue;  // read() sees to it
    if (!a.pipeline.empty()) wrong(a.span, fmt::format("--{} takes a value, not a pipeline", a.name));
    const FileOption* const option = find_file_option(a.name, bands == nullptr);
    if (option == nullptr) refuse_option(a, bands == nullptr);
    if (option->set != nullptr)
      option->set(o, a.value);
    else if (a.name == "band")
      choose_bands(a, *bands);
    else if (a.name == "type")
      choose_type(a, o);
  }
  for (const Argument& a : step.arguments)
    if (a.name == "nodata" && bands == nullptr) choose_nodata(a, o);
  return o;
}

void Binder::choose_type(const Argument& a, FileOptions& o) const {
  for (const DType type : product_types)
    if (a.value == fulmar::name_of(type)) o.type = type;
  if (o.type) return;
  std::vector<std::string> names;
  for (const DType type : product_types) names.emplace_back(fulmar::name_of(type));
  wrong(a.span, fmt::format("--type is one of {}, not '{}'", fmt::join(names, ", "), a.value));
}

void Binder::choose_nodata(const Argument& a, FileOptions& o) const {
  if (!o.type)
    wrong(a.span, "--nodata of a product goes with --type: f32 and f64 have NaN for what is missing, flags 255");
  o.nodata = nodata_of(a.value, *o.type);
  if (!o.nodata)
    wrong(a.span, fmt::format("--nodata {} is no value that {} can hold", a.value, fulmar::name_of(*o.type)));
}

void Binder::refuse_option(const Argument& a, bool write) const {
  const char* const whose = write ? "a product" : "a file that is read";
  if (find_file_option(a.name, !write) != nullptr)
    wrong(a.name_span, fmt::format("--{} belongs to {}", a.name, write ? "a file that is read" : "a product"));
  const auto names = file_option_names(write);
  const auto near = nearest(a.name, names);
  wrong(a.name_span,
        fmt::format("{} has no option --{}; {}it has --{}", whose, a.name,
                    near.empty() ? "" : fmt::format("did you mean --{}? ", near), fmt::join(names, ", --")));
}

void Binder::choose_bands(const Argument& a, std::vector<int>& bands) const {
  std::size_t begin = 0;
  while (begin <= a.value.size()) {
    const auto end = std::min(a.value.find(',', begin), a.value.size());
    const std::string word = a.value.substr(begin, end - begin);
    const auto dash = std::min(word.find('-'), word.size());
    const auto number = [&](const std::string& digits) {
      if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != std::string::npos ||
          std::stoi(digits) == 0)
        wrong(a.span, fmt::format("--band takes numbers from 1, such as 1 or 1,3 or 1-366, not '{}'", a.value));
      return std::stoi(digits);
    };
    const int first = number(word.substr(0, dash));
    const int last = dash == word.size() ? first : number(word.substr(dash + 1));
    if (last < first) wrong(a.span, fmt::format("--band {}-{} runs backwards", first, last));
    for (int band = first; band <= last; ++band) bands.push_back(band);
    begin = end + 1;
  }
}

std::optional<TimeRange> Binder::time_range(const Step& step) const {
  std::optional<TimeRange> range;
  for (const Argument& a : step.arguments) {
    if (a.name != "time-range") continue;
    range = parse_time_range(a.value);
    if (!range)
      wrong(a.span, fmt::format("--time-range takes START/END in ISO 8601, such as 2020-01-01/2020-03-31, "
                                "2020-06-01T12:00:00Z/.. or 2020-07, not '{}'",
                                a.value));
    if (range->last < range->first) wrong(a.span, fmt::format("--time-range {} runs backwards", a.value));
  }
  return range;
}

Span Binder::span_of_complaint(const Step& step, std::string_view message) const {
  for (const Argument& a : step.arguments)
    if (!a.name.empty() && message.find(a.name) != std::string_view::npos) return a.span;
  return step.arguments.size() == 1 ? step.arguments.front().span : step.span;
}

}  // namespace fulmar
