// SPDX-License-Identifier: Apache-2.0
// A mask and zones of the program's own beside a scene: a flow takes them as they are, and each is read where it lies.
#include <cstdio>
#include <fulmar/fulmar.hpp>
#include <vector>

int main() {
  using namespace fulmar;
  try {
    const std::vector<float> heights{1, 2, 3, 4, 5, 6, 7, 8};
    const std::vector<std::uint8_t> land{0, 0, 0, 1, 0, 0, 0, 1}, fields{3, 3, 3, 3, 8, 8, 8, 8};
    Grid grid;
    grid.width = 4, grid.height = 2;
    const auto at = [&](const auto& cells) { return RasterView::of(cells.data(), grid); };

    const Engine engine;
    const Flow flow =
        Flow{at(heights)}.then("mask", {{"with", at(land)}}).then("zonal", {{"zones", at(fields)}}).to("means");
    const FeatureTable means = engine.job(flow).run().table("means");
    for (std::size_t c = 0; c < means.columns.size(); ++c)
      if (means.columns[c].name == "zone" || means.columns[c].name == "mean")
        for (const Feature& field : means.rows) std::printf("%s %g\n", means.columns[c].name.c_str(), field.values[c]);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}
