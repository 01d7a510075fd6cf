// SPDX-License-Identifier: Apache-2.0
#include "cli/card.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/command.hpp"
#include "core/error.hpp"
#ifdef FULMAR_HAS_CUDA
#include "cuda/backend.hpp"
#endif

namespace fulmar::cli {
namespace {

struct Cards {
  std::vector<DeviceFacts> devices;
  std::string trouble;
};

Cards cards() {
#ifdef FULMAR_HAS_CUDA
  auto found = cuda::devices();
  return {std::move(found.devices), std::move(found.trouble)};
#else
  return {{}, "this program was built without CUDA (nvcc on PATH, then cmake -DFULMAR_CUDA=ON)"};
#endif
}

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

void print_cards(bool json) {
  const Cards found = cards();
  if (json) {
    auto all = nlohmann::ordered_json::array();
    for (const DeviceFacts& d : found.devices)
      all.push_back({{"number", d.number},
                     {"name", d.name},
                     {"architecture", d.architecture},
                     {"memory_bytes", d.memory},
                     {"driver", version_text(d.driver)},
                     {"runtime", version_text(d.runtime)}});
    nlohmann::ordered_json whole{{"devices", std::move(all)}};
    if (!found.trouble.empty()) whole["trouble"] = found.trouble;
    fmt::print("{}\n", whole.dump(2));
    return;
  }
  for (const DeviceFacts& d : found.devices)
    fmt::print("{}  {}, {}{}, {} MiB of memory; driver for CUDA {}, runtime {}\n", d.number, d.name, d.architecture,
               d.fits ? "" : " (too old for the kernels)", d.memory >> 20, version_text(d.driver),
               version_text(d.runtime));
  if (!found.trouble.empty()) fmt::print("No CUDA device: {}.\n", found.trouble);
}

}  // namespace

std::unique_ptr<Device> open_card(Budget& budget) {
  if (budget.backend != Backend::cuda && budget.backend != Backend::automatic) return nullptr;
  const Cards found = cards();
  if (found.devices.empty()) {
    if (budget.backend == Backend::cuda)
      fail(Errc::device, "--backend cuda finds no device: " + found.trouble +
                             "; --backend cpu, or auto, runs everything on the processor");
    return nullptr;
  }
#ifdef FULMAR_HAS_CUDA
  try {
    auto card = cuda::open(found.devices.front().number);
    // The runtime keeps some for itself, and other programs may come.
    budget.device_memory = card->facts().free / 10 * 9;
    return card;
  } catch (const Error& e) {
    if (budget.backend == Backend::cuda) throw;
    // Nobody asked for the card by name.
    fmt::print(stderr, "fulmar: note: the card is not used: {}\n", e.message());
  }
#endif
  return nullptr;
}

std::string cuda_version() {
#ifdef FULMAR_HAS_CUDA
  return version_text(cuda::runtime_version());
#else
  return "none";
#endif
}

void add_devices(CLI::App& app) {
  CLI::App* command = app.add_subcommand("devices", "List the CUDA devices, or say why there is none");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([json] { print_cards(*json); });
}

}  // namespace fulmar::cli
