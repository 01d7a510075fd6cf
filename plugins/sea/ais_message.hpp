// SPDX-License-Identifier: Apache-2.0
/// @file
/// AIS messages from the sentences of a receiver's log: checksums, tag blocks, parts put together, fields decoded.
/// (ITU-R M.1371-5; IEC 61162-1; NMEA 4.10 tag blocks.) The input is hostile: nothing is read beyond its end.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace fulmar::ais {

inline constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// What a message says. Numbers are NaN and texts empty where the message has no such field; sentinels ("not
/// available", such as a latitude of 91) are kept as they were sent.
struct Message {
  int type = 0, repeat = 0;
  std::uint32_t mmsi = 0;
  double time = none;  ///< of reception: seconds since 1970, from the tag block or the receiver's own words
  // where, and how it moves
  double lon = none, lat = none;          ///< degrees; 181 and 91 where not available
  double sog = none, cog = none;          ///< knots, degrees; 102.3 (type 27: 63) and 360 (511) where not available
  double heading = none;                  ///< degrees; 511 where not available
  double turn = none;                     ///< degrees a minute
  double status = none, maneuver = none;  ///< navigational status; special manoeuvre
  double second = none;                   ///< of the minute, when the position was measured; 60 and more: unknown
  double altitude = none;                 ///< metres (type 9)
  double accurate = none, raim = none;    ///< flags
  // what it is
  double imo = none, ship_type = none, draught = none;
  double bow = none, stern = none, port = none, starboard = none;  ///< metres from the antenna
  double epfd = none, version = none, dte = none;
  std::string name, callsign, destination, vendor;
  double part = none;  ///< of type 24: 0 is A, 1 is B
  // aids to navigation
  double aid_type = none, off_position = none, is_virtual = none;
  // base stations
  double year = none, month = none, day = none, hour = none, minute = none, utc_second = none;
};

/// The bits of a payload, six a character.
class Bits {
 public:
  /// Adds a part's characters but for its `fill` last bits. False where a character is none of the armour's.
  bool add(std::string_view payload, int fill) {
    for (const char c : payload) {
      const int v = c >= '0' && c <= 'W' ? c - '0' : c >= '`' && c <= 'w' ? c - '`' + 40 : -1;
      if (v < 0) return false;
      for (int bit = 5; bit >= 0; --bit) bits_.push_back(static_cast<std::uint8_t>((v >> bit) & 1));
    }
    if (static_cast<std::size_t>(fill) > bits_.size()) return false;
    bits_.resize(bits_.size() - static_cast<std::size_t>(fill));
    return true;
  }
  [[nodiscard]] std::size_t size() const { return bits_.size(); }
  /// Bits beyond the end are 0.
  [[nodiscard]] std::uint32_t number(std::size_t first, std::size_t count) const {
    std::uint32_t v = 0;
    for (std::size_t i = first; i < first + count; ++i) v = (v << 1) | (i < bits_.size() ? bits_[i] : 0U);
    return v;
  }
  [[nodiscard]] std::int32_t signed_number(std::size_t first, std::size_t count) const {
    const std::uint32_t v = number(first, count);
    const std::uint32_t sign = std::uint32_t{1} << (count - 1);
    return static_cast<std::int32_t>(v ^ sign) - static_cast<std::int32_t>(sign);
  }
  [[nodiscard]] bool flag(std::size_t at) const { return number(at, 1) != 0; }
  /// Characters of six bits up to the first '@', without blanks at the end.
  [[nodiscard]] std::string text(std::size_t first, std::size_t characters) const {
    std::string t;
    for (std::size_t i = 0; i < characters && first + 6 * (i + 1) <= bits_.size(); ++i) {
      const std::uint32_t v = number(first + 6 * i, 6);
      if (v == 0) break;
      t += static_cast<char>(v < 32 ? v + 64 : v);
    }
    while (!t.empty() && t.back() == ' ') t.pop_back();
    return t;
  }

 private:
  std::vector<std::uint8_t> bits_;
};

