// SPDX-License-Identifier: Apache-2.0
#include "api/card.hpp"

#include <utility>

#include "core/error.hpp"
#ifdef FULMAR_HAS_CUDA
#include "cuda/backend.hpp"
#endif

namespace fulmar {

Cards cards() {
#ifdef FULMAR_HAS_CUDA
  auto found = cuda::devices();
  return {std::move(found.devices), std::move(found.trouble)};
#else
  return {{}, "this program was built without CUDA (nvcc on PATH, then cmake -DFULMAR_CUDA=ON)"};
#endif
}

std::string cuda_version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::unique_ptr<Device> open_card(Budget& budget,
                                  [[maybe_unused]] const std::function<void(const std::string&)>& note) {
  if (budget.backend != Backend::cuda && budget.backend != Backend::automatic) return nullptr;
  const Cards found = cards();
  if (found.devices.empty()) {
    if (budget.backend == Backend::cuda)
      fail(Errc::device, "--backend cuda finds no device: " + found.trouble +
                             "; --backend cpu, or auto, runs everything on the processor");
    return nullptr;
  }
#ifdef FULMAR_HAS_CUDA
  try {
    auto card = cuda::open(found.devices.front().number);
    // The runtime keeps some for itself, and other programs may come.
    budget.device_memory = card->facts().free / 10 * 9;
    return card;
  } catch (const Error& e) {
    if (budget.backend == Backend::cuda) throw;
    // Nobody asked for the card by name.
    if (note) note("the card is not used: " + e.message());
  }
#endif
  return nullptr;
}

std::string cuda_version() {
#ifdef FULMAR_HAS_CUDA
  return cuda_version_text(cuda::runtime_version());
#else
  return "none";
#endif
}

}  // namespace fulmar
