// SPDX-License-Identifier: Apache-2.0
/// @file
/// The door through which every load, store and atomic goes: bounds, alignment, life, initialisation, races, counts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "exec/launch.hpp"

namespace fulmar::ptx {

enum class Access : std::uint8_t { read, write, atomic };

/// The memory behind an address of a space, checked for `bytes` (all elements of the instruction).
std::byte* access_global(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind);
std::byte* access_shared(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind);
std::byte* access_local(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind);
std::byte* access_param(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind);
/// By the window in which the address lies.
std::byte* access_generic(Thread& t, const Instruction* i, std::uint64_t address, std::uint32_t bytes, Access kind);

}  // namespace fulmar::ptx
