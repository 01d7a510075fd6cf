// SPDX-License-Identifier: Apache-2.0
/// @file
/// Versions of Fulmar and of what it stands on.
#pragma once

#include <string>

namespace fulmar::cli {

/// One a line: fulmar, GDAL, PROJ, TBB, CUDA.
std::string versions();

}  // namespace fulmar::cli
