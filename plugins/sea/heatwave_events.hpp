// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/words.hpp"
#include "core/iso_time.hpp"
#include "fulmar/op.hpp"
#include "sea/heatwave_series.hpp"

namespace fulmar::ops {

/// The marine heatwaves, or cold spells, of one daily series of temperatures, event by event.
///
/// Climatology, threshold and events as in `heatwave`. For each event: its first, last and warmest day; its days in all
/// and of each category; with T the temperature, N the normal and H the threshold of the day, the largest, mean,
/// standard deviation (ddof 0) and sum of T - N, T - H on the warmest day and its mean, and T on the warmest day; the
/// rates at which T - N rose to the warmest day and fell from it, counted from half a day before to half a day after.
/// Cold spells are the same upside down, with negative intensities.
///
/// Rows may stand in any order; days that have no row count as days without a value, and those end an event. Where no
/// row is of a 29 February, that day does not exist, as in a model's calendar. Errors: no column of times or
/// temperatures, two rows of one day, no row in the climatology's years.
struct HeatwaveEvents {
  struct Params : heatwaves::Settings {
    Words<256> time, temperature;
  } params;

  static Schema schema() {
    Schema schema{"heatwave_events", "List the marine heatwaves of a daily series of temperatures."};
    schema.table("series", "One row a day, with its date and its temperature.")
        .output_table("events", "One row an event, in the order of time.")
        .text<Params>(
            "time", [](Params& p, std::string_view text) { p.time.set(text); },
            "Column of the dates; the only one of times, or time or date, where empty.", false)
        .text<Params>(
            "temperature", [](Params& p, std::string_view text) { p.temperature.set(text); },
            "Column of the temperatures; sst, temperature or the only one of numbers where empty.", false);
    return heatwaves::add_settings(schema)
        .example("sst.csv ! heatwave_events --first 1982 --last 2011 ! events.csv")
        .agrees(exactly);
  }
  static void check(const Params& p) { heatwaves::check_settings(p); }

  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView table = in[0];
    const Series series = daily(table, out);
    const heatwaves::Settings& settings = params;
    const auto count = static_cast<std::int64_t>(series.times.size());
    std::vector<double> calendar(heatwaves::make_calendar(series.times.data(), count, settings, nullptr));
    heatwaves::make_calendar(series.times.data(), count, settings, calendar.data());
    std::vector<double> scratch(heatwaves::scratch_of(count, settings));
    const heatwaves::Detector detector{[&](std::int64_t i) { return series.values[static_cast<std::size_t>(i)]; },
                                       count, heatwaves::Calendar{calendar.data()}, settings, scratch.data()};
    if (const std::string words = heatwaves::short_climatology(series.times.data(), count, settings); !words.empty())
      out.note(words);
    const auto columns = add_columns(out);
    detector.events([&](const heatwaves::Event& e) {
      out.row();
      const auto day = [&](std::int64_t i) {
        return std::floor(series.times[static_cast<std::size_t>(i)] / 86400) * 86400;
      };
      int c = columns;
      for (const std::int64_t at : {e.start, e.end, e.peak}) out.number(c++, day(at));
      out.number(c++, static_cast<double>(e.duration()));
      for (const double value : {e.max, e.mean, e.deviation, e.cumulative, e.onset, e.decline, e.max_above_threshold,
                                 e.mean_above_threshold, e.max_temperature})
        out.number(c++, value);
      for (const std::int32_t days : e.days_in) out.number(c++, days);
      static constexpr const char* words[] = {"Moderate", "Strong", "Severe", "Extreme"};
      out.text(c, words[e.category - 1]);
    });
  }

 private:
  struct Series {
    std::vector<double> times, values;
  };

  static int add_columns(TableWriter& out) {
    using enum ColumnType;
    const auto column = [&](const char* name, ColumnType type, std::string_view unit, const char* words) {
      return out.column({name, type, Unit{std::string{unit}}, words});
    };
    const int first = column("date_start", time, "d", "First day");
    column("date_end", time, "d", "Last day");
    column("date_peak", time, "d", "Day of the largest intensity");
    column("duration", integer, "d", "From the first day to the last");
    column("intensity_max", real, units::kelvin, "Largest difference from the normal");
    column("intensity_mean", real, units::kelvin, "Mean difference from the normal");
    column("intensity_var", real, units::kelvin, "Standard deviation of the difference from the normal");
    column("intensity_cumulative", real, "K d", "Sum of the differences from the normal");
    column("rate_onset", real, "K/d", "Rise of the intensity up to its peak");
    column("rate_decline", real, "K/d", "Fall of the intensity from its peak");
    column("intensity_max_relThresh", real, units::kelvin, "Difference from the threshold at the peak");
    column("intensity_mean_relThresh", real, units::kelvin, "Mean difference from the threshold");
    column("intensity_max_abs", real, units::any, "Temperature at the peak");
    column("duration_moderate", integer, "d", "Days of category 1");
    column("duration_strong", integer, "d", "Days of category 2");
    column("duration_severe", integer, "d", "Days of category 3");
    column("duration_extreme", integer, "d", "Days of category 4");
    column("category", text, "", "The highest: Moderate, Strong, Severe or Extreme");
    return first;
  }

