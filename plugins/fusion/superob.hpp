// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"
#include "fusion/number_list.hpp"

namespace fulmar::ops {

/// One observation a cell out of several sources: their mean, weighted by the inverse square of their noise, and its
/// noise, 1 / sqrt(sum of 1 / noise^2). In optimal interpolation it stands for all of them exactly, as long as their
/// errors are independent. Missing sources are left out; where all are, both outputs are missing.
struct Superob {
  struct Params {
    NumberList noise;
  } params;
  static void read_noise(Params& p, std::string_view text) { p.noise = NumberList::read(text, 1e-6, 1e6); }
  static Schema schema() {
    return Schema{"superob", "Merge observations of several sources, cell by cell."}
        .bands("source", units::any, "Observations of one source each, all in one unit.")
        .output("observed", units::any, "Weighted mean.")
        .output("noise", units::one, "Noise of that mean, in the unit in which the noises were given.")
        .text(
            "noise", &Superob::read_noise,
            "Standard deviation of the error of each source, over that of the first guess; the last number is for all "
            "further sources.")
        .example("obs_*.nc ! superob --noise '0.5 2' ! observed.tif --values observed,noise")
        .cites("Lorenc 1981, Monthly Weather Review 109, 701-721")
        .agrees(exactly);
  }
  [[nodiscard]] std::int32_t bands() const { return params.noise.count; }
  FULMAR_HD Both<float, float> operator()(Bands<float> in) const {
    double sum = 0, weights = 0;
    for (std::int32_t b = 0; b < in.count; ++b) {
      const double r = params.noise[b], weight = 1 / (r * r);
      if (is_missing(in[b])) continue;
      sum += weight * static_cast<double>(in[b]);
      weights += weight;
    }
    if (!(weights > 0)) return {missing<float>, missing<float>};
    return {static_cast<float>(sum / weights), static_cast<float>(1 / math::sqrt(weights))};
  }
};

}  // namespace fulmar::ops
