// SPDX-License-Identifier: Apache-2.0
/// @file
/// Objects of one window, found on a card.
#pragma once

#include <cuda_runtime.h>

#include "core/found_runs.hpp"

namespace fulmar::cuda {

/// As DeviceLane::find(), on a stream. Errors: as check() of cuda/status.hpp.
void find_objects(const FindWork& work, cudaStream_t stream);

}  // namespace fulmar::cuda
