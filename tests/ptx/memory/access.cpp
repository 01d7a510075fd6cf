// SPDX-License-Identifier: Apache-2.0
#include "memory/access.hpp"

#include <algorithm>
#include <cstring>

#include "exec/windows.hpp"

namespace fulmar::ptx {
namespace {

std::string hex(std::uint64_t v) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
  return text;
}

const char* verb(Access kind) {
  return kind == Access::read ? "read" : kind == Access::write ? "write" : "atomic access";
}

std::string what_of(Access kind, std::uint32_t bytes, Space space, std::uint64_t address) {
  return std::string(verb(kind)) + " of " + std::to_string(bytes) + " bytes of " + std::string(name_of(space)) +
         " memory at " + hex(address);
}

void check_alignment(Thread& t, const Instruction* i, Space space, std::uint64_t address, std::uint32_t bytes,
                     Access kind) {
  if (address & (bytes - 1))
    fail(t, i, FaultKind::misaligned,
         "misaligned " + what_of(kind, bytes, space, address) + ": not a multiple of " + std::to_string(bytes));
}

/// Checks the flags of initialised bytes; `element` bytes belong together.
bool all_written(const std::uint8_t* flags, std::uint32_t bytes, std::uint32_t element, int strict) {
  if (bytes == 4) {
    std::uint32_t word;
    std::memcpy(&word, flags, 4);
    if (word == 0x01010101u) return true;
  } else if (bytes == 8) {
    std::uint64_t word;
    std::memcpy(&word, flags, 8);
    if (word == 0x0101010101010101u) return true;
  }
  if (strict >= 2) return std::find(flags, flags + bytes, 0) == flags + bytes;
  for (std::uint32_t k = 0; k < bytes; k += element)
    if (std::find(flags + k, flags + k + element, 1) == flags + k + element) return false;
  return true;
}

[[noreturn]] void fail_race(Thread& t, const Instruction* i, Space space, std::uint64_t address, Access kind,
                            Touch other, bool other_writes) {
  const bool same_block = (other.thread ^ t.id) >> 10 == 0;
  fail(t, i, FaultKind::race,
       std::string("race in ") + std::string(name_of(space)) + " memory at " + hex(address) + ": " + verb(kind) +
           ", and " + describe(*t.launch, other.thread) + (other_writes ? " wrote" : " read") + " it; " +
           (same_block ? "no barrier lies between" : "nothing orders the two blocks"));
}

void check_races(Thread& t, const Instruction* i, Shadow& shadow, Space space, std::uint64_t owner,
                 std::uint64_t offset, std::uint32_t bytes, Access kind, std::uint64_t address) {
  Shadow::Page& page = shadow.page(offset, owner);
  if (page.shift && ((offset | bytes) & 3)) Shadow::split(page);
  const bool strong = i->strong;
  const std::uint32_t now = t.launch->tick;
  Cell* cell = &page.cells[(offset % Shadow::page_bytes) >> page.shift];
  for (Cell* const end = cell + (bytes >> page.shift); cell != end; ++cell) {
    Touch& w = cell->write;
    if (w.tick && w.thread != t.id && !(strong && cell->write_strong) && !ordered(t, w))
      fail_race(t, i, space, address, kind, w, true);
    if (kind != Access::read) {
      for (int k = 0; k < 2; ++k)
        if (const Touch r = cell->read[k];
            r.tick && r.thread != t.id && !(strong && cell->read_strong[k]) && !ordered(t, r))
          fail_race(t, i, space, address, kind, r, false);
      w = {t.id, now};
      cell->write_strong = strong;
      cell->read[0].tick = cell->read[1].tick = 0;
    } else {
      if (i->read_only && w.tick)
        fail(t, i, FaultKind::race,
             "ld.global.nc at " + hex(address) + " of memory that this kernel writes (" +
                 describe(*t.launch, w.thread) + " did)");
      if (cell->read[0].tick && cell->read[0].thread != t.id) {
        cell->read[1] = cell->read[0];
        cell->read_strong[1] = cell->read_strong[0];
        cell->read_strong[0] = strong;
      } else {
        cell->read_strong[0] = strong && (cell->read_strong[0] || !cell->read[0].tick);
      }
      cell->read[0] = {t.id, now};
    }
  }
}

/// Counts the sectors of a load. Two blocks a sector are remembered: where more share one at a time, a few count twice.
void count_sectors(Launch& launch, const DeviceMemory& memory, std::uint64_t address, std::uint32_t bytes,
                   std::uint32_t block) {
  const std::uint64_t size = DeviceMemory::sector_bytes;
  for (std::uint64_t a = address / size * size; a < address + bytes; a += size) {
    Sector& s = memory.sector(a);
    if (s.launch != launch.number) {
      s = {launch.number, {block + 1, 0}};
      launch.traffic.grid_sector_bytes += size;
      launch.traffic.block_sector_bytes += size;
    } else if (s.blocks[0] != block + 1 && s.blocks[1] != block + 1) {
      s.blocks[1] = s.blocks[0];
      s.blocks[0] = block + 1;
      launch.traffic.block_sector_bytes += size;
    }
  }
}

[[noreturn]] void fail_address(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind,
                               const Allocation* a) {
  const DeviceMemory& memory = t.launch->device->memory;
  const std::string what = what_of(kind, bytes, Space::global, address);
  if (!memory.contains(address) && address >= 4096 && !(address & window::mask) && address < (std::uint64_t{1} << 47))
    fail(t, i, FaultKind::host_pointer, "host pointer: " + what + ", which is no device memory");
  if (a && !a->live && address < a->begin + a->bytes)
    fail(t, i, FaultKind::use_after_free,
         what + ": freed memory (" + a->what + ", " + std::to_string(a->bytes) + " bytes)");
  if (!a && memory.contains(address)) {
    const Allocation* const next = memory.behind(address);
    a = memory.before(address);
    // Whichever is nearer.
    if (next && (!a || next->begin - address < address - (a->begin + a->bytes)))
      fail(t, i, FaultKind::out_of_bounds,
           what + ": out of bounds, " + std::to_string(next->begin - address) + " bytes before " + next->what + " (" +
               std::to_string(next->bytes) + " bytes" + (next->live ? ")" : ", freed)"));
  }
  if (!a) fail(t, i, FaultKind::out_of_bounds, what + ": out of bounds, in no allocation");
  const std::uint64_t end = a->begin + a->bytes;
  if (a->live && address >= a->begin && address + bytes <= end)
    fail(t, i, FaultKind::out_of_bounds, what + ": out of bounds, in no part of " + a->what);
  fail(t, i, FaultKind::out_of_bounds,
       what + ": out of bounds, " +
           (address < end ? "beginning " + std::to_string(end - address) + " bytes before"
                          : std::to_string(address - end) + " bytes behind") +
           " the end of " + a->what + " (" + std::to_string(a->bytes) + " bytes" + (a->live ? ")" : ", freed)"));
}

}  // namespace

