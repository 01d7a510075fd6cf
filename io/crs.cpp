// SPDX-License-Identifier: Apache-2.0
#include "io/crs.hpp"

#include <geodesic.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/error.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t most_spline_points = 1000;

/// Through the affine transform of the grid and PROJ.
class AffineLocator : public Locator {
 public:
  AffineLocator(const Affine& affine, Transformation to_wgs84) : affine_{affine}, to_wgs84_{std::move(to_wgs84)} {}

  [[nodiscard]] std::optional<LonLat> lonlat(double column, double row) const override {
    const std::lock_guard lock{mutex_};
    const auto place = transform(*to_wgs84_, apply(affine_, column, row));
    if (!place) return std::nullopt;
    return LonLat{nearest_longitude(place->x, 0), place->y};
  }

 private:
  Affine affine_;
  Transformation to_wgs84_;
  mutable std::mutex mutex_;
};

/// Through a surface fitted to the control points, and PROJ where their CRS is not WGS84.
class ControlPointLocator : public Locator {
 public:
  ControlPointLocator(const Grid& grid, Transformation to_wgs84)
      : fit_{fit_control_points(grid)}, to_wgs84_{std::move(to_wgs84)} {}

  [[nodiscard]] bool fitted() const { return fit_.transformer != nullptr; }

  [[nodiscard]] std::optional<LonLat> lonlat(double column, double row) const override {
    const std::lock_guard lock{mutex_};
    double x = column, y = row, z = 0;
    int ok = FALSE;
    fit_.run(fit_.transformer.get(), FALSE, 1, &x, &y, &z, &ok);
    if (!ok || !std::isfinite(x) || !std::isfinite(y)) return std::nullopt;
    const auto place = transform(*to_wgs84_, {x, y});
    if (!place) return std::nullopt;
    return LonLat{nearest_longitude(place->x, 0), place->y};
  }

 private:
  ControlPointFit fit_;
  Transformation to_wgs84_;
  mutable std::mutex mutex_;
};

Point bilinear(const std::array<Point, 4>& c, double u, double v) {
  const auto mix = [&](double a, double b, double d, double e) {
    return (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * e);
  };
  return {mix(c[0].x, c[1].x, c[2].x, c[3].x), mix(c[0].y, c[1].y, c[2].y, c[3].y)};
}

}  // namespace

std::optional<OGRSpatialReference> spatial_reference(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const ErrorTrap trap;
  OGRSpatialReference crs;
  if (crs.SetFromUserInput(text.c_str()) != OGRERR_NONE) return std::nullopt;
  crs.SetAxisMappingStrategy(OAMS_TRADITIONAL_GIS_ORDER);
  return crs;
}

std::string wkt2(const OGRSpatialReference* crs) {
  if (crs == nullptr || crs->IsEmpty() || crs->IsLocal()) return {};
  const ErrorTrap trap;
  const char* const options[] = {"FORMAT=WKT2_2019", "MULTILINE=NO", nullptr};
  char* text = nullptr;
  std::string result;
  if (crs->exportToWkt(&text, options) == OGRERR_NONE && text != nullptr) result = text;
  CPLFree(text);
  return result;
}

Transformation transformation(const OGRSpatialReference& from, const OGRSpatialReference& to) {
  const ErrorTrap trap;
  return Transformation{OGRCreateCoordinateTransformation(&from, &to)};
}

std::optional<Point> transform(OGRCoordinateTransformation& t, Point p) {
  const ErrorTrap trap;
  int ok = FALSE;
  // The return value sums up all points; the flag tells of this one.
  t.Transform(1, &p.x, &p.y, nullptr, nullptr, &ok);
  if (!ok || !std::isfinite(p.x) || !std::isfinite(p.y)) return std::nullopt;
  return p;
}

double nearest_longitude(double longitude, double reference) {
  const double turns = std::round((reference - longitude) / 360);
  return turns == 0 ? longitude : longitude + 360 * turns;
}

std::optional<Affine> inverse(const Affine& a) {
  const double determinant = a[1] * a[5] - a[2] * a[4];
  if (determinant == 0 || !std::isfinite(determinant)) return std::nullopt;
  Affine r{};
  r[1] = a[5] / determinant;
  r[2] = -a[2] / determinant;
  r[4] = -a[4] / determinant;
  r[5] = a[1] / determinant;
  r[0] = -(a[0] * r[1] + a[3] * r[2]);
  r[3] = -(a[0] * r[4] + a[3] * r[5]);
  return r;
}

