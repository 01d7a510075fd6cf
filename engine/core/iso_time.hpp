// SPDX-License-Identifier: Apache-2.0
/// @file
/// Times as text (ISO 8601) and as seconds since 1970-01-01T00:00:00Z, in the proleptic Gregorian calendar without leap
/// seconds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "core/calendar.hpp"
#include "core/features.hpp"

namespace fulmar {

struct CivilTime {
  std::int64_t year = 1970;
  int month = 1, day = 1, hour = 0, minute = 0;
  double second = 0;
};

/// The date and time of day of seconds since 1970, rounded to a millisecond.
inline CivilTime civil_time(double seconds) {
  const auto milliseconds = static_cast<std::int64_t>(std::floor(seconds * 1000 + 0.5));
  constexpr std::int64_t day_length = 86400000;
  const std::int64_t days = (milliseconds >= 0 ? milliseconds : milliseconds - day_length + 1) / day_length;
  const std::int64_t rest = milliseconds - days * day_length;
  const CivilDay d = civil_from_days(days);
  CivilTime t;
  t.year = d.year, t.month = d.month, t.day = d.day;
  t.hour = static_cast<int>(rest / 3600000);
  t.minute = static_cast<int>(rest / 60000 % 60);
  t.second = static_cast<double>(rest % 60000) / 1000;
  return t;
}

/// "2021-01-05T13:44:00Z", with milliseconds where there are any. Empty for what is no time.
inline std::string iso_time(double seconds) {
  if (!(std::abs(seconds) < 2.5e11)) return {};
  const CivilTime t = civil_time(seconds);
  char text[64];
  const auto whole = static_cast<int>(t.second);
  const int thousandths = static_cast<int>(std::floor((t.second - whole) * 1000 + 0.5));
  int n = std::snprintf(text, sizeof text, "%04lld-%02d-%02dT%02d:%02d:%02d", static_cast<long long>(t.year), t.month,
                        t.day, t.hour, t.minute, whole);
  if (thousandths > 0) n += std::snprintf(text + n, sizeof text - static_cast<std::size_t>(n), ".%03d", thousandths);
  return std::string{text, static_cast<std::size_t>(n)} + "Z";
}

/// "2021-01-05", the day of a time.
inline std::string iso_date(double seconds) {
  std::string text = iso_time(seconds);
  text.resize(std::min(text.find('T'), text.size()));
  return text;
}

/// A time of a column, or the day where the column holds days.
inline std::string time_text(const Column& column, double value) {
  return column.form == Form::date ? iso_date(value) : iso_time(value);
}

/// Reads a date, or a date and a time of day, in ISO 8601: 2021-01-05, 2021-01-05T13:44, 2021/01/05 13:44:00.5,
/// 2021-01-05T13:44:00+09:00. Without an offset it is UTC. Nothing where it is none, or no such day exists.
inline std::optional<double> parse_iso_time(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&](int count, std::int64_t& value) {
    value = 0;
    for (int i = 0; i < count; ++i, ++at) {
      if (at >= text.size() || text[at] < '0' || text[at] > '9') return false;
      value = value * 10 + (text[at] - '0');
    }
    return true;
  };
  const auto take = [&](char c) { return at < text.size() && text[at] == c ? (++at, true) : false; };
  std::int64_t year, month, day, hour = 0, minute = 0, second = 0;
  if (!digits(4, year)) return std::nullopt;
  const char joint = at < text.size() ? text[at] : ' ';
  if ((joint != '-' && joint != '/') || !take(joint) || !digits(2, month) || !take(joint) || !digits(2, day))
    return std::nullopt;
  double fraction = 0, offset = 0;
  if (at < text.size()) {
    if (!take('T') && !take('t') && !take(' ')) return std::nullopt;
    if (!digits(2, hour) || !take(':') || !digits(2, minute)) return std::nullopt;
    if (take(':')) {
      if (!digits(2, second)) return std::nullopt;
      if (take('.') || take(',')) {
        const std::size_t first = at;
        double scale = 0.1;
        for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
          fraction += scale * (text[at] - '0');
        if (at == first) return std::nullopt;
      }
    }
    take(' ');
    if (take('Z') || take('z') || (text.substr(at) == "UTC" && (at += 3) > 0)) {
    } else if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
      const double sign = text[at++] == '-' ? -1 : 1;
      std::int64_t h, m = 0;
      if (!digits(2, h)) return std::nullopt;
      if (at < text.size()) {
        take(':');
        if (!digits(2, m)) return std::nullopt;
      }
      if (h > 18 || m > 59) return std::nullopt;
      offset = sign * static_cast<double>(h * 3600 + m * 60);
    }
  }
  if (at != text.size()) return std::nullopt;
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, static_cast<std::int32_t>(month)))
    return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return static_cast<double>(days_from_civil({year, static_cast<std::int32_t>(month), static_cast<std::int32_t>(day)}) *
                                 86400 +
                             hour * 3600 + minute * 60 + second) +
         fraction - offset;
}

}  // namespace fulmar
