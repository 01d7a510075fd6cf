// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Decibels of a linear intensity: 10 log10(x).
///
/// f32 ratio in, f32 dB out; the logarithm is computed in f64 and rounded once. An intensity of zero or less has no
/// decibels and becomes missing: neither minus infinity nor a floor. A missing cell stays missing. No edge.
struct Decibel {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"decibel", "Convert linear intensity to decibels."}
        .input("intensity", units::one, "Linear intensity; zero or less becomes missing.")
        .output("value", units::decibel, "10 log10(intensity).")
        .example("scene_linear.tif ! decibel ! scene_db.tif")
        .cites("IEC 60027-3:2002")
        .agrees(exactly);
  }
  FULMAR_HD float operator()(float intensity) const {
    const double level = 10.0 * math::log10(static_cast<double>(intensity));
    return intensity > 0 ? static_cast<float>(level) : missing<float>;
  }
};

}  // namespace fulmar::ops
