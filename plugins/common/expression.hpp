// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/expression_program.hpp"
#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Band mathematics: a formula of the bands b1 to b64 of the scene, in muParser's syntax, computed in f64.
///
/// Bands come as f32, from files and from steps before: one that was written as 0.1 is 0.100000001 in `b1 > 0.1`, which
/// holds. What one formula computes and compares at once stays f64.
///
/// A cell is missing if any band that the formula names is missing there, or if the result is not finite in f32 (a
/// division by zero, the logarithm of a negative number). No edge. Errors: the formula does not parse (the place is
/// shown), or it names a band that the scene does not have.
struct Expression {
  struct Params {
    expression::Program program;
  } params;
  using Pack = expression::Pack;

  static Schema schema() {
    return Schema{"expression", "Compute a formula of the bands of the scene."}
        .bands("band", units::any, "The scene's bands, b1 to b64.")
        .output("value", units::unknown, "The value of the formula.")
        .text<Params>(
            "formula", [](Params& p, std::string_view text) { p.program = expression::compile(text); },
            "The formula, as muParser writes it: (b1 - b2) / (b1 + b2).")
        .positional()
        .example("scene.tif ! expression '(b4 - b3) / (b4 + b3)' ! ndvi.tif")
        .cites("muParser 2.3 manual (syntax)")
        .agrees(exactly);
  }
  /// Halfway from the largest f32 to where the next one would be.
  static constexpr double beyond = 0x1.ffffffp127;
  std::int32_t bands() const { return expression::bands_needed(params.program); }
  template <class V>
  FULMAR_HD V operator()(Bands<V> b) const {
    V value = expression::evaluate(params.program, b.values);
    // What f32 would round to infinity has no value either.
    expression::detail::each(value, [](double x) { return x > -beyond && x < beyond ? x : missing<double>; });
    return value;
  }
};

}  // namespace fulmar::ops
