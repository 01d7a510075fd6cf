// SPDX-License-Identifier: Apache-2.0
#include "core/grid.hpp"

#include <cmath>
#include <numbers>

namespace fulmar {
namespace {

constexpr double semi_major = 6378137.0;
constexpr double eccentricity2 = 0.00669437999014;
constexpr double radian = std::numbers::pi / 180.0;

/// Area between the equator and a latitude for one radian of longitude, on the WGS84 ellipsoid (authalic formula).
double band_area(double latitude) {
  const double e = std::sqrt(eccentricity2), s = std::sin(latitude * radian);
  const double minor2 = semi_major * semi_major * (1 - eccentricity2);
  return minor2 / 2 * (std::atanh(e * s) / e + s / (1 - eccentricity2 * s * s));
}

}  // namespace

Ground Grid::ground(std::int64_t row) const {
  if (!affine) return centre_ground;
  const auto& a = *affine;
  if (!geographic) {
    if (crs.empty() && centre_ground.dx == 0) return {};
    const double dx = std::hypot(a[1], a[4]) * metres_per_unit, dy = std::hypot(a[2], a[5]) * metres_per_unit;
    return {dx, dy, std::abs(a[1] * a[5] - a[2] * a[4]) * metres_per_unit * metres_per_unit};
  }
  const double middle = static_cast<double>(width) / 2, centre_row = static_cast<double>(row) + 0.5;
  const double latitude = std::clamp(a[3] + middle * a[4] + centre_row * a[5], -90.0, 90.0);
  const double s = std::sin(latitude * radian), w = 1 - eccentricity2 * s * s;
  const double per_lon = semi_major * std::max(0.0, std::cos(latitude * radian)) / std::sqrt(w) * radian;
  const double per_lat = semi_major * (1 - eccentricity2) / (w * std::sqrt(w)) * radian;
  const double dx = std::hypot(a[1] * per_lon, a[4] * per_lat), dy = std::hypot(a[2] * per_lon, a[5] * per_lat);
  if (a[2] != 0 || a[4] != 0) return {dx, dy, std::abs(a[1] * a[5] - a[2] * a[4]) * per_lon * per_lat};
  const double top = std::clamp(a[3] + static_cast<double>(row) * a[5], -90.0, 90.0);
  const double bottom = std::clamp(a[3] + static_cast<double>(row + 1) * a[5], -90.0, 90.0);
  return {dx, dy, std::abs(band_area(top) - band_area(bottom)) * std::abs(a[1]) * radian};
}

Ground Grid::ground() const { return ground(height / 2); }

Ground Grid::smallest_ground() const {
  Ground smallest = ground(0);
  // Arcs shrink towards the poles along a row, and towards the equator along a column: the extremes are the first row,
  // the last, and the equator's.
  std::int64_t equator = 0;
  if (geographic && affine && (*affine)[5] != 0)
    equator = static_cast<std::int64_t>(std::clamp(-(*affine)[3] / (*affine)[5], 0.0, static_cast<double>(height - 1)));
  for (const std::int64_t row : {height - 1, equator}) {
    const Ground g = ground(row);
    smallest.dx = std::min(smallest.dx, g.dx);
    smallest.dy = std::min(smallest.dy, g.dy);
  }
  return smallest;
}

bool Grid::same_cells(const Grid& other) const {
  if (width != other.width || height != other.height) return false;
  if (!crs.empty() && !other.crs.empty() && crs != other.crs) return false;
  if (affine.has_value() != other.affine.has_value()) return false;
  if (!affine) return control_points == other.control_points;
  const auto &a = *affine, &b = *other.affine;
  const double cell = std::hypot(a[1], a[4]) + std::hypot(a[2], a[5]);
  for (const double column : {0.0, static_cast<double>(width)})
    for (const double row : {0.0, static_cast<double>(height)}) {
      const double x = a[0] - b[0] + column * (a[1] - b[1]) + row * (a[2] - b[2]);
      const double y = a[3] - b[3] + column * (a[4] - b[4]) + row * (a[5] - b[5]);
      if (std::hypot(x, y) > 1e-3 * cell) return false;
    }
  return true;
}

}  // namespace fulmar
