// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "memory/access.hpp"
#include "ops/families.hpp"
#include "ops/pure.hpp"

namespace fulmar::ptx {
namespace {

template <Space S>
std::byte* access(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind) {
  if constexpr (S == Space::global || S == Space::constant) return access_global(t, i, address, bytes, kind);
  if constexpr (S == Space::shared) return access_shared(t, i, address, bytes, kind);
  if constexpr (S == Space::local) return access_local(t, i, address, bytes, kind);
  if constexpr (S == Space::param) return access_param(t, i, address, bytes, kind);
  return access_generic(t, i, address, bytes, kind);
}

/// Slot 0: address; behind it the registers.
template <Space S, class T>
const Instruction* load(Thread& t, const Instruction* i) {
  const std::byte* const from = access<S>(t, i, t.r[i->slot[0]] + i->offset, sizeof(T) * i->lanes, Access::read);
  for (unsigned k = 0; k < i->lanes; ++k) {
    T v;
    std::memcpy(&v, from + k * sizeof(T), sizeof(T));
    t.r[i->slot[k + 1]] = put(v);
  }
  return i + 1;
}
template <Space S, class T>
const Instruction* store(Thread& t, const Instruction* i) {
  std::byte* const to = access<S>(t, i, t.r[i->slot[0]] + i->offset, sizeof(T) * i->lanes, Access::write);
  for (unsigned k = 0; k < i->lanes; ++k) {
    const T v = get<T>(t.r[i->slot[k + 1]]);
    std::memcpy(to + k * sizeof(T), &v, sizeof(T));
  }
  return i + 1;
}

// ---- Atomics. Slots: result, address, a, b.

enum Operation : int { add, minimum, maximum, and_, or_, xor_, exchange, swap, increment, decrement };

template <int Op, class T>
T combine(T old, T a, T b) {
  (void)b;
  if constexpr (std::is_floating_point_v<T>) {
    switch (Op) {
      case add:
        return old + a;
      default:
        return a;
    }
  } else {
    switch (Op) {
      case add:
        return static_cast<T>(static_cast<std::uint64_t>(old) + static_cast<std::uint64_t>(a));
      case minimum:
        return a < old ? a : old;
      case maximum:
        return a > old ? a : old;
      case and_:
        return old & a;
      case or_:
        return old | a;
      case xor_:
        return old ^ a;
      case swap:
        return old == a ? b : old;
      case increment:
        return old >= a ? T{0} : static_cast<T>(old + 1);
      case decrement:
        return old == 0 || old > a ? a : static_cast<T>(old - 1);
      default:
        return a;  // exchange
    }
  }
}

template <Space S, int Op, class T>
const Instruction* atomic(Thread& t, const Instruction* i) {
  std::byte* const at = access<S>(t, i, t.r[i->slot[1]] + i->offset, sizeof(T), Access::atomic);
  T old;
  std::memcpy(&old, at, sizeof(T));
  const T next = combine<Op>(old, get<T>(t.r[i->slot[2]]), get<T>(t.r[i->slot[3]]));
  std::memcpy(at, &next, sizeof(T));
  t.r[i->slot[0]] = put(old);
  return i + 1;
}

// ---- What the opcodes say.

template <class Make>
Handler for_space(Space space, Make make) {
  switch (space) {
    case Space::global:
      return make.template operator()<Space::global>();
    case Space::constant:
      return make.template operator()<Space::constant>();
    case Space::shared:
      return make.template operator()<Space::shared>();
    case Space::local:
      return make.template operator()<Space::local>();
    case Space::param:
      return make.template operator()<Space::param>();
    default:
      return make.template operator()<Space::generic>();
  }
}

struct Form {
  Space space = Space::generic;
  bool strong = false, acquires = false, releases = false, read_only = false;
  unsigned lanes = 1;
};

Form form(Decoder& d) {
  Form f;
  const int space =
      d.take_one({"global", "shared", "shared::cta", "local", "param", "param::entry", "param::func", "const"});
  constexpr Space spaces[] = {Space::global, Space::shared, Space::shared, Space::local,
                              Space::param,  Space::param,  Space::param,  Space::constant};
  if (space >= 0) f.space = spaces[space];
  const int order = d.take_one({"weak", "volatile", "relaxed", "acquire", "release", "acq_rel", "sc", "mmio"});
  f.strong = order > 0;
  f.acquires = order == 3 || order == 5 || order == 6;
  f.releases = order == 4 || order == 5 || order == 6;
  if (f.acquires || f.releases) d.kernel().ordering = true;
  d.take_one({"cta", "cluster", "gpu", "sys"});
  // Where caches keep it changes no value.
  d.take_one({"ca", "cg", "cs", "lu", "cv", "wb", "wt"});
  while (d.take_one({"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate",
                     "L2::64B", "L2::128B", "L2::256B", "unified"}) >= 0) {
  }
  f.read_only = d.take("nc");
  const int vector = d.take_one({"v2", "v4"});
  f.lanes = vector == 0 ? 2 : vector == 1 ? 4 : 1;
  return f;
}

Type bits_of(Type type) {
  return type == Type::f32                         ? Type::b32
         : type == Type::f64                       ? Type::b64
         : type == Type::f16 || type == Type::bf16 ? Type::b16
         : type == Type::f16x2                     ? Type::b32
                                                   : type;
}

template <bool Load>
void decode_transfer(Decoder& d) {
  const Form f = form(d);
  const Type type = d.type();
  d.expect_operands(2, 2);
  const Operand& at = d.operand(Load ? 1 : 0);
  const Operand& data = d.operand(Load ? 0 : 1);
  std::uint64_t offset = 0;
  std::array<std::uint32_t, 6> slot{d.address(at, f.space, offset)};
  if ((data.kind == Operand::Kind::vector) != (f.lanes > 1) || (f.lanes > 1 && data.parts.size() != f.lanes))
    d.unsupported("the number of registers is not that of the vector");
  for (unsigned k = 0; k < f.lanes; ++k) {
    const Operand& o = f.lanes > 1 ? data.parts[k] : data;
    slot[k + 1] = Load ? d.result(o) : d.source(o, type);
  }
  const Handler run = for_space(f.space, [&]<Space S>() -> Handler {
    return for_integer(d, bits_of(type), []<class T>() -> Handler {
      if constexpr (Load) return load<S, T>;
      return store<S, T>;
    });
  });
  Instruction& i = d.emit(run);
  i.slot = slot;
  i.offset = offset;
  i.lanes = static_cast<std::uint8_t>(f.lanes);
  i.bytes = static_cast<std::uint8_t>(bytes_of(type));
  i.strong = f.strong;
  i.acquires = f.acquires;
  i.releases = f.releases;
  i.read_only = f.read_only;
  i.space = f.space;
}

template <Space S, class T>
Handler atomic_handler(const Decoder& d, int op) {
  switch (op) {
    case add:
      return atomic<S, add, T>;
    case exchange:
      return atomic<S, exchange, T>;
    default:
      break;
  }
  if constexpr (std::is_integral_v<T>) switch (op) {
      case minimum:
        return atomic<S, minimum, T>;
      case maximum:
        return atomic<S, maximum, T>;
      case and_:
        return atomic<S, and_, T>;
      case or_:
        return atomic<S, or_, T>;
      case xor_:
        return atomic<S, xor_, T>;
      case swap:
        return atomic<S, swap, T>;
      case increment:
        return atomic<S, increment, T>;
      case decrement:
        return atomic<S, decrement, T>;
      default:
        break;
    }
  d.unsupported("not for this type");
}

/// `red` is `atom` without a result.
template <bool Result>
void decode_atomic(Decoder& d) {
  const Form f = form(d);
  const int op = d.take_one({"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"});
  const Type type = d.type();
  if (op < 0) d.unsupported("its operation is missing");
  if (f.space != Space::generic && f.space != Space::global && f.space != Space::shared)
    d.unsupported("not in this space");
  const unsigned first = Result ? 1 : 0, values = op == swap ? 2 : 1;
  d.expect_operands(first + 1 + values, first + 1 + values);
  std::uint64_t offset = 0;
  std::array<std::uint32_t, 6> slot{};
  slot[0] = Result ? d.result(0) : Instruction::slot_sink;
  slot[1] = d.address(d.operand(first), f.space, offset);
  for (unsigned k = 0; k < values; ++k) slot[2 + k] = d.source(first + 1 + k, type);
  const Handler run = for_space(f.space, [&]<Space S>() -> Handler {
    if constexpr (S == Space::local || S == Space::param || S == Space::constant)
      return nullptr;
    else
      switch (type) {
        case Type::f32:
          return atomic_handler<S, float>(d, op);
        case Type::f64:
          return atomic_handler<S, double>(d, op);
        case Type::b16:
        case Type::u16:
          return atomic_handler<S, std::uint16_t>(d, op);
        case Type::b32:
        case Type::u32:
          return atomic_handler<S, std::uint32_t>(d, op);
        case Type::s32:
          return atomic_handler<S, std::int32_t>(d, op);
        case Type::b64:
        case Type::u64:
          return atomic_handler<S, std::uint64_t>(d, op);
        case Type::s64:
          return atomic_handler<S, std::int64_t>(d, op);
        default:
          d.unsupported("not for this type");
      }
  });
  Instruction& i = d.emit(run);
  i.slot = slot;
  i.offset = offset;
  i.bytes = static_cast<std::uint8_t>(bytes_of(type));
  i.strong = true;
  i.acquires = f.acquires;
  i.releases = f.releases;
  i.space = f.space;
}

const Instruction* run_fence(Thread& t, const Instruction* i) {
  fence(t);
  return i + 1;
}
void decode_fence(Decoder& d) {
  d.take_one({"sc", "acq_rel", "acquire", "release"});
  d.take_one({"cta", "cluster", "gpu", "sys", "gl"});
  d.expect_operands(0, 0);
  d.kernel().ordering = true;
  d.emit(run_fence);
}

const Instruction* nothing(Thread&, const Instruction* i) { return i + 1; }
/// Hints to caches.
void decode_hint(Decoder& d) {
  d.take_one({"global", "local"});
  while (d.take_one({"L1", "L2", "L2::evict_last", "L2::evict_normal"}) >= 0) {
  }
  d.emit(nothing);
}

}  // namespace

void add_memory(Table& t) {
  t.add("ld", decode_transfer<true>);
  t.add("ldu", decode_transfer<true>);
  t.add("st", decode_transfer<false>);
  t.add("atom", decode_atomic<true>);
  t.add("red", decode_atomic<false>);
  t.add("membar", decode_fence);
  t.add("fence", decode_fence);
  t.add("prefetch", decode_hint);
  t.add("prefetchu", decode_hint);
}

}  // namespace fulmar::ptx
