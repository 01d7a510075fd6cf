/* SPDX-License-Identifier: Apache-2.0
 * What a test may ask the interpreter's CUDA runtime. The functions are weak: in a program that runs with the real
 * runtime they are null. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fulmar_ptx_counts {
  uint64_t launches;
  uint64_t host_to_device_copies, host_to_device_bytes;
  uint64_t device_to_host_copies, device_to_host_bytes;
  uint64_t device_to_device_copies, device_to_device_bytes;
  uint64_t pageable_copies; /* of the copies above: those whose host memory is not pinned */
  uint64_t memsets;
  uint64_t allocations, frees; /* of device memory */
  uint64_t pinned_allocations;
  uint64_t bytes_in_use, bytes_highest; /* of allocations of device memory, in units of 256 bytes */
};

struct fulmar_ptx_traffic {
  uint64_t launches, blocks, threads;
  uint64_t instructions;            /* of all threads */
  uint64_t load_bytes, store_bytes; /* of global memory, what all threads asked for */
  uint64_t block_sector_bytes;      /* global loads, each sector of 32 bytes once a block */
  uint64_t grid_sector_bytes;       /* the same, once a launch */
  uint64_t atomics;                 /* on global memory */
  uint64_t shared_bytes, local_bytes;
};

#define FULMAR_PTX_API __attribute__((weak, visibility("default")))
/** Since the start or the last reset; waits for queued work. */
FULMAR_PTX_API void fulmar_ptx_get_counts(struct fulmar_ptx_counts* counts);
FULMAR_PTX_API void fulmar_ptx_reset_counts(void);
/** Sum over the kernels whose readable name contains `part`; 0 if there is none. */
FULMAR_PTX_API int fulmar_ptx_get_traffic(const char* part, struct fulmar_ptx_traffic* traffic);
/** Sets an option (SEED, BLOCKS, QUANTUM, .. as in the environment, without FULMAR_PTX_); 0 if there is none so named.
 */
FULMAR_PTX_API int fulmar_ptx_set(const char* name, const char* value);
/** For a program that divides an allocation itself: from here on (in the order of the stream) only parts of it may be
 * used, and there are none yet. Leave 256 bytes between parts, and what runs past the end of one is seen. */
FULMAR_PTX_API void fulmar_ptx_divide(void* allocation, void* stream);
/** The same from an address within it on, at a multiple of 256 bytes; what lies before stays as it is. */
FULMAR_PTX_API void fulmar_ptx_divide_from(void* allocation, void* from, void* stream);
/** A part, at a multiple of 256 bytes; nothing of it is written yet. */
FULMAR_PTX_API void fulmar_ptx_part(void* begin, uint64_t bytes, const char* name, void* stream);
/** The report of the last fault (STICKY=1), or "". */
FULMAR_PTX_API const char* fulmar_ptx_report(void);
/** Forgets the last fault, so that the process can go on. */
FULMAR_PTX_API void fulmar_ptx_clear_fault(void);

#ifdef __cplusplus
}
#endif
