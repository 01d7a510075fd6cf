// SPDX-License-Identifier: Apache-2.0
/// Dates and times: a first line of CF units and calendar, then values; and every other reader of times.
#include <cmath>
#include <sstream>
#include <vector>

#include "core/iso_time.hpp"
#include "core/unit.hpp"
#include "fuzz/fuzz.hpp"
#include "io/cf_time.hpp"
#include "io/name_pattern.hpp"
#include "plan/time_range.hpp"

using namespace fulmar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  if (const auto time = parse_iso_time(text)) fuzz::require(std::isfinite(*time), "an ISO time is finite");
  if (const auto range = parse_time_range(text)) fuzz::require(!std::isnan(range->first + 0), "a range has a start");
  if (const auto time = moment_in_text(text)) fuzz::require(std::isfinite(*time), "a moment is finite");
  if (const auto time = date_in_name(text)) fuzz::require(std::isfinite(*time), "a date is finite");
  fuzz::accepted([&] { parse_unit(std::string{text}); });

  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  const auto bar = std::min(line.find('|'), line.size());
  const auto units = line.substr(0, bar), calendar = bar < line.size() ? line.substr(bar + 1) : std::string_view{};
  std::vector<double> values{0, 1, 2.5};
  std::istringstream rest{std::string{end < text.size() ? text.substr(end + 1) : std::string_view{}}};
  for (std::string word; rest >> word && values.size() < 64;) values.push_back(std::strtod(word.c_str(), nullptr));
  counts_since(units);
  fuzz::accepted([&] {
    const CfTime time{units, calendar};
    for (const double value : values)
      fuzz::accepted([&] {
        if (const auto instant = time.instant(value)) text_of_instant(*instant);
        if (time.calendar() != Calendar::none && !std::isnan(value)) static_cast<void>(time.date(value));
      });
    instants(time, values);
  });
  return 0;
}
