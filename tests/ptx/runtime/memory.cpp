// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "runtime/runtime.hpp"

using namespace fulmar::ptx;

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

std::uint64_t number(const void* p) { return reinterpret_cast<std::uint64_t>(p); }

// ---- Device memory.

cudaError_t allocate(Runtime& r, void** p, std::size_t bytes, const char* by, Stream* stream) {
  *p = nullptr;
  if (bytes == 0) return cudaSuccess;
  const std::string what = std::string(by) + " #" + std::to_string(++r.named);
  std::uint64_t at = r.device.memory.allocate(bytes, what);
  if (!at) {
    r.queues.synchronize_all();  // queued frees
    at = r.device.memory.allocate(bytes, what);
  }
  if (!at) return cudaErrorMemoryAllocation;
  ++r.counts.allocations;
  *p = reinterpret_cast<void*>(at);
  // Work of other streams may use it only after it was made.
  if (stream) r.queues.push(*stream, what, [&r, at, bytes] { r.queues.touch(at, bytes, true); });
  return cudaSuccess;
}

void release(Runtime& r, std::uint64_t at) {
  const Allocation* const a = r.device.memory.allocation_at(at);
  if (!a) throw Fault(FaultKind::misuse, "cudaFree of an address that no allocation gave");
  if (!a->live) throw Fault(FaultKind::use_after_free, "cudaFree of memory that is free already (" + a->what + ")");
  r.device.memory.release(at);
  ++r.counts.frees;
}

// ---- Copies. A rectangle: rows of `width` bytes, `pitch` apart.

struct Rows {
  std::uint64_t at;
  std::size_t pitch;
};

void check_range(Runtime& r, Rows rows, std::size_t width, std::size_t height, const char* what) {
  const std::uint64_t bytes = (height - 1) * rows.pitch + width;
  const Allocation* const a = r.device.memory.find(rows.at);
  if (!a) {
    if (r.device.memory.contains(rows.at))
      throw Fault(FaultKind::out_of_bounds, std::string(what) + ": in no allocation");
    throw Fault(FaultKind::host_pointer, std::string(what) + ": a host pointer where a device pointer belongs");
  }
  if (!a->live) throw Fault(FaultKind::use_after_free, std::string(what) + ": freed memory (" + a->what + ")");
  if (rows.at + bytes > a->begin + a->bytes)
    throw Fault(FaultKind::out_of_bounds,
                std::string(what) + ": " + std::to_string(rows.at + bytes - a->begin - a->bytes) +
                    " bytes past the end of " + a->what + " (" + std::to_string(a->bytes) + " bytes)");
}

void check_host(Runtime& r, Rows rows, const char* what) {
  if (r.device.memory.contains(rows.at))
    throw Fault(FaultKind::misuse, std::string(what) + ": a device pointer where a host pointer belongs");
}

cudaMemcpyKind kind_of(Runtime& r, const void* to, const void* from, cudaMemcpyKind kind) {
  if (kind != cudaMemcpyDefault) return kind;
  const bool down = r.device.memory.contains(number(to)), up = r.device.memory.contains(number(from));
  return down ? (up ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice)
              : (up ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost);
}

/// Does it, now.
void copy_rows(Runtime& r, Rows to, Rows from, std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  DeviceMemory& m = r.device.memory;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (to_device) check_range(r, to, width, height, "a copy's destination");
  if (from_device) check_range(r, from, width, height, "a copy's source");
  for (std::size_t y = 0; y < height; ++y) {
    const std::uint64_t a = to.at + y * to.pitch, b = from.at + y * from.pitch;
    void* const dst = to_device ? static_cast<void*>(m.bytes(a)) : reinterpret_cast<void*>(a);
    const void* const src = from_device ? static_cast<const void*>(m.bytes(b)) : reinterpret_cast<const void*>(b);
    if (from_device) r.queues.touch(b, width, false);
    if (to_device) r.queues.touch(a, width, true);
    if (kind == cudaMemcpyDeviceToHost && r.device.options.copies_initialised) {
      const std::uint8_t* const written = m.initialised(b);
      if (const void* const gap = std::memchr(written, 0, width))
        throw Fault(FaultKind::uninitialised,
                    "a copy to the host of device memory that was never written: byte " +
                        std::to_string(b + static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(gap) - written) -
                                       m.find(b)->begin) +
                        " of " + m.find(b)->what + " (FULMAR_PTX_INIT_COPY=0 allows it)");
    }
    std::memmove(dst, src, width);
    if (to_device) {
      if (from_device)
        std::memmove(m.initialised(a), m.initialised(b), width);
      else
        std::memset(m.initialised(a), 1, width);
    }
  }
}

