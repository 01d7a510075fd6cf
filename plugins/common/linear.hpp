// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Linear intensity of a measurement in decibels: 10^(x / 10).
///
/// f32 in dB, f32 ratio out; the power is computed in f64 and rounded once. A missing cell stays missing, and what
/// f32 cannot hold becomes missing. No edge.
struct Linear {
  struct Params {
  } params;
  static Schema schema() {
    return Schema{"linear", "Convert decibels to linear intensity."}
        .input("value", units::decibel, "Intensity in decibels.")
        .output("intensity", units::one, "Linear intensity, 10^(value / 10).")
        .example("scene_db.tif ! linear ! scene_linear.tif")
        .cites("IEC 60027-3:2002")
        .agrees(exactly);
  }
  FULMAR_HD float operator()(float value) const {
    const float intensity = static_cast<float>(math::exp10(static_cast<double>(value) * 0.1));
    return intensity - intensity == 0 ? intensity : missing<float>;
  }
};

}  // namespace fulmar::ops
