// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where a raster lies: its size, its affine transform or control points, and how large its cells are on the ground.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/export.hpp"
#include "core/window.hpp"

namespace fulmar {

/// Ground size of one cell in metres: along a row, along a column, and its area in square metres. 0 where unknown.
struct Ground {
  double dx = 0, dy = 0, area = 0;
};

/// A point of the earth in degrees, longitude first.
struct LonLat {
  double lon = 0, lat = 0;
};

/// Finds the place of a point of the raster on earth. Implemented by whoever knows the projection; one thread at a
/// time.
class FULMAR_API Locator {
 public:
  virtual ~Locator() = default;
  /// The place of (column, row), whole numbers being the corners of cells; nothing where the projection has no answer.
  [[nodiscard]] virtual std::optional<LonLat> lonlat(double column, double row) const = 0;
};

struct ControlPoint {
  double column = 0, row = 0;  ///< corners of cells are whole numbers
  double x = 0, y = 0, z = 0;  ///< in the grid's CRS
  friend bool operator==(const ControlPoint&, const ControlPoint&) = default;
};

/// A raster's lattice: a value, compared cell for cell.
struct FULMAR_API Grid {
  std::int64_t width = 0, height = 0;
  /// x = a[0] + column a[1] + row a[2], y = a[3] + column a[4] + row a[5]; GDAL's order.
  std::optional<std::array<double, 6>> affine;
  std::vector<ControlPoint> control_points;  ///< used where there is no affine transform
  std::string crs;                           ///< WKT2, or empty
  bool geographic = false;                   ///< the CRS counts degrees of longitude and latitude
  double metres_per_unit = 1.0;              ///< of a projected CRS
  bool wraps = false;                        ///< the first column is the neighbour of the last
  Ground centre_ground;                      ///< set by the source where only it can tell (control points)
  std::shared_ptr<const Locator> locator;    ///< may be null: a raster that lies nowhere

  [[nodiscard]] Window window() const { return {0, 0, width, height}; }
  /// Columns after which the cells repeat: the width of a grid that wraps, else 0.
  [[nodiscard]] std::int64_t turn() const { return wraps ? width : 0; }
  /// What there is of a window. Of a grid that wraps that is every column: a window of less than a turn keeps its
  /// columns, beyond the seam as they are counted; any other has one whole turn, from the first column.
  [[nodiscard]] Window there(const Window& w) const {
    Window all = intersect(w, window());
    if (!wraps || w.width <= 0) return all;
    all.x = w.width < width ? w.x : 0;
    all.width = std::min(w.width, width);
    return all;
  }
  /// Where a neighbour of a cell may be a cell too: beyond the seam of a grid that wraps as well.
  [[nodiscard]] Window neighbourhood() const { return wraps ? Window{-1, 0, width + 2, height} : window(); }
  /// Ground size of the cells of a row. On a geographic grid the arcs of the WGS84 ellipsoid at the row's centre:
  /// dx = a cos(lat) / sqrt(1 - e2 sin2(lat)) dlon, dy = a (1 - e2) / (1 - e2 sin2(lat))^1.5 dlat; the area is exact
  /// (authalic). On a projected grid the lengths of the transform's columns. Errors: none, zeros where unknown.
  [[nodiscard]] Ground ground(std::int64_t row) const;
  /// Ground size at the middle of the raster: what turns a length in metres into cells for the whole scene.
  [[nodiscard]] Ground ground() const;
  /// The smallest dx and dy of any row: how many cells a distance may take at most.
  [[nodiscard]] Ground smallest_ground() const;
  /// True if a cell of one grid is the same cell in the other: same size, CRS, and corners to a thousandth of a cell.
  [[nodiscard]] bool same_cells(const Grid& other) const;
};

}  // namespace fulmar