namespace detail {

inline void read_place(const Bits& b, std::size_t lon, std::size_t lat, Message& m) {
  m.lon = b.signed_number(lon, 28) / 600000.0;
  m.lat = b.signed_number(lat, 27) / 600000.0;
}

inline void read_hull(const Bits& b, std::size_t at, Message& m) {
  m.bow = b.number(at, 9), m.stern = b.number(at + 9, 9);
  m.port = b.number(at + 18, 6), m.starboard = b.number(at + 24, 6);
}

}  // namespace detail

/// Decodes a whole payload of type 1-5, 9, 11, 18, 19, 21, 24 or 27; of others only type, repeat and MMSI. Nothing
/// where the payload is shorter than its type allows.
inline std::optional<Message> decode(const Bits& b) {
  // The least bits of types 1 to 27; 0: the head is enough.
  static constexpr std::array<std::uint16_t, 28> least{0, 168, 168, 168, 168, 420, 0, 0,   0, 168, 0,   168, 0, 0,
                                                       0, 0,   0,   0,   168, 306, 0, 272, 0, 0,   160, 0,   0, 96};
  Message m;
  if (b.size() < 38) return std::nullopt;
  m.type = static_cast<int>(b.number(0, 6));
  m.repeat = static_cast<int>(b.number(6, 2));
  m.mmsi = b.number(8, 30);
  if (m.type < 1 || m.type > 27 || b.size() < least[static_cast<std::size_t>(m.type)]) return std::nullopt;
  switch (m.type) {
    case 1:
    case 2:
    case 3: {
      m.status = b.number(38, 4);
      const int raw = b.signed_number(42, 8);
      const double root = raw / 4.733;
      if (raw != -128) m.turn = raw < 0 ? -root * root : root * root;
      m.sog = b.number(50, 10) / 10.0;
      m.accurate = b.flag(60);
      detail::read_place(b, 61, 89, m);
      m.cog = b.number(116, 12) / 10.0;
      m.heading = b.number(128, 9);
      m.second = b.number(137, 6);
      m.maneuver = b.number(143, 2);
      m.raim = b.flag(148);
      break;
    }
    case 4:
    case 11:
      m.year = b.number(38, 14), m.month = b.number(52, 4), m.day = b.number(56, 5);
      m.hour = b.number(61, 5), m.minute = b.number(66, 6), m.utc_second = b.number(72, 6);
      m.accurate = b.flag(78);
      detail::read_place(b, 79, 107, m);
      m.epfd = b.number(134, 4);
      m.raim = b.flag(148);
      break;
    case 5:
      m.version = b.number(38, 2);
      m.imo = b.number(40, 30);
      m.callsign = b.text(70, 7);
      m.name = b.text(112, 20);
      m.ship_type = b.number(232, 8);
      detail::read_hull(b, 240, m);
      m.epfd = b.number(270, 4);
      m.draught = b.number(294, 8) / 10.0;
      m.destination = b.text(302, 20);
      if (b.size() > 422) m.dte = b.flag(422);
      break;
    case 9:
      m.altitude = b.number(38, 12);
      m.sog = b.number(50, 10);  // whole knots, unlike a ship's
      m.accurate = b.flag(60);
      detail::read_place(b, 61, 89, m);
      m.cog = b.number(116, 12) / 10.0;
      m.second = b.number(128, 6);
      m.dte = b.flag(142);
      m.raim = b.flag(147);
      break;
    case 18:
    case 19:
      m.sog = b.number(46, 10) / 10.0;
      m.accurate = b.flag(56);
      detail::read_place(b, 57, 85, m);
      m.cog = b.number(112, 12) / 10.0;
      m.heading = b.number(124, 9);
      m.second = b.number(133, 6);
      if (m.type == 18) {
        m.raim = b.flag(147);
        break;
      }
      m.name = b.text(143, 20);
      m.ship_type = b.number(263, 8);
      detail::read_hull(b, 271, m);
      m.epfd = b.number(301, 4);
      m.raim = b.flag(305);
      break;
    case 21:
      m.aid_type = b.number(38, 5);
      m.name = b.text(43, 20);
      if (b.size() > 272) m.name += b.text(272, (b.size() - 272) / 6);
      m.accurate = b.flag(163);
      detail::read_place(b, 164, 192, m);
      detail::read_hull(b, 219, m);
      m.epfd = b.number(249, 4);
      m.second = b.number(253, 6);
      m.off_position = b.flag(259);
      m.raim = b.flag(268);
      m.is_virtual = b.flag(269);
      break;
    case 24:
      m.part = b.number(38, 2);
      if (m.part == 0) m.name = b.text(40, 20);
      if (m.part == 1) {
        if (b.size() < 162) return std::nullopt;
        m.ship_type = b.number(40, 8);
        m.vendor = b.text(48, 7);
        m.callsign = b.text(90, 7);
        // A boat that belongs to a ship tells the ship instead of its hull.
        if (m.mmsi / 10000000 != 98) detail::read_hull(b, 132, m);
      }
      break;
    case 27:
      m.accurate = b.flag(38);
      m.raim = b.flag(39);
      m.status = b.number(40, 4);
      m.lon = b.signed_number(44, 18) / 600.0;
      m.lat = b.signed_number(62, 17) / 600.0;
      m.sog = b.number(79, 6);
      m.cog = b.number(85, 9);
      break;
    default:
      break;
  }
  return m;
}

