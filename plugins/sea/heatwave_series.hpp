// SPDX-License-Identifier: Apache-2.0
/// @file
/// Marine heatwaves in one daily series of temperatures (Hobday et al. 2016, Prog. Oceanogr. 141, 227; categories of
/// Hobday et al. 2018, Oceanography 31, 162): climatology, threshold, events. No allocation; host and device.
#pragma once

#include <cstdint>
#include <string>

#include "core/calendar.hpp"
#include "core/error.hpp"
#include "core/math.hpp"
#include "core/missing.hpp"
#include "core/select.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops::heatwaves {

struct Settings {
  double percentile = 90;
  std::int32_t first_year = 1983, last_year = 2012;  ///< of the climatology, both included
  std::int32_t half_width = 5;                       ///< days pooled on either side of a day of the year
  std::int32_t smoothing = 31;                       ///< days of the moving average, odd; 1: none
  std::int32_t min_duration = 5;
  std::int32_t max_gap = 2;  ///< days between two events that make one
  bool cold = false;         ///< cold spells: everything upside down
};

inline constexpr std::int32_t days_of_year = 366;
inline constexpr std::int32_t leap_day = 60;  ///< 29 February

/// Errors: Errc::usage where the moving average has no day in its middle, or the climatology ends before it begins.
inline void check_settings(const Settings& s) {
  if (s.smoothing % 2 == 0)
    fail(Errc::usage, "smoothing: an average of " + std::to_string(s.smoothing) +
                          " days has no day in its middle; take " + std::to_string(s.smoothing - 1) + " or " +
                          std::to_string(s.smoothing + 1));
  if (s.last_year < s.first_year)
    fail(Errc::usage, "first: the climatology ends in " + std::to_string(s.last_year) + ", before its first year " +
                          std::to_string(s.first_year));
}

/// Declares the settings as parameters, and whom they come from.
inline Schema& add_settings(Schema& schema) {
  return schema.param("first", &Settings::first_year, "First year of the climatology.", "year", between(1, 9999))
      .param("last", &Settings::last_year, "Last year of the climatology.", "year", between(1, 9999))
      .param("percentile", &Settings::percentile, "Percentile of the climatology that makes the threshold.", "%",
             strictly_between(0, 100))
      .param("half-width", &Settings::half_width, "Days pooled on either side of a day of the year.", "d",
             between(0, 30))
      .param("smoothing", &Settings::smoothing, "Days of the moving average over the climatology, odd; 1: none.", "d",
             between(1, 365))
      .param("duration", &Settings::min_duration, "Fewest days of an event.", "d", between(1, 365))
      .param("gap", &Settings::max_gap, "Most days between two events that make one.", "d", between(0, 365))
      .param("cold", &Settings::cold, "Find cold spells: below the percentile's opposite.", units::flag, anything())
      .cites("Hobday et al. 2016, Progress in Oceanography 141, 227")
      .cites("Hobday et al. 2018, Oceanography 31(2), 162 (categories)");
}

