// SPDX-License-Identifier: Apache-2.0
/// @file
/// How an operator declares itself, once: names, words, units, ranges, defaults, example, source. The command line, the
/// JSON Schema, the help, the checks, the laws and the benchmarks are all derived from it. Host only, header only.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "core/unit.hpp"
#include "core/views.hpp"
#include "fulmar_abi.h"

namespace fulmar {

/// The values a number may take. Ends that are infinite are not written down.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open_low = false;  ///< the lower end itself is not allowed
  bool open_high = false;
};
inline Range anything() { return {}; }
inline Range at_least(double low) { return {low, std::numeric_limits<double>::infinity(), false, false}; }
inline Range above(double low) { return {low, std::numeric_limits<double>::infinity(), true, false}; }
inline Range between(double low, double high) { return {low, high, false, false}; }
inline Range strictly_between(double low, double high) { return {low, high, true, true}; }

/// How well the backends agree on an operator's outputs.
enum class Agreement { exactly, within_one_ulp };
inline constexpr Agreement exactly = Agreement::exactly;

/// The smallest odd number of cells that covers a width. A thousandth of a cell is forgiven: 210 m at 29.99 m is 7
/// cells and a bit of rounding, not 9.
inline std::int32_t odd_cells(double width_in_cells) {
  const double whole = std::max(1.0, std::ceil(width_in_cells - 1e-3));
  if (!(whole < 100001)) fail(Errc::usage, "is wider than 100001 cells");
  const auto n = static_cast<std::int32_t>(whole);
  return n % 2 == 1 ? n : n + 1;
}

class Schema {
 public:
  Schema(std::string_view name, std::string_view summary) : name_{name}, summary_{summary} {}

  /// A raster the operator reads. The first is what flows down the pipeline; the others are found by name.
  Schema& input(std::string_view name, std::string_view unit, std::string_view words, bool optional = false) {
    inputs_.push_back({std::string{name}, std::string{unit}, std::string{words}, {}, optional});
    return *this;
  }
  /// An input that is not a raster of the scene but made for its grid from a companion file: the parameter of the same
  /// name holds the path. `kind` tells io/ what to make of the file.
  Schema& companion(std::string_view name, std::string_view kind, std::string_view words, bool optional = false) {
    inputs_.push_back({std::string{name}, std::string{units::any}, std::string{words}, std::string{kind}, optional});
    Param p = plain(name, "file", words);
    p.required = !optional;
    p.set = [](void*, const fulmar_value&, const fulmar_ground&) {};
    params_.push_back(std::move(p));
    return *this;
  }
  /// All bands of the scene, one cell of each at a time.
  Schema& bands(std::string_view name, std::string_view unit, std::string_view words) {
    input(name, unit, words);
    variadic_ = true;
    return *this;
  }
  /// All dates of the scene, each with the same number of bands: as many as they have, or exactly `count`.
  Schema& series(std::string_view name, std::string_view unit, std::string_view words, std::int32_t count = 0) {
    series_bands_ = count;
    return bands(name, unit, words);
  }
  /// As many outputs as there are bands of one date, each named as its band.
  Schema& outputs_per_band(std::string_view name, std::string_view unit, std::string_view words) {
    output(name, unit, words);
    per_band_ = true;
    return *this;
  }
  /// A table the operator reads. The first is what flows down the pipeline; the others are given as pipelines or files.
  Schema& table(std::string_view name, std::string_view words, bool optional = false) {
    input(name, units::any, words, optional);
    inputs_.back().table = true;
    return *this;
  }
  Schema& output_table(std::string_view name, std::string_view words) {
    output(name, units::any, words);
    outputs_.back().table = true;
    return *this;
  }
  /// A letter for each table: t.
  [[nodiscard]] std::string table_types(bool outputs) const {
    return std::string((outputs ? outputs_ : inputs_).size(), 't');
  }
  Schema& output(std::string_view name, std::string_view unit, std::string_view words) {
    outputs_.push_back({std::string{name}, std::string{unit}, std::string{words}, {}, false});
    return *this;
  }
  /// The unit of the output declared last follows a choice: one unit for each of its words, in their order.
  Schema& unit_by(std::string_view param, std::vector<std::string> units) {
    outputs_.back().unit_by = param;
    outputs_.back().units = std::move(units);
    return *this;
  }

  /// The output declared last is called in products by the word of a choice.
  Schema& named_by(std::string_view param) {
    outputs_.back().named_by = param;
    return *this;
  }

  /// A column of the numbers that a reducing operator finds.
  Schema& summary(std::string_view name, std::string_view unit, std::string_view words) {
    columns_.push_back({std::string{name}, std::string{unit}, std::string{words}, {}, false});
    return *this;
  }
  /// The column declared last is there once for every number in the list that a text parameter holds, with the number
  /// behind its name; or, where the parameter is a number, if that is not 0.
  Schema& each_of(std::string_view param) {
    columns_.back().each = param;
    return *this;
  }

