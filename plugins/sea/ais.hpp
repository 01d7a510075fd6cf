// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/words.hpp"
#include "core/iso_time.hpp"
#include "fulmar/op.hpp"
#include "sea/ais_clean.hpp"
#include "sea/ais_message.hpp"

namespace fulmar::ops {

/// Ships' positions or tracks from AIS, cleaned.
///
/// Takes a receiver's log (lines of NMEA AIVDM and AIVDO with or without tag blocks; types 1-3, 5, 18, 19, 24 and 27
/// are of ships) or a table with columns of identity, time, longitude and latitude under the names that are in use
/// (MMSI, BaseDateTime, LAT, LON...). The time of a sentence is that of its tag block (c:), or the one that a coast
/// guard's receiver writes behind it. Cleaning: identities that are no ship's, positions that are none (91, 181),
/// duplicates, and jumps that imply more than max-speed are dropped, and the run says how many; speeds, courses and
/// headings that are not available (102.3, 360, 511) become missing. Where heading and antenna are known the position
/// is that of the hull's centre. Times are UTC; a row without a time is dropped. A track is cut where `gap` seconds
/// pass without a position and at the antimeridian. Errors: no row at all; no sentence that can be read; a table
/// without identity, time or place.
struct Ais {
  enum class As { positions, tracks };
  struct Params {
    As as = As::positions;
    double max_speed = 60;
    double gap = 21600;
  } params;
  static Schema schema() {
    return Schema{"ais", "Read and clean ships' positions from AIS."}
        .table("ais", "Sentences of a receiver, or a table of positions.")
        .output_table("ships", "Positions in the order of identity and time, or tracks.")
        .param("as", &Params::as, "One row a position, or one row a track.", {"positions", "tracks"})
        .param("max-speed", &Params::max_speed, "A position that implies a higher speed is a jump.", "kn",
               between(1, 1000))
        .param("gap", &Params::gap, "Silence that ends a track.", "s", between(1, 1e8))
        .example("ais.csv ! ais --as tracks ! tracks.gpkg")
        .cites("ITU-R M.1371-5 (2014), Technical characteristics for an automatic identification system")
        .cites("ITU-R M.585-9 (2022), Assignment and use of identities in the maritime mobile service")
        .agrees(exactly);
  }

  void tabulate(const Tables& in, TableWriter& out) const {
    const TableView table = in[0];
    if (table.rows() == 0) fail(Errc::input, "the AIS file holds no rows");
    std::vector<Ship> ships;
    std::vector<ais::Fix> fixes;
    const int sentences = table.find("sentence");
    if (sentences != TableView::absent && table.type(sentences) == ColumnType::text)
      read_sentences(table, sentences, ships, fixes, out);
    else
      read_columns(table, ships, fixes);
    const auto count = static_cast<std::int64_t>(fixes.size());
    ais::CleanCounts counts;
    fixes = ais::clean(std::move(fixes), params.max_speed, counts);
    if (const std::string words = ais::in_words(counts, count, params.max_speed); !words.empty()) out.note(words);
    if (fixes.empty() && count > 0)
      fail(Errc::input, "none of the " + std::to_string(count) +
                            " positions can be used: " + ais::in_words(counts, count, params.max_speed) +
                            "; are longitude and latitude in their columns?");
    // After the jumps are gone: the hull's centre is as wrong as the antenna's place.
    for (ais::Fix& f : fixes) ais::centre(f);
    if (params.as == As::positions)
      write_positions(fixes, ships, out);
    else
      write_tracks(fixes, ships, out);
  }

 private:
  /// What does not change from one position to the next.
  struct Ship {
    std::string name, callsign, imo;
    double ship_type = ais::none, length = ais::none, width = ais::none, draught = ais::none;
    double bow = ais::none, stern = ais::none, port = ais::none, starboard = ais::none;
  };

