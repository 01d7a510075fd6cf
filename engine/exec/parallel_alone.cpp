// SPDX-License-Identifier: Apache-2.0
#include <deque>

#include "exec/parallel.hpp"

namespace fulmar::parallel {

void pipeline(int, int tokens, const std::function<void*()>& first, const std::function<void(void*)>& middle,
              const std::function<void(void*)>& last) {
  // Tiles stay in hand as long as they may: a card works on those behind while the next one is read.
  std::deque<void*> in_hand;
  for (;;) {
    if (static_cast<int>(in_hand.size()) >= tokens) {
      last(in_hand.front());
      in_hand.pop_front();
    }
    void* made = first();
    if (made == nullptr) break;
    middle(made);
    in_hand.push_back(made);
  }
  for (void* it : in_hand) last(it);
}

void each(std::size_t count, const std::function<void(std::size_t)>& use) {
  for (std::size_t i = 0; i < count; ++i) use(i);
}

std::size_t this_thread() { return 0; }

}  // namespace fulmar::parallel
