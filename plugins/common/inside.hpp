// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whether a place lies inside polygons in longitude and latitude.
#pragma once

#include <cmath>
#include <cstddef>

#include "core/features.hpp"

namespace fulmar::ops {

/// True where an odd number of sides lies to the east of the place: holes are outside, and of two areas that share a
/// side each place on it belongs to one. Longitudes are compared within half a turn of the place, so polygons may run
/// through the antimeridian. (Shimrat 1962, Commun. ACM 5, 434.)
inline bool is_inside(const Shape& shape, LonLat place) {
  bool inside = false;
  for (const auto& rings : shape)
    for (const Path& ring : rings) {
      if (ring.empty()) continue;
      const double turn = std::round((ring.front().x - place.lon) / 360) * 360;
      for (std::size_t i = 0, j = ring.size() - 1; i < ring.size(); j = i++) {
        const Coordinate &a = ring[j], &b = ring[i];
        const double ax = a.x - turn, bx = b.x - turn;
        if ((a.y > place.lat) != (b.y > place.lat) && place.lon < ax + (place.lat - a.y) / (b.y - a.y) * (bx - ax))
          inside = !inside;
      }
    }
  return inside;
}

}  // namespace fulmar::ops
