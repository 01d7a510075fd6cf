// SPDX-License-Identifier: Apache-2.0
/// @file
/// The time axes of the CF conventions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar {

enum class Calendar : std::uint8_t { standard, proleptic_gregorian, julian, noleap, all_leap, day360, none };

/// A date of some calendar; it need not exist in another.
struct CalendarDate {
  std::int64_t year = 1970;
  int month = 1, day = 1;
  double second = 0;  ///< of the day
};

/// True for units that count from a moment: "days since 1950-01-01".
bool counts_since(std::string_view units);

/// A time coordinate of the CF conventions (1.11, section 4.4): units "days|hours|minutes|seconds since EPOCH" (also
/// milli- and microseconds) in a calendar. The standard, proleptic_gregorian and julian calendars count real days, so
/// every value is an instant: the standard one is Julian before 1582-10-15, as in UDUNITS. The calendars of climate
/// models (noleap, all_leap, 360_day) do not: a value there is the instant of the same date, hour and second in the
/// Gregorian calendar, and no instant at all where that has no such date (29 February of a common year, 30 February).
/// "none" has no dates. An epoch without time zone is UTC. Leap seconds are not counted. Results of units of a second
/// and longer are rounded to the millisecond, which is as fine as days in f64 tell.
class CfTime {
 public:
  /// Errors: Errc::input, saying what is wrong with the units or the calendar, and the cure. Months and years are
  /// refused: they have no fixed length.
  CfTime(std::string_view units, std::string_view calendar);

  [[nodiscard]] Calendar calendar() const { return calendar_; }
  /// True for what is finite and within ten million years of 1970: beyond that no calendar means anything.
  [[nodiscard]] bool reaches(double value) const;
  /// Seconds since 1970-01-01T00:00:00Z; nothing where the Gregorian calendar has no such date, or it is out of reach.
  [[nodiscard]] std::optional<double> instant(double value) const;
  /// The date in the axis' own calendar; out of reach, that of the end. Not for calendar "none", nor for NaN.
  [[nodiscard]] CalendarDate date(double value) const;

 private:
  [[nodiscard]] double total(double value) const;

  Calendar calendar_ = Calendar::standard;
  double unit_ = 1;             // in seconds
  std::int64_t epoch_day_ = 0;  // in the calendar's own count
  double epoch_second_ = 0;
};

/// True for the calendars of climate models, by the names that CF gives them: noleap, all_leap, 360_day.
bool is_model_calendar(std::string_view calendar);

/// The way back from an instant: seconds since 1970-01-01T00:00:00, counted in the days of a model's calendar.
double seconds_in_calendar(double instant, std::string_view calendar);

/// The instants of a whole axis. Errors: Errc::input where a value is missing or not finite, where the values neither
/// rise nor fall throughout, and where the standard calendar's axis crosses the change of 1582, so that its dates are
/// of two calendars.
std::vector<std::optional<double>> instants(const CfTime& time, const std::vector<double>& values);

/// 2021-01-05T06:07:08Z; with milliseconds where there are any.
std::string text_of_instant(double seconds);

}  // namespace fulmar
