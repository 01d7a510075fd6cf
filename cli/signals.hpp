// SPDX-License-Identifier: Apache-2.0
/// @file
/// What Ctrl-C, `kill`, a closed terminal and the limits of a shell do.
#pragma once

#include <atomic>

namespace fulmar::cli {

/// From now on the first SIGINT, SIGTERM or SIGHUP sets the flag, which ends a run cleanly; a second one kills the
/// process. A file that grows beyond the shell's limit is a write that fails.
const std::atomic<bool>& catch_signals();
/// 128 and the number of the signal: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP; 130 where none came.
int exit_code_of_signal();

}  // namespace fulmar::cli
