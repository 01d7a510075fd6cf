// SPDX-License-Identifier: Apache-2.0
/// @file
/// The universal image quality index over blocks of 32 x 32 cells, gathered by a reducing operator.
#pragma once

#include <cstdint>
#include <vector>

#include "fusion/moments.hpp"

namespace fulmar::quality {

/// Wang & Bovik's index of two variables of a block: 4 cov mean mean / ((var + var) (mean^2 + mean^2)); where neither
/// varies 2 mean mean / (mean^2 + mean^2), and 1 where both are 0 throughout.
FULMAR_HD inline double uiqi(const moments::Joint& block, std::int64_t i, std::int64_t j) {
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
  FULMAR_HD [[nodiscard]] const double* sum() const { return reinterpret_cast<const double*>(this + 1); }
  FULMAR_HD [[nodiscard]] moments::Joint& block(std::int64_t b) { return *reinterpret_cast<moments::Joint*>(place(b)); }
  FULMAR_HD [[nodiscard]] const moments::Joint& block(std::int64_t b) const {
    return *reinterpret_cast<const moments::Joint*>(const_cast<Blocks*>(this)->place(b));
  }
  FULMAR_HD [[nodiscard]] moments::Joint& at(std::int64_t x, std::int64_t y) {
    return block(y / side % down * across + x / side % across);
  }

  /// True for an open block of which half is known.
  FULMAR_HD [[nodiscard]] bool known(std::int64_t b) const { return open != 0 && 2 * block(b).n >= side * side; }
  /// How many those are.
  FULMAR_HD [[nodiscard]] std::int64_t known() const {
    std::int64_t count = 0;
    for (std::int64_t b = 0; b < across * down; ++b) count += known(b) ? 1 : 0;
    return count;
  }

 private:
  FULMAR_HD [[nodiscard]] void* place(std::int64_t b) {
    return reinterpret_cast<char*>(sum() + sums) + static_cast<std::uint64_t>(b) * moments::Joint::bytes(variables);
  }
};

/// What a quality operator adds up over the cells and blocks of a state, sum by sum: `add(block, i, sum)` adds what one
/// block has to sum i.
template <class Add>
FULMAR_HD void merge_sum(Blocks& a, const Blocks& b, std::int64_t i, Add&& add) {
  for (std::int64_t k = 0; k < Blocks::across * Blocks::down; ++k)
    if (a.known(k)) add(a.block(k), i, a.sum()[i]);
  a.sum()[i] += b.sum()[i];
  for (std::int64_t k = 0; k < Blocks::across * Blocks::down; ++k)
    if (b.known(k)) add(b.block(k), i, a.sum()[i]);
}
/// After all sums: the blocks are in them.
FULMAR_HD inline void close_blocks(Blocks& a, const Blocks& b) {
  a.counted += a.known() + b.counted + b.known();
  a.open = 0;
}
/// All sums of a state, those of its open blocks too; returns how many blocks are in them.
template <class Add>
std::int64_t all_sums(const Blocks& s, std::vector<double>& sum, Add&& add) {
  sum.assign(s.sum(), s.sum() + s.sums);
  for (std::int64_t b = 0; b < Blocks::across * Blocks::down; ++b)
    for (std::int64_t i = 0; s.known(b) && i < s.sums; ++i) add(s.block(b), i, sum[static_cast<std::size_t>(i)]);
  return s.counted + s.known();
}

}  // namespace fulmar::quality
