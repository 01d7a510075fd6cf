// SPDX-License-Identifier: Apache-2.0
/// @file
/// A stretch of time as the user writes it.
#pragma once

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "core/calendar.hpp"
#include "core/iso_time.hpp"

namespace fulmar {

/// All instants from `first` to `last`, both included, in seconds since 1970-01-01T00:00:00Z.
struct TimeRange {
  double first = -std::numeric_limits<double>::infinity(), last = std::numeric_limits<double>::infinity();

  [[nodiscard]] bool holds(double time) const { return time >= first && time <= last; }
};

/// What a date or a moment stands for: 2020 is the year, 2020-03 the month, 2020-03-05 the day, from its start to just
/// before the next; a moment is itself. Nothing where the text is none of them.
inline std::optional<TimeRange> parse_period(std::string_view text) {
  const auto day = [](std::int64_t year, std::int32_t month) {
    return static_cast<double>(days_from_civil({year, month, 1}) * 86400);
  };
  const auto until = [](double begin, double next) {
    return TimeRange{begin, std::nextafter(next, -std::numeric_limits<double>::infinity())};
  };
  const auto number = [](std::string_view digits) -> std::optional<std::int32_t> {
    std::int32_t n = 0;
    if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    std::from_chars(digits.data(), digits.data() + digits.size(), n);
    return n;
  };
  if (text.size() == 4)
    if (const auto year = number(text)) return until(day(*year, 1), day(*year + 1, 1));
  if (text.size() == 7 && text[4] == '-')
    if (const auto year = number(text.substr(0, 4)), month = number(text.substr(5)); year && month) {
      if (*month < 1 || *month > 12) return std::nullopt;
      return until(day(*year, *month), *month == 12 ? day(*year + 1, 1) : day(*year, *month + 1));
    }
  const auto moment = parse_iso_time(text);
  if (!moment) return std::nullopt;
  if (text.size() == 10) return until(*moment, *moment + 86400);
  return TimeRange{*moment, *moment};
}

/// START/END in ISO 8601, each a date or a moment, or .. or nothing where that end is open; or one date for all of it.
/// Nothing where the text is no such thing. The range may run backwards.
inline std::optional<TimeRange> parse_time_range(std::string_view text) {
  // A date may be written with slashes, but then no range.
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return parse_period(text);
  const auto start = text.substr(0, slash), end = text.substr(slash + 1);
  const auto open = [](std::string_view t) { return t.empty() || t == ".."; };
  if ((open(start) && open(end)) || end.find('/') != std::string_view::npos) return std::nullopt;
  TimeRange range;
  if (!open(start)) {
    const auto period = parse_period(start);
    if (!period) return std::nullopt;
    range.first = period->first;
  }
  if (!open(end)) {
    const auto period = parse_period(end);
    if (!period) return std::nullopt;
    range.last = period->last;
  }
  return range;
}

}  // namespace fulmar
