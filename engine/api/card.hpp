// SPDX-License-Identifier: Apache-2.0
/// @file
/// The card that a run may use, where Fulmar was built for cards.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/device.hpp"
#include "plan/plan.hpp"

namespace fulmar {

/// What cards there are, or why there is none.
struct Cards {
  std::vector<DeviceFacts> devices;
  std::string trouble;
};
Cards cards();

/// The first card, where the backend asked for wants one and there is one. Sets what the plan may take of it. `note`
/// hears why a card that is there is not used.
/// Errors: Errc::device where `cuda` is demanded and there is none, with what is missing.
std::unique_ptr<Device> open_card(Budget& budget, const std::function<void(const std::string&)>& note);

/// What CUDA the program was built with, or none.
std::string cuda_version();
/// "12.4" of 12040.
std::string cuda_version_text(int version);

}  // namespace fulmar
