// SPDX-License-Identifier: Apache-2.0
/// @file
/// Units as the engine checks them: by symbol, with the few that mean something to an operator named here.
#pragma once

#include <string>
#include <string_view>

#include "core/export.hpp"

namespace fulmar {

/// A unit of measure. Empty means that the file does not say; such a band is taken on trust.
struct Unit {
  std::string symbol;

  [[nodiscard]] bool known() const { return !symbol.empty(); }
  friend bool operator==(const Unit&, const Unit&) = default;
};

namespace units {
inline constexpr std::string_view unknown = "";
inline constexpr std::string_view one = "1";              ///< a ratio; linear backscatter intensity
inline constexpr std::string_view decibel = "dB";         ///< 10 log10 of an intensity
inline constexpr std::string_view digital_number = "DN";  ///< uncalibrated counts
inline constexpr std::string_view metre = "m";
inline constexpr std::string_view square_metre = "m2";
inline constexpr std::string_view degree = "degree";
inline constexpr std::string_view percent = "%";
inline constexpr std::string_view kelvin = "K";
inline constexpr std::string_view celsius = "degC";
inline constexpr std::string_view cell = "cell";
inline constexpr std::string_view flag = "flag";  ///< 0 no, 1 yes, missing unknown
inline constexpr std::string_view any =
    "*";  ///< a port that takes any unit, or hands on that of its input; "*/km": that, per km
}  // namespace units

/// The engine's symbol for a unit as files spell it: "dB", "decibels", "kelvin", "Metre"... Unknown words stay as they
/// are.
FULMAR_API Unit parse_unit(std::string_view text);

/// True if a band of unit `have` may enter a port that wants `want`: equal, either unknown, or the port takes any.
FULMAR_API bool compatible(const Unit& have, const Unit& want);

}  // namespace fulmar
