// SPDX-License-Identifier: Apache-2.0
/// @file
/// The one door to threads. A program links one of three: parallel_tbb.cpp; parallel_alone.cpp, which does everything in
/// order on the thread that asks and needs no library (decision 0015); or, under the thread sanitizer, parallel_threads.cpp.
#pragma once

#include <cstddef>
#include <functional>

namespace fulmar::parallel {

/// Work on an unknown number of things, of which no more than `tokens` are in hand at a time. `first` makes one after
/// the other, null at the end; `middle` takes each, several at a time; `last` takes them in the order in which they
/// were made. No more than `threads` threads work. What any of them throws ends the work and is thrown here.
void pipeline(int threads, int tokens, const std::function<void*()>& first, const std::function<void(void*)>& middle,
              const std::function<void(void*)>& last);

/// Calls use(0) .. use(count - 1), in no order, and returns when all are done. What one throws is thrown here.
void each(std::size_t count, const std::function<void(std::size_t)>& use);

/// Which of the pipeline's threads this is, from 0.
std::size_t this_thread();

}  // namespace fulmar::parallel
