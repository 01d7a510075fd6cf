// SPDX-License-Identifier: Apache-2.0
#include "core/calendar.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace fulmar {
namespace {

TEST(Calendar, AgreesWithTheStandardLibrary) {
  for (std::int64_t day = -700000; day < 800000; day += 1) {
    const std::chrono::year_month_day d{std::chrono::sys_days{std::chrono::days{day}}};
    const CivilDay got = civil_from_days(day);
    ASSERT_EQ(got.year, static_cast<int>(d.year()));
    ASSERT_EQ(got.month, static_cast<std::int32_t>(static_cast<unsigned>(d.month())));
    ASSERT_EQ(got.day, static_cast<std::int32_t>(static_cast<unsigned>(d.day())));
    ASSERT_EQ(days_from_civil(got), day);
  }
}

TEST(Calendar, MonthsAndLeapYears) {
  for (int year = 1890; year < 2110; ++year) {
    ASSERT_EQ(is_leap_year(year), std::chrono::year{year}.is_leap());
    for (std::int32_t month = 1; month <= 12; ++month) {
      using namespace std::chrono;
      const year_month_day_last last{std::chrono::year{year},
                                     month_day_last{std::chrono::month{static_cast<unsigned>(month)}}};
      ASSERT_EQ(days_in_month(year, month), static_cast<std::int32_t>(static_cast<unsigned>(last.day())));
    }
  }
}

TEST(Calendar, DaysOfTheYearAsInALeapYear) {
  std::int32_t expected = 0;
  for (std::int32_t month = 1; month <= 12; ++month)
    for (std::int32_t day = 1; day <= days_in_month(2000, month); ++day)
      ASSERT_EQ(leap_day_of_year({2001, month, day}), ++expected);
  EXPECT_EQ(expected, 366);
}

}  // namespace
}  // namespace fulmar
