// SPDX-License-Identifier: Apache-2.0
/// @file
/// Versions of Fulmar and of what it stands on.
#pragma once

#include <string>

#include "core/source.hpp"
#include "plan/graph.hpp"

namespace fulmar::cli {

/// One a line: fulmar, GDAL, PROJ, TBB, CUDA.
std::string versions();

/// What a product tells of its making: the pipeline, its operators, the versions and the backend, and the plan's hash:
/// SHA-256 of the pipeline's canonical JSON and the fingerprints of what it reads (size, first and last MiB of each).
Metadata provenance(const Pipeline& pipeline, const Graph& graph, const std::string& backend);

}  // namespace fulmar::cli
