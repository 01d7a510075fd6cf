// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/inside.hpp"
#include "common/words.hpp"
#include "core/iso_time.hpp"
#include "fulmar/op.hpp"
#include "sea/ais_clean.hpp"
#include "sea/assignment.hpp"

namespace fulmar::ops {

/// Which ship of AIS each detection of a radar scene is; which is none of them (dark), and which was not seen.
///
/// The time of a detection is that of its line: time + line-time * row, or a column of times. A ship's place at that
/// time is interpolated along the geodesic between two positions at most `bracket` seconds apart, or reckoned from one
/// at most `reckon` seconds away by its speed and course; without a course it stays where it was, and (SOG dt)^2 is
/// added to both variances; without a speed it has no place then, and the run says how many ships have none. A moving
/// ship is imaged displaced along the flight by R v / V, v its speed along the line of sight towards the radar, v =
/// -SOG sin(incidence) cos(COG - look); the shift is applied to the prediction where platform-speed, range, incidence
/// and look are given. Covariance in metres squared, along and across the course: S = sigma_sar^2 + sigma_gps^2 +
/// (sigma_sog dt)^2 and ... + (SOG sigma_cog dt)^2, dt to the nearest position. A pair is possible where d^2 = r' S^-1
/// r <= gate and |r| <= max-distance, r in the plane tangent to the ellipsoid. Its cost is d^2 + ln(|S| / |S0|) +
/// ((L_sar - L_ais) / sigma-length)^2, S0 without growth, the last term only where sigma-length and both lengths are
/// given. To stay dark costs a detection the gate, plus the largest ln(|S| / |S0|) among its possible pairs, so that
/// old positions as such are no reason to. The sum of the costs is the least possible, by assignment in every connected
/// group; ties go to the first detection, then the lower MMSI. A ship is unseen where its prediction for the middle of
/// the scene's time lies in the footprint, or, without one, in the box around the detections. `margin` is by how much
/// the next best choice of a detection would cost more: near 0 is ambiguous. Times that follow each other by more than
/// scene-gap begin another scene, in which a ship may be seen again. Detections without place or time stay dark.
/// Errors: no time; an AIS table without MMSI, time and place, or without any position within `bracket` seconds of a
/// scene.
struct Associate {
  enum class Keep { all, matched, dark, unseen };
  enum class Looks { right, left };
  struct Params {
    Words<64> time;
    double line_time = 0;
    double scene_gap = 30;
    double bracket = 1800, reckon = 600;
    double gate = 9.210, max_distance = 2000;
    double sigma_sar = 50, sigma_gps = 10, sigma_sog = 0.5, sigma_cog = 5, sigma_length = 0;
    double platform_speed = 0, range = 0, incidence = 0, look = -1;
    Looks looks = Looks::right;
    Keep keep = Keep::all;
  } params;
  static Schema schema() {
    return Schema{"associate", "Match detected ships with those of AIS."}
        .table("detections", "Ships that were detected, such as objects.")
        .table("ais", "Positions of ships with mmsi and time, such as those of `ais`.")
        .table("footprint", "Polygons of what the radar saw, in longitude and latitude.", true)
        .output_table("ships", "Points: detections matched or dark, and ships that were not seen.")
        .text<Params>(
            "time", [](Params& p, std::string_view text) { set_time(p, text); },
            "When the scene's first line was taken, in ISO 8601; else the detections need a column of times.", false)
        .param("line-time", &Params::line_time, "From one line (column row) to the next; negative upwards.", "s",
               between(-10, 10))
        .param("scene-gap", &Params::scene_gap, "A longer pause in the detections' times begins another scene.", "s",
               between(0, 86400))
        .param("bracket", &Params::bracket, "Interpolate between positions at most this far apart.", "s",
               between(0, 86400))
        .param("reckon", &Params::reckon, "Else reckon from a position at most this old.", "s", between(0, 86400))
        .param("gate", &Params::gate, "The largest squared Mahalanobis distance of a pair.", units::one, above(0))
        .param("max-distance", &Params::max_distance, "The largest distance of a pair.", units::metre, above(0))
        .param("sigma-sar", &Params::sigma_sar, "Standard error of a detection's place.", units::metre, above(0))
        .param("sigma-gps", &Params::sigma_gps, "Standard error of a position of AIS.", units::metre, at_least(0))
        .param("sigma-sog", &Params::sigma_sog, "Standard error of a speed.", "m s-1", at_least(0))
        .param("sigma-cog", &Params::sigma_cog, "Standard error of a course.", units::degree, between(0, 180))
        .param("sigma-length", &Params::sigma_length, "Standard error of a length; 0 leaves lengths out.", units::metre,
               at_least(0))
        .param("platform-speed", &Params::platform_speed, "Of the satellite, such as 7590; 0 leaves the shift out.",
               "m s-1", between(0, 1e4))
        .param("range", &Params::range, "Slant range to the middle of the scene.", units::metre, between(0, 5e6))
        .param("incidence", &Params::incidence, "At the middle of the scene.", units::degree, between(0, 90))
        .param("look", &Params::look, "Bearing of the line of sight on the ground; -1 where unknown.", units::degree,
               between(-1, 360))
        .param("looks", &Params::looks, "Side of the flight on which the radar looks.", {"right", "left"})
        .param("keep", &Params::keep, "Which rows to keep.", {"all", "matched", "dark", "unseen"})
        .example("ships.gpkg ! associate --ais [ ais.csv ! ais ] --time 2021-01-05T01:58:00 ! associated.gpkg")
        .cites("Jonker & Volgenant 1987, Computing 38, 325-340 (assignment)")
        .cites("Mazzarella, Vespe & Santamaria 2015, IEEE Geosci. Remote Sens. Lett. 12(8), 1685-1689")
        .cites("Raney 1971, IEEE Trans. Aerosp. Electron. Syst. 7(3), 499-505 (azimuth shift)")
        .agrees(exactly);
  }
  static void check(const Params& p) {
    const bool some = p.platform_speed > 0 || p.range > 0 || p.incidence > 0 || p.look >= 0;
    const bool all = p.platform_speed > 0 && p.range > 0 && p.incidence > 0 && p.look >= 0;
    if (some && !all) fail(Errc::usage, "the azimuth shift needs platform-speed, range, incidence and look together");
  }

  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView detections = in[0];
    const Detected seen{*this, detections};
    std::vector<Area> areas;
    for (std::size_t k = 0; k < seen.scene_times.size(); ++k) areas.emplace_back(in[2], seen, k);
    const Ships ships{in[1]};
    require_coverage(seen, ships);

