// SPDX-License-Identifier: Apache-2.0
#include "io/name_pattern.hpp"

#include <cpl_vsi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

#include "core/calendar.hpp"
#include "core/error.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Whether a name fits a pattern of * and ?.
bool fits(std::string_view pattern, std::string_view name, bool question) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, back = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      back = n;
    } else if (p < pattern.size() && (pattern[p] == name[n] || (question && pattern[p] == '?'))) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++back;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool exists(const std::string& path) {
  VSIStatBufL about;
  return VSIStatExL(path.c_str(), &about, VSI_STAT_EXISTS_FLAG) == 0;
}

/// Adds what `rest` stands for below `folder` (empty, or ending in a slash).
void search(const std::string& folder, std::string_view rest, bool question, std::vector<std::string>& found) {
  const auto is_pattern = [&](std::string_view text) {
    return text.find_first_of(question ? "*?" : "*") != std::string_view::npos;
  };
  const auto slash = std::min(rest.find('/'), rest.size());
  const std::string_view part = rest.substr(0, slash), after = slash < rest.size() ? rest.substr(slash + 1) : "";
  const bool last = slash == rest.size();
  if (!is_pattern(part)) {
    const std::string path = folder + std::string{part};
    if (!last)
      search(path + "/", after, question, found);
    else if (exists(path))
      found.push_back(path);
    return;
  }
  const CPLStringList entries{VSIReadDir(folder.empty() ? "." : folder.c_str())};
  for (int i = 0; i < entries.size(); ++i) {
    const std::string entry = entries[i];
    // As in a shell: what begins with a dot is not meant unless the pattern does too.
    if (entry.front() == '.' && part.front() != '.') continue;
    if (!fits(part, entry, question)) continue;
    if (last)
      found.push_back(folder + entry);
    else
      search(folder + entry + "/", after, question, found);
  }
}

std::optional<std::int64_t> number(std::string_view digits) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return n;
}

std::optional<std::int64_t> day_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  if (year < 1900 || year > 2199 || month < 1 || month > 12 || day < 1) return std::nullopt;
  const auto m = static_cast<std::int32_t>(month);
  if (day > days_in_month(year, m)) return std::nullopt;
  return days_from_civil({year, m, static_cast<std::int32_t>(day)});
}

std::optional<double> seconds_of(std::int64_t hour, std::int64_t minute, double second) {
  if (hour > 24 || minute > 59 || !(second < 61)) return std::nullopt;
  return static_cast<double>(hour * 3600 + minute * 60) + second;
}

}  // namespace

std::vector<std::string> expand_name(const std::string& name) {
  const bool question = !is_virtual(name);
  // Quotes and a second colon belong to names such as NETCDF:"file.nc":sst, which GDAL takes whole.
  const bool plain = name.find_first_of(question ? "*?" : "*") == std::string::npos ||
                     name.find('"') != std::string::npos || name.find("://") != std::string::npos;
  if (plain || exists(name)) return {name};
  std::vector<std::string> found;
  const ErrorTrap quiet;
  if (name.front() == '/')
    search("/", std::string_view{name}.substr(1), question, found);
  else
    search("", name, question, found);
  if (found.empty()) fail(Errc::input, fmt::format("no file is called as in '{}'", name));
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<double> date_in_name(std::string_view name) {
  if (const auto slash = name.find_last_of('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (!is_digit(name[i]) || (i > 0 && is_digit(name[i - 1]))) continue;
    std::size_t length = 0;
    while (i + length < name.size() && is_digit(name[i + length])) ++length;
    std::optional<std::int64_t> day;
    std::size_t end = i + length;
    if (length == 8) {
      day = day_of(*number(name.substr(i, 4)), *number(name.substr(i + 4, 2)), *number(name.substr(i + 6, 2)));
    } else if (length == 7) {
      const auto year = *number(name.substr(i, 4)), of_year = *number(name.substr(i + 4, 3));
      if (const auto first = day_of(year, 1, 1); first && of_year >= 1 && of_year <= (is_leap_year(year) ? 366 : 365))
        day = *first + of_year - 1;
    } else if (length == 14) {
      day = day_of(*number(name.substr(i, 4)), *number(name.substr(i + 4, 2)), *number(name.substr(i + 6, 2)));
      const auto within = seconds_of(*number(name.substr(i + 8, 2)), *number(name.substr(i + 10, 2)),
                                     static_cast<double>(*number(name.substr(i + 12, 2))));
      if (day && within) return static_cast<double>(*day) * 86400 + *within;
      day.reset();
    } else if (length == 4 && name.size() >= i + 10 && (name[i + 4] == '-' || name[i + 4] == '_') &&
               name[i + 7] == name[i + 4] && (name.size() == i + 10 || !is_digit(name[i + 10]))) {
      const auto month = number(name.substr(i + 5, 2)), of_month = number(name.substr(i + 8, 2));
      if (month && of_month) day = day_of(*number(name.substr(i, 4)), *month, *of_month);
      end = i + 10;
    }
    if (!day) continue;
    double seconds = static_cast<double>(*day) * 86400;
    if (end + 7 <= name.size() && (name[end] == 'T' || name[end] == 't')) {
      const auto clock = name.substr(end + 1, 6);
      if (std::all_of(clock.begin(), clock.end(), is_digit) && (end + 7 == name.size() || !is_digit(name[end + 7])))
        if (const auto within = seconds_of(*number(clock.substr(0, 2)), *number(clock.substr(2, 2)),
                                           static_cast<double>(*number(clock.substr(4, 2)))))
          seconds += *within;
    }
    return seconds;
  }
  return std::nullopt;
}

std::optional<double> moment_in_text(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '"')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '"')) text.remove_suffix(1);
  if (text.size() < 10 || (text[4] != '-' && text[4] != ':' && text[4] != '/') || text[7] != text[4])
    return std::nullopt;
  const auto year = number(text.substr(0, 4)), month = number(text.substr(5, 2)), of_month = number(text.substr(8, 2));
  if (!year || !month || !of_month) return std::nullopt;
  const auto day = day_of(*year, *month, *of_month);
  if (!day) return std::nullopt;
  double seconds = static_cast<double>(*day) * 86400;
  text.remove_prefix(10);
  if (text.empty()) return seconds;
  if ((text.front() != ' ' && text.front() != 'T') || text.size() < 6 || text[3] != ':') return std::nullopt;
  const auto hour = number(text.substr(1, 2)), minute = number(text.substr(4, 2));
  if (!hour || !minute) return std::nullopt;
  text.remove_prefix(6);
  double second = 0;
  if (!text.empty() && text.front() == ':') {
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + 1, end, second, std::chars_format::fixed);
    if (read.ec != std::errc{} || second < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  }
  const auto within = seconds_of(*hour, *minute, second);
  if (!within) return std::nullopt;
  seconds += *within;
  if (text == "Z" || text == "z" || text.empty()) return seconds;
  if ((text.front() == '+' || text.front() == '-') && text.size() >= 3) {
    const auto hours = number(text.substr(1, 2));
    const auto minutes = text.size() == 3 ? 0 : number(text.substr(text.size() - 2));
    if (!hours || !minutes) return std::nullopt;
    const auto ahead = static_cast<double>(*hours * 3600 + *minutes * 60);
    return seconds - (text.front() == '+' ? ahead : -ahead);
  }
  return std::nullopt;
}

}  // namespace fulmar
