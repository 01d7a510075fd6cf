// SPDX-License-Identifier: Apache-2.0
#include "exec/cells.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/missing.hpp"
#include "core/widen.hpp"

namespace fulmar {
namespace {

template <class T, bool scaled, bool has_nodata>
void widen_row(const T* __restrict from, std::int64_t width, T nodata, double scale, double offset,
               float* __restrict to) {
  for (std::int64_t x = 0; x < width; ++x) to[x] = widened<T, scaled, has_nodata>(from[x], nodata, scale, offset);
}

}  // namespace

void widen(const StoredBand& band, const void* cells, std::int64_t stride, const std::uint8_t* mask,
           std::int64_t mask_stride, std::int64_t width, std::int64_t height, float* out, std::int64_t out_stride) {
  const bool scaled = band.scale != 1.0 || band.offset != 0.0;
  with_type(band.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto nodata = stored_nodata<T>(band);
    const T n = nodata.value_or(T{});
    for (std::int64_t y = 0; y < height; ++y) {
      const T* from = static_cast<const T*>(cells) + y * stride;
      float* to = out + y * out_stride;
      if (scaled)
        nodata ? widen_row<T, true, true>(from, width, n, band.scale, band.offset, to)
               : widen_row<T, true, false>(from, width, n, band.scale, band.offset, to);
      else
        nodata ? widen_row<T, false, true>(from, width, n, 1, 0, to)
               : widen_row<T, false, false>(from, width, n, 1, 0, to);
      if (mask != nullptr) {
        const std::uint8_t* valid = mask + y * mask_stride;
        for (std::int64_t x = 0; x < width; ++x) to[x] = valid[x] != 0 ? to[x] : missing<float>;
      }
    }
  });
}

void to_flags(const float* cells, std::int64_t stride, std::int64_t width, std::int64_t height, std::uint8_t* out,
              std::int64_t out_stride) {
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const float v = cells[y * stride + x];
      const std::uint8_t set = v != 0 ? 1 : 0;
      out[y * out_stride + x] = is_missing(v) ? missing<std::uint8_t> : set;
    }
}

void to_floats(const std::uint8_t* cells, std::int64_t stride, std::int64_t width, std::int64_t height, float* out,
               std::int64_t out_stride) {
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      const std::uint8_t v = cells[y * stride + x];
      out[y * out_stride + x] = is_missing(v) ? missing<float> : static_cast<float>(v);
    }
}

void within(const std::uint8_t* cells, std::int64_t stride, std::int64_t width, std::int64_t height, std::int64_t rx,
            std::int64_t ry, const double* ground, double reach, std::uint16_t* scratch, std::uint8_t* out) {
  if (rx == 0 && ry == 0) {
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) out[y * width + x] = cells[y * stride + x] == 1 ? 1 : 0;
    return;
  }
  // Cells to the nearest set cell of the same row, at most rx + 1.
  const auto far = static_cast<std::uint16_t>(std::min<std::int64_t>(rx + 1, 65535));
  bool any = false;
  for (std::int64_t y = -ry; y < height + ry; ++y) {
    const std::uint8_t* row = cells + y * stride;
    std::uint16_t* distance = scratch + (y + ry) * width;
    std::int64_t last = -rx - 2 - rx;
    for (std::int64_t x = -rx; x < width; ++x) {
      if (row[x] == 1) last = x, any = true;
      if (x >= 0) distance[x] = static_cast<std::uint16_t>(std::min<std::int64_t>(x - last, far));
    }
    last = width + 2 * rx + 2;
    for (std::int64_t x = width + rx - 1; x >= 0; --x) {
      if (row[x] == 1) last = x, any = true;
      if (x < width)
        distance[x] = std::min(distance[x], static_cast<std::uint16_t>(std::min<std::int64_t>(last - x, far)));
    }
  }
  std::fill_n(out, width * height, std::uint8_t{0});
  if (!any) return;
  // How far a row may be searched sideways, by its distance up or down; -1 where not at all.
  std::vector<std::int64_t> sideways(static_cast<std::size_t>(ry) + 1, -1);
  double known_dx = -1, known_dy = -1;
  for (std::int64_t y = 0; y < height; ++y) {
    const double dx = ground[2 * y] > 0 ? ground[2 * y] : 1, dy = ground[2 * y + 1] > 0 ? ground[2 * y + 1] : 1;
    if (dx != known_dx || dy != known_dy) {
      known_dx = dx, known_dy = dy;
      std::int64_t i = rx;  // the further down, the less far sideways
      for (std::int64_t j = 0; j <= ry; ++j) {
        const double down = static_cast<double>(j) * dy;
        while (i >= 0 && !(static_cast<double>(i) * dx * (static_cast<double>(i) * dx) + down * down <= reach * reach))
          --i;
        sideways[static_cast<std::size_t>(j)] = i;
      }
    }
    std::uint8_t* to = out + y * width;
    for (std::int64_t j = -ry; j <= ry; ++j) {
      const std::int64_t most = sideways[static_cast<std::size_t>(j < 0 ? -j : j)];
      if (most < 0) continue;
      const std::uint16_t* distance = scratch + (y + j + ry) * width;
      const auto limit = static_cast<std::uint16_t>(most);
      for (std::int64_t x = 0; x < width; ++x) to[x] |= distance[x] <= limit ? 1 : 0;
    }
  }
}

}  // namespace fulmar
