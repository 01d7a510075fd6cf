// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fulmar/op.hpp"

namespace fulmar::ops {

/// The shape of the ground, from the 3 x 3 elevations around each cell:
///
///   a b c     p = dz/dx east,  horn ((c + 2f + i) - (a + 2d + g)) / 8dx,  zevenbergen_thorne (f - d) / 2dx
///   d e f     q = dz/dy north, horn ((a + 2b + c) - (g + 2h + i)) / 8dy,  zevenbergen_thorne (b - h) / 2dy
///   g h i     both times z-factor; dx, dy in metres, of the cell's own row, so that degrees need no scale
///
///   slope          atan sqrt(p2 + q2), degrees
///   slope_percent  100 sqrt(p2 + q2)
///   aspect         atan2(-p, -q) in [0, 360), the azimuth in which water runs off; missing where the ground is flat
///   hillshade      floor(1 + 254 cos i + 1/2), 1 where cos i <= 0, in whole numbers from 1 to 255, with
///                  cos i = (sin alt - cos alt (p sin az + q cos az)) / sqrt(1 + p2 + q2)
///   tpi            e less the mean of the other eight, metres
///   tri            sqrt of the sum of (n - e)2 over the other eight (Riley), metres
///   tri_wilson     the mean of |n - e| over the other eight, metres
///   roughness      the largest of the nine less the smallest, metres
/// A cell is missing where any of the nine is, so along the edge of the raster too (edge: invalid). Rows run from north
/// to south. A row of cells at a pole has no width, and is missing where p is needed.
/// Errors: a scene that does not tell the size of its cells, where p and q are needed.
struct Terrain {
  enum class Measure { slope, slope_percent, aspect, hillshade, tpi, tri, tri_wilson, roughness };
  enum class Gradient { horn, zevenbergen_thorne };
  struct Params {
    Measure measure = Measure::slope;
    Gradient gradient = Gradient::horn;
    double azimuth = 315;
    double altitude = 45;
    double z_factor = 1;
    double up = 0;     ///< derived: the direction of the light, sin alt
    double east = 0;   ///< derived: cos alt sin az
    double north = 0;  ///< derived: cos alt cos az
  } params;

  static Schema schema() {
    return Schema{"terrain", "Measure the shape of the ground: slope, aspect, hillshade, roughness."}
        .input("elevation", units::metre, "Height of the ground.")
        .output("terrain", units::degree, "What measure names.")
        .unit_by("measure", {"degree", "%", "degree", "1", "m", "m", "m", "m"})
        .named_by("measure")
        .param("measure", &Params::measure, "What to measure.",
               {"slope", "slope_percent", "aspect", "hillshade", "tpi", "tri", "tri_wilson", "roughness"})
        .param("gradient", &Params::gradient, "How slope, aspect and hillshade take the gradient.",
               {"horn", "zevenbergen_thorne"})
        .param("azimuth", &Params::azimuth, "Whence the light comes, clockwise from north (hillshade).", units::degree,
               between(0, 360))
        .param("altitude", &Params::altitude, "Height of the light above the horizon (hillshade).", units::degree,
               between(0, 90))
        .param("z-factor", &Params::z_factor, "What slope, aspect and hillshade multiply elevations by.", units::one,
               above(0))
        .example("dem.tif ! terrain --measure hillshade --azimuth 315 ! hillshade.tif")
        .cites("Horn 1981, Proc. IEEE 69(1), 14-47 (gradient, hillshade)")
        .cites("Zevenbergen & Thorne 1987, Earth Surf. Process. Landf. 12, 47-56")
        .cites("Riley, DeGloria & Elliot 1999, Intermountain J. Sciences 5, 23-27 (tri)")
        .cites("Wilson et al. 2007, Marine Geodesy 30, 3-35 (tri_wilson, tpi, roughness)")
        .agrees(exactly);
  }

  static void check(Params& p, const fulmar_ground& ground) {
    if (p.measure < Measure::tpi && !(ground.dx > 0 && ground.dy > 0))
      fail(Errc::usage,
           "measure: the scene does not tell the size of its cells in metres, so there is no slope; give it a "
           "CRS, for example with gdal_edit.py -a_srs");
    constexpr double radian = 0x1.1df46a2529d39p-6;  // pi / 180
    const double level = math::cos(p.altitude * radian);
    p.up = math::sin(p.altitude * radian);
    p.east = level * math::sin(p.azimuth * radian);
    p.north = level * math::cos(p.azimuth * radian);
  }

