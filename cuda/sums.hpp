// SPDX-License-Identifier: Apache-2.0
/// @file
/// Sums of windows that are kept, for functions that are not called where they are made.
#pragma once

#include <cuda_runtime.h>

#include "fulmar_abi.h"

namespace fulmar::cuda {

/// As DeviceLane::sums(), on a stream. Errors: as check() of cuda/status.hpp.
void start_sums(const fulmar_plane& cells, const fulmar_view& box, const fulmar_plane& to, cudaStream_t stream);

}  // namespace fulmar::cuda
