// SPDX-License-Identifier: Apache-2.0
/// @file
/// Recipes: ready pipelines with names for what the user puts in.
///
/// A recipe is a JSON file: name, summary, domain, description, inputs, parameters, outputs and pipelines, which run in
/// their order. In pipelines, in the texts that name files and values, ${name} stands for what the user gave. It is put
/// in place after the pipeline has been taken apart, so that no value can become a step, an option or another ${name}.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plan/pipeline.hpp"

namespace fulmar {

/// Something that the user gives by name.
struct RecipeInput {
  std::string name;
  std::string what;  ///< what it is, in words
  std::string kind;  ///< raster, vector, table, text or number
  std::optional<std::string> fallback;
  std::string example;
};

struct RecipeOutput {
  std::string file;  ///< as a pipeline writes it, with ${out}
  std::string what;
};

struct Recipe {
  std::string name, summary, description;
  std::vector<std::string> domains;  ///< of space, air, ground and sea
  std::vector<RecipeInput> inputs;   ///< files first, then parameters; `out`, the folder of the products, is the last
  std::vector<RecipeOutput> outputs;
  std::vector<Pipeline> pipelines;

  [[nodiscard]] const RecipeInput* find(const std::string& input) const;
};

/// Reads and checks a recipe. Errors: Errc::usage naming `origin` and the member: what is unknown, absent, of the wrong
/// type, a ${name} that is not declared, or a declared one that no pipeline uses.
Recipe parse_recipe(const std::string& text, const std::string& origin);

/// The recipes within the program and, where a folder is given, the *.json in it, which come first.
class Recipes {
 public:
  /// Errors: Errc::input where the folder cannot be read.
  explicit Recipes(const std::string& folder = "");
  /// Errors: Errc::usage with the nearest names where there is none of that name.
  [[nodiscard]] Recipe find(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// Its JSON as it stands in its file.
  [[nodiscard]] const std::string& text(const std::string& name) const;

 private:
  struct Entry {
    std::string text, origin;
  };
  [[nodiscard]] const Entry& entry(const std::string& name) const;
  std::map<std::string, Entry> all_;
};

/// The values of all inputs, from the words NAME=VALUE and the defaults. Errors: Errc::usage: a word without a name, a
/// name that the recipe has not (with the nearest), one given twice, an input that is missing, a number that is none.
std::map<std::string, std::string> recipe_values(const Recipe& recipe, const std::vector<std::string>& words);

/// A pipeline with the values in place.
Pipeline fill_in(const Pipeline& pipeline, const std::map<std::string, std::string>& values);

/// The JSON Schema of recipes.
std::string recipe_schema();

/// Name and text of a recipe within the program; the last has neither. Made from cli/recipes when the program is built.
struct BuiltinRecipe {
  const char* name;
  const char* text;
};
extern const BuiltinRecipe builtin_recipes[];

}  // namespace fulmar
