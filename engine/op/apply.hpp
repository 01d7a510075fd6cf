// SPDX-License-Identifier: Apache-2.0
/// @file
/// From a functor on one cell to the C table of an operator: its signature tells its kind, its views, and the loop.
///
/// A parameter of type float, std::uint8_t, Near, Within, Bands or Series takes the next input port. Moments and
/// the other moments are sums over the port before them (or over the first port, where they stand first), Ranks and
/// RingRanks its order statistics. Here, Table, Scratch and Outputs take no port. A functor whose signature depends on
/// its parameters has variant(use), which hands the functor to run to `use`.
///
/// A class with a State reduces: step(state, round, cells...) on every cell, merge(state, other, round) or the same
/// part by part, finish(state, round, numbers); its operator(), if it has one, then finds the numbers in its Table.
/// Where cells can be taken faster together, a class Rows{op, state} takes rows of them: take(round, width, rows...),
/// rows[x] being the cell of column x, does what step does for columns 0 to width - 1, to the bit, or returns false;
/// end() leaves the state whole. A card takes cell by cell, and so does the reference backend, which hands windows of
/// one. So does a functor on one cell, with a class Rows{functor}: take(width, result, rows...) stores what the functor
/// returns for the cells of a row, result.store(x, value), to the bit, or returns false; it is called for all rows of a
/// window from the top, and may keep what the next ones need again (core/kept_rows.hpp). Of a class with a State it is
/// called CellRows.
/// A class with whole(rows, planes...) is handed whole rasters. A class with tabulate(tables, writer) makes a
/// table of tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "core/table_view.hpp"
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
  FULMAR_HD CellArgument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : cells{static_cast<const T*>(p->cells) + y * p->stride} {}
  FULMAR_HD T operator[](std::int64_t x) const { return cells[x]; }
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
  FULMAR_HD Argument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : row{static_cast<const T*>(p->cells) + y * p->stride, p->stride} {}
  FULMAR_HD Near<T> operator[](std::int64_t x) const { return {row.centre + x, row.stride}; }
};

template <class M, std::uint32_t kind>
struct SumsArgument {
  static constexpr bool viewed = true, takes_port = false;
  static constexpr std::uint32_t view = kind;
  static constexpr std::int32_t dtype = FULMAR_F32;
  const double *n, *s1, *s2;
  FULMAR_HD SumsArgument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : n{static_cast<const double*>(p->cells) + y * p->stride}, s1{n + p->layer}, s2{s1 + p->layer} {}
  FULMAR_HD M operator[](std::int64_t x) const {
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
struct Argument<LeftMoments> : SumsArgument<LeftMoments, FULMAR_VIEW_RING> {
  using SumsArgument::SumsArgument;
};
template <>
struct Argument<RightMoments> : SumsArgument<RightMoments, FULMAR_VIEW_RING> {
  using SumsArgument::SumsArgument;
};

template <class M>
struct RanksArgument {
  static constexpr bool viewed = true, takes_port = false;
  static constexpr std::uint32_t view = FULMAR_VIEW_RANKS;
  static constexpr std::int32_t dtype = FULMAR_F32;
  const double *n, *lower, *upper;
  FULMAR_HD RanksArgument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : n{static_cast<const double*>(p->cells) + y * p->stride}, lower{n + p->layer}, upper{lower + p->layer} {}
  FULMAR_HD M operator[](std::int64_t x) const {
    M m;
    m.n = n[x], m.lower = lower[x], m.upper = upper[x];
    return m;
  }
};
template <>
struct Argument<Ranks> : RanksArgument<Ranks> {
  using RanksArgument::RanksArgument;
};
template <>
struct Argument<RingRanks> : RanksArgument<RingRanks> {
  using RanksArgument::RanksArgument;
};

template <>
struct Argument<Within> {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_WITHIN;
  static constexpr std::int32_t dtype = FULMAR_U8;
  const std::uint8_t* cells;
  FULMAR_HD Argument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : cells{static_cast<const std::uint8_t*>(p->cells) + y * p->stride} {}
  FULMAR_HD Within operator[](std::int64_t x) const { return {cells[x] != 0}; }
};

template <>
struct Argument<Here> {
  static constexpr bool viewed = false, takes_port = false;
  Here left;
  FULMAR_HD Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t y)
      : left{call.output->x, call.output->y + y, call.ground[2 * y], call.ground[2 * y + 1]} {}
  FULMAR_HD Here operator[](std::int64_t x) const { return {left.x + x, left.y, left.dx, left.dy}; }
};

template <>
struct Argument<Table> {
  static constexpr bool viewed = false, takes_port = false;
  Table table;
  FULMAR_HD Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t) : table{call.table} {}
  FULMAR_HD Table operator[](std::int64_t) const { return table; }
};

