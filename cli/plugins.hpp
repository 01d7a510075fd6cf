// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which plugins the commands know: those that --plugin names, those in the folders of FULMAR_PLUGIN_PATH, and those
/// that are installed beside the program.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "op/plugin_library.hpp"

namespace fulmar::cli {

struct PluginOptions {
  std::vector<std::string> files;

  void add_to(CLI::App& command);
  /// The operators of the program and of all plugins. What is wrong with one in a folder is told on standard error.
  /// Errors: those of plugin_folders() and add_plugins().
  [[nodiscard]] Registry registry(NoSidecar without = NoSidecar::load) const;
  [[nodiscard]] FoundPlugins add_all(Registry& registry, NoSidecar without) const;
};

/// Where plugins are sought: the folders of FULMAR_PLUGIN_PATH, then that of the installation.
std::vector<std::string> folders_of_plugins();
/// A folder at the same place from the program as where it was installed; empty where that cannot be told.
std::string installed_folder(const std::string& from_program);

}  // namespace fulmar::cli
