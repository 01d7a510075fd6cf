// SPDX-License-Identifier: Apache-2.0
#include "cli/version.hpp"

#include <set>

#include "cli/card.hpp"
#include "exec/version.hpp"
#include "io/gdal_io.hpp"

namespace fulmar::cli {

std::string versions() {
  return "fulmar " FULMAR_VERSION "\nGDAL " + gdal_version() + "\nPROJ " + proj_version() + "\nTBB " + tbb_version() +
         "\nCUDA " + cuda_version();
}

Metadata provenance(const Pipeline& pipeline, const Graph& graph, const std::string& backend) {
  std::string plan = to_json(pipeline);
  std::set<std::string> operators;
  for (const auto& source : graph.sources)
    if (!source->temporary()) plan += source->name() + " " + file_fingerprint(source->name()) + "\n";
  for (const Node& node : graph.nodes)
    if (node.op != nullptr) operators.insert(node.op->name());
  for (const WholeStep& whole : graph.wholes) operators.insert(whole.node.op->name());
  std::string names;
  for (const auto& name : operators) names += (names.empty() ? "" : ", ") + name;
  return {{"FULMAR_VERSION", FULMAR_VERSION}, {"FULMAR_PIPELINE", graph.text},
          {"FULMAR_OPERATORS", names},        {"FULMAR_PLAN_SHA256", text_fingerprint(plan)},
          {"TBB_VERSION", tbb_version()},     {"FULMAR_BACKEND", backend},
          {"GDAL_VERSION", gdal_version()},   {"PROJ_VERSION", proj_version()}};
}

}  // namespace fulmar::cli
