// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a shared library shows of itself. Everything else is hidden.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define FULMAR_API __attribute__((visibility("default")))
#else
#define FULMAR_API
#endif
