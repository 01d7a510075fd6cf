// SPDX-License-Identifier: Apache-2.0
/// @file
/// From a functor on one cell to the C table of an operator: its signature tells its kind, its views, and the loop.
///
/// A parameter of type float, std::uint8_t, Near, Within, Bands or Series takes the next input port. Moments and
/// RingMoments are sums over the port before them (or over the first port, where they stand first). Here, Table,
/// Scratch and Outputs take no port. A functor whose signature depends on its parameters has variant(use), which hands
/// the functor to run to `use`.
#pragma once

#include <cstddef>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "core/views.hpp"
#include "fulmar_abi.h"
#include "op/schema.hpp"

namespace fulmar::op {

/// How one parameter type is fed: its view, whether it takes a port, and its value in column x of a row.
template <class A>
struct Argument;

template <class T>
struct CellArgument {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_CELL;
  static constexpr std::int32_t dtype = std::is_same_v<T, float> ? FULMAR_F32 : FULMAR_U8;
  const T* cells;
  CellArgument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : cells{static_cast<const T*>(p->cells) + y * p->stride} {}
  T operator[](std::int64_t x) const { return cells[x]; }
};
template <>
struct Argument<float> : CellArgument<float> {
  using CellArgument::CellArgument;
};
template <>
struct Argument<std::uint8_t> : CellArgument<std::uint8_t> {
  using CellArgument::CellArgument;
};

template <class T>
struct Argument<Near<T>> {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_NEAR;
  static constexpr std::int32_t dtype = std::is_same_v<T, float> ? FULMAR_F32 : FULMAR_U8;
  Near<T> row;
  Argument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : row{static_cast<const T*>(p->cells) + y * p->stride, p->stride} {}
  Near<T> operator[](std::int64_t x) const { return {row.centre + x, row.stride}; }
};

template <class M, std::uint32_t kind>
struct SumsArgument {
  static constexpr bool viewed = true, takes_port = false;
  static constexpr std::uint32_t view = kind;
  static constexpr std::int32_t dtype = FULMAR_F32;
  const double *n, *s1, *s2;
  SumsArgument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : n{static_cast<const double*>(p->cells) + y * p->stride}, s1{n + p->layer}, s2{s1 + p->layer} {}
  M operator[](std::int64_t x) const {
    M m;
    m.n = n[x], m.s1 = s1[x], m.s2 = s2[x];
    return m;
  }
};
template <>
struct Argument<Moments> : SumsArgument<Moments, FULMAR_VIEW_BOX> {
  using SumsArgument::SumsArgument;
};
template <>
struct Argument<RingMoments> : SumsArgument<RingMoments, FULMAR_VIEW_RING> {
  using SumsArgument::SumsArgument;
};

template <>
struct Argument<Within> {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_WITHIN;
  static constexpr std::int32_t dtype = FULMAR_U8;
  const std::uint8_t* cells;
  Argument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : cells{static_cast<const std::uint8_t*>(p->cells) + y * p->stride} {}
  Within operator[](std::int64_t x) const { return {cells[x] != 0}; }
};

template <>
struct Argument<Here> {
  static constexpr bool viewed = false, takes_port = false;
  Here left;
  Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t y)
      : left{call.output->x, call.output->y + y, call.ground[2 * y], call.ground[2 * y + 1]} {}
  Here operator[](std::int64_t x) const { return {left.x + x, left.y, left.dx, left.dy}; }
};

template <>
struct Argument<Table> {
  static constexpr bool viewed = false, takes_port = false;
  Table table;
  Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t) : table{call.table} {}
  Table operator[](std::int64_t) const { return table; }
};

template <>
struct Argument<Bands<float>> {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_SERIES;
  static constexpr std::int32_t dtype = FULMAR_F32;
  const float* row;
  std::int64_t count;
  Argument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : row{static_cast<const float*>(p->cells) + y * p->stride}, count{p->layer} {}
  Bands<float> operator[](std::int64_t x) const { return {row + x * count, static_cast<std::int32_t>(count)}; }
};

