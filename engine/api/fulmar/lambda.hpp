// SPDX-License-Identifier: Apache-2.0
/// @file
/// Operators of a program's own, added at run time: from a lambda on one cell, or from a class as plugins write them.
#pragma once

#include <optional>
#include <string>
#include <type_traits>

#include "fulmar/op.hpp"
#include "op/apply.hpp"

namespace fulmar {

/// The class that a lambda becomes.
template <class F, class Signature = decltype(&F::operator())>
struct LambdaOperator;
template <class F, class R, class... A>
struct LambdaOperator<F, R (F::*)(A...) const> {
  struct Params {
  } params;
  static inline std::optional<Schema> described;
  static Schema schema() { return *described; }
  R operator()(A... cells) const { return F{}(cells...); }
};

/// An operator from a lambda on one cell of each input: float for a value (missing is NaN), std::uint8_t for a flag;
/// it returns float, std::uint8_t, bool or Both. It captures nothing, as operators have no state, and becomes part of
/// the processor's loops: it costs no call a cell. What looks around a cell, or has parameters, is a class:
/// operator_of().
///
///     engine.add(fulmar::lambda(Schema{"ndwi", "Tell water from land."}.input(...).output(...),
///                               [](float green, float nir) { return (green - nir) / (green + nir); }));
///
/// Errors: Errc::usage where the same lambda was given another schema before.
template <class F>
const fulmar_operator& lambda(const Schema& schema, F) {
  static_assert(std::is_empty_v<F> && std::is_default_constructible_v<F>,
                "an operator has no state: the lambda must capture nothing");
  using Op = LambdaOperator<F>;
  static_assert(op::kind_of<Op>() == FULMAR_KIND_CELLWISE, "what looks around a cell is a class, see operator_of()");
  if (Op::described && Op::described->json("") != schema.json(""))
    fail(Errc::usage, "one lambda was given two schemas: an operator's name belongs to its code");
  Op::described = schema;
  return op::table_of<Op>();
}

/// An operator from a class, written as in plugins/README.md: Params, schema(), and a function of cells.
template <class Op>
const fulmar_operator& operator_of() {
  return op::table_of<Op>();
}

}  // namespace fulmar
