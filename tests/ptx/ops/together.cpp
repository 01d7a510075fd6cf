// SPDX-License-Identifier: Apache-2.0
/// Instructions that threads run together: barriers of the block, and those of a warp.
#include <bit>

#include "ops/families.hpp"
#include "ops/pure.hpp"

namespace fulmar::ptx {
namespace {

template <class Use>
void each_lane(std::uint32_t lanes, Use use) {
  for (; lanes; lanes &= lanes - 1) use(static_cast<unsigned>(std::countr_zero(lanes)));
}

// ---- Of the block. Slots: result, id, count, vote.

const Instruction* bar(Thread& t, const Instruction* i) {
  t.barrier = get<std::uint32_t>(t.r[i->slot[1]]);
  t.barrier_count = get<std::uint32_t>(t.r[i->slot[2]]);
  t.vote = t.r[i->slot[3]] & 1;
  if (t.barrier > 15) fail(t, i, FaultKind::misuse, "a block has barriers 0 to 15");
  if (t.barrier_count % 32) fail(t, i, FaultKind::misuse, "a barrier's count is not a multiple of 32");
  t.pc = i;
  t.state = State::at_barrier;
  return nullptr;
}

/// The lanes give their mask in slot 0 and wait; the collective does the rest. Slots: result, second result, mask, ..
const Instruction* wait_in_warp(Thread& t, const Instruction* i) {
  t.mask = get<std::uint32_t>(t.r[i->slot[2]]);
  if (!(t.mask >> t.lane & 1))
    fail(t, i, FaultKind::warp_mask,
         "wrong mask: lane " + std::to_string(t.lane) + " is not in the mask that it gives");
  t.pc = i;
  t.state = State::in_warp;
  return nullptr;
}

Instruction& emit_collective(Decoder& d, Collective collective, const std::array<std::uint32_t, 6>& slot) {
  Instruction& i = d.emit(wait_in_warp);
  i.slot = slot;
  i.key = d.key();
  i.collective = collective;
  return i;
}

void sync_warp(Warp& warp, std::uint32_t lanes) { meet(*warp.block, warp.first / 32, lanes); }

void decode_bar(Decoder& d) {
  if (d.take("warp")) {
    if (!d.take("sync")) d.unsupported("only bar.warp.sync is known");
    d.expect_operands(1, 1);
    emit_collective(d, sync_warp, {Instruction::slot_sink, Instruction::slot_sink, d.source(0, Type::b32)});
    return;
  }
  d.take("cta");
  const int kind = d.take_one({"sync", "red"});
  if (kind < 0) d.unsupported("only .sync and .red are known");
  d.take("aligned");
  const std::uint32_t none = d.constant(0);
  std::array<std::uint32_t, 6> slot{Instruction::slot_sink, none, none, none};
  std::uint8_t mode = 0;
  if (kind == 0) {
    d.expect_operands(1, 2);
    slot[1] = d.source(0, Type::u32);
    if (d.operands() == 2) slot[2] = d.source(1, Type::u32);
  } else {
    const int op = d.take_one({"popc", "and", "or"});
    d.type();
    if (op < 0) d.unsupported("its operation is missing");
    d.expect_operands(3, 4);
    mode = static_cast<std::uint8_t>(op + 1);
    slot[0] = d.result(0);
    slot[1] = d.source(1, Type::u32);
    if (d.operands() == 4) slot[2] = d.source(2, Type::u32);
    slot[3] = d.source(d.operands() - 1, Type::pred);
  }
  Instruction& i = d.emit(bar);
  i.slot = slot;
  i.mode = mode;
}

// ---- Shuffles. Slots: result, predicate, mask, a, b, c.

enum Shuffle : int { up, down, bfly, idx };

template <int Mode>
void shuffle(Warp& warp, std::uint32_t lanes) {
  std::uint32_t value[32] = {};
  std::uint32_t from[32] = {};
  bool inside[32] = {};
  each_lane(lanes, [&](unsigned lane) {
    const Thread& t = warp.thread(lane);
    const auto b = get<std::uint32_t>(t.r[t.pc->slot[4]]) & 31, c = get<std::uint32_t>(t.r[t.pc->slot[5]]);
    const std::uint32_t segment = c >> 8 & 31, clamp = c & 31;
    const std::uint32_t last = (lane & segment) | (clamp & ~segment), first = lane & segment;
    std::int32_t j = 0;
    bool in = false;
    const auto l = static_cast<std::int32_t>(lane), n = static_cast<std::int32_t>(b);
    switch (Mode) {
      case up:
        j = l - n;
        in = j >= static_cast<std::int32_t>(last);
        break;
      case down:
        j = l + n;
        in = j <= static_cast<std::int32_t>(last);
        break;
      case bfly:
        j = l ^ n;
        in = j <= static_cast<std::int32_t>(last);
        break;
      default:
        j = static_cast<std::int32_t>(first | (b & ~segment));
        in = j <= static_cast<std::int32_t>(last);
        break;
    }
    if (!in) j = l;
    if (!(lanes >> j & 1))
      fail(t, t.pc, FaultKind::warp_mask,
           "wrong mask: shfl.sync reads lane " + std::to_string(j) +
               ", which does not take part (it is not in the mask, or has left)");
    from[lane] = static_cast<std::uint32_t>(j);
    inside[lane] = in;
    value[lane] = get<std::uint32_t>(t.r[t.pc->slot[3]]);
  });
  each_lane(lanes, [&](unsigned lane) {
    Thread& t = warp.thread(lane);
    t.r[t.pc->slot[0]] = value[from[lane]];
    t.r[t.pc->slot[1]] = inside[lane];
  });
}

void decode_shfl(Decoder& d) {
  if (!d.take("sync")) d.unsupported("only .sync is known");
  const int mode = d.take_one({"up", "down", "bfly", "idx"});
  const Type type = d.type();
  if (mode < 0 || type != Type::b32) d.unsupported("its form is not known");
  d.expect_operands(5, 5);
  const Operand& o = d.operand(0);
  const bool pair = o.kind == Operand::Kind::pair;
  constexpr Collective modes[] = {shuffle<up>, shuffle<down>, shuffle<bfly>, shuffle<idx>};
  emit_collective(d, modes[mode],
                  {d.result(pair ? o.parts[0] : o), pair ? d.result(o.parts[1]) : Instruction::slot_sink,
                   d.source(4, Type::b32), d.source(1, Type::b32), d.source(2, Type::b32), d.source(3, Type::b32)});
}

// ---- Votes. Slots: result, -, mask, predicate.

enum Vote : int { all, any, uniform, ballot };

template <int Mode>
void vote(Warp& warp, std::uint32_t lanes) {
  std::uint32_t yes = 0;
  each_lane(lanes, [&](unsigned lane) {
    const Thread& t = warp.thread(lane);
    yes |= static_cast<std::uint32_t>(t.r[t.pc->slot[3]] & 1) << lane;
  });
  each_lane(lanes, [&](unsigned lane) {
    Thread& t = warp.thread(lane);
    std::uint64_t result = yes;
    switch (Mode) {
      case all:
        result = yes == lanes;
        break;
      case any:
        result = yes != 0;
        break;
      case uniform:
        result = yes == lanes || yes == 0;
        break;
      default:
        break;
    }
    t.r[t.pc->slot[0]] = result;
  });
}

void decode_vote(Decoder& d) {
  if (!d.take("sync")) d.unsupported("only .sync is known");
  const int mode = d.take_one({"all", "any", "uni", "ballot"});
  d.type();
  if (mode < 0) d.unsupported("its mode is missing");
  d.expect_operands(3, 3);
  constexpr Collective modes[] = {vote<all>, vote<any>, vote<uniform>, vote<ballot>};
  emit_collective(d, modes[mode],
                  {d.result(0), Instruction::slot_sink, d.source(2, Type::b32), d.source(1, Type::pred)});
}

// ---- match.any, match.all. Slots: result, predicate, mask, a.

template <class T, bool All>
void match(Warp& warp, std::uint32_t lanes) {
  T value[32] = {};
  each_lane(lanes, [&](unsigned lane) {
    const Thread& t = warp.thread(lane);
    value[lane] = get<T>(t.r[t.pc->slot[3]]);
  });
  each_lane(lanes, [&](unsigned lane) {
    std::uint32_t same = 0;
    each_lane(lanes, [&](unsigned other) { same |= std::uint32_t{value[other] == value[lane]} << other; });
    Thread& t = warp.thread(lane);
    t.r[t.pc->slot[0]] = All && same != lanes ? 0 : same;
    t.r[t.pc->slot[1]] = same == lanes;
  });
}

void decode_match(Decoder& d) {
  const int mode = d.take_one({"any", "all"});
  if (mode < 0 || !d.take("sync")) d.unsupported("its form is not known");
  const Type type = d.type();
  if (type != Type::b32 && type != Type::b64) d.unsupported("not for this type");
  d.expect_operands(3, 3);
  const Operand& o = d.operand(0);
  const bool pair = o.kind == Operand::Kind::pair, wide = type == Type::b64;
  using W = std::uint64_t;
  using N = std::uint32_t;
  emit_collective(d, mode ? (wide ? match<W, true> : match<N, true>) : (wide ? match<W, false> : match<N, false>),
                  {d.result(pair ? o.parts[0] : o), pair ? d.result(o.parts[1]) : Instruction::slot_sink,
                   d.source(2, Type::b32), d.source(1, type)});
}

// ---- redux. Slots: result, -, mask, a.

enum Reduction : int { sum, least, most, conjunction, disjunction, parity };

template <class T, int Op>
void reduce(Warp& warp, std::uint32_t lanes) {
  bool first = true;
  T total{};
  each_lane(lanes, [&](unsigned lane) {
    const Thread& t = warp.thread(lane);
    const T v = get<T>(t.r[t.pc->slot[3]]);
    if (first) {
      total = v;
      first = false;
      return;
    }
    switch (Op) {
      case sum:
        total = static_cast<T>(static_cast<std::uint32_t>(total) + static_cast<std::uint32_t>(v));
        break;
      case least:
        total = std::min(total, v);
        break;
      case most:
        total = std::max(total, v);
        break;
      case conjunction:
        total &= v;
        break;
      case disjunction:
        total |= v;
        break;
      default:
        total ^= v;
        break;
    }
  });
  each_lane(lanes, [&](unsigned lane) {
    Thread& t = warp.thread(lane);
    t.r[t.pc->slot[0]] = put(total);
  });
}

template <class T>
Collective reduction(int op) {
  constexpr Collective all_of[] = {reduce<T, sum>,         reduce<T, least>,       reduce<T, most>,
                                   reduce<T, conjunction>, reduce<T, disjunction>, reduce<T, parity>};
  return all_of[op];
}

void decode_redux(Decoder& d) {
  if (!d.take("sync")) d.unsupported("only .sync is known");
  const int op = d.take_one({"add", "min", "max", "and", "or", "xor"});
  const Type type = d.type();
  if (op < 0 || bytes_of(type) != 4 || is_float(type)) d.unsupported("its form is not known");
  d.expect_operands(3, 3);
  emit_collective(d, is_signed(type) ? reduction<std::int32_t>(op) : reduction<std::uint32_t>(op),
                  {d.result(0), Instruction::slot_sink, d.source(2, Type::b32), d.source(1, type)});
}

// ---- activemask: the lanes that run it together. A lane waits until no lane of its warp can run; those that then wait
// at one place are together, which is as much as a card would bring together.

const Instruction* activemask(Thread& t, const Instruction* i) {
  t.mask = 0;
  t.pc = i;
  t.state = State::in_warp;
  return nullptr;
}
void decode_activemask(Decoder& d) {
  d.type();
  d.emit(activemask, {});
}

}  // namespace

void add_together(Table& t) {
  t.add("bar", decode_bar);
  t.add("barrier", decode_bar);
  t.add("shfl", decode_shfl);
  t.add("vote", decode_vote);
  t.add("match", decode_match);
  t.add("redux", decode_redux);
  t.add("activemask", decode_activemask);
}

}  // namespace fulmar::ptx