template <>
struct Argument<Bands<float>> {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_SERIES;
  static constexpr std::int32_t dtype = FULMAR_F32;
  const float* row;
  std::int64_t count;
  FULMAR_HD Argument(const fulmar_call&, const fulmar_plane* p, std::int64_t y)
      : row{static_cast<const float*>(p->cells) + y * p->stride}, count{p->layer} {}
  FULMAR_HD Bands<float> operator[](std::int64_t x) const {
    return {row + x * count, static_cast<std::int32_t>(count)};
  }
};

template <>
struct Argument<Series<float>> {
  static constexpr bool viewed = true, takes_port = true;
  static constexpr std::uint32_t view = FULMAR_VIEW_SERIES;
  static constexpr std::int32_t dtype = FULMAR_F32;
  const float* row;
  std::int64_t count, dates;
  const double* times;
  FULMAR_HD Argument(const fulmar_call& call, const fulmar_plane* p, std::int64_t y)
      : row{static_cast<const float*>(p->cells) + y * p->stride},
        count{p->layer},
        dates{static_cast<std::int64_t>(call.dates)},
        times{call.times} {}
  FULMAR_HD Series<float> operator[](std::int64_t x) const {
    return {row + x * count, static_cast<std::int32_t>(dates), static_cast<std::int32_t>(count / dates), times};
  }
};

template <>
struct Argument<Scratch> {
  static constexpr bool viewed = false, takes_port = false;
  Scratch scratch;
  FULMAR_HD Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t) : scratch{call.scratch} {}
  FULMAR_HD Scratch operator[](std::int64_t) const { return scratch; }
};

template <class T>
struct Argument<Outputs<T>> {
  static constexpr bool viewed = false, takes_port = false;
  Outputs<T> left;
  FULMAR_HD Argument(const fulmar_call& call, const fulmar_plane*, std::int64_t y)
      : left{call.output, static_cast<std::int32_t>(call.outputs), 0, y} {}
  FULMAR_HD Outputs<T> operator[](std::int64_t x) const { return {left.planes, left.count, x, left.y}; }
};

/// The first of two outputs, where nobody asked for the second: the optimiser then drops what only the second needs.
template <class A, class B>
struct FirstOf {
  A* a;
  FULMAR_HD FirstOf(const fulmar_call& call, std::int64_t y)
      : a{static_cast<A*>(call.output[0].cells) + y * call.output[0].stride} {}
  FULMAR_HD void store(std::int64_t x, Both<A, B> value) const { a[x] = settled(value.first); }
};

/// Where a result goes.
template <class R>
struct Result {
  static constexpr std::uint32_t outputs = 1;
  static constexpr std::int32_t dtype[1] = {std::is_same_v<R, float> ? FULMAR_F32 : FULMAR_U8};
  R* cells;
  FULMAR_HD Result(const fulmar_call& call, std::int64_t y)
      : cells{static_cast<R*>(call.output[0].cells) + y * call.output[0].stride} {}
  FULMAR_HD void store(std::int64_t x, R value) const { cells[x] = settled(value); }
};
template <>
struct Result<bool> {
  static constexpr std::uint32_t outputs = 1;
  static constexpr std::int32_t dtype[1] = {FULMAR_U8};
  std::uint8_t* cells;
  FULMAR_HD Result(const fulmar_call& call, std::int64_t y)
      : cells{static_cast<std::uint8_t*>(call.output[0].cells) + y * call.output[0].stride} {}
  FULMAR_HD void store(std::int64_t x, bool value) const { cells[x] = value ? 1 : 0; }
};
/// Nothing is returned: the function sets its Outputs, as many as its schema says, all of which are f32.
template <>
struct Result<void> {
  static constexpr std::uint32_t outputs = 0;
  static constexpr std::int32_t dtype[1] = {0};
  FULMAR_HD Result(const fulmar_call&, std::int64_t) {}
};
template <class A, class B>
struct Result<Both<A, B>> {
  using First = FirstOf<A, B>;
  static constexpr std::uint32_t outputs = 2;
  static constexpr std::int32_t dtype[2] = {Result<A>::dtype[0], Result<B>::dtype[0]};
  A* a;
  B* b;
  FULMAR_HD Result(const fulmar_call& call, std::int64_t y)
      : a{static_cast<A*>(call.output[0].cells) + y * call.output[0].stride},
        b{static_cast<B*>(call.output[1].cells) + y * call.output[1].stride} {}
  FULMAR_HD void store(std::int64_t x, Both<A, B> value) const {
    a[x] = settled(value.first), b[x] = settled(value.second);
  }
};