    // What each ship would look like at the time of each detection nearby; and whether it was there at all.
    std::vector<Prediction> predictions;
    std::vector<assignment::Pair> pairs;
    std::vector<std::size_t> of_pair;
    find_pairs(seen, ships, predictions, pairs, of_pair);
    std::vector<double> single(detections.rows(), params.gate);
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      double& s = single[pairs[k].row];
      s = std::max(s, params.gate + predictions[of_pair[k]].log_growth);
    }
    const auto chosen = assignment::cheapest(detections.rows(), seen.scene_times.size() * ships.count(), pairs, single);
    write(detections, seen, areas, ships, predictions, pairs, of_pair, single, chosen, out);
  }

 private:
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();
  static constexpr double radian = 0.017453292519943295;

  static void set_time(Params& p, std::string_view text) {
    if (!parse_iso_time(text))
      fail(Errc::usage, "time: '" + std::string{text} + "' is no time in ISO 8601, such as 2021-01-05T01:58:00");
    p.time.set(text);
  }

  /// Place, time and length of the detections.
  struct Detected {
    std::vector<LonLat> place;
    std::vector<double> time, length;
    std::vector<std::size_t> scene;   ///< of each detection that has a time
    std::vector<double> scene_times;  ///< the middle of each scene

    Detected(const Associate& op, const TableView& t) {
      const int row_column = t.find("row"), length_column = t.find("length");
      const int lon = t.find("lon"), lat = t.find("lat");
      int time_column = TableView::absent;
      const double start = op.params.time.empty() ? none : *parse_iso_time(op.params.time.view());
      if (std::isnan(start)) {
        for (int c = 0; c < t.columns() && time_column == TableView::absent; ++c)
          if (t.type(c) == ColumnType::time) time_column = c;
        if (time_column == TableView::absent)
          fail(Errc::usage,
               "time: the detections have no column of times: give the scene's, as in --time "
               "2021-01-05T01:58:00");
      } else if (op.params.line_time != 0 && row_column == TableView::absent) {
        fail(Errc::usage, "line-time: the detections have no column 'row' that tells their line");
      }
      for (std::size_t i = 0; i < t.rows(); ++i) {
        LonLat p = t.place(i);
        if (std::isnan(p.lat) && lon != TableView::absent && lat != TableView::absent)
          p = {t.number(i, lon), t.number(i, lat)};
        place.push_back(p);
        double when = time_column != TableView::absent ? t.number(i, time_column) : start;
        if (time_column == TableView::absent && op.params.line_time != 0)
          when += op.params.line_time * t.number(i, row_column);
        time.push_back(when);
        length.push_back(length_column == TableView::absent ? none : t.number(i, length_column));
      }
      find_scenes(op.params.scene_gap);
      if (scene_times.empty() && !std::isnan(start)) scene_times.push_back(start);
    }

   private:
    void find_scenes(double gap) {
      scene.assign(time.size(), 0);
      std::vector<std::pair<double, std::size_t>> order;
      for (std::size_t i = 0; i < time.size(); ++i)
        if (!std::isnan(time[i])) order.emplace_back(time[i], i);
      std::sort(order.begin(), order.end());
      for (std::size_t first = 0; first < order.size();) {
        std::size_t end = first + 1;
        while (end < order.size() && order[end].first - order[end - 1].first <= gap) ++end;
        for (std::size_t k = first; k < end; ++k) scene[order[k].second] = scene_times.size();
        scene_times.push_back((order[first].first + order[end - 1].first) / 2);
        first = end;
      }
    }
  };

  /// What the radar saw.
  class Area {
   public:
    Area(const TableView& footprint, const Detected& seen, std::size_t scene) {
      if (footprint.connected()) {
        if (footprint.geometry() != Geometry::polygon || !footprint.crs().starts_with("GEOG"))
          fail(Errc::input,
               "footprint: it must hold polygons in longitude and latitude; bring it there with ogr2ogr "
               "-t_srs EPSG:4326");
        for (std::size_t i = 0; i < footprint.rows(); ++i) shapes_.push_back(footprint.shape(i));
        return;
      }
      for (std::size_t i = 0; i < seen.place.size(); ++i) {
        const LonLat p = seen.place[i];
        if (std::isnan(p.lat) || std::isnan(seen.time[i]) || seen.scene[i] != scene) continue;
        if (std::isnan(origin_)) origin_ = p.lon;
        const double x = detail::half_turn(p.lon - origin_);
        west_ = std::min(west_, x), east_ = std::max(east_, x);
        south_ = std::min(south_, p.lat), north_ = std::max(north_, p.lat);
      }
    }
    [[nodiscard]] bool holds(LonLat p) const {
      if (!shapes_.empty())
        return std::any_of(shapes_.begin(), shapes_.end(), [&](const Shape& s) { return is_inside(s, p); });
      const double x = detail::half_turn(p.lon - origin_);
      return x >= west_ && x <= east_ && p.lat >= south_ && p.lat <= north_;
    }

   private:
    static constexpr double far = std::numeric_limits<double>::infinity();
    std::vector<Shape> shapes_;
    double origin_ = none, west_ = far, east_ = -far, south_ = far, north_ = -far;
  };

  /// The ships of AIS: their positions in order of time.
  class Ships {
   public:
    explicit Ships(const TableView& t) {
      const int mmsi = t.find("mmsi"), time = t.find("time"), lon = t.find("lon"), lat = t.find("lat");
      if (t.rows() > 0 && (mmsi == TableView::absent || time == TableView::absent ||
                           (t.geometry() != Geometry::point && (lon == TableView::absent || lat == TableView::absent))))
        fail(Errc::input, "ais: the table needs the columns mmsi and time, and points; put `ais` before it. It has " +
                              (t.columns() > 0 ? t.all_names() : std::string{"no columns"}));
      const int sog = t.find("sog"), cog = t.find("cog"), length = t.find("length"), name = t.find("name");
      const auto number = [&](std::size_t row, int c) { return c == TableView::absent ? none : t.number(row, c); };
      std::map<double, std::vector<ais::Fix>> by_ship;
      for (std::size_t row = 0; row < t.rows(); ++row) {
        ais::Fix f;
        f.mmsi = t.number(row, mmsi), f.time = t.number(row, time);
        f.sog = number(row, sog), f.cog = number(row, cog);
        ais::drop_sentinels(f);           // a table need not come from `ais`
        f.sog *= ais::metres_per_second;  // from here on metres a second
        f.place = t.place(row);
        if (std::isnan(f.place.lat)) f.place = {number(row, lon), number(row, lat)};
        f.row = row;
        if (std::isnan(f.mmsi) || std::isnan(f.time) || !(std::abs(f.place.lat) <= 90)) continue;
        by_ship[f.mmsi].push_back(f);
      }
      for (auto& [id, fixes] : by_ship) {
        std::stable_sort(fixes.begin(), fixes.end(),
                         [](const ais::Fix& a, const ais::Fix& b) { return a.time < b.time; });
        mmsi_.push_back(id);
        double longest = none;
        std::string called;
        for (const ais::Fix& f : fixes) {
          if (const double l = number(f.row, length); l > 0) longest = l;
          if (name != TableView::absent && !t.text(f.row, name).empty()) called = t.text(f.row, name);
        }
        length_.push_back(longest);
        name_.push_back(std::move(called));
        fixes_.push_back(std::move(fixes));
      }
    }
    [[nodiscard]] std::size_t count() const { return mmsi_.size(); }
    [[nodiscard]] double mmsi(std::size_t s) const { return mmsi_[s]; }
    [[nodiscard]] double length(std::size_t s) const { return length_[s]; }
    [[nodiscard]] const std::string& name(std::size_t s) const { return name_[s]; }
    [[nodiscard]] const std::vector<ais::Fix>& fixes(std::size_t s) const { return fixes_[s]; }

   private:
    std::vector<double> mmsi_, length_;
    std::vector<std::string> name_;
    std::vector<std::vector<ais::Fix>> fixes_;
  };

  /// Where a ship is imaged at some time, and how well that is known.
  struct Prediction {
    LonLat place;
    double course = 0;             ///< degrees, of the axes of the covariance
    double along = 0, across = 0;  ///< variances in square metres
    double log_growth = 0;         ///< ln(|S| / |S0|)
    double age = 0;                ///< seconds to the nearest position
    double shift = 0;              ///< metres along the flight
    bool interpolated = false, known = false;
  };

  [[nodiscard]] Prediction predict(const std::vector<ais::Fix>& fixes, double time) const {
    Prediction p;
    const auto after =
        std::lower_bound(fixes.begin(), fixes.end(), time, [](const ais::Fix& f, double t) { return f.time < t; });
    const ais::Fix* next = after == fixes.end() ? nullptr : &*after;
    const ais::Fix* last = after == fixes.begin() ? nullptr : &*(after - 1);
    double sog = none, cog = none, astray = 0;
    if (next != nullptr && next->time == time) {
      p.place = next->place;
      sog = next->sog, cog = next->cog;
      p.known = true;
    } else if (next != nullptr && last != nullptr && next->time - last->time <= params.bracket) {
      const GeodesicLine line = geodesic(last->place, next->place);
      const double span = next->time - last->time, share = (time - last->time) / span;
      p.place = geodesic_place(last->place, line.bearing, share * line.distance);
      p.age = std::min(time - last->time, next->time - time);
      sog = line.distance / span;
      cog = geodesic(p.place, next->place).bearing;
      p.interpolated = p.known = true;
    } else {
      const ais::Fix* nearest = last;
      if (last == nullptr || (next != nullptr && next->time - time < time - last->time)) nearest = next;
      if (nearest == nullptr) return p;
      const double dt = time - nearest->time;
      p.age = std::abs(dt);
      if (p.age > params.reckon) return p;
      sog = nearest->sog, cog = nearest->cog;
      // Without a course it may have gone anywhere as far as its speed takes it, and without a speed it is not
      // reckoned.
      if (std::isnan(sog)) return p;
      astray = std::isnan(cog) ? sog * p.age : 0;
      p.place = std::isnan(cog) ? nearest->place : geodesic_place(nearest->place, cog, sog * dt);
      p.known = true;
    }
    const double s0 = params.sigma_sar * params.sigma_sar + params.sigma_gps * params.sigma_gps;
    const double speed = std::isnan(sog) ? 0 : sog;
    const double growth = params.sigma_sog * p.age;
    const double turn = std::isnan(cog) ? 0 : speed * params.sigma_cog * radian * p.age;
    p.course = std::isnan(cog) ? 0 : cog;
    p.along = s0 + growth * growth + astray * astray, p.across = s0 + turn * turn + astray * astray;
    p.log_growth = math::log(p.along / s0) + math::log(p.across / s0);
    if (params.platform_speed > 0 && speed > 0 && !std::isnan(cog)) {
      const double toward = -speed * math::sin(params.incidence * radian) * math::cos((cog - params.look) * radian);
      p.shift = params.range * toward / params.platform_speed;
      p.place = geodesic_place(p.place, params.look + (params.looks == Looks::right ? -90 : 90), p.shift);
    }
    return p;
  }

  /// True where a ship is near enough in time to be reckoned, but tells no speed.
  [[nodiscard]] bool speechless(const std::vector<ais::Fix>& fixes, double time) const {
    return !predict(fixes, time).known && std::any_of(fixes.begin(), fixes.end(), [&](const ais::Fix& f) {
      return std::abs(f.time - time) <= params.reckon;
    });
  }

  /// AIS without a position near the time of any scene would make every detection dark, and nothing known.
  void require_coverage(const Detected& seen, const Ships& ships) const {
    if (seen.scene_times.empty()) return;
    double first = std::numeric_limits<double>::infinity(), last = -first;
    for (std::size_t s = 0; s < ships.count(); ++s)
      for (const ais::Fix& f : ships.fixes(s)) {
        for (const double time : seen.scene_times)
          if (std::abs(f.time - time) <= params.bracket) return;
        first = std::min(first, f.time), last = std::max(last, f.time);
      }
    fail(Errc::input, first > last
                          ? "ais: the table holds no positions, so nothing could be told dark"
                          : "ais: there is no position near the time of the scene, " +
                                iso_time(seen.scene_times.front()) + ": they run from " + iso_time(first) + " to " +
                                iso_time(last) + " (UTC); give the AIS of that time, or the scene's time with --time");
  }

  /// All pairs within the gate. Detections are looked up by latitude, so that no ship is compared with all of them.
  void find_pairs(const Detected& seen, const Ships& ships, std::vector<Prediction>& predictions,
                  std::vector<assignment::Pair>& pairs, std::vector<std::size_t>& of_pair) const {
    // Detections of one time share a prediction.
    std::map<double, std::vector<std::pair<double, std::size_t>>> by_time;
    for (std::size_t i = 0; i < seen.place.size(); ++i)
      if (!std::isnan(seen.time[i]) && std::abs(seen.place[i].lat) <= 90)
        by_time[seen.time[i]].emplace_back(seen.place[i].lat, i);
    constexpr double least_degree = 110500;  // metres of a degree of latitude, at the least
    const double reach = params.max_distance / least_degree;
    for (auto& [time, group] : by_time) {
      std::sort(group.begin(), group.end());
      for (std::size_t s = 0; s < ships.count(); ++s) {
        const Prediction p = predict(ships.fixes(s), time);
        if (!p.known) continue;
        bool used = false;
        for (auto at = std::lower_bound(group.begin(), group.end(), std::pair{p.place.lat - reach, std::size_t{0}});
             at != group.end() && at->first <= p.place.lat + reach; ++at) {
          const std::size_t i = at->second;
          const auto d2 = distance2(p, seen.place[i]);
          if (!(d2 <= params.gate)) continue;
          double cost = d2 + p.log_growth;
          if (params.sigma_length > 0 && !std::isnan(seen.length[i]) && !std::isnan(ships.length(s))) {
            const double e = (seen.length[i] - ships.length(s)) / params.sigma_length;
            cost += e * e;
          }
          if (!used) predictions.push_back(p);
          used = true;
          pairs.push_back({i, seen.scene[i] * ships.count() + s, cost});
          of_pair.push_back(predictions.size() - 1);
        }
      }
    }
  }

  /// Squared Mahalanobis distance; NaN beyond the largest distance.
  [[nodiscard]] double distance2(const Prediction& p, LonLat place) const {
    if (std::abs(detail::half_turn(place.lon - p.place.lon)) > 90) return none;
    const GeodesicLine line = geodesic(p.place, place);
    if (!(line.distance <= params.max_distance)) return none;
    const double angle = (line.bearing - p.course) * radian;
    const double along = line.distance * math::cos(angle), across = line.distance * math::sin(angle);
    return along * along / p.along + across * across / p.across;
  }

  void write(const TableView& detections, const Detected& seen, const std::vector<Area>& areas, const Ships& ships,
             const std::vector<Prediction>& predictions, const std::vector<assignment::Pair>& pairs,
             const std::vector<std::size_t>& of_pair, const std::vector<double>& single,
             const std::vector<std::size_t>& chosen, TableWriter& out) const {
    // The chosen pair of every detection, and what its next best choice costs.
    std::vector<std::size_t> pair_of(detections.rows(), assignment::alone);
    std::vector<double> second = single;
    std::vector<char> candidate(detections.rows(), 0);
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      const auto& p = pairs[k];
      candidate[p.row] = 1;
      if (chosen[p.row] == p.column)
        pair_of[p.row] = k;
      else
        second[p.row] = std::min(second[p.row], p.cost);
    }
    std::vector<char> was_seen(areas.size() * ships.count(), 0);
    out.carry(0);
    out.geometry(Geometry::point);
    using enum ColumnType;
    const int columns = detections.columns();
    const auto add = [&](const char* name, ColumnType type, std::string_view unit, const char* words) {
      return out.column({name, type, Unit{std::string{unit}}, words}, columns);
    };
    const int state = add("state", text, "", "matched, dark (no ship of AIS) or unseen (not detected)");
    const int mmsi = add("mmsi", integer, units::one, "Identity of the ship of AIS");
    const int name = add("ais_name", text, "", "Its name");
    const int ais_length = add("ais_length", real, units::metre, "Its length");
    const int when = add("image_time", time, "", "When the detection's line was taken");
    const int offset = add("offset", real, units::metre, "From the predicted place to the detection");
    const int bearing = add("offset_bearing", real, units::degree, "Direction of the offset");
    const int mahalanobis = add("d2", real, units::one, "Squared Mahalanobis distance");
    const int cost = add("cost", real, units::one, "Of the match");
    const int margin = add("margin", real, units::one, "How much more the next best choice would cost");
    const int age = add("age", real, "s", "From the nearest position of AIS to the image");
    const int shift = add("shift", real, units::metre, "Azimuth shift that was applied, along the flight");
    const int reckoned = add("reckoned", flag, units::flag, "Predicted from one position, not between two");

    const auto number_named = [&](const char* column) {
      const int at = detections.find(column);
      return at != TableView::absent && detections.type(at) == real ? at : TableView::absent;
    };
    const int lon = number_named("lon"), lat = number_named("lat");

    const auto kept = [&](Keep what) { return params.keep == Keep::all || params.keep == what; };
    std::int64_t matched = 0, dark = 0, unseen = 0;
    for (std::size_t i = 0; i < detections.rows(); ++i) {
      const bool pair = chosen[i] != assignment::alone;
      (pair ? matched : dark) += 1;
      if (pair) was_seen[chosen[i]] = 1;
      if (!kept(pair ? Keep::matched : Keep::dark)) continue;
      out.row(i);
      out.place(seen.place[i]);
      out.text(state, pair ? "matched" : "dark");
      out.number(when, seen.time[i]);
      if (!pair) {
        // What it would have cost less to take, had it been free.
        if (candidate[i] != 0) out.number(margin, second[i] - single[i]);
        continue;
      }
      const auto& made = pairs[pair_of[i]];
      const Prediction& p = predictions[of_pair[pair_of[i]]];
      const GeodesicLine line = geodesic(p.place, seen.place[i]);
      const std::size_t ship = made.column % ships.count();
      out.number(mmsi, ships.mmsi(ship));
      out.text(name, ships.name(ship));
      out.number(ais_length, ships.length(ship));
      out.number(offset, line.distance);
      out.number(bearing, line.bearing);
      out.number(mahalanobis, distance2(p, seen.place[i]));
      out.number(cost, made.cost);
      out.number(margin, second[i] - made.cost);
      out.number(age, p.age);
      out.number(shift, p.shift);
      out.number(reckoned, p.interpolated || p.age == 0 ? 0 : 1);
    }
    // Ships that AIS places in a scene but that nobody saw there: at the middle of its time.
    for (std::size_t k = 0; k < areas.size(); ++k) {
      const double middle = seen.scene_times[k];
      for (std::size_t s = 0; s < ships.count(); ++s) {
        if (was_seen[k * ships.count() + s] != 0) continue;
        const Prediction p = predict(ships.fixes(s), middle);
        if (!p.known || !areas[k].holds(p.place)) continue;
        ++unseen;
        if (!kept(Keep::unseen)) continue;
        out.row();
        out.place(p.place);
        // Detections that tell their place in columns have it there too.
        if (lon != TableView::absent) out.number(lon, p.place.lon);
        if (lat != TableView::absent) out.number(lat, p.place.lat);
        out.text(state, "unseen");
        out.number(mmsi, ships.mmsi(s));
        out.text(name, ships.name(s));
        out.number(ais_length, ships.length(s));
        out.number(when, middle);
        out.number(age, p.age);
        out.number(shift, p.shift);
        out.number(reckoned, p.interpolated || p.age == 0 ? 0 : 1);
      }
    }
    std::size_t silent = 0;
    for (std::size_t s = 0; s < ships.count(); ++s)
      silent += std::any_of(seen.scene_times.begin(), seen.scene_times.end(),
                            [&](double time) { return speechless(ships.fixes(s), time); })
                    ? 1
                    : 0;
    if (silent > 0)
      out.note(std::to_string(silent) + (silent == 1 ? " ship of AIS tells" : " ships of AIS tell") +
               " no speed near the time of the scene and could be no detection");
    out.note(std::to_string(matched) + " matched, " + std::to_string(dark) + " dark, " + std::to_string(unseen) +
             " of AIS unseen");
  }
};

}  // namespace fulmar::ops
