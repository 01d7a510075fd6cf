// SPDX-License-Identifier: Apache-2.0
/// @file
/// The cards of this machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/device.hpp"

namespace fulmar::cuda {

/// What there is, or why there is nothing.
struct Found {
  std::vector<DeviceFacts> devices;
  std::string trouble;  ///< empty where there is a device
};
Found devices();

/// The CUDA that the program was built with: 1000 major + 10 minor.
int runtime_version();

/// Errors: Errc::device where there is no such card, with what is missing.
std::unique_ptr<Device> open(int number);

}  // namespace fulmar::cuda