/// Puts a log's lines together to messages.
class Reader {
 public:
  struct Counts {
    std::int64_t lines = 0;       ///< that were not empty
    std::int64_t other = 0;       ///< that are no AIS sentence
    std::int64_t checksum = 0;    ///< whose checksum is wrong or absent
    std::int64_t broken = 0;      ///< whose fields or payload make no sense
    std::int64_t incomplete = 0;  ///< messages of several parts whose other parts never came
    std::int64_t messages = 0;
  };

  /// A message, where the line completes one.
  std::optional<Message> line(std::string_view text) {
    ++counts_.lines;
    Sentence s;
    if (!take_tag_block(text, s)) return std::nullopt;
    if (text.size() < 7 || text[0] != '!' || (text.substr(3, 3) != "VDM" && text.substr(3, 3) != "VDO")) {
      ++counts_.other;
      return std::nullopt;
    }
    const auto star = text.find('*');
    if (star == std::string_view::npos || !checksum_holds(text.substr(1, star - 1), text.substr(star + 1))) {
      ++counts_.checksum;
      return std::nullopt;
    }
    if (std::isnan(s.time)) s.time = receivers_time(text.substr(star + 1));
    if (!take_fields(text.substr(0, star), s)) {
      ++counts_.broken;
      return std::nullopt;
    }
    if (s.total == 1) return message({s});
    return part(std::move(s));
  }

  /// To call when there are no more lines.
  void finish() {
    counts_.incomplete += static_cast<std::int64_t>(waiting_.size());
    waiting_.clear();
  }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  /// Messages that wait for parts at most, and lines for which they wait.
  static constexpr std::size_t most_waiting = 256;
  static constexpr std::int64_t patience = 4096;

  struct Sentence {
    double time = none;
    std::string group;  ///< the tag block's, so that parts of different receivers stay apart
    int total = 0, number = 0, sequence = -1, fill = 0;
    char channel = ' ';
    std::string payload;
  };
  using Key = std::tuple<std::string, int, int, char>;
  struct Waiting {
    std::vector<Sentence> parts;
    std::size_t there = 0;
    std::int64_t since = 0;
  };

