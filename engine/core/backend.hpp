// SPDX-License-Identifier: Apache-2.0
/// @file
/// What computes.
#pragma once

#include <cstdint>

namespace fulmar {

enum class Backend : std::uint8_t {
  automatic,  ///< a card where there is one, otherwise the processor
  reference,  ///< the processor, cell after cell, for comparison
  cpu,        ///< the processor
  cuda        ///< a card
};

}  // namespace fulmar
