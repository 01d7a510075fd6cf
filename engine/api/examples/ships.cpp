// SPDX-License-Identifier: Apache-2.0
// Ships in a radar scene that lies in memory: nothing is read from disk and nothing is written to it.
#include <cmath>
#include <cstdio>
#include <fulmar/fulmar.hpp>
#include <random>
#include <vector>

int main() {
  // A sea of speckle, 10 m a cell off Qingdao (UTM 51N), with three ships of 200 x 40 m.
  constexpr int size = 1024;
  std::vector<float> sea(size * size);
  std::mt19937 random{7};
  for (float& cell : sea) cell = -std::log((static_cast<float>(random()) + 1) / 4294967296.0f) * 0.01f;
  for (const auto& [x, y] : {std::pair{200, 300}, {512, 512}, {800, 650}})
    for (int dy = 0; dy < 4; ++dy)
      for (int dx = 0; dx < 20; ++dx) sea[(y + dy) * size + x + dx] += 2;

  fulmar::Grid grid;
  grid.width = grid.height = size;
  grid.crs = "EPSG:32651";
  grid.affine = {240000.0, 10.0, 0.0, 3990000.0, 0.0, -10.0};

  try {
    const fulmar::Engine engine{{.memory = 256 << 20, .threads = 2}};
    const auto result =
        engine.job("scene ! cfar --pfa 1e-7 --guard 410 --background 610 ! objects --min-area 1500 ! ships")
            .input("scene", fulmar::RasterView::of(sea.data(), grid, "1"))
            .output("ships")
            .run();
    const fulmar::FeatureTable& ships = result.table("ships");
    for (std::size_t c = 0; c < ships.columns.size(); ++c) std::printf("%s ", ships.columns[c].name.c_str());
    for (const fulmar::Feature& ship : ships.rows) {
      std::printf("\n");
      for (const double value : ship.values) std::printf("%.1f ", value);
    }
    std::printf("\n%zu ships\n", ships.rows.size());
  } catch (const fulmar::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}
