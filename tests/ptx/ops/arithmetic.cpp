// SPDX-License-Identifier: Apache-2.0
#include "ops/families.hpp"
#include "ops/rounding.hpp"

namespace fulmar::ptx {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;

// ---- Integers. They wrap; that is written with unsigned types, where C++ lets it.

template <class T>
T add(T a, T b) {
  return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
template <class T>
T sub(T a, T b) {
  return static_cast<T>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int32_t clamp32(std::int64_t v) {
  return static_cast<std::int32_t>(std::min<std::int64_t>(std::max<std::int64_t>(v, INT32_MIN), INT32_MAX));
}
std::int32_t add_sat(std::int32_t a, std::int32_t b) { return clamp32(std::int64_t{a} + b); }
std::int32_t sub_sat(std::int32_t a, std::int32_t b) { return clamp32(std::int64_t{a} - b); }

template <class T>
using Product = std::conditional_t<std::is_signed_v<T>, Int128, Uint128>;
template <class T>
Product<T> product(T a, T b) {
  return static_cast<Product<T>>(a) * static_cast<Product<T>>(b);
}
template <class T>
T mul_lo(T a, T b) {
  return static_cast<T>(product(a, b));
}
template <class T>
T mul_hi(T a, T b) {
  return static_cast<T>(product(a, b) >> (sizeof(T) * 8));
}
template <class T>
using Wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, std::int32_t, std::uint32_t>,
                                std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;
template <class T>
Wide<T> mul_wide(T a, T b) {
  return static_cast<Wide<T>>(product(a, b));
}
template <class T>
T mad_lo(T a, T b, T c) {
  return add(mul_lo(a, b), c);
}
template <class T>
T mad_hi(T a, T b, T c) {
  return add(mul_hi(a, b), c);
}
std::int32_t mad_hi_sat(std::int32_t a, std::int32_t b, std::int32_t c) {
  return clamp32(std::int64_t{mul_hi(a, b)} + c);
}
template <class T>
Wide<T> mad_wide(T a, T b, Wide<T> c) {
  return add(mul_wide(a, b), c);
}
/// The lower 24 bits of each, by sign for signed types.
template <class T>
T low24(T a) {
  return static_cast<T>(static_cast<T>(static_cast<std::uint32_t>(a) << 8) >> 8);
}
template <class T, unsigned Shift>
T mul24(T a, T b) {
  return static_cast<T>(product<std::int64_t>(low24(a), low24(b)) >> Shift);
}
template <class T, unsigned Shift>
T mad24(T a, T b, T c) {
  return add(mul24<T, Shift>(a, b), c);
}
template <class T>
T sad(T a, T b, T c) {
  return add(c, a < b ? sub(b, a) : sub(a, b));
}
template <class T>
T min_integer(T a, T b) {
  return a < b ? a : b;
}
template <class T>
T max_integer(T a, T b) {
  return a < b ? b : a;
}
template <class T>
T neg_integer(T a) {
  return sub(T{0}, a);
}
template <class T>
T abs_integer(T a) {
  return a < 0 ? neg_integer(a) : a;
}

/// Division by zero has no stated value; here it is a fault. INT_MIN / -1 wraps.
template <class T, bool Remainder>
const Instruction* divide(Thread& t, const Instruction* i) {
  const T a = get<T>(t.r[i->slot[1]]), b = get<T>(t.r[i->slot[2]]);
  if (b == 0) fail(t, i, FaultKind::arithmetic, "integer division by zero");
  T result;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1)
      result = Remainder ? T{0} : neg_integer(a);
    else
      result = static_cast<T>(Remainder ? a % b : a / b);
  } else {
    result = static_cast<T>(Remainder ? a % b : a / b);
  }
  t.r[i->slot[0]] = put(result);
  return i + 1;
}

/// add.cc, addc, sub.cc, subc: with the condition code in and out. For a subtraction it holds the borrow.
template <class T, bool Subtract, bool In, bool Out>
const Instruction* carry(Thread& t, const Instruction* i) {
  const T a = get<T>(t.r[i->slot[1]]), b = get<T>(t.r[i->slot[2]]);
  const Uint128 in = In && t.carry;
  const Uint128 wide = Subtract ? static_cast<Uint128>(a) - b - in : static_cast<Uint128>(a) + b + in;
  if constexpr (Out) t.carry = wide >> (sizeof(T) * 8) & 1;
  t.r[i->slot[0]] = put(static_cast<T>(wide));
  return i + 1;
}
template <class T, bool High, bool In, bool Out>
const Instruction* carry_mad(Thread& t, const Instruction* i) {
  const T a = get<T>(t.r[i->slot[1]]), b = get<T>(t.r[i->slot[2]]);
  // The carry is that of the bits, of signed types too.
  const Unsigned<T> p = static_cast<Unsigned<T>>(High ? mul_hi(a, b) : mul_lo(a, b));
  const Unsigned<T> c = get<Unsigned<T>>(t.r[i->slot[3]]);
  const Uint128 wide = static_cast<Uint128>(p) + c + (In && t.carry);
  if constexpr (Out) t.carry = wide >> (sizeof(T) * 8) & 1;
  t.r[i->slot[0]] = put(static_cast<Unsigned<T>>(wide));
  return i + 1;
}

// ---- Floats.

template <class M, class T>
T finish(T v) {
  return saturate<M::sat>(canonical(flush<M::ftz>(v)));
}
template <class M, class T>
T addf(T a, T b) {
  const Rounding<M::round> mode;
  volatile T sum = flush<M::ftz>(a) + flush<M::ftz>(b);
  return finish<M, T>(sum);
}
template <class M, class T>
T subf(T a, T b) {
  const Rounding<M::round> mode;
  volatile T difference = flush<M::ftz>(a) - flush<M::ftz>(b);
  return finish<M, T>(difference);
}
template <class M, class T>
T mulf(T a, T b) {
  const Rounding<M::round> mode;
  volatile T p = flush<M::ftz>(a) * flush<M::ftz>(b);
  return finish<M, T>(p);
}
template <class M, class T>
T fmaf_(T a, T b, T c) {
  const Rounding<M::round> mode;
  volatile T sum = std::fma(flush<M::ftz>(a), flush<M::ftz>(b), flush<M::ftz>(c));
  return finish<M, T>(sum);
}
template <class M, class T>
T divf(T a, T b) {
  const Rounding<M::round> mode;
  volatile T q = flush<M::ftz>(a) / flush<M::ftz>(b);
  return finish<M, T>(q);
}

template <class T, bool Ftz, bool Max, bool NaN>
T pick(T a, T b) {
  a = flush<Ftz>(a);
  b = flush<Ftz>(b);
  if (std::isnan(a) || std::isnan(b)) {
    if (NaN || (std::isnan(a) && std::isnan(b))) {
      if constexpr (sizeof(T) == 4) return get<float>(0x7fffffffu);
      return std::numeric_limits<T>::quiet_NaN();
    }
    return std::isnan(a) ? b : a;
  }
  if (a == b) return std::signbit(a) == Max ? b : a;  // +0 is more than -0
  return (a < b) == Max ? b : a;
}
template <class T, bool Ftz>
T absf(T a) {
  return std::fabs(flush<Ftz>(a));
}
template <class T, bool Ftz>
T negf(T a) {
  return -flush<Ftz>(a);
}

// ---- Opcodes.

template <bool Subtract, bool In>
void decode_carry(Decoder& d) {
  const bool out = d.take("cc");
  const Type type = d.type();
  if (bytes_of(type) < 4) d.unsupported("carries need 32 or 64 bits");
  d.emit(for_integer(d, type,
                     [&]<class T>() -> Handler {
                       using U = Unsigned<T>;
                       return out ? carry<U, Subtract, In, true> : carry<U, Subtract, In, false>;
                     }),
         {type, type});
}

template <bool Subtract>
void decode_add(Decoder& d) {
  for (std::size_t w = 1; w < d.statement().words.size(); ++w)
    if (d.statement().words[w] == "cc") return decode_carry<Subtract, false>(d);
  // The modifiers stand before the type, and .sat means another thing for integers.
  const std::string_view last = d.statement().words.back();
  if (last == "f32" || last == "f64") {
    const Type type = d.type();
    d.emit(with_modes(d,
                      [&]<class M>() -> Handler {
                        if constexpr (Subtract)
                          return type == Type::f32 ? pure<subf<M, float>> : pure<subf<M, double>>;
                        else
                          return type == Type::f32 ? pure<addf<M, float>> : pure<addf<M, double>>;
                      }),
           {type, type});
    return;
  }
  const bool sat = d.take("sat");
  const Type type = d.type();
  if (sat) {
    if (type != Type::s32) d.unsupported(".sat is for s32");
    d.emit(Subtract ? pure<sub_sat> : pure<add_sat>, {type, type});
    return;
  }
  d.emit(for_integer(d, type,
                     []<class T>() -> Handler {
                       if constexpr (Subtract) return pure<sub<T>>;
                       return pure<add<T>>;
                     }),
         {type, type});
}

Type wider(Decoder& d, Type type) {
  switch (type) {
    case Type::u16:
      return Type::u32;
    case Type::s16:
      return Type::s32;
    case Type::u32:
      return Type::u64;
    case Type::s32:
      return Type::s64;
    default:
      d.unsupported(".wide is for 16 and 32 bits");
  }
}

void decode_mul(Decoder& d) {
  const std::string_view last = d.statement().words.back();
  if (last == "f32" || last == "f64") {
    const Type type = d.type();
    d.emit(
        with_modes(
            d, [&]<class M>() -> Handler { return type == Type::f32 ? pure<mulf<M, float>> : pure<mulf<M, double>>; }),
        {type, type});
    return;
  }
  const int half = d.take_one({"lo", "hi", "wide"});
  const Type type = d.type();
  if (half < 0) d.unsupported("its half is missing");
  if (half == 2) wider(d, type);
  d.emit(for_integer(d, type,
                     [&]<class T>() -> Handler {
                       if (half == 2) return pure<mul_wide<T>>;
                       return half == 1 ? pure<mul_hi<T>> : pure<mul_lo<T>>;
                     }),
         {type, type});
}

void decode_fma(Decoder& d) {
  const Type type = d.type();
  if (type != Type::f32 && type != Type::f64) d.unsupported("not for this type");
  d.emit(
      with_modes(
          d, [&]<class M>() -> Handler { return type == Type::f32 ? pure<fmaf_<M, float>> : pure<fmaf_<M, double>>; }),
      {type, type, type});
}

template <bool In>
void decode_mad_carry(Decoder& d) {
  const int half = d.take_one({"lo", "hi"});
  const bool out = d.take("cc");
  const Type type = d.type();
  if (half < 0 || bytes_of(type) < 4) d.unsupported("carries need a half of 32 or 64 bits");
  d.emit(for_integer(d, type,
                     [&]<class T>() -> Handler {
                       if (half == 1) return out ? carry_mad<T, true, In, true> : carry_mad<T, true, In, false>;
                       return out ? carry_mad<T, false, In, true> : carry_mad<T, false, In, false>;
                     }),
         {type, type, type});
}

void decode_mad(Decoder& d) {
  const std::string_view last = d.statement().words.back();
  if (last == "f32" || last == "f64") return decode_fma(d);
  for (std::size_t w = 1; w < d.statement().words.size(); ++w)
    if (d.statement().words[w] == "cc") return decode_mad_carry<false>(d);
  const int half = d.take_one({"lo", "hi", "wide"});
  const bool sat = d.take("sat");
  const Type type = d.type();
  if (half < 0) d.unsupported("its half is missing");
  if (sat) {
    if (half != 1 || type != Type::s32) d.unsupported(".sat is for .hi.s32");
    d.emit(pure<mad_hi_sat>, {type, type, type});
    return;
  }
  const Type last_type = half == 2 ? wider(d, type) : type;
  d.emit(for_integer(d, type,
                     [&]<class T>() -> Handler {
                       if (half == 2) return pure<mad_wide<T>>;
                       return half == 1 ? pure<mad_hi<T>> : pure<mad_lo<T>>;
                     }),
         {type, type, last_type});
}

template <bool Add>
void decode_24(Decoder& d) {
  const int half = d.take_one({"lo", "hi"});
  const Type type = d.type();
  const bool high = half == 1, sign = type == Type::s32;
  if (half < 0 || (!sign && type != Type::u32)) d.unsupported("its form is not known");
  using S = std::int32_t;
  using U = std::uint32_t;
  if constexpr (Add)
    d.emit(sign ? (high ? pure<mad24<S, 16>> : pure<mad24<S, 0>>) : (high ? pure<mad24<U, 16>> : pure<mad24<U, 0>>),
           {type, type, type});
  else
    d.emit(sign ? (high ? pure<mul24<S, 16>> : pure<mul24<S, 0>>) : (high ? pure<mul24<U, 16>> : pure<mul24<U, 0>>),
           {type, type});
}

template <bool Remainder>
void decode_div(Decoder& d) {
  const std::string_view last = d.statement().words.back();
  if (!Remainder && (last == "f32" || last == "f64")) {
    // .approx and .full are computed exactly: their errors are not modelled.
    d.take_one({"approx", "full"});
    const Type type = d.type();
    d.emit(
        with_modes(
            d, [&]<class M>() -> Handler { return type == Type::f32 ? pure<divf<M, float>> : pure<divf<M, double>>; }),
        {type, type});
    return;
  }
  const Type type = d.type();
  d.emit(for_integer(d, type, []<class T>() -> Handler { return divide<T, Remainder>; }), {type, type});
}

template <bool Max>
void decode_pick(Decoder& d) {
  const bool ftz = d.take("ftz"), nan = d.take("NaN");
  const Type type = d.type();
  if (is_float(type)) {
    d.emit(for_float(d, type,
                     [&]<class T>() -> Handler {
                       if (ftz) return nan ? pure<pick<T, true, Max, true>> : pure<pick<T, true, Max, false>>;
                       return nan ? pure<pick<T, false, Max, true>> : pure<pick<T, false, Max, false>>;
                     }),
           {type, type});
    return;
  }
  d.emit(for_integer(d, type,
                     []<class T>() -> Handler {
                       if constexpr (Max) return pure<max_integer<T>>;
                       return pure<min_integer<T>>;
                     }),
         {type, type});
}

template <bool Negative>
void decode_sign(Decoder& d) {
  const bool ftz = d.take("ftz");
  const Type type = d.type();
  if (is_float(type)) {
    d.emit(for_float(d, type,
                     [&]<class T>() -> Handler {
                       if constexpr (Negative) return ftz ? pure<negf<T, true>> : pure<negf<T, false>>;
                       return ftz ? pure<absf<T, true>> : pure<absf<T, false>>;
                     }),
           {type});
    return;
  }
  if (!is_signed(type)) d.unsupported("not for this type");
  d.emit(for_integer(d, type,
                     []<class T>() -> Handler {
                       if constexpr (Negative) return pure<neg_integer<T>>;
                       return pure<abs_integer<T>>;
                     }),
         {type});
}

void decode_sad(Decoder& d) {
  const Type type = d.type();
  d.emit(for_integer(d, type, []<class T>() -> Handler { return pure<sad<T>>; }), {type, type, type});
}

/// dp4a, dp2a: sums of products of bytes.
template <class A, class B>
std::int32_t dot4(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  for (unsigned k = 0; k < 32; k += 8)
    c += static_cast<std::uint32_t>(std::int32_t{static_cast<A>(a >> k)} * std::int32_t{static_cast<B>(b >> k)});
  return static_cast<std::int32_t>(c);
}
void decode_dp4a(Decoder& d) {
  const Type a = d.type(), b = d.type();
  const Handler run =
      is_signed(a) ? (is_signed(b) ? pure<dot4<std::int8_t, std::int8_t>> : pure<dot4<std::int8_t, std::uint8_t>>)
                   : (is_signed(b) ? pure<dot4<std::uint8_t, std::int8_t>> : pure<dot4<std::uint8_t, std::uint8_t>>);
  d.emit(run, {a, b, is_signed(a) || is_signed(b) ? Type::s32 : Type::u32});
}

}  // namespace

void add_arithmetic(Table& t) {
  t.add("add", decode_add<false>);
  t.add("sub", decode_add<true>);
  t.add("addc", decode_carry<false, true>);
  t.add("subc", decode_carry<true, true>);
  t.add("mul", decode_mul);
  t.add("mad", decode_mad);
  t.add("madc", decode_mad_carry<true>);
  t.add("fma", decode_fma);
  t.add("mul24", decode_24<false>);
  t.add("mad24", decode_24<true>);
  t.add("div", decode_div<false>);
  t.add("rem", decode_div<true>);
  t.add("min", decode_pick<false>);
  t.add("max", decode_pick<true>);
  t.add("abs", decode_sign<false>);
  t.add("neg", decode_sign<true>);
  t.add("sad", decode_sad);
  t.add("dp4a", decode_dp4a);
}

}  // namespace fulmar::ptx