/// What the dates tell once for all series: for each date its day of the year as in a leap year (1 to 366), and for
/// each day of the year the dates of the climatology's years that have it. As doubles, so that it fits an operator's
/// table: 367 places in the list, the list, and the days of all dates. Writes nothing where `to` is null. Errors:
/// Errc::input where a time is not known, the dates are not a day apart (29 February may be absent where no year has
/// it), or none lies in the climatology's years.
inline std::uint64_t make_calendar(const double* times, std::int64_t count, const Settings& s, double* to) {
  const auto day_at = [&](std::int64_t i) { return static_cast<std::int64_t>(math::floor(times[i] / 86400)); };
  const auto text = [](std::int64_t day) {
    const CivilDay d = civil_from_days(day);
    const auto two = [](std::int32_t n) { return (n < 10 ? "-0" : "-") + std::to_string(n); };
    return std::to_string(d.year) + two(d.month) + two(d.day);
  };
  for (std::int64_t i = 0; i < count; ++i)
    if (is_missing(times[i]))
      fail(Errc::input, "the time of date " + std::to_string(i + 1) +
                            " is not known: a heatwave needs a daily axis of time, such as that of a netCDF cube, or "
                            "files with their dates in their names; days that only a model's calendar has, such as 30 "
                            "February, have none");
  // A model's calendar without 29 February goes from the 28th to 1 March, in every leap year. In a common year those
  // are a day apart, so a gap of two days there has lost one.
  bool leap_days = false;
  for (std::int64_t i = 0; i < count; ++i) leap_days |= leap_day_of_year(civil_from_days(day_at(i))) == leap_day;
  const auto without_leap_day = [&](std::int64_t before, std::int64_t after) {
    return !leap_days && after == before + 2 && leap_day_of_year(civil_from_days(before + 1)) == leap_day;
  };
  for (std::int64_t i = 1; i < count; ++i)
    if (day_at(i) != day_at(i - 1) + 1 && !without_leap_day(day_at(i - 1), day_at(i)))
      fail(Errc::input, "the dates are not a day apart: " + text(day_at(i - 1)) + " is followed by " + text(day_at(i)) +
                            "; days without a measurement have to be there, as missing");
  std::uint64_t members = 0;
  for (std::int32_t pass = 0; pass < 2; ++pass) {
    if (pass == 1 && to == nullptr) break;
    std::uint64_t next = days_of_year + 1;
    for (std::int32_t doy = 1; doy <= days_of_year; ++doy) {
      if (pass == 1) to[doy - 1] = static_cast<double>(next);
      // From one such day to the next is a year at least, but for the first all dates are looked at.
      for (std::int64_t i = 0; i < count; ++i) {
        const CivilDay d = civil_from_days(day_at(i));
        if (leap_day_of_year(d) != doy) continue;
        if (d.year >= s.first_year && d.year <= s.last_year) {
          if (pass == 1) to[next] = static_cast<double>(i);
          ++next;
        }
        i += 364;
      }
    }
    members = next - (days_of_year + 1);
    if (pass == 1) {
      to[days_of_year] = static_cast<double>(next);
      for (std::int64_t i = 0; i < count; ++i)
        to[next + static_cast<std::uint64_t>(i)] = leap_day_of_year(civil_from_days(day_at(i)));
    }
  }
  if (members == 0)
    fail(Errc::input, "the dates, " + text(day_at(0)) + " to " + text(day_at(count - 1)) +
                          ", hold no day of the years " + std::to_string(s.first_year) + " to " +
                          std::to_string(s.last_year) + " of the climatology: choose others with --first and --last");
  return days_of_year + 1 + members + static_cast<std::uint64_t>(count);
}

/// What to say of a climatology of fewer than the thirty years that Hobday et al. ask for; empty where it is not.
inline std::string short_climatology(const double* times, std::int64_t count, const Settings& s) {
  constexpr std::int32_t enough = 30;
  std::int32_t years = 0, last = s.first_year - 1;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto day = static_cast<std::int64_t>(math::floor(times[i] / 86400));
    const auto year = static_cast<std::int32_t>(civil_from_days(day).year);
    if (year > last && year <= s.last_year) last = year, ++years;
  }
  if (years >= enough) return {};
  return "the climatology, " + std::to_string(s.first_year) + " to " + std::to_string(s.last_year) + ", rests on " +
         std::to_string(years) + (years == 1 ? " year" : " years") +
         " where 30 are asked for: the fewer, the more the events themselves have raised the threshold";
}

/// make_calendar's numbers.
struct Calendar {
  const double* values = nullptr;
  FULMAR_HD std::int64_t begin(std::int32_t doy) const { return static_cast<std::int64_t>(values[doy - 1]); }
  FULMAR_HD std::int64_t end(std::int32_t doy) const { return static_cast<std::int64_t>(values[doy]); }
  FULMAR_HD std::int64_t member(std::int64_t place) const { return static_cast<std::int64_t>(values[place]); }
  FULMAR_HD std::int32_t day_of_year(std::int64_t date) const {
    return static_cast<std::int32_t>(values[static_cast<std::int64_t>(values[days_of_year]) + date]);
  }
};

