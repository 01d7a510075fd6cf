// SPDX-License-Identifier: Apache-2.0
/// @file
/// The oracle: the whole image at once, one cell after another, by the plainest loops that follow the definitions.
#pragma once

#include "exec/products.hpp"

namespace fulmar {

/// One pass.
void run_reference(const Graph& graph, Products& products, const std::atomic<bool>* cancel);

}  // namespace fulmar
