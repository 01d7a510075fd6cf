// SPDX-License-Identifier: Apache-2.0
/// @file
/// Plugins from outside the program. What one offers is told by its sidecar, `mine.fulmar.json` beside `mine.so`; the
/// library itself is loaded when one of its operators is first needed to run, and stays as long as the process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "op/operator.hpp"

namespace fulmar {

/// Where plugins are sought. Nowhere else: neither in the current folder, nor where a pipeline says.
struct PluginPlaces {
  std::vector<std::string> files;    ///< libraries that the user names
  std::vector<std::string> folders;  ///< whose sidecars are read, in this order
};

/// A list of folders joined by `:`, as FULMAR_PLUGIN_PATH holds them. Empty ones are none. Errors: Errc::usage for one
/// that is not absolute: it would mean another folder wherever the program is started.
std::vector<std::string> plugin_folders(std::string_view list);

/// What is to be done with a library that the user names and that has no sidecar.
enum class NoSidecar {
  refuse,  ///< as a listing must, which loads nothing
  load     ///< at once
};

/// A plugin that was found.
struct FoundPlugin {
  PluginFacts facts;
  std::string sidecar;  ///< empty where there is none
  std::vector<std::string> operators;
};

struct FoundPlugins {
  std::vector<FoundPlugin> plugins;
  std::vector<std::string> warnings;  ///< of plugins in folders that cannot be had, which hinder no other
};

/// Adds the operators of all plugins at these places. Errors: Errc::input where a file that the user names is not
/// there; Errc::usage where it cannot be loaded, is of another contract, tells of an operator that cannot be or whose
/// name is taken. The same troubles with a plugin in a folder are warnings.
FoundPlugins add_plugins(Registry& registry, const PluginPlaces& places, NoSidecar without = NoSidecar::load);

/// A library that is loaded, and stays so. Errors: Errc::input where it is not there; Errc::usage saying what hinders
/// it: a library that it needs, a symbol, another contract.
const fulmar_plugin& load_plugin(const std::string& library);

/// The sidecar that belongs to a library: `mine.fulmar.json` to `mine.so`.
std::string sidecar_of(const std::string& library);

}  // namespace fulmar