/// Doubles of scratch that a series of so many dates needs: three vectors of the year and the largest pool.
inline std::uint64_t scratch_of(std::int64_t count, const Settings& s) {
  const std::int64_t years = count / 365 + 2;
  return static_cast<std::uint64_t>(3 * days_of_year + years * (2 * s.half_width + 1));
}

/// One event. Days count from 0 at the first date; intensities are above the climatology (below it, and negative, in
/// cold spells), rates are per day.
struct Event {
  std::int64_t start = 0, end = 0;  ///< first and last day
  std::int64_t peak = 0;            ///< day of the largest intensity, the first of them
  double max = 0, mean = 0, deviation = 0, cumulative = 0;
  double max_above_threshold = 0, mean_above_threshold = 0;  ///< at the peak; over all days
  double max_temperature = 0;                                ///< at the peak
  double onset = 0, decline = 0;
  std::int32_t category = 0;     ///< 1 moderate, 2 strong, 3 severe, 4 extreme, at its worst
  std::int32_t days_in[4] = {};  ///< days of each category

  FULMAR_HD std::int64_t duration() const { return end - start + 1; }
};

/// A daily series against its climatology. `T` maps a date to a temperature, missing as NaN.
template <class T>
class Detector {
 public:
  FULMAR_HD Detector(T temperature, std::int64_t count, Calendar calendar, const Settings& settings, double* scratch)
      : temperature_{temperature},
        count_{count},
        calendar_{calendar},
        settings_{settings},
        normal_{scratch},
        threshold_{scratch + days_of_year} {
    climatology(scratch + 2 * days_of_year);
  }

  /// Mean of a day of the year (1 to 366), and its percentile; NaN where the climatology's years have no value.
  FULMAR_HD double normal(std::int32_t doy) const { return sign() * normal_[doy - 1]; }
  FULMAR_HD double threshold(std::int32_t doy) const { return sign() * threshold_[doy - 1]; }

  /// Calls each(event) for the events in order.
  template <class Each>
  FULMAR_HD void events(Each&& each) const {
    std::int64_t start = -1, end = -1;  // of the event that may go on
    for (std::int64_t i = 0; i < count_;) {
      if (!exceeds(i)) {
        ++i;
        continue;
      }
      const std::int64_t first = i;
      while (i < count_ && exceeds(i)) ++i;
      // Only what is long enough by itself counts; only that is joined.
      if (i - first < settings_.min_duration) continue;
      if (start >= 0 && first - end - 1 <= settings_.max_gap) {
        end = i - 1;
        continue;
      }
      if (start >= 0) each(measure(start, end));
      start = first, end = i - 1;
    }
    if (start >= 0) each(measure(start, end));
  }

 private:
  FULMAR_HD double sign() const { return settings_.cold ? -1.0 : 1.0; }
  FULMAR_HD double raw(std::int64_t i) const { return sign() * static_cast<double>(temperature_(i)); }
  FULMAR_HD double normal_at(std::int64_t i) const { return normal_[calendar_.day_of_year(i) - 1]; }
  FULMAR_HD double threshold_at(std::int64_t i) const { return threshold_[calendar_.day_of_year(i) - 1]; }
  /// A day without a measurement is as it always is.
  FULMAR_HD double value(std::int64_t i) const {
    const double v = raw(i);
    return is_missing(v) ? normal_at(i) : v;
  }
  FULMAR_HD bool exceeds(std::int64_t i) const { return value(i) > threshold_at(i); }
  FULMAR_HD double above_normal(std::int64_t i) const { return value(i) - normal_at(i); }

  FULMAR_HD void climatology(double* scratch) {
    double* const pool = scratch + days_of_year;
    for (std::int32_t doy = 1; doy <= days_of_year; ++doy) {
      if (doy == leap_day) continue;
      std::int64_t n = 0;
      double sum = 0;
      for (std::int64_t place = calendar_.begin(doy); place < calendar_.end(doy); ++place) {
        const std::int64_t day = calendar_.member(place);
        const std::int64_t low = day - settings_.half_width, high = day + settings_.half_width;
        for (std::int64_t i = low < 0 ? 0 : low; i <= high && i < count_; ++i) {
          const double v = raw(i);
          if (is_missing(v)) continue;
          pool[n++] = v;
          sum += v;
        }
      }
      normal_[doy - 1] = sum / static_cast<double>(n);
      threshold_[doy - 1] = percentile(pool, n, settings_.percentile);
    }
    smooth(normal_, scratch);
    smooth(threshold_, scratch);
  }

