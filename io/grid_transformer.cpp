// SPDX-License-Identifier: Apache-2.0
#include "io/grid_transformer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "core/places.hpp"
#include "io/crs.hpp"
#include "io/gdal_support.hpp"
#include "io/raster_source.hpp"

namespace fulmar {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
/// How well a fitted surface keeps to exact places, in source cells.
constexpr double tolerance = 1e-5;
constexpr std::int64_t largest = square_side, smallest = 4;
/// Squares around those, whose surface is tried first: PROJ is asked for few places where a projection is smooth.
constexpr std::int64_t region = 4 * largest;

double middle_longitude(const Grid& grid) {
  const auto p = apply(*grid.affine, static_cast<double>(grid.width) / 2, static_cast<double>(grid.height) / 2);
  return p.x;
}

/// A surface of second order over the unit square.
struct Surface {
  double c[3][3] = {};  // of v to the power of the first, u of the second

  Surface() = default;
  /// From values at 0, 1/2, 1 in u (inner) and v (outer).
  explicit Surface(const double* values) {
    double along[3][3];
    for (int j = 0; j < 3; ++j) fit(values[3 * j], values[3 * j + 1], values[3 * j + 2], along[j]);
    for (int i = 0; i < 3; ++i) {
      double down[3];
      fit(along[0][i], along[1][i], along[2][i], down);
      for (int j = 0; j < 3; ++j) c[j][i] = down[j];
    }
  }
  static void fit(double a, double b, double e, double* to) {
    to[0] = a;
    to[1] = 4 * b - 3 * a - e;
    to[2] = 2 * a - 4 * b + 2 * e;
  }
  /// That of a square within this one, whose side is `share` of this one's, from (u, v) on.
  [[nodiscard]] Surface part(double u, double v, double share) const {
    Surface s = *this;
    for (auto& line : s.c) shift(line[0], line[1], line[2], u, share);
    for (int i = 0; i < 3; ++i) shift(s.c[0][i], s.c[1][i], s.c[2][i], v, share);
    return s;
  }
  static void shift(double& constant, double& linear, double& square, double from, double share) {
    constant += from * (linear + from * square);
    linear = share * (linear + 2 * from * square);
    square *= share * share;
  }
  /// The coefficients in u for a v.
  void row(double v, double* to) const { surface_row(c[0], v, to); }
  [[nodiscard]] double at(double u, double v) const {
    double r[3];
    row(v, r);
    return surface_at(r, u);
  }
};

class ProjTransformer : public GridTransformer {
 public:
  ProjTransformer(const Grid& target, const Grid& source) : target_{target}, source_{source} {
    if (!target.affine) fail(Errc::input, "a grid of control points cannot be a target: give a CRS and a resolution");
    const auto from = spatial_reference(target.crs), to = spatial_reference(source.crs);
    if (!from || !to)
      fail(Errc::input, fmt::format("the {} has no coordinate system; give it one, for example with gdal_edit.py "
                                    "-a_srs EPSG:...",
                                    to ? "grid" : "raster"));
    if (!from->IsSame(&*to)) {
      transformation_ = transformation(*from, *to);
      if (!transformation_) fail(Errc::input, "PROJ knows no way between the two coordinate systems");
    }
    if (source.affine) {
      inverse_ = inverse_of(*source.affine);
      if (!inverse_) fail(Errc::input, "the raster's affine transform is singular");
      turn_ = columns_of_turn(source);
    } else if (source.control_points.size() >= 3) {
      fit_ = fit_control_points(source);
      if (!fit_.transformer) fail(Errc::input, "the raster's control points fit no surface");
    } else {
      fail(Errc::input, "the raster lies nowhere: it has neither a geotransform nor control points");
    }
  }

  void places(const Window& window, double* columns, double* rows) override {
    const Window squares = whole_blocks(window, largest, largest);
    for (std::int64_t y = squares.y; y < squares.bottom(); y += largest)
      for (std::int64_t x = squares.x; x < squares.right(); x += largest) square(x, y, largest, window, columns, rows);
  }
  [[nodiscard]] double turn() const override { return turn_; }
  bool surface(std::int64_t x, std::int64_t y, double* numbers) override {
    Surface across, down;
    if (!surfaces(x, y, across, down)) return false;
    std::copy_n(across.c[0], 9, numbers);
    std::copy_n(down.c[0], 9, numbers + 9);
    return true;
  }
  [[nodiscard]] std::unique_ptr<GridTransformer> copy() const override {
    return std::make_unique<ProjTransformer>(target_, source_);
  }

