// SPDX-License-Identifier: Apache-2.0
#include "exec/windows.hpp"
#include "ops/families.hpp"
#include "ops/pure.hpp"

namespace fulmar::ptx {
namespace {

const Instruction* copy(Thread& t, const Instruction* i) {
  t.r[i->slot[0]] = t.r[i->slot[1]];
  return i + 1;
}

/// mov.b64 {a, b}, c: the parts of a register, the lowest first. `bytes` of a part, `lanes` of them.
const Instruction* unpack(Thread& t, const Instruction* i) {
  std::uint64_t v = t.r[i->slot[0]];
  for (unsigned k = 0; k < i->lanes; ++k) {
    t.r[i->slot[k + 1]] = v & ((std::uint64_t{1} << (i->bytes * 8)) - 1);
    v >>= i->bytes * 8;
  }
  return i + 1;
}
const Instruction* pack(Thread& t, const Instruction* i) {
  std::uint64_t v = 0;
  for (unsigned k = 0; k < i->lanes; ++k)
    v |= (t.r[i->slot[k + 1]] & ((std::uint64_t{1} << (i->bytes * 8)) - 1)) << (i->bytes * 8 * k);
  t.r[i->slot[0]] = v;
  return i + 1;
}

void decode_mov(Decoder& d) {
  const Type type = d.type();
  d.expect_operands(2, 2);
  const Operand& to = d.operand(0);
  const Operand& from = d.operand(1);
  const bool unpacks = to.kind == Operand::Kind::vector, packs = from.kind == Operand::Kind::vector;
  if (!unpacks && !packs) {
    d.emit(copy, {type});
    return;
  }
  const Operand& parts = unpacks ? to : from;
  const std::size_t n = parts.parts.size();
  if ((unpacks && packs) || (n != 2 && n != 4) || bytes_of(type) / n == 0 || type == Type::b128)
    d.unsupported("its form is not known");
  std::array<std::uint32_t, 6> slot{};
  slot[0] = unpacks ? d.source(from, type) : d.result(to);
  for (std::size_t k = 0; k < n; ++k)
    slot[k + 1] = unpacks ? d.result(parts.parts[k]) : d.source(parts.parts[k], Type::b32);
  Instruction& i = d.emit(unpacks ? unpack : pack);
  i.slot = slot;
  i.lanes = static_cast<std::uint8_t>(n);
  i.bytes = static_cast<std::uint8_t>(bytes_of(type) / n);
}

std::uint64_t window_of(Space space) {
  switch (space) {
    case Space::shared:
      return window::shared;
    case Space::local:
      return window::local;
    case Space::param:
      return window::param;
    default:
      return 0;
  }
}

/// Offset: the window; mode: 0 from the space to generic, 1 to the space.
const Instruction* cvta(Thread& t, const Instruction* i) {
  const std::uint64_t v = t.r[i->slot[1]];
  if (i->mode == 0) {
    t.r[i->slot[0]] = v + i->offset;
    return i + 1;
  }
  // Null stays what it is: code converts pointers before it compares them.
  if (v && (v & window::mask) != i->offset)
    fail(t, i, FaultKind::out_of_bounds,
         "an address of another space is converted to " + std::string(name_of(i->space)));
  t.r[i->slot[0]] = v - (v ? i->offset : 0);
  return i + 1;
}

Space space_of(Decoder& d) {
  if (d.take("global")) return Space::global;
  if (d.take("shared") || d.take("shared::cta")) return Space::shared;
  if (d.take("local")) return Space::local;
  if (d.take("param") || d.take("param::entry")) return Space::param;
  if (d.take("const")) return Space::constant;
  d.unsupported("its space is missing");
}

void decode_cvta(Decoder& d) {
  const bool to = d.take("to");
  const Space space = space_of(d);
  const Type type = d.type();
  if (type != Type::u64) d.unsupported("addresses have 64 bits");
  Instruction& i = d.emit(cvta, {type});
  i.offset = window_of(space);
  i.space = space;
  i.mode = to;
}

const Instruction* isspacep(Thread& t, const Instruction* i) {
  t.r[i->slot[0]] = (t.r[i->slot[1]] & window::mask) == i->offset;
  return i + 1;
}
void decode_isspacep(Decoder& d) {
  const Space space = space_of(d);
  if (space == Space::constant) d.unsupported("constant memory is not told apart from global memory");
  d.emit(isspacep, {Type::b64}).offset = window_of(space);
}

}  // namespace

void add_move(Table& t) {
  t.add("mov", decode_mov);
  t.add("cvta", decode_cvta);
  t.add("isspacep", decode_isspacep);
}

}  // namespace fulmar::ptx
