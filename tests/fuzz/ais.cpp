// SPDX-License-Identifier: Apache-2.0
/// AIS from a receiver's log or from CSV: read as the program reads it, then cleaned into positions and tracks.
#include "sea/ais.hpp"

#include <cpl_vsi.h>

#include <array>

#include "fuzz/fuzz.hpp"
#include "io/gdal_io.hpp"
#include "op/apply.hpp"
#include "op/operator.hpp"
#include "support/tables.hpp"

using namespace fulmar;

namespace {

Registry registry_of_ais() {
  static const std::array<const fulmar_operator*, 1> operators{&op::table_of<ops::Ais>()};
  static const fulmar_plugin plugin{sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "fuzz", "1", "", "", "",
                                    operators.size(),      operators.data()};
  Registry registry;
  registry.add(plugin);
  return registry;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Registry registry = registry_of_ais();
  static const GdalIo io;
  static const std::string path = "/vsimem/ais.csv";
  auto bytes = std::vector<GByte>(data, data + size);
  VSIFCloseL(VSIFileFromMemBuffer(path.c_str(), bytes.data(), bytes.size(), FALSE));
  FeatureTable table;
  if (fuzz::accepted([&] { table = io.open_features(path, {}, std::int64_t{1} << 28); }))
    for (const char* text : {"in.csv ! ais ! out.csv", "in.csv ! ais --as tracks --gap 60 ! out.csv"})
      fuzz::accepted([&] { test::TableRun{registry, text, {{"in.csv", table}}}; });
  VSIUnlink(path.c_str());
  return 0;
}