  /// The column that is named, or the one that can be meant.
  static int column_of(const TableView& table, std::string_view given, const char* what, bool times,
                       std::initializer_list<std::string_view> known) {
    if (!given.empty()) {
      const int at = table.must_find(given, std::string{what} + ": the series");
      const ColumnType type = table.type(at);
      if (times ? type != ColumnType::time : type != ColumnType::real && type != ColumnType::integer)
        fail(Errc::input, std::string{what} + ": the column '" + std::string{given} + "' holds no " +
                              (times ? "dates as in ISO 8601, such as 2021-01-05" : "numbers"));
      return at;
    }
    const auto fits = [&](int c) {
      return times ? table.type(c) == ColumnType::time
                   : table.type(c) == ColumnType::real || table.type(c) == ColumnType::integer;
    };
    for (const std::string_view name : known)
      if (const int at = table.find(name); at != TableView::absent && fits(at)) return at;
    int only = TableView::absent, count = 0;
    for (int c = 0; c < table.columns(); ++c)
      if (fits(c)) only = c, ++count;
    if (count == 1) return only;
    const std::string kind = times ? " of dates as in ISO 8601, such as 2021-01-05" : " of numbers";
    if (count == 0) fail(Errc::input, "the series has no column" + kind + ": it has " + table.all_names());
    std::string names;
    for (const std::string_view name : known) names += (names.empty() ? "" : " or ") + std::string{name};
    fail(Errc::input, "the series has several columns" + kind + ", and none is called " + names +
                          ": say which with --" + what + "; it has " + table.all_names());
  }

  /// The rows in the order of time, one for each day.
  [[nodiscard]] Series daily(const TableView& table, TableWriter& out) const {
    if (table.rows() == 0) fail(Errc::input, "the series holds no rows");
    const int time = column_of(table, params.time.view(), "time", true, {"time", "date"}),
              value = column_of(table, params.temperature.view(), "temperature", false, {"sst", "temperature", "temp"});
    std::vector<std::pair<double, double>> rows;
    std::size_t dateless = 0;
    for (std::size_t row = 0; row < table.rows(); ++row)
      if (const double t = table.number(row, time); is_missing(t))
        ++dateless;
      else
        rows.emplace_back(t, table.number(row, value));
    if (rows.empty()) fail(Errc::input, "no row of the series has a date that can be read");
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto day_of = [](double t) { return static_cast<std::int64_t>(math::floor(t / 86400)); };
    if (day_of(rows.back().first) - day_of(rows.front().first) > 1000000)
      fail(Errc::input, "the series runs over more than 1000000 days: are its dates dates?");
    const auto leap_day = [](std::int64_t day) {
      return leap_day_of_year(civil_from_days(day)) == heatwaves::leap_day;
    };
    // A model's calendar may have no 29 February.
    const bool leap_days =
        std::any_of(rows.begin(), rows.end(), [&](const auto& r) { return leap_day(day_of(r.first)); });
    Series s;
    std::size_t absent = 0;
    for (const auto& [t, v] : rows) {
      if (!s.times.empty()) {
        const std::int64_t before = day_of(s.times.back()), day = day_of(t);
        if (day == before)
          fail(Errc::input, "two rows are of " + iso_time(static_cast<double>(day) * 86400).substr(0, 10) +
                                ": a heatwave needs one value a day");
        for (std::int64_t d = before + 1; d < day; ++d) {
          if (!leap_days && leap_day(d)) continue;
          ++absent;
          s.times.push_back(static_cast<double>(d) * 86400);
          s.values.push_back(missing<double>);
        }
      }
      s.times.push_back(t);
      s.values.push_back(v);
    }
    if (dateless > 0)
      out.note(std::to_string(dateless) + " of " + std::to_string(table.rows()) +
               " rows have no date that can be read and are left out");
    if (absent > 0) out.note(std::to_string(absent) + " days have no row and count as days without a value");
    return s;
  }
};

}  // namespace fulmar::ops
