// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar::ptx {

/// How kernels are run and what is checked. Each member is read from the environment variable FULMAR_PTX_NAME.
struct Options {
  std::uint64_t seed = 0;          ///< SEED: of every random choice
  std::uint32_t blocks = 4;        ///< BLOCKS: blocks resident at a time
  std::uint32_t quantum = 0;       ///< QUANTUM: most instructions between two switches; 0 = a mix of short and long
  bool shuffle = false;            ///< SHUFFLE: begin blocks in random order (not for kernels with look-back)
  bool shared_races = true;        ///< SHARED_RACES
  bool global_races = true;        ///< GLOBAL_RACES
  int initialised = 2;             ///< INIT: 0 no check, 1 only reads without one initialised byte, 2 every byte
  bool copies_initialised = true;  ///< INIT_COPY: bytes that go to the host must have been written
  bool exited_at_barrier = false;  ///< EXITED_AT_BARRIER: allow a barrier after some threads have left
  bool zero_copy = false;          ///< ZERO_COPY: allow kernels to use pinned host memory
  bool order = true;               ///< ORDER: work on different streams must be ordered by events
  bool defer = true;               ///< DEFER: run queued work as late as allowed, streams in random order
  std::uint64_t limit = 4'000;     ///< LIMIT: million instructions a launch
  std::uint64_t memory = 2048;     ///< MEMORY: MiB of the device
  bool sticky = false;             ///< STICKY: a fault becomes an error of the runtime; otherwise it ends the process
  bool verbose = false;            ///< VERBOSE: one line a launch
  /// MUTATE: a mistake to make in a kernel, so that a test can see it found: part of its mangled name, a regular
  /// expression, what takes the place of its match, and which match from 0; with | between.
  std::string mutate;
  /// FAIL: the call that is to fail, and nothing be done by it: its name and how many of them work before, as
  /// "cudaMemcpyAsync 2", counted from when it is set.
  std::string fail_call;
  std::uint64_t fail_after = 0;
  std::string counts;  ///< COUNTS: file that gets the counts as JSON at exit

  /// False for an unknown name; name without prefix.
  bool set(std::string_view name, const std::string& value);
  static Options from_environment();
};

}  // namespace fulmar::ptx
