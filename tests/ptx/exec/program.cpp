// SPDX-License-Identifier: Apache-2.0
#include "exec/program.hpp"

#include <algorithm>
#include <cstring>

#include "exec/decoder.hpp"
#include "text/parser.hpp"

namespace fulmar::ptx {

Program::Program(Device& device, std::string text) : device_{device}, module_{parse_module(std::move(text))} {
  for (const auto& [name, v] : module_.variables) {
    if ((v.space != Space::global && v.space != Space::constant) || v.external) continue;
    const std::uint64_t at = device_.memory.allocate(std::max<std::uint64_t>(v.bytes, 1), std::string(name), false);
    if (!at) throw Fault(FaultKind::misuse, "no device memory for variable '" + std::string(name) + "'");
    std::memset(device_.memory.bytes(at), 0, v.bytes);
    std::memset(device_.memory.initialised(at), 1, std::max<std::uint64_t>(v.bytes, 1));
    addresses_[name] = at;
  }
  for (const auto& [name, v] : module_.variables) {
    if (v.initial.empty() || !addresses_.contains(name)) continue;
    std::byte* to = device_.memory.bytes(addresses_[name]);
    const unsigned size = bytes_of(v.type);
    if (v.initial.size() * size > v.bytes)
      throw Unsupported(0, "variable '" + std::string(name) + "' has more initial values than room");
    for (const Operand& o : v.initial) {
      const std::uint64_t bits = o.kind == Operand::Kind::name ? address_of(o.name) + o.bits : o.bits;
      std::memcpy(to, &bits, size);
      to += size;
    }
  }
  for (const auto& [name, v] : module_.variables)
    if (v.space == Space::constant && addresses_.contains(name)) device_.memory.find(addresses_[name])->constant = true;
}

bool Program::has(std::string_view kernel) const {
  const auto it = module_.functions.find(kernel);
  return it != module_.functions.end() && it->second.entry;
}

std::uint64_t Program::address_of(std::string_view variable) {
  const auto it = addresses_.find(variable);
  if (it == addresses_.end()) throw Unsupported(0, "the module has no variable '" + std::string(variable) + "'");
  return it->second;
}

const Kernel& Program::kernel(std::string_view name) {
  const auto it = kernels_.find(name);
  if (it != kernels_.end()) return *it->second;
  const Linker linker{[this](std::string_view variable) { return address_of(variable); }};
  return *kernels_.emplace(std::string(name), decode(module_, name, linker)).first->second;
}

std::vector<std::byte> pack_parameters(const Kernel& kernel, std::span<const void* const> arguments) {
  const auto& slots = kernel.entry->parameters;
  std::uint32_t bytes = 0;
  for (const ParameterSlot& s : slots) bytes = s.offset + s.bytes;
  // As the decoder lays out what comes behind them.
  std::vector<std::byte> packed((bytes + 15) / 16 * 16);
  if (arguments.size() < slots.size())
    throw Fault(FaultKind::misuse, "kernel " + kernel.name + " takes " + std::to_string(slots.size()) + " parameters");
  for (std::size_t k = 0; k < slots.size(); ++k) std::memcpy(&packed[slots[k].offset], arguments[k], slots[k].bytes);
  return packed;
}

Traffic run_packed(Device& device, const Kernel& kernel, Dim grid, Dim block, std::vector<std::byte> parameters,
                   std::uint32_t dynamic_shared, std::uint32_t work) {
  Launch l;
  l.work = work;
  l.device = &device;
  l.kernel = &kernel;
  l.grid = grid;
  l.block = block;
  l.parameters = std::move(parameters);
  l.dynamic_shared = dynamic_shared;
  l.number = ++device.launches;
  // Each launch has its own course, and the same one again for the same seed.
  l.random = (device.options.seed + 1) * 0x9E3779B97F4A7C15u ^ l.number * 0xD1B54A32D192ED03u;
  l.random |= 1;
  for (int k = 0; k < 8; ++k) l.draw(2);
  l.shared_races = device.options.shared_races;
  l.global_races = device.options.global_races;
  l.initialised = device.options.initialised;
  // CUB's look-back (and Thrust's kernels, which are CUB's) hands tiles on by relaxed accesses without a fence, which
  // the memory model does not bless and every card grants.
  l.relaxed_orders = kernel.name.find("3cub") != std::string::npos || kernel.name.find("6thrust") != std::string::npos;
  l.ordering = kernel.ordering || l.relaxed_orders;
  run(l);
  return l.traffic;
}

Traffic Program::launch(std::string_view name, Dim grid, Dim block, std::span<const void* const> arguments,
                        std::uint32_t dynamic_shared) {
  const Kernel& k = kernel(name);
  return run_packed(device_, k, grid, block, pack_parameters(k, arguments), dynamic_shared);
}

}  // namespace fulmar::ptx
