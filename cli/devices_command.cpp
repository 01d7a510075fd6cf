// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/card.hpp"
#include "cli/command.hpp"
#include "core/error.hpp"

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
  } else {
    for (const DeviceFacts& d : found.devices)
      fmt::print("{}  {}, {}{}, {} MiB of memory; driver for CUDA {}, runtime {}\n", d.number, d.name, d.architecture,
                 d.fits ? "" : " (too old for the kernels)", d.memory >> 20, cuda_version_text(d.driver),
                 cuda_version_text(d.runtime));
  }
  // A script asks by the exit code.
  if (!found.trouble.empty()) fail(Errc::device, "there is no CUDA device: " + found.trouble);
  if (std::ranges::none_of(found.devices, &DeviceFacts::fits))
    fail(Errc::device, "no CUDA device is new enough for the kernels, which need Turing (7.5) or newer");
}

}  // namespace

void add_devices(CLI::App& app) {
  CLI::App* command = app.add_subcommand("devices", "List the CUDA devices, or say why there is none (exit code 5)");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([json] { print_cards(*json); });
}

}  // namespace fulmar::cli