template <>
struct Argument<Series<float>> {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_SERIES;
  static constexpr std::int32_t dtype = FULMAR_F32;
  const float* row;
  std::int64_t count, dates;
  const double* times;
  Argument(const fulmar_call& call, const fulmar_plane* p, std::int64_t y)
      : row{static_cast<const float*>(p->cells) + y * p->stride},
        count{p->layer},
        dates{static_cast<std::int64_t>(call.dates)},
        times{call.times} {}
  Series<float> operator[](std::int64_t x) const {
    return {row + x * count, static_cast<std::int32_t>(dates), static_cast<std::int32_t>(count / dates), times};
  }
};

template <>
struct Argument<Scratch> {
  static constexpr bool viewed = false, takes_port = false;
  Scratch scratch;
  Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t) : scratch{call.scratch} {}
  Scratch operator[](std::int64_t) const { return scratch; }
};

template <class T>
struct Argument<Outputs<T>> {
  static constexpr bool viewed = false, takes_port = false;
  Outputs<T> left;
  Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t y)
      : left{call.output, static_cast<std::int32_t>(call.outputs), 0, y} {}
  Outputs<T> operator[](std::int64_t x) const { return {left.planes, left.count, x, left.y}; }
};

/// The first of two outputs, where nobody asked for the second: the optimiser then drops what only the second needs.
template <class A, class B>
struct FirstOf {
  A* a;
  FirstOf(const fulmar_call& call, std::int64_t y)
      : a{static_cast<A*>(call.output[0].cells) + y * call.output[0].stride} {}
  void store(std::int64_t x, Both<A, B> value) const { a[x] = value.first; }
};

/// Where a result goes.
template <class R>
struct Result {
  static constexpr std::uint32_t outputs = 1;
  static constexpr std::int32_t dtype[1] = {std::is_same_v<R, float> ? FULMAR_F32 : FULMAR_U8};
  R* cells;
  Result(const fulmar_call& call, std::int64_t y)
      : cells{static_cast<R*>(call.output[0].cells) + y * call.output[0].stride} {}
  void store(std::int64_t x, R value) const { cells[x] = value; }
};
template <>
struct Result<bool> {
  static constexpr std::uint32_t outputs = 1;
  static constexpr std::int32_t dtype[1] = {FULMAR_U8};
  std::uint8_t* cells;
  Result(const fulmar_call& call, std::int64_t y)
      : cells{static_cast<std::uint8_t*>(call.output[0].cells) + y * call.output[0].stride} {}
  void store(std::int64_t x, bool value) const { cells[x] = value ? 1 : 0; }
};
/// Nothing is returned: the function sets its Outputs, all of which are f32.
template <>
struct Result<void> {
  static constexpr std::uint32_t outputs = 1;
  static constexpr std::int32_t dtype[1] = {FULMAR_F32};
  Result(const fulmar_call&, std::int64_t) {}
};
template <class A, class B>
struct Result<Both<A, B>> {
  using First = FirstOf<A, B>;
  static constexpr std::uint32_t outputs = 2;
  static constexpr std::int32_t dtype[2] = {Result<A>::dtype[0], Result<B>::dtype[0]};
  A* a;
  B* b;
  Result(const fulmar_call& call, std::int64_t y)
      : a{static_cast<A*>(call.output[0].cells) + y * call.output[0].stride},
        b{static_cast<B*>(call.output[1].cells) + y * call.output[1].stride} {}
  void store(std::int64_t x, Both<A, B> value) const { a[x] = value.first, b[x] = value.second; }
};

/// The signature of a functor's operator().
template <class M>
struct Signature;
template <class F, class R, class... A>
struct Signature<R (F::*)(A...) const> {
  using Output = Result<R>;
  static constexpr bool has_near = ((Argument<A>::viewed && std::is_same_v<A, Near<float>>) || ...);
  static constexpr bool has_sums = (std::is_same_v<A, Moments> || ...) || (std::is_same_v<A, RingMoments> || ...);
  static constexpr bool has_reach = (std::is_same_v<A, Within> || ...);
  static constexpr bool has_series = (std::is_same_v<A, Series<float>> || ...);
  static constexpr bool has_scratch = (std::is_same_v<A, Scratch> || ...);
  static_assert(std::is_void_v<R> == (std::is_same_v<A, Outputs<float>> || ...),
                "a function that returns nothing sets its Outputs, and no other does");

