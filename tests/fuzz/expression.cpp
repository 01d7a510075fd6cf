// SPDX-License-Identifier: Apache-2.0
/// Band mathematics: what compiles can be evaluated, and yields the same every time.
#include <array>
#include <cstring>

#include "common/expression_program.hpp"
#include "fuzz/fuzz.hpp"

using namespace fulmar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  expression::Program program;
  if (!fuzz::accepted([&] { program = expression::compile(fuzz::text_of(data, size)); })) return 0;
  const std::array<double, expression::max_bands> bands{0.5, -2, 1e300, 0, 3, -0.0, 1e-300, 7};
  const double one = expression::evaluate(program, bands.data()), two = expression::evaluate(program, bands.data());
  fuzz::require(std::memcmp(&one, &two, sizeof one) == 0 || (one != one && two != two), "the same result twice");
  fuzz::require(expression::bands_needed(program) <= expression::max_bands, "no more bands than there are");
  return 0;
}
