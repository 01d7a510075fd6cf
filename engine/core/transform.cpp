// SPDX-License-Identifier: Apache-2.0
#include "core/transform.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/places.hpp"

namespace fulmar {
namespace {

constexpr double forgiven = 1e-3;  // of a cell

class AffineTransformer : public GridTransformer {
 public:
  AffineTransformer(const Grid& target, const Grid& source) : upright_{upright(target) && upright(source)} {
    const auto inverse = *inverse_of(*source.affine);
    std::copy(target.affine->begin(), target.affine->end(), way_.target);
    way_.from[0] = (*target.affine)[0] - (*source.affine)[0], way_.from[1] = (*target.affine)[3] - (*source.affine)[3];
    std::copy(inverse.begin(), inverse.end(), way_.inverse);
    way_.width = source.width, way_.turn = columns_of_turn(source);
  }

  void places(const Window& w, double* columns, double* rows) override {
    for (std::int64_t y = w.y; y < w.bottom(); ++y)
      for (std::int64_t x = w.x; x < w.right(); ++x) {
        const Spot s = way_.at(x, y);
        *columns++ = s.column, *rows++ = s.row;
      }
  }
  [[nodiscard]] double turn() const override { return way_.turn; }
  [[nodiscard]] bool upright() const override { return upright_; }
  [[nodiscard]] const AffineWay* affine() const override { return &way_; }
  [[nodiscard]] std::unique_ptr<GridTransformer> copy() const override {
    return std::make_unique<AffineTransformer>(*this);
  }

 private:
  static bool upright(const Grid& g) { return (*g.affine)[2] == 0 && (*g.affine)[4] == 0; }

  AffineWay way_{};
  bool upright_;
};

bool upright(const Grid& g) { return g.affine && (*g.affine)[2] == 0 && (*g.affine)[4] == 0; }

/// Whole cells from an offset in cells, outwards.
std::int64_t cells_from(double low, double high, const char* what) {
  const double count = std::ceil(high - forgiven) - std::floor(low + forgiven);
  if (!(count >= 1)) fail(Errc::usage, std::string{"the extent holds no "} + what);
  if (!(count <= std::numeric_limits<std::int32_t>::max()))
    fail(Errc::usage, std::string{"the grid would have more "} + what +
                          " than a raster can: give a coarser --resolution (in the unit of the CRS), or an --extent");
  return static_cast<std::int64_t>(count);
}

}  // namespace

std::optional<std::array<double, 4>> inverse_of(const std::array<double, 6>& a) {
  const double determinant = a[1] * a[5] - a[2] * a[4];
  if (determinant == 0 || !std::isfinite(determinant)) return std::nullopt;
  return std::array{a[5] / determinant, -a[2] / determinant, -a[4] / determinant, a[1] / determinant};
}

double columns_of_turn(const Grid& grid) {
  if (!grid.geographic || !upright(grid)) return 0;
  return grid.wraps ? static_cast<double>(grid.width) : 360 / std::abs((*grid.affine)[1]);
}

std::shared_ptr<const GridTransformer> affine_transformer(const Grid& target, const Grid& source) {
  if (target.crs != source.crs) fail(Errc::input, "nothing here knows the way between two coordinate systems");
  if (!target.affine || !source.affine || !inverse_of(*source.affine))
    fail(Errc::input, "a raster without an affine transform cannot be brought onto another grid here");
  return std::make_shared<AffineTransformer>(target, source);
}

Grid affine_grid_for(const Grid& source, const GridRequest& request) {
  if (!request.crs.empty() && request.crs != source.crs)
    fail(Errc::usage, "nothing here knows the coordinate system '" + request.crs + "'");
  if (!upright(source)) fail(Errc::usage, "a raster that is turned cannot be brought onto another grid here");
  const auto& a = *source.affine;
  const double east = a[0] + a[1] * static_cast<double>(source.width),
               south = a[3] + a[5] * static_cast<double>(source.height);
  const Extent all{std::min(a[0], east), std::min(a[3], south), std::max(a[0], east), std::max(a[3], south)};
  Grid grid = request.resolution > 0 ? grid_over(request.extent.value_or(all), request.resolution)
                                     : lattice_over(source, request.extent.value_or(all));
  grid.crs = source.crs;
  grid.geographic = source.geographic;
  grid.metres_per_unit = source.metres_per_unit;
  const double turn = columns_of_turn(grid);
  grid.wraps = turn > 0 && std::abs(static_cast<double>(grid.width) / turn - 1) < 1e-6;
  return grid;
}

Grid grid_over(const Extent& e, double resolution) {
  Grid grid;
  grid.width = cells_from(e.west / resolution, e.east / resolution, "columns");
  grid.height = cells_from(e.south / resolution, e.north / resolution, "rows");
  const double west = std::floor(e.west / resolution + forgiven) * resolution;
  const double north = std::ceil(e.north / resolution - forgiven) * resolution;
  grid.affine = std::array<double, 6>{west, resolution, 0, north, 0, -resolution};
  return grid;
}

Grid lattice_over(const Grid& lattice, const Extent& e) {
  const auto& a = *lattice.affine;
  const double left = ((a[1] > 0 ? e.west : e.east) - a[0]) / a[1],
               right = ((a[1] > 0 ? e.east : e.west) - a[0]) / a[1];
  const double top = ((a[5] < 0 ? e.north : e.south) - a[3]) / a[5];
  const double bottom = ((a[5] < 0 ? e.south : e.north) - a[3]) / a[5];
  Grid grid;
  grid.width = cells_from(left, right, "columns");
  grid.height = cells_from(top, bottom, "rows");
  grid.affine = a;
  (*grid.affine)[0] += std::floor(left + forgiven) * a[1];
  (*grid.affine)[3] += std::floor(top + forgiven) * a[5];
  return grid;
}

}  // namespace fulmar
