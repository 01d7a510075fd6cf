// SPDX-License-Identifier: Apache-2.0
#include "io/placed_table.hpp"

#include <fmt/format.h>
#include <ogr_geometry.h>

#include <cmath>
#include <memory>
#include <optional>

#include "core/error.hpp"
#include "io/crs.hpp"

namespace fulmar {
namespace {

/// The middle of a shape in its own coordinates.
std::optional<Point> middle_of(const Shape& shape, bool polygons) {
  OGRMultiPolygon areas;
  OGRMultiLineString lines;
  for (const auto& part : shape) {
    OGRPolygon polygon;
    for (const Path& path : part) {
      if (polygons) {
        OGRLinearRing ring;
        for (const Coordinate& c : path) ring.addPoint(c.x, c.y);
        ring.closeRings();
        polygon.addRing(&ring);
      } else {
        OGRLineString line;
        for (const Coordinate& c : path) line.addPoint(c.x, c.y);
        lines.addGeometry(&line);
      }
    }
    if (polygons) areas.addGeometry(&polygon);
  }
  OGRPoint middle;
  const OGRGeometry& whole = polygons ? static_cast<const OGRGeometry&>(areas) : lines;
  if (whole.IsEmpty() || whole.Centroid(&middle) != OGRERR_NONE || middle.IsEmpty()) return std::nullopt;
  return Point{middle.getX(), middle.getY()};
}

}  // namespace

FeatureTable place_rows(FeatureTable table) {
  if (table.geometry == Geometry::cells || table.geometry == Geometry::none) return table;
  std::optional<OGRSpatialReference> crs;
  if (!table.crs.empty()) {
    crs = spatial_reference(table.crs);
    if (!crs)
      fail(Errc::usage,
           fmt::format("'{}' names no coordinate system; give WKT or a code such as EPSG:32651", table.crs));
    table.crs = wkt2(&*crs);
  }
  Transformation to_wgs84;
  bool degrees = false;
  if (crs) {
    const auto wgs84 = spatial_reference("EPSG:4326");
    degrees = crs->IsSame(&*wgs84) != 0;
    if (!degrees) to_wgs84 = transformation(*crs, *wgs84);
  }
  const auto lonlat = [&](Point p) -> std::optional<Point> {
    if (to_wgs84) return transform(*to_wgs84, p);
    return degrees ? std::optional{p} : std::nullopt;
  };
  const bool points = table.geometry == Geometry::point;
  for (Feature& row : table.rows) {
    if (row.shape.empty() || std::isfinite(row.place.lon + row.place.lat)) continue;
    std::optional<Point> middle;
    if (!points)
      middle = middle_of(row.shape, table.geometry == Geometry::polygon);
    else if (!row.shape.front().empty() && !row.shape.front().front().empty())
      middle = Point{row.shape.front().front().front().x, row.shape.front().front().front().y};
    if (middle) middle = lonlat(*middle);
    if (middle) row.place = {middle->x, middle->y};
    if (points && !middle)
      fail(Errc::usage, fmt::format("row {} of the table is a point whose longitude and latitude cannot be told{}",
                                    &row - table.rows.data() + 1, crs ? "" : ": the table has no coordinate system"));
    if (points) row.shape.clear();
  }
  return table;
}

}  // namespace fulmar
