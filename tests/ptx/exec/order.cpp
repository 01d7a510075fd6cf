// SPDX-License-Identifier: Apache-2.0
#include "exec/order.hpp"

#include <bit>

#include "exec/launch.hpp"

namespace fulmar::ptx {

bool ordered(const Thread& t, Touch touch) {
  if (touch.thread == t.id) return true;
  const Block& block = *t.block;
  if ((touch.thread ^ t.id) >> 10 == 0) {
    if (touch.tick < block.barrier_tick) return true;
    const Thread& other = block.threads[touch.thread & 1023];
    if (t.group && other.group == t.group && touch.tick < t.group_tick) return true;
    if ((touch.thread ^ t.id) >> 5 == 0) {
      const Warp& warp = block.warps[t.index / 32];
      if (touch.tick < warp.sync_tick) return true;
      if (warp.met && touch.tick < warp.met[t.lane * 32 + (touch.thread & 31)]) return true;
    }
  }
  if (!t.launch->ordering) return false;
  return block.acquired.covers(touch) || (t.acquired && t.acquired->covers(touch));
}

namespace {

/// All that the thread knows to have happened, itself included.
std::shared_ptr<const Knowledge> knowledge(Thread& t) {
  auto k = std::make_shared<Knowledge>(t.block->acquired);
  if (t.acquired) k->join(*t.acquired);
  k->learn_block(t.id, t.block->barrier_tick);
  const std::uint32_t now = t.launch->advance();
  k->learn_thread(t.id, now);
  const Warp& warp = t.block->warps[t.index / 32];
  for (std::uint32_t left = warp.lanes; left; left &= left - 1) {
    const unsigned lane = static_cast<unsigned>(std::countr_zero(left));
    const std::uint32_t met = std::max(warp.sync_tick, warp.met ? warp.met[t.lane * 32 + lane] : 0);
    if (met && lane != t.lane) k->learn_thread((t.id & ~31u) | lane, met);
  }
  return k;
}

void acquire(Thread& t, const Knowledge& k) {
  if (!t.acquired) t.acquired = std::make_unique<Knowledge>();
  t.acquired->join(k);
}

}  // namespace

void fence(Thread& t) {
  if (!t.launch->ordering) return;
  if (t.pending) {
    acquire(t, *t.pending);
    t.pending.reset();
  }
  t.published = knowledge(t);
}

void strong_access(Thread& t, const Instruction* i, std::uint64_t address, bool reads, bool writes) {
  // Where threads talk to each other is where a switch shows most.
  if (t.launch->draw(4) == 0) t.budget = 0;
  if (!t.launch->ordering) return;
  auto& releases = t.launch->releases;
  const auto found = releases.find(address);
  if (reads && found != releases.end()) {
    if (i->acquires || t.launch->relaxed_orders) {
      acquire(t, *found->second);
    } else {
      if (!t.pending) t.pending = std::make_unique<Knowledge>();
      t.pending->join(*found->second);
    }
  }
  if (!writes) return;
  std::shared_ptr<const Knowledge> mine = i->releases || t.launch->relaxed_orders ? knowledge(t) : t.published;
  if (reads && found != releases.end()) {  // an atomic carries on what it has read
    auto both = std::make_shared<Knowledge>(*found->second);
    if (mine) both->join(*mine);
    found->second = std::move(both);
  } else if (mine) {
    releases[address] = std::move(mine);
  } else if (found != releases.end()) {
    releases.erase(found);
  }
}

void meet(Block& block, unsigned number, std::uint32_t lanes) {
  Warp& warp = block.warps[number];
  const std::uint32_t now = block.launch->advance();
  if (lanes == (warp.lanes & ~warp.exited)) {
    warp.sync_tick = now;
  } else {
    if (!warp.met) warp.met = std::make_unique<std::uint32_t[]>(32 * 32);
    for (std::uint32_t a = lanes; a; a &= a - 1)
      for (std::uint32_t b = lanes; b; b &= b - 1)
        warp.met[static_cast<unsigned>(std::countr_zero(a)) * 32 + static_cast<unsigned>(std::countr_zero(b))] = now;
  }
  if (!block.launch->ordering) return;
  Knowledge all;
  for (std::uint32_t left = lanes; left; left &= left - 1)
    if (const auto& a = warp.thread(static_cast<unsigned>(std::countr_zero(left))).acquired) all.join(*a);
  if (all.empty()) return;
  for (std::uint32_t left = lanes; left; left &= left - 1)
    acquire(warp.thread(static_cast<unsigned>(std::countr_zero(left))), all);
}

}  // namespace fulmar::ptx
