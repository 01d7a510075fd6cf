// SPDX-License-Identifier: Apache-2.0
#include "cli/version.hpp"

#include "exec/version.hpp"
#include "io/gdal_io.hpp"

namespace fulmar::cli {

std::string versions() {
  return "fulmar " FULMAR_VERSION "\nGDAL " + gdal_version() + "\nPROJ " + proj_version() + "\nTBB " + tbb_version() +
         "\nCUDA none";
}

Metadata provenance(const std::string& pipeline, const std::string& backend) {
  return {{"FULMAR_VERSION", FULMAR_VERSION},
          {"FULMAR_PIPELINE", pipeline},
          {"FULMAR_BACKEND", backend},
          {"GDAL_VERSION", gdal_version()},
          {"PROJ_VERSION", proj_version()}};
}

}  // namespace fulmar::cli