std::byte* access_global(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind) {
  Launch& launch = *t.launch;
  Device& device = *launch.device;
  check_alignment(t, i, Space::global, address, bytes, kind);
  Allocation* const a = device.memory.find(address);
  if (!a || !a->live || address + bytes > a->begin + a->bytes) {
    if (device.pinned && !device.memory.contains(address))
      if (std::byte* const host = device.pinned(address, bytes)) {
        if (device.options.zero_copy) return host;
        fail(t, i, FaultKind::host_pointer,
             "host pointer: " + what_of(kind, bytes, Space::global, address) +
                 ", which is pinned host memory (FULMAR_PTX_ZERO_COPY=1 allows it)");
      }
    fail_address(t, i, address, bytes, kind, a);
  }
  if (a->constant && kind != Access::read)
    fail(t, i, FaultKind::out_of_bounds,
         what_of(kind, bytes, Space::constant, address) + ": constant memory (" + a->what + ")");
  switch (kind) {
    case Access::read:
      launch.traffic.load_bytes += bytes;
      count_sectors(launch, device.memory, address, bytes, t.block->number);
      break;
    case Access::write:
      launch.traffic.store_bytes += bytes;
      break;
    case Access::atomic:
      ++launch.traffic.atomics;
      break;
  }
  std::uint8_t* const written = device.memory.initialised(address);
  if (kind != Access::write) {
    if (launch.initialised && !all_written(written, bytes, i->bytes, launch.initialised))
      fail(t, i, FaultKind::uninitialised,
           what_of(kind, bytes, Space::global, address) + ": never written, " + std::to_string(address - a->begin) +
               " bytes into " + a->what);
  } else {
    std::memset(written, 1, bytes);
  }
  if (launch.work) {
    const Use& use = device.memory.use(address);
    const bool writes = kind != Access::read;
    if (use.write != launch.work && (writes || use.read[0] != launch.work))
      if (const std::string wrong = device.disordered(address, writes); !wrong.empty())
        fail(t, i, FaultKind::stream_order,
             what_of(kind, bytes, Space::global, address) + " (" + a->what + "): " + wrong);
  }
  if (launch.global_races && !a->constant)
    check_races(t, i, *device.shadow, Space::global, launch.number, device.memory.offset(address), bytes, kind,
                address);
  if (i->strong) strong_access(t, i, address, kind != Access::write, kind != Access::read);
  return device.memory.bytes(address);
}

