// SPDX-License-Identifier: Apache-2.0
/// @file
/// The value of one target cell from the source cells around its place, as plan/warp.hpp defines it: one source for
/// host and device.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"
#include "core/math.hpp"
#include "core/missing.hpp"
#include "core/places.hpp"
#include "core/window.hpp"

namespace fulmar {

/// How the value of a target cell is taken from the source cells around its place.
enum class Resampling { nearest, bilinear, cubic, lanczos, average };

/// A target cell in the source: its place and footprint, in columns and rows.
struct Place {
  double column, row;
  double width, height;
};

/// The raster that cells are taken from.
struct SourceRaster {
  std::int64_t width, height;
  bool wraps;
  double turn;  ///< columns of one turn of the earth, or 0
};

/// Source cells at hand. On a raster that goes round the earth their columns run on across its seam.
struct HeldCells {
  const float* cells;
  std::int64_t stride;
  Window window;

  FULMAR_HD [[nodiscard]] const float* at(std::int64_t column, std::int64_t row) const {
    return cells + (row - window.y) * stride + (column - window.x);
  }
};

// ---- places ----

/// A place to a whole or half cell where it is one to a millionth.
FULMAR_HD inline double snapped(double x) {
  const double near = ::rint(2 * x) / 2;
  return ::fabs(x - near) < 1e-6 ? near : x;
}

/// Half a step from the place before to the one after, or a whole one to whichever is there. `turn`: what it may be
/// longer by; 0 where it cannot.
FULMAR_HD inline double step_between(double before, double here, double after, double turn) {
  double d = (after - before) / 2;
  if (is_missing(d)) d = is_missing(after) ? here - before : after - here;
  if (is_missing(d)) return 0;
  if (turn > 0) {
    // Half a step is known to half a turn.
    const double whole = is_missing(after - before) ? turn : turn / 2;
    d -= whole * ::rint(d / whole);
  }
  return ::fabs(d);
}

/// Sets the place of a cell. False where it is not on the raster.
FULMAR_HD inline bool set_place(double column, double row, const SourceRaster& raster, Place& p) {
  p = {snapped(column), snapped(row), 0, 0};
  const auto width = static_cast<double>(raster.width), height = static_cast<double>(raster.height);
  if (raster.wraps && p.column >= width) p.column -= width;
  // Written so that a NaN is outside.
  return p.column >= 0 && p.column < width && p.row >= 0 && p.row < height;
}

/// Sets the footprint of a cell from its place and those of its neighbours.
FULMAR_HD inline void set_footprint(Spot left, Spot above, Spot here, Spot right, Spot below,
                                    const SourceRaster& raster, Place& p) {
  const auto lesser = [](double a, double b) { return b < a ? b : a; };
  const auto larger = [](double a, double b) { return a < b ? b : a; };
  p.width = larger(step_between(left.column, here.column, right.column, raster.turn),
                   step_between(above.column, here.column, below.column, raster.turn));
  p.height = larger(step_between(left.row, here.row, right.row, 0), step_between(above.row, here.row, below.row, 0));
  p.width = lesser(p.width, static_cast<double>(raster.width));
  p.height = lesser(p.height, static_cast<double>(raster.height));
}

// ---- kernels ----

/// Footprints up to this wide do not stretch a kernel.
inline constexpr double least_stretch = 1 / 0.95;

FULMAR_HD inline double stretch_of(double footprint) { return footprint > least_stretch ? footprint : 1.0; }

/// Half the cells a kernel spans where it is not stretched.
FULMAR_HD inline constexpr int radius_of(Resampling method) {
  return method == Resampling::cubic ? 2 : method == Resampling::lanczos ? 3 : 1;
}

/// How far from a place its kernel reaches along an axis, in cells.
FULMAR_HD inline double reach_of(Resampling method, double footprint) {
  if (method == Resampling::nearest) return 0.5;
  if (method == Resampling::average) return footprint / 2;
  return radius_of(method) * stretch_of(footprint);
}

/// The 2 * radius weights of an unstretched kernel for a place at `f` of a cell beyond the centre of cell radius - 1.
template <Resampling method>
FULMAR_HD [[gnu::always_inline]] inline void plain_weights(double f, double* w) {
  if constexpr (method == Resampling::bilinear) {
    w[0] = 1 - f;
    w[1] = f;
  } else if constexpr (method == Resampling::cubic) {
    w[0] = ((-0.5 * f + 1) * f - 0.5) * f;
    w[1] = (1.5 * f - 2.5) * f * f + 1;
    w[2] = ((-1.5 * f + 2) * f + 0.5) * f;
    w[3] = (0.5 * f - 0.5) * f * f;
  } else {
    // At the centre of a cell it alone has a say; the others' numbers are then those of another place, and not used.
    const bool centre = f == 0;
    const double g = centre ? 0.5 : f;
    // A weight is sin(pi (f - k)) sin(pi (f - k) / 3) / (f - k)^2. The first goes with the normalisation, but for its
    // sign; the second comes from the sine and cosine of f alone. All are multiplied by every square, so that only one
    // division is left.
    constexpr double pi = 3.14159265358979323846, half = 0.5, root = 0.86602540378443864676;
    const double s3 = math::sin(pi * g / 3), c3 = math::cos(pi * g / 3);
    const double third[6] = {-half * s3 + root * c3, -half * s3 - root * c3, s3,
                             -half * s3 + root * c3, -half * s3 - root * c3, s3};
    double before[6], square[6], after = 1, sum = 0;
    for (int k = 0; k < 6; ++k) square[k] = (g + 2 - k) * (g + 2 - k);
    before[0] = 1;
    for (int k = 1; k < 6; ++k) before[k] = before[k - 1] * square[k - 1];
    for (int k = 5; k >= 0; --k) {
      w[k] = third[k] * (before[k] * after);
      after *= square[k];
    }
    for (int k = 0; k < 6; ++k) sum += w[k];
    const double one = 1 / sum;
    for (int k = 0; k < 6; ++k) {
      const double part = w[k] * one;
      w[k] = centre ? (k == 2 ? 1.0 : 0.0) : part;
    }
  }
}

/// The first cell of an unstretched kernel, and how far the place lies beyond the centre of its cell radius - 1.
FULMAR_HD inline double plain_first(double place, int radius, std::int64_t& first) {
  const double low = ::floor(place - 0.5);
  first = static_cast<std::int64_t>(low) - (radius - 1);
  return place - 0.5 - low;
}

/// The kernel of a place along one axis, of any method but nearest: which source cells have a say.
struct AxisKernel {
  std::int64_t first = 0, count = 0;
  bool plain = false;  ///< unstretched, at `f` of a cell beyond the centre of cell radius - 1
  double f = 0;
  double place = 0, stretch = 1;
  double low = 0, high = 0;  ///< of an average: what the footprint covers

