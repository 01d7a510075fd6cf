// SPDX-License-Identifier: Apache-2.0
/// How an executable made by nvcc announces its device code, and how it launches a kernel.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>
#include <vector>

#include "runtime/runtime.hpp"

using namespace fulmar::ptx;

namespace {

/// The container of device code: a header, then entries of one kind each.
struct Header {
  std::uint32_t magic;
  std::uint16_t version;
  std::uint16_t header_bytes;
  std::uint64_t bytes;
};
struct Entry {
  std::uint16_t kind;
  std::uint16_t version;
  std::uint32_t header_bytes;
  std::uint64_t bytes;
};
constexpr std::uint32_t container_magic = 0xBA55ED50u;
constexpr std::uint16_t kind_ptx = 1;

/// Makes the mistake that Options::mutate asks for in every kernel that it names, and says so.
void make_mistake(std::string& text) {
  static const std::string asked = Options::from_environment().mutate;
  if (asked.empty()) return;
  std::vector<std::string> words{""};
  for (const char c : asked)
    if (c == '|')
      words.emplace_back();
    else
      words.back() += c;
  if (words.size() != 4) {
    std::fprintf(stderr, "ptx: FULMAR_PTX_MUTATE takes KERNEL|PATTERN|REPLACEMENT|WHICH, not '%s'\n", asked.c_str());
    std::exit(2);
  }
  constexpr std::string_view entry = ".entry ";
  for (std::size_t begin = text.find(entry); begin != text.npos; begin = text.find(entry, begin + 1)) {
    const std::size_t name_end = text.find('(', begin), end = std::min(text.find(entry, begin + 1), text.size());
    if (text.substr(begin, name_end - begin).find(words[0]) == text.npos) continue;
    std::string kernel = text.substr(begin, end - begin);
    const std::regex pattern{words[1]};
    std::sregex_iterator match{kernel.begin(), kernel.end(), pattern};
    for (long left = std::strtol(words[3].c_str(), nullptr, 10); left > 0 && match != std::sregex_iterator{}; --left)
      ++match;
    if (match == std::sregex_iterator{}) continue;
    std::fprintf(stderr, "ptx: mutated '%s' to '%s'\n", match->str().c_str(), match->format(words[2]).c_str());
    const auto at = static_cast<std::size_t>(match->position());
    const auto length = static_cast<std::size_t>(match->length());
    text.replace(begin + at, length, match->format(words[2]));
  }
}

void read_container(const char* data, Runtime::Image& image) {
  Header h;
  std::memcpy(&h, data, sizeof h);
  if (h.magic != container_magic) {
    image.problem = "the executable's device code is in a container that is not known";
    return;
  }
  image.problem =
      "the executable holds no PTX: compile with -gencode arch=compute_75,code=compute_75 (CMake: 75-virtual)";
  for (std::uint64_t at = h.header_bytes; at < h.header_bytes + h.bytes;) {
    Entry e;
    std::memcpy(&e, data + at, sizeof e);
    const char* const body = data + at + e.header_bytes;
    if (e.kind == kind_ptx) {
      // Uncompressed text begins with a comment or its version.
      const std::string_view text(body, strnlen(body, e.bytes));
      const std::size_t version = text.find(".version");
      if (version != std::string_view::npos) {
        image.text = std::string(text);
        make_mistake(image.text);
        return;
      }
      image.problem = "the executable's PTX is compressed: compile with nvcc --no-compress";
    }
    if (e.header_bytes + e.bytes == 0) break;
    at += e.header_bytes + e.bytes;
  }
}

struct Configuration {
  dim3 grid, block;
  std::size_t shared;
  void* stream;
};
thread_local std::vector<Configuration> configurations;

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments, std::size_t shared, void* stream) {
  return guarded([&](Runtime& r) {
    const Kernel* const k = r.kernel(function);
    if (!k) return cudaErrorInvalidDeviceFunction;
    const Dim g{grid.x, grid.y, grid.z}, b{block.x, block.y, block.z};
    if (g.count() == 0 || b.count() == 0 || b.count() > 1024 || b.z > 64 || g.x > 0x7fffffffu || g.y > 65535 ||
        g.z > 65535)
      return cudaErrorInvalidConfiguration;
    if (k->shared_bytes + shared > 64 * 1024) return cudaErrorInvalidValue;
    std::vector<const void*> given(arguments, arguments + k->entry->parameters.size());
    const std::string name = readable_name(k->name);
    ++r.counts.launches;
    r.queues.push(
        r.queues.of(stream), "kernel " + name,
        [&r, k, g, b, name, packed = pack_parameters(*k, given), shared]() mutable {
          const Traffic t =
              run_packed(r.device, *k, g, b, std::move(packed), static_cast<std::uint32_t>(shared), r.queues.running());
          KernelTraffic& sum = r.traffic[name];
          ++sum.launches;
          sum.blocks += g.count();
          sum.threads += g.count() * b.count();
          sum.traffic.instructions += t.instructions;
          sum.traffic.load_bytes += t.load_bytes;
          sum.traffic.store_bytes += t.store_bytes;
          sum.traffic.block_sector_bytes += t.block_sector_bytes;
          sum.traffic.grid_sector_bytes += t.grid_sector_bytes;
          sum.traffic.atomics += t.atomics;
          sum.traffic.shared_bytes += t.shared_bytes;
          sum.traffic.local_bytes += t.local_bytes;
          if (r.device.options.verbose)
            std::fprintf(stderr, "ptx: %s <<<%llu, %llu>>> %llu instructions\n", name.c_str(),
                         static_cast<unsigned long long>(g.count()), static_cast<unsigned long long>(b.count()),
                         static_cast<unsigned long long>(t.instructions));
        });
    return cudaSuccess;
  });
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void** __cudaRegisterFatBinary(void* wrapper) {
  struct Wrapper {
    int magic, version;
    const char* data;
    void* file;
  };
  Runtime& r = Runtime::get();
  const std::lock_guard lock(r.mutex);
  Runtime::Image& image = r.images.emplace_back();
  read_container(static_cast<Wrapper*>(wrapper)->data, image);
  return reinterpret_cast<void**>(&image);
}
EXPORT void __cudaRegisterFatBinaryEnd(void**) {}
EXPORT void __cudaUnregisterFatBinary(void**) {}
EXPORT char __cudaInitModule(void**) { return 1; }

EXPORT void __cudaRegisterFunction(void** image, const char* host, char*, const char* name, int, void*, void*, void*,
                                   void*, int*) {
  Runtime& r = Runtime::get();
  const std::lock_guard lock(r.mutex);
  r.kernels[host] = {reinterpret_cast<Runtime::Image*>(image), name};
}
EXPORT void __cudaRegisterVar(void** image, char* host, char*, const char* name, int, std::size_t bytes, int, int) {
  Runtime& r = Runtime::get();
  const std::lock_guard lock(r.mutex);
  r.variables[host] = {reinterpret_cast<Runtime::Image*>(image), name, bytes};
}

EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared, void* stream) {
  configurations.push_back({grid, block, shared, stream});
  return 0;
}
EXPORT cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared, void* stream) {
  if (configurations.empty()) return cudaErrorMissingConfiguration;
  const Configuration c = configurations.back();
  configurations.pop_back();
  *grid = c.grid;
  *block = c.block;
  *shared = c.shared;
  *static_cast<void**>(stream) = c.stream;
  return cudaSuccess;
}

