// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// Radiometric calibration of Sentinel-1 to sigma, beta or gamma nought: DN^2 / A^2, linear.
///
/// A is the annotation's look-up table, bilinear in absolute line and sample (see io/sentinel1_lut.hpp). A digital
/// number of zero is the product's border and becomes missing, not zero backscatter. A missing cell stays missing. A
/// scene that was cut out of a product states where with `line-offset` and `sample-offset`. Errors: no calibration file
/// beside the scene, or one that cannot be read.
struct Calibrate {
  enum class Lut { sigma, beta, gamma };
  struct Params {
    Lut lut = Lut::sigma;
    std::int64_t line_offset = 0, sample_offset = 0;
  } params;
  static Schema schema() {
    return Schema{"calibrate", "Calibrate Sentinel-1 counts to backscatter intensity."}
        .input("amplitude", units::digital_number, "Digital numbers of a GRD measurement.")
        .companion("with", "calibration",
                   "Calibration XML of the product; found beside a measurement in a SAFE folder.", true)
        .output("intensity", units::one, "Backscatter coefficient, linear.")
        .param("lut", &Params::lut, "Which coefficient.", {"sigma", "beta", "gamma"})
        .param("line-offset", &Params::line_offset, "Line of the product that the scene's first row is.", units::cell,
               at_least(0))
        .param("sample-offset", &Params::sample_offset, "Sample of the product that the scene's first column is.",
               units::cell, at_least(0))
        .example("measurement.tiff ! calibrate --with calibration.xml ! sigma0.tif")
        .cites("Miranda & Meadows 2015, ESA-EOPG-CSCOP-TN-0002")
        .agrees(exactly);
  }
  FULMAR_HD float operator()(float amplitude, float a) const {
    return amplitude > 0 ? (amplitude * amplitude) / (a * a) : missing<float>;
  }
};

}  // namespace fulmar::ops
