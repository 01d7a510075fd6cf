// SPDX-License-Identifier: Apache-2.0
#include "io/cf_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <utility>

#include "core/error.hpp"

namespace fulmar {
namespace {

constexpr double day_seconds = 86400;
constexpr double farthest = 3.2e14;  // seconds from 1970: ten million years
/// 1582-10-15 in days since 1970: the first Gregorian day of the standard calendar.
constexpr std::int64_t gregorian_start = -141427;
constexpr std::array month_days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

bool leaps(std::int64_t year, Calendar calendar) {
  const auto divides = [&](std::int64_t n) { return year % n == 0; };
  switch (calendar) {
    case Calendar::proleptic_gregorian:
      return divides(4) && (!divides(100) || divides(400));
    case Calendar::standard:
      return divides(4) && (year < 1583 || !divides(100) || divides(400));
    case Calendar::julian:
      return divides(4);
    case Calendar::all_leap:
      return true;
    default:
      return false;
  }
}

int days_of(std::int64_t year, int month, Calendar calendar) {
  if (calendar == Calendar::day360) return 30;
  return month_days[static_cast<std::size_t>(month - 1)] + (month == 2 && leaps(year, calendar) ? 1 : 0);
}

/// Days before the first of March of a year, of a count that starts in some March: Julian or Gregorian.
std::int64_t before_march(std::int64_t year, bool gregorian) {
  const auto leap_days = floor_div(year, 4) - (gregorian ? floor_div(year, 100) - floor_div(year, 400) : 0);
  return 365 * year + leap_days;
}

/// Days since 1970-01-01 of a date of the Julian or the Gregorian calendar (years are astronomical: 0 is 1 BC).
std::int64_t real_day(std::int64_t year, int month, int day, bool gregorian) {
  // Years start in March, so that the leap day is the last.
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const int m = month <= 2 ? month + 9 : month - 3;
  const std::int64_t of_year = (153 * m + 2) / 5 + day - 1;
  return before_march(y, gregorian) + of_year - (gregorian ? 719468 : 719470);
}

std::pair<std::int64_t, std::pair<int, int>> real_date(std::int64_t day, bool gregorian) {
  const std::int64_t n = day + (gregorian ? 719468 : 719470);
  // An estimate that is off by one at most.
  auto year = static_cast<std::int64_t>(std::floor(static_cast<double>(n) / (gregorian ? 365.2425 : 365.25)));
  while (before_march(year, gregorian) > n) --year;
  while (before_march(year + 1, gregorian) <= n) ++year;
  const auto of_year = static_cast<int>(n - before_march(year, gregorian));
  const int m = (5 * of_year + 2) / 153;
  const int d = of_year - (153 * m + 2) / 5 + 1;
  return {m >= 10 ? year + 1 : year, {m >= 10 ? m - 9 : m + 3, d}};
}

/// A day's number in its calendar: days since 1970-01-01 of the real ones, since year 0 of the others.
std::int64_t day_number(std::int64_t year, int month, int day, Calendar calendar) {
  switch (calendar) {
    case Calendar::proleptic_gregorian:
      return real_day(year, month, day, true);
    case Calendar::julian:
      return real_day(year, month, day, false);
    case Calendar::standard: {
      const bool gregorian = std::pair{year, std::pair{month, day}} >= std::pair{std::int64_t{1582}, std::pair{10, 15}};
      return real_day(year, month, day, gregorian);
    }
    case Calendar::day360:
      return 360 * year + 30 * (month - 1) + day - 1;
    default:
      break;
  }
  std::int64_t n = (calendar == Calendar::all_leap ? 366 : 365) * year + day - 1;
  for (int m = 1; m < month; ++m) n += days_of(year, m, calendar);
  return n;
}

struct Moment {
  std::int64_t year = 0;
  int month = 0, day = 0;
  double second = 0;  // of the day, in UTC; may lie outside of it
};

/// Reads dates and times piece by piece.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_{text} { skip_spaces(); }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool at_digit() const {
    return !rest_.empty() && std::isdigit(static_cast<unsigned char>(rest_.front())) != 0;
  }
  void skip_spaces() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    while (!rest_.empty() && rest_.back() == ' ') rest_.remove_suffix(1);
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    if (rest_.size() < word.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i)
      if (std::tolower(static_cast<unsigned char>(rest_[i])) != word[i]) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  /// Up to `most` digits; -1 where there are none.
  std::int64_t number(int most) {
    std::int64_t n = -1;
    for (; most > 0 && at_digit(); --most) {
      n = std::max<std::int64_t>(n, 0) * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return n;
  }
  [[nodiscard]] int digits_ahead() const {
    std::size_t n = 0;
    while (n < rest_.size() && std::isdigit(static_cast<unsigned char>(rest_[n])) != 0) ++n;
    return static_cast<int>(n);
  }
  /// ".25" and the like; 0 where there is none.
  double fraction() {
    if (rest_.size() < 2 || (rest_.front() != '.' && rest_.front() != ',')) {
      take('.');
      return 0;
    }
    rest_.remove_prefix(1);
    double value = 0, scale = 0.1;
    for (; at_digit(); rest_.remove_prefix(1), scale /= 10) value += scale * (rest_.front() - '0');
    return value;
  }

 private:
  std::string_view rest_;
};

/// HH[:MM[:SS[.f]]] or HHMM[SS]; false where that is not a time of day.
bool read_time(Reader& in, double& second) {
  const bool compact = in.digits_ahead() >= 4;
  const auto hour = in.number(2);
  std::int64_t minute = 0, whole = 0;
  double part = 0;
  const auto next = [&] { return compact ? in.at_digit() : in.take(':'); };
  if (next()) {
    minute = in.number(2);
    if (next()) {
      whole = in.number(2);
      part = in.fraction();
    }
  }
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || whole < 0 || whole > 59) return false;
  second = static_cast<double>(3600 * hour + 60 * minute + whole) + part;
  return true;
}

