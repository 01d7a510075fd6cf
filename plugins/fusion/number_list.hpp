// SPDX-License-Identifier: Apache-2.0
/// @file
/// A short list of numbers, as the user writes it: "0.5 0.3 2" or "0.5,0.3,2". Host only but for reading it.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/host_device.hpp"

namespace fulmar {

struct NumberList {
  static constexpr std::int32_t most = 16;
  double values[most] = {};
  std::int32_t count = 0;

  /// The number for band i: the last one stands for all that follow.
  FULMAR_HD double operator[](std::int32_t i) const { return values[i < count ? i : count - 1]; }

  /// Errors: Errc::usage where a word is no number in [low, high], or where there are none or too many.
  static NumberList read(std::string_view text, double low, double high) {
    NumberList list;
    const auto between = [](char c) { return c == ' ' || c == ',' || c == ';'; };
    for (std::size_t i = 0; i < text.size();) {
      if (between(text[i])) {
        ++i;
        continue;
      }
      std::size_t end = i;
      while (end < text.size() && !between(text[end])) ++end;
      const std::string word{text.substr(i, end - i)};
      double value = 0;
      const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), value);
      if (error != std::errc{} || rest != word.data() + word.size() || !(value >= low && value <= high))
        fail(Errc::usage, "'" + word + "' is not a number from " + std::to_string(low) + " to " + std::to_string(high));
      if (list.count == most) fail(Errc::usage, "holds more than " + std::to_string(most) + " numbers");
      list.values[list.count++] = value;
      i = end;
    }
    if (list.count == 0) fail(Errc::usage, "holds no number");
    return list;
  }
};

}  // namespace fulmar