  static std::uint32_t views(const F& f, fulmar_view* out, std::uint32_t capacity) {
    std::uint32_t count = 0;
    std::uint32_t next_port = 0;
    (one_view<A>(f, out, capacity, count, next_port), ...);
    return count;
  }

  static void run(const F& f, const fulmar_call& call) {
    constexpr auto all = std::make_index_sequence<sizeof...(A)>{};
    if constexpr (requires { typename Output::First; })
      if (call.output[1].cells == nullptr) return rows<typename Output::First>(f, call, all);
    rows<Output>(f, call, all);
  }

  static std::string types() {
    std::string t;
    (one_type<A>(t), ...);
    return t;
  }

 private:
  template <class T>
  static void one_type(std::string& types) {
    if constexpr (Argument<T>::takes_port)
      types += Argument<T>::dtype == FULMAR_F32 ? 'f' : 'u';
    else if (Argument<T>::viewed && types.empty())
      types += 'f';  // sums that stand first take the first port
  }
  template <class T>
  static void one_view(const F& f, fulmar_view* out, std::uint32_t capacity, std::uint32_t& count,
                       std::uint32_t& next_port) {
    if constexpr (Argument<T>::viewed) {
      if (Argument<T>::takes_port || next_port == 0) ++next_port;
      fulmar_view v{};
      v.input = next_port - 1;
      v.kind = Argument<T>::view;
      if constexpr (std::is_same_v<T, RingMoments>) {
        const RingShape ring = f.ring();
        v.inner_x = ring.guard.x, v.inner_y = ring.guard.y;
        v.outer_x = ring.background.x, v.outer_y = ring.background.y;
        v.sampled = requires { f.sample(0.0f); }
        ? 1 : 0;
      } else if constexpr (std::is_same_v<T, Moments>) {
        const Box box = f.box();
        v.outer_x = box.x, v.outer_y = box.y;
      } else if constexpr (Argument<T>::view == FULMAR_VIEW_NEAR) {
        const Box halo = f.halo();
        v.outer_x = halo.x, v.outer_y = halo.y;
      } else if constexpr (std::is_same_v<T, Within>) {
        v.reach = f.reach().metres;
      } else if constexpr (Argument<T>::view == FULMAR_VIEW_SERIES) {
        if constexpr (requires { f.bands(); }) v.outer_x = f.bands();
      }
      if (count < capacity) out[count] = v;
      ++count;
    }
  }

  /// The place of argument i among those that have a plane.
  static constexpr std::size_t plane_of(std::size_t i) {
    constexpr bool viewed[] = {Argument<A>::viewed..., false};
    std::size_t place = 0;
    for (std::size_t k = 0; k < i; ++k) place += viewed[k] ? 1 : 0;
    return place;
  }

  template <class Out, std::size_t... I>
  static void rows(const F& f, const fulmar_call& call, std::index_sequence<I...>) {
    for (std::int64_t y = 0; y < call.output->height; ++y)
      row(f, Out{call, y}, call.output->width, Argument<A>{call, call.input + plane_of(I), y}...);
  }

  /// The loop. Planes never overlap, which the compiler cannot know and is told; scratch is the same for every cell.
  template <class Out>
  static void row(const F& f, const Out out, std::int64_t width, const Argument<A>... arguments) {
    const auto cell = [&](std::int64_t x) {
      if constexpr (std::is_void_v<R>)
        f(arguments[x]...);
      else
        out.store(x, f(arguments[x]...));
    };
    if constexpr (has_scratch) {
      for (std::int64_t x = 0; x < width; ++x) cell(x);
    } else {
#pragma GCC ivdep
      for (std::int64_t x = 0; x < width; ++x) cell(x);
    }
  }
};

/// A pack of cells for functors that interpret a program: the cost of a step is paid once for the pack.
template <class F>
concept Packed = requires {
  typename F::Pack;
};

