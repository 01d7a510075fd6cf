// SPDX-License-Identifier: Apache-2.0
/// Sentinel-1 calibration tables: what is accepted can be read over the whole scene, cells beyond the table included.
#include <cpl_vsi.h>

#include <vector>

#include "fuzz/fuzz.hpp"
#include "io/gdal_io.hpp"

using namespace fulmar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const GdalIo io;
  static const std::string path = "/vsimem/calibration-fuzz.xml";
  auto bytes = std::vector<GByte>(data, data + size);
  VSIFCloseL(VSIFileFromMemBuffer(path.c_str(), bytes.data(), bytes.size(), FALSE));
  Grid grid;
  grid.width = 60;
  grid.height = 40;
  for (const char* lut : {"sigma", "beta", "gamma"})
    fuzz::accepted([&] {
      const auto table = io.companion({"calibration", path, "", {{"lut", lut}}, {}}, grid);
      std::vector<float> cells(60 * 40);
      table->reader()->read(0, grid.window(), cells.data(), grid.width);
    });
  VSIUnlink(path.c_str());
  return 0;
}
