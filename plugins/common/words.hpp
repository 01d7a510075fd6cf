// SPDX-License-Identifier: Apache-2.0
/// @file
/// Short texts as parameters: names of columns, times, lists.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace fulmar::ops {

/// A text that can be a parameter. Errors: Errc::usage where it is longer than N - 1 bytes.
template <std::size_t N>
struct Words {
  char text[N] = {};

  void set(std::string_view from) {
    if (from.size() >= N) fail(Errc::usage, "the text is longer than " + std::to_string(N - 1) + " characters");
    from.copy(text, from.size());
    text[from.size()] = '\0';
  }
  [[nodiscard]] std::string_view view() const { return text; }
  [[nodiscard]] bool empty() const { return text[0] == '\0'; }
};

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// The parts of a list.
inline std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(at);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace fulmar::ops
