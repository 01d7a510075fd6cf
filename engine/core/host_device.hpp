// SPDX-License-Identifier: Apache-2.0
/// @file
/// The one macro that lets a functor be compiled for the host and for the device from the same source.
#pragma once

#if defined(__CUDACC__)
#define FULMAR_HD __host__ __device__
#else
#define FULMAR_HD
#endif
