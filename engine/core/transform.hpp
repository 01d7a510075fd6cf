// SPDX-License-Identifier: Apache-2.0
/// @file
/// From the cells of one grid to the places of another, and the grids onto which a raster can be brought.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "core/grid.hpp"

namespace fulmar {

struct AffineWay;

/// Takes the cells of a target grid to places of a source grid. For one thread: each takes a copy.
class FULMAR_API GridTransformer {
 public:
  virtual ~GridTransformer() = default;
  /// For the centre of every cell of `window` (which may reach outside the target raster), row by row, the column and
  /// row of the source where it lies: whole numbers are the corners of cells; NaN where the projection has no answer.
  /// An answer depends on the cell alone, never on the window. Where the source's columns are longitudes they are those
  /// of the turn nearest to its middle.
  virtual void places(const Window& window, double* columns, double* rows) = 0;
  /// Columns of the source that make one turn of the earth; 0 where its columns are no longitudes.
  [[nodiscard]] virtual double turn() const = 0;
  /// True where a place's column follows from the cell's column alone, and its row from the row, to the bit.
  [[nodiscard]] virtual bool upright() const { return false; }
  /// The numbers of a way that is affine; null for any other.
  [[nodiscard]] virtual const AffineWay* affine() const { return nullptr; }
  /// Where all places of the square of cells whose first is (x, y), multiples of square_side, follow from one surface,
  /// its surface_numbers coefficients, and true. places() then takes them from it, as SquaresWay does, to the bit.
  virtual bool surface(std::int64_t /*x*/, std::int64_t /*y*/, double* /*numbers*/) { return false; }
  [[nodiscard]] virtual std::unique_ptr<GridTransformer> copy() const = 0;
};

/// A rectangle in the coordinates of some CRS. Where they are longitudes, west may be larger than east: it then goes
/// across the antimeridian.
struct Extent {
  double west = 0, south = 0, east = 0, north = 0;
};

/// What a user says of the grid onto which a raster is to be brought.
struct GridRequest {
  std::string crs;               ///< any text that names one; empty: that of the raster
  double resolution = 0;         ///< side of a cell in the CRS's unit; 0: as fine as the raster in its middle
  std::optional<Extent> extent;  ///< in the CRS; none: all of the raster
};

/// The inverse of an affine transform, to be applied to coordinates less its origin: {dc/dx, dc/dy, dr/dx, dr/dy}.
/// Nothing for a singular one.
FULMAR_API std::optional<std::array<double, 4>> inverse_of(const std::array<double, 6>& affine);

/// Columns of a grid that make one turn of the earth: of an upright geographic one, else 0. Exactly the width where the
/// grid wraps.
FULMAR_API double columns_of_turn(const Grid& grid);

/// Between grids of one CRS, both with affine transforms. Errors: Errc::input where they differ.
FULMAR_API std::shared_ptr<const GridTransformer> affine_transformer(const Grid& target, const Grid& source);
/// A grid in the CRS of the source: see grid_over(); the source's own lattice where no resolution is asked for.
FULMAR_API Grid affine_grid_for(const Grid& source, const GridRequest& request);

/// Square cells whose edges lie on whole multiples of the resolution and cover the extent. A thousandth of a cell is
/// forgiven. Errors: Errc::usage where that makes no cells or more columns or rows than a raster has (2^31).
FULMAR_API Grid grid_over(const Extent& extent, double resolution);
/// The cells of an upright lattice that cover the extent.
FULMAR_API Grid lattice_over(const Grid& lattice, const Extent& extent);

}  // namespace fulmar
