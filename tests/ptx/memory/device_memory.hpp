// SPDX-License-Identifier: Apache-2.0
/// @file
/// The device's memory: allocations, what of them is initialised, and a shadow for races.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace fulmar::ptx {

struct Allocation {
  std::uint64_t begin = 0;  ///< device address
  std::uint64_t bytes = 0;
  std::string what;  ///< for reports: "cudaMalloc #3", a variable's name
  bool live = false;
  bool constant = false;
};

/// The work that touched a granule of memory last, by its number in the runtime's queues (0: none).
struct Use {
  std::uint32_t write = 0;
  std::uint32_t read[2] = {0, 0};
};

/// Who loaded a sector of 32 bytes last: a launch, and two of its blocks (1 + number).
struct Sector {
  std::uint64_t launch = 0;
  std::uint32_t blocks[2] = {0, 0};
};

/// Device addresses are an address range that the host cannot touch (a host that follows a device pointer crashes, as
/// it would with a card); the bytes lie elsewhere. An address is not given out twice while there is room, so that use
/// after free is seen.
class DeviceMemory {
 public:
  explicit DeviceMemory(std::uint64_t capacity);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// 0 if the device has not that much left. Variables of modules are not counted: a card has them outside the pools
  /// that a program takes from, for as long as the module is loaded.
  std::uint64_t allocate(std::uint64_t bytes, const std::string& what, bool counted = true);
  void release(std::uint64_t address);
  /// The allocation that begins there, parts or no parts.
  Allocation* allocation_at(std::uint64_t begin);
  /// An allocation that a program divides itself: from now on only its parts may be used, and from `from` on none is
  /// there yet.
  void divide(std::uint64_t allocation, std::uint64_t from);
  /// A part of it, not written yet. False if it does not begin at a multiple of 256 bytes in a divided allocation.
  bool add_part(std::uint64_t begin, std::uint64_t bytes, const std::string& what);

  bool contains(std::uint64_t address) const { return address - base_ < span; }
  /// The allocation to which the address belongs or last belonged; null in between. Contains `address` itself.
  Allocation* find(std::uint64_t address) {
    const std::uint64_t offset = address - base_;
    if (offset >= span) return nullptr;
    const std::uint32_t id = owners_[offset / granule];
    return id ? &allocations_[id - 1] : nullptr;
  }
  /// The allocation nearest before an address, for reports.
  const Allocation* before(std::uint64_t address) const;
  const Allocation* behind(std::uint64_t address) const;
  std::byte* bytes(std::uint64_t address) const { return backing_ + (address - base_); }
  /// One byte for each: 1 = written.
  std::uint8_t* initialised(std::uint64_t address) const { return initialised_ + (address - base_); }
  Use& use(std::uint64_t address) const { return uses_[(address - base_) / granule]; }
  Sector& sector(std::uint64_t address) const { return sectors_[(address - base_) / sector_bytes]; }
  std::uint64_t offset(std::uint64_t address) const { return address - base_; }
  std::uint64_t address(std::uint64_t offset) const { return base_ + offset; }

  std::uint64_t in_use() const { return in_use_; }
  std::uint64_t highest() const { return highest_; }
  void reset_highest() { highest_ = in_use_; }
  std::uint64_t capacity() const { return capacity_; }
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }

  static constexpr std::uint64_t span = std::uint64_t{1} << 36;
  static constexpr std::uint64_t granule = 256;
  static constexpr std::uint64_t sector_bytes = 32;

 private:
  std::uint64_t base_ = 0;
  std::byte* reserved_ = nullptr;
  std::byte* backing_ = nullptr;
  std::uint8_t* initialised_ = nullptr;
  std::uint32_t* owners_ = nullptr;
  Use* uses_ = nullptr;
  Sector* sectors_ = nullptr;
  std::deque<Allocation> allocations_;
  std::map<std::uint64_t, std::uint32_t> by_begin_;  ///< live ones, and dead ones not yet overwritten
  std::uint64_t next_ = granule;
  std::uint64_t capacity_;
  std::uint64_t in_use_ = 0;
  std::uint64_t highest_ = 0;
};

}  // namespace fulmar::ptx
