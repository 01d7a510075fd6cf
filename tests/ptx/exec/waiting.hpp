// SPDX-License-Identifier: Apache-2.0
/// @file
/// Threads that wait for others: in warp instructions and at barriers.
#pragma once

#include "exec/launch.hpp"

namespace fulmar::ptx {

/// After a thread has run: lets the warp or the barrier go on that its wait or its end completes.
void settle(Thread& t);
/// None of a block's threads can run.
[[noreturn]] void fail_deadlock(Block& b);

}  // namespace fulmar::ptx
