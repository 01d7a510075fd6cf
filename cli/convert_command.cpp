// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/command.hpp"

namespace fulmar::cli {

void add_convert(CLI::App& app, const Folded& folded) {
  CLI::App* command = app.add_subcommand("convert", "Print a pipeline in its other form, without running it");
  take_pipeline(*command);
  const auto form = std::make_shared<std::string>("json");
  command->add_option("--to", *form, "The form: text or json")
      ->type_name("FORM")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->callback([command, form, &folded] {
    const Pipeline pipeline = read_pipeline(*command, folded).pipeline;
    fmt::print("{}", *form == "json" ? to_json(pipeline) : to_text(pipeline) + "\n");
  });
}

}  // namespace fulmar::cli
