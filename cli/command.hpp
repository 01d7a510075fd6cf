// SPDX-License-Identifier: Apache-2.0
/// @file
/// The commands of `fulmar`. Each adds itself to the command line and does its work when it is named there. Errors are
/// fulmar::Error; results go to standard output, everything else to standard error.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "cli/pipeline_argument.hpp"
#include "op/operator.hpp"

namespace fulmar::cli {

void add_run(CLI::App& app, const Folded& folded);
void add_explain(CLI::App& app, const Folded& folded);  ///< also known as plan
void add_convert(CLI::App& app, const Folded& folded);
void add_list(CLI::App& app);
void add_recipes(CLI::App& app);
void add_inspect(CLI::App& app);
void add_schema(CLI::App& app);
void add_devices(CLI::App& app);
void add_plugin(CLI::App& app);
void add_help(CLI::App& app);

/// What `inspect` and `recipes NAME` print.
void inspect_operator(const Registry& registry, const std::string& name, bool json);
void show_recipe(const std::string& name);

}  // namespace fulmar::cli
