// SPDX-License-Identifier: Apache-2.0
#include "exec/measure.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/math.hpp"
#include "exec/label.hpp"

namespace fulmar {
namespace {

using Wide = Int128;
constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// Metres along x and y (any orthogonal pair) for a step of one column and one row, at a row.
struct Metric {
  double xc = 1, xr = 0, yc = 0, yr = 1;
};

Metric metric_at(const Grid& grid, double row) {
  const auto whole =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(row), 0, std::max<std::int64_t>(0, grid.height - 1));
  const Ground g = grid.ground(whole);
  if (!(g.dx > 0) || !(g.dy > 0)) return {};
  if (grid.affine && !grid.geographic) {
    const auto& a = *grid.affine;
    const double m = grid.metres_per_unit;
    return {a[1] * m, a[2] * m, a[4] * m, a[5] * m};
  }
  return {g.dx, 0, 0, g.dy};
}

/// A column, counted within the raster.
double within_turn(double column, const Grid& grid) {
  const auto width = static_cast<double>(grid.width);
  return grid.wraps && column >= width ? column - width : column;
}

/// The runs of an object as they lie in the raster: none crosses the seam.
std::vector<Run> cut_at_seam(const std::vector<Run>& runs, std::int64_t width) {
  std::vector<Run> cut;
  for (const Run& r : runs)
    each_run(r.x0, r.x1, 0, width, width, [&](std::int64_t, std::int64_t at, std::int64_t count) {
      cut.push_back({r.y, at, at + count});
    });
  std::sort(cut.begin(), cut.end(), [](const Run& a, const Run& b) { return a.y != b.y ? a.y < b.y : a.x0 < b.x0; });
  return cut;
}

/// Bearing of a short step on the ellipsoid, in degrees clockwise from north, as an axis: [0, 180).
double axis_bearing(const LonLat& from, const LonLat& to) {
  constexpr double radian = std::numbers::pi / 180, e2 = 0.00669437999014;
  const double latitude = (from.lat + to.lat) / 2 * radian, s = std::sin(latitude);
  const double w = 1 - e2 * s * s;
  double dlon = to.lon - from.lon;
  if (dlon > 180) dlon -= 360;
  if (dlon < -180) dlon += 360;
  const double east = dlon * std::cos(latitude) / std::sqrt(w),
               north = (to.lat - from.lat) * (1 - e2) / (w * std::sqrt(w));
  double bearing = std::fmod(std::atan2(east, north) / radian + 360, 180.0);
  if (bearing < 0) bearing += 180;
  return bearing;
}

}  // namespace

ObjectShape shape_of(const std::vector<Run>& runs, const Grid& grid) {
  ObjectShape shape;
  Wide n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  double area = 0, row_area = 0;
  std::int64_t row = std::numeric_limits<std::int64_t>::min();
  for (const Run& r : runs) {
    // Sums of x and x^2 over [x0, x1) in closed form.
    const Wide a = r.x0, b = r.x1 - 1, count = r.x1 - r.x0;
    const Wide x1 = (a + b) * count / 2;
    const auto squares = [](Wide k) { return k * (k + 1) * (2 * k + 1) / 6; };
    const Wide x2 = squares(b) - squares(a - 1);
    n += count;
    sx += x1;
    sxx += x2;
    sy += count * r.y;
    syy += count * r.y * r.y;
    sxy += x1 * r.y;
    if (r.y != row) {
      row = r.y;
      row_area = grid.ground(row).area;
    }
    area += static_cast<double>(count) * (row_area > 0 ? row_area : 1.0);
    shape.box = hull(shape.box, {r.x0, r.y, r.x1 - r.x0, 1});
  }
  const auto count = static_cast<double>(n);
  shape.area = area;
  shape.column = within_turn(static_cast<double>(sx) / count + 0.5, grid);
  shape.row = static_cast<double>(sy) / count + 0.5;

  const double n2 = count * count;
  const double cc = static_cast<double>(n * sxx - sx * sx) / n2 + 1.0 / 12;
  const double rr = static_cast<double>(n * syy - sy * sy) / n2 + 1.0 / 12;
  const double cr = static_cast<double>(n * sxy - sx * sy) / n2;
  const Metric m = metric_at(grid, shape.row);
  const double xx = m.xc * m.xc * cc + 2 * m.xc * m.xr * cr + m.xr * m.xr * rr;
  const double yy = m.yc * m.yc * cc + 2 * m.yc * m.yr * cr + m.yr * m.yr * rr;
  const double xy = m.xc * m.yc * cc + (m.xc * m.yr + m.xr * m.yc) * cr + m.xr * m.yr * rr;
  const double half = (xx - yy) / 2, root = std::sqrt(half * half + xy * xy), middle = (xx + yy) / 2;
  shape.length = std::sqrt(12 * (middle + root));
  shape.width = std::sqrt(12 * std::max(0.0, middle - root));
  // The eigenvector of the larger eigenvalue, from whichever row of the matrix is longer; then back to cells.
  double vx = half + root, vy = xy;
  if (half < 0) vx = xy, vy = root - half;
  if (root == 0) vx = 1, vy = 0;
  const double determinant = m.xc * m.yr - m.xr * m.yc;
  shape.axis_column = (m.yr * vx - m.xr * vy) / determinant;
  shape.axis_row = (m.xc * vy - m.yc * vx) / determinant;
  const double norm = std::hypot(shape.axis_column, shape.axis_row);
  shape.axis_column /= norm;
  shape.axis_row /= norm;
  return shape;
}

