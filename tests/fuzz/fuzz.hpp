// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the fuzz targets share. A target is one file with the entry point that libFuzzer calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fulmar::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program where something does not hold that must hold for any input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Runs what may refuse its input: by Error with a message, and in no other way. True where it did not refuse.
template <class F>
bool accepted(F&& work) {
  try {
    work();
    return true;
  } catch (const Error& error) {
    require(!error.message().empty(), "an error says what is wrong");
    return false;
  }
}

}  // namespace fulmar::fuzz
