// SPDX-License-Identifier: Apache-2.0
/// @file
/// The one door through which every status of CUDA goes. Header only: plugins have it too.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace fulmar::cuda {

/// The oldest architecture that the kernels are made for: Turing.
inline constexpr int oldest_architecture = 75;
/// Shared memory that a thread block may have on every card since then.
inline constexpr std::int64_t shared_limit = 64 << 10;

/// Errors: Errc::runtime with what CUDA says and `what` it was doing; Errc::device where there is no card.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const bool absent = status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver;
  fail(absent ? Errc::device : Errc::runtime,
       std::string{"CUDA, "} + what + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}

/// True where a call succeeded whose failure is no error of the run: one that a destructor makes, or a question that
/// may be refused. What went wrong is forgotten, so that no later launch is blamed for it.
inline bool succeeded(cudaError_t status) noexcept {
  if (status == cudaSuccess) return true;
  static_cast<void>(cudaGetLastError());
  return false;
}

}  // namespace fulmar::cuda