void count(Runtime& r, cudaMemcpyKind kind, std::uint64_t bytes, bool pageable) {
  fulmar_ptx_counts& c = r.counts;
  switch (kind) {
    case cudaMemcpyHostToDevice:
      ++c.host_to_device_copies;
      c.host_to_device_bytes += bytes;
      break;
    case cudaMemcpyDeviceToHost:
      ++c.device_to_host_copies;
      c.device_to_host_bytes += bytes;
      break;
    case cudaMemcpyDeviceToDevice:
      ++c.device_to_device_copies;
      c.device_to_device_bytes += bytes;
      break;
    default:
      return;
  }
  if (kind != cudaMemcpyDeviceToDevice && pageable) ++c.pageable_copies;
}

/// From pinned memory it happens later. From pageable memory the bytes are taken now, to pageable memory the host
/// waits.
cudaError_t copy(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
                 std::size_t height, cudaMemcpyKind asked, void* handle, bool synchronous,
                 const char* call = __builtin_FUNCTION()) {
  const auto body = [&](Runtime& r) {
    if (width == 0 || height == 0) return cudaSuccess;
    if (height > 1 && (to_pitch < width || from_pitch < width)) return cudaErrorInvalidPitchValue;
    const cudaMemcpyKind kind = kind_of(r, to, from, asked);
    const Rows a{number(to), to_pitch};
    Rows b{number(from), from_pitch};
    Stream& stream = r.queues.of(handle);
    const std::size_t span = [&] {
      return (height - 1) * (kind == cudaMemcpyHostToDevice ? from_pitch : to_pitch) + width;
    }();
    if (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyHostToHost) check_host(r, b, "a copy's source");
    if (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyHostToHost) check_host(r, a, "a copy's destination");
    const bool pageable = kind == cudaMemcpyHostToDevice   ? !r.is_pinned(from, span)
                          : kind == cudaMemcpyDeviceToHost ? !r.is_pinned(to, span)
                                                           : false;
    count(r, kind, std::uint64_t{width} * height, pageable);
    const char* const what = kind == cudaMemcpyHostToDevice   ? "copy to the device"
                             : kind == cudaMemcpyDeviceToHost ? "copy to the host"
                                                              : "copy on the device";
    if (kind == cudaMemcpyHostToDevice && pageable && !synchronous) {
      auto kept = std::make_shared<std::vector<char>>(span);
      for (std::size_t y = 0; y < height; ++y)
        std::memcpy(kept->data() + y * from_pitch, static_cast<const char*>(from) + y * from_pitch, width);
      r.queues.push(stream, what, [&r, a, from_pitch, kept, width, height, kind] {
        copy_rows(r, a, {number(kept->data()), from_pitch}, width, height, kind);
      });
    } else {
      r.queues.push(stream, what, [&r, a, b, width, height, kind] { copy_rows(r, a, b, width, height, kind); });
    }
    if (synchronous || pageable) r.queues.synchronize(stream);
    return cudaSuccess;
  };
  return guarded(body, call);
}

cudaError_t fill(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height, void* handle,
                 bool synchronous) {
  return guarded([&](Runtime& r) {
    if (width == 0 || height == 0) return cudaSuccess;
    ++r.counts.memsets;
    const Rows a{number(to), pitch};
    Stream& stream = r.queues.of(handle);
    r.queues.push(stream, "memset", [&r, a, value, width, height] {
      check_range(r, a, width, height, "a memset");
      for (std::size_t y = 0; y < height; ++y) {
        const std::uint64_t at = a.at + y * a.pitch;
        r.queues.touch(at, width, true);
        std::memset(r.device.memory.bytes(at), value, width);
        std::memset(r.device.memory.initialised(at), 1, width);
      }
    });
    if (synchronous) r.queues.synchronize(stream);
    return cudaSuccess;
  });
}

}  // namespace

