// SPDX-License-Identifier: Apache-2.0
/// @file
/// Names with wildcards, and the dates that names carry.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar {

/// The files that a name with * (any characters) or ? (any one; not in /vsi names, where it may ask a server) stands
/// for, in any part of the path, sorted; a name without, or that is itself a file's, stands for itself. Errors:
/// Errc::input where no file fits.
std::vector<std::string> expand_name(const std::string& name);

/// The date in a file's name, in seconds since 1970 (UTC): YYYYMMDD, YYYY-MM-DD, YYYY_MM_DD or YYYYDDD (day of the
/// year) among no other digits, followed by Thhmmss or nothing. The first that is a date from 1900 to 2199 counts.
std::optional<double> date_in_name(std::string_view name);

/// A moment as metadata write it: YYYY-MM-DD (or with : or / between), then a blank or T and hh:mm, hh:mm:ss or
/// hh:mm:ss.fff, then Z or +hh:mm or nothing (UTC).
std::optional<double> moment_in_text(std::string_view text);

}  // namespace fulmar