EXPORT cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(host));
  return cudaSuccess;
}
EXPORT cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared,
                                      cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, shared, stream);
}
EXPORT cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared,
                                    cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, shared, stream);
}
EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* c, const void* kernel, void** arguments) {
  return launch(kernel, c->gridDim, c->blockDim, arguments, c->dynamicSmemBytes, c->stream);
}

EXPORT cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* function) {
  return guarded([&](Runtime& r) {
    const Kernel* const k = r.kernel(function);
    if (!k) return cudaErrorInvalidDeviceFunction;
    *a = {};
    a->sharedSizeBytes = k->shared_bytes;
    a->localSizeBytes = k->entry->local_bytes;
    a->maxThreadsPerBlock = 1024;
    a->numRegs = 32;
    a->ptxVersion = a->binaryVersion = 75;
    a->maxDynamicSharedSizeBytes = 49152;
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
EXPORT cudaError_t cudaFuncSetCacheConfig(const void*, cudaFuncCache) { return cudaSuccess; }

EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* n, const void*, int threads, std::size_t,
                                                                          unsigned) {
  *n = threads > 0 ? std::max(1, 1024 / threads) : 1;
  return cudaSuccess;
}
EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* n, const void* f, int threads,
                                                                 std::size_t shared) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(n, f, threads, shared, 0);
}
EXPORT cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(std::size_t* bytes, const void*, int, int) {
  *bytes = 49152;
  return cudaSuccess;
}
