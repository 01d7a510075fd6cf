// SPDX-License-Identifier: Apache-2.0
#include "cli/version.hpp"

#include "api/card.hpp"
#include "exec/version.hpp"
#include "fulmar/version.hpp"
#include "io/gdal_io.hpp"

namespace fulmar::cli {

std::string versions() {
  return "fulmar " FULMAR_VERSION "\nGDAL " + gdal_version() + "\nPROJ " + proj_version() + "\nTBB " + tbb_version() +
         "\nCUDA " + cuda_version();
}

}  // namespace fulmar::cli
