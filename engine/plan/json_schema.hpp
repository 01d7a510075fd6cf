// SPDX-License-Identifier: Apache-2.0
/// @file
/// The JSON Schema of the JSON form of a pipeline, made from the operators' own schemas.
#pragma once

#include <string>

#include "op/operator.hpp"

namespace fulmar {

/// A draft-7 JSON Schema that accepts the pipelines of these operators: names, types, ranges, choices, nesting. What
/// only binding can tell (units, grids, files) it leaves open.
std::string json_schema(const Registry& registry);

}  // namespace fulmar