  /// 29 February as the mean of the days beside it; then a circular moving average over the days that have a value. A
  /// day without stays without.
  FULMAR_HD void smooth(double* year, double* before) const {
    year[leap_day - 1] = 0.5 * year[leap_day - 2] + 0.5 * year[leap_day];
    if (settings_.smoothing <= 1) return;
    for (std::int32_t i = 0; i < days_of_year; ++i) before[i] = year[i];
    const std::int32_t half = settings_.smoothing / 2;
    for (std::int32_t i = 0; i < days_of_year; ++i) {
      if (is_missing(before[i])) continue;
      double sum = 0;
      std::int32_t n = 0;
      for (std::int32_t k = -half; k <= half; ++k) {
        const double v = before[(i + k + 2 * days_of_year) % days_of_year];
        if (is_missing(v)) continue;
        sum += v, ++n;
      }
      year[i] = sum / n;
    }
  }

  FULMAR_HD Event measure(std::int64_t start, std::int64_t end) const {
    Event e;
    e.start = start, e.end = end, e.peak = start;
    const auto days = static_cast<double>(end - start + 1);
    double most = 0, worst = 0, above = 0;
    for (std::int64_t i = start; i <= end; ++i) {
      const double v = above_normal(i), over = value(i) - threshold_at(i);
      e.cumulative += v;
      above += over;
      if (i == start || v > most) most = v, e.peak = i;
      const double units = over / (threshold_at(i) - normal_at(i));
      if (i == start || units > worst) worst = units;
      const double category = math::floor(1 + units);
      if (category >= 1) ++e.days_in[category >= 4 ? 3 : static_cast<std::int32_t>(category) - 1];
    }
    e.max = most;
    e.mean = e.cumulative / days;
    double square = 0;
    for (std::int64_t i = start; i <= end; ++i) square += (above_normal(i) - e.mean) * (above_normal(i) - e.mean);
    e.deviation = math::sqrt(square / days);
    e.max_above_threshold = value(e.peak) - threshold_at(e.peak);
    e.mean_above_threshold = above / days;
    e.max_temperature = value(e.peak);
    const double category = math::floor(1 + worst);
    e.category = category >= 4 ? 4 : category >= 1 ? static_cast<std::int32_t>(category) : 1;
    rates(e);
    if (settings_.cold) {
      e.max = -e.max, e.mean = -e.mean, e.cumulative = -e.cumulative;
      e.max_above_threshold = -e.max_above_threshold, e.mean_above_threshold = -e.mean_above_threshold;
      e.max_temperature = -e.max_temperature;
    }
    return e;
  }

  /// An event begins and ends half a day before and after its days, half way to the intensity of the day beside it; at
  /// the ends of the record, with its own first or last day.
  FULMAR_HD void rates(Event& e) const {
    const double first = above_normal(e.start), last = above_normal(e.end);
    const auto up = static_cast<double>(e.peak - e.start), down = static_cast<double>(e.end - e.peak);
    if (e.start > 0)
      e.onset = (e.max - 0.5 * (first + above_normal(e.start - 1))) / (up + 0.5);
    else
      e.onset = (e.max - first) / (up > 0 ? up : 1);
    if (e.end < count_ - 1)
      e.decline = (e.max - 0.5 * (last + above_normal(e.end + 1))) / (down + 0.5);
    else
      e.decline = (e.max - last) / (down > 0 ? down : 1);
  }

  T temperature_;
  std::int64_t count_;
  Calendar calendar_;
  Settings settings_;
  double *normal_, *threshold_;
};

}  // namespace fulmar::ops::heatwaves
