// SPDX-License-Identifier: Apache-2.0
/// @file
/// Operators that need the whole raster at once. They run between passes, alone, in memory that the plan counted.
#pragma once

#include "plan/graph.hpp"

namespace fulmar {

/// Reads what a whole operator asks for, runs it, and leaves its outputs in its temporary raster.
void run_whole(const Graph& graph, const WholeStep& step);

}  // namespace fulmar
