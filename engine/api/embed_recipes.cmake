# SPDX-License-Identifier: Apache-2.0
# cmake -DOUT=FILE.cpp -DFOLDER=cli/recipes -P embed_recipes.cmake: the recipes as C++ text.
file(GLOB files ${FOLDER}/*.json)
list(SORT files)
set(code "// Made from cli/recipes; edit those.\n#include \"api/recipe.hpp\"\n\nnamespace fulmar {\n\nconst BuiltinRecipe builtin_recipes[] = {\n")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND code "    {\"${name}\", R\"recipe(${text})recipe\"},\n")
endforeach()
string(APPEND code "    {nullptr, nullptr}};\n\n}  // namespace fulmar\n")
file(WRITE ${OUT} "${code}")