  static void read_sentences(const TableView& table, int column, std::vector<Ship>& ships, std::vector<ais::Fix>& fixes,
                             TableWriter& out) {
    ais::Reader reader;
    std::unordered_map<std::uint32_t, std::size_t> known;
    std::vector<std::uint32_t> of_fix;
    for (std::size_t row = 0; row < table.rows(); ++row) {
      const auto m = reader.line(table.text(row, column));
      if (!m) continue;
      const bool says_what = m->type == 5 || m->type == 19 || m->type == 24;
      if (says_what) {
        const auto [at, fresh] = known.try_emplace(m->mmsi, ships.size());
        if (fresh) ships.emplace_back();
        learn(ships[at->second], *m);
      }
      const bool says_where = (m->type >= 1 && m->type <= 3) || m->type == 18 || m->type == 19 || m->type == 27;
      if (!says_where) continue;
      ais::Fix f;
      f.mmsi = m->mmsi, f.time = m->time, f.place = {m->lon, m->lat};
      f.sog = m->sog, f.cog = m->cog, f.heading = m->heading, f.status = m->status;
      if (m->type == 27) {
        // Its sentinels differ.
        if (f.sog == 63) f.sog = ais::none;
        if (f.cog == 511) f.cog = ais::none;
      }
      fixes.push_back(f);
      of_fix.push_back(m->mmsi);
    }
    reader.finish();
    const auto& c = reader.counts();
    if (c.messages == 0)
      fail(Errc::input, "none of the " + std::to_string(c.lines) + " lines is an AIS sentence that can be read (" +
                            std::to_string(c.checksum) + " with a wrong checksum)");
    const auto lost = c.checksum + c.broken + c.other;
    if (lost + c.incomplete > 0)
      out.note("read " + std::to_string(c.messages) + " messages from " + std::to_string(c.lines) + " lines; " +
               std::to_string(c.checksum) + " with a wrong checksum, " + std::to_string(c.broken) + " broken, " +
               std::to_string(c.other) + " of another kind, " + std::to_string(c.incomplete) +
               " messages without all their parts");
    // What a ship is may be said after where it is.
    for (std::size_t i = 0; i < fixes.size(); ++i) {
      const auto [at, fresh] = known.try_emplace(of_fix[i], ships.size());
      if (fresh) ships.emplace_back();
      fixes[i].row = at->second;
      const Ship& s = ships[at->second];
      fixes[i].bow = s.bow, fixes[i].stern = s.stern, fixes[i].port = s.port, fixes[i].starboard = s.starboard;
    }
  }

  static void learn(Ship& s, const ais::Message& m) {
    if (!m.name.empty()) s.name = m.name;
    if (!m.callsign.empty()) s.callsign = m.callsign;
    if (m.imo > 0) s.imo = std::to_string(static_cast<std::int64_t>(m.imo));
    if (m.ship_type > 0) s.ship_type = m.ship_type;
    if (m.draught > 0) s.draught = m.draught;
    if (m.bow + m.stern > 0) s.bow = m.bow, s.stern = m.stern, s.length = m.bow + m.stern;
    if (m.port + m.starboard > 0) s.port = m.port, s.starboard = m.starboard, s.width = m.port + m.starboard;
  }

  using Names = std::vector<std::string_view>;