template <Packed F>
struct PackedSignature {
  using Pack = typename F::Pack;
  using Output = Result<float>;
  static constexpr std::int64_t lanes = static_cast<std::int64_t>(sizeof(Pack) / sizeof(double));
  static constexpr int most_bands = 8;

  /// outer_x: how many bands the functor needs at least.
  static std::uint32_t views(const F& f, fulmar_view* out, std::uint32_t capacity) {
    if (capacity > 0) out[0] = fulmar_view{0, FULMAR_VIEW_BANDS, 0, 0, f.bands(), 0, 0.0, 0, 0};
    return 1;
  }
  static std::string types() { return "f"; }

  static void run(const F& f, const fulmar_call& call) {
    Pack packs[most_bands];
    const auto bands = static_cast<int>(std::min<std::uint32_t>(call.inputs, most_bands));
    for (std::int64_t y = 0; y < call.output->height; ++y) {
      float* to = static_cast<float*>(call.output->cells) + y * call.output->stride;
      for (std::int64_t x = 0; x < call.output->width; x += lanes) {
        const std::int64_t n = std::min(lanes, call.output->width - x);
        for (int b = 0; b < bands; ++b) {
          const float* from = static_cast<const float*>(call.input[b].cells) + y * call.input[b].stride + x;
          for (std::int64_t i = 0; i < n; ++i) packs[b].v[i] = from[i];
          for (std::int64_t i = n; i < lanes; ++i) packs[b].v[i] = 0;
        }
        const Pack result = f(Bands<Pack>{packs, bands});
        for (std::int64_t i = 0; i < n; ++i) to[x + i] = static_cast<float>(result.v[i]);
      }
    }
  }
};

template <class F>
struct SignatureOf {
  using type = Signature<decltype(&F::operator())>;
};
template <Packed F>
struct SignatureOf<F> {
  using type = PackedSignature<F>;
};

/// Calls use(functor) with the functor that these parameters ask for.
template <class Op, class Use>
decltype(auto) with_variant(const Op& op, Use&& use) {
  if constexpr (requires { typename Op::Variant; })
    return op.variant(std::forward<Use>(use));
  else
    return use(op);
}

template <class Op>
concept Labelling = requires(const Op& op, fulmar_object object) {
  op.keep(object);
};

template <class F>
constexpr std::uint32_t kind_of() {
  if constexpr (Labelling<F>)
    return FULMAR_KIND_LABELLING;
  else if constexpr (Packed<F>)
    return FULMAR_KIND_CELLWISE;
  else {
    using S = typename SignatureOf<F>::type;
    if constexpr (S::has_series)
      return FULMAR_KIND_TEMPORAL;
    else if constexpr (S::has_sums)
      return FULMAR_KIND_WINDOWED;
    else if constexpr (S::has_near || S::has_reach)
      return FULMAR_KIND_FOCAL;
    else
      return FULMAR_KIND_CELLWISE;
  }
}

inline const char* kind_name(std::uint32_t kind) {
  static constexpr const char* names[] = {"cellwise", "focal",    "windowed", "labelling", "detecting", "ranked",
                                          "temporal", "reducing", "warping",  "tabular",   "whole"};
  return kind < std::size(names) ? names[kind] : "unknown";
}

/// The functor whose signature stands for the operator's ports: the first variant, or the operator itself.
template <class Op>
struct FaceOf {
  using type = Op;
};
template <class Op>
requires requires { typename Op::Variant; }
struct FaceOf<Op> {
  using type = typename Op::Variant;
};

/// series_table of an operator whose table() takes the dates; nothing for the others.
template <class Op>
constexpr auto series_table_of() -> decltype(fulmar_operator::series_table) {
  if constexpr (requires(const Op& op, const Dates& dates, double* values) { op.table(dates, values); })
    return [](const void* params, const double* times, std::uint64_t dates, std::uint64_t bands, double* values,
              std::uint64_t* count, fulmar_error* error) -> int {
      try {
        Op op;
        op.params = *static_cast<const typename Op::Params*>(params);
        *count = op.table(Dates{times, static_cast<std::int64_t>(dates), static_cast<std::int64_t>(bands)}, values);
        return 0;
      } catch (const Error& e) {
        error->code = static_cast<int>(e.code());
        std::snprintf(error->message, sizeof error->message, "%s", e.what());
      } catch (const std::exception& e) {
        error->code = 1;
        std::snprintf(error->message, sizeof error->message, "%s", e.what());
      }
      return 1;
    };
  else
    return nullptr;
}

