// SPDX-License-Identifier: Apache-2.0
#include "ops/families.hpp"
#include "ops/pure.hpp"

namespace fulmar::ptx {
namespace {

template <class T>
constexpr std::uint32_t width = sizeof(T) * 8;

template <class T>
T and_(T a, T b) {
  return a & b;
}
template <class T>
T or_(T a, T b) {
  return a | b;
}
template <class T>
T xor_(T a, T b) {
  return a ^ b;
}
template <class T>
T not_(T a) {
  if constexpr (std::is_same_v<T, bool>)
    return !a;
  else
    return static_cast<T>(~a);
}
template <class T>
T cnot(T a) {
  return a == 0;
}

/// Amounts beyond the width count as the width.
template <class T>
T shl(T a, std::uint32_t n) {
  return n >= width<T> ? T{0} : static_cast<T>(static_cast<std::uint64_t>(a) << n);
}
template <class T>
T shr(T a, std::uint32_t n) {
  if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> std::min(n, width<T> - 1));
  return n >= width<T> ? T{0} : static_cast<T>(a >> n);
}
/// The pair b:a shifted; the upper word of a left shift, the lower of a right one.
template <bool Left, bool Wrap>
std::uint32_t shf(std::uint32_t a, std::uint32_t b, std::uint32_t n) {
  const std::uint64_t pair = std::uint64_t{b} << 32 | a;
  n = Wrap ? n & 31 : std::min(n, 32u);
  return static_cast<std::uint32_t>(Left ? (pair << n) >> 32 : pair >> n);
}

std::uint32_t lop3(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t table) {
  std::uint32_t result = 0;
  for (unsigned k = 0; k < 8; ++k)
    if (table >> k & 1) result |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
  return result;
}

template <class T>
std::uint32_t popc(T a) {
  return static_cast<std::uint32_t>(std::popcount(a));
}
template <class T>
std::uint32_t clz(T a) {
  return static_cast<std::uint32_t>(std::countl_zero(a));
}
template <class T>
T brev(T a) {
  T result = 0;
  for (unsigned k = 0; k < width<T>; ++k) result |= (a >> k & 1) << (width<T> - 1 - k);
  return result;
}
/// The highest bit that is not the sign's; ~0 if there is none. .shiftamt: how far it is from the top.
template <class T, bool Shift>
std::uint32_t bfind(T a) {
  using U = std::make_unsigned_t<T>;
  U bits = static_cast<U>(a);
  if constexpr (std::is_signed_v<T>)
    if (a < 0) bits = static_cast<U>(~bits);
  if (bits == 0) return ~0u;
  const auto zeros = static_cast<std::uint32_t>(std::countl_zero(bits));
  return Shift ? zeros : width<T> - 1 - zeros;
}
/// Only the low 8 bits of position and length count; a signed field that reaches over the top repeats the top bit.
template <class T>
T bfe(T a, std::uint32_t position, std::uint32_t length) {
  position &= 255;
  length &= 255;
  const std::uint32_t top = width<T> - 1;
  const bool sign = std::is_signed_v<T> && length && (a >> std::min(position + length - 1, top) & 1);
  std::make_unsigned_t<T> result = 0;
  for (std::uint32_t k = 0; k <= top; ++k) {
    const bool bit = k < length && position + k <= top ? a >> (position + k) & 1 : sign;
    result |= static_cast<std::make_unsigned_t<T>>(bit) << k;
  }
  return static_cast<T>(result);
}
template <class T>
T bfi(T a, T b, std::uint32_t position, std::uint32_t length) {
  position &= 255;
  length &= 255;
  for (std::uint32_t k = 0; k < length && position + k < width<T>; ++k) {
    const T bit = T{1} << (position + k);
    b = (a >> k & 1) ? b | bit : b & ~bit;
  }
  return b;
}
template <bool Wrap>
std::uint32_t bmsk(std::uint32_t from, std::uint32_t length) {
  if (Wrap) {
    from &= 31;
    length &= 31;
  }
  const std::uint32_t ones = length >= 32 ? ~0u : (1u << length) - 1;
  return from >= 32 ? 0 : ones << from;
}

std::uint32_t byte_of(std::uint64_t pair, unsigned n) {
  return static_cast<std::uint32_t>(pair >> (8 * (n & 7)) & 255);
}
std::uint32_t prmt(std::uint32_t a, std::uint32_t b, std::uint32_t choice) {
  const std::uint64_t pair = std::uint64_t{b} << 32 | a;
  std::uint32_t result = 0;
  for (unsigned k = 0; k < 4; ++k) {
    const std::uint32_t c = choice >> (4 * k) & 15;
    std::uint32_t byte = byte_of(pair, c);
    if (c & 8) byte = byte & 128 ? 255 : 0;  // its sign, repeated
    result |= byte << (8 * k);
  }
  return result;
}
enum : int { f4e, b4e, rc8, ecl, ecr, rc16 };
template <int Mode>
std::uint32_t prmt_mode(std::uint32_t a, std::uint32_t b, std::uint32_t choice) {
  const std::uint64_t pair = std::uint64_t{b} << 32 | a;
  const unsigned c = choice & 3;
  std::uint32_t result = 0;
  for (unsigned k = 0; k < 4; ++k) {
    unsigned n = 0;
    switch (Mode) {
      case f4e:
        n = c + k;
        break;
      case b4e:
        n = (8 + c - k) & 7;
        break;
      case rc8:
        n = c;
        break;
      case ecl:
        n = std::max(c, k);
        break;
      case ecr:
        n = std::min(c, k);
        break;
      case rc16:
        n = (c & 1) * 2 + (k & 1);
        break;
      default:
        break;
    }
    result |= byte_of(pair, n) << (8 * k);
  }
  return result;
}

/// and, or, xor on predicates too.
template <int Op>
void decode_logic(Decoder& d) {
  const Type type = d.type();
  const auto choose = []<class T>() -> Handler {
    if constexpr (Op == 0) return pure<and_<T>>;
    if constexpr (Op == 1) return pure<or_<T>>;
    return pure<xor_<T>>;
  };
  d.emit(type == Type::pred ? choose.template operator()<bool>() : for_integer(d, type, choose), {type, type});
}
void decode_not(Decoder& d) {
  const Type type = d.type();
  d.emit(
      type == Type::pred ? pure<not_<bool>> : for_integer(d, type, []<class T>() -> Handler { return pure<not_<T>>; }),
      {type});
}
void decode_cnot(Decoder& d) {
  const Type type = d.type();
  d.emit(for_integer(d, type, []<class T>() -> Handler { return pure<cnot<T>>; }), {type});
}
template <bool Left>
void decode_shift(Decoder& d) {
  const Type type = d.type();
  d.emit(for_integer(d, type,
                     []<class T>() -> Handler {
                       if constexpr (Left) return pure<shl<T>>;
                       return pure<shr<T>>;
                     }),
         {type, Type::u32});
}
void decode_shf(Decoder& d) {
  const int side = d.take_one({"l", "r"}), wrap = d.take_one({"clamp", "wrap"});
  const Type type = d.type();
  if (side < 0 || wrap < 0 || type != Type::b32) d.unsupported("its form is not known");
  d.emit(side == 0 ? (wrap ? pure<shf<true, true>> : pure<shf<true, false>>)
                   : (wrap ? pure<shf<false, true>> : pure<shf<false, false>>),
         {type, type, Type::u32});
}
void decode_lop3(Decoder& d) {
  const Type type = d.type();
  if (type != Type::b32) d.unsupported("not for this type");
  d.emit(pure<lop3>, {type, type, type, Type::u32});
}
template <bool Count>
void decode_count(Decoder& d) {
  const Type type = d.type();
  if (type == Type::b32)
    d.emit(Count ? pure<popc<std::uint32_t>> : pure<clz<std::uint32_t>>, {type});
  else if (type == Type::b64)
    d.emit(Count ? pure<popc<std::uint64_t>> : pure<clz<std::uint64_t>>, {type});
  else
    d.unsupported("not for this type");
}
void decode_brev(Decoder& d) {
  const Type type = d.type();
  if (type != Type::b32 && type != Type::b64) d.unsupported("not for this type");
  d.emit(type == Type::b32 ? pure<brev<std::uint32_t>> : pure<brev<std::uint64_t>>, {type});
}
void decode_bfind(Decoder& d) {
  const bool shift = d.take("shiftamt");
  const Type type = d.type();
  d.emit(
      for_integer(d, type, [&]<class T>() -> Handler { return shift ? pure<bfind<T, true>> : pure<bfind<T, false>>; }),
      {type});
}
void decode_bfe(Decoder& d) {
  const Type type = d.type();
  d.emit(for_integer(d, type, []<class T>() -> Handler { return pure<bfe<T>>; }), {type, Type::u32, Type::u32});
}
void decode_bfi(Decoder& d) {
  const Type type = d.type();
  if (type != Type::b32 && type != Type::b64) d.unsupported("not for this type");
  d.emit(type == Type::b32 ? pure<bfi<std::uint32_t>> : pure<bfi<std::uint64_t>>, {type, type, Type::u32, Type::u32});
}
void decode_bmsk(Decoder& d) {
  const int wrap = d.take_one({"clamp", "wrap"});
  const Type type = d.type();
  d.emit(wrap == 1 ? pure<bmsk<true>> : pure<bmsk<false>>, {type, type});
}
void decode_prmt(Decoder& d) {
  const Type type = d.type();
  const Handler modes[] = {pure<prmt>,           pure<prmt_mode<f4e>>, pure<prmt_mode<b4e>>, pure<prmt_mode<rc8>>,
                           pure<prmt_mode<ecl>>, pure<prmt_mode<ecr>>, pure<prmt_mode<rc16>>};
  d.emit(modes[d.take_one({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}) + 1], {type, type, Type::u32});
}

}  // namespace

void add_bits(Table& t) {
  t.add("and", decode_logic<0>);
  t.add("or", decode_logic<1>);
  t.add("xor", decode_logic<2>);
  t.add("not", decode_not);
  t.add("cnot", decode_cnot);
  t.add("shl", decode_shift<true>);
  t.add("shr", decode_shift<false>);
  t.add("shf", decode_shf);
  t.add("lop3", decode_lop3);
  t.add("popc", decode_count<true>);
  t.add("clz", decode_count<false>);
  t.add("brev", decode_brev);
  t.add("bfind", decode_bfind);
  t.add("bfe", decode_bfe);
  t.add("bfi", decode_bfi);
  t.add("bmsk", decode_bmsk);
  t.add("prmt", decode_prmt);
}

}  // namespace fulmar::ptx
