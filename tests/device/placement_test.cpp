// SPDX-License-Identifier: Apache-2.0
// An operator without a device twin amid those that have one: the tile goes down and up again, and the bits stay.
#include <gtest/gtest.h>

#include "cuda/backend.hpp"
#include "device/checked_device.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

/// The operators of the program, and two of them once more without their twins.
const Registry& registry() {
  static fulmar_operator tables[2];
  static std::string schemas[2];
  static const Registry made = [] {
    Registry r = builtin_registry();
    const fulmar_operator* operators[2] = {&tables[0], &tables[1]};
    for (int i = 0; i < 2; ++i) {
      const std::string like = i == 0 ? "decibel" : "median", name = i == 0 ? "still" : "still_median";
      tables[i] = r.find(like)->table();
      schemas[i] = tables[i].schema;
      schemas[i].replace(schemas[i].find(like), like.size(), name);
      tables[i].schema = schemas[i].c_str();
      tables[i].run_cuda = nullptr;
    }
    r.add({sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "still", "1", "", "", "", 2, operators});
    return r;
  }();
  return made;
}

TEST(Placement, ATileMayCrossAmidAChain) {
  const auto& found = cuda::devices();
  if (found.devices.empty()) GTEST_SKIP() << found.trouble;
  CheckedDevice device{cuda::open(found.devices.front().number)};
  for (const auto& [text, stages] : std::vector<std::pair<std::string, std::string>>{
           {"in.tif ! median --window 5px ! still_median --window 3px ! median --window 7px ! out.tif", "chc"},
           {"in.tif ! median --window 3px ! still ! median --window 3px ! out.tif", "chc"},
           {"in.tif ! still_median --window 3px ! linear ! cfar --guard 2px --background 5px ! out.tif", "hc"},
           {"in.tif ! linear ! cfar --guard 2px --background 5px ! mask --with [ in.tif ! still_median ] ! out.tif", ""},
           {"in.tif --with [ in.tif ! still_median ] --with [ in.tif ! median ] ! expression 'b2 + b3' ! out.tif",
            "hch"}}) {
    SCOPED_TRACE(text);
    Scene scene;
    scene.text = text;
    scene.grid = make_grid(Place::metric, 150, 70);
    std::mt19937 rng{7};
    scene.files["in.tif"] = {layer_for(Unit{text.find("still !") != std::string::npos ? "1" : "dB"}, scene.grid, rng)};
    const Bound bound(registry(), scene);
    const Results expected = bound.run(reference_budget());
    for (const auto& [w, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{{150, 70}, {64, 17}}) {
      Budget budget = budget_of(w, h, 1, Backend::cuda);
      budget.device_memory = std::int64_t{1} << 30;
      const Results got = bound.run(budget, &device);
      EXPECT_EQ(difference(expected, got, scene.grid.width), "");
      EXPECT_EQ(got.report.backend, Backend::cuda);
      std::string sides;
      for (const Stage& stage : got.plan.stages) sides += stage.device ? 'c' : 'h';
      if (!stages.empty()) {
        EXPECT_EQ(sides, stages);
      }
    }
  }
}

}  // namespace
}  // namespace fulmar::test
