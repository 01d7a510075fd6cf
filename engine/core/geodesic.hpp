// SPDX-License-Identifier: Apache-2.0
/// @file
/// Shortest lines on the WGS84 ellipsoid, good to a tenth of a millimetre over a few thousand kilometres.
#pragma once

#include <limits>

#include "core/grid.hpp"
#include "core/math.hpp"

namespace fulmar {

inline constexpr double wgs84_a = 6378137.0, wgs84_f = 1 / 298.257223563;

/// The way from one place to another: metres, and bearings at both ends in degrees clockwise from north, [0, 360).
struct GeodesicLine {
  double distance = 0, bearing = 0, final_bearing = 0;
};

namespace detail {

inline constexpr double geodesic_radian = 0.017453292519943295;

inline double full_turn(double degrees) {
  const double turned = degrees - 360 * math::floor(degrees / 360);
  return turned < 360 ? turned : 0.0;
}
/// [-180, 180)
inline double half_turn(double degrees) { return full_turn(degrees + 180) - 180; }

/// The terms that Vincenty's two problems share, for cos^2 of the line's azimuth at the equator.
struct GeodesicSeries {
  double a, b, c;
  explicit GeodesicSeries(double cos2_alpha) {
    constexpr double b2 = wgs84_a * (1 - wgs84_f) * wgs84_a * (1 - wgs84_f);
    const double u2 = cos2_alpha * (wgs84_a * wgs84_a - b2) / b2;
    a = 1 + u2 / 16384 * (4096 + u2 * (-768 + u2 * (320 - 175 * u2)));
    b = u2 / 1024 * (256 + u2 * (-128 + u2 * (74 - 47 * u2)));
    c = wgs84_f / 16 * cos2_alpha * (4 + wgs84_f * (4 - 3 * cos2_alpha));
  }
  [[nodiscard]] double delta_sigma(double sin_sigma, double cos_sigma, double cos_2m) const {
    const double squared = cos_2m * cos_2m;
    return b * sin_sigma *
           (cos_2m + b / 4 *
                         (cos_sigma * (-1 + 2 * squared) -
                          b / 6 * cos_2m * (-3 + 4 * sin_sigma * sin_sigma) * (-3 + 4 * squared)));
  }
  [[nodiscard]] double longitude_excess(double sin_alpha, double sigma, double sin_sigma, double cos_sigma,
                                        double cos_2m) const {
    return (1 - c) * wgs84_f * sin_alpha *
           (sigma + c * sin_sigma * (cos_2m + c * cos_sigma * (-1 + 2 * cos_2m * cos_2m)));
  }
};

}  // namespace detail

/// The shortest line between two places. NaN where they are so nearly opposite each other that the iteration has no
/// answer, or where a place is missing. (Vincenty 1975, Survey Review 23, 88-93.)
inline GeodesicLine geodesic(LonLat from, LonLat to) {
  using detail::geodesic_radian;
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  const double l = detail::half_turn(to.lon - from.lon) * geodesic_radian;
  const double u1 = math::atan((1 - wgs84_f) * math::tan(from.lat * geodesic_radian)),
               u2 = math::atan((1 - wgs84_f) * math::tan(to.lat * geodesic_radian));
  const double su1 = math::sin(u1), cu1 = math::cos(u1), su2 = math::sin(u2), cu2 = math::cos(u2);
  double lambda = l;
  for (int step = 0; step < 200; ++step) {
    const double sl = math::sin(lambda), cl = math::cos(lambda);
    const double p = cu2 * sl, q = cu1 * su2 - su1 * cu2 * cl;
    const double sin_sigma = math::sqrt(p * p + q * q);
    if (sin_sigma == 0) return {};
    const double cos_sigma = su1 * su2 + cu1 * cu2 * cl;
    const double sigma = math::atan2(sin_sigma, cos_sigma);
    const double sin_alpha = cu1 * cu2 * sl / sin_sigma, cos2_alpha = 1 - sin_alpha * sin_alpha;
    const double cos_2m = cos2_alpha > 1e-12 ? cos_sigma - 2 * su1 * su2 / cos2_alpha : 0.0;
    const detail::GeodesicSeries series{cos2_alpha};
    const double next = l + series.longitude_excess(sin_alpha, sigma, sin_sigma, cos_sigma, cos_2m);
    const double change = math::abs(next - lambda);
    lambda = next;
    if (!(change > 1e-13) && change == change) {
      constexpr double b = wgs84_a * (1 - wgs84_f);
      const double s = b * series.a * (sigma - series.delta_sigma(sin_sigma, cos_sigma, cos_2m));
      const double first = math::atan2(cu2 * sl, cu1 * su2 - su1 * cu2 * cl),
                   last = math::atan2(cu1 * sl, -su1 * cu2 + cu1 * su2 * cl);
      return {s, detail::full_turn(first / geodesic_radian), detail::full_turn(last / geodesic_radian)};
    }
    if (!(math::abs(lambda) < 4)) break;
  }
  return {none, none, none};
}

/// The place at a distance in metres along a bearing in degrees. Longitudes come out in [-180, 180). (Vincenty 1975.)
inline LonLat geodesic_place(LonLat from, double bearing, double distance) {
  using detail::geodesic_radian;
  constexpr double b = wgs84_a * (1 - wgs84_f);
  const double u1 = math::atan((1 - wgs84_f) * math::tan(from.lat * geodesic_radian));
  const double su1 = math::sin(u1), cu1 = math::cos(u1);
  const double sa = math::sin(bearing * geodesic_radian), ca = math::cos(bearing * geodesic_radian);
  const double sigma1 = math::atan2(su1, cu1 * ca);
  const double sin_alpha = cu1 * sa, cos2_alpha = 1 - sin_alpha * sin_alpha;
  const detail::GeodesicSeries series{cos2_alpha};
  double sigma = distance / (b * series.a), ss = 0, cs = 1, cos_2m = 0;
  for (int step = 0; step < 100; ++step) {
    ss = math::sin(sigma), cs = math::cos(sigma);
    cos_2m = math::cos(2 * sigma1 + sigma);
    const double next = distance / (b * series.a) + series.delta_sigma(ss, cs, cos_2m);
    const double change = math::abs(next - sigma);
    sigma = next;
    if (!(change > 1e-15)) break;
  }
  ss = math::sin(sigma), cs = math::cos(sigma);
  cos_2m = math::cos(2 * sigma1 + sigma);
  const double inner = su1 * ss - cu1 * cs * ca;
  const double lat =
      math::atan2(su1 * cs + cu1 * ss * ca, (1 - wgs84_f) * math::sqrt(sin_alpha * sin_alpha + inner * inner));
  const double lambda = math::atan2(ss * sa, cu1 * cs - su1 * ss * ca);
  const double l = lambda - series.longitude_excess(sin_alpha, sigma, ss, cs, cos_2m);
  return {detail::half_turn(from.lon + l / geodesic_radian), lat / geodesic_radian};
}

}  // namespace fulmar
