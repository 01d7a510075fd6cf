// SPDX-License-Identifier: Apache-2.0
/// @file
/// The oracle: the whole image at once, one cell after another, by the plainest loops that follow the definitions.
#pragma once

#include "exec/run.hpp"

namespace fulmar {

RunReport run_reference(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options);

}  // namespace fulmar
