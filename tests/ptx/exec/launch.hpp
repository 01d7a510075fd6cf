// SPDX-License-Identifier: Apache-2.0
/// @file
/// A kernel while it runs: the launch, its resident blocks, their warps and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/code.hpp"
#include "exec/fault.hpp"
#include "exec/order.hpp"
#include "memory/device_memory.hpp"
#include "memory/shadow.hpp"
#include "options.hpp"

namespace fulmar::ptx {

struct Dim {
  std::uint32_t x = 1, y = 1, z = 1;
  std::uint64_t count() const { return std::uint64_t{x} * y * z; }
};

struct Block;
struct Launch;

/// Bytes that a kernel's instructions moved.
struct Traffic {
  std::uint64_t instructions = 0;
  std::uint64_t load_bytes = 0;   ///< global, all ld of all threads
  std::uint64_t store_bytes = 0;  ///< global, all st
  std::uint64_t block_sector_bytes =
      0;  ///< global loads, each sector of 32 bytes once a block: what a first cache asks for
  std::uint64_t grid_sector_bytes = 0;  ///< the same once a launch: what a cache without end asks for
  std::uint64_t atomics = 0;            ///< atom and red on global memory
  std::uint64_t shared_bytes = 0;
  std::uint64_t local_bytes = 0;
};

enum class State : std::uint8_t { ready, in_warp, at_barrier, done };

struct Frame {
  const Code* code = nullptr;
  std::unique_ptr<std::uint64_t[]> own_registers;  ///< of a called function; the entry's lie in the block
  std::uint64_t* registers = nullptr;
  std::vector<std::byte> parameters;
  std::uint32_t local_begin = 0;
  const Instruction* call = nullptr;  ///< in the caller
};

struct Thread {
  std::uint64_t* r = nullptr;  ///< the current frame's registers
  const Instruction* pc = nullptr;
  Launch* launch = nullptr;
  Block* block = nullptr;
  std::int64_t budget = 0;  ///< instructions until the next switch
  ThreadId id = 0;
  std::uint32_t index = 0;
  std::uint32_t lane = 0;
  State state = State::ready;
  bool carry = false;               ///< the condition code
  bool vote = false;                ///< brought to a bar.red
  std::uint32_t mask = 0;           ///< of the warp instruction waited in; 0: activemask
  std::uint32_t barrier = 0;        ///< waited at
  std::uint32_t barrier_count = 0;  ///< threads it is for; 0 = the block
  std::uint32_t group = 0;          ///< last barrier for a part of the block, and when
  std::uint32_t group_tick = 0;
  std::vector<Frame> frames;
  std::vector<std::byte> local;
  std::vector<std::uint8_t> local_initialised;
  /// Acquired; seen but not yet acquired by a fence; as of the last fence.
  Knowledge::Pointer acquired, pending, published;
};

class Warp {
 public:
  Block* block = nullptr;
  std::uint32_t first = 0;  ///< thread
  std::uint32_t lanes = 0;  ///< that exist
  std::uint32_t exited = 0;
  std::uint32_t waiting = 0;  ///< in a warp instruction
  std::uint32_t at_barrier = 0;
  std::uint32_t sync_tick = 0;  ///< when all lanes last met in bar.warp.sync
  /// [lane][lane]: when the two last met, for masks that leave lanes out.
  std::unique_ptr<std::uint32_t[]> met;

  Thread& thread(unsigned lane) const;
};

struct Block {
  Launch* launch = nullptr;
  std::uint32_t number = 0;
  Dim at;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<std::uint64_t> registers;
  std::vector<std::byte> shared;
  /// 0 not written, 1 written, 2 between variables.
  std::vector<std::uint8_t> shared_initialised;
  std::uint32_t shared_bytes = 0;
  std::unique_ptr<Shadow> shadow;
  std::uint32_t live = 0;
  std::uint32_t ready = 0;
  std::uint32_t barrier_tick = 0;  ///< when all its threads last met
  std::uint32_t arrived[16] = {};
  Knowledge::Pointer acquired;
};

/// What launches share.
struct Device {
  explicit Device(const Options& o)
      : options(o), memory(o.memory << 20), shadow(std::make_unique<Shadow>(DeviceMemory::span)) {}
  Options options;
  DeviceMemory memory;
  std::unique_ptr<Shadow> shadow;  ///< of global memory
  std::uint64_t launches = 0;
  /// Names a host pointer for reports, and gives its memory if kernels may use it; set by the runtime.
  std::byte* (*pinned)(std::uint64_t address, std::uint64_t bytes) = nullptr;
  /// What is wrong, by the order of streams, with this work touching a granule; set by the runtime.
  std::string (*disordered)(std::uint64_t address, bool writes) = nullptr;
};

struct Launch {
  Device* device = nullptr;
  const Kernel* kernel = nullptr;
  Dim grid, block;
  std::vector<std::byte> parameters;
  std::uint32_t dynamic_shared = 0;
  std::uint64_t number = 0;
  std::uint32_t tick = 1;
  std::uint64_t random = 1;
  bool shared_races = true;
  bool global_races = true;
  int initialised = 2;
  std::uint32_t work = 0;       ///< number in the runtime's queues; 0: it is alone
  bool ordering = false;        ///< the kernel has fences, acquire or release
  bool relaxed_orders = false;  ///< relaxed accesses publish and acquire: for libraries that rely on it
  Traffic traffic;
  std::unordered_map<std::uint64_t, Knowledge::Pointer> releases;  ///< by address

  std::uint32_t draw(std::uint32_t below) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return static_cast<std::uint32_t>((random >> 32) * below >> 32);
  }
  std::uint32_t advance() { return ++tick; }
};

inline Thread& Warp::thread(unsigned lane) const { return block->threads[first + lane]; }

/// Runs a launch to its end. Throws Fault.
void run(Launch& launch);

/// A fault of a thread at an instruction, with kernel, block, thread, PTX line and source line in the report.
[[noreturn]] void fail(const Thread& t, const Instruction* i, FaultKind kind, const std::string& what);
/// "block (1,0,0) thread 7"
std::string describe(const Launch& launch, ThreadId id);

/// Fills the registers of a frame that begins.
void begin_frame(Thread& t, const Code& code, std::uint64_t* registers, std::uint32_t local_begin);

}  // namespace fulmar::ptx
