// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a card's kernels take at most. Every device twin includes this, and little else of the engine's side.
#pragma once

#include <cstddef>

namespace fulmar {

/// Planes of one call that an operator's kernels take, at most; operators with more bands run on the host.
inline constexpr std::size_t most_device_inputs = 24, most_device_outputs = 16;

}  // namespace fulmar
