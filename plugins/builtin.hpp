// SPDX-License-Identifier: Apache-2.0
/// @file
/// The operators that come with Fulmar.
#pragma once

#include "op/operator.hpp"

namespace fulmar {

/// A registry of all built-in operators. No global state: every call makes a new one.
Registry builtin_registry();

}  // namespace fulmar
