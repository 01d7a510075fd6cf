// SPDX-License-Identifier: Apache-2.0
/// @file
/// The last rows of a field that is made row by row, for a function that looks at several of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fulmar {

/// As many rows as begin() says, each with `beyond` columns more on both sides. Rows count from any number on, one
/// after the other; a new one takes the place of the oldest.
template <class T>
class KeptRows {
 public:
  void begin(std::int64_t rows, std::int64_t width, std::int64_t beyond) {
    rows_ = rows, stride_ = width + 2 * beyond, beyond_ = beyond;
    cells_.resize(static_cast<std::size_t>(rows_ * stride_));
  }
  /// The cell of column 0; columns from -beyond to width + beyond - 1 may be read and written.
  [[nodiscard]] T* row(std::int64_t y) {
    const std::int64_t place = (y % rows_ + rows_) % rows_;
    return cells_.data() + place * stride_ + beyond_;
  }

 private:
  std::int64_t rows_ = 0, stride_ = 0, beyond_ = 0;
  std::vector<T> cells_;
};

}  // namespace fulmar
