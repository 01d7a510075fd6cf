// SPDX-License-Identifier: Apache-2.0
// Events, climatologies and thresholds of real series, against those of marineHeatWaves.py (E. Oliver) on the same
// series.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "sea/heatwave_series.hpp"

namespace fulmar::ops::heatwaves {
namespace {

std::string data_folder() {
  const char* given = std::getenv("FULMAR_TEST_DATA");
  return std::string{given != nullptr ? given : FULMAR_TEST_DATA_DEFAULT} + "/mhw/";
}

std::vector<std::map<std::string, std::string>> read_table(const std::string& path) {
  std::vector<std::map<std::string, std::string>> rows;
  std::ifstream file{path};
  std::string line, word;
  std::vector<std::string> names;
  while (std::getline(file, line)) {
    std::vector<std::string> words;
    std::stringstream in{line};
    while (std::getline(in, word, ',')) words.push_back(word);
    if (names.empty()) {
      names = words;
      continue;
    }
    auto& row = rows.emplace_back();
    for (std::size_t k = 0; k < names.size(); ++k) row[names[k]] = k < words.size() ? words[k] : "";
  }
  return rows;
}

std::int64_t day(const std::string& text) {
  return days_from_civil({std::stoi(text.substr(0, 4)), std::stoi(text.substr(5, 2)), std::stoi(text.substr(8, 2))});
}

struct Series {
  std::vector<double> times, values;
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(times.size()); }
};

struct Found {
  std::vector<Event> events;
  std::vector<double> normal, threshold;  ///< by day of the year, from 1
};

Found detect(const Series& series, const Settings& settings) {
  std::vector<double> calendar(make_calendar(series.times.data(), series.count(), settings, nullptr));
  EXPECT_EQ(make_calendar(series.times.data(), series.count(), settings, calendar.data()), calendar.size());
  // Beyond what was asked for, rubbish that must stay.
  const auto asked = scratch_of(series.count(), settings);
  std::vector<double> scratch(asked + 1, -7e77);
  const Detector detector{[&](std::int64_t i) { return series.values[static_cast<std::size_t>(i)]; }, series.count(),
                          Calendar{calendar.data()}, settings, scratch.data()};
  EXPECT_EQ(scratch[asked], -7e77);
  Found found;
  detector.events([&](const Event& e) { found.events.push_back(e); });
  for (std::int32_t doy = 1; doy <= days_of_year; ++doy) {
    found.normal.push_back(detector.normal(doy));
    found.threshold.push_back(detector.threshold(doy));
  }
  return found;
}

struct Case {
  const char* name;
  std::int32_t first, last;
  std::size_t events;
  bool of_floats;  ///< the table was made of the series in f32
};

class Shipped : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::string base = data_folder() + GetParam().name;
    for (const auto& row : read_table(base + "_series.csv")) {
      series.times.push_back(static_cast<double>(day(row.at("date")) * 86400));
      const auto& value = row.at("sst");
      series.values.push_back(value.empty() || value == "nan" ? missing<double>
                              : GetParam().of_floats          ? static_cast<double>(std::stof(value))
                                                              : std::stod(value));
    }
    if (series.times.empty()) GTEST_SKIP() << "no data file " << base << "_series.csv";
    expected = read_table(base + "_events.csv");
    climatology = read_table(base + "_clim.csv");
    settings.first_year = GetParam().first, settings.last_year = GetParam().last;
  }
  Series series;
  Settings settings;
  std::vector<std::map<std::string, std::string>> expected, climatology;
};

TEST_P(Shipped, ClimatologyAndThreshold) {
  const Found found = detect(series, settings);
  ASSERT_EQ(climatology.size(), 366u);
  for (std::size_t k = 0; k < 366; ++k) {
    // The tables hold twelve digits.
    EXPECT_NEAR(found.normal[k], std::stod(climatology[k].at("seas_clim")), 6e-11) << k + 1;
    EXPECT_NEAR(found.threshold[k], std::stod(climatology[k].at("thresh_p90")), 6e-11) << k + 1;
  }
}