double geodesic_distance(LonLat a, LonLat b) {
  geod_geodesic earth;
  geod_init(&earth, 6378137.0, 1 / 298.257223563);
  double metres = 0;
  geod_inverse(&earth, a.lat, a.lon, b.lat, b.lon, &metres, nullptr, nullptr);
  return metres;
}

ControlPointFit fit_control_points(const Grid& grid) {
  ControlPointFit fit;
  std::vector<GDAL_GCP> points(grid.control_points.size());
  fit.reference = grid.control_points.front().x;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto& c = grid.control_points[i];
    auto& p = points[i];
    p = GDAL_GCP{};
    // Neither GDAL nor the fit reads the names, but GDAL copies them.
    p.pszId = const_cast<char*>("");
    p.pszInfo = const_cast<char*>("");
    p.dfGCPPixel = c.column;
    p.dfGCPLine = c.row;
    // A swath across the antimeridian must not jump: longitudes run on from the first point.
    p.dfGCPX = grid.geographic ? nearest_longitude(c.x, fit.reference) : c.x;
    p.dfGCPY = c.y;
    p.dfGCPZ = c.z;
  }
  const int count = static_cast<int>(points.size());
  const ErrorTrap trap;
  if (points.size() >= 10 && points.size() <= most_spline_points) {
    fit.transformer.reset(GDALCreateTPSTransformer(count, points.data(), FALSE));
    if (fit.transformer) {
      fit.run = GDALTPSTransform;
      return fit;
    }
  }
  for (const int order : {3, 2, 1}) {
    if ((order == 3 && count <= static_cast<int>(most_spline_points)) || (order == 2 && count < 10)) continue;
    fit.transformer.reset(GDALCreateGCPTransformer(count, points.data(), order, FALSE));
    if (fit.transformer) {
      fit.run = GDALGCPTransform;
      return fit;
    }
  }
  return fit;
}

std::shared_ptr<const Locator> make_locator(const Grid& grid) {
  const auto from = spatial_reference(grid.crs), wgs84 = spatial_reference("EPSG:4326");
  if (!from || !wgs84) return nullptr;
  auto to_wgs84 = transformation(*from, *wgs84);
  if (!to_wgs84) return nullptr;
  if (grid.affine) return std::make_shared<AffineLocator>(*grid.affine, std::move(to_wgs84));
  if (grid.control_points.size() < 3) return nullptr;
  auto locator = std::make_shared<ControlPointLocator>(grid, std::move(to_wgs84));
  if (!locator->fitted()) return nullptr;
  return locator;
}

Ground measure_centre(const Grid& grid, const Locator& locator) {
  const double column = static_cast<double>(grid.width) / 2, row = static_cast<double>(grid.height) / 2;
  const auto left = locator.lonlat(column - 0.5, row), right = locator.lonlat(column + 0.5, row);
  const auto above = locator.lonlat(column, row - 0.5), below = locator.lonlat(column, row + 0.5);
  if (!left || !right || !above || !below) return {};
  const double dx = geodesic_distance(*left, *right), dy = geodesic_distance(*above, *below);
  return {dx, dy, dx * dy};
}

LatticeTransformer::LatticeTransformer(const Grid& grid, const std::string& wkt)
    : width_{grid.width}, height_{grid.height}, affine_{grid.affine} {
  if (!affine_) {
    // One of its own where possible: the grid's is shared by all threads, which would wait for each other.
    locator_ = grid.control_points.empty() ? grid.locator : make_locator(grid);
    if (!locator_) fail(Errc::input, "the scene lies nowhere: it has neither a geotransform nor control points");
  }
  const auto from = spatial_reference(affine_ ? grid.crs : "EPSG:4326"), to = spatial_reference(wkt);
  if (to) geographic_ = to->IsGeographic();
  if (!from || !to || from->IsSame(&*to)) return;
  transformation_ = transformation(*from, *to);
  if (!transformation_) fail(Errc::input, "PROJ knows no way between the two coordinate systems");
}

