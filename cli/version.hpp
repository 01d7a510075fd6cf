// SPDX-License-Identifier: Apache-2.0
/// @file
/// Versions of Fulmar and of what it stands on.
#pragma once

#include <string>

#include "core/source.hpp"

namespace fulmar::cli {

/// One a line: fulmar, GDAL, PROJ, TBB, CUDA.
std::string versions();

/// What a product tells of its making.
Metadata provenance(const std::string& pipeline, const std::string& backend);

}  // namespace fulmar::cli