/// Z, UTC, GMT, +HH:MM, -H, +HHMM; false for anything else. East of Greenwich is earlier in UTC.
bool read_zone(Reader& in, double& second) {
  in.skip_spaces();
  if (in.at_end()) return true;
  if (in.take_word("utc") || in.take_word("gmt") || in.take_word("z")) {
    in.skip_spaces();
    if (in.at_end()) return true;
  }
  const bool west = in.take('-');
  if (!west && !in.take('+') && !in.at_digit()) return false;
  const auto hour = in.number(2);
  in.take(':');
  const auto minute = in.at_digit() ? in.number(2) : 0;
  if (hour < 0 || hour > 23 || minute > 59 || !in.at_end()) return false;
  second += (west ? 1.0 : -1.0) * static_cast<double>(3600 * hour + 60 * minute);
  return true;
}

std::optional<Moment> read_moment(std::string_view text, Calendar calendar) {
  Reader in{text};
  Moment moment;
  const bool negative = in.take('-');
  if (!negative) in.take('+');
  std::int64_t month = 0, day = 0;
  if (in.digits_ahead() == 8) {
    moment.year = in.number(4);
    month = in.number(2);
    day = in.number(2);
  } else {
    moment.year = in.number(6);
    const char separator = in.rest().empty() ? '-' : in.rest().front();
    if (moment.year < 0 || (separator != '-' && separator != ':' && separator != '/') || !in.take(separator))
      return std::nullopt;
    month = in.number(2);
    if (!in.take(separator)) return std::nullopt;
    day = in.number(2);
  }
  if (negative) moment.year = -moment.year;
  if (moment.year < -999'999 || month < 1 || month > 12 || day < 1) return std::nullopt;
  moment.month = static_cast<int>(month);
  moment.day = static_cast<int>(day);
  if (moment.day > days_of(moment.year, moment.month, calendar)) return std::nullopt;
  if (calendar == Calendar::standard && moment.year == 1582 && month == 10 && day > 4 && day < 15) return std::nullopt;
  const bool t = in.take('T') || in.take('t');
  in.skip_spaces();
  if (t || in.at_digit()) {
    if (!read_time(in, moment.second)) return std::nullopt;
  }
  if (!read_zone(in, moment.second)) return std::nullopt;
  return moment;
}

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

Calendar calendar_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Calendar>, 12> known{{
      {"", Calendar::standard},
      {"standard", Calendar::standard},
      {"gregorian", Calendar::standard},
      {"proleptic_gregorian", Calendar::proleptic_gregorian},
      {"julian", Calendar::julian},
      {"noleap", Calendar::noleap},
      {"no_leap", Calendar::noleap},
      {"365_day", Calendar::noleap},
      {"all_leap", Calendar::all_leap},
      {"366_day", Calendar::all_leap},
      {"360_day", Calendar::day360},
      {"none", Calendar::none},
  }};
  const auto word = lower(name);
  for (const auto& [spelling, calendar] : known)
    if (word == spelling) return calendar;
  fail(Errc::input, fmt::format("calendar '{}' is not known (standard, proleptic_gregorian, julian, noleap, all_leap, "
                                "360_day, none); set the right one, for example with cdo setcalendar",
                                name));
}

