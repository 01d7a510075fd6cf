// SPDX-License-Identifier: Apache-2.0
/// @file
/// The pipeline on the command line: one quoted text, several words, the name of a JSON file, or a recipe.
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

/// What a command is asked to do: one pipeline, or those of a recipe in their order.
struct Request {
  std::string recipe;  ///< its name, or empty
  std::string folder;  ///< of a recipe's products
  std::vector<PipelineText> pipelines;
};

/// What a recipe is given: --set and --recipes.
struct RecipeOptions {
  std::vector<std::string> values;
  std::string folder;

  void add_to(CLI::App& command);
};

/// Lets a command take a pipeline, and shows so in its help.
void take_pipeline(CLI::App& command);

/// The pipeline among what the command line did not know. Errors: Errc::usage with the place shown; Errc::input where a
/// file of JSON cannot be read.
PipelineText read_pipeline(const CLI::App& command, const Folded& folded);
/// The same, where a recipe may stand too (@flood). Errors: those of recipe_values() also.
Request read_request(const CLI::App& command, const Folded& folded, const RecipeOptions& options);

}  // namespace fulmar::cli
