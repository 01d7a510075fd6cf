# SPDX-License-Identifier: Apache-2.0
# Whether CUDA code is built: FULMAR_HAS_CUDA. The same bits as on the processor, so no contraction; warnings are errors.
set(FULMAR_HAS_CUDA OFF)
if(FULMAR_CUDA STREQUAL "OFF")
  return()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(FULMAR_CUDA STREQUAL "ON")
    message(FATAL_ERROR "FULMAR_CUDA=ON, but no nvcc was found: put it on PATH, or set CMAKE_CUDA_COMPILER")
  endif()
  message(STATUS "CUDA: no nvcc, device code left out")
  return()
endif()
if(CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 75-virtual)
endif()
# What links the runtime is each program's own choice: static in the products, shared where tests put another in its place.
set(CMAKE_CUDA_RUNTIME_LIBRARY None)
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
# CMake 3.25 (Debian 12) does not know the flag of newer toolkits.
foreach(kind STANDARD EXTENSION)
  if(NOT CMAKE_CUDA20_${kind}_COMPILE_OPTION)
    set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20)
  endif()
endforeach()
# CUB of the toolkit; what a system has of it elsewhere may be older, and must not be found first. Its version is asked
# for afterwards, as the package takes a newer major one for unfit.
find_package(CCCL CONFIG QUIET COMPONENTS CUB HINTS ${CUDAToolkit_LIBRARY_ROOT}/lib ${CUDAToolkit_LIBRARY_DIR}
             PATH_SUFFIXES cmake cmake/cccl)
if(NOT CCCL_FOUND OR CCCL_VERSION VERSION_LESS 3)
  set(found "CUDA ${CUDAToolkit_VERSION} at ${CUDAToolkit_BIN_DIR} has no CCCL of version 3 or newer")
  if(FULMAR_CUDA STREQUAL "ON")
    message(FATAL_ERROR "FULMAR_CUDA=ON, but ${found}: CUDA 13 or newer has it")
  endif()
  message(STATUS "${found}, which CUDA 13 has: device code left out")
  return()
endif()
# For one file of the calling folder's targets.
function(fulmar_use_cccl file)
  set_property(SOURCE ${file} APPEND PROPERTY COMPILE_OPTIONS
    "-isystem;$<JOIN:$<REMOVE_DUPLICATES:$<TARGET_PROPERTY:CCCL::CUB,INTERFACE_INCLUDE_DIRECTORIES>>,;-isystem;>")
endfunction()
set(FULMAR_HAS_CUDA ON)
