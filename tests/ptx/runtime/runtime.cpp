// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtime.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fulmar::ptx {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

cudaError_t error_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::misaligned:
      return cudaErrorMisalignedAddress;
    case FaultKind::trap:
      return cudaErrorAssert;
    case FaultKind::endless:
      return cudaErrorLaunchTimeout;
    case FaultKind::misuse:
      return cudaErrorInvalidValue;
    case FaultKind::out_of_bounds:
    case FaultKind::use_after_free:
    case FaultKind::host_pointer:
      return cudaErrorIllegalAddress;
    default:
      return cudaErrorLaunchFailure;
  }
}

}  // namespace

/// Never destroyed: programs unregister themselves after static objects are gone.
Runtime& Runtime::get() {
  static Runtime* const runtime = new Runtime;
  return *runtime;
}

Runtime::Runtime() {
  device.pinned = [](std::uint64_t address, std::uint64_t bytes) -> std::byte* {
    return get().is_pinned(reinterpret_cast<const void*>(address), bytes) ? reinterpret_cast<std::byte*>(address)
                                                                          : nullptr;
  };
  device.disordered = [](std::uint64_t address, bool writes) { return get().queues.touch_granule(address, writes); };
  if (!device.options.counts.empty()) std::atexit([] { get().write_counts(); });
}

bool Runtime::is_pinned(const void* host, std::size_t bytes) const {
  const auto at = reinterpret_cast<std::uint64_t>(host);
  auto it = pinned.upper_bound(at);
  return it != pinned.begin() && at + bytes <= std::prev(it)->first + std::prev(it)->second;
}

Program& Runtime::program(Image& image) {
  if (!image.program) {
    if (image.text.empty()) throw Unsupported(0, image.problem);
    image.program = std::make_unique<Program>(device, std::move(image.text));
  }
  return *image.program;
}

const Kernel* Runtime::kernel(const void* host_function) {
  const auto it = kernels.find(host_function);
  if (it == kernels.end()) return nullptr;
  return &program(*it->second.image).kernel(it->second.name);
}

std::uint64_t Runtime::symbol(const void* host_variable, std::size_t offset, std::size_t bytes) {
  const auto it = variables.find(host_variable);
  if (it == variables.end()) throw Fault(FaultKind::misuse, "a device variable that is not registered");
  if (offset + bytes > it->second.bytes)
    throw Fault(FaultKind::out_of_bounds, "a copy past the end of the device variable '" + it->second.name + "'");
  return program(*it->second.image).address_of(it->second.name) + offset;
}

void Runtime::fault(const std::string& what, cudaError_t error) {
  report = what;
  std::fflush(stdout);
  if (!device.options.sticky) {
    std::fprintf(stderr, "PTX FAULT: %s\n", what.c_str());
    std::fflush(stderr);
    _exit(86);
  }
  sticky = error;
}

void Runtime::write_counts() {
  std::FILE* const f = std::fopen(device.options.counts.c_str(), "w");
  if (!f) return;
  const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
  std::fprintf(f,
               "{\"launches\": %llu, \"host_to_device\": {\"copies\": %llu, \"bytes\": %llu}, \"device_to_host\": "
               "{\"copies\": %llu, \"bytes\": %llu}, \"device_to_device\": {\"copies\": %llu, \"bytes\": %llu}, "
               "\"pageable_copies\": %llu, \"memsets\": %llu, \"allocations\": %llu, \"frees\": %llu, "
               "\"pinned_allocations\": %llu, \"bytes_highest\": %llu, \"kernels\": [",
               n(counts.launches), n(counts.host_to_device_copies), n(counts.host_to_device_bytes),
               n(counts.device_to_host_copies), n(counts.device_to_host_bytes), n(counts.device_to_device_copies),
               n(counts.device_to_device_bytes), n(counts.pageable_copies), n(counts.memsets), n(counts.allocations),
               n(counts.frees), n(counts.pinned_allocations), n(device.memory.highest()));
  const char* comma = "";
  for (const auto& [name, k] : traffic) {
    std::fprintf(
        f,
        "%s\n{\"name\": \"%s\", \"launches\": %llu, \"blocks\": %llu, \"threads\": %llu, \"instructions\": %llu, "
        "\"load_bytes\": %llu, \"store_bytes\": %llu, \"block_sector_bytes\": %llu, \"grid_sector_bytes\": %llu, "
        "\"atomics\": %llu, \"shared_bytes\": %llu, "
        "\"local_bytes\": %llu}",
        comma, name.c_str(), n(k.launches), n(k.blocks), n(k.threads), n(k.traffic.instructions),
        n(k.traffic.load_bytes), n(k.traffic.store_bytes), n(k.traffic.block_sector_bytes),
        n(k.traffic.grid_sector_bytes), n(k.traffic.atomics), n(k.traffic.shared_bytes), n(k.traffic.local_bytes));
    comma = ",";
  }
  std::fprintf(f, "]}\n");
  std::fclose(f);
}

