// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where shared, local and parameter memory and functions lie in the generic address space. No pointer of the host is
/// like these (they are not canonical addresses), and no device allocation either.
#pragma once

#include <cstdint>

namespace fulmar::ptx::window {

constexpr std::uint64_t shared = 0x1000'0000'0000'0000u;
constexpr std::uint64_t local = 0x2000'0000'0000'0000u;
constexpr std::uint64_t param = 0x3000'0000'0000'0000u;
constexpr std::uint64_t function = 0x4000'0000'0000'0000u;
constexpr std::uint64_t mask = 0xF000'0000'0000'0000u;

}  // namespace fulmar::ptx::window
