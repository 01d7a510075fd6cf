// SPDX-License-Identifier: Apache-2.0
/// @file
/// A pipeline as the user wrote it, before it means anything: steps, arguments, and where each stands in the text.
///
/// Text:  scene.tif --band 1 ! linear ! mask --with coast.tif ! cfar --pfa 1e-6 ! [ mask.tif ] ! objects ! ships.gpkg
/// The first step reads, the last writes (`read` and `write` may be said), those between name operators. A step in
/// brackets is a branch: what flows goes into it and also past it. A bracketed pipeline as the value of an argument
/// (--with [ dem.tif ! expression 'b1 < 0' ]) is an input of its own.
/// JSON:  {"pipeline": [{"read": "scene.tif", "band": 1}, {"apply": "linear"}, ..., {"branch": [{"write":
/// "mask.tif"}]},
///         {"apply": "objects"}, {"write": "ships.gpkg"}]}
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar {

/// Where something stands in the user's text: characters [begin, end). Both 0 where it came from JSON.
struct Span {
  std::size_t begin = 0, end = 0;
};

struct Step;
using Pipeline = std::vector<Step>;

/// --name value, or a value without a name (name empty). Spans do not take part in comparison.
struct Argument {
  std::string name;
  std::string value;  ///< "true" for a flag that stands alone; JSON numbers in their shortest form
  Pipeline pipeline;  ///< not empty: the value is a pipeline
  Span span;          ///< of name and value
  Span name_span;
  friend bool operator==(const Argument&, const Argument&);
};

struct Step {
  enum class Kind : std::uint8_t { read, apply, write, branch };
  Kind kind = Kind::apply;
  std::string name;  ///< file or operator
  std::vector<Argument> arguments;
  Pipeline branch;
  Span span;  ///< of the name
  friend bool operator==(const Step&, const Step&);
};

/// True of an input that takes what flows: its first step applies an operator instead of reading.
inline bool goes_on(const Pipeline& input) { return !input.empty() && input.front().kind == Step::Kind::apply; }

/// Errors of all parsers: Errc::usage with the place shown under the user's own text.
Pipeline parse_text(std::string_view text);
Pipeline parse_json(std::string_view text);
/// The canonical forms: parse_text(to_text(p)) == p and parse_json(to_json(p)) == p.
std::string to_text(const Pipeline& pipeline);
std::string to_json(const Pipeline& pipeline);

/// The text form of words that a shell hands over one by one: each in quotes where it needs them to stay one word.
std::string join_words(const std::vector<std::string>& words);

/// The user's text with a line under it that marks the span. Long texts are cut around the span.
std::string underline(std::string_view text, Span span);

}  // namespace fulmar
