// SPDX-License-Identifier: Apache-2.0
/// @file
/// Kernels that are run under the interpreter's runtime: right ones, and the same ones with a bug planted.
#pragma once

#include <string>
#include <vector>

namespace fulmar::ptx::test {

struct Planted {
  const char* name;
  const char* report;  ///< a part of what must be reported
  void (*run)(bool planted);
};
/// Kernels, and host code of streams.
std::vector<Planted> planted_kernels();
std::vector<Planted> planted_streams();

/// A right program and its result; false if it is wrong.
struct Right {
  const char* name;
  bool (*run)();
};
std::vector<Right> right_kernels();
std::vector<Right> right_library();

/// The greatest of many by compare-and-swap; `again` says whether a failed swap is tried again, as it must be.
int greatest_by_swap(bool again);

}  // namespace fulmar::ptx::test
