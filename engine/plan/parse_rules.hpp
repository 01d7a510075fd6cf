// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the text form and the JSON form of a pipeline have in common. For the two parsers and what binds them.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plan/pipeline.hpp"

namespace fulmar::rules {

/// How deep branches and inputs may be nested: far more than anyone needs, far less than a stack holds.
inline constexpr std::size_t deepest = 32;
/// How many arguments a step may have.
inline constexpr std::size_t most_arguments = 1000;

/// Where a list of steps stands. It decides which of them read and write. `onward` is an input that goes on with what
/// flows: its first step applies an operator.
enum class Place : std::uint8_t { top, branch, input, onward };

/// What the step at a place must be, unless it is a branch.
inline Step::Kind kind_at(Place place, std::size_t step, std::size_t count) {
  if (step == 0 && (place == Place::top || place == Place::input)) return Step::Kind::read;
  if (step + 1 == count && (place == Place::top || place == Place::branch)) return Step::Kind::write;
  return Step::Kind::apply;
}

/// The rule that a step of another kind broke.
inline const char* rule_of(Place place) {
  switch (place) {
    case Place::top:
      return "a pipeline reads in its first step, writes in its last, and applies operators between";
    case Place::branch:
      return "a branch applies operators and writes in its last step";
    case Place::input:
    case Place::onward:
      break;
  }
  return "a pipeline that is an input reads in its first step or goes on with what flows, and writes nothing";
}

/// What is wrong with a word that stands where none is wanted, if it was meant to part two steps; otherwise nothing.
inline const char* separator_trouble(std::string_view word) {
  if (word == "|") return "steps are parted by '!' and not by '|'";
  if ((word.starts_with('!') && !word.starts_with("!=")) || word.ends_with('!'))
    return "the '!' between two steps stands alone, with spaces around it";
  return nullptr;
}

/// What is wrong with a branch at a place, or nothing.
inline const char* branch_trouble(Place place, std::size_t step, std::size_t count) {
  if (place == Place::input || place == Place::onward)
    return "a pipeline that is an input has no branches: it writes nothing";
  if (place == Place::top && step == 0) return "a branch has nothing to take: the first step must read a file";
  if (step + 1 == count) return "nothing is done with what flows past the last branch: the last step must write a file";
  return nullptr;
}

/// Whether a word can be the name of an option. The words that JSON needs for itself cannot.
inline bool is_option_name(std::string_view name) {
  static constexpr std::array taken{"read", "apply", "write", "branch", "arguments"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (name.empty() || !letter(name.front())) return false;
  const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; };
  return std::all_of(name.begin(), name.end(), allowed) && std::find(taken.begin(), taken.end(), name) == taken.end();
}

/// The length of the digits at the start of a text.
inline std::size_t count_digits(std::string_view text) {
  return std::min(text.find_first_not_of("0123456789"), text.size());
}

/// Whether a text is a number as JSON writes it; `whole` tells that it has neither fraction nor exponent.
inline bool is_json_number(std::string_view text, bool& whole) {
  whole = true;
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t integer = count_digits(text);
  if (integer == 0 || (text.front() == '0' && integer > 1)) return false;
  text.remove_prefix(integer);
  if (text.starts_with('.')) {
    const std::size_t fraction = count_digits(text.substr(1));
    if (fraction == 0) return false;
    text.remove_prefix(1 + fraction);
    whole = false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    const std::size_t exponent = count_digits(text);
    if (exponent == 0) return false;
    text.remove_prefix(exponent);
    whole = false;
  }
  return text.empty();
}

/// The shortest text of the same number; nothing where the text is no JSON number, or one that no double holds.
inline std::optional<std::string> canonical_number(std::string_view text) {
  bool whole = false;
  if (!is_json_number(text, whole)) return std::nullopt;
  std::array<char, 40> out{};
  const auto* const end = text.data() + text.size();
  if (std::int64_t n = 0; whole && std::from_chars(text.data(), end, n).ec == std::errc{})
    return std::string{out.data(), std::to_chars(out.data(), out.data() + out.size(), n).ptr};
  double x = 0;
  if (std::from_chars(text.data(), end, x).ec != std::errc{}) return std::nullopt;
  if (x == 0) return "0";  // also for -0, which as a whole number has no sign
  return std::string{out.data(), std::to_chars(out.data(), out.data() + out.size(), x).ptr};
}

/// Brings arguments of one name together where the first of them stands, as JSON must (an array under one key).
inline void group_by_name(std::vector<Argument>& arguments) {
  if (arguments.size() < 2) return;
  std::unordered_map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < arguments.size(); ++i) first.emplace(arguments[i].name, i);
  if (first.size() == arguments.size()) return;
  std::stable_sort(arguments.begin(), arguments.end(), [&](const Argument& a, const Argument& b) {
    return first.find(a.name)->second < first.find(b.name)->second;
  });
}

}  // namespace fulmar::rules
