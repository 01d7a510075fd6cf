// SPDX-License-Identifier: Apache-2.0
#include "exec/reduce.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/error.hpp"
#include "exec/block.hpp"

namespace fulmar {

Reduction::Reduction(const Node& node, const Grid& grid, const std::vector<double>& summary)
    : node_{node},
      grid_{grid},
      across_{(grid.width + block_width - 1) / block_width},
      blocks_{across_ * ((grid.height + block_height - 1) / block_height)},
      summary_{summary} {
  round_.size = sizeof round_;
  round_.index = static_cast<std::uint32_t>(node.round);
  round_.inputs = static_cast<std::uint32_t>(
      std::count_if(node.inputs.begin(), node.inputs.end(), [](const Edge& e) { return e.connected(); }));
  round_.summary = summary_.empty() ? nullptr : summary_.data();
  round_.summary_count = summary_.size();
  round_.width = grid.width;
  round_.height = grid.height;
}

Reduction::State Reduction::begin() const {
  // Memory of new[] is aligned for every type that asks for no more than the default.
  State state{new std::byte[static_cast<std::size_t>(state_bytes(node_, grid_))]};
  node_.op->guard([&] { node_.op->table().begin(node_.params.data(), &round_, state.get()); });
  return state;
}

void Reduction::merge(State& into, const State& from) const {
  node_.op->guard([&] { node_.op->table().merge(node_.params.data(), &round_, into.get(), from.get()); });
}

void Reduction::step(State& state, const fulmar_call& call, const Window& window) const {
  call_operator(node_, window, [&](fulmar_error* error) {
    return node_.op->table().step(node_.params.data(), &round_, &call, state.get(), error);
  });
}

std::int64_t Reduction::block_of(const Window& block) const {
  return block.y / block_height * across_ + block.x / block_width;
}

void Reduction::add(const Subtree& tree, State state) {
  const std::lock_guard lock{mutex_};
  std::int64_t count = blocks_, at = tree.index;
  int level = 0;
  for (; level < tree.level; ++level) count = (count + 1) / 2;
  for (; count > 1; ++level, at /= 2, count = (count + 1) / 2) {
    const std::int64_t beside = at ^ 1;
    if (beside >= count) continue;  // the last one, without a neighbour, moves up as it is
    const auto other = waiting_.find({level, beside});
    if (other == waiting_.end()) {
      waiting_.emplace(std::pair{level, at}, std::move(state));
      return;
    }
    State& left = beside < at ? other->second : state;
    State& right = beside < at ? state : other->second;
    merge(left, right);
    State merged = std::move(left);
    waiting_.erase(other);
    state = std::move(merged);
  }
  root_ = std::move(state);
}

Merges Reduction::merges(const Window& own, const Window& tile, bool merged) const {
  Merges found;
  std::vector<Subtree> trees;
  std::uint32_t place = 0;
  for (std::int64_t y = own.y; y < own.bottom(); y += block_height)
    for (std::int64_t x = own.x; x < own.right(); x += block_width, ++place)
      if (tile.contains(x, y)) trees.push_back({0, block_of({x, y, 1, 1}), place});
  // Blocks in raster order are in the tree's order, with gaps between the rows of a tile that is not as wide as the
  // raster.
  for (std::int64_t count = blocks_; merged && count > 1; count = (count + 1) / 2) {
    std::vector<Subtree> above;
    auto& pairs = found.levels.emplace_back();
    for (std::size_t i = 0; i < trees.size(); ++i) {
      const Subtree& t = trees[i];
      const std::int64_t beside = t.index ^ 1;
      if (beside < count) {
        if (beside < t.index || i + 1 == trees.size() || trees[i + 1].index != beside) {
          found.left.push_back(t);  // its neighbour is another tile's
          continue;
        }
        pairs.emplace_back(t.place, trees[++i].place);
      }
      above.push_back({t.level + 1, t.index / 2, t.place});
    }
    trees = std::move(above);
  }
  found.left.insert(found.left.end(), trees.begin(), trees.end());
  return found;
}

Found Reduction::finish(std::vector<State> states) const {
  while (states.size() > 1) {
    std::vector<State> next;
    for (std::size_t i = 0; i < states.size(); i += 2) {
      if (i + 1 < states.size()) merge(states[i], states[i + 1]);
      next.push_back(std::move(states[i]));
    }
    states = std::move(next);
  }
  return states.empty() ? numbers_of(begin()) : numbers_of(states.front());
}

Found Reduction::numbers_of(const State& state) const {
  const auto& table = node_.op->table();
  fulmar_error error{};
  constexpr auto failed = std::numeric_limits<std::uint64_t>::max();
  constexpr auto most_numbers = std::uint64_t{1} << 32;
  const auto finish = [&](double* numbers) {
    return node_.op->guard([&] { return table.finish(node_.params.data(), &round_, state.get(), numbers, &error); });
  };
  const auto most = finish(nullptr);
  if (most != failed && most > most_numbers)
    fail(Errc::usage, "operator " + node_.op->name() + " of plugin " + node_.op->plugin() + " wants to hand on " +
                          std::to_string(most) + " numbers: its plugin is broken");
  std::vector<double> numbers(most == failed ? 0 : static_cast<std::size_t>(most));
  const auto count = most == failed ? failed : finish(numbers.data());
  if (count == failed || count > numbers.size())
    throw error_of(error).within("operator " + node_.op->name() + " of plugin " + node_.op->plugin());
  numbers.resize(static_cast<std::size_t>(count));
  return {std::move(numbers), std::string{error.message, strnlen(error.message, sizeof error.message)}};
}

}  // namespace fulmar
