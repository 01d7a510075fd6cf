// SPDX-License-Identifier: Apache-2.0
/// @file
/// What one pass leaves for the next: a file without a name, gone with the run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

/// Bands of f32, row by row, in a file of the folder for temporary files (TMPDIR, else /var/tmp). The file is made by
/// the first write and has no name, so that nothing stays behind, however the program ends. Errors: Errc::output where
/// the folder cannot hold it, with the size and the cure.
std::shared_ptr<TemporaryRaster> make_temporary_raster(const std::string& name, const Grid& grid,
                                                       const std::vector<StoredBand>& bands);

}  // namespace fulmar
