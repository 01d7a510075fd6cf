# SPDX-License-Identifier: Apache-2.0
# How every target is compiled. The same bits come from every machine and backend, so: no contraction, no fast math.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(fulmar_settings INTERFACE)
# IEEE results to the bit, and loops that still vectorise: errno and floating traps are of no use here.
target_compile_options(fulmar_settings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra -Wpedantic -Wshadow>
  # g++ 12 warns of overlapping copies inside its own std::string (GCC bug 105651).
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>)
if(FULMAR_ARCH AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(fulmar_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=${FULMAR_ARCH}>)
endif()
if(FULMAR_SANITIZE)
  target_compile_options(fulmar_settings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${FULMAR_SANITIZE} -fno-omit-frame-pointer -g>)
  target_link_options(fulmar_settings INTERFACE -fsanitize=${FULMAR_SANITIZE})
endif()
if(FULMAR_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "FULMAR_FUZZ needs clang: take the preset fuzz, or CXX=clang++")
  endif()
  # Coverage alone: the program and the other tests keep their own main().
  target_compile_options(fulmar_settings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()
