// SPDX-License-Identifier: Apache-2.0
/// @file
/// How a call reaches a kernel, and how a kernel sees one argument of an operator's function.
#pragma once

#include <cuda_runtime.h>

#include "core/device_limits.hpp"
#include "core/select.hpp"
#include "op/apply.hpp"

namespace fulmar::cuda {

/// A call with its planes, by value: the parameters of a kernel.
struct Call {
  fulmar_call shape;
  fulmar_plane input[most_device_inputs], output[most_device_outputs];

  /// The call as the engine's own loops see it.
  __device__ fulmar_call here() const {
    fulmar_call call = shape;
    call.input = input;
    call.output = output;
    return call;
  }
};

inline Call by_value(const fulmar_call& call) {
  if (call.inputs > most_device_inputs || call.outputs > most_device_outputs)
    fail(Errc::runtime, "an operator with so many bands runs on the host alone");
  Call c{};
  c.shape = call;
  for (std::uint32_t i = 0; i < call.inputs; ++i) c.input[i] = call.input[i];
  // The first output tells the window, even where nothing is returned.
  for (std::uint32_t i = 0; i < (call.outputs > 0 ? call.outputs : 1); ++i) c.output[i] = call.output[i];
  return c;
}

/// Half widths of a window whose sums or ranks are asked for.
struct Shape {
  std::int32_t ox = 0, oy = 0, gx = 0, gy = 0;
  bool ring = false, one = false;
  bool left = true, right = true;  ///< which side of the cell's own column is summed; that column where both are
  std::int8_t same = -1;           ///< the window before it that sums the same columns of the same plane
  double fraction = 0;

  /// True if both sum the same columns, whichever sides of a cell they take.
  [[nodiscard]] bool sums_as(const Shape& o) const {
    return ring == o.ring && ox == o.ox && oy == o.oy && gx == o.gx && gy == o.gy;
  }
};

template <class A>
inline constexpr bool is_sums = std::is_base_of_v<WindowSums, A>;
template <class A>
inline constexpr bool is_near = false;
template <class T>
inline constexpr bool is_near<Near<T>> = true;
template <class A>
inline constexpr bool is_ranks = std::is_base_of_v<WindowRanks, A>;

/// The window of an argument's view.
inline Shape shape_of(const fulmar_view& v) {
  Shape s;
  s.ox = v.outer_x, s.oy = v.outer_y;
  if (v.kind == FULMAR_VIEW_RING) {
    s.ring = true;
    s.left = (v.rank & FULMAR_RING_RIGHT) == 0, s.right = (v.rank & FULMAR_RING_LEFT) == 0;
  } else if (v.kind == FULMAR_VIEW_RANKS) {
    s.ring = (v.rank & FULMAR_RANK_RING) != 0;
    s.one = (v.rank & FULMAR_RANK_CEIL) != 0;
    s.fraction = v.reach;
  }
  if (s.ring) s.gx = v.inner_x, s.gy = v.inner_y;
  return s;
}

/// Order statistics of the window around a cell, by bisection of the bits of its values: 32 looks at every cell.
__device__ inline WindowRanks ranks_of(const float* centre, std::int64_t stride, const Shape& s) {
  const auto each = [&](auto&& use) {
    for (std::int32_t y = -s.oy; y <= s.oy; ++y)
      for (std::int32_t x = -s.ox; x <= s.ox; ++x) {
        if (s.ring && x >= -s.gx && x <= s.gx && y >= -s.gy && y <= s.gy) continue;
        const float v = centre[y * stride + x];
        if (!is_missing(v)) use(key_of(v + 0.0f));
      }
  };
  std::uint32_t n = 0;
  each([&](std::uint32_t) { ++n; });
  WindowRanks r;
  r.n = n;
  if (n == 0) {
    r.lower = r.upper = missing<double>;
    return r;
  }
  const RankPlaces places = places_among(n, s.fraction, s.one);
  std::uint32_t key = 0;
  for (std::uint32_t bit = 0x80000000u; bit != 0; bit >>= 1) {
    const std::uint32_t tried = key | bit;
    std::uint32_t below = 0;
    each([&](std::uint32_t k) { below += k < tried ? 1 : 0; });
    if (below <= places.low) key = tried;
  }
  r.lower = r.upper = static_cast<double>(number_of(key));
  if (places.high != places.low) {
    std::uint32_t up_to = 0, next = 0xffffffffu;
    each([&](std::uint32_t k) {
      up_to += k <= key ? 1 : 0;
      next = k > key && k < next ? k : next;
    });
    if (up_to <= places.high) r.upper = static_cast<double>(number_of(next));
  }
  return r;
}

/// Where the arguments of a function find their planes and their sums.
template <class... A>
class Order {
  static constexpr bool viewed[] = {op::Argument<A>::viewed..., false}, summed[] = {is_sums<A>..., false};
  static constexpr std::size_t count(const bool* which, std::size_t end) {
    std::size_t n = 0;
    for (std::size_t k = 0; k < end; ++k) n += which[k] ? 1 : 0;
    return n;
  }

 public:
  static constexpr int sums = (0 + ... + (is_sums<A> ? 1 : 0)), ranks = (0 + ... + (is_ranks<A> ? 1 : 0));
  template <std::size_t I>
  static constexpr std::size_t plane = count(viewed, I);
  template <std::size_t I>
  static constexpr std::size_t sum = count(summed, I);
};

}  // namespace fulmar::cuda
