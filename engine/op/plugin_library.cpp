// SPDX-License-Identifier: Apache-2.0
#include "op/plugin_library.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "core/error.hpp"

namespace fulmar {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view library_suffix = ".so", sidecar_suffix = ".fulmar.json";

bool exists(const std::string& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

/// What a sidecar tells.
struct Sidecar {
  PluginFacts facts;
  std::vector<std::string> schemas;
};

/// The library of a plugin whose sidecar is known: loaded when its first table is asked for.
class Library : public TableSource {
 public:
  Library(std::string file, Sidecar told) : file_{std::move(file)}, told_{std::move(told)} {}

  const fulmar_operator& table(const std::string& op) override {
    const std::lock_guard lock{mutex_};
    if (operators_.empty()) load();
    for (const Operator& o : operators_)
      if (o.name() == op) return o.table();
    disagree("it lacks the operator '" + op + "'");
  }

 private:
  void load() {
    if (!exists(file_))
      fail(Errc::input, "the library " + file_ + " of the plugin '" + told_.facts.name +
                            "' is not there, though its sidecar is: build the plugin again, or remove " +
                            sidecar_of(file_));
    const fulmar_plugin& plugin = load_plugin(file_);
    const PluginFacts facts = facts_of(plugin, file_);
    if (facts.name != told_.facts.name) disagree("its name is '" + facts.name + "', not '" + told_.facts.name + "'");
    if (facts.version != told_.facts.version)
      disagree("its version is " + facts.version + ", not " + told_.facts.version);
    std::vector<Operator> operators = operators_of(plugin, facts);
    if (operators.size() != told_.schemas.size())
      disagree("it has " + std::to_string(operators.size()) + " operators, not " +
               std::to_string(told_.schemas.size()));
    for (std::size_t i = 0; i < operators.size(); ++i)
      if (json::parse(operators[i].schema()) != json::parse(told_.schemas[i]))
        disagree("the schema of its operator '" + operators[i].name() + "' is another");
    operators_ = std::move(operators);
  }
  [[noreturn]] void disagree(const std::string& how) const {
    fail(Errc::usage, "the plugin library " + file_ + " is not what its sidecar " + sidecar_of(file_) +
                          " tells: " + how + "; build the plugin again, so that both are of one build");
  }

  const std::string file_;
  const Sidecar told_;
  std::mutex mutex_;
  std::vector<Operator> operators_;
};

Sidecar read_sidecar(const std::string& file, const std::string& library) {
  std::ifstream in{file, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  if (!in) fail(Errc::input, "the sidecar " + file + " cannot be read");
  try {
    const json all = json::parse(text);
    Sidecar sidecar;
    sidecar.facts.file = library;
    sidecar.facts.name = all.at("name").get<std::string>();
    const auto version = all.at("abi").get<std::vector<std::uint32_t>>();
    if (version.size() != 2) fail(Errc::usage, "\"abi\" is not two numbers, such as [1, 3]");
    sidecar.facts.abi_major = version[0], sidecar.facts.abi_minor = version[1];
    check_abi(sidecar.facts);
    sidecar.facts.version = all.at("version").get<std::string>();
    sidecar.facts.license = all.at("license").get<std::string>();
    sidecar.facts.origin = all.value("origin", std::string{});
    sidecar.facts.cuda_archs = all.value("cuda_archs", std::string{});
    for (const json& schema : all.at("operators")) sidecar.schemas.push_back(schema.dump());
    return sidecar;
  } catch (const json::exception& e) {
    std::string_view why = e.what();
    if (const auto end = why.find("] "); why.starts_with('[') && end != why.npos) why.remove_prefix(end + 2);
    throw Error{Errc::usage, "the sidecar cannot be read: " + std::string{why}}.within("in " + file);
  } catch (Error& e) {
    throw e.within("in " + file);
  }
}

/// The operators of a plugin, which is not loaded where its sidecar is there.
FoundPlugin find_plugin(Registry& registry, const std::string& library, NoSidecar without) {
  const std::string sidecar = sidecar_of(library);
  FoundPlugin found;
  std::vector<Operator> operators;
  if (exists(sidecar)) {
    const Sidecar told = read_sidecar(sidecar, library);
    const auto source = std::make_shared<Library>(library, told);
    try {
      for (const std::string& schema : told.schemas) operators.emplace_back(schema, told.facts, source);
    } catch (Error& e) {
      throw e.within("in " + sidecar);
    }
    found = {told.facts, sidecar, {}};
  } else if (without == NoSidecar::refuse) {
    fail(Errc::input, "the plugin " + library + " has no sidecar " + sidecar +
                          ", and to tell of its operators it would have to be loaded: fulmar plugin describe " +
                          library + " writes one");
  } else {
    const fulmar_plugin& plugin = load_plugin(library);
    found.facts = facts_of(plugin, library);
    operators = operators_of(plugin, found.facts);
  }
  for (const Operator& op : operators) found.operators.push_back(op.name());
  registry.add(std::move(operators));
  return found;
}

/// What dlopen says, with a cure where one is known.
[[noreturn]] void refuse_library(const std::string& library, std::string why) {
  // "libthing.so.1: cannot open shared object file: No such file or directory"
  if (const auto end = why.find(": cannot open shared object file");
      end != why.npos && why.compare(0, end, library) != 0)
    fail(Errc::usage, "the plugin " + library + " needs the library " + why.substr(0, end) +
                          ", which is not found: install it, or name its folder in LD_LIBRARY_PATH");
  if (const std::string file = library + ": "; why.starts_with(file)) why.erase(0, file.size());
  // "undefined symbol: thing"
  if (constexpr std::string_view undefined = "undefined symbol: "; why.starts_with(undefined))
    fail(Errc::usage, "the plugin " + library + " needs the symbol " + why.substr(undefined.size()) +
                          ", which nothing provides: link the library that does (-Wl,--no-undefined tells when it is "
                          "built)");
  fail(Errc::usage, "the plugin " + library + " cannot be loaded: " + why);
}

/// What the entry point returns. It must not throw; where it does, the plugin is told by name.
const fulmar_plugin* told_by(const std::string& library, const fulmar_plugin* (*entry)()) {
  std::string why = "something that is not an exception";
  try {
    return entry();
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) {
  }
  fail(Errc::usage,
       "the plugin " + library + " threw while it told of itself (" + why + "): fulmar_plugin_1 must not throw");
}

}  // namespace

std::string sidecar_of(const std::string& library) {
  std::string_view stem = library;
  if (stem.ends_with(library_suffix)) stem.remove_suffix(library_suffix.size());
  return std::string{stem} + std::string{sidecar_suffix};
}

const fulmar_plugin& load_plugin(const std::string& library) {
  if (!exists(library)) fail(Errc::input, "there is no plugin " + library);
  // A name without a slash would be sought elsewhere. It is never closed: threads and statics of it may be at work.
  const std::string path = fs::absolute(library).string();
  dlerror();
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    refuse_library(path, why != nullptr ? why : "the system does not say why");
  }
  const auto symbol = [](int major) { return "fulmar_plugin_" + std::to_string(major); };
  const std::string ours = symbol(FULMAR_ABI_MAJOR);
  if (void* entry = dlsym(handle, ours.c_str())) {
    const fulmar_plugin* plugin = told_by(path, reinterpret_cast<const fulmar_plugin* (*)()>(entry));
    if (plugin == nullptr)
      fail(Errc::usage, "the plugin " + path + " is empty: " + ours + " returns nothing; it must never fail");
    return *plugin;
  }
  for (int major = 0; major < FULMAR_ABI_MAJOR + 16; ++major)
    if (dlsym(handle, symbol(major).c_str()) != nullptr)
      fail(Errc::usage, "the plugin " + path + " was built for version " + std::to_string(major) +
                            " of the operator contract (it has " + symbol(major) + "); this engine has " +
                            std::to_string(FULMAR_ABI_MAJOR) + "." + std::to_string(FULMAR_ABI_MINOR) +
                            ": build it again with this engine's SDK");
  fail(Errc::usage, "the library " + path + " lacks the symbol " + ours +
                        ": it is no plugin of Fulmar, or hides what FULMAR_EXPORT must show");
}

std::vector<std::string> plugin_folders(std::string_view list) {
  std::vector<std::string> folders;
  while (!list.empty()) {
    const std::string folder{list.substr(0, list.find(':'))};
    list.remove_prefix(std::min(list.size(), folder.size() + 1));
    if (folder.empty()) continue;
    if (!folder.starts_with('/'))
      fail(Errc::usage, "FULMAR_PLUGIN_PATH holds '" + folder +
                            "', which depends on the current folder: plugins are sought in absolute folders alone");
    folders.push_back(folder);
  }
  return folders;
}

FoundPlugins add_plugins(Registry& registry, const PluginPlaces& places, NoSidecar without) {
  FoundPlugins found;
  std::set<std::string> seen;
  const auto first_time = [&](const std::string& library) {
    std::error_code ignored;
    return seen.insert(fs::weakly_canonical(library, ignored).string()).second;
  };
  for (const std::string& file : places.files) {
    const std::string library = fs::absolute(file).lexically_normal().string();
    if (!library.ends_with(library_suffix))
      fail(Errc::usage, "--plugin takes a library such as mine.so, not '" + file + "'");
    if (!exists(library)) fail(Errc::input, "there is no plugin '" + file + "': looked for " + library);
    if (first_time(library)) found.plugins.push_back(find_plugin(registry, library, without));
  }
  for (const std::string& folder : places.folders) {
    std::vector<std::string> libraries;
    std::error_code absent;  // of a folder that is not there nothing is said: it may be that of another installation
    for (const auto& entry : fs::directory_iterator{folder, absent}) {
      std::string name = entry.path().string();
      if (!name.ends_with(sidecar_suffix)) continue;
      name.resize(name.size() - sidecar_suffix.size());
      libraries.push_back(name + std::string{library_suffix});
    }
    std::sort(libraries.begin(), libraries.end());  // a folder has no order of its own
    for (const std::string& library : libraries) try {
        if (first_time(library)) found.plugins.push_back(find_plugin(registry, library, without));
      } catch (const Error& e) {
        found.warnings.push_back(std::string{"the plugin "} + library + " is left out: " + e.what());
      }
  }
  return found;
}

}  // namespace fulmar
