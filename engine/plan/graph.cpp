// SPDX-License-Identifier: Apache-2.0
#include "plan/graph.hpp"

#include <algorithm>
#include <cstddef>

namespace fulmar {

Halo Node::halo(std::size_t input, const Grid& raster) const {
  Halo halo;
  for (const fulmar_view& v : views) {
    if (v.kind == FULMAR_VIEW_BANDS || v.kind == FULMAR_VIEW_SERIES) continue;
    if (v.input != (input < bands ? 0 : input - bands + 1)) continue;
    if (v.kind == FULMAR_VIEW_WITHIN) {
      const Ground smallest = raster.smallest_ground();
      // A billionth of a cell more, so that a cell just at the distance is looked at; within() decides. Beyond the
      // raster nothing is set, so no distance takes more cells than there are.
      const auto cells = [&](double size, std::int64_t most) {
        return static_cast<std::int64_t>(std::min(v.reach / (size > 0 ? size : 1) + 1e-9, static_cast<double>(most)));
      };
      halo = widest(halo, {cells(smallest.dx, raster.width), cells(smallest.dy, raster.height)});
    } else {
      halo = widest(halo, {v.outer_x, v.outer_y});
    }
  }
  // Whether an object lies beside a gap shows in the cells around it.
  if (labels() && port(input).name == "intensity") halo = widest(halo, {1, 1});
  return halo;
}

bool Node::stacks() const {
  return std::any_of(views.begin(), views.end(), [](const fulmar_view& v) { return v.kind == FULMAR_VIEW_SERIES; });
}

std::int64_t Node::scratch() const {
  if (op == nullptr || !op->has(offsetof(fulmar_operator, scratch) + sizeof op->table().scratch)) return 0;
  if (op->table().scratch == nullptr) return 0;
  const std::size_t dates = std::max<std::size_t>(1, times.size());
  return static_cast<std::int64_t>(op->guard([&] { return op->table().scratch(params.data(), dates, bands / dates); }));
}

bool Node::anchored() const {
  return round >= 0 || std::any_of(views.begin(), views.end(), [](const fulmar_view& v) {
           return v.kind == FULMAR_VIEW_RING || (v.kind == FULMAR_VIEW_BOX && (v.outer_x > 0 || v.outer_y > 0));
         });
}

}  // namespace fulmar
