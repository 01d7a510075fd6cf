// SPDX-License-Identifier: Apache-2.0
/// @file
/// The names in a pipeline, and what a run tells of its making.
#pragma once

#include <set>
#include <string>

#include "core/device.hpp"
#include "plan/graph.hpp"
#include "plan/plan.hpp"

namespace fulmar {

/// Adds the names that steps of a kind have; with `values`, those of arguments too, which may name files.
void names_of(const Pipeline& pipeline, Step::Kind kind, std::set<std::string>& names, bool values = true);

/// A product of a pipeline before it that a pipeline reads and that is not there yet, or nothing.
std::string awaited(const Pipeline& pipeline, const std::set<std::string>& made);

/// What a product tells of its making: the pipeline, its operators, the versions, the backend and the card that it used
/// (may be null), and the plan's hash: SHA-256 of the pipeline's canonical JSON and the fingerprints of what it reads
/// (size, first and last MiB of each).
Metadata provenance(const Pipeline& pipeline, const Graph& graph, Backend backend, const Device* card, const Io& io);

}  // namespace fulmar
