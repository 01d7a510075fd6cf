// SPDX-License-Identifier: Apache-2.0
#include "core/signs.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace fulmar {
namespace {

/// A few windows, whole blocks where these are small, spread over the raster: about a million cells.
std::vector<Window> windows_to_look_at(const RasterSource& raster) {
  constexpr std::int64_t enough = 1'000'000;
  const auto& grid = raster.grid();
  if (grid.window().cells() <= enough) return {grid.window()};
  const auto width = std::clamp<std::int64_t>(raster.block().width, 1, std::min<std::int64_t>(grid.width, 4096));
  const auto height = std::clamp<std::int64_t>(raster.block().height, 1, std::min<std::int64_t>(grid.height, 256));
  const auto count = std::clamp<std::int64_t>(enough / (width * height), 1, 64);
  const auto columns = std::max<std::int64_t>(1, grid.width / width);
  const auto rows = std::max<std::int64_t>(1, grid.height / height);
  std::vector<Window> windows;
  for (std::int64_t i = 0; i < count; ++i) {
    // Rows evenly, columns by the golden ratio: no two windows in line with a pattern of the scene.
    const double golden = 0.6180339887498949 * static_cast<double>(i + 1);
    const auto column = static_cast<std::int64_t>((golden - std::floor(golden)) * static_cast<double>(columns));
    windows.push_back(
        intersect({column * width, (2 * i + 1) * rows / (2 * count) * height, width, height}, grid.window()));
  }
  return windows;
}

}  // namespace

Sight look_at(const RasterSource& source, int band) {
  const auto& stored = source.bands().at(static_cast<std::size_t>(band));
  Sight seen;
  with_type(stored.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto handle = source.reader();
    std::vector<T> cells;
    std::vector<std::uint8_t> mask;
    for (const auto& window : windows_to_look_at(source)) {
      cells.resize(static_cast<std::size_t>(window.cells()));
      handle->read(band, window, cells.data(), window.width);
      if (stored.has_mask) {
        mask.resize(cells.size());
        handle->read_mask(band, window, mask.data(), window.width);
      }
      for (std::size_t i = 0; i < cells.size(); ++i) {
        if (stored.has_mask && mask[i] == 0) continue;
        if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
          if (stored.nodata_i64 && cells[i] == static_cast<T>(*stored.nodata_i64)) continue;
        }
        const auto value = static_cast<double>(cells[i]);
        if (!std::isfinite(value) || (stored.nodata && value == *stored.nodata)) continue;
        const double meant = value * stored.scale + stored.offset;
        ++seen.valid;
        seen.negative += meant < 0 ? 1 : 0;
        seen.above_one += meant > 1 ? 1 : 0;
        seen.least = std::min(seen.least, meant);
        seen.most = std::max(seen.most, meant);
      }
    }
  });
  return seen;
}

bool mostly_negative(const RasterSource& source, int band) {
  const auto& stored = source.bands().at(static_cast<std::size_t>(band));
  const bool is_signed = with_type(stored.dtype, [](auto zero) { return std::is_signed_v<decltype(zero)>; });
  if (!is_signed && stored.scale >= 0 && stored.offset >= 0) return false;
  const Sight seen = look_at(source, band);
  return 2 * seen.negative > seen.valid;
}

}  // namespace fulmar
