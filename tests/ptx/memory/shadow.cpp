// SPDX-License-Identifier: Apache-2.0
#include "memory/shadow.hpp"

#include <cstdlib>
#include <new>

namespace fulmar::ptx {

Shadow::Shadow(std::uint64_t span) : pages_{static_cast<Page**>(std::calloc(span / page_bytes + 1, sizeof(Page*)))} {
  if (!pages_) throw std::bad_alloc();
}

Shadow::~Shadow() { std::free(pages_); }

void Shadow::clear(Page*& page, std::uint64_t owner) {
  if (!page) page = made_.emplace_back(std::make_unique<Page>()).get();
  page->owner = owner;
  page->cells.assign(page_bytes >> page->shift, Cell{});
}

void Shadow::split(Page& page) {
  std::vector<Cell> narrow(page_bytes);
  for (std::size_t i = 0; i < page_bytes; ++i) narrow[i] = page.cells[i >> page.shift];
  page.cells = std::move(narrow);
  page.shift = 0;
}

}  // namespace fulmar::ptx