/// The C table of an operator. One definition serves built-in operators and plugins alike; nothing of C++ crosses it.
template <class Op>
const fulmar_operator& table_of() {
  using Face = typename FaceOf<Op>::type;
  using Params = typename Op::Params;
  static_assert(std::is_trivially_copyable_v<Params>, "parameters cross to the device as bytes");

  static const auto functor = [](const void* params) {
    Op op;
    op.params = *static_cast<const Params*>(params);
    return op;
  };
  static const Schema schema = Op::schema();
  static const std::string text = [] {
    std::string j = schema.json(kind_name(kind_of<Face>()));
    std::string outputs;
    for (const auto dtype : SignatureOf<Face>::type::Output::dtype) outputs += dtype == FULMAR_F32 ? "f" : "u";
    j.back() = ',';
    return j + "\"input_types\":\"" + SignatureOf<Face>::type::types() + "\",\"output_types\":\"" + outputs + "\"}";
  }();

  static const fulmar_operator table{
      sizeof(fulmar_operator),
      kind_of<Face>(),
      text.c_str(),
      sizeof(Params),
      alignof(Params),
      [](const fulmar_value* values, std::uint32_t count, const fulmar_ground* ground, void* params,
         fulmar_error* error) -> int {
        try {
          auto* p = new (params) Params{};
          schema.parse(values, count, *ground, p);
          if constexpr (requires { Op::check(*p); }) Op::check(*p);
          return 0;
        } catch (const Error& e) {
          error->code = static_cast<int>(e.code());
          std::snprintf(error->message, sizeof error->message, "%s", e.what());
        } catch (const std::exception& e) {
          error->code = 1;
          std::snprintf(error->message, sizeof error->message, "%s", e.what());
        }
        return 1;
      },
      [](const void* params, fulmar_view* views, std::uint32_t capacity) {
        return with_variant(functor(params), [&](const auto& f) {
          return SignatureOf<std::remove_cvref_t<decltype(f)>>::type::views(f, views, capacity);
        });
      },
      [](const void* params, double* values) -> std::uint64_t {
        if constexpr (requires(const Op& op) { op.table(values); })
          return functor(params).table(values);
        else
          return (void)params, (void)values, 0;
      },
      [](const void* params, const fulmar_call* call, fulmar_error*) {
        with_variant(functor(params),
                     [&](const auto& f) { SignatureOf<std::remove_cvref_t<decltype(f)>>::type::run(f, *call); });
        return 0;
      },
      [](const void* params, const fulmar_call* call, fulmar_error*) {
        with_variant(functor(params), [&](const auto& f) {
          if constexpr (requires { f.sample(0.0f); }) {
            for (std::int64_t y = 0; y < call->output->height; ++y) {
              const float* from = static_cast<const float*>(call->input->cells) + y * call->input->stride;
              float* to = static_cast<float*>(call->output->cells) + y * call->output->stride;
#pragma GCC ivdep
              for (std::int64_t x = 0; x < call->output->width; ++x) to[x] = f.sample(from[x]);
            }
          }
        });
        return 0;
      },
      [](const void* params, const fulmar_object* object) -> int {
        if constexpr (Labelling<Op>)
          return functor(params).keep(*object) ? 1 : 0;
        else
          return (void)params, (void)object, 1;
      },
      nullptr,
      [](const void* params, std::uint64_t dates, std::uint64_t bands) -> std::uint64_t {
        if constexpr (requires(const Op& op) { op.scratch(Dates{}); })
          return functor(params).scratch(
              Dates{nullptr, static_cast<std::int64_t>(dates), static_cast<std::int64_t>(bands)});
        else
          return (void)params, (void)dates, (void)bands, 0;
      },
      series_table_of<Op>()};
  return table;
}

}  // namespace fulmar::op
