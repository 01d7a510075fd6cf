// SPDX-License-Identifier: Apache-2.0
/// @file
/// What happens before what. Inside a block barriers order, inside a warp bar.warp.sync does; between blocks only a
/// release that was acquired: a fence before a strong write, seen by a strong read before a fence (PTX ISA, "Memory
/// Consistency Model"). Shuffles and votes order nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/shadow.hpp"

namespace fulmar::ptx {

struct Thread;
struct Instruction;
struct Block;

/// Touches that are known to have happened before: of a thread, of a warp or of a block, all before a tick. Never
/// changed once made, so that many threads share one.
class Knowledge {
 public:
  using Pointer = std::shared_ptr<const Knowledge>;

  void learn_thread(ThreadId thread, std::uint32_t tick) { learn(std::uint64_t{thread} << 2, tick); }
  void learn_warp(ThreadId any, std::uint32_t tick) { learn(std::uint64_t{any & ~31u} << 2 | 1, tick); }
  void learn_block(ThreadId any, std::uint32_t tick) { learn(std::uint64_t{any & ~1023u} << 2 | 2, tick); }
  bool covers(Touch t) const {
    return covers(std::uint64_t{t.thread & ~1023u} << 2 | 2, t.tick) || covers(std::uint64_t{t.thread} << 2, t.tick) ||
           covers(std::uint64_t{t.thread & ~31u} << 2 | 1, t.tick);
  }
  /// What either knows; null knows nothing.
  static Pointer join(const Pointer& a, const Pointer& b);

 private:
  struct Item {
    std::uint64_t key;
    std::uint32_t until;
  };
  void learn(std::uint64_t key, std::uint32_t tick);
  bool covers(std::uint64_t key, std::uint32_t tick) const;
  std::vector<Item> items_;  ///< sorted by key
};

/// Did this touch happen before what the thread does now?
bool ordered(const Thread& t, Touch touch);

/// fence.acq_rel, membar and what acts like one.
void fence(Thread& t);
/// A strong access, for what it publishes and takes in.
void strong_access(Thread& t, const Instruction* i, std::uint64_t address, bool reads, bool writes);
/// All lanes of the mask have met.
void meet(Block& block, unsigned warp, std::uint32_t lanes);

}  // namespace fulmar::ptx