TEST_P(Shipped, EventByEvent) {
  const Found found = detect(series, settings);
  ASSERT_EQ(expected.size(), GetParam().events);
  ASSERT_EQ(found.events.size(), expected.size());
  const auto first = static_cast<std::int64_t>(series.times.front() / 86400);
  const std::map<std::string, int> categories{{"Moderate", 1}, {"Strong", 2}, {"Severe", 3}, {"Extreme", 4}};
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const auto& row = expected[k];
    const Event& e = found.events[k];
    SCOPED_TRACE(row.at("date_start"));
    EXPECT_EQ(first + e.start, day(row.at("date_start")));
    EXPECT_EQ(first + e.end, day(row.at("date_end")));
    EXPECT_EQ(first + e.peak, day(row.at("date_peak")));
    EXPECT_EQ(e.duration(), std::stoi(row.at("duration")));
    EXPECT_EQ(e.category, categories.at(row.at("category")));
    EXPECT_EQ(e.days_in[0], std::stoi(row.at("duration_moderate")));
    EXPECT_EQ(e.days_in[1], std::stoi(row.at("duration_strong")));
    EXPECT_EQ(e.days_in[2], std::stoi(row.at("duration_severe")));
    EXPECT_EQ(e.days_in[3], std::stoi(row.at("duration_extreme")));
    // Ten digits are written.
    const auto same = [&](double got, const char* name) {
      const double want = std::stod(row.at(name));
      EXPECT_NEAR(got, want, 1e-9 * std::abs(want) + 1e-10) << name;
    };
    same(e.max, "intensity_max");
    same(e.mean, "intensity_mean");
    same(e.deviation, "intensity_var");
    same(e.cumulative, "intensity_cumulative");
    same(e.onset, "rate_onset");
    same(e.decline, "rate_decline");
    same(e.max_above_threshold, "intensity_max_relThresh");
    same(e.mean_above_threshold, "intensity_mean_relThresh");
    same(e.max_temperature, "intensity_max_abs");
  }
}

TEST_P(Shipped, ColdSpellsAreHeatwavesOfTheNegative) {
  Series upside_down = series;
  for (double& v : upside_down.values) v = -v;
  Settings cold = settings;
  cold.cold = true;
  const Found warm = detect(upside_down, settings), found = detect(series, cold);
  ASSERT_GT(found.events.size(), 20u);
  ASSERT_EQ(found.events.size(), warm.events.size());
  for (std::size_t k = 0; k < warm.events.size(); ++k) {
    EXPECT_EQ(found.events[k].start, warm.events[k].start);
    EXPECT_EQ(found.events[k].max, -warm.events[k].max);
    EXPECT_EQ(found.events[k].onset, warm.events[k].onset);
    EXPECT_LT(found.events[k].max_temperature,
              found.threshold[static_cast<std::size_t>(leap_day_of_year(civil_from_days(
                                  static_cast<std::int64_t>(series.times.front() / 86400) + found.events[k].peak))) -
                              1]);
  }
}

INSTANTIATE_TEST_SUITE_P(Heatwaves, Shipped,
                         testing::Values(Case{"mhw_tasman_r0c1_clim1982-2005", 1982, 2005, 94, false},
                                         Case{"mhw_NW_Atl_clim1982-2011", 1982, 2011, 130, true}),
                         [](const auto& i) { return std::string{i.index == 0 ? "Tasman" : "NorthwestAtlantic"}; });

// ---- made series, whose events are known by hand ----

/// Three years of nothing but a small wave, with warm days from `start` on for `days`.
Series flat(std::int64_t years = 3) {
  Series s;
  for (std::int64_t i = 0; i < 365 * years; ++i) {
    s.times.push_back(static_cast<double>((days_from_civil({2001, 1, 1}) + i) * 86400));
    s.values.push_back(10 + 0.1 * (i % 2 == 0 ? 1 : -1));
  }
  return s;
}

TEST(Heatwaves, DurationsAndGaps) {
  Settings settings;
  settings.first_year = 2001, settings.last_year = 2002;
  Series s = flat();
  const auto warm = [&](std::int64_t start, std::int64_t days) {
    for (std::int64_t i = start; i < start + days; ++i) s.values[static_cast<std::size_t>(i)] = 12;
  };
  warm(800, 4);                // too short
  warm(820, 5), warm(827, 5);  // two days between: one event
  warm(850, 5), warm(858, 5);  // three: two events
  warm(880, 4), warm(886, 6);  // the first alone is too short to be joined
  warm(900, 11);
  s.values[905] = missing<double>;  // ends an event; the gap of one day joins it again
  warm(920, 7);
  s.values[923] = missing<double>;  // leaves three days and three
  const Found found = detect(s, settings);
  std::vector<std::pair<std::int64_t, std::int64_t>> spans;
  for (const Event& e : found.events) spans.emplace_back(e.start, e.end);
  EXPECT_EQ(spans, (std::vector<std::pair<std::int64_t, std::int64_t>>{
                       {820, 831}, {850, 854}, {858, 862}, {886, 891}, {900, 910}}));
}

TEST(Heatwaves, AtTheThresholdIsNotAboveIt) {
  Settings settings;
  settings.first_year = 2001, settings.last_year = 2001;
  Series s = flat(2);
  for (double& v : s.values) v = 10;
  EXPECT_TRUE(detect(s, settings).events.empty());
}

