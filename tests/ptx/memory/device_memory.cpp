// SPDX-License-Identifier: Apache-2.0
#include "memory/device_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace fulmar::ptx {
namespace {

template <class T>
T* reserve(std::uint64_t bytes, int protection) {
  void* p = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::runtime_error("the address space for device memory cannot be reserved");
  return static_cast<T*>(p);
}

/// Makes bytes zero, and gives whole pages back.
void forget(void* begin, std::uint64_t bytes) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin), end = at + bytes;
  const auto first = std::min((at + 4095) & ~std::uintptr_t{4095}, end),
             last = std::max(end & ~std::uintptr_t{4095}, first);
  std::memset(begin, 0, first - at);
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  std::memset(reinterpret_cast<void*>(last), 0, end - last);
}

}  // namespace

DeviceMemory::DeviceMemory(std::uint64_t capacity) : capacity_{capacity} {
  reserved_ = reserve<std::byte>(span, PROT_NONE);
  backing_ = reserve<std::byte>(span, PROT_READ | PROT_WRITE);
  initialised_ = reserve<std::uint8_t>(span, PROT_READ | PROT_WRITE);
  owners_ = reserve<std::uint32_t>(span / granule * sizeof(std::uint32_t), PROT_READ | PROT_WRITE);
  uses_ = reserve<Use>(span / granule * sizeof(Use), PROT_READ | PROT_WRITE);
  sectors_ = reserve<Sector>(span / sector_bytes * sizeof(Sector), PROT_READ | PROT_WRITE);
  base_ = reinterpret_cast<std::uint64_t>(reserved_);
}

DeviceMemory::~DeviceMemory() {
  munmap(reserved_, span);
  munmap(backing_, span);
  munmap(initialised_, span);
  munmap(owners_, span / granule * sizeof(std::uint32_t));
  munmap(sectors_, span / sector_bytes * sizeof(Sector));
  munmap(uses_, span / granule * sizeof(Use));
}

std::uint64_t DeviceMemory::allocate(std::uint64_t bytes, const std::string& what, bool counted) {
  const std::uint64_t taken = (bytes + granule - 1) / granule * granule;
  if (bytes == 0 || in_use_ + taken > capacity_) return 0;
  // A gap of at least one granule behind each allocation: what runs past the end meets nobody.
  const std::uint64_t room = taken + granule;
  if (next_ + room > span) {
    next_ = granule;
  }
  for (bool free = false; !free;) {
    free = true;
    for (auto it = by_begin_.lower_bound(next_); it != by_begin_.end() && it->first < next_ + room; ++it)
      if (const Allocation& a = allocations_[it->second]; a.live) {
        next_ = it->first + (a.bytes + granule - 1) / granule * granule + granule;
        free = false;
        if (next_ + room > span) return 0;
        break;
      }
  }
  const std::uint64_t begin = next_;
  next_ += room;
  by_begin_.erase(by_begin_.lower_bound(begin), by_begin_.lower_bound(begin + room));
  allocations_.push_back({base_ + begin, bytes, what, true, false});
  const auto id = static_cast<std::uint32_t>(allocations_.size());
  by_begin_[begin] = id - 1;
  std::fill_n(owners_ + begin / granule, taken / granule, id);
  std::fill_n(uses_ + begin / granule, taken / granule, Use{});
  // NaN, where no check catches it; large ones stay untouched, so that a pool costs what is used of it.
  if (taken <= std::uint64_t{16} << 20) std::fill_n(backing_ + begin, taken, std::byte{0xFF});
  if (counted) in_use_ += taken;
  highest_ = std::max(highest_, in_use_);
  return base_ + begin;
}

Allocation* DeviceMemory::allocation_at(std::uint64_t begin) {
  const auto it = by_begin_.find(begin - base_);
  return it == by_begin_.end() ? nullptr : &allocations_[it->second];
}

void DeviceMemory::release(std::uint64_t address) {
  Allocation& a = *allocation_at(address);
  a.live = false;
  const std::uint64_t taken = (a.bytes + granule - 1) / granule * granule;
  std::fill_n(owners_ + offset(a.begin) / granule, taken / granule, by_begin_[offset(address)] + 1);
  in_use_ -= taken;
  forget(bytes(a.begin), taken);
  forget(initialised(a.begin), taken);
}

void DeviceMemory::divide(std::uint64_t allocation, std::uint64_t from) {
  const Allocation& a = *allocation_at(allocation);
  const std::uint64_t taken = (a.begin + a.bytes - from + granule - 1) / granule * granule;
  std::fill_n(owners_ + offset(from) / granule, taken / granule, 0u);
  forget(initialised(from), taken);
}

bool DeviceMemory::add_part(std::uint64_t begin, std::uint64_t bytes, const std::string& what) {
  const Allocation* const whole = before(begin);
  if (offset(begin) % granule || !whole || !whole->live || begin + bytes > whole->begin + whole->bytes) return false;
  allocations_.push_back({begin, bytes, what, true, false});
  const std::uint64_t taken = (bytes + granule - 1) / granule * granule;
  std::fill_n(owners_ + offset(begin) / granule, taken / granule, static_cast<std::uint32_t>(allocations_.size()));
  std::fill_n(initialised_ + offset(begin), bytes, std::uint8_t{0});
  return true;
}

const Allocation* DeviceMemory::before(std::uint64_t address) const {
  auto it = by_begin_.upper_bound(address - base_);
  return it == by_begin_.begin() ? nullptr : &allocations_[std::prev(it)->second];
}

const Allocation* DeviceMemory::behind(std::uint64_t address) const {
  auto it = by_begin_.upper_bound(address - base_);
  return it == by_begin_.end() ? nullptr : &allocations_[it->second];
}

}  // namespace fulmar::ptx
