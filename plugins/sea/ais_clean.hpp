// SPDX-License-Identifier: Apache-2.0
/// @file
/// AIS positions made fit for use: sentinels, duplicates and jumps removed and counted, antenna to hull centre.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/geodesic.hpp"

namespace fulmar::ais {

inline constexpr double metres_per_second = 1852.0 / 3600;  ///< of a knot

/// A position of a ship. Numbers are NaN where unknown.
struct Fix {
  double mmsi = 0, time = 0;
  LonLat place;
  double sog = 0, cog = 0, heading = 0;                ///< knots, degrees, degrees
  double status = 0;                                   ///< navigational status
  double bow = 0, stern = 0, port = 0, starboard = 0;  ///< metres from the antenna
  std::size_t row = 0;                                 ///< where it comes from
  bool centred = false;                                ///< the place is the hull's centre
  bool begins = false;                                 ///< does not follow from the fix before it
  bool unread = false;                                 ///< there was a time, but none that can be read
};

struct CleanCounts {
  std::int64_t mmsi = 0;        ///< no ship's identity
  std::int64_t place = 0;       ///< no position, or one that is none (latitude 91, longitude 181)
  std::int64_t time = 0;        ///< no time
  std::int64_t unread = 0;      ///< a time that cannot be read
  std::int64_t duplicates = 0;  ///< said before
  std::int64_t jumps = 0;       ///< a speed beyond the limit since the last position
  [[nodiscard]] std::int64_t all() const { return mmsi + place + time + unread + duplicates + jumps; }
};

/// True for nine digits that begin with a country's number (201 to 775): a ship, not a coast station, an aid to
/// navigation, an aircraft or a default such as 123456789. (ITU-R M.585.)
inline bool is_ship(double mmsi) { return mmsi >= 201000000 && mmsi < 776000000 && mmsi == std::floor(mmsi); }

/// Turns values that mean "not available" (or nothing at all) into missing ones.
inline void drop_sentinels(Fix& f) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  if (!(std::abs(f.place.lat) <= 90 && std::abs(f.place.lon) <= 180)) f.place = {none, none};
  if (!(f.sog >= 0 && f.sog < 102.25)) f.sog = none;
  if (!(f.cog >= 0 && f.cog < 360)) f.cog = none;
  if (!(f.heading >= 0 && f.heading < 360)) f.heading = none;
}

/// The antenna lies `bow` metres from the bow and `stern` from the stern, `port` and `starboard` from the sides: moves
/// the place to the middle of the hull, along the heading. Unchanged where the heading or the hull is unknown.
inline void centre(Fix& f) {
  const double length = f.bow + f.stern, beam = f.port + f.starboard;
  // Nought on one side says that the antenna's place is not given, only the size.
  if (!(length > 0) || std::isnan(f.heading) || f.bow == 0 || f.stern == 0) return;
  f.place = geodesic_place(f.place, f.heading, (f.bow - f.stern) / 2);
  if (beam > 0 && f.port > 0 && f.starboard > 0)
    f.place = geodesic_place(f.place, f.heading + 90, (f.starboard - f.port) / 2);
  f.centred = true;
}

/// Fixes of ships in the order of identity and time, without those that cannot be.
///
/// A fix that is as far from the last good one as only a speed above `most_knots` explains is a jump and dropped. Where
/// three in a row agree with one another but not with the last good one, the ship has been found again: they stay, and
/// the first of them `begins`. Fixes without a time are dropped, since nothing can be told of them.
inline std::vector<Fix> clean(std::vector<Fix> fixes, double most_knots, CleanCounts& counts) {
  std::vector<Fix> good;
  good.reserve(fixes.size());
  for (Fix& f : fixes) {
    drop_sentinels(f);
    if (!is_ship(f.mmsi))
      ++counts.mmsi;
    else if (std::isnan(f.place.lat))
      ++counts.place;
    else if (std::isnan(f.time))
      ++(f.unread ? counts.unread : counts.time);
    else
      good.push_back(f);
  }
  std::stable_sort(good.begin(), good.end(), [](const Fix& a, const Fix& b) {
    if (a.mmsi != b.mmsi) return a.mmsi < b.mmsi;
    return a.time < b.time;
  });

  const double most = most_knots * metres_per_second;
  // Times are whole seconds and places a few metres: what lies within is no speed.
  constexpr double clock = 1.0, blur = 20.0;
  const auto possible = [&](const Fix& a, const Fix& b) {
    const double distance = geodesic(a.place, b.place).distance;
    return distance <= most * (std::abs(b.time - a.time) + clock) + blur;
  };
  const auto same = [](const Fix& a, const Fix& b) {
    return a.time == b.time && std::abs(a.place.lat - b.place.lat) < 1e-5 && std::abs(a.place.lon - b.place.lon) < 1e-5;
  };
  std::vector<Fix> result, strays;
  result.reserve(good.size());
  for (std::size_t i = 0; i < good.size();) {
    const std::size_t first = result.size();
    const double mmsi = good[i].mmsi;
    strays.clear();
    for (; i < good.size() && good[i].mmsi == mmsi; ++i) {
      Fix& f = good[i];
      if (result.size() == first) {
        f.begins = true;
        result.push_back(f);
        continue;
      }
      if (same(result.back(), f)) {
        ++counts.duplicates;
        continue;
      }
      if (possible(result.back(), f)) {
        counts.jumps += static_cast<std::int64_t>(strays.size());
        strays.clear();
        result.push_back(f);
        continue;
      }
      if (!strays.empty() && same(strays.back(), f)) {
        ++counts.duplicates;
        continue;
      }
      if (!strays.empty() && !possible(strays.back(), f)) {
        counts.jumps += static_cast<std::int64_t>(strays.size());
        strays.clear();
      }
      strays.push_back(f);
      if (strays.size() < 3) continue;
      // A single fix before them is more likely to be wrong than three after it.
      if (result.size() == first + 1) {
        result.pop_back();
        ++counts.jumps;
      }
      strays.front().begins = true;
      result.insert(result.end(), strays.begin(), strays.end());
      strays.clear();
    }
    counts.jumps += static_cast<std::int64_t>(strays.size());
  }
  return result;
}

/// The counts in words, such as "dropped 12 of 300 positions: 3 of no ship, 9 jumps"; empty where nothing was dropped.
inline std::string in_words(const CleanCounts& c, std::int64_t of, double most_knots) {
  if (c.all() == 0) return {};
  std::string text = "dropped " + std::to_string(c.all()) + " of " + std::to_string(of) + " positions:";
  const char* joint = " ";
  const auto add = [&](std::int64_t count, const std::string& why) {
    if (count == 0) return;
    text += joint + std::to_string(count) + " " + why;
    joint = ", ";
  };
  add(c.mmsi, "whose MMSI is no ship's");
  add(c.place, "without a valid position");
  add(c.time, "without a time");
  add(c.unread, "whose time cannot be read");
  add(c.duplicates, "said twice");
  std::string knots = std::to_string(most_knots);
  knots.erase(knots.find_last_not_of('0') + 1);
  if (knots.back() == '.') knots.pop_back();
  add(c.jumps, (c.jumps == 1 ? "jump that implies more than " : "jumps that imply more than ") + knots + " kn");
  return text;
}

}  // namespace fulmar::ais
