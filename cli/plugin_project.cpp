// SPDX-License-Identifier: Apache-2.0
#include "cli/plugin_project.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "core/error.hpp"

namespace fulmar::cli {
namespace {

constexpr const char* cmake_lists = R"(cmake_minimum_required(VERSION 3.25)
project(@name@ VERSION 0.1.0 LANGUAGES CXX)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_package(fulmar REQUIRED)

# One word for each operator: the header @name@.hpp holds the class fulmar::ops::@Class@.
fulmar_plugin(@name@ OPERATORS @name@ LICENSE unstated)

include(CTest)
if(BUILD_TESTING)
  # The science: the functor alone, on cells whose result is known.
  add_executable(@name@_test @name@_test.cpp)
  target_link_libraries(@name@_test PRIVATE fulmar::sdk)
  target_compile_features(@name@_test PRIVATE cxx_std_20)
  add_test(NAME @name@.science COMMAND @name@_test)
  # Everything else: tiles, gaps, threads, memory, words.
  fulmar_plugin_check(@name@)
endif()
)";

constexpr const char* header = R"(#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// How much a cell stands out: its value over the mean of the box around it.
///
/// A missing cell stays missing; missing neighbours are left out; beyond the raster nothing is counted.
struct @Class@ {
  struct Params {
    Width window{300};
  } params;
  static Schema schema() {
    return Schema{"@name@", "Divide a cell by the mean around it."}
        .input("value", units::any, "Any measurement.")
        .output("ratio", units::one, "Value over mean.")
        .param("window", &Params::window, "Full width of the box.", above(0))
        .example("scene.tif ! @name@ --window 300 ! ratio.tif")
        .cites("Haralick & Shapiro 1992, Computer and Robot Vision, vol. 1")
        .agrees(exactly);
  }
  FULMAR_HD Box box() const { return params.window.half(); }
  FULMAR_HD float operator()(float value, Moments around) const {
    return static_cast<float>(static_cast<double>(value) / around.mean());
  }
};

}  // namespace fulmar::ops
)";

constexpr const char* test = R"(#include "@name@.hpp"

#include <cstdio>

using fulmar::Moments;
using fulmar::ops::@Class@;

namespace {

int failed = 0;

void expect(float got, float wanted, const char* what) {
  const bool same = got == wanted || (got != got && wanted != wanted);
  if (!same) ++failed, std::printf("%s: %g, not %g\n", what, static_cast<double>(got), static_cast<double>(wanted));
}

}  // namespace

int main() {
  const @Class@ op;
  Moments around;  // four cells: 1, 2, 2, 3
  around.n = 4, around.s1 = 8, around.s2 = 18;
  expect(op(6.0f, around), 3.0f, "three times the mean");
  expect(op(2.0f, around), 1.0f, "the mean itself");
  expect(op(fulmar::missing<float>, around), fulmar::missing<float>, "a missing cell");
  if (failed == 0) std::puts("@name@: the science holds");
  return failed == 0 ? 0 : 1;
}
)";

constexpr const char* readme = R"(# @name@

A plugin of Fulmar with one operator.

```sh
cmake -S . -B build -G Ninja        # -DCMAKE_PREFIX_PATH=... where Fulmar is installed elsewhere
cmake --build build
ctest --test-dir build --output-on-failure
fulmar run --plugin build/@name@.so 'scene.tif ! @name@ ! ratio.tif'
cmake --install build --prefix ...  # that of Fulmar, where it finds it; or name the folder in FULMAR_PLUGIN_PATH
```

| file | holds |
|---|---|
| `@name@.hpp` | the operator: what it declares, and the function of one cell |
| `@name@_test.cpp` | its science; `fulmar plugin check` does the rest |
| `CMakeLists.txt` | a word in `OPERATORS` for each header |

Where nvcc is found, the operator is built for CUDA too, from the same header (`-DFULMAR_PLUGIN_CUDA=OFF` leaves that out).
)";

std::string replaced(std::string text, const std::string& word, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += by.size())
    text.replace(at, word.size(), by);
  return text;
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

/// Words of lower-case letters and digits, joined by _: what a file, a class and an operator can be called.
bool is_name(const std::string& name) {
  // Targets of every build.
  for (const char* taken : {"all", "clean", "help", "install", "package", "test"})
    if (name == taken) return false;
  if (name.empty() || name.size() > 60 || !is_lower(name.front()) || name.back() == '_') return false;
  char before = 'a';
  for (const char c : name) {
    if (!is_lower(c) && !(c >= '0' && c <= '9') && !(c == '_' && before != '_')) return false;
    before = c;
  }
  return true;
}

std::string camel(const std::string& name) {
  std::string result;
  bool first = true;
  for (const char c : name) {
    if (c != '_') result += first && is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
    first = c == '_';
  }
  return result;
}

}  // namespace

std::map<std::string, std::string> plugin_project(const std::string& name) {
  if (!is_name(name))
    fail(Errc::usage, "a plugin is named by lower-case letters, digits and single _, such as wind_speed; not '" +
                          name.substr(0, 60) + "'");
  std::map<std::string, std::string> files{
      {"CMakeLists.txt", cmake_lists}, {name + ".hpp", header}, {name + "_test.cpp", test}, {"README.md", readme}};
  for (auto& [file, text] : files) text = replaced(replaced(text, "@name@", name), "@Class@", camel(name));
  return files;
}

void write_plugin_project(const std::string& name, const std::string& where) {
  const auto files = plugin_project(name);
  const auto folder = std::filesystem::path{where} / name;
  std::error_code wrong;
  if (std::filesystem::exists(folder, wrong)) fail(Errc::output, folder.string() + " is there already");
  std::filesystem::create_directories(folder, wrong);
  if (wrong) fail(Errc::output, "cannot make the folder " + folder.string() + ": " + wrong.message());
  for (const auto& [file, text] : files) {
    std::ofstream out{folder / file, std::ios::binary};
    out << text;
    if (!out.flush()) fail(Errc::output, "cannot write " + (folder / file).string());
  }
}

}  // namespace fulmar::cli
