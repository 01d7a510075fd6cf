// SPDX-License-Identifier: Apache-2.0
/// @file
/// The states of a reducing operator: one for each block of the lattice, merged in a fixed tree over the blocks in
/// raster order. The tree depends on the raster's size alone, so the result depends on neither tiles nor threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "plan/plan.hpp"

namespace fulmar {

/// What a round of a reduction found: its numbers, and what the operator has to say of them.
struct Found {
  std::vector<double> numbers;
  std::string remark;
};

/// A subtree of the tree: the state of blocks [index * 2^level, (index + 1) * 2^level), as far as there are any, which
/// stands in some place among those at hand.
struct Subtree {
  int level = 0;
  std::int64_t index = 0;
  std::uint32_t place = 0;
};
/// How the states of a rectangle of blocks, which stand row by row, are merged without any other: pairs of places level
/// after level, the second into the first, and what is left.
struct Merges {
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> levels;
  std::vector<Subtree> left;
};

class Reduction {
 public:
  /// Memory of one state, aligned for every type.
  using State = std::unique_ptr<std::byte[]>;

  /// `summary`: what the round before found.
  Reduction(const Node& node, const Grid& grid, const std::vector<double>& summary);

  /// A state of a block that no cell has entered.
  [[nodiscard]] State begin() const;
  /// Errors: the operator's own, with its name and the window.
  void step(State& state, const fulmar_call& call, const Window& window) const;
  /// The round at work, and what the round before found.
  [[nodiscard]] const fulmar_round& round() const { return round_; }
  [[nodiscard]] std::int64_t bytes() const { return state_bytes(node_, grid_); }
  /// Where a block stands in the tree.
  [[nodiscard]] std::int64_t block_of(const Window& block) const;
  /// Takes the state of a block, in any order, from any thread.
  void add(std::int64_t block, State state) { add({0, block, 0}, std::move(state)); }
  /// Takes what some blocks were merged to.
  void add(const Subtree& tree, State state);
  /// What can be merged of the states of blocks whose cells make a window, in the order of blocks; those whose first
  /// cell is in `tile` alone. `merged`: false leaves each by itself.
  [[nodiscard]] Merges merges(const Window& own, const Window& tile, bool merged) const;
  /// The numbers, once all blocks were added. A raster without blocks has the numbers of an empty state.
  [[nodiscard]] Found finish() const { return root_ ? numbers_of(root_) : numbers_of(begin()); }
  /// The definition: neighbours are merged, two by two in the order of blocks, until one is left.
  [[nodiscard]] Found finish(std::vector<State> states) const;

 private:
  void merge(State& into, const State& from) const;
  [[nodiscard]] Found numbers_of(const State& state) const;

  const Node& node_;
  const Grid& grid_;
  std::int64_t across_, blocks_;
  std::vector<double> summary_;
  fulmar_round round_{};
  std::mutex mutex_;
  std::map<std::pair<int, std::int64_t>, State> waiting_;  ///< by level of the tree and place on it
  State root_;
};

}  // namespace fulmar