 private:
  /// Points of the target raster to points of the source raster, in place; NaN where there is none. Always the same
  /// points together: PROJ may choose its way by all of them.
  template <int count>
  void exact(double* x, double* y) {
    for (int i = 0; i < count; ++i) {
      const auto p = apply(*target_.affine, x[i], y[i]);
      x[i] = p.x, y[i] = p.y;
    }
    int good[count];
    std::fill_n(good, count, TRUE);
    if (transformation_) {
      const ErrorTrap trap;
      transformation_->Transform(count, x, y, nullptr, nullptr, good);
    }
    for (int i = 0; i < count; ++i) {
      if (!good[i] || !std::isfinite(x[i]) || !std::isfinite(y[i])) {
        x[i] = y[i] = nan;
      } else if (inverse_) {
        const Affine& a = *source_.affine;
        const auto& r = *inverse_;
        const double dx =
            (turn_ == 0 && source_.geographic ? nearest_longitude(x[i], middle_longitude(source_)) : x[i]) - a[0];
        const double dy = y[i] - a[3];
        x[i] = dx * r[0] + dy * r[1];
        y[i] = dx * r[2] + dy * r[3];
      } else {
        double z = 0;
        int ok = FALSE;
        if (source_.geographic) x[i] = nearest_longitude(x[i], fit_.reference);
        fit_.run(fit_.transformer.get(), TRUE, 1, x + i, y + i, &z, &ok);
        if (!ok || !std::isfinite(x[i]) || !std::isfinite(y[i])) x[i] = y[i] = nan;
      }
    }
  }
  /// Columns of points that belong together, without the jump from one turn to the next.
  template <int count>
  void run_on(double* x) const {
    if (turn_ > 0)
      for (int i = 1; i < count; ++i) x[i] += turn_ * std::rint((x[0] - x[i]) / turn_);
  }

  /// Surfaces through exact places of the corners, edges and middle of a square. True where they keep to `checks` by
  /// `checks` other places, `first` of its side from the edge and as far apart as divides the rest. Among these are
  /// some near a fifth of the side, where a surface of second order errs most.
  template <int checks>
  bool fit(std::int64_t x0, std::int64_t y0, std::int64_t size, double first, Surface& across, Surface& down) {
    constexpr int count = 9 + checks * checks;
    double us[count], vs[count], x[count], y[count];
    for (int i = 0; i < 9; ++i) us[i] = 0.5 * (i % 3), vs[i] = 0.5 * (i / 3);
    for (int i = 9; i < count; ++i) {
      us[i] = first + (1 - 2 * first) * ((i - 9) % checks) / (checks - 1);
      vs[i] = first + (1 - 2 * first) * ((i - 9) / checks) / (checks - 1);
    }
    const auto left = static_cast<double>(x0), top = static_cast<double>(y0), side = static_cast<double>(size);
    for (int i = 0; i < count; ++i) x[i] = left + us[i] * side, y[i] = top + vs[i] * side;
    exact<count>(x, y);
    run_on<count>(x);
    across = Surface{x}, down = Surface{y};
    for (int i = 9; i < count; ++i)  // written so that a NaN fails
      if (!(std::abs(across.at(us[i], vs[i]) - x[i]) <= tolerance &&
            std::abs(down.at(us[i], vs[i]) - y[i]) <= tolerance))
        return false;
    return true;
  }

  /// The surfaces of one of the largest squares: parts of those of the region it lies in, where these keep to exact
  /// places, else its own. False where neither does.
  bool surfaces(std::int64_t x0, std::int64_t y0, Surface& across, Surface& down) {
    const std::int64_t x = floor_to(x0, region), y = floor_to(y0, region);
    // Beyond the target a region may go round the earth more than once, and places repeat themselves.
    if (x >= 0 && y >= 0 && x + region <= target_.width && y + region <= target_.height) {
      Region& r = regions_[static_cast<std::size_t>(y / region % regions_across * regions_across +
                                                    x / region % regions_across)];
      if (r.x != x || r.y != y) {
        r.x = x, r.y = y;
        r.fits = fit<4>(x, y, region, 0.2, r.across, r.down);
      }
      if (r.fits) {
        constexpr auto side = static_cast<double>(region);
        const double u = static_cast<double>(x0 - x) / side, v = static_cast<double>(y0 - y) / side;
        across = r.across.part(u, v, static_cast<double>(largest) / side);
        down = r.down.part(u, v, static_cast<double>(largest) / side);
        return true;
      }
    }
    return fit<2>(x0, y0, largest, 0.25, across, down);
  }

