// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.hpp"
#include "cli/plugin_project.hpp"
#include "cli/plugins.hpp"
#include "core/error.hpp"
#include "fulmar_sidecar.h"
#include "plugins/builtin.hpp"

namespace fulmar::cli {
namespace {

using nlohmann::ordered_json;

// ---- list ----

void list_plugins(const PluginOptions& options, bool json) {
  Registry registry = builtin_registry();
  const FoundPlugins found = options.add_all(registry, NoSidecar::refuse);
  if (json) {
    auto all = ordered_json::array();
    for (const FoundPlugin& p : found.plugins)
      all.push_back({{"name", p.facts.name},
                     {"version", p.facts.version},
                     {"license", p.facts.license},
                     {"origin", p.facts.origin},
                     {"abi", fmt::format("{}.{}", p.facts.abi_major, p.facts.abi_minor)},
                     {"cuda", p.facts.cuda_archs},
                     {"library", p.facts.file},
                     {"operators", p.operators}});
    fmt::print("{}\n", all.dump(2));
    return;
  }
  for (const FoundPlugin& p : found.plugins)
    fmt::print("{} {}  {}\n  {}\n", p.facts.name, p.facts.version, fmt::join(p.operators, ", "), p.facts.file);
  if (!found.plugins.empty()) return;
  fmt::print("no plugins; looked in:\n");
  for (const std::string& folder : folders_of_plugins()) fmt::print("  {}\n", folder);
}

// ---- describe ----

void describe(const std::string& library) {
  const fulmar_plugin& plugin = load_plugin(library);
  // What would be refused when it runs is refused here: the contract, the tables, the schemas.
  static_cast<void>(operators_of(plugin, facts_of(plugin, library)));
  const std::string sidecar = sidecar_of(library), unfinished = sidecar + ".part";
  std::FILE* out = std::fopen(unfinished.c_str(), "w");
  if (out == nullptr) fail(Errc::output, "cannot write " + sidecar);
  const int wrong = fulmar_write_sidecar(&plugin, out);
  const bool whole = std::fclose(out) == 0 && wrong == 0;
  std::error_code ignored;
  if (whole) std::filesystem::rename(unfinished, sidecar, ignored);
  if (!whole || ignored) {
    std::filesystem::remove(unfinished, ignored);
    fail(Errc::output, "cannot write " + sidecar);
  }
  fmt::print("{}\n", sidecar);
}

// ---- check ----

/// Runs the conformance kit, a program of its own: it brings what tests are made of, and may crash where a plugin does.
void check(const std::string& library) {
  if (!std::filesystem::exists(library)) fail(Errc::input, "there is no plugin " + library);
  std::string kit;
  for (const char* folder : {FULMAR_KIT_FROM_PROGRAM, "../tests"}) {  // where it is installed, and where it is built
    const std::string file = installed_folder(folder) + "/fulmar_conformance";
    if (kit.empty() && access(file.c_str(), X_OK) == 0) kit = file;
  }
  if (kit.empty())
    fail(Errc::runtime, "the conformance kit is not installed (" + installed_folder(FULMAR_KIT_FROM_PROGRAM) +
                            "/fulmar_conformance); build Fulmar with -DFULMAR_TESTS=ON");
  std::string option = "--plugin", file = library;
  std::array<char*, 4> words{kit.data(), option.data(), file.data(), nullptr};
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv(kit.c_str(), words.data());
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
    fail(Errc::runtime, "the conformance kit " + kit + " did not run to its end");
  if (WEXITSTATUS(status) != 0) fail(Errc::runtime, "the plugin " + library + " does not keep the laws");
}

// ---- new ----

void begin_project(const std::string& name) {
  if (builtin_registry().find(name) != nullptr)
    fail(Errc::usage, "there is an operator '" + name + "' already: a plugin needs a name of its own");
  write_plugin_project(name, ".");
  fmt::print(
      "{0}/\n  cmake -S {0} -B {0}/build && cmake --build {0}/build && ctest --test-dir {0}/build\n"
      "  where Fulmar is not installed in a usual place: cmake -DCMAKE_PREFIX_PATH=...\n",
      name);
}

}  // namespace

void add_plugin(CLI::App& app) {
  CLI::App* command = app.add_subcommand("plugin", "Find, describe, check and begin plugins");
  command->require_subcommand(1);

  CLI::App* list = command->add_subcommand("list", "List the plugins that are found, without loading them");
  const auto json = std::make_shared<bool>(false);
  const auto plugins = std::make_shared<PluginOptions>();
  list->add_flag("--json", *json, "Print them as JSON");
  plugins->add_to(*list);
  list->callback([plugins, json] { list_plugins(*plugins, *json); });

  CLI::App* tell = command->add_subcommand("describe", "Load a plugin and write its sidecar beside it");
  const auto library = std::make_shared<std::string>();
  tell->add_option("library", *library, "The plugin, such as mine.so")->type_name("FILE")->required();
  tell->callback([library] { describe(*library); });

  CLI::App* test = command->add_subcommand("check", "Run every law on the operators of a plugin");
  const auto tested = std::make_shared<std::string>();
  test->add_option("library", *tested, "The plugin, such as mine.so")->type_name("FILE")->required();
  test->callback([tested] { check(*tested); });

  CLI::App* start = command->add_subcommand("new", "Write a project for a plugin: it builds and tests itself at once");
  const auto name = std::make_shared<std::string>();
  start->add_option("name", *name, "Of the plugin and its operator, such as wind_speed")->type_name("NAME")->required();
  start->callback([name] { begin_project(*name); });
}

}  // namespace fulmar::cli
