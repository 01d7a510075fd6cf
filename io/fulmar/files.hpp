// SPDX-License-Identifier: Apache-2.0
/// @file
/// The door to files, for programs that embed Fulmar.
#pragma once

#include <memory>

#include "core/source.hpp"

namespace fulmar {

/// Everything GDAL reads and writes, for EngineSettings::files. GDAL's drivers are registered once for the process; its
/// block cache is one for the process too: it is limited while jobs run, never above a GDAL_CACHEMAX of the user's, and
/// is what it was when the last of them has ended.
FULMAR_API std::shared_ptr<const Io> files();

}  // namespace fulmar
