// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "exec/launch.hpp"

namespace fulmar::ptx {

/// A module loaded on a device: its variables have memory, its kernels are decoded when first used.
class Program {
 public:
  /// Throws Unsupported.
  Program(Device& device, std::string text);

  const Module& module() const { return module_; }
  bool has(std::string_view kernel) const;
  const Kernel& kernel(std::string_view name);
  /// Device address of a variable; throws Fault for an unknown one.
  std::uint64_t address_of(std::string_view variable);

  /// Runs a kernel to its end; arguments point at the values, in the order of the parameters. Throws Fault.
  Traffic launch(std::string_view kernel, Dim grid, Dim block, std::span<const void* const> arguments,
                 std::uint32_t dynamic_shared = 0);

 private:
  Device& device_;
  Module module_;
  std::map<std::string_view, std::uint64_t> addresses_;
  std::map<std::string, std::unique_ptr<Kernel>, std::less<>> kernels_;
};

/// The parameters of a kernel as the bytes that it sees.
std::vector<std::byte> pack_parameters(const Kernel& kernel, std::span<const void* const> arguments);
/// The same for parameters packed before, so that they can wait.
Traffic run_packed(Device& device, const Kernel& kernel, Dim grid, Dim block, std::vector<std::byte> parameters,
                   std::uint32_t dynamic_shared, std::uint32_t work = 0);

}  // namespace fulmar::ptx
