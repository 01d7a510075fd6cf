// SPDX-License-Identifier: Apache-2.0
/// @file
/// The two ways in which a run ends early.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace fulmar::ptx {

/// PTX that the interpreter does not know, found when it is loaded.
struct Unsupported : std::runtime_error {
  Unsupported(std::uint32_t at_line, const std::string& what) : std::runtime_error(what), line(at_line) {}
  std::uint32_t line;  ///< of the PTX text
};

/// What a kernel (or the program that launched it) did wrong.
enum class FaultKind : std::uint8_t {
  out_of_bounds,
  use_after_free,
  host_pointer,
  misaligned,
  uninitialised,
  race,
  divergent_barrier,
  warp_mask,
  deadlock,
  endless,
  arithmetic,
  trap,
  stream_order,
  misuse
};

const char* name_of(FaultKind kind);

struct Fault : std::runtime_error {
  Fault(FaultKind k, const std::string& report) : std::runtime_error(report), kind(k) {}
  FaultKind kind;
};

}  // namespace fulmar::ptx