/// What takes whole rows in place of a functor; void where nothing does. Rows of a class with a State are those of its
/// step(), CellRows those of its function.
template <class F>
struct RowsOf {
  using type = void;
};
template <class F>
requires requires { typename F::Rows; } &&(!requires { typename F::State; }) struct RowsOf<F> {
  using type = typename F::Rows;
};
template <class F>
requires requires {
  typename F::State;
  typename F::CellRows;
}
struct RowsOf<F> {
  using type = typename F::CellRows;
};

/// The signature of a functor's operator().
template <class M>
struct Signature;
template <class F, class R, class... A>
struct Signature<R (F::*)(A...) const> {
  using Output = Result<R>;
  static constexpr bool has_near = ((Argument<A>::viewed && std::is_same_v<A, Near<float>>) || ...);
  static constexpr bool has_sums = (std::is_base_of_v<WindowSums, A> || ...);
  static constexpr bool has_ranks = (std::is_same_v<A, Ranks> || ...) || (std::is_same_v<A, RingRanks> || ...);
  static constexpr bool has_reach = (std::is_same_v<A, Within> || ...);
  static constexpr bool has_series = (std::is_same_v<A, Series<float>> || ...);
  static constexpr bool has_scratch = (std::is_same_v<A, Scratch> || ...);
  static_assert(std::is_void_v<R> == (std::is_same_v<A, Outputs<float>> || ...),
                "a function that returns nothing sets its Outputs, and no other does");

  /// The place of argument i among those that have a plane.
  static constexpr std::size_t plane_of(std::size_t i) {
    constexpr bool viewed[] = {Argument<A>::viewed..., false};
    std::size_t place = 0;
    for (std::size_t k = 0; k < i; ++k) place += viewed[k] ? 1 : 0;
    return place;
  }

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

  /// Calls use(width, rows...) for every row; a row is what its argument is in column x: row[x].
  template <class Use>
  static void visit(const fulmar_call& call, Use&& use) {
    visit_rows(call, use, std::make_index_sequence<sizeof...(A)>{});
  }

