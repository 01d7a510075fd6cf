// SPDX-License-Identifier: Apache-2.0
/// @file
/// Reads the stored sources of one tile after another, each row decoded once: what the next tile needs again is copied.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "exec/block.hpp"

namespace fulmar {

/// Handles of one source, each used by one thread at a time.
class ReaderPool {
 public:
  /// `keep`: handles stay open until the run ends.
  ReaderPool(const RasterSource& source, bool keep) : source_{source}, keep_{keep} {}
  std::unique_ptr<RasterReader> take();
  void give(std::unique_ptr<RasterReader> reader);

 private:
  const RasterSource& source_;
  bool keep_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<RasterReader>> free_;
};

class StripReader {
 public:
  StripReader(const Graph& graph, const Plan& plan);
  /// Fills tile.sources from tile.memory. `before` is the tile above in the same column of tiles, or null; its memory
  /// must still be there. Called in tile order, one call at a time; decodes with all threads of the arena.
  void read(TileContext& tile, const TileContext* before);

 private:
  void decode(std::size_t use, const Window& fresh, const TileContext& tile);

  const Graph& graph_;
  const Plan& plan_;
  std::vector<std::unique_ptr<ReaderPool>> pools_;  ///< by Plan::sources
};

}  // namespace fulmar