  void square(std::int64_t x0, std::int64_t y0, std::int64_t size, const Window& window, double* columns,
              double* rows) {
    const Window mine = intersect({x0, y0, size, size}, window);
    if (mine.empty()) return;
    Surface across, down;
    const bool fits = size == largest ? surfaces(x0, y0, across, down) : fit<2>(x0, y0, size, 0.25, across, down);
    const auto left = static_cast<double>(x0), top = static_cast<double>(y0), side = static_cast<double>(size);
    const auto put = [&](std::int64_t i, std::int64_t j, double column, double row) {
      const auto at = (j - window.y) * window.width + (i - window.x);
      columns[at] = turn_ > 0 ? nearest_column(column, source_.width, turn_) : column;
      rows[at] = row;
    };
    if (fits) {
      for (std::int64_t j = mine.y; j < mine.bottom(); ++j) {
        double a[3], d[3];
        const double v = into_square(j, top, side);
        across.row(v, a);
        down.row(v, d);
        for (std::int64_t i = mine.x; i < mine.right(); ++i) {
          const double u = into_square(i, left, side);
          put(i, j, surface_at(a, u), surface_at(d, u));
        }
      }
    } else if (size > smallest) {
      const std::int64_t half = size / 2;
      for (const auto& [i, j] : {std::pair{x0, y0}, {x0 + half, y0}, {x0, y0 + half}, {x0 + half, y0 + half}})
        square(i, j, half, window, columns, rows);
    } else {
      constexpr int count = smallest * smallest;
      double px[count], py[count];
      for (int i = 0; i < count; ++i) px[i] = left + i % smallest + 0.5, py[i] = top + i / smallest + 0.5;
      exact<count>(px, py);
      for (std::int64_t j = mine.y; j < mine.bottom(); ++j)
        for (std::int64_t i = mine.x; i < mine.right(); ++i) {
          const auto at = (j - y0) * smallest + (i - x0);
          put(i, j, px[at], py[at]);
        }
    }
  }

  Grid target_, source_;
  Transformation transformation_;  // null: same CRS
  std::optional<std::array<double, 4>> inverse_;
  ControlPointFit fit_;
  double turn_ = 0;

  /// The regions that were met last.
  struct Region {
    std::int64_t x = -1, y = -1;  ///< its first cell
    bool fits = false;
    Surface across, down;
  };
  static constexpr std::int64_t regions_across = 8;
  std::array<Region, regions_across * regions_across> regions_;
};

/// The parts of the earth's turn that a raster covers, and its latitudes or other coordinates, in another CRS.
Extent extent_of(const Grid& source, const OGRSpatialReference& crs, const std::string& wkt) {
  const LatticeTransformer transformer{source, wkt};
  const auto points = transformer.sample(128);
  if (points.empty()) fail(Errc::usage, "no part of the raster has a place in that coordinate system");
  Extent e{points[0].x, points[0].y, points[0].x, points[0].y};
  for (const Point& p : points) {
    e.west = std::min(e.west, p.x), e.east = std::max(e.east, p.x);
    e.south = std::min(e.south, p.y), e.north = std::max(e.north, p.y);
  }
  if (!crs.IsGeographic()) return e;
  // A pole within the raster is seen by no sample.
  for (const double pole : {-90.0, 90.0}) {
    Grid at;
    at.width = at.height = 1;
    at.affine = Affine{0, 1e-9, 0, pole, 0, pole > 0 ? -1e-9 : 1e-9};
    at.crs = wkt;
    double column = nan, row = nan;
    ProjTransformer{at, source}.places({0, 0, 1, 1}, &column, &row);
    if (!(column >= 0 && column <= static_cast<double>(source.width) && row >= 0 &&
          row <= static_cast<double>(source.height)) ||
        source.geographic)
      continue;
    e.west = -180, e.east = 180;
    (pole > 0 ? e.north : e.south) = pole;
  }
  if (e.east - e.west > 360) e.west = -180, e.east = 180;
  e.south = std::max(e.south, -90.0), e.north = std::min(e.north, 90.0);
  return e;
}

/// Side of a square of the area that the middle cell of a raster has in another CRS.
double resolution_of(const Grid& source, const std::string& wkt, const Extent& all) {
  const LatticeTransformer transformer{source, wkt};
  const double x = static_cast<double>(source.width) / 2, y = static_cast<double>(source.height) / 2;
  const auto here = transformer.exact(x, y), right = transformer.exact(x + 0.5, y),
             below = transformer.exact(x, y + 0.5);
  const auto wrap = [&](double d) { return transformer.geographic() ? nearest_longitude(d, 0) : d; };
  const double area =
      4 * std::abs(wrap(right.x - here.x) * (below.y - here.y) - wrap(below.x - here.x) * (right.y - here.y));
  if (std::isfinite(area) && area > 0) return std::sqrt(area);
  return std::hypot(all.east - all.west, all.north - all.south) /
         std::hypot(static_cast<double>(source.width), static_cast<double>(source.height));
}

}  // namespace

