// SPDX-License-Identifier: Apache-2.0
#include "api/names.hpp"

#include <filesystem>
#include <system_error>
#include <vector>

#include "api/card.hpp"
#include "exec/version.hpp"
#include "fulmar/version.hpp"

namespace fulmar {

void names_of(const Pipeline& pipeline, Step::Kind kind, std::set<std::string>& names, bool values) {
  for (const Step& step : pipeline) {
    names_of(step.branch, kind, names, values);
    for (const Argument& a : step.arguments) {
      names_of(a.pipeline, kind, names, values);
      if (values && kind == Step::Kind::read && step.kind != Step::Kind::write) names.insert(a.value);
    }
    if (step.kind == kind) names.insert(step.name);
  }
}

std::string awaited(const Pipeline& pipeline, const std::set<std::string>& made) {
  std::set<std::string> read;
  names_of(pipeline, Step::Kind::read, read);
  for (const std::string& file : read)
    if (std::error_code ignored; made.contains(file) && !std::filesystem::exists(file, ignored)) return file;
  return "";
}

/// An operator of a plugin says which, and of what version.
static std::string full_name(const Operator& op) {
  if (op.facts().file.empty()) return op.name();
  return op.name() + " (" + op.plugin() + " " + op.facts().version + ")";
}

Metadata provenance(const Pipeline& pipeline, const Graph& graph, Backend backend, const Device* card, const Io& io) {
  std::vector<std::string> files;
  std::set<std::string> operators;
  for (const auto& source : graph.sources)
    if (!source->temporary()) files.push_back(source->name());
  for (const Node& node : graph.nodes)
    if (node.op != nullptr) operators.insert(full_name(*node.op));
  for (const WholeStep& whole : graph.wholes) operators.insert(full_name(*whole.node.op));
  std::string names;
  for (const auto& name : operators) names += (names.empty() ? "" : ", ") + name;
  Metadata made = io.provenance(to_json(pipeline), files);
  made["FULMAR_VERSION"] = FULMAR_VERSION;
  made["FULMAR_PIPELINE"] = graph.text;
  made["FULMAR_OPERATORS"] = names;
  made["TBB_VERSION"] = tbb_version();
  made["FULMAR_BACKEND"] = name_of(backend);
  if (backend == Backend::cuda && card != nullptr) {
    made["FULMAR_DEVICE"] = card->facts().name + " (" + card->facts().architecture + ")";
    made["CUDA_VERSION"] = cuda_version();
  }
  return made;
}

}  // namespace fulmar