/// A unit's length in seconds.
double unit_of(std::string_view word, std::string_view units) {
  static constexpr std::array<std::pair<std::string_view, double>, 25> known{{
      {"day", day_seconds},
      {"days", day_seconds},
      {"d", day_seconds},
      {"hour", 3600},
      {"hours", 3600},
      {"hr", 3600},
      {"hrs", 3600},
      {"h", 3600},
      {"minute", 60},
      {"minutes", 60},
      {"min", 60},
      {"mins", 60},
      {"second", 1},
      {"seconds", 1},
      {"sec", 1},
      {"secs", 1},
      {"s", 1},
      {"millisecond", 1e-3},
      {"milliseconds", 1e-3},
      {"msec", 1e-3},
      {"msecs", 1e-3},
      {"ms", 1e-3},
      {"microsecond", 1e-6},
      {"microseconds", 1e-6},
      {"us", 1e-6},
  }};
  const auto name = lower(word);
  for (const auto& [spelling, seconds] : known)
    if (name == spelling) return seconds;
  if (name.rfind("month", 0) == 0 || name.rfind("year", 0) == 0 || name.rfind("common_year", 0) == 0)
    fail(Errc::input, fmt::format("units '{}': months and years have no fixed length; give the axis in days, for "
                                  "example with cdo settunits,days",
                                  units));
  fail(Errc::input,
       fmt::format("units '{}' count in '{}'; known are days, hours, minutes and seconds; give the axis in "
                   "one of them, for example with cdo settunits,days",
                   units, word));
}

std::size_t find_since(std::string_view units) {
  const auto text = lower(units);
  return text.find(" since ");
}

}  // namespace

bool counts_since(std::string_view units) { return find_since(units) != std::string::npos; }

CfTime::CfTime(std::string_view units, std::string_view calendar) : calendar_{calendar_of(calendar)} {
  const auto at = find_since(units);
  if (at == std::string_view::npos)
    fail(Errc::input, fmt::format("units '{}' do not say since when; CF wants 'days since 1970-01-01'", units));
  std::string_view word = units.substr(0, at);
  while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
  while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
  unit_ = unit_of(word, units);
  if (calendar_ == Calendar::none) return;
  const auto epoch = read_moment(units.substr(at + 7), calendar_);
  if (!epoch)
    fail(Errc::input,
         fmt::format("'{}' names no date of its calendar; CF wants 'days since 1970-01-01 00:00:00'", units));
  if (epoch->year == 0 && (calendar_ == Calendar::standard || calendar_ == Calendar::julian))
    fail(Errc::input, fmt::format("'{}' starts in a year 0, which the {} calendar does not have; set calendar "
                                  "proleptic_gregorian if that is meant",
                                  units, calendar_ == Calendar::julian ? "julian" : "standard"));
  epoch_second_ = epoch->second;
  // Their years before Christ have no 0.
  const bool historical = calendar_ == Calendar::standard || calendar_ == Calendar::julian;
  epoch_day_ =
      day_number(historical && epoch->year < 0 ? epoch->year + 1 : epoch->year, epoch->month, epoch->day, calendar_);
}

double CfTime::total(double value) const {
  // Whole days apart from the rest: the sum is exact for as long as f64 can be.
  const double seconds = static_cast<double>(epoch_day_) * day_seconds + epoch_second_ + value * unit_;
  return unit_ < 1 ? seconds : std::round(seconds * 1000) / 1000;
}

bool CfTime::reaches(double value) const { return std::abs(total(value)) <= farthest; }