  static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  }
  static bool checksum_holds(std::string_view body, std::string_view digits) {
    if (digits.size() < 2 || hex(digits[0]) < 0 || hex(digits[1]) < 0) return false;
    int sum = 0;
    for (const char c : body) sum ^= static_cast<unsigned char>(c);
    return sum == hex(digits[0]) * 16 + hex(digits[1]);
  }
  /// Digits alone, at most `most` of them; -1 for anything else.
  static std::int64_t whole(std::string_view text, std::size_t most) {
    if (text.empty() || text.size() > most) return -1;
    std::int64_t v = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') return -1;
      v = v * 10 + (c - '0');
    }
    return v;
  }
  static double seconds_of(std::string_view digits) {
    const std::int64_t v = whole(digits, 16);
    if (v <= 0) return none;
    // Some receivers write milliseconds.
    return v > 100000000000 ? static_cast<double>(v) / 1000 : static_cast<double>(v);
  }
  template <class Use>
  static void split(std::string_view text, char at, Use&& use) {
    while (true) {
      const auto end = text.find(at);
      use(text.substr(0, end));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
    }
  }

  /// Cuts \...*hh\ off the front. A tag block whose checksum is wrong spoils the line.
  bool take_tag_block(std::string_view& text, Sentence& s) {
    if (text.empty() || text[0] != '\\') return true;
    const auto end = text.find('\\', 1);
    if (end == std::string_view::npos) {
      ++counts_.broken;
      return false;
    }
    const std::string_view block = text.substr(1, end - 1);
    const auto star = block.rfind('*');
    if (star == std::string_view::npos || !checksum_holds(block.substr(0, star), block.substr(star + 1))) {
      ++counts_.checksum;
      return false;
    }
    split(block.substr(0, star), ',', [&](std::string_view field) {
      if (field.size() < 3 || field[1] != ':') return;
      if (field[0] == 'c') s.time = seconds_of(field.substr(2));
      if (field[0] == 'g') {
        const auto dash = field.rfind('-');
        if (dash != std::string_view::npos) s.group = field.substr(dash + 1);
      }
    });
    text.remove_prefix(end + 1);
    return true;
  }

  /// The time that coast guards' receivers write behind the station's name: *hh,d-109,...,r003669946,1325394060
  static double receivers_time(std::string_view tail) {
    double time = none;
    bool after_station = false;
    split(tail, ',', [&](std::string_view field) {
      if (after_station && std::isnan(time) && field.size() >= 9) time = seconds_of(field);
      after_station = field.size() > 1 && field[0] == 'r';
    });
    return time;
  }

  static bool take_fields(std::string_view text, Sentence& s) {
    std::array<std::string_view, 7> fields;
    std::size_t count = 0;
    bool too_many = false;
    split(text, ',',
          [&](std::string_view field) { count < 7 ? void(fields[count++] = field) : void(too_many = true); });
    if (count != 7 || too_many) return false;
    s.total = static_cast<int>(whole(fields[1], 1));
    s.number = static_cast<int>(whole(fields[2], 1));
    s.sequence = fields[3].empty() ? -1 : static_cast<int>(whole(fields[3], 1));
    s.channel = fields[4].empty() ? ' ' : fields[4][0];
    s.fill = static_cast<int>(whole(fields[6], 1));
    s.payload = fields[5];
    if (s.total < 1 || s.total > 9 || s.number < 1 || s.number > s.total || s.fill < 0 || s.fill > 5) return false;
    return !s.payload.empty() && (s.total == 1 || s.sequence >= 0);
  }

  std::optional<Message> part(Sentence s) {
    const Key key{s.group, s.sequence, s.total, s.group.empty() ? s.channel : ' '};
    Waiting& w = waiting_[key];
    const auto place = static_cast<std::size_t>(s.number - 1);
    // The same part again, or one that comes too late, belongs to another message.
    if (w.there > 0 && (w.parts[place].total != 0 || counts_.lines - w.since > patience)) {
      ++counts_.incomplete;
      w = {};
    }
    if (w.there == 0) w.parts.resize(static_cast<std::size_t>(s.total)), w.since = counts_.lines;
    w.parts[place] = std::move(s);
    if (++w.there == w.parts.size()) {
      const auto parts = std::move(w.parts);
      waiting_.erase(key);
      return message(parts);
    }
    if (waiting_.size() > most_waiting) {
      auto oldest = waiting_.begin();
      for (auto it = waiting_.begin(); it != waiting_.end(); ++it)
        if (it->second.since < oldest->second.since) oldest = it;
      waiting_.erase(oldest);
      ++counts_.incomplete;
    }
    return std::nullopt;
  }

  std::optional<Message> message(const std::vector<Sentence>& parts) {
    Bits bits;
    double time = none;
    for (const Sentence& s : parts) {
      if (std::isnan(time)) time = s.time;
      if (!bits.add(s.payload, s.fill)) {
        ++counts_.broken;
        return std::nullopt;
      }
    }
    auto m = decode(bits);
    if (!m) {
      ++counts_.broken;
      return std::nullopt;
    }
    m->time = time;
    ++counts_.messages;
    return m;
  }

  Counts counts_;
  std::map<Key, Waiting> waiting_;
};

}  // namespace fulmar::ais
