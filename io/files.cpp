// SPDX-License-Identifier: Apache-2.0
#include "fulmar/files.hpp"

#include "io/gdal_io.hpp"

namespace fulmar {

std::shared_ptr<const Io> files() { return std::make_shared<GdalIo>(); }

}  // namespace fulmar