  static void read_columns(const TableView& table, std::vector<Ship>& ships, std::vector<ais::Fix>& fixes) {
    const auto must = [&](const char* what, const Names& names) {
      const int at = table.find_any(names);
      if (at != TableView::absent) return at;
      std::string all;
      for (const auto name : names) all += (all.empty() ? "" : ", ") + std::string{name};
      fail(Errc::input, std::string{"the table has no column of "} + what + " (known names: " + all + "); it has " +
                            table.all_names());
    };
    const int mmsi = must("identity", {"mmsi", "ssvid", "userid", "user_id", "source_mmsi"});
    const int time = must("time", {"basedatetime", "base_date_time", "timestamp", "time", "datetime", "date_time",
                                   "date_time_utc", "dt_pos_utc", "# timestamp", "tagblock_timestamp", "received"});
    const int lon = must("longitude", {"lon", "longitude", "long", "lng", "x"}),
              lat = must("latitude", {"lat", "latitude", "y"});
    const int sog = table.find_any(Names{"sog", "speed", "speed_over_ground", "speedoverground"}),
              cog = table.find_any(Names{"cog", "course", "course_over_ground", "courseoverground"}),
              heading = table.find_any(Names{"heading", "trueheading", "true_heading", "hdg"}),
              status = table.find_any(Names{"status", "navstatus", "nav_status", "navigationalstatus"}),
              name = table.find_any(Names{"vesselname", "vessel_name", "shipname", "ship_name", "name"}),
              imo = table.find_any(Names{"imo", "imo_number"}),
              callsign = table.find_any(Names{"callsign", "call_sign"}),
              kind = table.find_any(Names{"vesseltype", "vessel_type", "shiptype", "ship_type"}),
              length = table.find_any(Names{"length"}), width = table.find_any(Names{"width", "beam"}),
              draught = table.find_any(Names{"draught", "draft"}),
              bow = table.find_any(Names{"a", "to_bow", "bow", "dim_a", "dimension_a"}),
              stern = table.find_any(Names{"b", "to_stern", "stern", "dim_b", "dimension_b"}),
              port = table.find_any(Names{"c", "to_port", "port", "dim_c", "dimension_c"}),
              starboard = table.find_any(Names{"d", "to_starboard", "starboard", "dim_d", "dimension_d"});
    // One word among a column's numbers makes texts of them all.
    const auto number = [&](std::size_t row, int column) {
      if (column == TableView::absent) return ais::none;
      if (table.type(column) != ColumnType::text) return table.number(row, column);
      const std::string_view text = trimmed(table.text(row, column));
      double x = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), x);
      return error == std::errc{} && end == text.data() + text.size() && std::isfinite(x) ? x : ais::none;
    };
    const bool words = table.type(time) == ColumnType::text;
    std::size_t read = 0;
    const auto word = [&](std::size_t row, int column) {
      if (column == TableView::absent) return std::string{};
      if (table.type(column) == ColumnType::text) return std::string{table.text(row, column)};
      const double x = table.number(row, column);
      return std::isnan(x) ? std::string{} : std::to_string(static_cast<std::int64_t>(x));
    };
    std::unordered_map<double, std::size_t> known;
    fixes.reserve(table.rows());
    for (std::size_t row = 0; row < table.rows(); ++row) {
      ais::Fix f;
      f.mmsi = number(row, mmsi);
      if (std::isnan(f.mmsi)) f.mmsi = 0;
      if (words) {
        const std::string_view text = trimmed(table.text(row, time));
        f.time = parse_iso_time(text).value_or(ais::none);
        f.unread = std::isnan(f.time) && !text.empty();
        if (!std::isnan(f.time)) ++read;
      } else {
        f.time = number(row, time);
      }
      f.place = {number(row, lon), number(row, lat)};
      f.sog = number(row, sog), f.cog = number(row, cog), f.heading = number(row, heading);
      f.status = number(row, status);
      f.bow = number(row, bow), f.stern = number(row, stern);
      f.port = number(row, port), f.starboard = number(row, starboard);
      const auto [at, fresh] = known.try_emplace(f.mmsi, ships.size());
      if (fresh) ships.emplace_back();
      f.row = at->second;
      Ship& s = ships[at->second];
      const auto take = [](std::string& to, std::string from) {
        if (!from.empty()) to = std::move(from);
      };
      const auto take_number = [](double& to, double from) {
        if (!std::isnan(from)) to = from;
      };
      take(s.name, word(row, name));
      take(s.imo, word(row, imo));
      take(s.callsign, word(row, callsign));
      take_number(s.ship_type, number(row, kind));
      take_number(s.draught, number(row, draught));
      take_number(s.length, number(row, length));
      take_number(s.width, number(row, width));
      if (f.bow + f.stern > 0) s.length = f.bow + f.stern;
      if (f.port + f.starboard > 0) s.width = f.port + f.starboard;
      fixes.push_back(f);
    }
    if (words && read == 0)
      fail(Errc::input, "the times in '" + std::string{table.name(time)} +
                            "' are not written as in ISO 8601, such as 2021-01-05T13:44:00");
  }

  static Column column(const char* name, ColumnType type, std::string_view unit, const char* words) {
    return {name, type, Unit{std::string{unit}}, words};
  }
  /// Columns of the ship behind those of the position or track; returns the number of the first.
  static int add_ship_columns(TableWriter& out) {
    using enum ColumnType;
    const int first = out.column(column("name", text, "", "As the ship says"));
    out.column(column("imo", text, "", "Number of the International Maritime Organization"));
    out.column(column("callsign", text, "", "Radio call sign"));
    out.column(column("ship_type", integer, units::one, "As in ITU-R M.1371, table 53"));
    out.column(column("length", real, units::metre, "Of the hull"));
    out.column(column("width", real, units::metre, "Of the hull"));
    out.column(column("draught", real, units::metre, "As the ship says"));
    return first;
  }
  static void write_ship(const Ship& s, int first, TableWriter& out) {
    out.text(first, s.name);
    out.text(first + 1, s.imo);
    out.text(first + 2, s.callsign);
    out.number(first + 3, s.ship_type);
    out.number(first + 4, s.length);
    out.number(first + 5, s.width);
    out.number(first + 6, s.draught);
  }

  static void write_positions(const std::vector<ais::Fix>& fixes, const std::vector<Ship>& ships, TableWriter& out) {
    using enum ColumnType;
    out.geometry(Geometry::point);
    out.column(column("mmsi", integer, units::one, "Maritime mobile service identity"));
    out.column(column("time", time, "", "When the position was reported"));
    out.column(column("lon", real, units::degree, "Longitude"));
    out.column(column("lat", real, units::degree, "Latitude"));
    out.column(column("sog", real, "kn", "Speed over ground"));
    out.column(column("cog", real, units::degree, "Course over ground"));
    out.column(column("heading", real, units::degree, "True heading"));
    out.column(column("status", integer, units::one, "Navigational status, as in ITU-R M.1371"));
    out.column(column("centred", flag, units::flag, "The position is the hull's centre, not the antenna's"));
    const int ship = add_ship_columns(out);
    for (const ais::Fix& f : fixes) {
      out.row();
      out.place(f.place);
      const std::array values{f.mmsi, f.time,    f.place.lon, f.place.lat,          f.sog,
                              f.cog,  f.heading, f.status,    f.centred ? 1.0 : 0.0};
      for (std::size_t i = 0; i < values.size(); ++i) out.number(static_cast<int>(i), values[i]);
      write_ship(ships[f.row], ship, out);
    }
  }

  void write_tracks(const std::vector<ais::Fix>& fixes, const std::vector<Ship>& ships, TableWriter& out) const {
    using enum ColumnType;
    out.geometry(Geometry::line);
    out.column(column("mmsi", integer, units::one, "Maritime mobile service identity"));
    out.column(column("begin", time, "", "Of the first position"));
    out.column(column("end", time, "", "Of the last position"));
    out.column(column("positions", integer, units::one, "That the track is made of"));
    out.column(column("distance", real, units::metre, "Along the track, on the ellipsoid"));
    out.column(column("fastest", real, "kn", "The highest speed from one position to the next"));
    const int ship = add_ship_columns(out);
    std::int64_t single = 0;
    for (std::size_t first = 0; first < fixes.size();) {
      std::size_t end = first + 1;
      while (end < fixes.size() && fixes[end].mmsi == fixes[first].mmsi && !fixes[end].begins &&
             fixes[end].time - fixes[end - 1].time <= params.gap)
        ++end;
      if (end - first < 2)
        ++single;
      else
        write_track(fixes, first, end, ships, ship, out);
      first = end;
    }
    if (single > 0) out.note(std::to_string(single) + " positions stand alone and make no track");
  }

  static void write_track(const std::vector<ais::Fix>& fixes, std::size_t first, std::size_t end,
                          const std::vector<Ship>& ships, int ship, TableWriter& out) {
    double distance = 0, fastest = 0;
    for (std::size_t i = first + 1; i < end; ++i) {
      const double d = geodesic(fixes[i - 1].place, fixes[i].place).distance, dt = fixes[i].time - fixes[i - 1].time;
      distance += d;
      if (dt > 0) fastest = std::max(fastest, d / dt / ais::metres_per_second);
    }
    out.row();
    const std::array values{
        fixes[first].mmsi, fixes[first].time, fixes[end - 1].time, static_cast<double>(end - first), distance, fastest};
    for (std::size_t i = 0; i < values.size(); ++i) out.number(static_cast<int>(i), values[i]);
    write_ship(ships[fixes[first].row], ship, out);
    out.place(fixes[first + (end - first) / 2].place);
    Path line;
    for (std::size_t i = first; i < end; ++i) {
      const LonLat p = fixes[i].place;
      if (!line.empty() && std::abs(p.lon - line.back().x) > 180) {
        // Through the antimeridian: to it on this side, on from it on the other.
        const double edge = line.back().x > 0 ? 180 : -180, turned = p.lon + 2 * edge;
        const double share = turned == line.back().x ? 0 : (edge - line.back().x) / (turned - line.back().x);
        const double lat = line.back().y + share * (p.lat - line.back().y);
        line.push_back({edge, lat});
        out.path(true, line);
        line = {{-edge, lat}};
      }
      line.push_back({p.lon, p.lat});
    }
    out.path(true, line);
  }
};

}  // namespace fulmar::ops
