// SPDX-License-Identifier: Apache-2.0
/// @file
/// The card that a run may use, where the program was built for cards.
#pragma once

#include <memory>
#include <string>

#include "core/device.hpp"
#include "plan/plan.hpp"

namespace fulmar::cli {

/// The first card, where the backend asked for wants one and there is one. Sets what the plan may take of it.
/// Errors: Errc::device where `cuda` is demanded and there is none, with what is missing.
std::unique_ptr<Device> open_card(Budget& budget);

/// What CUDA the program was built with, or none.
std::string cuda_version();

}  // namespace fulmar::cli
