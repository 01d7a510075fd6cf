// SPDX-License-Identifier: Apache-2.0
/// @file
/// What happens before what. Inside a block barriers order, inside a warp bar.warp.sync does; between blocks only a
/// release that was acquired: a fence before a strong write, seen by a strong read before a fence (PTX ISA, "Memory
/// Consistency Model"). Shuffles and votes order nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "memory/shadow.hpp"

namespace fulmar::ptx {

struct Thread;
struct Instruction;
struct Block;

/// Touches that are known to have happened before: for a thread, or for the whole of a block, all before a tick.
class Knowledge {
 public:
  bool empty() const { return until_.empty(); }
  void learn_thread(ThreadId thread, std::uint32_t tick) { learn(std::uint64_t{thread} << 1, tick); }
  void learn_block(ThreadId any, std::uint32_t tick) { learn(std::uint64_t{any >> 10} << 11 | 1, tick); }
  void join(const Knowledge& other) {
    for (const auto& [key, tick] : other.until_) learn(key, tick);
  }
  bool covers(Touch t) const {
    return covers(std::uint64_t{t.thread} << 1, t.tick) || covers(std::uint64_t{t.thread >> 10} << 11 | 1, t.tick);
  }

 private:
  void learn(std::uint64_t key, std::uint32_t tick) {
    auto& known = until_[key];
    known = std::max(known, tick);
  }
  bool covers(std::uint64_t key, std::uint32_t tick) const {
    const auto it = until_.find(key);
    return it != until_.end() && tick < it->second;
  }
  std::unordered_map<std::uint64_t, std::uint32_t> until_;
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
