// SPDX-License-Identifier: Apache-2.0
/// @file
/// Days of the proleptic Gregorian calendar, counted from 1970-01-01 (Howard Hinnant, chrono-compatible low-level date
/// algorithms, 2013). UTC, without leap seconds.
#pragma once

#include <cstdint>

#include "core/host_device.hpp"

namespace fulmar {

struct CivilDay {
  std::int64_t year = 1970;
  std::int32_t month = 1, day = 1;
};

FULMAR_HD constexpr bool is_leap_year(std::int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/// Days from 1970-01-01; negative before it.
FULMAR_HD constexpr std::int64_t days_from_civil(CivilDay d) {
  // Years begin in March, so that the leap day comes last.
  const std::int64_t y = d.month <= 2 ? d.year - 1 : d.year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  const std::int64_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

FULMAR_HD constexpr CivilDay civil_from_days(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
  const std::int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const std::int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  const std::int64_t m = (5 * of_year + 2) / 153;
  CivilDay d;
  d.day = static_cast<std::int32_t>(of_year - (153 * m + 2) / 5 + 1);
  d.month = static_cast<std::int32_t>(m < 10 ? m + 3 : m - 9);
  d.year = year + era * 400 + (d.month <= 2 ? 1 : 0);
  return d;
}

FULMAR_HD constexpr std::int32_t days_in_month(std::int64_t year, std::int32_t month) {
  return month == 2 ? (is_leap_year(year) ? 29 : 28) : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// The day of the year as in a leap year: 1 March is 61 in every year, and 60 is 29 February.
FULMAR_HD constexpr std::int32_t leap_day_of_year(CivilDay d) {
  const std::int32_t before = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5;  // days since 1 March
  return d.month > 2 ? before + d.day + 60 : before + d.day - 306;
}

}  // namespace fulmar
