// SPDX-License-Identifier: Apache-2.0
#include "core/unit.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace fulmar {

Unit parse_unit(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 31> spellings{{
      {"db", units::decibel},
      {"decibel", units::decibel},
      {"decibels", units::decibel},
      {"10*log10", units::decibel},
      {"1", units::one},
      {"linear", units::one},
      {"ratio", units::one},
      {"unitless", units::one},
      {"dimensionless", units::one},
      {"dn", units::digital_number},
      {"count", units::digital_number},
      {"counts", units::digital_number},
      {"m", units::metre},
      {"metre", units::metre},
      {"meter", units::metre},
      {"metres", units::metre},
      {"meters", units::metre},
      {"k", units::kelvin},
      {"kelvin", units::kelvin},
      {"kelvins", units::kelvin},
      {"degk", units::kelvin},
      {"degc", units::celsius},
      {"deg_c", units::celsius},
      {"deg c", units::celsius},
      {"celsius", units::celsius},
      {"degree_c", units::celsius},
      {"degree_celsius", units::celsius},
      {"degrees_celsius", units::celsius},
      {"degree celsius", units::celsius},
      {"degrees celsius", units::celsius},
      {"\u00b0c", units::celsius},
  }};
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::string lower{text};
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const auto& [spelling, symbol] : spellings)
    if (lower == spelling) return {std::string{symbol}};
  return {std::string{text}};
}

bool compatible(const Unit& have, const Unit& want) {
  return have == want || !have.known() || !want.known() || want.symbol == units::any;
}

}  // namespace fulmar
