// SPDX-License-Identifier: Apache-2.0
/// @file
/// All that the header of an operator includes.
#pragma once

#include "core/host_device.hpp"
#include "core/math.hpp"
#include "core/missing.hpp"
#include "core/table_view.hpp"
#include "core/views.hpp"
#include "op/schema.hpp"
