// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fulmar/op.hpp"
#include "sea/heatwave_series.hpp"

namespace fulmar::ops {

/// Marine heatwaves in a daily cube of sea surface temperatures, or cold spells.
///
/// For each day of the year, the values within 5 days of it in the climatology's years are pooled: their mean is the
/// normal, their 90th percentile the threshold (both smoothed over 31 days; 29 February is the mean of its neighbours).
/// An event is at least 5 days in a row above the threshold; two events with at most 2 days between are one. Its
/// intensity is the temperature above the normal; its category says how many times the distance from normal to
/// threshold that is at its worst: 1 moderate, 2 strong, 3 severe, 4 extreme. Cold spells are the same upside down,
/// with negative intensities.
///
/// A missing day is taken as normal, so it ends an event. A cell with no value at all is missing; where there is no
/// event, intensities are missing and the counts 0. Cell by cell, no edge. Errors: a time that is not known, dates that
/// are not a day apart, no date in the climatology's years.
struct Heatwave {
  using Params = heatwaves::Settings;
  Params params;

  static Schema schema() {
    Schema schema{"heatwave", "Find marine heatwaves in a daily series."};
    schema.series("temperature", units::any, "Temperature, one band a day, in K or degrees Celsius.", 1)
        .output("events", units::one, "Number of events.")
        .output("days", "d", "Days within events.")
        .output("max_intensity", units::kelvin, "Largest intensity of any event.")
        .output("mean_intensity", units::kelvin, "Mean intensity over the days of all events.")
        .output("cumulative_intensity", "K d", "Sum of the intensities over the days of all events.")
        .output("category", units::one, "Highest category: 0 none, 1 moderate, 2 strong, 3 severe, 4 extreme.");
    return heatwaves::add_settings(schema)
        .example("sst.nc ! heatwave --first 1982 --last 2011 ! heatwaves.tif")
        .agrees(exactly);
  }
  static void check(const Params& p) { heatwaves::check_settings(p); }

  std::uint64_t table(const Dates& dates, double* values) const {
    return heatwaves::make_calendar(dates.times, dates.count, params, values);
  }
  std::string remark(const Dates& dates) const {
    return heatwaves::short_climatology(dates.times, dates.count, params);
  }
  std::uint64_t scratch(const Dates& dates) const { return heatwaves::scratch_of(dates.count, params); }

  FULMAR_HD void operator()(Series<float> in, Table table, Scratch scratch, Outputs<float> out) const {
    const auto temperature = [in](std::int64_t i) { return in[static_cast<std::int32_t>(i)]; };
    std::int64_t first = 0;
    while (first < in.count && is_missing(temperature(first))) ++first;
    if (first == in.count) {
      for (std::int32_t k = 0; k < out.count; ++k) out.set(k, missing<float>);
      return;
    }
    const heatwaves::Detector detector{temperature, in.count, {table.values}, params, scratch.values};
    double events = 0, days = 0, most = missing<double>, cumulative = 0, category = 0;
    detector.events([&](const heatwaves::Event& e) {
      ++events;
      days += static_cast<double>(e.duration());
      cumulative += e.cumulative;
      const bool more = params.cold ? e.max < most : e.max > most;
      if (more || is_missing(most)) most = e.max;
      if (e.category > category) category = e.category;
    });
    out.set(0, static_cast<float>(events));
    out.set(1, static_cast<float>(days));
    out.set(2, static_cast<float>(most));
    out.set(3, static_cast<float>(cumulative / days));
    out.set(4, static_cast<float>(cumulative));
    out.set(5, static_cast<float>(category));
  }
};

}  // namespace fulmar::ops