EXPORT cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  return guarded([&](Runtime& r) { return allocate(r, p, bytes, "cudaMalloc", nullptr); });
}
EXPORT cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t s) {
  return guarded([&](Runtime& r) { return allocate(r, p, bytes, "cudaMallocAsync", &r.queues.of(s)); });
}
EXPORT cudaError_t cudaMallocFromPoolAsync(void** p, std::size_t bytes, cudaMemPool_t, cudaStream_t s) {
  return cudaMallocAsync(p, bytes, s);
}
EXPORT cudaError_t cudaMallocPitch(void** p, std::size_t* pitch, std::size_t width, std::size_t height) {
  *pitch = (width + 511) / 512 * 512;
  return cudaMalloc(p, *pitch * height);
}
EXPORT cudaError_t cudaFree(void* p) {
  return guarded([&](Runtime& r) {
    r.queues.synchronize_all();
    if (p) release(r, number(p));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaFreeAsync(void* p, cudaStream_t s) {
  return guarded([&](Runtime& r) {
    if (!p) return cudaSuccess;
    const std::uint64_t at = number(p);
    r.queues.push(r.queues.of(s), "cudaFreeAsync", [&r, at] {
      if (const Allocation* const a = r.device.memory.allocation_at(at); a && a->live)
        r.queues.touch(at, a->bytes, true);
      release(r, at);
    });
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return guarded([&](Runtime& r) {
    const DeviceMemory& m = r.device.memory;
    *total = m.capacity();
    *free = m.capacity() - std::min(m.capacity(), m.in_use());
    return cudaSuccess;
  });
}

// ---- Pools: one, of all memory.

namespace {
int the_pool;
std::uint64_t release_threshold;
}  // namespace

EXPORT cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = reinterpret_cast<cudaMemPool_t>(&the_pool);
  return cudaSuccess;
}
EXPORT cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) {
  return cudaDeviceGetDefaultMemPool(pool, device);
}
EXPORT cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t) { return cudaSuccess; }
EXPORT cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  return cudaDeviceGetDefaultMemPool(pool, 0);
}
EXPORT cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return cudaSuccess; }
EXPORT cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return cudaSuccess; }
EXPORT cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr a, void* value) {
  return guarded([&](Runtime& r) {
    if (a == cudaMemPoolAttrReleaseThreshold) std::memcpy(&release_threshold, value, 8);
    if (a == cudaMemPoolAttrUsedMemHigh || a == cudaMemPoolAttrReservedMemHigh) r.device.memory.reset_highest();
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr a, void* value) {
  return guarded([&](Runtime& r) {
    std::uint64_t v = 0;
    switch (a) {
      case cudaMemPoolAttrReleaseThreshold:
        v = release_threshold;
        break;
      case cudaMemPoolAttrUsedMemCurrent:
      case cudaMemPoolAttrReservedMemCurrent:
        v = r.device.memory.in_use();
        break;
      case cudaMemPoolAttrUsedMemHigh:
      case cudaMemPoolAttrReservedMemHigh:
        v = r.device.memory.highest();
        break;
      default: {  // the others are flags of reuse, int
        const int on = 1;
        std::memcpy(value, &on, sizeof on);
        return cudaSuccess;
      }
    }
    std::memcpy(value, &v, 8);
    return cudaSuccess;
  });
}

// ---- Host memory.

EXPORT cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  return guarded([&](Runtime& r) {
    *p = bytes ? std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096) : nullptr;
    if (!*p) return bytes ? cudaErrorMemoryAllocation : cudaSuccess;
    r.pinned[number(*p)] = bytes;
    ++r.counts.pinned_allocations;
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaMallocHost(void** p, std::size_t bytes) { return cudaHostAlloc(p, bytes, 0); }
EXPORT cudaError_t cudaFreeHost(void* p) {
  return guarded([&](Runtime& r) {
    if (!p) return cudaSuccess;
    r.queues.synchronize_all();
    if (!r.pinned.erase(number(p))) throw Fault(FaultKind::misuse, "cudaFreeHost of memory that is not pinned");
    std::free(p);
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaHostRegister(void* p, std::size_t bytes, unsigned) {
  return guarded([&](Runtime& r) {
    r.pinned[number(p)] = bytes;
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaHostUnregister(void* p) {
  return guarded([&](Runtime& r) {
    r.queues.synchronize_all();
    return r.pinned.erase(number(p)) ? cudaSuccess : cudaErrorHostMemoryNotRegistered;
  });
}
EXPORT cudaError_t cudaHostGetDevicePointer(void** p, void* host, unsigned) {
  *p = host;
  return cudaSuccess;
}
EXPORT cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
  return guarded([&](Runtime& r) {
    *a = {};
    const Allocation* const found = r.device.memory.find(number(p));
    const bool device = found && found->live, pinned = r.is_pinned(p, 1);
    a->type = device ? cudaMemoryTypeDevice : pinned ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
    a->device = device || pinned ? 0 : -1;
    a->devicePointer = device ? const_cast<void*>(p) : nullptr;
    a->hostPointer = pinned ? const_cast<void*>(p) : nullptr;
    return cudaSuccess;
  });
}

// ---- Copies.

EXPORT cudaError_t cudaMemcpy(void* to, const void* from, std::size_t n, cudaMemcpyKind kind) {
  return copy(to, n, from, n, n, 1, kind, nullptr, true);
}
EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t n, cudaMemcpyKind kind, cudaStream_t s) {
  return copy(to, n, from, n, n, 1, kind, s, false);
}
EXPORT cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                                std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  return copy(to, to_pitch, from, from_pitch, width, height, kind, nullptr, true);
}
EXPORT cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                                     std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t s) {
  return copy(to, to_pitch, from, from_pitch, width, height, kind, s, false);
}
EXPORT cudaError_t cudaMemset(void* to, int value, std::size_t n) { return fill(to, n, value, n, 1, nullptr, true); }
EXPORT cudaError_t cudaMemsetAsync(void* to, int value, std::size_t n, cudaStream_t s) {
  return fill(to, n, value, n, 1, s, false);
}
EXPORT cudaError_t cudaMemset2D(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height) {
  return fill(to, pitch, value, width, height, nullptr, true);
}
EXPORT cudaError_t cudaMemset2DAsync(void* to, std::size_t pitch, int value, std::size_t width, std::size_t height,
                                     cudaStream_t s) {
  return fill(to, pitch, value, width, height, s, false);
}

// ---- Variables.

namespace {
cudaError_t copy_symbol(const void* symbol, void* host, std::size_t n, std::size_t offset, bool to_symbol, void* s,
                        bool synchronous) {
  std::uint64_t at = 0;
  const cudaError_t e = guarded([&](Runtime& r) {
    at = r.symbol(symbol, offset, n);
    return cudaSuccess;
  });
  if (e != cudaSuccess) return e;
  void* const device = reinterpret_cast<void*>(at);
  return to_symbol ? copy(device, n, host, n, n, 1, cudaMemcpyHostToDevice, s, synchronous)
                   : copy(host, n, device, n, n, 1, cudaMemcpyDeviceToHost, s, synchronous);
}
}  // namespace

EXPORT cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* from, std::size_t n, std::size_t offset,
                                      cudaMemcpyKind) {
  return copy_symbol(symbol, const_cast<void*>(from), n, offset, true, nullptr, true);
}
EXPORT cudaError_t cudaMemcpyToSymbolAsync(const void* symbol, const void* from, std::size_t n, std::size_t offset,
                                           cudaMemcpyKind, cudaStream_t s) {
  return copy_symbol(symbol, const_cast<void*>(from), n, offset, true, s, false);
}
EXPORT cudaError_t cudaMemcpyFromSymbol(void* to, const void* symbol, std::size_t n, std::size_t offset,
                                        cudaMemcpyKind) {
  return copy_symbol(symbol, to, n, offset, false, nullptr, true);
}
EXPORT cudaError_t cudaGetSymbolAddress(void** p, const void* symbol) {
  return guarded([&](Runtime& r) {
    *p = reinterpret_cast<void*>(r.symbol(symbol, 0, 0));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaGetSymbolSize(std::size_t* n, const void* symbol) {
  return guarded([&](Runtime& r) {
    const auto it = r.variables.find(symbol);
    if (it == r.variables.end()) return cudaErrorInvalidSymbol;
    *n = it->second.bytes;
    return cudaSuccess;
  });
}
