// SPDX-License-Identifier: Apache-2.0
// An operator that the program brings with it, from a lambda, in one pipeline with those that come with Fulmar.
#include <cstdio>
#include <fulmar/fulmar.hpp>
#include <fulmar/lambda.hpp>
#include <vector>

int main() {
  using namespace fulmar;
  try {
    Engine engine;
    engine.add(lambda(Schema{"ndwi", "Tell water from land by green and near infrared."}
                          .input("green", units::one, "Reflectance in the green.")
                          .input("nir", units::one, "Reflectance in the near infrared.")
                          .output("ndwi", units::one, "(green - nir) / (green + nir), -1 to 1.")
                          .example("scene.tif ! ndwi ! ndwi.tif")
                          .cites("McFeeters 1996, Int. J. Remote Sensing 17(7), 1425-1432")
                          .agrees(exactly),
                      [](float green, float nir) { return (green - nir) / (green + nir); }));

    const std::vector<float> green{0.10f, 0.12f, 0.08f, 0.11f}, nir{0.02f, 0.40f, 0.03f, 0.35f};
    Grid grid;
    grid.width = grid.height = 2;
    std::vector<float> water(4);
    engine.job("green ! ndwi --nir [ nir ] ! water")
        .input("green", RasterView::of(green.data(), grid))
        .input("nir", RasterView::of(nir.data(), grid))
        .output("water", {BandTarget::of(water.data())})
        .run();
    for (const float value : water) std::printf("%.2f\n", value);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}