 private:
  template <class Use, std::size_t... I>
  static void visit_rows(const fulmar_call& call, Use& use, std::index_sequence<I...>) {
    for (std::int64_t y = 0; y < call.output->height; ++y)
      use(call.output->width, Argument<A>{call, call.input + plane_of(I), y}...);
  }

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
      if constexpr (Argument<T>::view == FULMAR_VIEW_RING) {
        if constexpr (std::is_same_v<T, LeftMoments>) v.rank = FULMAR_RING_LEFT;
        if constexpr (std::is_same_v<T, RightMoments>) v.rank = FULMAR_RING_RIGHT;
        const RingShape ring = f.ring();
        v.inner_x = ring.guard.x, v.inner_y = ring.guard.y;
        v.outer_x = ring.background.x, v.outer_y = ring.background.y;
        v.sampled = requires { f.sample(0.0f); }
        ? 1 : 0;
      } else if constexpr (std::is_same_v<T, Moments>) {
        const Box box = f.box();
        v.outer_x = box.x, v.outer_y = box.y;
      } else if constexpr (Argument<T>::view == FULMAR_VIEW_RANKS) {
        const RankShape ranks = f.ranks();
        v.outer_x = ranks.box.x, v.outer_y = ranks.box.y;
        v.reach = ranks.fraction;
        v.rank = ranks.one ? FULMAR_RANK_CEIL : 0;
        if constexpr (std::is_same_v<T, RingRanks>) {
          v.inner_x = ranks.guard.x, v.inner_y = ranks.guard.y;
          v.rank |= FULMAR_RANK_RING;
        }
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

  template <class Out, std::size_t... I>
  static void rows(const F& f, const fulmar_call& call, std::index_sequence<I...>) {
    const std::int64_t width = call.output->width;
    if constexpr (!std::is_void_v<typename RowsOf<F>::type>) {
      if (width > 1) {
        typename RowsOf<F>::type together{f};
        for (std::int64_t y = 0; y < call.output->height; ++y)
          if (!together.take(width, Out{call, y}, Argument<A>{call, call.input + plane_of(I), y}...))
            row(f, Out{call, y}, width, Argument<A>{call, call.input + plane_of(I), y}...);
        return;
      }
    }
    for (std::int64_t y = 0; y < call.output->height; ++y)
      row(f, Out{call, y}, width, Argument<A>{call, call.input + plane_of(I), y}...);
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
  static constexpr int most_bands = 64;

  /// outer_x: how many bands the functor needs at least.
  static std::uint32_t views(const F& f, fulmar_view* out, std::uint32_t capacity) {
    if (capacity > 0) out[0] = fulmar_view{0, FULMAR_VIEW_BANDS, 0, 0, f.bands(), 0, 0.0, 0, 0};
    return 1;
  }
  static std::string types() { return "f"; }

  static void run(const F& f, const fulmar_call& call) {
    Pack packs[most_bands];
    const int bands = std::min(static_cast<int>(call.inputs), f.bands());  // no more than it asks for, at most 64
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
        for (std::int64_t i = 0; i < n; ++i) to[x + i] = settled(static_cast<float>(result.v[i]));
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

template <class Op>
concept Reducing = requires {
  typename Op::State;
};
/// Merges states part by part, no part looking at another: `parts(round)` says how many there are, `merge_part(into,
/// from, round, part)` merges one. `merge_rest(into, from, round)`, where there is one, comes after them.
template <class Op>
concept MergesInParts = requires {
  &Op::merge_part;
};
template <class Op>
concept HasRest = requires {
  &Op::merge_rest;
};
template <class Op>
concept Whole = requires {
  &Op::whole;
};
/// Declares `static constexpr int warps`, the inputs it has. The engine does all of it.
template <class Op>
concept Warping = requires {
  Op::warps;
};
template <class Op>
concept Tabular = requires {
  &Op::tabulate;
};
template <class Op>
inline constexpr bool has_cells =
    !Whole<Op> && !Warping<Op> && !Tabular<Op> && (!Reducing<Op> || requires { &Op::operator(); });

/// The ports of a reducing operator, from the arguments of its step().
template <class M>
struct StepSignature;
template <class F, class S, class... A>
struct StepSignature<void (F::*)(S&, const Round&, A...) const> {
  using Cells = Signature<float (F::*)(A...) const>;
};
template <class Op>
using StepOf = typename StepSignature<decltype(&Op::step)>::Cells;

/// The ports of a whole operator: planes of const cells are inputs, the others outputs.
template <class M>
struct WholeSignature;
template <class F, class... T>
struct WholeSignature<void (F::*)(const Rows&, Plane<T>...) const> {
  static std::string types(bool outputs) {
    std::string t;
    ((std::is_const_v<T> != outputs ? t += std::is_same_v<std::remove_const_t<T>, float> ? 'f' : 'u' : t), ...);
    return t;
  }
  static std::uint32_t views(fulmar_view* out, std::uint32_t capacity) {
    std::uint32_t count = 0;
    for (; count < types(false).size(); ++count)
      if (count < capacity) out[count] = fulmar_view{count, FULMAR_VIEW_CELL, 0, 0, 0, 0, 0.0, 0, 0};
    return count;
  }
  static void run(const F& f, const fulmar_call& call) { run(f, call, std::make_index_sequence<sizeof...(T)>{}); }

 private:
  /// The place of plane i among the inputs or among the outputs.
  static constexpr std::size_t place(std::size_t i) {
    constexpr bool input[] = {std::is_const_v<T>...};
    std::size_t before = 0;
    for (std::size_t k = 0; k < i; ++k) before += input[k] == input[i] ? 1 : 0;
    return before;
  }
  template <std::size_t... I>
  static void run(const F& f, const fulmar_call& call, std::index_sequence<I...>) {
    const auto plane = [&]<class C>(std::size_t at, C*) {
      const fulmar_plane& p = std::is_const_v<C> ? call.input[at] : call.output[at];
      return Plane<C>{static_cast<C*>(p.cells), p.width, p.height};
    };
    f.whole(Rows{call.ground}, plane(place(I), static_cast<T*>(nullptr))...);
  }
};
template <class Op>
using WholeOf = WholeSignature<decltype(&Op::whole)>;

/// Fills an error from the exception in flight. Returns 1.
inline int tell(fulmar_error* error) {
  try {
    throw;
  } catch (const Error& e) {
    error->code = static_cast<int>(e.code());
    std::snprintf(error->message, sizeof error->message, "%s", e.what());
  } catch (const std::exception& e) {
    error->code = 1;
    std::snprintf(error->message, sizeof error->message, "%s", e.what());
  } catch (...) {
    error->code = 1;
    std::snprintf(error->message, sizeof error->message, "it threw something that is not an exception");
  }
  return 1;
}

template <class F>
constexpr std::uint32_t kind_of() {
  if constexpr (Warping<F>)
    return FULMAR_KIND_WARPING;
  else if constexpr (Tabular<F>)
    return FULMAR_KIND_TABULAR;
  else if constexpr (Whole<F>)
    return FULMAR_KIND_WHOLE;
  else if constexpr (Reducing<F>)
    return FULMAR_KIND_REDUCING;
  else if constexpr (Labelling<F>)
    return FULMAR_KIND_LABELLING;
  else if constexpr (Packed<F>)
    return FULMAR_KIND_CELLWISE;
  else {
    using S = typename SignatureOf<F>::type;
    if constexpr (S::has_series)
      return FULMAR_KIND_TEMPORAL;
    else if constexpr (S::has_ranks)
      return FULMAR_KIND_RANKED;
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

/// Leaves a sentence for the user where an error would stand; the call has succeeded.
inline void say(fulmar_error* error, const std::string& sentence) {
  error->code = 0;
  std::snprintf(error->message, sizeof error->message, "%s", sentence.c_str());
}

/// series_table of an operator whose table() takes the dates; nothing for the others.
template <class Op>
constexpr auto series_table_of() -> decltype(fulmar_operator::series_table) {
  if constexpr (requires(const Op& op, const Dates& dates, double* values) { op.table(dates, values); })
    return [](const void* params, const double* times, std::uint64_t dates, std::uint64_t bands, double* values,
              std::uint64_t* count, fulmar_error* error) -> int {
      try {
        Op op;
        op.params = *static_cast<const typename Op::Params*>(params);
        const Dates of{times, static_cast<std::int64_t>(dates), static_cast<std::int64_t>(bands)};
        *count = op.table(of, values);
        // Something to say that is no error.
        if constexpr (requires { op.remark(of); })
          if (values == nullptr) say(error, op.remark(of));
        return 0;
      } catch (...) {
        return tell(error);
      }
    };
  else
    return nullptr;
}

template <class Op>
constexpr std::uint32_t kind_of_operator() {
  return kind_of<typename FaceOf<Op>::type>();
}

/// Letters for the types of an operator's ports.
template <class Op>
std::string port_types(bool outputs) {
  if constexpr (Warping<Op>) {
    return std::string(outputs ? 1 : Op::warps, 'f');
  } else if constexpr (Tabular<Op>) {
    return Op::schema().table_types(outputs);
  } else if constexpr (Whole<Op>) {
    return WholeOf<Op>::types(outputs);
  } else if constexpr (!has_cells<Op>) {
    return outputs ? std::string{} : StepOf<Op>::types();
  } else {
    using S = typename SignatureOf<typename FaceOf<Op>::type>::type;
    if (!outputs) return S::types();
    std::string t;
    for (const auto dtype : S::Output::dtype) t += dtype == FULMAR_F32 ? 'f' : 'u';
    return t;
  }
}

/// True for an operator whose function returns nothing and sets its Outputs.
template <class Op>
constexpr bool sets_outputs() {
  if constexpr (Whole<Op> || !has_cells<Op>)
    return false;
  else
    return SignatureOf<typename FaceOf<Op>::type>::type::Output::dtype[0] == 0;
}

/// The members of a reducing operator's table.
template <class Op>
void add_reduction(fulmar_operator& table) {
  using State = typename Op::State;
  static_assert(std::is_trivially_copyable_v<State>, "a state is kept and merged as bytes");
  static const auto op_of = [](const void* params) {
    Op op;
    op.params = *static_cast<const typename Op::Params*>(params);
    return op;
  };
  static const auto round_of = [](const fulmar_round* r) {
    return Round{r->index, r->inputs, r->summary, r->summary_count, r->width, r->height};
  };
  table.rounds = [](const void* params) -> std::uint32_t {
    if constexpr (requires(const Op& op) { op.rounds(); })
      return op_of(params).rounds();
    else
      return (void)params, 1;
  };
  table.state_bytes = [](const void* params, const fulmar_round* r) -> std::uint64_t {
    // More than a State where the operator keeps numbers behind it, as many as it only knows now.
    if constexpr (requires(const Op& op, Round round) { op.state_bytes(round); })
      return op_of(params).state_bytes(round_of(r));
    else
      return (void)params, (void)r, sizeof(State);
  };
  table.begin = [](const void* params, const fulmar_round* r, void* state) {
    auto* s = new (state) State{};
    if constexpr (requires(const Op& op, State& x, Round round) { op.begin(x, round); })
      op_of(params).begin(*s, round_of(r));
    else
      (void)params, (void)r, (void)s;
  };
  table.step = [](const void* params, const fulmar_round* r, const fulmar_call* call, void* state,
                  fulmar_error* error) -> int {
    try {
      const Op op = op_of(params);
      const Round round = round_of(r);
      auto& s = *static_cast<State*>(state);
      const auto cells = [&](std::int64_t width, const auto&... rows) {
        for (std::int64_t x = 0; x < width; ++x) op.step(s, round, rows[x]...);
      };
      if constexpr (requires { typename Op::Rows; }) {
        if (call->output->width > 1) {
          typename Op::Rows together{op, s};
          StepOf<Op>::visit(*call, [&](std::int64_t width, const auto&... rows) {
            if (!together.take(round, width, rows...)) cells(width, rows...);
          });
          together.end();
          return 0;
        }
      }
      StepOf<Op>::visit(*call, cells);
      return 0;
    } catch (...) {
      return tell(error);
    }
  };
  table.merge = [](const void* params, const fulmar_round* r, void* into, const void* from) {
    const Op op = op_of(params);
    const Round round = round_of(r);
    auto& a = *static_cast<State*>(into);
    const auto& b = *static_cast<const State*>(from);
    if constexpr (MergesInParts<Op>) {
      const std::int64_t parts = op.parts(round);
      for (std::int64_t i = 0; i < parts; ++i) op.merge_part(a, b, round, i);
      if constexpr (HasRest<Op>) op.merge_rest(a, b, round);
    } else {
      op.merge(a, b, round);
    }
  };
  table.finish = [](const void* params, const fulmar_round* r, const void* state, double* summary,
                    fulmar_error* error) -> std::uint64_t {
    try {
      const Op op = op_of(params);
      const auto count = op.finish(*static_cast<const State*>(state), round_of(r), summary);
      if constexpr (requires(Round round) { op.remark(round, summary); })
        if (summary != nullptr)
          std::snprintf(error->message, sizeof error->message, "%s",
                        std::string{op.remark(round_of(r), summary)}.c_str());
      return count;
    } catch (...) {
      tell(error);
      return UINT64_MAX;
    }
  };
}

/// The C table of an operator. One definition serves built-in operators and plugins alike; nothing of C++ crosses it.
template <class Op>
const fulmar_operator& table_of() {
  using Params = typename Op::Params;
  static_assert(std::is_trivially_copyable_v<Params>, "parameters cross to the device as bytes");

  static const auto functor = [](const void* params) {
    Op op;
    op.params = *static_cast<const Params*>(params);
    return op;
  };
  static const Schema schema = Op::schema();
  static const std::string text = [] {
    std::string j = schema.json(kind_name(kind_of_operator<Op>()));
    j.back() = ',';
    std::string outputs = port_types<Op>(true);
    if constexpr (sets_outputs<Op>()) {
      outputs = std::string(schema.outputs(), 'f');
      j += "\"all_flow\":true,";
    }
    return j + "\"input_types\":\"" + port_types<Op>(false) + "\",\"output_types\":\"" + outputs + "\"}";
  }();

  static const fulmar_operator table = [] {
    fulmar_operator made{};
    made.size = sizeof(fulmar_operator);
    made.kind = kind_of_operator<Op>();
    made.schema = text.c_str();
    made.params_size = sizeof(Params);
    made.params_align = alignof(Params);
    made.parse = [](const fulmar_value* values, std::uint32_t count, const fulmar_ground* ground, void* params,
                    fulmar_error* error) -> int {
      try {
        auto* p = new (params) Params{};
        schema.parse(values, count, *ground, p);
        if constexpr (requires { Op::check(*p, *ground); })
          Op::check(*p, *ground);
        else if constexpr (requires { Op::check(*p); })
          Op::check(*p);
        return 0;
      } catch (...) {
        return tell(error);
      }
    };
    made.views = [](const void* params, fulmar_view* views, std::uint32_t capacity) {
      if constexpr (Warping<Op>)
        return (void)params, (void)views, (void)capacity, 0u;
      else if constexpr (Tabular<Op>)
        return (void)params, (void)views, (void)capacity, 0U;
      else if constexpr (Whole<Op>)
        return (void)params, WholeOf<Op>::views(views, capacity);
      else if constexpr (!has_cells<Op>)
        return StepOf<Op>::views(functor(params), views, capacity);
      else
        return with_variant(functor(params), [&](const auto& f) {
          return SignatureOf<std::remove_cvref_t<decltype(f)>>::type::views(f, views, capacity);
        });
    };
    made.table = [](const void* params, double* values) -> std::uint64_t {
      if constexpr (requires(const Op& op) { op.table(values); })
        return functor(params).table(values);
      else
        return (void)params, (void)values, 0;
    };
    made.run = [](const void* params, const fulmar_call* call, fulmar_error* error) -> int {
      if constexpr (has_cells<Op>) try {
          with_variant(functor(params),
                       [&](const auto& f) { SignatureOf<std::remove_cvref_t<decltype(f)>>::type::run(f, *call); });
        } catch (...) {
          return tell(error);
        }
      (void)params, (void)call, (void)error;
      return 0;
    };
    made.sample = [](const void* params, const fulmar_call* call, fulmar_error*) {
      if constexpr (has_cells<Op>)
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
      (void)params, (void)call;
      return 0;
    };
    made.keep = [](const void* params, const fulmar_object* object) -> int {
      if constexpr (Labelling<Op>)
        return functor(params).keep(*object) ? 1 : 0;
      else
        return (void)params, (void)object, 1;
    };
    if constexpr (Reducing<Op>) add_reduction<Op>(made);
    if constexpr (Whole<Op>) {
      made.whole = [](const void* params, const fulmar_call* call, fulmar_error* error) -> int {
        try {
          WholeOf<Op>::run(functor(params), *call);
          return 0;
        } catch (...) {
          return tell(error);
        }
      };
      made.whole_bytes = [](const void* params, std::uint64_t cells) -> std::uint64_t {
        if constexpr (requires(const Op& op) { op.bytes(cells); })
          return functor(params).bytes(cells);
        else
          return (void)params, (void)cells, 0;
      };
    }
    if constexpr (Tabular<Op>)
      made.tabulate = [](const void* params, const fulmar_table* inputs, std::uint32_t count,
                         const fulmar_table_writer* writer, fulmar_error* error) -> int {
        try {
          TableWriter out{*writer};
          functor(params).tabulate(Tables{inputs, count}, out);
          return 0;
        } catch (...) {
          return tell(error);
        }
      };
    made.scratch = [](const void* params, std::uint64_t dates, std::uint64_t bands) -> std::uint64_t {
      if constexpr (requires(const Op& op) { op.scratch(Dates{}); })
        return functor(params).scratch(
            Dates{nullptr, static_cast<std::int64_t>(dates), static_cast<std::int64_t>(bands)});
      else
        return (void)params, (void)dates, (void)bands, 0;
    };
    made.series_table = series_table_of<Op>();
    return made;
  }();
  return table;
}

}  // namespace fulmar::op