cudaError_t status(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

cudaError_t take_last_error(bool forget) {
  Runtime& r = Runtime::get();
  if (r.sticky != cudaSuccess) return r.sticky;
  const cudaError_t e = last_error;
  if (forget) last_error = cudaSuccess;
  return e;
}

bool Runtime::fails(const char* call) {
  Options& o = device.options;
  if (o.fail_call.empty() || o.fail_call != call) return false;
  if (o.fail_after-- > 0) return false;
  o.fail_call.clear();
  return true;
}

cudaError_t guarded(const std::function<cudaError_t(Runtime&)>& body, const char* call) {
  Runtime& r = Runtime::get();
  const std::lock_guard lock(r.mutex);
  if (r.sticky != cudaSuccess) return r.sticky;
  if (r.fails(call)) return status(cudaErrorUnknown);
  try {
    return status(body(r));
  } catch (const Fault& f) {
    r.fault(f.what(), error_of(f.kind));
  } catch (const Unsupported& u) {
    r.fault(u.what(), cudaErrorInvalidPtx);
  }
  return r.sticky;
}

std::string readable_name(const std::string& mangled) {
  int failed = 0;
  char* const text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &failed);
  std::string name = failed == 0 && text ? text : mangled;
  std::free(text);
  return name;
}

}  // namespace fulmar::ptx

using fulmar::ptx::Runtime;

extern "C" {

void fulmar_ptx_get_counts(fulmar_ptx_counts* counts) {
  fulmar::ptx::guarded([&](Runtime& r) {
    r.queues.synchronize_all();
    *counts = r.counts;
    counts->bytes_in_use = r.device.memory.in_use();
    counts->bytes_highest = r.device.memory.highest();
    return cudaSuccess;
  });
}

void fulmar_ptx_reset_counts(void) {
  fulmar::ptx::guarded([](Runtime& r) {
    r.queues.synchronize_all();
    r.counts = {};
    r.traffic.clear();
    r.device.memory.reset_highest();
    return cudaSuccess;
  });
}

int fulmar_ptx_get_traffic(const char* part, fulmar_ptx_traffic* sum) {
  *sum = {};
  fulmar::ptx::guarded([&](Runtime& r) {
    r.queues.synchronize_all();
    for (const auto& [name, k] : r.traffic) {
      if (name.find(part) == std::string::npos) continue;
      sum->launches += k.launches;
      sum->blocks += k.blocks;
      sum->threads += k.threads;
      sum->instructions += k.traffic.instructions;
      sum->load_bytes += k.traffic.load_bytes;
      sum->store_bytes += k.traffic.store_bytes;
      sum->block_sector_bytes += k.traffic.block_sector_bytes;
      sum->grid_sector_bytes += k.traffic.grid_sector_bytes;
      sum->atomics += k.traffic.atomics;
      sum->shared_bytes += k.traffic.shared_bytes;
      sum->local_bytes += k.traffic.local_bytes;
    }
    return cudaSuccess;
  });
  return sum->launches != 0;
}

int fulmar_ptx_set(const char* name, const char* value) {
  Runtime& r = Runtime::get();
  const std::lock_guard lock(r.mutex);
  const bool known = r.device.options.set(name, value);
  r.device.memory.set_capacity(r.device.options.memory << 20);
  return known;
}

void fulmar_ptx_divide(void* allocation, void* stream) { fulmar_ptx_divide_from(allocation, allocation, stream); }

void fulmar_ptx_divide_from(void* allocation, void* from, void* stream) {
  using fulmar::ptx::Fault, fulmar::ptx::FaultKind;
  const auto at = reinterpret_cast<std::uint64_t>(allocation), first = reinterpret_cast<std::uint64_t>(from);
  fulmar::ptx::guarded([&](Runtime& r) {
    r.queues.push(r.queues.of(stream), "division of memory", [&r, at, first] {
      const auto* const a = r.device.memory.allocation_at(at);
      if (!a || !a->live) throw Fault(FaultKind::misuse, "what is to be divided is no allocation");
      if (first < at || first > at + a->bytes || (first - at) % fulmar::ptx::DeviceMemory::granule != 0)
        throw Fault(FaultKind::misuse, "an allocation is divided from a multiple of 256 bytes within it on");
      r.queues.touch(first, a->bytes - (first - at), true);
      r.device.memory.divide(at, first);
    });
    return cudaSuccess;
  });
}

void fulmar_ptx_part(void* begin, uint64_t bytes, const char* name, void* stream) {
  using fulmar::ptx::Fault, fulmar::ptx::FaultKind;
  const auto at = reinterpret_cast<std::uint64_t>(begin);
  fulmar::ptx::guarded([&](Runtime& r) {
    r.queues.push(r.queues.of(stream), "part of memory", [&r, at, bytes, what = std::string(name)] {
      if (!r.device.memory.add_part(at, bytes, what))
        throw Fault(FaultKind::misuse,
                    "part '" + what + "' does not begin at a multiple of 256 bytes in an allocation");
    });
    return cudaSuccess;
  });
}

const char* fulmar_ptx_report(void) { return Runtime::get().report.c_str(); }

void fulmar_ptx_clear_fault(void) {
  Runtime& r = Runtime::get();
  const std::lock_guard lock(r.mutex);
  r.sticky = cudaSuccess;
  r.report.clear();
  r.queues.drop();
  fulmar::ptx::take_last_error(true);
}

}  // extern "C"
