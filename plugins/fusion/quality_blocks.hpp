// SPDX-License-Identifier: Apache-2.0
/// @file
/// The universal image quality index over blocks of 32 x 32 cells, gathered by a reducing operator.
#pragma once

#include <cstdint>

#include "fusion/moments.hpp"

namespace fulmar::quality {

/// Wang & Bovik's index of two variables of a block: 4 cov mean mean / ((var + var) (mean^2 + mean^2)); where neither
/// varies 2 mean mean / (mean^2 + mean^2), and 1 where both are 0 throughout.
inline double uiqi(const moments::Joint& block, std::int64_t i, std::int64_t j) {
  const double x = block.means()[i], y = block.means()[j], level = x * x + y * y;
  const double spread = block.covariance(i, i, 0) + block.covariance(j, j, 0);
  const double likeness = level > 0 ? 2 * x * y / level : 1;
  return spread > 0 ? likeness * 2 * block.covariance(i, j, 0) / spread : likeness;
}

/// The head of a state: sums that survive a merge, then the moments of the blocks of one block of the engine's lattice.
/// The lattice is anchored at the raster's first cell, and the side of its blocks is a multiple of 32; there are at
/// most 8 x 4 of ours in one of them.
struct Blocks {
  static constexpr std::int64_t side = 32, across = 16, down = 8;

  std::int64_t variables = 0, sums = 0;
  std::int64_t counted = 0;  ///< blocks whose indices are in the sums of finished lattice blocks
  std::int64_t open = 1;     ///< the moments are of blocks that are not in the sums yet

  static std::uint64_t bytes(std::int64_t variables, std::int64_t sums) {
    return sizeof(Blocks) + sizeof(double) * static_cast<std::uint64_t>(sums) +
           static_cast<std::uint64_t>(across * down) * moments::Joint::bytes(variables);
  }
  void begin(std::int64_t variable_count, std::int64_t sum_count) {
    variables = variable_count, sums = sum_count, counted = 0, open = 1;
    for (std::int64_t i = 0; i < sums; ++i) sum()[i] = 0;
    for (std::int64_t b = 0; b < across * down; ++b) {
      auto* block = new (place(b)) moments::Joint{};
      block->begin(variables);
    }
  }
  FULMAR_HD [[nodiscard]] double* sum() { return reinterpret_cast<double*>(this + 1); }
  [[nodiscard]] const double* sum() const { return reinterpret_cast<const double*>(this + 1); }
  FULMAR_HD [[nodiscard]] moments::Joint& block(std::int64_t b) { return *reinterpret_cast<moments::Joint*>(place(b)); }
  [[nodiscard]] const moments::Joint& block(std::int64_t b) const {
    return *reinterpret_cast<const moments::Joint*>(const_cast<Blocks*>(this)->place(b));
  }
  FULMAR_HD [[nodiscard]] moments::Joint& at(std::int64_t x, std::int64_t y) {
    return block(y / side % down * across + x / side % across);
  }

  /// Calls use(block) for every open block of which half is known; returns how many there are.
  template <class Use>
  std::int64_t each(Use&& use) const {
    std::int64_t count = 0;
    for (std::int64_t b = 0; open != 0 && b < across * down; ++b)
      if (2 * block(b).n >= side * side) use(block(b)), ++count;
    return count;
  }

 private:
  FULMAR_HD [[nodiscard]] void* place(std::int64_t b) {
    return reinterpret_cast<char*>(sum() + sums) + static_cast<std::uint64_t>(b) * moments::Joint::bytes(variables);
  }
};

/// What a quality operator adds up over the cells and blocks of a state: `gather(block, sums)` adds the indices of one
/// block to the last sums.
template <class Gather>
void merge(Blocks& a, const Blocks& b, Gather&& gather) {
  a.counted += a.each([&](const moments::Joint& block) { gather(block, a.sum()); });
  a.open = 0;
  for (std::int64_t i = 0; i < a.sums; ++i) a.sum()[i] += b.sum()[i];
  a.counted += b.counted + b.each([&](const moments::Joint& block) { gather(block, a.sum()); });
}

}  // namespace fulmar::quality
