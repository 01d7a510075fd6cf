// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/families.hpp"
#include "ops/rounding.hpp"

namespace fulmar::ptx {
namespace {

enum Comparison : int { eq, ne, lt, le, gt, ge, lo, ls, hi, hs, equ, neu, ltu, leu, gtu, geu, num, nan };

template <int C, class T>
bool compare(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool unordered = std::isnan(a) || std::isnan(b);
    switch (C) {
      case eq:
        return a == b;
      case ne:
        return !unordered && a != b;
      case lt:
        return a < b;
      case le:
        return a <= b;
      case gt:
        return a > b;
      case ge:
        return a >= b;
      case equ:
        return unordered || a == b;
      case neu:
        return a != b;
      case ltu:
        return !(a >= b);
      case leu:
        return !(a > b);
      case gtu:
        return !(a <= b);
      case geu:
        return !(a < b);
      case num:
        return !unordered;
      default:
        return unordered;
    }
  } else {
    switch (C) {
      case eq:
        return a == b;
      case ne:
        return a != b;
      case lt:
      case lo:
        return a < b;
      case le:
      case ls:
        return a <= b;
      case gt:
      case hi:
        return a > b;
      default:
        return a >= b;
    }
  }
}

// How a third, boolean operand joins in.
enum Join : int { alone, with_and, with_or, with_xor };
template <int J>
bool join(bool result, bool c) {
  if constexpr (J == with_and) return result && c;
  if constexpr (J == with_or) return result || c;
  if constexpr (J == with_xor) return result != c;
  return result;
}

/// Slots: p, q (the complement), a, b, c.
template <int C, class T, int J, bool Ftz>
const Instruction* setp(Thread& t, const Instruction* i) {
  T a = get<T>(t.r[i->slot[2]]), b = get<T>(t.r[i->slot[3]]);
  if constexpr (Ftz && std::is_same_v<T, float>) {
    a = flush<true>(a);
    b = flush<true>(b);
  }
  const bool result = compare<C>(a, b);
  const bool c = J == alone ? false : t.r[i->slot[4]] & 1;
  t.r[i->slot[0]] = join<J>(result, c);
  if constexpr (J != alone)
    t.r[i->slot[1]] = join<J>(!result, c);
  else
    t.r[i->slot[1]] = !result;
  return i + 1;
}

/// Slots: d, -, a, b, c; the result is all ones or 1.0.
template <int C, class T, int J, bool Ftz, bool Float>
const Instruction* set(Thread& t, const Instruction* i) {
  const std::uint64_t keep = t.r[Instruction::slot_sink];
  Instruction p = *i;
  p.slot[0] = p.slot[1] = Instruction::slot_sink;
  p.slot[1] = i->slot[0];
  setp<C, T, J, Ftz>(t, &p);
  const bool result = t.r[Instruction::slot_sink];
  t.r[Instruction::slot_sink] = keep;
  t.r[i->slot[0]] = result ? (Float ? 0x3f800000u : 0xffffffffu) : 0u;
  return i + 1;
}

template <class Make, int... C>
Handler for_comparison(int c, Make make, std::integer_sequence<int, C...>) {
  Handler found = nullptr;
  ((C == c ? void(found = make.template operator()<C>()) : void()), ...);
  return found;
}

struct Form {
  int comparison, join;
  bool ftz;
};
Form form(Decoder& d) {
  Form f{};
  f.comparison = d.take_one({"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu",
                             "gtu", "geu", "num", "nan"});
  f.join = d.take_one({"and", "or", "xor"}) + 1;
  f.ftz = d.take("ftz");
  if (f.comparison < 0) d.unsupported("its comparison is missing");
  return f;
}
void check(Decoder& d, const Form& f, Type type) {
  if (is_float(type) ? f.comparison >= lo && f.comparison <= hs : f.comparison > hs) d.unsupported("not for this type");
  if ((f.comparison >= lo && f.comparison <= hs) && !is_unsigned(type)) d.unsupported("not for this type");
  if (is_bits(type) && f.comparison > ne) d.unsupported("bits are only equal or not");
}
using All = std::make_integer_sequence<int, nan + 1>;
using Integers = std::make_integer_sequence<int, hs + 1>;

/// `make<C, T, J, Ftz>` for a form and a type.
template <class Make>
Handler handler(Decoder& d, const Form& f, Type type, Make make) {
  const auto joined = [&]<int C, class T, bool Ftz>() -> Handler {
    switch (f.join) {
      case with_and:
        return make.template operator()<C, T, with_and, Ftz>();
      case with_or:
        return make.template operator()<C, T, with_or, Ftz>();
      case with_xor:
        return make.template operator()<C, T, with_xor, Ftz>();
      default:
        return make.template operator()<C, T, alone, Ftz>();
    }
  };
  if (type == Type::f32 && f.ftz)
    return for_comparison(
        f.comparison, [&]<int C>() -> Handler { return joined.template operator()<C, float, true>(); }, All{});
  if (is_float(type))
    return for_float(d, type, [&]<class T>() -> Handler {
      return for_comparison(
          f.comparison, [&]<int C>() -> Handler { return joined.template operator()<C, T, false>(); }, All{});
    });
  return for_integer(d, type, [&]<class T>() -> Handler {
    return for_comparison(
        f.comparison, [&]<int C>() -> Handler { return joined.template operator()<C, T, false>(); }, Integers{});
  });
}

void decode_setp(Decoder& d) {
  const Form f = form(d);
  const Type type = d.type();
  check(d, f, type);
  d.expect_operands(f.join ? 4 : 3, f.join ? 4 : 3);
  const Operand& o = d.operand(0);
  const bool pair = o.kind == Operand::Kind::pair;
  std::array<std::uint32_t, 6> slot{};
  slot[0] = d.result(pair ? o.parts[0] : o);
  slot[1] = pair ? d.result(o.parts[1]) : Instruction::slot_sink;
  slot[2] = d.source(1, type);
  slot[3] = d.source(2, type);
  if (f.join) slot[4] = d.source(3, Type::pred);
  const Handler run =
      handler(d, f, type, []<int C, class T, int J, bool Ftz>() -> Handler { return setp<C, T, J, Ftz>; });
  d.emit(run).slot = slot;
}

void decode_set(Decoder& d) {
  const Form f = form(d);
  const Type to = d.type(), type = d.type();
  check(d, f, type);
  if (to != Type::f32 && to != Type::u32 && to != Type::s32) d.unsupported("not for this type");
  d.expect_operands(f.join ? 4 : 3, f.join ? 4 : 3);
  std::array<std::uint32_t, 6> slot{d.result(0), 0, d.source(1, type), d.source(2, type)};
  if (f.join) slot[4] = d.source(3, Type::pred);
  const bool as_float = to == Type::f32;
  const Handler run = handler(d, f, type, [&]<int C, class T, int J, bool Ftz>() -> Handler {
    return as_float ? set<C, T, J, Ftz, true> : set<C, T, J, Ftz, false>;
  });
  d.emit(run).slot = slot;
}

template <class T>
T select(T a, T b, bool c) {
  return c ? a : b;
}
void decode_selp(Decoder& d) {
  const Type type = d.type();
  const Type bits = type == Type::f32 ? Type::b32 : type == Type::f64 ? Type::b64 : type;
  d.emit(for_integer(d, bits, []<class T>() -> Handler { return pure<select<T>>; }), {type, type, Type::pred});
}

template <class T, class C>
T select_by_sign(T a, T b, C c) {
  return c >= 0 ? a : b;
}
void decode_slct(Decoder& d) {
  d.take("ftz");
  const Type type = d.type(), by = d.type();
  const Type bits = type == Type::f32 ? Type::b32 : type == Type::f64 ? Type::b64 : type;
  if (by != Type::s32 && by != Type::f32) d.unsupported("it selects by s32 or f32");
  d.emit(for_integer(d, bits,
                     [&]<class T>() -> Handler {
                       return by == Type::s32 ? pure<select_by_sign<T, std::int32_t>> : pure<select_by_sign<T, float>>;
                     }),
         {type, type, by});
}

}  // namespace

void add_compare(Table& t) {
  t.add("setp", decode_setp);
  t.add("set", decode_set);
  t.add("selp", decode_selp);
  t.add("slct", decode_slct);
}

}  // namespace fulmar::ptx