std::vector<Column> object_columns() {
  using enum ColumnType;
  const auto unit = [](std::string_view symbol) { return Unit{std::string{symbol}}; };
  return {
      {"id", integer, unit(units::one), "Number, in raster order of the objects' first cells"},
      {"cells", integer, unit(units::cell), "Number of cells"},
      {"area", real, unit(units::square_metre), "Sum of the cells' areas on the ground"},
      {"length", real, unit(units::metre), "sqrt(12 l1), l1 the larger eigenvalue of the cells' covariance"},
      {"width", real, unit(units::metre), "sqrt(12 l2), l2 the smaller eigenvalue"},
      {"heading", real, unit(units::degree), "Bearing of the long axis from true north, modulo 180"},
      {"contrast", real, unit(units::decibel), "10 log10 of mean intensity over mean background"},
      {"mean", real, unit(units::unknown), "Mean intensity of the object's cells"},
      {"maximum", real, unit(units::unknown), "Largest intensity"},
      {"background", real, unit(units::unknown), "Mean background of the object's cells"},
      {"lon", real, unit(units::degree), "Longitude of the centroid"},
      {"lat", real, unit(units::degree), "Latitude of the centroid"},
      {"column", real, unit(units::cell), "Column of the centroid; corners of cells are whole numbers"},
      {"row", real, unit(units::cell), "Row of the centroid"},
      {"weighted_lon", real, unit(units::degree), "Longitude of the intensity-weighted centroid"},
      {"weighted_lat", real, unit(units::degree), "Latitude of the intensity-weighted centroid"},
      {"weighted_column", real, unit(units::cell), "Column of the intensity-weighted centroid"},
      {"weighted_row", real, unit(units::cell), "Row of the intensity-weighted centroid"},
      {"box_column", integer, unit(units::cell),
       "First column of the bounding box; of a box over the seam of a raster that goes round the earth, its western "
       "end"},
      {"box_row", integer, unit(units::cell), "First row of the bounding box"},
      {"box_width", integer, unit(units::cell), "Columns of the bounding box"},
      {"box_height", integer, unit(units::cell), "Rows of the bounding box"},
      {"at_edge", flag, unit(units::flag), "Touches the edge of the raster: may be cut"},
      {"at_mask", flag, unit(units::flag),
       "Touches masked or missing cells, such as the land buffer; null where no intensity tells"},
  };
}

Feature object_feature(const Part& part, const ObjectShape& shape, const Grid& grid, OutlineTracer& tracer) {
  const auto place = [&](double column, double row) -> LonLat {
    if (!grid.locator || !std::isfinite(column)) return {none, none};
    return grid.locator->lonlat(column, row).value_or(LonLat{none, none});
  };
  const LonLat centre = place(shape.column, shape.row);
  const LonLat back = place(shape.column - shape.axis_column / 2, shape.row - shape.axis_row / 2);
  const LonLat ahead = place(shape.column + shape.axis_column / 2, shape.row + shape.axis_row / 2);
  const double heading = std::isfinite(back.lon) && std::isfinite(ahead.lon) ? axis_bearing(back, ahead) : none;

  const double total = part.intensity.value();
  const double mean = part.with_intensity > 0 ? total / static_cast<double>(part.with_intensity) : none;
  const double background =
      part.with_background > 0 ? part.background.value() / static_cast<double>(part.with_background) : none;
  const double contrast = mean > 0 && background > 0 ? 10 * math::log10(mean / background) : none;
  // Weights were 2 column + 1, twice the centre of the cell.
  const double weighted_column = total > 0 ? within_turn(part.weighted_x.value() / total / 2, grid) : none;
  const double weighted_row = total > 0 ? part.weighted_y.value() / total / 2 : none;
  const LonLat weighted = place(weighted_column, weighted_row);

  Feature f;
  const bool over = grid.wraps && shape.box.right() > grid.width;
  f.polygons = tracer(over ? cut_at_seam(part.runs, grid.width) : part.runs);
  f.place = centre;
  f.values = {0,
              static_cast<double>(part.cells),
              shape.area,
              shape.length,
              shape.width,
              heading,
              contrast,
              mean,
              part.with_intensity > 0 ? static_cast<double>(part.maximum) : none,
              background,
              centre.lon,
              centre.lat,
              shape.column,
              shape.row,
              weighted.lon,
              weighted.lat,
              weighted_column,
              weighted_row,
              static_cast<double>(shape.box.x),
              static_cast<double>(shape.box.y),
              static_cast<double>(shape.box.width),
              static_cast<double>(shape.box.height),
              part.at_edge ? 1.0 : 0.0,
              part.looked_around ? (part.at_mask ? 1.0 : 0.0) : none};
  return f;
}

}  // namespace fulmar
