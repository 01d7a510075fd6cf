// SPDX-License-Identifier: Apache-2.0
/// Recipes: what is accepted can be filled in with a value for each input, as the program does.
#include "api/recipe.hpp"

#include "fuzz/fuzz.hpp"

using namespace fulmar;

// The recipes within the program are none of this target's business.
const BuiltinRecipe fulmar::builtin_recipes[] = {{nullptr, nullptr}};

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Recipe recipe;
  if (!fuzz::accepted([&] { recipe = parse_recipe(std::string{fuzz::text_of(data, size)}, "fuzz.json"); }))
    return 0;
  std::vector<std::string> words;
  for (const auto& input : recipe.inputs) words.push_back(input.name + "=1");
  fuzz::accepted([&] {
    const auto values = recipe_values(recipe, words);
    for (const auto& pipeline : recipe.pipelines) to_text(fill_in(pipeline, values));
  });
  return 0;
}