  /// Of a kernel that is not plain, the weight of a cell: of an average; of any other still to be divided by the sum of
  /// all, from the first on.
  template <Resampling method>
  FULMAR_HD [[nodiscard]] double weight(std::int64_t k) const {
    const auto cell = static_cast<double>(first + k);
    if constexpr (method == Resampling::average)
      return ((cell + 1 < high ? cell + 1 : high) - (cell < low ? low : cell)) / (high - low);
    const double d = ::fabs((cell + 0.5 - place) / stretch);
    if constexpr (method == Resampling::bilinear) {
      return 0.0 < 1 - d ? 1 - d : 0.0;
    } else if constexpr (method == Resampling::cubic) {
      if (d <= 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    } else {
      if (d < 1e-9) return 1;
      if (d >= 3) return 0;
      const double x = 3.14159265358979323846 * d;
      return 3 * math::sin(x) * math::sin(x / 3) / (x * x);
    }
  }
};

template <Resampling method>
FULMAR_HD inline AxisKernel axis_kernel(double place, double footprint) {
  AxisKernel k;
  if constexpr (method == Resampling::average) {
    // To a whole number where it is one to a millionth.
    const auto rounded = [](double x) {
      const double near = ::rint(x);
      return ::fabs(x - near) < 1e-6 ? near : x;
    };
    k.low = rounded(place - footprint / 2);
    const double high = rounded(place + footprint / 2);
    k.high = high < k.low + 1e-6 ? k.low + 1e-6 : high;
    const double first = ::floor(k.low);
    k.first = static_cast<std::int64_t>(first);
    k.count = static_cast<std::int64_t>(-::floor(-k.high) - first);
    return k;
  }
  k.stretch = stretch_of(footprint);
  if (k.stretch == 1) {
    constexpr int radius = radius_of(method);
    k.plain = true;
    k.f = plain_first(place, radius, k.first);
    k.count = 2 * radius;
    if (k.f == 0) {  // no other cell has a say, be it there or not
      k.first += radius - 1;
      k.count = 1;
    }
    return k;
  }
  k.place = place;
  const double reach = radius_of(method) * k.stretch;
  const double low = ::floor(place - reach - 0.5) + 1, high = -::floor(-(place + reach - 0.5));
  k.first = static_cast<std::int64_t>(low);
  k.count = static_cast<std::int64_t>(high - low);
  return k;
}

// ---- sums ----

/// What has been gathered of a target cell so far.
struct Gathered {
  double full = 0;               ///< with the whole kernel; NaN once a cell under it is missing
  double valid = 0, weight = 0;  ///< of the cells that are there
  bool near = false;             ///< the nearest cell is there
};

/// Of the bilinear kernel, whose weights are never negative, in place of those that overshoot.
FULMAR_HD inline constexpr Resampling gentle(Resampling method) {
  return method == Resampling::cubic || method == Resampling::lanczos ? Resampling::bilinear : method;
}

/// True where a kernel reaches beyond the raster: then the sum over the whole of it is missing.
template <class Taps>
FULMAR_HD bool reaches_beyond(const Taps& across, const Taps& down, const SourceRaster& raster) {
  return (!raster.wraps && (across.first < 0 || across.first + across.count > raster.width)) || down.first < 0 ||
         down.first + down.count > raster.height;
}

/// Adds the rows that are held to the sum over the whole kernel. `Taps`: first, count and weight(k) along an axis;
/// `shift`: whole turns, in columns, that bring the cell's columns to those that are held.
template <class Taps>
FULMAR_HD void add_full(const Taps& across, const Taps& down, std::int64_t shift, const HeldCells& held, Gathered& g) {
  const std::int64_t end = down.first + down.count, below = held.window.bottom();
  const std::int64_t top = down.first < held.window.y ? held.window.y : down.first, bottom = end < below ? end : below;
  for (std::int64_t y = top; y < bottom; ++y) {
    const float* const from = held.at(across.first + shift, y);
    double line = 0;
    for (std::int64_t a = 0; a < across.count; ++a) line += across.weight(a) * static_cast<double>(from[a]);
    g.full += down.weight(y - down.first) * line;
  }
}

/// Adds those of the cells that are held and there.
template <class Taps>
FULMAR_HD void add_valid(const Taps& across, const Taps& down, std::int64_t shift, const HeldCells& held, Gathered& g) {
  const auto later = [](std::int64_t a, std::int64_t b) { return a < b ? b : a; };
  const auto sooner = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  const std::int64_t first = across.first + shift;
  const std::int64_t top = later(down.first, held.window.y),
                     bottom = sooner(down.first + down.count, held.window.bottom());
  const std::int64_t left = later(first, held.window.x), right = sooner(first + across.count, held.window.right());
  for (std::int64_t y = top; y < bottom; ++y) {
    const double by = down.weight(y - down.first);
    const float* from = held.at(left, y);
    double line = 0, weight = 0;
    for (std::int64_t x = left; x < right; ++x, ++from) {
      const double w = is_missing(*from) ? 0 : across.weight(x - first);
      line += is_missing(*from) ? 0 : w * static_cast<double>(*from);
      weight += w;
    }
    g.valid += by * line;
    g.weight += by * weight;
  }
}

/// The cell that holds the place, where it is held.
FULMAR_HD inline const float* nearest_cell(const Place& p, std::int64_t shift, const HeldCells& held) {
  const auto row = static_cast<std::int64_t>(p.row);
  if (row < held.window.y || row >= held.window.bottom()) return nullptr;
  return held.at(static_cast<std::int64_t>(p.column) + shift, row);
}

/// The value of a cell of any method but nearest, once all rows were added.
template <Resampling method>
FULMAR_HD inline float value_of(const Gathered& g) {
  if (!is_missing(g.full)) return static_cast<float>(g.full);
  const bool enough = method == Resampling::average ? g.weight > 0.5 - 1e-9 : g.near && g.weight > 0;
  return enough ? settled(static_cast<float>(g.valid / g.weight)) : missing<float>;
}

/// The value of a cell whose source cells are all held. `across`, `down`: memory for its kernels, with
/// `template set<method>(place, footprint)`.
template <Resampling method, class Taps>
FULMAR_HD float gathered(const Place& p, std::int64_t shift, const SourceRaster& raster, const HeldCells& held,
                         Taps& across, Taps& down) {
  Gathered g;
  across.template set<method>(p.column, p.width);
  down.template set<method>(p.row, p.height);
  if (reaches_beyond(across, down, raster))
    g.full = missing<double>;
  else
    add_full(across, down, shift, held, g);
  if (is_missing(g.full)) {
    const float* near = nearest_cell(p, shift, held);
    g.near = near != nullptr && !is_missing(*near);
    if constexpr (gentle(method) != method) {
      across.template set<gentle(method)>(p.column, p.width);
      down.template set<gentle(method)>(p.row, p.height);
    }
    add_valid(across, down, shift, held, g);
  }
  return value_of<method>(g);
}

/// The same of any method, the plain kernels first, whose weights need no memory.
template <Resampling method, class Taps>
FULMAR_HD float resampled(const Place& p, std::int64_t shift, const SourceRaster& raster, const HeldCells& held,
                          Taps& across, Taps& down) {
  if constexpr (method == Resampling::nearest) {
    return *held.at(static_cast<std::int64_t>(p.column) + shift, static_cast<std::int64_t>(p.row));
  } else {
    if constexpr (method != Resampling::average) {
      constexpr int radius = radius_of(method), count = 2 * radius;
      std::int64_t i = 0, j = 0;
      const double fx = plain_first(p.column, radius, i), fy = plain_first(p.row, radius, j);
      i += shift;
      const Window& w = held.window;
      if (p.width <= least_stretch && p.height <= least_stretch && i >= w.x && i + count <= w.right() && j >= w.y &&
          j + count <= w.bottom()) {
        double wx[count], wy[count];
        plain_weights<method>(fx, wx);
        plain_weights<method>(fy, wy);
        const float* from = held.at(i, j);
        double full = 0;
        for (int b = 0; b < count; ++b, from += held.stride) {
          double line = 0;
          for (int a = 0; a < count; ++a) line += wx[a] * static_cast<double>(from[a]);
          full += wy[b] * line;
        }
        if (!is_missing(full)) return static_cast<float>(full);
      }
    }
    return gathered<method>(p, shift, raster, held, across, down);
  }
}

}  // namespace fulmar
