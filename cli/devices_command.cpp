// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/card.hpp"
#include "cli/command.hpp"

namespace fulmar::cli {
namespace {

void print_cards(bool json) {
  const Cards found = cards();
  if (json) {
    auto all = nlohmann::ordered_json::array();
    for (const DeviceFacts& d : found.devices)
      all.push_back({{"number", d.number},
                     {"name", d.name},
                     {"architecture", d.architecture},
                     {"memory_bytes", d.memory},
                     {"driver", cuda_version_text(d.driver)},
                     {"runtime", cuda_version_text(d.runtime)}});
    nlohmann::ordered_json whole{{"devices", std::move(all)}};
    if (!found.trouble.empty()) whole["trouble"] = found.trouble;
    fmt::print("{}\n", whole.dump(2));
    return;
  }
  for (const DeviceFacts& d : found.devices)
    fmt::print("{}  {}, {}{}, {} MiB of memory; driver for CUDA {}, runtime {}\n", d.number, d.name, d.architecture,
               d.fits ? "" : " (too old for the kernels)", d.memory >> 20, cuda_version_text(d.driver),
               cuda_version_text(d.runtime));
  if (!found.trouble.empty()) fmt::print("No CUDA device: {}.\n", found.trouble);
}

}  // namespace

void add_devices(CLI::App& app) {
  CLI::App* command = app.add_subcommand("devices", "List the CUDA devices, or say why there is none");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([json] { print_cards(*json); });
}

}  // namespace fulmar::cli
