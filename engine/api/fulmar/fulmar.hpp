// SPDX-License-Identifier: Apache-2.0
/// @file
/// All that a program needs to run pipelines; <fulmar/files.hpp> adds files, <fulmar/lambda.hpp> operators of its own.
#pragma once

#include "fulmar/engine.hpp"
#include "fulmar/flow.hpp"
#include "fulmar/raster.hpp"
#include "fulmar/version.hpp"
