// SPDX-License-Identifier: Apache-2.0
#include "exec/order.hpp"

#include <algorithm>
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
  return (block.acquired && block.acquired->covers(touch)) || (t.acquired && t.acquired->covers(touch));
}

void Knowledge::learn(std::uint64_t key, std::uint32_t tick) {
  const auto at =
      std::lower_bound(items_.begin(), items_.end(), key, [](const Item& i, std::uint64_t k) { return i.key < k; });
  if (at == items_.end() || at->key != key)
    items_.insert(at, {key, tick});
  else
    at->until = std::max(at->until, tick);
}

bool Knowledge::covers(std::uint64_t key, std::uint32_t tick) const {
  const auto at =
      std::lower_bound(items_.begin(), items_.end(), key, [](const Item& i, std::uint64_t k) { return i.key < k; });
  return at != items_.end() && at->key == key && tick < at->until;
}

Knowledge::Pointer Knowledge::join(const Pointer& a, const Pointer& b) {
  if (!b || a == b) return a;
  if (!a) return b;
  auto both = std::make_shared<Knowledge>();
  both->items_.reserve(a->items_.size() + b->items_.size());
  bool as_a = true, as_b = true;
  auto i = a->items_.begin(), j = b->items_.begin();
  while (i != a->items_.end() || j != b->items_.end()) {
    if (j == b->items_.end() || (i != a->items_.end() && i->key < j->key)) {
      both->items_.push_back(*i++);
      as_b = false;
    } else if (i == a->items_.end() || j->key < i->key) {
      both->items_.push_back(*j++);
      as_a = false;
    } else {
      as_a &= i->until >= j->until;
      as_b &= j->until >= i->until;
      both->items_.push_back({i->key, std::max(i->until, j->until)});
      ++i;
      ++j;
    }
  }
  return as_a ? a : as_b ? b : both;
}

namespace {

/// All that the thread knows to have happened, itself included.
Knowledge::Pointer knowledge(Thread& t) {
  const Knowledge::Pointer known = Knowledge::join(t.block->acquired, t.acquired);
  auto k = known ? std::make_shared<Knowledge>(*known) : std::make_shared<Knowledge>();
  const std::uint32_t now = t.launch->advance();
  if (t.launch->relaxed_orders) {  // libraries are trusted to have met before one of them speaks
    k->learn_block(t.id, now);
    return k;
  }
  k->learn_block(t.id, t.block->barrier_tick);
  k->learn_thread(t.id, now);
  const Warp& warp = t.block->warps[t.index / 32];
  k->learn_warp(t.id, warp.sync_tick);
  if (warp.met)
    for (std::uint32_t left = warp.lanes; left; left &= left - 1) {
      const unsigned lane = static_cast<unsigned>(std::countr_zero(left));
      if (const std::uint32_t met = warp.met[t.lane * 32 + lane]) k->learn_thread((t.id & ~31u) | lane, met);
    }
  return k;
}

}  // namespace

void fence(Thread& t) {
  if (!t.launch->ordering) return;
  t.acquired = Knowledge::join(t.acquired, t.pending);
  t.pending.reset();
  t.published = knowledge(t);
}

void strong_access(Thread& t, const Instruction* i, std::uint64_t address, bool reads, bool writes) {
  // Where threads talk to each other is where a switch shows most.
  if (t.launch->draw(4) == 0) t.budget = 0;
  if (!t.launch->ordering) return;
  auto& releases = t.launch->releases;
  const auto found = releases.find(address);
  if (reads && found != releases.end()) {
    Knowledge::Pointer& into = i->acquires || t.launch->relaxed_orders ? t.acquired : t.pending;
    into = Knowledge::join(into, found->second);
  }
  if (!writes) return;
  Knowledge::Pointer mine = i->releases || t.launch->relaxed_orders ? knowledge(t) : t.published;
  if (reads && found != releases.end())  // an atomic carries on what it has read
    found->second = Knowledge::join(found->second, mine);
  else if (mine)
    releases[address] = std::move(mine);
  else if (found != releases.end())
    releases.erase(found);
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
  Knowledge::Pointer all;
  for (std::uint32_t left = lanes; left; left &= left - 1)
    all = Knowledge::join(all, warp.thread(static_cast<unsigned>(std::countr_zero(left))).acquired);
  if (all)
    for (std::uint32_t left = lanes; left; left &= left - 1)
      warp.thread(static_cast<unsigned>(std::countr_zero(left))).acquired = all;
}

}  // namespace fulmar::ptx
