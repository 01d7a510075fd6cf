// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "runtime/runtime.hpp"

using namespace fulmar::ptx;

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT cudaError_t cudaGetDeviceCount(int* n) {
  *n = 1;
  return cudaSuccess;
}
EXPORT cudaError_t cudaGetDevice(int* n) {
  return guarded([n](Runtime&) { return *n = 0, cudaSuccess; });
}
EXPORT cudaError_t cudaSetDevice(int n) {
  return guarded([n](Runtime&) { return n == 0 ? cudaSuccess : cudaErrorInvalidDevice; });
}
EXPORT cudaError_t cudaInitDevice(int n, unsigned, unsigned) { return cudaSetDevice(n); }
EXPORT cudaError_t cudaSetDeviceFlags(unsigned) { return cudaSuccess; }
EXPORT cudaError_t cudaDeviceReset() { return cudaDeviceSynchronize(); }
EXPORT cudaError_t cudaDriverGetVersion(int* v) {
  *v = CUDART_VERSION;
  return cudaSuccess;
}
EXPORT cudaError_t cudaRuntimeGetVersion(int* v) {
  *v = CUDART_VERSION;
  return cudaSuccess;
}
EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
EXPORT cudaError_t cudaDeviceSetLimit(cudaLimit, std::size_t) { return cudaSuccess; }
EXPORT cudaError_t cudaDeviceGetLimit(std::size_t* v, cudaLimit) {
  *v = 0;
  return cudaSuccess;
}
EXPORT cudaError_t cudaDeviceGetPCIBusId(char* text, int bytes, int) {
  std::strncpy(text, "0000:00:00.0", static_cast<std::size_t>(bytes));
  return cudaSuccess;
}

EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int n) {
  if (n != 0) return status(cudaErrorInvalidDevice);
  std::memset(p, 0, sizeof *p);
  std::strcpy(p->name, "PTX interpreter");
  p->totalGlobalMem = Runtime::get().device.memory.capacity();
  p->sharedMemPerBlock = 49152;
  p->sharedMemPerBlockOptin = 65536;
  p->sharedMemPerMultiprocessor = 65536;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->memPitch = 0x7fffffff;
  p->maxThreadsPerBlock = p->maxThreadsPerMultiProcessor = 1024;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 0x7fffffff;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->totalConstMem = 65536;
  p->major = 7;
  p->minor = 5;
  p->textureAlignment = 512;
  p->multiProcessorCount = 16;
  p->unifiedAddressing = 1;
  p->canMapHostMemory = 1;
  p->concurrentKernels = 1;
  p->asyncEngineCount = 2;
  p->memoryPoolsSupported = 1;
  p->l2CacheSize = 4 << 20;
  p->memoryBusWidth = 256;
  p->maxBlocksPerMultiProcessor = 16;
  return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceGetAttribute(int* v, cudaDeviceAttr a, int n) {
  if (n != 0) return status(cudaErrorInvalidDevice);
  switch (a) {
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxThreadsPerMultiProcessor:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      *v = 1024;
      break;
    case cudaDevAttrMaxBlockDimZ:
      *v = 64;
      break;
    case cudaDevAttrMaxGridDimX:
      *v = 0x7fffffff;
      break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      *v = 65535;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *v = 49152;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *v = 65536;
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *v = 0;
      break;
    case cudaDevAttrWarpSize:
      *v = 32;
      break;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
    case cudaDevAttrTotalConstantMemory:
      *v = 65536;
      break;
    case cudaDevAttrMultiProcessorCount:
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *v = 16;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *v = 7;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *v = 5;
      break;
    case cudaDevAttrL2CacheSize:
      *v = 4 << 20;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *v = 256;
      break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
      *v = 1'000'000;
      break;
    case cudaDevAttrMaxPitch:
      *v = 0x7fffffff;
      break;
    case cudaDevAttrTextureAlignment:
      *v = 512;
      break;
    case cudaDevAttrAsyncEngineCount:
      *v = 2;
      break;
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrCanMapHostMemory:
      *v = 1;
      break;
    default:
      *v = 0;
      break;
  }
  return cudaSuccess;
}

EXPORT cudaError_t cudaGetLastError() { return take_last_error(true); }
EXPORT cudaError_t cudaPeekAtLastError() { return take_last_error(false); }

namespace {
struct Name {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr Name names[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidPtx, "cudaErrorInvalidPtx", "a PTX JIT compilation failed"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorAssert, "cudaErrorAssert", "device-side assert triggered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
};
}  // namespace

EXPORT const char* cudaGetErrorName(cudaError_t e) {
  for (const Name& n : names)
    if (n.error == e) return n.name;
  return "unrecognized error code";
}
EXPORT const char* cudaGetErrorString(cudaError_t e) {
  for (const Name& n : names)
    if (n.error == e) return n.text;
  return "unrecognized error code";
}

EXPORT cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** f, unsigned, unsigned long long,
                                                    cudaDriverEntryPointQueryResult* found) {
  *f = nullptr;
  if (found) *found = cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
