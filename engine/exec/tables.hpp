// SPDX-License-Identifier: Apache-2.0
/// @file
/// The tables of a graph: read before the first pass, made by tabular operators after the last.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "plan/graph.hpp"

namespace fulmar {

/// Makes a tabular operator's table of others; null for an optional input that nothing flows into. `notes` takes what
/// the operator has to say. Errors: the operator's, and Errc::runtime where the table needs more than `most_bytes`.
FeatureTable tabulate(const Operator& op, const std::vector<std::byte>& params,
                      const std::vector<const FeatureTable*>& inputs, std::int64_t most_bytes,
                      std::vector<std::string>& notes);

/// What a table takes.
std::int64_t bytes_of(const FeatureTable& table);

/// Holds every table of a graph; together they stay within `most_bytes`.
class TableMaker {
 public:
  TableMaker(const Graph& graph, const Io& io, std::int64_t most_bytes)
      : graph_{graph}, io_{io}, most_bytes_{most_bytes}, own_(graph.tables.size()), found_(graph.tables.size()) {}

  /// Reads the files. Errors: Errc::input.
  void read();
  /// Makes a table, and those it is made of, once. `of_node` tells those of labelling and reducing nodes, which must
  /// live as long as this does; `stacked` those of several nodes, within so many bytes.
  const FeatureTable& make(int which, const std::function<const FeatureTable&(int node)>& of_node,
                           const std::function<FeatureTable(const Stacked&, std::int64_t most_bytes)>& stacked);
  /// What operators have said so far.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  [[nodiscard]] const FeatureTable& operator[](int which) const { return *found_[static_cast<std::size_t>(which)]; }
  /// The table where it was read or made here, for who needs it last; null where it is somebody else's.
  [[nodiscard]] FeatureTable* own(int which) {
    FeatureTable& own = own_[static_cast<std::size_t>(which)];
    return found_[static_cast<std::size_t>(which)] == &own ? &own : nullptr;
  }

 private:
  const Graph& graph_;
  const Io& io_;
  std::int64_t most_bytes_;
  std::vector<FeatureTable> own_;
  std::vector<std::shared_ptr<const FeatureTable>> at_hand_;
  std::vector<const FeatureTable*> found_;
  std::vector<std::string> notes_;
};

}  // namespace fulmar