TEST(Heatwaves, ThroughToTheEndsOfTheRecord) {
  Settings settings;
  settings.first_year = 2001, settings.last_year = 2003;
  Series s = flat();
  for (std::size_t i = 0; i < 6; ++i) s.values[i] = 12 + static_cast<double>(i), s.values[s.values.size() - 1 - i] = 12;
  const Found found = detect(s, settings);
  ASSERT_EQ(found.events.size(), 2u);
  EXPECT_EQ(found.events[0].start, 0);
  EXPECT_EQ(found.events[0].peak, 5);
  EXPECT_EQ(found.events[1].end, s.count() - 1);
  EXPECT_TRUE(std::isfinite(found.events[0].onset) && std::isfinite(found.events[1].decline));
}

TEST(Heatwaves, LeapDaysAndCalendarsWithoutThem) {
  Settings settings;
  settings.first_year = 2001, settings.last_year = 2004;
  Series with, without;
  for (std::int64_t d = days_from_civil({2001, 1, 1}); d <= days_from_civil({2004, 12, 31}); ++d) {
    const CivilDay c = civil_from_days(d);
    const double value = leap_day_of_year(c);
    with.times.push_back(static_cast<double>(d) * 86400 + 43200);
    with.values.push_back(value);
    if (c.month == 2 && c.day == 29) continue;
    without.times.push_back(static_cast<double>(d) * 86400);
    without.values.push_back(value);
  }
  settings.smoothing = 1, settings.half_width = 0;
  EXPECT_EQ(detect(with, settings).normal[59], 60);
  EXPECT_EQ(detect(without, settings).normal[59], 60);
  EXPECT_EQ(detect(with, settings).normal[365], 366);
}

std::string trouble(Series s, std::int32_t first, std::int32_t last) {
  Settings settings;
  settings.first_year = first, settings.last_year = last;
  try {
    make_calendar(s.times.data(), s.count(), settings, nullptr);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::input);
    return e.message();
  }
  return {};
}

TEST(Heatwaves, AMovingAverageHasAMiddle) {
  for (const std::int32_t days : {1, 3, 31, 365}) EXPECT_NO_THROW(check_settings({.smoothing = days}));
  for (const std::int32_t days : {2, 30, 364}) try {
      check_settings({.smoothing = days});
      ADD_FAILURE() << days;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::usage);
      EXPECT_NE(e.message().find(std::to_string(days - 1) + " or " + std::to_string(days + 1)), std::string::npos);
    }
  EXPECT_NO_THROW(check_settings({.first_year = 2000, .last_year = 2000}));
  EXPECT_THROW(check_settings({.first_year = 2000, .last_year = 1999}), Error);
}

TEST(Heatwaves, AxesOfTimeThatWillNotDo) {
  Series s = flat(1);
  EXPECT_EQ(trouble(s, 2001, 2001), "");
  EXPECT_NE(trouble(s, 1983, 2000).find("2001-01-01 to 2001-12-31, hold no day"), std::string::npos);
  Series gap = s;
  gap.times.erase(gap.times.begin() + 10);
  EXPECT_NE(trouble(gap, 2001, 2001).find("2001-01-10 is followed by 2001-01-12"), std::string::npos);
  // Of a common year no day may be absent, 1 March neither; nor 29 February where another year has it.
  Series march = s;
  march.times.erase(march.times.begin() + 59);
  EXPECT_NE(trouble(march, 2001, 2001).find("2001-02-28 is followed by 2001-03-02"), std::string::npos);
  Series leap = s;
  for (std::int64_t d = days_from_civil({2002, 1, 1}); d <= days_from_civil({2008, 12, 31}); ++d)
    if (d != days_from_civil({2004, 2, 29})) leap.times.push_back(static_cast<double>(d) * 86400);
  leap.values.resize(leap.times.size(), 1);
  EXPECT_NE(trouble(leap, 2001, 2008).find("2004-02-28 is followed by 2004-03-01"), std::string::npos);
  std::erase(leap.times, static_cast<double>(days_from_civil({2008, 2, 29})) * 86400);
  leap.values.resize(leap.times.size());
  EXPECT_EQ(trouble(leap, 2001, 2008), "");
  Series back = s;
  std::swap(back.times[3], back.times[4]);
  EXPECT_NE(trouble(back, 2001, 2001).find("2001-01-03 is followed by 2001-01-05"), std::string::npos);
  s.times[7] = missing<double>;
  EXPECT_NE(trouble(s, 2001, 2001).find("date 8 is not known"), std::string::npos);
}

}  // namespace
}  // namespace fulmar::ops::heatwaves