  /// The column declared last holds whole numbers, unless a choice has that word: "cover=fraction".
  Schema& whole(std::string_view unless = {}) {
    columns_.back().whole = true;
    columns_.back().whole_unless = unless;
    return *this;
  }

  template <class P, class T>
  requires std::is_arithmetic_v<T> Schema& param(std::string_view name, T P::*member, std::string_view words,
                                                 std::string_view unit, Range range) {
    Param p = plain(name, std::is_same_v<T, bool> ? "boolean" : std::is_integral_v<T> ? "integer" : "number", words);
    p.unit = unit;
    p.range = range;
    p.fallback = std::is_same_v<T, bool> ? (P{}.*member ? "true" : "false") : number(static_cast<double>(P{}.*member));
    p.set = [member](void* params, const fulmar_value& v, const fulmar_ground&) {
      static_cast<P*>(params)->*member = static_cast<T>(v.number);
    };
    params_.push_back(std::move(p));
    return *this;
  }
  /// A full width, in metres or with the suffix px in cells.
  template <class P>
  Schema& param(std::string_view name, Width P::*member, std::string_view words, Range metres) {
    Param p = plain(name, "length", words);
    p.unit = units::metre;
    p.range = metres;
    const Width own = P{}.*member;
    p.fallback = own.in_cells ? quoted(number(own.value) + "px") : number(own.value);
    p.set = [member](void* params, const fulmar_value& v, const fulmar_ground& ground) {
      Width& w = static_cast<P*>(params)->*member;
      w.value = v.number;
      w.in_cells = v.cells != 0;
      const bool known = ground.dx > 0 && ground.dy > 0;
      if (!w.in_cells && !known && w.value > 0)
        fail(Errc::usage, std::string{"the scene does not tell the size of its cells in metres: give "} + v.name +
                              " in cells, for example " + v.name + " 7px");
      w.x = odd_cells(w.in_cells || !known ? w.value : w.value / ground.dx);
      w.y = odd_cells(w.in_cells || !known ? w.value : w.value / ground.dy);
    };
    params_.push_back(std::move(p));
    return *this;
  }
  /// A distance from a cell, in metres or with the suffix px in cells.
  template <class P>
  Schema& param(std::string_view name, Distance P::*member, std::string_view words, Range metres) {
    Param p = plain(name, "length", words);
    p.unit = units::metre;
    p.range = metres;
    p.fallback = number((P{}.*member).metres);
    p.set = [member](void* params, const fulmar_value& v, const fulmar_ground& ground) {
      const bool known = ground.dx > 0 && ground.dy > 0;
      if (v.cells == 0 && !known && v.number > 0)
        fail(Errc::usage, std::string{"the scene does not tell the size of its cells in metres: give "} + v.name +
                              " in cells, for example " + v.name + " 5px");
      const double cell = known ? (ground.dx + ground.dy) / 2 : 1.0;
      (static_cast<P*>(params)->*member).metres = v.cells != 0 ? v.number * cell : v.number;
    };
    params_.push_back(std::move(p));
    return *this;
  }
  /// One of a few words; the member is an enumeration whose values stand in the order of the words.
  template <class P, class E>
  requires std::is_enum_v<E> Schema& param(std::string_view name, E P::*member, std::string_view words,
                                           std::vector<std::string> choices) {
    Param p = plain(name, "choice", words);
    p.fallback = quoted(choices.at(static_cast<std::size_t>(P{}.*member)));
    p.choices = std::move(choices);
    p.set = [member](void* params, const fulmar_value& v, const fulmar_ground&) {
      static_cast<P*>(params)->*member = static_cast<E>(static_cast<int>(v.number));
    };
    params_.push_back(std::move(p));
    return *this;
  }
  /// A text that `read` turns into parameters, failing with Errc::usage where it is wrong.
  template <class P>
  Schema& text(std::string_view name, void (*read)(P&, std::string_view), std::string_view words,
               bool required = true) {
    Param p = plain(name, "text", words);
    p.required = required;
    if (!required) p.fallback = "\"\"";
    p.set = [read](void* params, const fulmar_value& v, const fulmar_ground&) {
      if (v.text != nullptr && *v.text != '\0') read(*static_cast<P*>(params), v.text);
    };
    params_.push_back(std::move(p));
    return *this;
  }
  /// The parameter declared last may be given without its name.
  Schema& positional() {
    params_.back().positional = true;
    return *this;
  }

  Schema& example(std::string_view text) {
    example_ = text;
    return *this;
  }
  Schema& cites(std::string_view source) {
    cites_.emplace_back(source);
    return *this;
  }
  Schema& agrees(Agreement how) {
    agreement_ = how;
    return *this;
  }

