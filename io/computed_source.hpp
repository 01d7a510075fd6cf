// SPDX-License-Identifier: Apache-2.0
/// @file
/// What all sources that compute their cells have in common.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// One band on a given grid, computed where it is asked for. Blocks are as large as an operator's usual request.
class ComputedSource : public RasterSource {
 public:
  ComputedSource(std::string name, Grid grid, StoredBand band)
      : name_{std::move(name)}, grid_{std::move(grid)}, bands_{std::move(band)} {}

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, 512, 256}; }
  [[nodiscard]] bool computed() const override { return true; }
  [[nodiscard]] bool looks_negative(int) const override { return false; }

 private:
  std::string name_;
  Grid grid_;
  std::vector<StoredBand> bands_;
};

}  // namespace fulmar