Point LatticeTransformer::exact(double column, double row) const {
  Point p;
  if (affine_) {
    p = fulmar::apply(*affine_, column, row);
  } else {
    const auto place = locator_->lonlat(column, row);
    if (!place) return {nan, nan};
    p = {place->lon, place->lat};
  }
  if (!transformation_) return p;
  return transform(*transformation_, p).value_or(Point{nan, nan});
}

const LatticeTransformer::Square& LatticeTransformer::square(std::int64_t column, std::int64_t row) {
  const auto x = floor_to(column, step), y = floor_to(row, step);
  const auto index = static_cast<std::size_t>(x / step);
  if (row_of_squares_.empty()) row_of_squares_.resize(static_cast<std::size_t>((width_ + step - 1) / step));
  auto& s = row_of_squares_[index];
  if (s.x == x && s.y == y) return s;
  s.x = x;
  s.y = y;
  // The last nodes lie on the raster's edge: beyond it there may be no projection.
  const auto right = std::min(x + step, width_), bottom = std::min(y + step, height_);
  s.origin = {static_cast<double>(x), static_cast<double>(y)};
  s.size = {static_cast<double>(right - x), static_cast<double>(bottom - y)};
  const double x0 = s.origin.x, y0 = s.origin.y, x1 = x0 + s.size.x, y1 = y0 + s.size.y;
  s.corners = {exact(x0, y0), exact(x1, y0), exact(x0, y1), exact(x1, y1)};
  if (geographic_)
    for (auto& c : s.corners) c.x = nearest_longitude(c.x, s.corners[0].x);
  // Good if the points where a bilinear surface errs most are right to a twentieth of a cell.
  const auto& c = s.corners;
  const double cell = std::min(std::hypot(c[1].x - c[0].x, c[1].y - c[0].y) / s.size.x,
                               std::hypot(c[2].x - c[0].x, c[2].y - c[0].y) / s.size.y);
  s.bilinear = true;
  for (const auto& [u, v] : {std::pair{0.5, 0.5}, {0.5, 0.0}, {0.0, 0.5}, {0.5, 1.0}, {1.0, 0.5}}) {
    auto truth = exact(x0 + u * s.size.x, y0 + v * s.size.y);
    if (geographic_) truth.x = nearest_longitude(truth.x, c[0].x);
    const auto guess = bilinear(c, u, v);
    // Written so that a NaN fails.
    if (!(std::hypot(truth.x - guess.x, truth.y - guess.y) <= 0.05 * cell)) s.bilinear = false;
  }
  return s;
}

Point LatticeTransformer::between(const Square& s, double column, double row) {
  return bilinear(s.corners, (column - s.origin.x) / s.size.x, (row - s.origin.y) / s.size.y);
}

void LatticeTransformer::centres(std::int64_t row, std::int64_t column, std::int64_t count, Point* points) {
  const double y = static_cast<double>(row) + 0.5;
  // An affine transform is exact as it is and cheaper than a lattice.
  if (affine_ && !transformation_) {
    for (std::int64_t i = 0; i < count; ++i) points[i] = exact(static_cast<double>(column + i) + 0.5, y);
    return;
  }
  for (std::int64_t i = 0; i < count;) {
    const auto& s = square(column + i, row);
    const auto end = std::min(count, s.x + step - column);
    for (; i < end; ++i) {
      const double x = static_cast<double>(column + i) + 0.5;
      points[i] = s.bilinear ? between(s, x, y) : exact(x, y);
    }
  }
}

std::vector<Point> LatticeTransformer::sample(int steps) const {
  std::vector<Point> points;
  for (int j = 0; j <= steps; ++j)
    for (int k = 0; k <= steps; ++k) {
      // Back and forth, so that neighbours in the list are neighbours on the ground and longitudes can run on.
      const int i = j % 2 == 0 ? k : steps - k;
      auto p = exact(static_cast<double>(width_) * i / steps, static_cast<double>(height_) * j / steps);
      if (!std::isfinite(p.x) || !std::isfinite(p.y)) continue;
      // Without a transformation the affine transform's own longitudes run on already.
      if (geographic_ && !points.empty() && !(affine_ && !transformation_))
        p.x = nearest_longitude(p.x, points.back().x);
      points.push_back(p);
    }
  return points;
}

}  // namespace fulmar
