// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory for cells: aligned, in huge pages where the system has them, allocated before the first tile and counted.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "core/error.hpp"

namespace fulmar {

/// Bytes of one run's buffers. A buffer lives until its pool does. One thread at a time.
class Pool {
 public:
  explicit Pool(std::int64_t limit) : limit_{limit} {}

  std::byte* take(std::int64_t bytes) {
    bytes = std::max<std::int64_t>(64, (bytes + 63) / 64 * 64);
    if (held_ + bytes > limit_)
      fail(Errc::runtime, "the run needs " + std::to_string(held_ + bytes) + " bytes where the plan promised " +
                              std::to_string(limit_));
    constexpr std::int64_t huge = std::int64_t{2} << 20;
    const std::int64_t alignment = bytes >= huge ? huge : 64;
    const auto rounded = static_cast<std::size_t>((bytes + alignment - 1) / alignment * alignment);
    void* memory = std::aligned_alloc(static_cast<std::size_t>(alignment), rounded);
    if (memory == nullptr) throw std::bad_alloc{};
    if (bytes >= huge) madvise(memory, rounded, MADV_HUGEPAGE);  // advice: where it is refused, pages stay small
    buffers_.emplace_back(memory);
    held_ += bytes;
    return static_cast<std::byte*>(memory);
  }
  [[nodiscard]] std::int64_t held() const { return held_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::vector<std::unique_ptr<void, Free>> buffers_;
  std::int64_t limit_, held_ = 0;
};

/// Hands out pieces of one buffer, all taken back at once: the scratch of one thread for one block.
class Arena {
 public:
  Arena() = default;
  Arena(std::byte* memory, std::int64_t bytes) : memory_{memory}, size_{bytes} {}

  template <class T>
  T* take(std::int64_t count) {
    const std::int64_t bytes = (count * static_cast<std::int64_t>(sizeof(T)) + 63) / 64 * 64;
    if (used_ + bytes > size_) fail(Errc::runtime, "the plan set too little scratch memory aside");
    auto* piece = reinterpret_cast<T*>(memory_ + used_);
    used_ += bytes;
    return piece;
  }
  void clear() { used_ = 0; }

 private:
  std::byte* memory_ = nullptr;
  std::int64_t size_ = 0, used_ = 0;
};

}  // namespace fulmar
