// SPDX-License-Identifier: Apache-2.0
/// @file
/// Who touched which bytes last: the memory of the race checks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace fulmar::ptx {

/// A thread of a launch: number of its block in the grid, and of the thread in the block (10 bits).
using ThreadId = std::uint32_t;

struct Touch {
  ThreadId thread = 0;
  std::uint32_t tick = 0;  ///< the launch's clock, which moves at every act of synchronisation; 0 = no touch
};

/// Shadow of one word, or of one byte where accesses are narrower than words.
struct Cell {
  Touch write;
  Touch read[2];  ///< of different threads: the second is the one before the last
  bool write_strong = false;
  bool read_strong[2] = {false, false};
};

/// Shadow of a range of addresses, page by page, made when first touched. A page begins with a cell a word; the first
/// narrower access gives it a cell a byte.
class Shadow {
 public:
  static constexpr std::uint64_t page_bytes = 4096;

  struct Page {
    std::uint64_t owner = 0;  ///< launch (or block) whose touches it holds
    unsigned shift = 2;       ///< bytes a cell, as a power of two
    std::vector<Cell> cells;
  };

  explicit Shadow(std::uint64_t span);
  ~Shadow();
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  /// The page with this offset, cleared if it is another owner's.
  Page& page(std::uint64_t offset, std::uint64_t owner) {
    Page*& p = pages_[offset / page_bytes];
    if (!p || p->owner != owner) clear(p, owner);
    return *p;
  }
  /// Makes the cells of a page as narrow as one byte.
  static void split(Page& page);

 private:
  void clear(Page*& page, std::uint64_t owner);

  std::vector<std::unique_ptr<Page>> made_;
  Page** pages_;  ///< from calloc: a large table costs what is used of it
};

}  // namespace fulmar::ptx
