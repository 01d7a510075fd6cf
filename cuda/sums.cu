// SPDX-License-Identifier: Apache-2.0
#include "cuda/launch.cuh"
#include "cuda/sums.hpp"

namespace fulmar {
namespace cuda {
namespace {

struct KeptSums {
  double n, s1, s2;
};
/// A function of a window that keeps its sums.
struct KeepSums {
  FULMAR_HD KeptSums operator()(Moments m) const { return {m.n, m.s1, m.s2}; }
};

}  // namespace
}  // namespace cuda

namespace op {

template <>
struct Result<cuda::KeptSums> {
  double* n;
  std::int64_t layer;
  FULMAR_HD Result(const fulmar_call& call, std::int64_t y)
      : n{static_cast<double*>(call.output[0].cells) + y * call.output[0].stride}, layer{call.output[0].layer} {}
  FULMAR_HD void store(std::int64_t x, cuda::KeptSums sums) const {
    n[x] = sums.n, n[x + layer] = sums.s1, n[x + 2 * layer] = sums.s2;
  }
};

}  // namespace op

namespace cuda {

void start_sums(const fulmar_plane& cells, const fulmar_view& box, const fulmar_plane& to, cudaStream_t stream) {
  if (to.width <= 0 || to.height <= 0) return;
  fulmar_call call{};
  call.size = sizeof call;
  call.inputs = call.outputs = 1;
  call.input = &cells, call.output = &to;
  call.views = &box;
  using Window = Launch<KeepSums, KeepSums, decltype(&KeepSums::operator())>;
  if (Window::scratch_bytes({}, call) > 0) fail(Errc::runtime, "a box is too wide for its sums to be kept");
  Window::run({}, {}, call, stream);
}

}  // namespace cuda
}  // namespace fulmar
