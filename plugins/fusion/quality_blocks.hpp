// SPDX-License-Identifier: Apache-2.0
/// @file
/// Means, variances and covariances of the cells of blocks of 32 x 32, gathered by a reducing operator, and the
/// universal image quality index over them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/host_device.hpp"
#include "core/missing.hpp"

namespace fulmar::quality {

/// What a block knows. Of each of its variables d = v - pivot is gathered, the pivot being its first cell's value:
/// sum(d), sum(d^2), and sum(d d') for the pairs of variables that the operator asks for; besides, sums of numbers that
/// the operator makes of a cell. Each sum is in four parts, of every fourth column, in raster order within it.
struct Block {
  static constexpr std::int64_t parts = 4;
  const double* values = nullptr;
  std::int64_t variables = 0;

  FULMAR_HD [[nodiscard]] double n() const { return values[0]; }
  FULMAR_HD [[nodiscard]] double pivot(std::int64_t i) const { return values[1 + i]; }
  /// Sums in the order: d of each variable, d^2 of each, products of pairs, numbers of the operator.
  FULMAR_HD [[nodiscard]] double sum(std::int64_t which) const {
    const double* part = values + 1 + variables + parts * which;
    return (part[0] + part[1]) + (part[2] + part[3]);
  }
  FULMAR_HD [[nodiscard]] double mean(std::int64_t i) const { return pivot(i) + sum(i) / n(); }
  /// Of variables i and j, whose products are the sum `which`.
  FULMAR_HD [[nodiscard]] double covariance(std::int64_t i, std::int64_t j, std::int64_t which) const {
    return (sum(which) - sum(i) * (sum(j) / n())) / n();
  }
  FULMAR_HD [[nodiscard]] double variance(std::int64_t i) const { return covariance(i, i, variables + i); }

  /// Wang & Bovik's index of the variables of a pair: 4 cov mean mean / ((var + var) (mean^2 + mean^2)); where neither
  /// varies 2 mean mean / (mean^2 + mean^2), and 1 where both are 0 throughout.
  FULMAR_HD [[nodiscard]] double uiqi(std::int64_t i, std::int64_t j, std::int64_t pair) const {
    const double x = mean(i), y = mean(j), level = x * x + y * y;
    const double spread = variance(i) + variance(j);
    const double likeness = level > 0 ? 2 * x * y / level : 1;
    return spread > 0 ? likeness * 2 * covariance(i, j, 2 * variables + pair) / spread : likeness;
  }
};

/// The head of a state: sums that survive a merge, then the blocks of one block of the engine's lattice. The lattice is
/// anchored at the raster's first cell, and the side of its blocks is a multiple of 32; there are at most 16 x 8 of
/// ours in one of them.
struct Blocks {
  static constexpr std::int64_t side = 32, across = 16, down = 8, all = across * down;

  std::int64_t variables = 0, pairs = 0, numbers = 0, sums = 0;
  std::int64_t counted = 0;  ///< blocks whose indices are in the sums of finished lattice blocks
  std::int64_t open = 1;     ///< there are blocks that are not in the sums yet

  static std::uint64_t bytes(std::int64_t variables, std::int64_t pairs, std::int64_t numbers, std::int64_t sums) {
    return sizeof(Blocks) + sizeof(double) * static_cast<std::uint64_t>(sums + all * stride(variables, pairs, numbers));
  }
  void begin(std::int64_t variable_count, std::int64_t pair_count, std::int64_t number_count, std::int64_t sum_count) {
    variables = variable_count, pairs = pair_count, numbers = number_count, sums = sum_count, counted = 0, open = 1;
    for (std::int64_t i = 0; i < sums + all * stride(variables, pairs, numbers); ++i) sum()[i] = 0;
  }
  FULMAR_HD [[nodiscard]] double* sum() { return reinterpret_cast<double*>(this + 1); }
  FULMAR_HD [[nodiscard]] const double* sum() const { return reinterpret_cast<const double*>(this + 1); }
  FULMAR_HD [[nodiscard]] Block block(std::int64_t b) const {
    return {sum() + sums + b * stride(variables, pairs, numbers), variables};
  }
  /// The values of the block of a cell of the raster.
  FULMAR_HD [[nodiscard]] double* at(std::int64_t x, std::int64_t y) {
    return const_cast<double*>(block(y / side % down * across + x / side % across).values);
  }

  /// Adds a cell: value(i) is that of variable i, number(k) the k-th number of the operator; each_pair(use) calls
  /// use(pair, i, j).
  template <class Value, class EachPair, class Number>
  FULMAR_HD void add(std::int64_t x, std::int64_t y, const Value& value, const EachPair& each_pair,
                     const Number& number) {
    double *const of = at(x, y), *const pivot = of + 1, *const part = pivot + variables + x % Block::parts;
    if (of[0] == 0)
      for (std::int64_t i = 0; i < variables; ++i) pivot[i] = value(i);
    of[0] += 1;
    for (std::int64_t i = 0; i < variables; ++i) {
      const double d = value(i) - pivot[i];
      part[Block::parts * i] += d;
      part[Block::parts * (variables + i)] += d * d;
    }
    each_pair([&](std::int64_t pair, std::int64_t i, std::int64_t j) {
      part[Block::parts * (2 * variables + pair)] += (value(i) - pivot[i]) * (value(j) - pivot[j]);
    });
    for (std::int64_t k = 0; k < numbers; ++k) part[Block::parts * (2 * variables + pairs + k)] += number(k);
  }

