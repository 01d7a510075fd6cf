// SPDX-License-Identifier: Apache-2.0
/// @file
/// Compiles a functor for the device: one kernel that calls it on one cell. Nothing here is run.
#pragma once

#include "op/apply.hpp"

namespace fulmar::cuda {

template <class F, class R, class... A>
__global__ void call_once(F f, const A*... arguments, R* result) {
  if constexpr (std::is_void_v<R>)
    f(*arguments...);
  else
    *result = f(*arguments...);
}

template <class F>
__global__ void call_bands(F f, const double* bands, double* result) {
  *result = f(Bands<double>{bands, 8});
}

/// The function may be that of a base class, C.
template <class F, class C, class R, class... A>
void instantiate(const F& f, R (C::*)(A...) const) {
  call_once<F, R, A...><<<1, 1>>>(f, static_cast<const A*>(nullptr)..., nullptr);
}

/// Names the kernel for every functor that the operator's parameters can ask for.
template <class Op>
void probe(const Op& op) {
  op::with_variant(op, [](const auto& f) {
    using F = std::remove_cv_t<std::remove_reference_t<decltype(f)>>;
    if constexpr (!op::has_cells<F>)
      (void)f;
    else if constexpr (op::Packed<F>)
      call_bands<<<1, 1>>>(f, nullptr, nullptr);
    else if constexpr (op::has_cells<F>)
      instantiate(f, &F::operator());
  });
}

}  // namespace fulmar::cuda
