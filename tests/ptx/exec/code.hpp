// SPDX-License-Identifier: Apache-2.0
/// @file
/// A kernel decoded once, in the form in which it is run.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/module.hpp"

namespace fulmar::ptx {

struct Thread;
struct Instruction;
struct Code;
class Warp;

/// Runs one instruction for one thread; the next instruction, or null if the thread must wait or is done.
using Handler = const Instruction* (*)(Thread&, const Instruction*);
/// Runs one warp-wide instruction once all its lanes have come; `lanes` are those that take part.
using Collective = void (*)(Warp&, std::uint32_t lanes);

/// Every operand is a slot of the thread's register file. Constants, special registers and addresses of variables have
/// slots too, filled when a frame begins, so that a handler never asks what kind of operand it has.
struct Instruction {
  static constexpr std::uint32_t slot_true = 0;  ///< always 1: the guard of unguarded instructions
  static constexpr std::uint32_t slot_sink = 1;  ///< where results for `_` go

  Handler run = nullptr;
  std::uint32_t guard = slot_true;
  std::uint32_t guard_skips = 0;        ///< skipped if the guard has this value
  std::array<std::uint32_t, 6> slot{};  ///< results first, then sources, in the order of the text
  std::uint64_t offset = 0;             ///< of an address
  std::uint32_t key = 0;                ///< equal for warp instructions that may meet: opcode and qualifiers
  std::uint8_t lanes = 1;               ///< elements of a vector access
  std::uint8_t bytes = 0;               ///< of one element
  bool strong = false;                  ///< volatile, relaxed, acquire, release or atomic
  bool acquires = false;
  bool releases = false;
  bool read_only = false;  ///< ld.global.nc
  Space space = Space::generic;
  std::uint8_t mode = 0;  ///< what the family makes of it
  union {
    const Instruction* target = nullptr;  ///< of a branch
    const Code* callee;
    Collective collective;
  };
  const std::vector<const Instruction*>* table = nullptr;  ///< of brx.idx
  const std::vector<std::uint32_t>* arguments =
      nullptr;  ///< offsets in the caller's parameter space: results, arguments
  Origin origin;
};

/// Registers whose value a thread knows when a frame begins.
enum class Special : std::uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  lanemask_eq,
  lanemask_le,
  lanemask_lt,
  lanemask_ge,
  lanemask_gt,
  smid,
  nsmid,
  gridid,
  dynamic_shared,
  total_shared,
  local_base,    ///< this frame's part of local memory
  dynamic_base,  ///< where dynamic shared memory begins
};

struct ParameterSlot {
  std::uint32_t offset;
  std::uint32_t bytes;
};

struct Code {
  const Function* function = nullptr;
  std::vector<Instruction> instructions;  ///< not moved once decoded: branches point into it
  std::vector<std::uint64_t> image;       ///< first contents of the register file
  struct Filled {
    std::uint32_t slot;
    Special special;
    std::uint64_t plus;
  };
  std::vector<Filled> specials;
  std::uint32_t local_bytes = 0;  ///< with the guards between the variables
  std::vector<std::pair<std::uint32_t, std::uint32_t>> local_variables;
  std::uint32_t parameter_bytes = 0;  ///< of the frame's parameter space; a kernel's parameters come first
  std::vector<ParameterSlot> results, parameters;
  std::deque<std::vector<const Instruction*>> tables;
  std::deque<std::vector<std::uint32_t>> arguments;
};

/// An entry function with all that it calls, its shared memory laid out.
struct Kernel {
  const Module* module = nullptr;
  std::string name;
  std::map<std::string_view, Code> codes;  ///< by function
  const Code* entry = nullptr;
  std::vector<const Code*> callable;  ///< functions whose address is taken
  std::uint32_t shared_bytes = 0;     ///< as the compiler laid it out (what a launch is charged)
  std::uint32_t shared_span = 0;      ///< with the guards between the variables
  std::vector<std::pair<std::uint32_t, std::uint32_t>> shared_variables;  ///< begin and end of each
  std::vector<std::string> shared_names;
  std::map<std::string_view, std::uint32_t> shared_at;  ///< of variables of the module
  bool dynamic_shared = false;
  bool ordering = false;  ///< it has fences, acquire or release
};

}  // namespace fulmar::ptx
