// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/signals.hpp"
#include "cli/version.hpp"
#include "core/error.hpp"
#include "op/operator.hpp"

namespace {

using fulmar::Errc;

int complain(Errc code, const std::string& what) {
  fmt::print(stderr, "fulmar: error: {}\n", what);
  return static_cast<int>(code);
}

/// Knows a misspelt command before the command line's own, shorter answer.
void check_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.empty()) fulmar::fail(Errc::usage, "no command is given; fulmar --help names them");
  if (arguments.front().starts_with('-')) return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    names.push_back(command->get_name());
    for (const std::string& alias : command->get_aliases()) names.push_back(alias);
  }
  const std::string& word = arguments.front();
  if (std::find(names.begin(), names.end(), word) != names.end()) return;
  const std::string near = fulmar::nearest(word, names);
  fulmar::fail(Errc::usage, fmt::format("there is no command '{}'; {}", word.substr(0, 60),
                                        !near.empty()                         ? "did you mean 'fulmar " + near + "'?"
                                        : word.find('!') != std::string::npos ? "a pipeline is run with fulmar run"
                                                                              : "fulmar --help names them"));
}

void parse_and_do(const std::vector<std::string>& arguments, CLI::App& app) {
  const fulmar::cli::Folded folded = fulmar::cli::fold(arguments);
  app.set_version_flag("--version", fulmar::cli::versions, "Print versions and exit");
  app.require_subcommand(1);
  fulmar::cli::add_run(app, folded);
  fulmar::cli::add_explain(app, folded);
  fulmar::cli::add_list(app);
  fulmar::cli::add_recipes(app);
  fulmar::cli::add_inspect(app);
  fulmar::cli::add_schema(app);
  fulmar::cli::add_devices(app);
  fulmar::cli::add_plugin(app);
  fulmar::cli::add_convert(app, folded);
  fulmar::cli::add_help(app);
  app.footer("fulmar help files and fulmar help products tell what may stand behind the names in a pipeline.");
  check_command(app, arguments);
  app.parse(std::vector<std::string>{folded.arguments.rbegin(), folded.arguments.rend()});
}

int do_all(const std::vector<std::string>& arguments) {
  CLI::App app{"Fulmar finds and measures things in rasters of space, air, ground and sea", "fulmar"};
  try {
    parse_and_do(arguments, app);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // help and version
    return complain(Errc::usage, std::string{e.what()} + "\n  fulmar --help tells more");
  } catch (const fulmar::Error& e) {
    const int code = complain(e.code(), e.what());
    return e.code() == Errc::cancelled ? fulmar::cli::exit_code_of_signal() : code;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // GDAL allocates and frees a block of some hundred KiB for every block it decodes. Left to itself the C library maps
  // and unmaps each, and the system spends a tenth of the run clearing pages; kept, they are reused.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  // One heap for all threads: blocks that one decodes and another frees would pile up in heaps of their own, twice what
  // the plan counts with 16 threads.
  mallopt(M_ARENA_MAX, 1);
  try {
    const int code = do_all({argv + 1, argv + argc});
    if (code == 0 && (!std::cout.flush() || std::fflush(stdout) != 0))
      return complain(Errc::output, "cannot write to standard output");
    return code;
  } catch (const std::bad_alloc&) {
    std::fputs("fulmar: error: out of memory: give --memory a smaller size, or --threads fewer\n", stderr);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fulmar: error: %s\n", e.what());
  } catch (...) {
    std::fputs("fulmar: error: something failed that does not say what it is\n", stderr);
  }
  return static_cast<int>(Errc::runtime);
}
