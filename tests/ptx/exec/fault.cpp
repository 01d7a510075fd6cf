// SPDX-License-Identifier: Apache-2.0
#include "exec/fault.hpp"

namespace fulmar::ptx {

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::out_of_bounds:
      return "out of bounds";
    case FaultKind::use_after_free:
      return "use after free";
    case FaultKind::host_pointer:
      return "host pointer";
    case FaultKind::misaligned:
      return "misaligned";
    case FaultKind::uninitialised:
      return "uninitialised";
    case FaultKind::race:
      return "race";
    case FaultKind::divergent_barrier:
      return "divergent barrier";
    case FaultKind::warp_mask:
      return "warp mask";
    case FaultKind::deadlock:
      return "deadlock";
    case FaultKind::endless:
      return "endless";
    case FaultKind::arithmetic:
      return "arithmetic";
    case FaultKind::trap:
      return "trap";
    case FaultKind::stream_order:
      return "stream order";
    case FaultKind::misuse:
      return "misuse";
  }
  return "?";
}

}  // namespace fulmar::ptx
