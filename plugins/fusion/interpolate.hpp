// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"
#include "fusion/optimal_interpolation.hpp"

namespace fulmar::ops {

/// Optimal interpolation: a first guess, corrected by the observations around each cell, and how sure the result is.
///
/// analysis = g + b' (B + R)^-1 (y - g_o), variance = 1 - b' (B + R)^-1 b, as a fraction of the first guess's error
/// variance. Correlations are exp(-(dx / Lx)^2 - (dy / Ly)^2), without a half; dx, dy are metres on the ground by the
/// size of the analysed cell (cells where the size is unknown). y are the `neighbours` nearest observations by that
/// distance within the search box, ties by row and column; g_o is the first guess in their cells; R is the square of
/// their noise, an error's standard deviation over that of the first guess, at least 0.001.
/// An observation without a noise, or where the first guess is missing, is left out; a cell without an observation in
/// its box keeps the first guess, with variance 1; a cell without a first guess is missing. Observations are cells on
/// the grid of the first guess: `superob` makes them of several sources, `rasterize` of points. The search box has the
/// ground size of the raster's middle.
struct Interpolate {
  struct Params {
    Distance scale_x{150e3}, scale_y{150e3};
    Width search{900e3};
    std::int32_t neighbours = 30;
  } params;
  static Schema schema() {
    return Schema{"interpolate", "Correct a first guess by observations, with the variance of the error."}
        .input("observed", units::any, "Observations, in the unit of the first guess; missing where there is none.")
        .input("noise", units::one, "Standard deviation of each observation's error over that of the first guess.")
        .input("guess", units::any, "First guess.")
        .output("analysis", units::any, "First guess and what the observations add.")
        .output("variance", units::one, "Error variance of the analysis over that of the first guess.")
        .param("scale-x", &Params::scale_x, "Correlation length along rows.", above(0))
        .param("scale-y", &Params::scale_y, "Correlation length along columns.", above(0))
        .param("search", &Params::search, "Full width of the box in which observations are looked for.", above(0))
        .param("neighbours", &Params::neighbours, "Observations used for a cell at most, the nearest ones.", units::one,
               between(1, 200))
        .example(
            "obs_*.nc ! superob --noise '0.5 2' ! interpolate --guess [ yesterday.nc ] --scale-x 5px --scale-y 5px "
            "--search 31px ! sst.tif --values analysis,variance")
        .cites("Gandin 1963, Objective analysis of meteorological fields")
        .cites("Reynolds & Smith 1994, J. Climate 7, 929-948")
        .agrees(exactly);
  }
  FULMAR_HD Box halo() const { return params.search.half(); }
  [[nodiscard]] std::uint64_t scratch(const Dates&) const {
    return static_cast<std::uint64_t>(optimal_interpolation::Nearest::memory(params.neighbours));
  }

  FULMAR_HD Both<float, float> operator()(Near<float> observed, Near<float> noise, Near<float> guess, Here here,
                                          Scratch scratch) const {
    const float first = guess(0, 0);
    if (is_missing(first)) return {missing<float>, missing<float>};
    const double dx = here.dx > 0 ? here.dx : 1.0, dy = here.dy > 0 ? here.dy : 1.0;
    optimal_interpolation::Nearest nearest{scratch.values, params.neighbours, dx / params.scale_x.metres,
                                           dy / params.scale_y.metres};
    const auto look = [&](std::int64_t x, std::int64_t y) {
      const float value = observed(x, y), error = noise(x, y), there = guess(x, y);
      if (is_missing(value) || is_missing(error) || is_missing(there)) return;
      const double r = error < 0.001F ? 0.001 : static_cast<double>(error);
      nearest.add(x, y, static_cast<double>(value) - static_cast<double>(there), r * r);
    };
    // Square rings outwards, until whatever lies farther out cannot be nearer than what was found.
    const Box box = halo();
    const std::int64_t rings = box.x > box.y ? box.x : box.y;
    for (std::int64_t k = 0; k <= rings; ++k) {
      const std::int64_t across = k < box.x ? k : box.x, down = k - 1 < box.y ? k - 1 : box.y;
      if (k <= box.y)
        for (std::int64_t x = -across; x <= across; ++x) {
          look(x, -k);
          if (k > 0) look(x, k);
        }
      if (k <= box.x && k > 0)
        for (std::int64_t y = -down; y <= down; ++y) {
          look(-k, y);
          look(k, y);
        }
      const double beyond = static_cast<double>(k) + 1;
      if (nearest.complete(k < box.x ? beyond : 1e9, k < box.y ? beyond : 1e9)) break;
    }
    if (nearest.count() == 0) return {first, 1.0F};
    const auto increment = nearest.solve();
    return {static_cast<float>(static_cast<double>(first) + increment.value), static_cast<float>(increment.variance)};
  }
};

}  // namespace fulmar::ops
