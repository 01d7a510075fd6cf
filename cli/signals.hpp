// SPDX-License-Identifier: Apache-2.0
/// @file
/// What Ctrl-C and `kill` do.
#pragma once

#include <atomic>

namespace fulmar::cli {

/// From now on the first SIGINT or SIGTERM sets the flag, which ends a run cleanly; a second one kills the process.
const std::atomic<bool>& catch_signals();
/// 130 after SIGINT, 143 after SIGTERM, or 130 where neither came.
int exit_code_of_signal();

}  // namespace fulmar::cli
