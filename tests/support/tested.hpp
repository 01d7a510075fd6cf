// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which operators the laws are run on: those of the program or, in the conformance kit, those of one plugin.
#pragma once

#include <string>
#include <vector>

#include "op/plugin_library.hpp"
#include "plugins/builtin.hpp"

namespace fulmar::test {

/// The library of the plugin, absolute; set before the first law is made. Empty: the operators of the program.
inline std::string& tested_plugin() {
  static std::string library;
  return library;
}

/// All operators; those that are not tested may stand in the others' examples.
inline const Registry& tested_registry() {
  static const Registry registry = [] {
    Registry made = builtin_registry();
    if (!tested_plugin().empty()) add_plugins(made, {{tested_plugin()}, {}});
    return made;
  }();
  return registry;
}

inline bool is_tested(const Operator& op) { return op.facts().file == tested_plugin(); }

inline std::vector<std::string> tested_names() {
  std::vector<std::string> names;
  for (const auto& [name, op] : tested_registry().operators())
    if (is_tested(op)) names.push_back(name);
  return names;
}

}  // namespace fulmar::test
