// SPDX-License-Identifier: Apache-2.0
#include "exec/waiting.hpp"

#include <bit>

namespace fulmar::ptx {
namespace {

/// Modes of bar.red, in Instruction::mode (0 = plain bar.sync).
enum : std::uint8_t { plain, red_popc, red_and, red_or };

/// Runs the warp instruction in which the lanes of a mask wait, if all that have not left are there.
void try_warp(Warp& warp, std::uint32_t mask) {
  const std::uint32_t lanes = mask & warp.lanes & ~warp.exited;
  if (lanes == 0 || (lanes & ~warp.waiting)) return;
  const Thread& first = warp.thread(static_cast<unsigned>(std::countr_zero(lanes)));
  for (std::uint32_t left = lanes; left; left &= left - 1) {
    const Thread& t = warp.thread(static_cast<unsigned>(std::countr_zero(left)));
    if (t.mask != mask)
      fail(t, t.pc, FaultKind::warp_mask,
           "wrong mask: lane " + std::to_string(t.lane) + " waits with another mask than lane " +
               std::to_string(first.lane) + ", which names it");
    if (t.pc->key != first.pc->key)
      fail(t, t.pc, FaultKind::warp_mask,
           "wrong mask: lane " + std::to_string(t.lane) + " is in another warp instruction than lane " +
               std::to_string(first.lane) + ", which waits for it (PTX line " +
               std::to_string(first.pc->origin.ptx_line) + ")");
  }
  // The operands of each lane are read by its own instruction: equal ones may stand in several places.
  first.pc->collective(warp, lanes);
  for (std::uint32_t left = lanes; left; left &= left - 1) {
    Thread& t = warp.thread(static_cast<unsigned>(std::countr_zero(left)));
    ++t.pc;
    t.state = State::ready;
  }
  warp.waiting &= ~lanes;
}

/// Gives activemask its answer once no lane of the warp can run.
void try_active(Warp& warp) {
  if ((warp.lanes & ~warp.exited & ~warp.waiting & ~warp.at_barrier) || !warp.waiting) return;
  for (std::uint32_t left = warp.waiting; left; left &= left - 1) {
    const unsigned lane = static_cast<unsigned>(std::countr_zero(left));
    if (warp.thread(lane).mask || !(warp.waiting >> lane & 1)) continue;
    const Instruction* const at = warp.thread(lane).pc;
    std::uint32_t together = 0;
    for (std::uint32_t others = warp.waiting; others; others &= others - 1) {
      const unsigned other = static_cast<unsigned>(std::countr_zero(others));
      if (warp.thread(other).mask == 0 && warp.thread(other).pc == at) together |= 1u << other;
    }
    for (std::uint32_t lanes = together; lanes; lanes &= lanes - 1) {
      Thread& t = warp.thread(static_cast<unsigned>(std::countr_zero(lanes)));
      t.r[at->slot[0]] = together;
      ++t.pc;
      t.state = State::ready;
    }
    warp.waiting &= ~together;
  }
}

void release(Block& b, std::uint32_t id) {
  std::uint32_t votes = 0, count = 0;
  for (const Thread& t : b.threads)
    if (t.state == State::at_barrier && t.barrier == id) {
      ++count;
      votes += t.vote;
    }
  const std::uint32_t now = b.launch->advance();
  const bool everyone = count == b.live;
  if (everyone) b.barrier_tick = now;
  for (Thread& t : b.threads) {
    if (t.state != State::at_barrier || t.barrier != id) continue;
    const Instruction* const i = t.pc;
    switch (i->mode) {
      case red_popc:
        t.r[i->slot[0]] = votes;
        break;
      case red_and:
        t.r[i->slot[0]] = votes == count;
        break;
      case red_or:
        t.r[i->slot[0]] = votes != 0;
        break;
      default:
        break;
    }
    if (!everyone) {
      t.group = now;
      t.group_tick = now;
    }
    b.acquired = Knowledge::join(b.acquired, t.acquired);
    b.warps[t.index / 32].at_barrier &= ~(1u << t.lane);
    ++t.pc;
    t.state = State::ready;
  }
  b.arrived[id] = 0;
}

void try_barrier(Block& b, std::uint32_t id) {
  const std::uint32_t arrived = b.arrived[id];
  if (arrived == 0) return;
  const Thread* waiting = nullptr;
  for (const Thread& t : b.threads)
    if (t.state == State::at_barrier && t.barrier == id) {
      waiting = &t;
      break;
    }
  const std::uint32_t wanted = waiting->barrier_count;
  if (wanted ? arrived < wanted : arrived < b.live) return;
  if (!wanted && b.live < b.threads.size() && !b.launch->device->options.exited_at_barrier)
    fail(*waiting, waiting->pc, FaultKind::divergent_barrier,
         "divergent barrier: " + std::to_string(b.threads.size() - b.live) + " of the block's " +
             std::to_string(b.threads.size()) +
             " threads have left without reaching it (FULMAR_PTX_EXITED_AT_BARRIER=1 allows it)");
  for (const Warp& warp : b.warps) {
    const Thread* one = nullptr;
    for (std::uint32_t left = warp.lanes; left; left &= left - 1) {
      const Thread& t = warp.thread(static_cast<unsigned>(std::countr_zero(left)));
      if (t.state != State::at_barrier || t.barrier != id) continue;
      if (!one) one = &t;
      if (t.pc != one->pc)
        fail(t, t.pc, FaultKind::divergent_barrier,
             "divergent barrier: lanes " + std::to_string(one->lane) + " and " + std::to_string(t.lane) +
                 " of a warp wait at different barriers (PTX lines " + std::to_string(one->pc->origin.ptx_line) +
                 " and " + std::to_string(t.pc->origin.ptx_line) + ")");
    }
  }
  release(b, id);
}

}  // namespace

void settle(Thread& t) {
  Block& b = *t.block;
  Warp& warp = b.warps[t.index / 32];
  switch (t.state) {
    case State::ready:
      return;
    case State::in_warp:
      warp.waiting |= 1u << t.lane;
      if (t.mask) try_warp(warp, t.mask);
      break;
    case State::at_barrier:
      ++b.arrived[t.barrier];
      warp.at_barrier |= 1u << t.lane;
      try_barrier(b, t.barrier);
      break;
    case State::done:
      warp.exited |= 1u << t.lane;
      --b.live;
      t.frames.clear();
      for (std::uint32_t left = warp.waiting; left; left &= left - 1) {
        const unsigned lane = static_cast<unsigned>(std::countr_zero(left));
        if (warp.waiting >> lane & 1) try_warp(warp, warp.thread(lane).mask);
      }
      for (std::uint32_t id = 0; id < 16; ++id)
        if (b.arrived[id]) try_barrier(b, id);
      break;
  }
  try_active(warp);
}

void fail_deadlock(Block& b) {
  const Thread* at_barrier = nullptr;
  const Thread* in_warp = nullptr;
  for (const Thread& t : b.threads) {
    if (t.state == State::at_barrier && !at_barrier) at_barrier = &t;
    if (t.state == State::in_warp && !in_warp) in_warp = &t;
  }
  const Thread& t = at_barrier ? *at_barrier : *in_warp;
  std::string others;
  if (at_barrier && in_warp)
    others = "; thread " + std::to_string(in_warp->index) + " waits in the warp instruction at PTX line " +
             std::to_string(in_warp->pc->origin.ptx_line);
  if (at_barrier)
    for (const Thread& o : b.threads)
      if (o.state == State::at_barrier && o.barrier != t.barrier) {
        others += "; thread " + std::to_string(o.index) + " waits at barrier " + std::to_string(o.barrier);
        break;
      }
  fail(t, t.pc, at_barrier ? FaultKind::divergent_barrier : FaultKind::deadlock,
       std::string(at_barrier ? "divergent barrier: " : "deadlock: ") +
           "some threads wait here and the others do not come" + others);
}

}  // namespace fulmar::ptx