  /// One measure; `gradient` counts where the measure has one.
  template <Measure measure, Gradient gradient>
  struct Measured {
    Params params;
    FULMAR_HD Box halo() const { return {1, 1}; }
    FULMAR_HD float operator()(Near<float> z, Here here) const {
      const double a = z(-1, -1), b = z(0, -1), c = z(1, -1), d = z(-1, 0), e = z(0, 0), f = z(1, 0), g = z(-1, 1),
                   h = z(0, 1), i = z(1, 1);
      const double nine = a + b + c + d + e + f + g + h + i;
      double value = 0;
      bool gone = is_missing(nine);
      if constexpr (measure == Measure::tpi) {
        value = e - (a + b + c + d + f + g + h + i) / 8;
      } else if constexpr (measure == Measure::tri) {
        const auto square = [e](double n) { return (n - e) * (n - e); };
        value =
            math::sqrt(square(a) + square(b) + square(c) + square(d) + square(f) + square(g) + square(h) + square(i));
      } else if constexpr (measure == Measure::tri_wilson) {
        const auto step = [e](double n) { return math::abs(n - e); };
        value = (step(a) + step(b) + step(c) + step(d) + step(f) + step(g) + step(h) + step(i)) / 8;
      } else if constexpr (measure == Measure::roughness) {
        const auto high = [](double m, double n) { return m > n ? m : n; };
        const auto low = [](double m, double n) { return m < n ? m : n; };
        value = high(high(high(high(a, b), high(c, d)), high(high(f, g), high(h, i))), e) -
                low(low(low(low(a, b), low(c, d)), low(low(f, g), low(h, i))), e);
      } else {
        double p = 0, q = 0;
        if constexpr (gradient == Gradient::horn) {
          p = ((c - a) + 2 * (f - d) + (i - g)) / (8 * here.dx);
          q = ((a - g) + 2 * (b - h) + (c - i)) / (8 * here.dy);
        } else {
          p = (f - d) / (2 * here.dx);
          q = (b - h) / (2 * here.dy);
        }
        p *= params.z_factor, q *= params.z_factor;
        // A row at a pole has no width; that of a cell whose size is unknown is 0 as well.
        gone |= !(here.dx > 1e-6 * here.dy);
        value = of_gradient(p, q);
      }
      return gone ? missing<float> : rounded(value);
    }

    FULMAR_HD double of_gradient(double p, double q) const {
      constexpr double degrees = 0x1.ca5dc1a63c1f8p+5;  // 180 / pi
      const double square = p * p + q * q;
      if constexpr (measure == Measure::slope) {
        return degrees * math::atan(math::sqrt(square));
      } else if constexpr (measure == Measure::slope_percent) {
        return 100 * math::sqrt(square);
      } else if constexpr (measure == Measure::aspect) {
        const double azimuth = degrees * math::atan2(-p, -q);
        const double turned = azimuth < 0 ? azimuth + 360 : azimuth;
        return square > 0 ? turned : missing<double>;
      } else {
        const double cosine = (params.up - (p * params.east + q * params.north)) / math::sqrt(1 + square);
        // In the shade this gives floor(1.5) = 1; a choice afterwards would be a branch, and the loop not vectorise.
        const double lit = cosine > 0 ? cosine : 0.0;
        return math::floor(1 + 254 * lit + 0.5);
      }
    }

    FULMAR_HD static float rounded(double value) {
      const float r = static_cast<float>(value);
      if constexpr (measure == Measure::aspect)
        return r == 360.0f ? 0.0f : r;
      else
        return r;
    }
  };
  using Variant = Measured<Measure::slope, Gradient::horn>;

  template <class Use>
  decltype(auto) variant(Use&& use) const {
    switch (params.measure) {
      case Measure::slope_percent:
        return with_gradient<Measure::slope_percent>(use);
      case Measure::aspect:
        return with_gradient<Measure::aspect>(use);
      case Measure::hillshade:
        return with_gradient<Measure::hillshade>(use);
      case Measure::tpi:
        return use(Measured<Measure::tpi, Gradient::horn>{params});
      case Measure::tri:
        return use(Measured<Measure::tri, Gradient::horn>{params});
      case Measure::tri_wilson:
        return use(Measured<Measure::tri_wilson, Gradient::horn>{params});
      case Measure::roughness:
        return use(Measured<Measure::roughness, Gradient::horn>{params});
      case Measure::slope:
        break;
    }
    return with_gradient<Measure::slope>(use);
  }

 private:
  template <Measure measure, class Use>
  decltype(auto) with_gradient(Use& use) const {
    if (params.gradient == Gradient::horn) return use(Measured<measure, Gradient::horn>{params});
    return use(Measured<measure, Gradient::zevenbergen_thorne>{params});
  }
};

}  // namespace fulmar::ops
