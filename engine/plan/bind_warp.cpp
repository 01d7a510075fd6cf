// SPDX-License-Identifier: Apache-2.0
#include "plan/bind_warp.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "core/error.hpp"

namespace fulmar {
namespace {

Extent extent_from(const std::string& text) {
  double n[4] = {};
  std::size_t begin = 0;
  for (int i = 0; i < 4; ++i) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const char* last = text.data() + end;
    const auto [stop, error] = std::from_chars(text.data() + begin, last, n[i]);
    if (error != std::errc{} || stop != last || !std::isfinite(n[i]) || (end == text.size()) != (i == 3))
      fail(Errc::usage,
           fmt::format("extent must be four numbers, xmin,ymin,xmax,ymax in the unit of the CRS, not '{}'", text));
    begin = end + 1;
  }
  return {n[0], n[1], n[2], n[3]};
}

/// The rectangle around a grid in its own CRS.
Extent extent_of(const Grid& grid) {
  const auto& a = *grid.affine;
  Extent e{a[0], a[3], a[0], a[3]};
  for (const double c : {0.0, static_cast<double>(grid.width)})
    for (const double r : {0.0, static_cast<double>(grid.height)}) {
      const double x = a[0] + c * a[1] + r * a[2], y = a[3] + c * a[4] + r * a[5];
      e.west = std::min(e.west, x), e.east = std::max(e.east, x);
      e.south = std::min(e.south, y), e.north = std::max(e.north, y);
    }
  return e;
}

}  // namespace

WarpRequest warp_request(const Operator& op, const std::vector<ParamValue>& values) {
  WarpRequest request;
  for (const ParamValue& v : values) {
    if (v.name == "crs")
      request.grid.crs = v.text;
    else if (v.name == "resolution")
      request.grid.resolution = v.number;
    else if (v.name == "extent" && !v.text.empty())
      request.grid.extent = extent_from(v.text);
    else if (v.name == "to")
      request.to = v.text;
    else if (v.name == "resample")
      request.method = static_cast<Resampling>(static_cast<int>(v.number));
  }
  if (op.param("to") != nullptr && request.to.empty())
    fail(Errc::usage, op.name() + " needs --to: a raster onto whose grid it shall be brought");
  return request;
}

Grid mosaic_grid(const Io& io, const std::vector<const Grid*>& rasters, const GridRequest& request) {
  if (rasters.size() == 1) return io.grid_for(*rasters.front(), request);
  if (request.extent) {
    // Any of them may lie there.
    for (std::size_t i = 0;; ++i) try {
        return io.grid_for(*rasters[i], request);
      } catch (const Error&) {
        if (i + 1 == rasters.size()) throw;
      }
  }
  const Grid first = io.grid_for(*rasters.front(), request);
  Extent all = extent_of(first);
  GridRequest same = request;
  same.crs = first.crs;
  for (std::size_t i = 1; i < rasters.size(); ++i) {
    const Extent e = extent_of(io.grid_for(*rasters[i], same));
    all = {std::min(all.west, e.west), std::min(all.south, e.south), std::max(all.east, e.east),
           std::max(all.north, e.north)};
  }
  same.extent = all;
  // Of another CRS, the cells of the first decide.
  if (same.resolution == 0 && first.crs != rasters.front()->crs) same.resolution = (*first.affine)[1];
  return io.grid_for(*rasters.front(), same);
}

void check_target(const Io& io, const Grid& raster, const Grid& target, const std::string& to) {
  if (!target.affine && target.control_points.empty())
    fail(Errc::usage, fmt::format("the grid of {} lies nowhere: give it a transform and a coordinate system", to));
  if (!target.affine)
    fail(Errc::usage,
         fmt::format("the grid of {} is one of control points, onto which nothing can be brought: `warp` it "
                     "first",
                     to));
  if (target.window().empty()) fail(Errc::input, to + " has no cells");
  if (raster.crs.empty() != target.crs.empty())
    fail(Errc::input, fmt::format("{} has {} CRS, but the raster to be brought onto its grid has {}", to,
                                  target.crs.empty() ? "no" : "a", raster.crs.empty() ? "none" : "one"));
  // Says so where the two do not overlap.
  GridRequest request;
  request.crs = target.crs;
  request.resolution = std::hypot((*target.affine)[1], (*target.affine)[4]);
  request.extent = extent_of(target);
  static_cast<void>(io.grid_for(raster, request));
}

WarpInput warp_input(const Io& io, std::shared_ptr<const RasterSource> source, const Grid& target, bool near) {
  WarpInput input;
  input.transformer = io.transformer(target, source->grid());
  input.reach = target.window();
  const auto& a = *target.affine;
  if (near && a[2] == 0 && a[4] == 0) {
    GridRequest request;
    request.crs = target.crs;
    request.resolution = std::abs(a[1]);
    const Extent e = extent_of(io.grid_for(source->grid(), request));
    double x0 = (e.west - a[0]) / a[1], x1 = (e.east - a[0]) / a[1];
    if (const double turn = columns_of_turn(target); turn > 0) {
      // The turn in which the two can meet; where both are wide, they may in more than one.
      const auto width = static_cast<double>(target.width);
      const double turns = turn * std::rint((width - x0 - x1) / 2 / turn);
      const bool one = std::abs(x1 - x0) + width < turn;
      x0 = one ? x0 + turns : 0, x1 = one ? x1 + turns : width;
    }
    const double y0 = (e.north - a[3]) / a[5], y1 = (e.south - a[3]) / a[5];
    // A cell more on each side: edges bulge, and cells count by their centres.
    const auto cells = [](double v) { return static_cast<std::int64_t>(v); };
    const Window w{cells(std::floor(std::min(x0, x1))) - 1, cells(std::floor(std::min(y0, y1))) - 1,
                   cells(std::ceil(std::abs(x1 - x0))) + 3, cells(std::ceil(std::abs(y1 - y0))) + 3};
    input.reach = intersect(w, target.window());
  }
  input.source = std::move(source);
  return input;
}

}  // namespace fulmar
