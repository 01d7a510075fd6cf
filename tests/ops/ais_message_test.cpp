// SPDX-License-Identifier: Apache-2.0
/// @file
/// AIS messages: fields against libais (tests/data/ais, its own decoded JSON), and hostile lines.
#include "sea/ais_message.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/iso_time.hpp"

namespace fulmar::ais {
namespace {

using nlohmann::json;

std::vector<std::string> lines_of(const std::string& name) {
  std::ifstream file{std::string{FULMAR_AIS_DATA} + "/" + name};
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) lines.push_back(line);
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

std::vector<Message> messages_of(const std::vector<std::string>& lines, Reader::Counts* counts = nullptr) {
  Reader reader;
  std::vector<Message> messages;
  for (const auto& line : lines)
    if (auto m = reader.line(line)) messages.push_back(*m);
  reader.finish();
  if (counts != nullptr) *counts = reader.counts();
  return messages;
}

/// Every field that libais tells and we decode. It stores floats, hence the tolerance of one part in ten million.
void expect_same(const Message& m, const json& j) {
  SCOPED_TRACE(j.dump());
  EXPECT_EQ(m.type, j.at("type").get<int>());
  EXPECT_EQ(m.repeat, j.at("repeat").get<int>());
  EXPECT_EQ(m.mmsi, j.at("mmsi").get<std::uint32_t>());
  const bool known = (m.type >= 1 && m.type <= 5) || m.type == 9 || m.type == 11 || m.type == 18 || m.type == 19 ||
                     m.type == 21 || m.type == 24 || m.type == 27;
  if (!known) return;
  int compared = 0;
  const auto number = [&](const char* key, double ours, double scale = 1) {
    if (!j.contains(key)) return;
    ++compared;
    if (j[key].is_null()) {
      EXPECT_TRUE(std::isnan(ours)) << key;
      return;
    }
    const double theirs = j[key].is_boolean() ? (j[key].get<bool>() ? 1 : 0) : j[key].get<double>();
    EXPECT_NEAR(ours, theirs * scale, 1e-7 * std::max(1.0, std::abs(theirs * scale))) << key;
  };
  const auto text = [&](const char* key, const std::string& ours) {
    if (!j.contains(key)) return;
    ++compared;
    auto theirs = j[key].get<std::string>();
    // libais has a backquote and a hyphen where ITU-R M.1371-5, table 47, has an apostrophe (39) and a low line (31).
    ASSERT_EQ(ours.size(), theirs.size()) << key;
    for (std::size_t i = 0; i < theirs.size(); ++i)
      theirs[i] = theirs[i] == '`' ? '\'' : theirs[i] == '-' && ours[i] == '_' ? '_' : theirs[i];
    EXPECT_EQ(ours, theirs) << key;
  };
  number("lon", m.lon), number("lat", m.lat), number("course", m.cog), number("heading", m.heading);
  // The speed of an aircraft is in whole knots (M.1371-5, table 54); libais divides it by ten.
  number("speed", m.sog, m.type == 9 ? 10 : 1);
  number("turn", m.turn), number("status", m.status), number("maneuver", m.maneuver), number("second", m.second);
  number("accuracy", m.accurate), number("raim", m.raim), number("alt", m.altitude);
  number("shiptype", m.ship_type), number("draught", m.draught), number("epfd", m.epfd);
  number("to_bow", m.bow), number("to_stern", m.stern), number("to_port", m.port), number("to_starboard", m.starboard);
  number("ais_version", m.version), number("dte", m.dte), number("part_num", m.part);
  number("aid_type", m.aid_type), number("off_position", m.off_position), number("virtual_aid", m.is_virtual);
  text("shipname", m.name), text("callsign", m.callsign), text("destination", m.destination);
  if (m.type == 21) text("name", m.name);
  if (j.contains("imo")) {
    EXPECT_EQ(std::to_string(static_cast<long long>(m.imo)), j["imo"].get<std::string>());
  }
  if (m.type == 4 || m.type == 11) {
    char when[64];
    std::snprintf(when, sizeof when, "%04d-%02d-%02dT%02d:%02d:%02dZ", int(m.year), int(m.month), int(m.day),
                  int(m.hour), int(m.minute), int(m.utc_second));
    EXPECT_EQ(when, j.at("timestamp").get<std::string>());
  }
  EXPECT_GE(compared, m.type == 24 ? 2 : 5);
}

TEST(AisMessage, FieldsAreThoseOfLibais) {
  Reader::Counts counts;
  const auto messages = messages_of(lines_of("libais_typeexamples.nmea"), &counts);
  const auto expected = lines_of("libais_typeexamples.json");
  ASSERT_EQ(messages.size(), expected.size());
  EXPECT_EQ(counts.checksum + counts.broken + counts.other + counts.incomplete, 0);
  for (std::size_t i = 0; i < messages.size(); ++i) expect_same(messages[i], json::parse(expected[i]));
  // The receiver's own time, behind the station's name: r003669946,1325394060
  EXPECT_EQ(messages[0].time, 1325394060);
  EXPECT_EQ(messages.back().time, 1325984926);
}

TEST(AisMessage, TagBlocksAndParts) {
  Reader::Counts counts;
  const auto messages = messages_of(lines_of("libais_tagblock.nmea"), &counts);
  const auto expected = lines_of("libais_tagblock.json");
  ASSERT_EQ(messages.size(), expected.size());
  EXPECT_EQ(counts.lines, 5);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto j = json::parse(expected[i]);
    expect_same(messages[i], j);
    EXPECT_EQ(messages[i].time, parse_iso_time(j.at("tagblock_timestamp").get<std::string>()).value_or(0));
  }
  EXPECT_EQ(messages[1].name, "ROSINANTE");
}

std::string sentence(const std::string& body) {
  int sum = 0;
  for (const char c : body) sum ^= static_cast<unsigned char>(c);
  char digits[8];
  std::snprintf(digits, sizeof digits, "*%02X", sum);
  return "!" + body + digits;
}

TEST(AisMessage, PartsMeetInAnyOrderAndOnlyTheirOwn) {
  const std::string one = "53@o0E000001Q0CG37U8u<Tp4q@D00000000000000018330400000000000000", two = "00000000008";
  const auto first = sentence("AIVDM,2,1,6,A," + one + ",0"), second = sentence("AIVDM,2,2,6,A," + two + ",2"),
             other = sentence("AIVDM,2,2,6,B," + two + ",2"), third = sentence("AIVDM,2,2,7,A," + two + ",2");
  Reader::Counts counts;
  EXPECT_EQ(messages_of({first, second}).size(), 1u);
  EXPECT_EQ(messages_of({second, first}).size(), 1u);
  EXPECT_EQ(messages_of({first, other, third}, &counts).size(), 0u);
  EXPECT_EQ(counts.incomplete, 3);
  EXPECT_EQ(messages_of({first, first, second}, &counts).size(), 1u);
  EXPECT_EQ(counts.incomplete, 1);
  EXPECT_EQ(messages_of({second, second, second}).size(), 0u);
}

TEST(AisMessage, WhatIsBrokenIsCounted) {
  Reader::Counts counts;
  const auto none_of = [&](const std::string& line) {
    EXPECT_TRUE(messages_of({line}, &counts).empty()) << line;
    return counts;
  };
  EXPECT_EQ(none_of("!AIVDM,1,1,,B,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0*31").checksum, 1);
  EXPECT_EQ(none_of("!AIVDM,1,1,,B,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0").checksum, 1);
  EXPECT_EQ(none_of("$GPGGA,1,2,3*00").other, 1);
  EXPECT_EQ(none_of("").other, 1);
  EXPECT_EQ(none_of("\\c:1418169601*00\\!AIVDM,1,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0*30").checksum, 1);
  EXPECT_EQ(none_of("\\c:1418169601").broken, 1);
  for (const char* body : {"AIVDM,1,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ,0", "AIVDM,1,1,,A,1,0", "AIVDM,1,1,,A,,0",
                           "AIVDM,0,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0", "AIVDM,1,2,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0",
                           "AIVDM,1,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,6", "AIVDM,1,1,,A,15N1u<PP1FJu~SRHOE6QIwwh0HQ6,0",
                           "AIVDM,1,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6", "AIVDM,1,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0,0",
                           "AIVDM,2,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0", "AIVDM,x,1,,A,15N1u<PP1FJuvSRHOE6QIwwh0HQ6,0",
                           "AIVDM,1,1,,A,01,5"})
    EXPECT_EQ(none_of(sentence(body)).broken, 1) << body;
}

/// Any bytes at all: nothing may be read beyond an end (the sanitizers watch), nothing may grow without bound.
TEST(AisMessage, HostileBytes) {
  const auto real = lines_of("libais_typeexamples.nmea");
  const auto tagged = lines_of("libais_tagblock.nmea");
  std::mt19937 rng(20260101);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(rng() % n); };
  Reader reader;
  std::size_t messages = 0;
  for (int i = 0; i < 60000; ++i) {
    std::string line = pick(2) == 0 ? real[pick(real.size())] : tagged[pick(tagged.size())];
    switch (pick(6)) {
      case 0:  // cut short
        line.resize(pick(line.size() + 1));
        break;
      case 1:  // a byte is another
        for (std::size_t k = pick(4) + 1; k > 0; --k) line[pick(line.size())] = static_cast<char>(rng() & 0xff);
        break;
      case 2:  // noise
        line.assign(pick(300), ' ');
        for (char& c : line) c = static_cast<char>(rng() & 0xff);
        break;
      case 3: {  // a valid frame around any payload of any length
        std::string payload(pick(200), '0');
        for (char& c : payload) c = "0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVW`abcdefghijklmnopqrstuvw"[rng() & 63];
        line = sentence("AIVDM,1,1,,A," + payload + "," + std::to_string(pick(6)));
        break;
      }
      case 4: {  // parts that never end
        const auto total = pick(9) + 1;
        line = sentence("AIVDM," + std::to_string(total) + "," + std::to_string(pick(9) + 1) + "," +
                        std::to_string(pick(10)) + ",A,5" + std::string(pick(80), '0') + ",0");
        if (pick(2) == 0) {
          const std::string tag = "g:1-2-" + std::to_string(rng());
          int sum = 0;
          for (const char c : tag) sum ^= static_cast<unsigned char>(c);
          char digits[8];
          std::snprintf(digits, sizeof digits, "*%02X\\", sum);
          line = "\\" + tag + digits + line;
        }
        break;
      }
      default:
        break;
    }
    if (const auto m = reader.line(line)) {
      ++messages;
      EXPECT_GE(m->type, 1);
      EXPECT_LE(m->type, 27);
      EXPECT_LE(m->name.size(), 200u);
    }
  }
  reader.finish();
  const auto& c = reader.counts();
  EXPECT_GT(messages, 5000u);
  EXPECT_EQ(c.lines, 60000);
  EXPECT_GT(c.incomplete, 0);
  EXPECT_EQ(static_cast<std::int64_t>(messages), c.messages);
}

}  // namespace
}  // namespace fulmar::ais
