// SPDX-License-Identifier: Apache-2.0
#include "io/cf_time.hpp"

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "support.hpp"

namespace fulmar::test {
namespace {

double instant(const char* units, double value, const char* calendar = "standard") {
  return CfTime{units, calendar}.instant(value).value_or(std::numeric_limits<double>::quiet_NaN());
}

TEST(CfTime, AgreesWithCftimeOverThousandsOfValues) {
  std::ifstream table{FULMAR_REPO_TEST_DATA "/cf_time_cftime.csv"};
  ASSERT_TRUE(table) << "the table that stands in the repository is absent";
  std::string line;
  std::getline(table, line);
  int rows = 0, without = 0;
  while (std::getline(table, line)) {
    std::istringstream in{line};
    std::string units, calendar, value, date, seconds;
    std::getline(in, units, ';');
    std::getline(in, calendar, ';');
    std::getline(in, value, ';');
    std::getline(in, date, ';');
    std::getline(in, seconds, ';');
    const CfTime time{units, calendar};
    const double v = std::stod(value);
    const auto got = time.instant(v);
    ASSERT_EQ(got.has_value(), !seconds.empty()) << line;
    without += seconds.empty();
    // cftime rounds to microseconds, Fulmar to milliseconds.
    if (got) {
      ASSERT_NEAR(*got, std::stod(seconds), 0.6e-3) << line;
    }
    const auto d = time.date(v);
    const auto text = std::to_string(d.year) + "-" + std::to_string(d.month) + "-" + std::to_string(d.day);
    // A moment just before midnight may round up to it.
    if (d.second > 0.01 && d.second < 86399.99) {
      ASSERT_EQ(text, date) << line;
    }
    ++rows;
  }
  EXPECT_GT(rows, 1700);
  EXPECT_GT(without, 20);
}

TEST(CfTime, KnowsTheMomentsOfTheConventions) {
  EXPECT_EQ(instant("days since 1970-01-01", 1), 86400);
  EXPECT_EQ(instant("DAYS since 1970-01-01 00:00:00 UTC", 0.5), 43200);
  EXPECT_EQ(instant("hours since 1970-01-01T00:00:00Z", -1), -3600);
  EXPECT_EQ(instant("seconds since 1992-10-08 15:15:42.5 -06:00", 0), 718578942.5);
  // The day after the fourth of October 1582 is the fifteenth, and in the proleptic calendar the fifth.
  EXPECT_EQ(instant("days since 1582-10-04", 1), -141427.0 * 86400);
  EXPECT_EQ(instant("days since 1582-10-15", 0, "proleptic_gregorian"), -141427.0 * 86400);
  EXPECT_EQ(instant("days since 1582-10-05", 0, "julian"), -141427.0 * 86400);
  // A century that does not leap.
  EXPECT_EQ(instant("days since 1900-02-28", 1) - instant("days since 1900-02-28", 0), 86400);
  EXPECT_EQ(instant("days since 1900-02-28", 1), instant("days since 1900-03-01", 0));
}

TEST(CfTime, DatesThatTheRealCalendarLacksAreNoInstants) {
  EXPECT_EQ(instant("days since 2004-02-28", 1, "noleap"), instant("days since 2004-03-01", 0));
  EXPECT_FALSE((CfTime{"days since 2001-02-28", "all_leap"}.instant(1)));
  EXPECT_TRUE((CfTime{"days since 2004-02-28", "all_leap"}.instant(1)));
  EXPECT_FALSE((CfTime{"days since 2004-02-28", "360_day"}.instant(2)));
  EXPECT_EQ(instant("days since 2004-02-30", 1, "360_day"), instant("days since 2004-03-01", 0));
  EXPECT_FALSE((CfTime{"days since 2004-01-01", "none"}.instant(2)));
}

TEST(CfTime, SaysWhatIsWrongAndTheCure) {
  const auto wrong = [](const char* units, const char* calendar) { return thrown([&] { CfTime(units, calendar); }); };
  EXPECT_TRUE(wrong("months since 1970-01-01", "standard").says("cdo settunits,days"));
  EXPECT_TRUE(wrong("years since 1970-01-01", "").says("no fixed length"));
  EXPECT_TRUE(wrong("fortnights since 1970-01-01", "").says("fortnights"));
  EXPECT_TRUE(wrong("days since 1970-01-01", "mayan").says("'mayan'"));
  EXPECT_TRUE(wrong("days", "").says("since when"));
  EXPECT_TRUE(wrong("days since 0000-01-01", "standard").says("year 0"));
  for (const char* epoch : {"1970-13-01", "1970-02-30", "1970-01", "yesterday", "1970-01-01 25:00",
                            "1970-01-01 12:00 x", "1582-10-10", "", "1970-01-01 00:00:00 UTC maybe"})
    EXPECT_TRUE(wrong(("days since " + std::string{epoch}).c_str(), "standard").says("names no date")) << epoch;
}

TEST(CfTime, AxesRiseOrFall) {
  const CfTime time{"days since 1970-01-01", ""};
  EXPECT_EQ(instants(time, {0, 1, 5}).back(), 5 * 86400.0);
  EXPECT_EQ(instants(time, {5, 1, 0}).front(), 5 * 86400.0);
  EXPECT_TRUE(instants(time, {}).empty());
  const auto wrong = [&](const std::vector<double>& values) { return thrown([&] { instants(time, values); }); };
  EXPECT_TRUE(wrong({0, 1, 1}).says("step 2 is 1, step 3 is 1"));
  EXPECT_TRUE(wrong({0, 1, 0.5}).says("neither rises nor falls"));
  EXPECT_TRUE(wrong({0, std::nan("")}).says("step 2 has no time"));
  EXPECT_TRUE(wrong({0, 1e300}).says("step 2 has no time"));
  // Days: what f64 holds, but no calendar.
  EXPECT_TRUE(wrong({0, 1e17}).says("step 2 has no time"));
  EXPECT_TRUE(wrong({-200000, 0}).says("two calendars"));
  EXPECT_EQ(instants(CfTime{"days since 1970-01-01", "proleptic_gregorian"}, {-200000, 0}).size(), 2U);
}

TEST(CfTime, InstantsAsText) {
  EXPECT_EQ(text_of_instant(1609804800 + 22028), "2021-01-05T06:07:08Z");
  EXPECT_EQ(text_of_instant(-0.5), "1969-12-31T23:59:59.500Z");
}

}  // namespace
}  // namespace fulmar::test