  /// True for an open block of which half is known.
  FULMAR_HD [[nodiscard]] bool known(std::int64_t b) const { return open != 0 && 2 * block(b).n() >= side * side; }
  /// How many those are.
  FULMAR_HD [[nodiscard]] std::int64_t known() const {
    std::int64_t count = 0;
    for (std::int64_t b = 0; b < all; ++b) count += known(b) ? 1 : 0;
    return count;
  }

 private:
  FULMAR_HD [[nodiscard]] static std::int64_t stride(std::int64_t variables, std::int64_t pairs, std::int64_t numbers) {
    return 1 + variables + Block::parts * (2 * variables + pairs + numbers);
  }
};

/// Takes a row of cells at once, where it begins with a whole block, to the bits of Blocks::add.
class RowOfBlocks {
 public:
  explicit RowOfBlocks(Blocks& blocks)
      : blocks_{blocks}, cells_(static_cast<std::size_t>((blocks.variables + blocks.numbers) * Blocks::side)) {}

  /// The cells of one block, a row of each variable, then of each number.
  [[nodiscard]] double* of(std::int64_t variable) { return cells_.data() + variable * Blocks::side; }
  /// Those are filled for the cells (x, y), (x + 1, y)...; the ones for which `counts` is missing take no part.
  template <class EachPair>
  void add(std::int64_t x, std::int64_t y, const double (&counts)[Blocks::side], const EachPair& each_pair) {
    const std::int64_t variables = blocks_.variables;
    std::int64_t n = 0, first = Blocks::side;
    for (std::int64_t k = Blocks::side; k-- > 0;)
      if (!is_missing(counts[k])) ++n, first = k;
    if (n == 0) return;
    double *const block = blocks_.at(x, y), *const pivot = block + 1, *part = pivot + variables;
    if (block[0] == 0)
      for (std::int64_t i = 0; i < variables; ++i) pivot[i] = of(i)[first];
    block[0] += static_cast<double>(n);
    // What is 0 changes no sum.
    for (std::int64_t i = 0; i < variables + blocks_.numbers; ++i) {
      double* const d = of(i);
      const double from = i < variables ? pivot[i] : 0;
      for (std::int64_t k = 0; k < Blocks::side; ++k) d[k] = is_missing(counts[k]) ? 0 : d[k] - from;
    }
    for (std::int64_t i = 0; i < variables; ++i, part += Block::parts) add_up(of(i), part);
    for (std::int64_t i = 0; i < variables; ++i, part += Block::parts) add_products(of(i), of(i), part);
    each_pair([&](std::int64_t pair, std::int64_t i, std::int64_t j) {
      add_products(of(i), of(j), part + Block::parts * pair);
    });
    part += Block::parts * blocks_.pairs;
    for (std::int64_t k = 0; k < blocks_.numbers; ++k, part += Block::parts) add_up(of(variables + k), part);
  }

 private:
  static void add_up(const double* d, double* part) {
    double sum[Block::parts];
    for (int p = 0; p < Block::parts; ++p) sum[p] = part[p];
    for (std::int64_t k = 0; k < Blocks::side; k += Block::parts)
      for (int p = 0; p < Block::parts; ++p) sum[p] += d[k + p];
    for (int p = 0; p < Block::parts; ++p) part[p] = sum[p];
  }
  static void add_products(const double* a, const double* b, double* part) {
    double sum[Block::parts];
    for (int p = 0; p < Block::parts; ++p) sum[p] = part[p];
    for (std::int64_t k = 0; k < Blocks::side; k += Block::parts)
      for (int p = 0; p < Block::parts; ++p) sum[p] += a[k + p] * b[k + p];
    for (int p = 0; p < Block::parts; ++p) part[p] = sum[p];
  }

  Blocks& blocks_;
  std::vector<double> cells_;
};

/// What a quality operator adds up over the cells and blocks of a state, sum by sum: `add(block, known, i, sum)` adds
/// what one block has to sum i.
template <class Add>
FULMAR_HD void add_open(const Blocks& from, std::int64_t i, double& sum, const Add& add) {
  if (from.open == 0) return;
  for (std::int64_t k = 0; k < Blocks::all; ++k) add(from.block(k), from.known(k), i, sum);
}
template <class Add>
FULMAR_HD void merge_sum(Blocks& a, const Blocks& b, std::int64_t i, const Add& add) {
  add_open(a, i, a.sum()[i], add);
  a.sum()[i] += b.sum()[i];
  add_open(b, i, a.sum()[i], add);
}
/// After all sums: the blocks are in them.
FULMAR_HD inline void close_blocks(Blocks& a, const Blocks& b) {
  a.counted += a.known() + b.counted + b.known();
  a.open = 0;
}
/// All sums of a state, those of its open blocks too; returns how many blocks are in them.
template <class Add>
std::int64_t all_sums(const Blocks& s, std::vector<double>& sum, const Add& add) {
  sum.assign(s.sum(), s.sum() + s.sums);
  for (std::int64_t i = 0; i < s.sums; ++i) add_open(s, i, sum[static_cast<std::size_t>(i)], add);
  return s.counted + s.known();
}

}  // namespace fulmar::quality
