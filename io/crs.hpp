// SPDX-License-Identifier: Apache-2.0
/// @file
/// Coordinate systems: x is always east or longitude (GIS axis order), whatever the authority says.
#pragma once

#include <gdal_alg.h>
#include <ogr_spatialref.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/grid.hpp"

namespace fulmar {

struct Point {
  double x = 0, y = 0;
};

using Transformation = std::unique_ptr<OGRCoordinateTransformation>;
using Affine = std::array<double, 6>;

/// The CRS of a text GDAL understands (WKT, "EPSG:4326"), in GIS axis order; nothing where it means nothing.
std::optional<OGRSpatialReference> spatial_reference(const std::string& text);

/// WKT2 of a CRS; empty for none and for local (engineering) ones, which tell no place on earth.
std::string wkt2(const OGRSpatialReference* crs);

/// From one CRS to another; null where PROJ knows no way. For one thread.
Transformation transformation(const OGRSpatialReference& from, const OGRSpatialReference& to);

/// One point through a transformation; nothing where PROJ has no answer.
std::optional<Point> transform(OGRCoordinateTransformation& transformation, Point point);

/// The longitude within half a turn of `reference`.
double nearest_longitude(double longitude, double reference);

inline Point apply(const Affine& a, double column, double row) {
  return {a[0] + column * a[1] + row * a[2], a[3] + column * a[4] + row * a[5]};
}
/// The transform back from coordinates to columns and rows; nothing for a singular one.
std::optional<Affine> inverse(const Affine& a);

/// Metres between two places along the WGS84 ellipsoid.
double geodesic_distance(LonLat a, LonLat b);

struct DestroyTransformer {
  void operator()(void* transformer) const { GDALDestroyTransformer(transformer); }
};

/// A surface through a raster's control points: `run` takes columns and rows to coordinates, or back.
struct ControlPointFit {
  std::unique_ptr<void, DestroyTransformer> transformer;  ///< null where the points fit none
  GDALTransformerFunc run = nullptr;
  double reference = 0;  ///< longitudes are those of the turn nearest to this one
};
/// A thin plate spline through up to 1000 points, polynomials for more or very few. For one thread.
ControlPointFit fit_control_points(const Grid& grid);

/// How to find a raster's places on earth: through its affine transform or, where it has none, its control points
/// (a thin plate spline through up to 1000 of them, polynomials for more or very few). Null where the grid has no CRS.
/// May be used from several threads: it locks.
std::shared_ptr<const Locator> make_locator(const Grid& grid);

/// Ground size of the cells in the middle of a raster, by geodesics between neighbouring centres. Zeros where unknown.
Ground measure_centre(const Grid& grid, const Locator& locator);

/// Takes the cells of a grid to another CRS: exactly at lattice nodes every 32 cells from the raster's origin, and
/// bilinearly in between where that is good to a twentieth of a cell, else cell by cell. An answer depends on the cell
/// alone, never on the window asked for. For one thread.
class LatticeTransformer {
 public:
  static constexpr std::int64_t step = 32;

  /// `wkt` may be empty: coordinates then stay as the grid has them. Errors: Errc::input, where no way leads there.
  LatticeTransformer(const Grid& grid, const std::string& wkt);

  /// Coordinates of the centres of `count` cells from (column, row); NaN where the projection has no answer.
  void centres(std::int64_t row, std::int64_t column, std::int64_t count, Point* points);
  /// The exact place of a point of the raster in the other CRS.
  [[nodiscard]] Point exact(double column, double row) const;
  /// Places spread over the whole raster, its edges included; those without an answer are left out. Longitudes run on
  /// across the antimeridian.
  [[nodiscard]] std::vector<Point> sample(int steps = 32) const;
  /// True if x is a longitude in degrees.
  [[nodiscard]] bool geographic() const { return geographic_; }

 private:
  struct Square {
    std::int64_t x = -1, y = -1;
    std::array<Point, 4> corners;
    Point origin, size;
    bool bilinear = false;
  };
  const Square& square(std::int64_t column, std::int64_t row);
  [[nodiscard]] static Point between(const Square& square, double column, double row);

  std::int64_t width_, height_;
  std::optional<Affine> affine_;
  std::shared_ptr<const Locator> locator_;  // only where there is no affine transform
  Transformation transformation_;           // null: same CRS
  bool geographic_ = false;
  std::vector<Square> row_of_squares_;
};

}  // namespace fulmar