  /// Sets every parameter from checked values. Errors: Errc::usage, naming the parameter.
  void parse(const fulmar_value* values, std::uint32_t count, const fulmar_ground& ground, void* params) const {
    for (const auto& p : params_) {
      const auto* end = values + count;
      const auto* v = std::find_if(values, end, [&](const fulmar_value& x) { return p.name == x.name; });
      if (v == end) continue;
      try {
        p.set(params, *v, ground);
      } catch (Error& e) {
        throw e.within("parameter " + p.name);
      }
    }
  }

  /// How many outputs it describes.
  [[nodiscard]] std::size_t outputs() const { return outputs_.size(); }
  /// The schema as JSON text: the form in which it crosses the C contract.
  [[nodiscard]] std::string json(std::string_view kind) const {
    std::string j = "{\"name\":" + quoted(name_) + ",\"summary\":" + quoted(summary_) + ",\"kind\":" + quoted(kind);
    j += ",\"variadic\":" + std::string{variadic_ ? "true" : "false"};
    j += ",\"outputs_per_band\":" + std::string{per_band_ ? "true" : "false"};
    j += ",\"series_bands\":" + number(series_bands_);
    j += ",\"inputs\":" + ports(inputs_) + ",\"outputs\":" + ports(outputs_) + ",\"finds\":" + ports(columns_) +
         ",\"params\":[";
    for (const auto& p : params_) {
      if (&p != params_.data()) j += ",";
      j += "{\"name\":" + quoted(p.name) + ",\"type\":" + quoted(p.type) + ",\"unit\":" + quoted(p.unit) +
           ",\"description\":" + quoted(p.words);
      if (!p.fallback.empty()) j += ",\"default\":" + p.fallback;
      if (p.required) j += ",\"required\":true";
      if (p.positional) j += ",\"positional\":true";
      if (std::isfinite(p.range.low)) j += (p.range.open_low ? ",\"above\":" : ",\"minimum\":") + number(p.range.low);
      if (std::isfinite(p.range.high))
        j += (p.range.open_high ? ",\"below\":" : ",\"maximum\":") + number(p.range.high);
      if (!p.choices.empty()) {
        j += ",\"choices\":[";
        append(j, p.choices);
        j += "]";
      }
      j += "}";
    }
    j += "],\"example\":" + quoted(example_) + ",\"cites\":[";
    append(j, cites_);
    return j + "],\"agrees\":" + (agreement_ == Agreement::exactly ? "\"exactly\"" : "\"within_one_ulp\"") + "}";
  }

 private:
  struct Port {
    std::string name, unit, words, companion;
    bool optional = false;
    std::string unit_by{};
    std::vector<std::string> units{};
    bool table = false;
    std::string each{};
    std::string named_by{};
    bool whole = false;
    std::string whole_unless{};
  };
  struct Param {
    std::string name, type, unit, words, fallback;
    Range range;
    std::vector<std::string> choices;
    bool required = false, positional = false;
    std::function<void(void*, const fulmar_value&, const fulmar_ground&)> set;
  };

  static Param plain(std::string_view name, std::string_view type, std::string_view words) {
    Param p;
    p.name = name;
    p.type = type;
    p.words = words;
    return p;
  }
  static std::string number(double x) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, x).ptr;
    return {text, end};
  }
  static std::string quoted(std::string_view text) {
    std::string q = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') q += '\\';
      q += c;
    }
    return q + "\"";
  }
  /// The texts in quotes, with commas between them.
  static void append(std::string& j, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      if (&text != texts.data()) j += ',';
      j += quoted(text);
    }
  }
  static std::string ports(const std::vector<Port>& ports) {
    std::string j = "[";
    for (const auto& p : ports) {
      if (&p != ports.data()) j += ",";
      j += "{\"name\":" + quoted(p.name) + ",\"unit\":" + quoted(p.unit) + ",\"description\":" + quoted(p.words);
      if (!p.companion.empty()) j += ",\"companion\":" + quoted(p.companion);
      if (p.optional) j += ",\"optional\":true";
      if (!p.unit_by.empty()) {
        j += ",\"unit_by\":" + quoted(p.unit_by) + ",\"units\":[";
        append(j, p.units);
        j += "]";
      }
      if (p.table) j += ",\"table\":true";
      if (!p.named_by.empty()) j += ",\"named_by\":" + quoted(p.named_by);
      if (p.whole) j += ",\"whole\":true";
      if (!p.whole_unless.empty()) j += ",\"whole_unless\":" + quoted(p.whole_unless);
      if (!p.each.empty()) j += ",\"each\":" + quoted(p.each);
      j += "}";
    }
    return j + "]";
  }

  std::string name_, summary_, example_;
  std::vector<Port> inputs_, outputs_, columns_;
  std::vector<Param> params_;
  std::vector<std::string> cites_;
  bool variadic_ = false, per_band_ = false;
  std::int32_t series_bands_ = 0;
  Agreement agreement_ = Agreement::exactly;
};

}  // namespace fulmar