std::byte* access_shared(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind) {
  Launch& launch = *t.launch;
  Block& block = *t.block;
  address = static_cast<std::uint32_t>(address);
  check_alignment(t, i, Space::shared, address, bytes, kind);
  if (address + bytes > block.shared_bytes || block.shared_initialised[address] == 2 ||
      block.shared_initialised[address + bytes - 1] == 2) {
    std::string near = ": out of bounds, the block has none";
    const auto& variables = launch.kernel->shared_variables;
    for (std::size_t k = 0; k < variables.size(); ++k)
      if (variables[k].first <= address)
        near =
            ": out of bounds, " +
            (address < variables[k].second ? std::string("across the end")
                                           : std::to_string(address - variables[k].second) + " bytes behind the end") +
            " of " + launch.kernel->shared_names[k] + " (" + std::to_string(variables[k].second - variables[k].first) +
            " bytes)";
    if (launch.dynamic_shared && address >= launch.kernel->shared_span)
      near = ": out of bounds, the launch has " + std::to_string(launch.dynamic_shared) +
             " bytes of dynamic shared memory";
    fail(t, i, FaultKind::out_of_bounds, what_of(kind, bytes, Space::shared, address) + near);
  }
  launch.traffic.shared_bytes += bytes;
  std::uint8_t* const written = &block.shared_initialised[address];
  if (kind != Access::write) {
    if (launch.initialised && !all_written(written, bytes, i->bytes, launch.initialised))
      fail(t, i, FaultKind::uninitialised,
           what_of(kind, bytes, Space::shared, address) + ": not written by this block");
  } else {
    std::memset(written, 1, bytes);
  }
  if (launch.shared_races)
    check_races(t, i, *block.shadow, Space::shared, launch.number << 32 | block.number, address, bytes, kind, address);
  // The block is part of the name of what is released: its shared memory is its own.
  if (i->strong)
    strong_access(t, i, window::shared | std::uint64_t{block.number} << 24 | address, kind != Access::write,
                  kind != Access::read);
  return &block.shared[address];
}

std::byte* access_local(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind) {
  check_alignment(t, i, Space::local, address, bytes, kind);
  if (address + bytes > t.local.size() || address + bytes < address)
    fail(t, i, FaultKind::out_of_bounds,
         what_of(kind, bytes, Space::local, address) + ": out of bounds, the frame has " +
             std::to_string(t.local.size()) + " bytes");
  t.launch->traffic.local_bytes += bytes;
  std::uint8_t* const written = &t.local_initialised[address];
  if (*written == 2 || written[bytes - 1] == 2)
    fail(t, i, FaultKind::out_of_bounds,
         what_of(kind, bytes, Space::local, address) + ": out of bounds, between two variables");
  if (kind == Access::write)
    std::memset(written, 1, bytes);
  else if (t.launch->initialised && !all_written(written, bytes, i->bytes, 1))
    fail(t, i, FaultKind::uninitialised, what_of(kind, bytes, Space::local, address) + ": never written");
  return &t.local[address];
}

std::byte* access_param(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind) {
  check_alignment(t, i, Space::param, address, bytes, kind);
  // The kernel's parameters lie before those of the calls that it makes.
  auto& given = t.launch->parameters;
  if (t.frames.size() == 1) {
    if (address + bytes <= given.size()) {
      if (kind != Access::read)
        fail(t, i, FaultKind::out_of_bounds,
             what_of(kind, bytes, Space::param, address) + ": a kernel's parameters are constant");
      return &given[address];
    }
    address -= std::min<std::uint64_t>(address, given.size());
  }
  auto& own = t.frames.back().parameters;
  if (address + bytes > own.size() || address + bytes < address)
    fail(t, i, FaultKind::out_of_bounds, what_of(kind, bytes, Space::param, address) + ": out of bounds");
  return &own[address];
}

std::byte* access_generic(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind) {
  switch (address & window::mask) {
    case window::shared:
      return access_shared(t, i, address - window::shared, bytes, kind);
    case window::local:
      return access_local(t, i, address - window::local, bytes, kind);
    case window::param:
      return access_param(t, i, address - window::param, bytes, kind);
    default:
      return access_global(t, i, address, bytes, kind);
  }
}

}  // namespace fulmar::ptx
