// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtime.hpp"

using namespace fulmar::ptx;

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {
cudaStream_t handle(Stream* s) { return reinterpret_cast<cudaStream_t>(s); }
Event& event_of(cudaEvent_t e) {
  if (!e) throw Fault(FaultKind::misuse, "an event that does not exist");
  return *reinterpret_cast<Event*>(e);
}
}  // namespace

EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
  return guarded([&](Runtime& r) {
    *s = handle(r.queues.create(!(flags & cudaStreamNonBlocking)));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaStreamCreate(cudaStream_t* s) { return cudaStreamCreateWithFlags(s, cudaStreamDefault); }
EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t* s, unsigned flags, int) {
  return cudaStreamCreateWithFlags(s, flags);
}
EXPORT cudaError_t cudaStreamDestroy(cudaStream_t s) {
  return guarded([&](Runtime& r) {
    r.queues.destroy(&r.queues.of(s));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  return guarded([&](Runtime& r) {
    r.queues.synchronize(r.queues.of(s));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaStreamQuery(cudaStream_t s) {
  return guarded([&](Runtime& r) { return r.queues.query(r.queues.of(s)) ? cudaSuccess : cudaErrorNotReady; });
}
EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  return guarded([&](Runtime& r) {
    r.queues.wait(r.queues.of(s), event_of(e));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaStreamGetFlags(cudaStream_t s, unsigned* flags) {
  return guarded([&](Runtime& r) {
    *flags = r.queues.of(s).blocking ? cudaStreamDefault : cudaStreamNonBlocking;
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaStreamGetPriority(cudaStream_t, int* priority) {
  *priority = 0;
  return cudaSuccess;
}
EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* capturing) {
  *capturing = cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
EXPORT cudaError_t cudaStreamGetDevice(cudaStream_t, int* device) {
  *device = 0;
  return cudaSuccess;
}
EXPORT cudaError_t cudaStreamGetId(cudaStream_t s, unsigned long long* id) {
  return guarded([&](Runtime& r) {
    *id = r.queues.of(s).number;
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t s, cudaHostFn_t f, void* data) {
  return guarded([&](Runtime& r) {
    r.queues.push(r.queues.of(s), "host function", [f, data] { f(data); });
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaStreamAddCallback(cudaStream_t s, cudaStreamCallback_t f, void* data, unsigned) {
  return guarded([&](Runtime& r) {
    r.queues.push(r.queues.of(s), "callback", [s, f, data] { f(s, cudaSuccess, data); });
    return cudaSuccess;
  });
}

EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  return guarded([e](Runtime&) { return *e = reinterpret_cast<cudaEvent_t>(new Event), cudaSuccess; });
}
EXPORT cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, 0); }
EXPORT cudaError_t cudaEventDestroy(cudaEvent_t e) {
  return guarded([e](Runtime&) { return delete reinterpret_cast<Event*>(e), cudaSuccess; });
}
EXPORT cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  return guarded([&](Runtime& r) {
    r.queues.record(r.queues.of(s), event_of(e));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned) { return cudaEventRecord(e, s); }
EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  return guarded([&](Runtime& r) {
    r.queues.synchronize(event_of(e));
    return cudaSuccess;
  });
}
EXPORT cudaError_t cudaEventQuery(cudaEvent_t e) {
  return guarded([&](Runtime& r) { return r.queues.query(event_of(e)) ? cudaSuccess : cudaErrorNotReady; });
}
/// There is no time here; a millisecond a call keeps rates finite.
EXPORT cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t, cudaEvent_t) {
  *ms = 1;
  return cudaSuccess;
}
EXPORT cudaError_t cudaDeviceSynchronize() {
  return guarded([](Runtime& r) {
    r.queues.synchronize_all();
    return cudaSuccess;
  });
}