CalendarDate CfTime::date(double value) const {
  const double seconds = std::clamp(total(value), -farthest, farthest);
  const auto day = static_cast<std::int64_t>(std::floor(seconds / day_seconds));
  CalendarDate date;
  date.second = seconds - static_cast<double>(day) * day_seconds;
  switch (calendar_) {
    case Calendar::standard:
    case Calendar::julian:
    case Calendar::proleptic_gregorian: {
      const bool gregorian =
          calendar_ == Calendar::proleptic_gregorian || (calendar_ == Calendar::standard && day >= gregorian_start);
      const auto [year, rest] = real_date(day, gregorian);
      date.year = year;
      date.month = rest.first;
      date.day = rest.second;
      if (calendar_ != Calendar::proleptic_gregorian && date.year <= 0) --date.year;
      return date;
    }
    case Calendar::day360:
      date.year = floor_div(day, 360);
      date.month = static_cast<int>((day - 360 * date.year) / 30) + 1;
      date.day = static_cast<int>((day - 360 * date.year) % 30) + 1;
      return date;
    default:
      break;
  }
  const std::int64_t length = calendar_ == Calendar::all_leap ? 366 : 365;
  date.year = floor_div(day, length);
  auto rest = static_cast<int>(day - length * date.year);
  for (date.month = 1; rest >= days_of(date.year, date.month, calendar_); ++date.month)
    rest -= days_of(date.year, date.month, calendar_);
  date.day = rest + 1;
  return date;
}

std::optional<double> CfTime::instant(double value) const {
  if (!reaches(value)) return std::nullopt;
  switch (calendar_) {
    case Calendar::none:
      return std::nullopt;
    case Calendar::standard:
    case Calendar::julian:
    case Calendar::proleptic_gregorian:
      return total(value);
    default:
      break;
  }
  const auto d = date(value);
  if (d.day > days_of(d.year, d.month, Calendar::proleptic_gregorian)) return std::nullopt;
  return static_cast<double>(real_day(d.year, d.month, d.day, true)) * day_seconds + d.second;
}

bool is_model_calendar(std::string_view calendar) {
  return calendar == "noleap" || calendar == "all_leap" || calendar == "360_day";
}

double seconds_in_calendar(double instant, std::string_view calendar) {
  const Calendar days = calendar == "noleap"     ? Calendar::noleap
                        : calendar == "all_leap" ? Calendar::all_leap
                                                 : Calendar::day360;
  const auto day = static_cast<std::int64_t>(std::floor(instant / day_seconds));
  const auto [year, month_and_day] = real_date(day, true);
  const std::int64_t n = day_number(year, month_and_day.first, month_and_day.second, days);
  return static_cast<double>(n - day_number(1970, 1, 1, days)) * day_seconds +
         (instant - static_cast<double>(day) * day_seconds);
}

std::vector<std::optional<double>> instants(const CfTime& time, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!time.reaches(values[i]))
      fail(Errc::input, fmt::format("its step {} has no time; give every step one, or leave the step out", i + 1));
  const bool falls = values.size() > 1 && values[1] < values[0];
  for (std::size_t i = 1; i < values.size(); ++i)
    if (falls ? !(values[i] < values[i - 1]) : !(values[i] > values[i - 1]))
      fail(Errc::input,
           fmt::format("it neither rises nor falls throughout: step {} is {}, step {} is {}; sort its steps and drop "
                       "those that come twice, for example with cdo mergetime",
                       i, values[i - 1], i + 1, values[i]));
  std::vector<std::optional<double>> result;
  result.reserve(values.size());
  for (const double value : values) result.push_back(time.instant(value));
  if (time.calendar() == Calendar::standard && !result.empty()) {
    const auto change = static_cast<double>(gregorian_start) * day_seconds;
    const auto [low, high] = std::minmax(*result.front(), *result.back());
    if (low < change && high >= change)
      fail(Errc::input,
           "it crosses the change from the Julian to the Gregorian calendar of 1582-10-15, so that its dates are of "
           "two calendars; write it in proleptic_gregorian, or read the steps after it");
  }
  return result;
}

std::string text_of_instant(double seconds) {
  const double rounded = std::round(seconds * 1000) / 1000;
  const auto day = static_cast<std::int64_t>(std::floor(rounded / day_seconds));
  const auto [year, rest] = real_date(day, true);
  const auto ms = static_cast<std::int64_t>(std::llround((rounded - static_cast<double>(day) * day_seconds) * 1000));
  auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", year, rest.first, rest.second, ms / 3600000,
                          ms / 60000 % 60, ms / 1000 % 60);
  if (ms % 1000 != 0) text += fmt::format(".{:03}", ms % 1000);
  return text + "Z";
}

}  // namespace fulmar
