// SPDX-License-Identifier: Apache-2.0
/// @file
/// Versions of what the engine runs on.
#pragma once

#include <string>

namespace fulmar {

std::string tbb_version();

}  // namespace fulmar
