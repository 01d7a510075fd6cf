// SPDX-License-Identifier: Apache-2.0
/// @file
/// The pipeline on the command line: one quoted text, several words, or the name of a JSON file.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "plan/pipeline.hpp"

namespace fulmar::cli {

/// The arguments of a command with everything from the first '!' to the last made one word, so that options of steps
/// stay with their steps. Options before and after belong to the command where it knows them.
struct Folded {
  std::vector<std::string> arguments;
  std::string middle;  ///< that word, or empty where no '!' stands alone
};
Folded fold(const std::vector<std::string>& arguments);

/// A pipeline, and the text into which its spans point.
struct PipelineText {
  Pipeline pipeline;
  std::string text;
};

/// Lets a command take a pipeline, and shows so in its help.
void take_pipeline(CLI::App& command);

/// The pipeline among what the command line did not know. Errors: Errc::usage with the place shown; Errc::input where a
/// file of JSON cannot be read.
PipelineText read_pipeline(const CLI::App& command, const Folded& folded);

}  // namespace fulmar::cli
