// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the engine does with planes between operators, as exec/block.cpp and exec/cells.cpp do it.
#pragma once

#include <cuda_runtime.h>

#include "core/widen.hpp"
#include "fulmar_abi.h"

namespace fulmar::cuda {

inline constexpr unsigned plane_across = 32, plane_down = 8;

struct Place {
  std::int64_t x, y;
};
__device__ inline Place place() {
  return {blockIdx.x * std::int64_t{plane_across} + threadIdx.x, blockIdx.y * std::int64_t{plane_down} + threadIdx.y};
}
template <class T>
__device__ T& cell(const fulmar_plane& p, Place at) {
  return static_cast<T*>(p.cells)[at.y * p.stride + at.x];
}

template <class T>
__global__ void clear_cells(fulmar_plane to) {
  const Place at = place();
  if (at.x < to.width && at.y < to.height) cell<T>(to, at) = missing<T>;
}

template <class T, bool scaled, bool has_nodata>
__global__ void widen_cells(const T* from, std::int64_t stride, const std::uint8_t* mask, std::int64_t mask_stride,
                            T nodata, double scale, double offset, fulmar_plane to) {
  const Place at = place();
  if (at.x >= to.width || at.y >= to.height) return;
  const float v = widened<T, scaled, has_nodata>(from[at.y * stride + at.x], nodata, scale, offset);
  const bool valid = mask == nullptr || mask[at.y * mask_stride + at.x] != 0;
  cell<float>(to, at) = valid ? v : missing<float>;
}

template <class T>
__global__ void copy_cells(fulmar_plane from, fulmar_plane to) {
  const Place at = place();
  if (at.x < to.width && at.y < to.height) cell<T>(to, at) = cell<T>(from, at);
}
static __global__ void floats_to_flags(fulmar_plane from, fulmar_plane to) {
  const Place at = place();
  if (at.x >= to.width || at.y >= to.height) return;
  const float v = cell<float>(from, at);
  const std::uint8_t set = v != 0 ? 1 : 0;
  cell<std::uint8_t>(to, at) = is_missing(v) ? missing<std::uint8_t> : set;
}
static __global__ void flags_to_floats(fulmar_plane from, fulmar_plane to) {
  const Place at = place();
  if (at.x >= to.width || at.y >= to.height) return;
  const std::uint8_t v = cell<std::uint8_t>(from, at);
  cell<float>(to, at) = is_missing(v) ? missing<float> : static_cast<float>(v);
}

static __global__ void complete_cells(fulmar_plane from, fulmar_plane to) {
  const Place at = place();
  if (at.x >= to.width || at.y >= to.height) return;
  float& v = cell<float>(to, at);
  if (is_missing(v)) v = cell<float>(from, at);
}

/// Pieces of `words` words, one beside the other; the first again and again where there are no places.
static __global__ void pack_pieces(const std::uint64_t* from, std::int64_t words, const std::uint32_t* places,
                                   std::int64_t count, std::uint64_t* to) {
  const Place at = place();
  if (at.x < words && at.y < count)
    to[at.y * words + at.x] = from[(places == nullptr ? 0 : places[at.y]) * words + at.x];
}

/// Planes that one launch brings together.
inline constexpr std::int64_t stack_together = 32;
struct Stack {
  const float* cells[stack_together];
  std::int64_t stride[stack_together];
};
static __global__ void stack_cells(const __grid_constant__ Stack from, int count, std::int64_t first, fulmar_plane to) {
  const Place at = place();
  if (at.x >= to.width || at.y >= to.height) return;
  float* values = static_cast<float*>(to.cells) + at.y * to.stride + at.x * to.layer + first;
  for (int b = 0; b < count; ++b) values[b] = from.cells[b][at.y * from.stride[b] + at.x];
}

/// Cells to the nearest set cell of the same row, at most rx + 1; rows -ry .. height + ry of the window.
static __global__ void row_distances(fulmar_plane cells, std::int64_t rx, std::int64_t ry, std::uint16_t* distance) {
  const Place at = place();
  if (at.x >= cells.width || at.y >= cells.height + 2 * ry) return;
  const auto* row = static_cast<const std::uint8_t*>(cells.cells) + (at.y - ry) * cells.stride + at.x;
  const std::int64_t far = rx + 1 < 65535 ? rx + 1 : 65535;
  std::int64_t d = 0;
  while (d < far && row[d] != 1 && row[-d] != 1) ++d;
  distance[at.y * cells.width + at.x] = static_cast<std::uint16_t>(d);
}

/// 1 where a cell within `reach` metres is set: the further up or down it is, the less far sideways.
static __global__ void near_rows(const std::uint16_t* distance, std::int64_t rx, std::int64_t ry, const double* ground,
                                 double reach, fulmar_plane to) {
  const Place at = place();
  if (at.x >= to.width || at.y >= to.height) return;
  const double dx = ground[2 * at.y] > 0 ? ground[2 * at.y] : 1,
               dy = ground[2 * at.y + 1] > 0 ? ground[2 * at.y + 1] : 1;
  std::int64_t sideways = rx;
  bool set = false;
  for (std::int64_t j = 0; j <= ry && !set; ++j) {
    const double down = static_cast<double>(j) * dy;
    while (sideways >= 0 &&
           !(static_cast<double>(sideways) * dx * (static_cast<double>(sideways) * dx) + down * down <= reach * reach))
      --sideways;
    if (sideways < 0) break;
    const std::uint16_t* row = distance + (at.y + ry) * to.width + at.x;
    set = row[j * to.width] <= sideways || row[-j * to.width] <= sideways;
  }
  cell<std::uint8_t>(to, at) = set ? 1 : 0;
}

}  // namespace fulmar::cuda
