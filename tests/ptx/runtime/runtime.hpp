// SPDX-License-Identifier: Apache-2.0
/// @file
/// The state behind the CUDA runtime's functions: programs, kernels by host address, streams and what is queued in
/// them.
#pragma once

#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/program.hpp"
#include "runtime/fulmar_ptx.h"
#include "runtime/queue.hpp"

namespace fulmar::ptx {

struct KernelTraffic {
  std::uint64_t launches = 0, blocks = 0, threads = 0;
  Traffic traffic;
};

class Runtime {
 public:
  static Runtime& get();

  std::recursive_mutex mutex;
  Device device{Options::from_environment()};
  Queues queues{device};

  // Programs.
  struct Image {
    std::string text;
    std::unique_ptr<Program> program;  ///< read when first needed
    std::string problem;               ///< why there is no text
  };
  std::deque<Image> images;
  struct Symbol {
    Image* image;
    std::string name;
    std::size_t bytes = 0;
  };
  std::unordered_map<const void*, Symbol> kernels, variables;
  Program& program(Image& image);
  const Kernel* kernel(const void* host_function);
  std::uint64_t symbol(const void* host_variable, std::size_t offset, std::size_t bytes);

  // Host memory that is pinned: begin, bytes.
  std::map<std::uint64_t, std::uint64_t> pinned;
  bool is_pinned(const void* host, std::size_t bytes) const;

  // Counts.
  fulmar_ptx_counts counts{};
  std::map<std::string, KernelTraffic> traffic;  ///< by readable name
  std::uint64_t named = 0;                       ///< allocations so far, for their names
  void write_counts();

  // Faults.
  std::string report;
  cudaError_t sticky = cudaSuccess;
  /// True for the call that was asked to fail.
  bool fails(const char* call);
  /// Ends the process with the report, or makes it an error that stays.
  void fault(const std::string& what, cudaError_t error);

 private:
  Runtime();
};

/// The status of a call, remembered for cudaGetLastError.
cudaError_t status(cudaError_t error);
cudaError_t take_last_error(bool forget);

/// Runs the body of a call, of the function that says guarded() if no other is named, under the lock; faults become
/// what `Runtime::fault` makes of them.
cudaError_t guarded(const std::function<cudaError_t(Runtime&)>& body, const char* call = __builtin_FUNCTION());

std::string readable_name(const std::string& mangled);

}  // namespace fulmar::ptx
