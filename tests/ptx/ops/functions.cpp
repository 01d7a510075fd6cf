// SPDX-License-Identifier: Apache-2.0
#include "ops/families.hpp"
#include "ops/rounding.hpp"

namespace fulmar::ptx {
namespace {

template <class M, class T>
T rcp(T a) {
  const Rounding<M::round> mode;
  volatile T q = T{1} / flush<M::ftz>(a);
  return canonical(flush<M::ftz>(T{q}));
}
/// rcp.approx.ftz.f64: the upper half of the reciprocal, the lower is zero; subnormal operands count as zero.
double rcp_upper(double a) {
  if (std::fabs(a) < std::numeric_limits<double>::min()) a = std::copysign(0.0, a);
  return get<double>(put(1.0 / a) & 0xFFFFFFFF00000000u);
}
double rsqrt_upper(double a) {
  if (std::fabs(a) < std::numeric_limits<double>::min()) a = std::copysign(0.0, a);
  return get<double>(put(1.0 / std::sqrt(a)) & 0xFFFFFFFF00000000u);
}
template <class M, class T>
T root(T a) {
  const Rounding<M::round> mode;
  volatile T q = std::sqrt(flush<M::ftz>(a));
  return canonical(flush<M::ftz>(T{q}));
}
template <class M, class T>
T rsqrt(T a) {
  return canonical(flush<M::ftz>(static_cast<T>(1.0 / std::sqrt(static_cast<double>(flush<M::ftz>(a))))));
}
// The transcendental .approx instructions: computed in double precision; a card is off by a few ULPs more.
template <class M>
float sine(float a) {
  return canonical(flush<M::ftz>(static_cast<float>(std::sin(double{flush<M::ftz>(a)}))));
}
template <class M>
float cosine(float a) {
  return canonical(flush<M::ftz>(static_cast<float>(std::cos(double{flush<M::ftz>(a)}))));
}
template <class M>
float log2_(float a) {
  return canonical(flush<M::ftz>(static_cast<float>(std::log2(double{flush<M::ftz>(a)}))));
}
template <class M>
float exp2_(float a) {
  return canonical(flush<M::ftz>(static_cast<float>(std::exp2(double{flush<M::ftz>(a)}))));
}
template <class M>
float tanh_(float a) {
  return canonical(flush<M::ftz>(static_cast<float>(std::tanh(double{flush<M::ftz>(a)}))));
}

template <class T>
T copysign_(T sign, T magnitude) {
  return std::copysign(magnitude, sign);
}

template <class T, int Class>
bool test(T a) {
  switch (Class) {
    case 0:
      return std::isfinite(a);
    case 1:
      return std::isinf(a);
    case 2:
      return !std::isnan(a);
    case 3:
      return std::isnan(a);
    case 4:
      return std::isnormal(a) || a == 0;  // "normal" is what is finite, not subnormal (PTX ISA, testp)
    default:
      return std::fpclassify(a) == FP_SUBNORMAL;
  }
}

void decode_rcp(Decoder& d) {
  const bool approx = d.take("approx");
  const Type type = d.type();
  if (approx && type == Type::f64) {
    if (!d.take("ftz")) d.unsupported("it needs .ftz");
    d.emit(pure<rcp_upper>, {type});
    return;
  }
  d.emit(with_modes(
             d, [&]<class M>() -> Handler { return type == Type::f32 ? pure<rcp<M, float>> : pure<rcp<M, double>>; }),
         {type});
}
void decode_sqrt(Decoder& d) {
  d.take("approx");
  const Type type = d.type();
  d.emit(with_modes(
             d, [&]<class M>() -> Handler { return type == Type::f32 ? pure<root<M, float>> : pure<root<M, double>>; }),
         {type});
}
void decode_rsqrt(Decoder& d) {
  d.take("approx");
  const Type type = d.type();
  if (type == Type::f64 && d.take("ftz")) {
    d.emit(pure<rsqrt_upper>, {type});
    return;
  }
  d.emit(
      with_modes(
          d, [&]<class M>() -> Handler { return type == Type::f32 ? pure<rsqrt<M, float>> : pure<rsqrt<M, double>>; }),
      {type});
}

template <int Function>
void decode_transcendental(Decoder& d) {
  if (!d.take("approx") && Function != 4) d.unsupported("only .approx is known");
  const Type type = d.type();
  if (type != Type::f32) d.unsupported("not for this type");
  d.emit(with_modes(d,
                    []<class M>() -> Handler {
                      switch (Function) {
                        case 0:
                          return pure<sine<M>>;
                        case 1:
                          return pure<cosine<M>>;
                        case 2:
                          return pure<log2_<M>>;
                        case 3:
                          return pure<exp2_<M>>;
                        default:
                          return pure<tanh_<M>>;
                      }
                    }),
         {type});
}

void decode_copysign(Decoder& d) {
  const Type type = d.type();
  d.emit(for_float(d, type, []<class T>() -> Handler { return pure<copysign_<T>>; }), {type, type});
}

void decode_testp(Decoder& d) {
  const int c = d.take_one({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  const Type type = d.type();
  d.emit(for_float(d, type,
                   [&]<class T>() -> Handler {
                     switch (c) {
                       case 0:
                         return pure<test<T, 0>>;
                       case 1:
                         return pure<test<T, 1>>;
                       case 2:
                         return pure<test<T, 2>>;
                       case 3:
                         return pure<test<T, 3>>;
                       case 4:
                         return pure<test<T, 4>>;
                       case 5:
                         return pure<test<T, 5>>;
                       default:
                         d.unsupported("its class is missing");
                     }
                   }),
         {type});
}

}  // namespace

void add_functions(Table& t) {
  t.add("rcp", decode_rcp);
  t.add("sqrt", decode_sqrt);
  t.add("rsqrt", decode_rsqrt);
  t.add("sin", decode_transcendental<0>);
  t.add("cos", decode_transcendental<1>);
  t.add("lg2", decode_transcendental<2>);
  t.add("ex2", decode_transcendental<3>);
  t.add("tanh", decode_transcendental<4>);
  t.add("copysign", decode_copysign);
  t.add("testp", decode_testp);
}

}  // namespace fulmar::ptx
