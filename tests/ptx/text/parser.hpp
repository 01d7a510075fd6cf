// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "text/module.hpp"

namespace fulmar::ptx {

/// Reads the declarations of a module; bodies of functions are only delimited.
Module parse_module(std::string text);
/// Reads the body of one function.
std::vector<Item> parse_body(const Function& function);

}  // namespace fulmar::ptx
