// SPDX-License-Identifier: Apache-2.0
#include "cli/plugins.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "plugins/builtin.hpp"

namespace fulmar::cli {

std::string installed_folder(const std::string& from_program) {
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", unknown);
  if (unknown) return {};
  return (program.parent_path() / from_program).lexically_normal().string();
}

std::vector<std::string> folders_of_plugins() {
  const char* list = std::getenv("FULMAR_PLUGIN_PATH");
  std::vector<std::string> folders = plugin_folders(list != nullptr ? list : "");
  if (std::string own = installed_folder(FULMAR_PLUGINS_FROM_PROGRAM); !own.empty()) folders.push_back(std::move(own));
  return folders;
}

void PluginOptions::add_to(CLI::App& command) {
  command.add_option("--plugin", files, "A plugin whose operators are wanted too")
      ->type_name("FILE")
      ->allow_extra_args(false);
}

FoundPlugins PluginOptions::add_all(Registry& registry, NoSidecar without) const {
  FoundPlugins found = add_plugins(registry, {files, folders_of_plugins()}, without);
  for (const std::string& warning : found.warnings) fmt::print(stderr, "fulmar: warning: {}\n", warning);
  return found;
}

Registry PluginOptions::registry(NoSidecar without) const {
  Registry registry = builtin_registry();
  static_cast<void>(add_all(registry, without));
  return registry;
}

}  // namespace fulmar::cli
