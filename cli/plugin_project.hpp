// SPDX-License-Identifier: Apache-2.0
/// @file
/// The project that `fulmar plugin new` writes.
#pragma once

#include <map>
#include <string>

namespace fulmar::cli {

/// Names and contents of the project's files. Errors: Errc::usage for a name that cannot be a plugin's.
std::map<std::string, std::string> plugin_project(const std::string& name);
/// Writes them into a new folder of that name inside `where`. Errors: Errc::output where it is there already.
void write_plugin_project(const std::string& name, const std::string& where);

}  // namespace fulmar::cli
