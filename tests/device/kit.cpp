// SPDX-License-Identifier: Apache-2.0
// fulmar_device_conformance --plugin FILE: the laws on a card for the operators of one plugin; the part of the
// conformance kit that needs the CUDA runtime, or the interpreter that is loaded in its place. --card: whether there is
// a card.
#include <cstdio>
#include <exception>
#include <string>

#include "conformance/laws_run.hpp"
#include "cuda/backend.hpp"
#include "support/tested.hpp"

namespace fulmar {

/// The program's own operators are not wanted here, and their kernels would be many.
Registry builtin_registry() { return {}; }

}  // namespace fulmar

int main(int argc, char** argv) {
  const std::string option = argc > 1 ? argv[1] : "";
  try {
    if (option == "--card") return fulmar::cuda::devices().devices.empty() ? 1 : 0;
    if (argc != 3 || option != "--plugin")
      return std::fputs("usage: fulmar_device_conformance --plugin FILE\n", stderr), 2;
    fulmar::test::tested_plugin() = argv[2];
    return fulmar::test::run_laws("*OnCard.*", stdout);
  } catch (const std::exception& e) {
    return std::printf("    %s\n0\n", e.what()), 1;
  }
}
