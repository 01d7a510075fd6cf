// SPDX-License-Identifier: Apache-2.0
#include "core/transform.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace fulmar {
namespace {

constexpr double forgiven = 1e-3;  // of a cell

class AffineTransformer : public GridTransformer {
 public:
  AffineTransformer(const Grid& target, const Grid& source)
      : target_{*target.affine},
        source_{*source.affine},
        inverse_{*inverse_of(source_)},
        width_{source.width},
        turn_{columns_of_turn(source)} {}

  void places(const Window& w, double* columns, double* rows) override {
    const auto &t = target_, &s = source_;
    // Differences of origins first: the coordinates themselves may be large.
    const double x0 = t[0] - s[0], y0 = t[3] - s[3];
    for (std::int64_t j = 0; j < w.height; ++j) {
      const double row = static_cast<double>(w.y + j) + 0.5;
      for (std::int64_t i = 0; i < w.width; ++i) {
        const double column = static_cast<double>(w.x + i) + 0.5;
        const double x = x0 + column * t[1] + row * t[2], y = y0 + column * t[4] + row * t[5];
        const double c = x * inverse_[0] + y * inverse_[1];
        *columns++ = turn_ > 0 ? nearest_column(c, width_, turn_) : c;
        *rows++ = x * inverse_[2] + y * inverse_[3];
      }
    }
  }
  [[nodiscard]] double turn() const override { return turn_; }
  [[nodiscard]] bool upright() const override {
    return target_[2] == 0 && target_[4] == 0 && source_[2] == 0 && source_[4] == 0;
  }
  [[nodiscard]] std::unique_ptr<GridTransformer> copy() const override {
    return std::make_unique<AffineTransformer>(*this);
  }

 private:
  std::array<double, 6> target_, source_;
  std::array<double, 4> inverse_;
  std::int64_t width_;
  double turn_;
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

double nearest_column(double column, std::int64_t width, double turn) {
  const double first = (static_cast<double>(width) - turn) / 2;
  return column - turn * std::floor((column - first) / turn);
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
