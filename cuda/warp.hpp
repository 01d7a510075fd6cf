// SPDX-License-Identifier: Apache-2.0
/// @file
/// Warps on a card.
#pragma once

#include <cuda_runtime.h>

#include "core/device_warp.hpp"

namespace fulmar::cuda {

/// As DeviceLane has them.
void start_look(const WarpCells& warp, SquareNeed* needs, cudaStream_t stream);
void start_warp(const WarpCells& warp, cudaStream_t stream);

}  // namespace fulmar::cuda
