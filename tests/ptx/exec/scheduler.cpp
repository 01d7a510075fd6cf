// SPDX-License-Identifier: Apache-2.0
/// Who runs when. Threads run one at a time, for a random number of instructions; a few blocks are resident together
/// and take turns in random order. Everything random comes from the seed.
#include <algorithm>
#include <cstring>

#include "exec/launch.hpp"
#include "exec/waiting.hpp"
#include "exec/windows.hpp"

namespace fulmar::ptx {

void begin_frame(Thread& t, const Code& code, std::uint64_t* registers, std::uint32_t local_begin) {
  std::memcpy(registers, code.image.data(), code.image.size() * sizeof(std::uint64_t));
  const Launch& l = *t.launch;
  const Dim& n = l.block;
  const std::uint32_t own = 1u << t.lane;
  for (const auto& [slot, special, plus] : code.specials) {
    std::uint64_t value = 0;
    switch (special) {
      case Special::tid_x:
        value = t.index % n.x;
        break;
      case Special::tid_y:
        value = t.index / n.x % n.y;
        break;
      case Special::tid_z:
        value = t.index / (n.x * n.y);
        break;
      case Special::ntid_x:
        value = n.x;
        break;
      case Special::ntid_y:
        value = n.y;
        break;
      case Special::ntid_z:
        value = n.z;
        break;
      case Special::ctaid_x:
        value = t.block->at.x;
        break;
      case Special::ctaid_y:
        value = t.block->at.y;
        break;
      case Special::ctaid_z:
        value = t.block->at.z;
        break;
      case Special::nctaid_x:
        value = l.grid.x;
        break;
      case Special::nctaid_y:
        value = l.grid.y;
        break;
      case Special::nctaid_z:
        value = l.grid.z;
        break;
      case Special::laneid:
        value = t.lane;
        break;
      case Special::warpid:
        value = t.index / 32;
        break;
      case Special::nwarpid:
        value = t.block->warps.size();
        break;
      case Special::lanemask_eq:
        value = own;
        break;
      case Special::lanemask_lt:
        value = own - 1;
        break;
      case Special::lanemask_le:
        value = own | (own - 1);
        break;
      case Special::lanemask_ge:
        value = ~(own - 1);
        break;
      case Special::lanemask_gt:
        value = ~(own | (own - 1));
        break;
      case Special::smid:
        value = t.block->number % 16;
        break;
      case Special::nsmid:
        value = 16;
        break;
      case Special::gridid:
        value = l.number;
        break;
      case Special::dynamic_shared:
        value = l.dynamic_shared;
        break;
      case Special::total_shared:
        value = l.kernel->shared_bytes + l.dynamic_shared;
        break;
      case Special::local_base:
        value = local_begin;
        break;
      case Special::dynamic_base:
        value = l.kernel->shared_span;
        break;
    }
    registers[slot] = value + plus;
  }
  if (code.local_bytes) {
    t.local.resize(local_begin + code.local_bytes);
    t.local_initialised.resize(local_begin);
    t.local_initialised.resize(local_begin + code.local_bytes, 2);
    for (const auto& [begin, end] : code.local_variables)
      std::fill(&t.local_initialised[local_begin + begin], &t.local_initialised[local_begin] + end, std::uint8_t{0});
  }
}

namespace {

/// Makes a block ready to run, in place of one that has ended.
void begin_block(Launch& l, Block& b, std::uint32_t number) {
  const Kernel& k = *l.kernel;
  b.launch = &l;
  b.number = number;
  b.at = {number % l.grid.x, number / l.grid.x % l.grid.y,
          static_cast<std::uint32_t>(number / (std::uint64_t{l.grid.x} * l.grid.y))};
  const auto count = static_cast<std::uint32_t>(l.block.count());
  b.shared_bytes = k.shared_span + l.dynamic_shared;
  b.shared.assign(b.shared_bytes, std::byte{0xFF});
  b.shared_initialised.assign(b.shared_bytes, 2);
  for (const auto& [begin, end] : k.shared_variables)
    std::fill(&b.shared_initialised[begin], &b.shared_initialised[begin] + (end - begin), std::uint8_t{0});
  std::fill(b.shared_initialised.begin() + k.shared_span, b.shared_initialised.end(), std::uint8_t{0});
  if (!b.shadow) b.shadow = std::make_unique<Shadow>(b.shared_bytes + Shadow::page_bytes);
  b.live = b.ready = count;
  b.barrier_tick = 0;
  std::fill(std::begin(b.arrived), std::end(b.arrived), 0u);
  b.acquired.reset();
  const std::size_t slots = k.entry->image.size();
  b.registers.resize(slots * count);
  b.warps.clear();
  b.warps.resize((count + 31) / 32);
  for (std::uint32_t w = 0; w < b.warps.size(); ++w) {
    Warp& warp = b.warps[w];
    warp.block = &b;
    warp.first = w * 32;
    const std::uint32_t lanes = std::min(32u, count - w * 32);
    warp.lanes = lanes == 32 ? ~0u : (1u << lanes) - 1;
  }
  b.threads.resize(count);
  for (std::uint32_t n = 0; n < count; ++n) {
    Thread& t = b.threads[n];
    t.launch = &l;
    t.block = &b;
    t.id = number << 10 | n;
    t.index = n;
    t.lane = n & 31;
    t.state = State::ready;
    t.carry = false;
    t.group = 0;
    t.acquired.reset();
    t.pending.reset();
    t.published.reset();
    t.local.clear();
    t.local_initialised.clear();
    t.frames.clear();
    Frame& f = t.frames.emplace_back();
    f.code = k.entry;
    f.registers = &b.registers[slots * n];
    f.parameters.resize(k.entry->parameter_bytes -
                        std::min<std::size_t>(k.entry->parameter_bytes, l.parameters.size()));
    begin_frame(t, *k.entry, f.registers, 0);
    t.r = f.registers;
    t.pc = k.entry->instructions.data();
  }
}

/// Runs a thread until its budget is spent or it waits or ends.
void run_thread(Thread& t, std::int64_t budget) {
  t.budget = budget;
  const Instruction* i = t.pc;
  std::int64_t spent = 0;
  while (t.budget > 0) {
    --t.budget;
    ++spent;
    if (t.r[i->guard] == i->guard_skips) {
      ++i;
      continue;
    }
    const Instruction* const next = i->run(t, i);
    if (!next) break;  // it has put where to go on into pc
    i = next;
    t.pc = i;
  }
  if (t.state == State::ready) t.pc = i;
  t.launch->traffic.instructions += static_cast<std::uint64_t>(spent);
}

std::int64_t draw_budget(Launch& l) {
  if (const std::uint32_t q = l.device->options.quantum) return 1 + l.draw(q);
  return l.draw(4) ? 1 + l.draw(64) : 100'000;
}

/// One turn of a block. False if none of its threads could run.
bool turn(Launch& l, Block& b) {
  const auto count = static_cast<std::uint32_t>(b.threads.size());
  const std::uint32_t first = l.draw(count);
  bool ran = false;
  for (std::uint32_t k = 0; k < count; ++k) {
    Thread& t = b.threads[first + k < count ? first + k : first + k - count];
    if (t.state != State::ready) continue;
    ran = true;
    run_thread(t, draw_budget(l));
    settle(t);
  }
  return ran;
}

}  // namespace

void run(Launch& l) {
  const std::uint64_t blocks = l.grid.count();
  if (blocks >= std::uint64_t{1} << 22)
    throw Fault(FaultKind::misuse,
                "kernel " + l.kernel->name + ": more than 4 million blocks are too many to interpret");
  std::vector<std::uint32_t> order(blocks);
  for (std::uint32_t n = 0; n < blocks; ++n) order[n] = n;
  if (l.device->options.shuffle)
    for (std::uint64_t n = blocks; n > 1; --n) std::swap(order[n - 1], order[l.draw(static_cast<std::uint32_t>(n))]);

  std::vector<std::unique_ptr<Block>> resident, spare;
  const std::uint64_t limit = l.device->options.limit * 1'000'000;
  for (std::uint64_t next = 0; next < blocks || !resident.empty();) {
    while (resident.size() < l.device->options.blocks && next < blocks) {
      if (spare.empty()) spare.push_back(std::make_unique<Block>());
      resident.push_back(std::move(spare.back()));
      spare.pop_back();
      begin_block(l, *resident.back(), order[next++]);
    }
    const std::uint32_t chosen = l.draw(static_cast<std::uint32_t>(resident.size()));
    Block& b = *resident[chosen];
    const bool ran = turn(l, b);
    if (b.live == 0) {
      spare.push_back(std::move(resident[chosen]));
      resident.erase(resident.begin() + chosen);
    } else if (!ran) {
      fail_deadlock(b);
    }
    if (l.traffic.instructions > limit)
      throw Fault(FaultKind::endless, "kernel " + l.kernel->name + " ran " + std::to_string(limit / 1'000'000) +
                                          " million instructions without an end (FULMAR_PTX_LIMIT)");
  }
}

}  // namespace fulmar::ptx