std::shared_ptr<const GridTransformer> make_transformer(const Grid& target, const Grid& source) {
  const bool same = target.crs == source.crs;
  if (same && target.affine && source.affine && inverse_of(*source.affine)) return affine_transformer(target, source);
  return std::make_shared<ProjTransformer>(target, source);
}

Grid make_grid_for(const Grid& source, const GridRequest& request) {
  const std::string text = request.crs.empty() ? source.crs : request.crs;
  const auto crs = spatial_reference(text);
  if (!crs && !request.crs.empty()) {
    const bool code = request.crs.find_first_not_of("0123456789") == std::string::npos;
    fail(Errc::usage, fmt::format("'{}' names no coordinate system; write it as EPSG:{}, as WKT or as a PROJ string",
                                  request.crs, code ? request.crs : "32631"));
  }
  const auto from = spatial_reference(source.crs);
  if (!from && !request.crs.empty())
    fail(Errc::input,
         "the raster has no coordinate system, so it cannot be brought to another; give it one, for "
         "example with gdal_edit.py -a_srs EPSG:...");
  const bool same = !crs || (from && crs->IsSame(&*from));
  const bool upright = source.affine && (*source.affine)[2] == 0 && (*source.affine)[4] == 0;
  if (!crs && !upright) fail(Errc::input, "the raster lies nowhere: it has neither a geotransform nor a CRS");

  const std::string wkt = same ? source.crs : wkt2(&*crs);
  Extent all;
  if (same && source.affine) {
    const auto& a = *source.affine;
    const auto w = static_cast<double>(source.width), h = static_cast<double>(source.height);
    const auto p = apply(a, 0, 0);
    all = {p.x, p.y, p.x, p.y};
    for (const auto& q : {apply(a, w, 0), apply(a, 0, h), apply(a, w, h)}) {
      all.west = std::min(all.west, q.x), all.east = std::max(all.east, q.x);
      all.south = std::min(all.south, q.y), all.north = std::max(all.north, q.y);
    }
  } else {
    all = extent_of(source, *crs, wkt);
  }
  Extent extent = request.extent.value_or(all);
  if (crs && crs->IsGeographic() && extent.west >= extent.east) extent.east += 360;
  if (!(extent.west < extent.east && extent.south < extent.north))
    fail(Errc::usage, "the extent is empty: it is xmin,ymin,xmax,ymax in the unit of the CRS");

  Grid grid;
  if (request.resolution > 0)
    grid = grid_over(extent, request.resolution);
  else if (same && upright)
    grid = lattice_over(source, extent);
  else
    grid = grid_over(extent, resolution_of(source, wkt, all));
  grid.crs = wkt;
  finish_grid(grid);

  // Whether anything of the raster lies there.
  const auto mine = apply(*grid.affine, 0, 0),
             end = apply(*grid.affine, static_cast<double>(grid.width), static_cast<double>(grid.height));
  const double west = std::min(mine.x, end.x), east = std::max(mine.x, end.x);
  bool overlaps = std::min(mine.y, end.y) < all.north && std::max(mine.y, end.y) > all.south;
  bool across = west < all.east && east > all.west;
  if (grid.geographic)
    for (const double turn : {-360.0, 360.0}) across |= west + turn < all.east && east + turn > all.west;
  overlaps = overlaps && across;
  if (!overlaps)
    fail(Errc::usage,
         fmt::format("the grid does not reach the raster, which lies in {:.10g},{:.10g},{:.10g},{:.10g} of "
                     "that coordinate system (xmin,ymin,xmax,ymax)",
                     all.west, all.south, all.east, all.north));
  return grid;
}

}  // namespace fulmar
