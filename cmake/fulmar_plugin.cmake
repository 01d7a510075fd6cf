# SPDX-License-Identifier: Apache-2.0
# fulmar_plugin(NAME [OPERATORS header...] [SOURCES file...] [VERSION v] [LICENSE l] [ORIGIN o])
#
# Builds the plugin NAME.so and its sidecar NAME.fulmar.json, which tells of its operators so that they can be listed
# without loading it. Each word of OPERATORS is a header without its suffix, such as front or sea/front, which holds the
# class fulmar::ops::Front; where CUDA is, its device twin is made from the same header, unless front.cu lies beside it, which
# then defines fulmar::ops::add_cuda_front(fulmar_operator&). A plugin in plain C gives SOURCES alone, one of which defines fulmar_plugin_1. It links nothing of Fulmar, and shows that one symbol. VERSION is that of the
# project unless it is given. `cmake --install` puts both files where fulmar finds them.
#
#   FULMAR_PLUGIN_CUDA    AUTO (default) makes device twins where nvcc is, ON insists, OFF leaves them out
#   FULMAR_PLUGIN_CUDART  static (default) or shared: how the CUDA runtime is linked
#   FULMAR_CUDA_ARCHITECTURES  such as 75-virtual (default) or "75-virtual;90-real"
#   FULMAR_ARCH           processor to compile for (-march); that of the engine by default
#
# It works where Fulmar is installed (find_package(fulmar) includes it) and where it is a subfolder (add_subdirectory does).
include("${CMAKE_CURRENT_LIST_DIR}/fulmar_names.cmake")
set(FULMAR_PLUGIN_CUDA AUTO CACHE STRING "Device twins of a plugin's operators: AUTO, ON, OFF")
set(FULMAR_PLUGIN_CUDART static CACHE STRING "The CUDA runtime of plugins: static or shared")
set_property(CACHE FULMAR_PLUGIN_CUDA PROPERTY STRINGS AUTO ON OFF)
set_property(CACHE FULMAR_PLUGIN_CUDART PROPERTY STRINGS static shared)
# A property, as a function that calls find_package keeps its variables to itself.
if(NOT DEFINED _fulmar_engine_arch)
  set(_fulmar_engine_arch x86-64-v3)
endif()
set_property(GLOBAL PROPERTY _fulmar_engine_arch "${_fulmar_engine_arch}")

# The headers: those of the source tree, or those that were installed three folders above this file's.
if(NOT TARGET fulmar::sdk)
  get_filename_component(_fulmar_root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
  add_library(fulmar::sdk INTERFACE IMPORTED)
  if(EXISTS "${_fulmar_root}/plugins/sdk/fulmar_abi.h")
    target_include_directories(fulmar::sdk INTERFACE
      "${_fulmar_root}/plugins/sdk" "${_fulmar_root}/engine" "${_fulmar_root}")
  else()
    find_path(FULMAR_SDK_INCLUDE fulmar_abi.h NO_CACHE REQUIRED NO_DEFAULT_PATH PATHS
      "${CMAKE_CURRENT_LIST_DIR}/../../../include/fulmar/sdk" "${CMAKE_CURRENT_LIST_DIR}/../../../../include/fulmar/sdk")
    target_include_directories(fulmar::sdk INTERFACE "${FULMAR_SDK_INCLUDE}")
  endif()
  # The same bits from every machine and backend.
  target_compile_options(fulmar::sdk INTERFACE -ffp-contract=off -fno-math-errno -fno-trapping-math)
endif()

# "sea/front" to the class Front and the word front.
function(_fulmar_operator_names header word class)
  get_filename_component(name "${header}" NAME)
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
    message(FATAL_ERROR "fulmar_plugin: '${header}' names no header: lower-case words joined by _, without .hpp")
  endif()
  _fulmar_class_of("${name}" camel)
  set(${word} "${name}" PARENT_SCOPE)
  set(${class} "${camel}" PARENT_SCOPE)
endfunction()

# The program that writes sidecars, one a project, in whichever of C and C++ the project has.
function(_fulmar_describe_program)
  if(TARGET fulmar_describe)
    return()
  endif()
  get_target_property(folders fulmar::sdk INTERFACE_INCLUDE_DIRECTORIES)
  string(REGEX REPLACE "\\$<BUILD_INTERFACE:([^>]*)>" "\\1" folders "${folders}")
  find_file(source fulmar_describe.c PATHS ${folders} NO_DEFAULT_PATH NO_CACHE REQUIRED)
  if(NOT CMAKE_C_COMPILER_LOADED)  # in this folder: another may have C
    configure_file("${source}" "${CMAKE_CURRENT_BINARY_DIR}/fulmar_describe.cpp" COPYONLY)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/fulmar_describe.cpp")
  endif()
  add_executable(fulmar_describe EXCLUDE_FROM_ALL "${source}")
  target_link_libraries(fulmar_describe PRIVATE fulmar::sdk ${CMAKE_DL_LIBS})
  target_compile_definitions(fulmar_describe PRIVATE _GNU_SOURCE)
endfunction()

# Whether there is nvcc: sets FULMAR_PLUGIN_HAS_CUDA and, where it is, what CUDAToolkit brings.
macro(_fulmar_find_cuda)
  set(FULMAR_PLUGIN_HAS_CUDA OFF)
  if(NOT FULMAR_PLUGIN_CUDA STREQUAL "OFF")
    find_package(CUDAToolkit QUIET)
    if(CUDAToolkit_FOUND AND CUDAToolkit_NVCC_EXECUTABLE)
      set(FULMAR_PLUGIN_HAS_CUDA ON)
    elseif(NOT FULMAR_PLUGIN_CUDA STREQUAL "AUTO")
      message(FATAL_ERROR "FULMAR_PLUGIN_CUDA=ON, but no nvcc was found: put it on PATH, or set CUDAToolkit_ROOT")
    endif()
  endif()
endmacro()

# Compiles a device twin by nvcc; the project needs no CUDA language of its own.
function(_fulmar_cuda_object plugin source object)
  set(code "")
  foreach(each IN LISTS FULMAR_CUDA_ARCHITECTURES)
    string(REGEX MATCH "^[0-9]+[a-z]?" number "${each}")
    if(each MATCHES "-virtual$")
      list(APPEND code "--generate-code=arch=compute_${number},code=compute_${number}")
    elseif(each MATCHES "-real$")
      list(APPEND code "--generate-code=arch=compute_${number},code=sm_${number}")
    else()
      list(APPEND code "--generate-code=arch=compute_${number},code=[compute_${number},sm_${number}]")
    endif()
  endforeach()
  set(folders "$<TARGET_PROPERTY:${plugin},INCLUDE_DIRECTORIES>")
  add_custom_command(
    OUTPUT "${object}"
    COMMAND "${CUDAToolkit_NVCC_EXECUTABLE}" -std=c++20 -O3 --fmad=false --no-compress ${code} --diag-suppress 177
            "-Xcompiler=-fPIC,-fvisibility=hidden,-ffp-contract=off,-fno-math-errno,-fno-trapping-math"
            "-I$<JOIN:${folders},;-I>" -MD -MF "${object}.d" -c "${source}" -o "${object}"
    DEPENDS "${source}"
    DEPFILE "${object}.d"
    COMMENT "Building the CUDA twin ${object}"
    COMMAND_EXPAND_LISTS VERBATIM)
endfunction()

function(fulmar_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "VERSION;LICENSE;ORIGIN" "OPERATORS;SOURCES")
  if(NOT name MATCHES "^[A-Za-z][A-Za-z0-9_]*$")
    message(FATAL_ERROR "fulmar_plugin: '${name}' is no name of a plugin: letters, digits and _")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "fulmar_plugin(${name}): what is ${arg_UNPARSED_ARGUMENTS}? OPERATORS or SOURCES come first")
  endif()
  if(NOT arg_OPERATORS AND NOT arg_SOURCES)
    message(FATAL_ERROR "fulmar_plugin(${name}): it has neither OPERATORS nor SOURCES")
  endif()
  if(NOT DEFINED FULMAR_CUDA_ARCHITECTURES)
    set(FULMAR_CUDA_ARCHITECTURES 75-virtual)
  endif()
  set(arch "${FULMAR_ARCH}")
  if(NOT DEFINED FULMAR_ARCH AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    get_property(arch GLOBAL PROPERTY _fulmar_engine_arch)
  endif()
  if(NOT arg_VERSION)
    set(arg_VERSION "${PROJECT_VERSION}")
  endif()
  if(NOT arg_VERSION)
    set(arg_VERSION 0.0.0)
  endif()
  if(NOT arg_LICENSE)
    set(arg_LICENSE unstated)
  endif()
  set(made "${CMAKE_CURRENT_BINARY_DIR}/${name}.plugin")
  include(GNUInstallDirs)

  add_library(${name} MODULE ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE fulmar::sdk)
  if(arch)
    target_compile_options(${name} PRIVATE "$<$<COMPILE_LANGUAGE:C,CXX>:-march=${arch}>")
  endif()

  if(arg_OPERATORS)
    target_compile_features(${name} PRIVATE cxx_std_20)
    _fulmar_find_cuda()
    set(declared "")
    set(tables "")
    set(architectures "")
    foreach(header IN LISTS arg_OPERATORS)
      _fulmar_operator_names("${header}" word class)
      set(file "${CMAKE_CURRENT_SOURCE_DIR}/${header}.hpp")
      if(NOT EXISTS "${file}")
        message(FATAL_ERROR "fulmar_plugin(${name}): there is no ${file}")
      endif()
      file(CONFIGURE OUTPUT "${made}/${word}.cpp" @ONLY CONTENT [==[
// Made by CMake from @header@.hpp; do not edit.
#include "@header@.hpp"
#include "op/apply.hpp"

namespace fulmar::ops {
const fulmar_operator& operator_@word@() { return op::table_of<@class@>(); }
}  // namespace fulmar::ops
]==])
      target_sources(${name} PRIVATE "${made}/${word}.cpp")
      string(APPEND declared "const fulmar_operator& operator_${word}();\n")
      file(STRINGS "${file}" tabular REGEX "void tabulate\\(")
      if(FULMAR_PLUGIN_HAS_CUDA AND NOT tabular)
        set(twin "${CMAKE_CURRENT_SOURCE_DIR}/${header}.cu")
        if(NOT EXISTS "${twin}")
          set(twin "${made}/${word}.cu")
          file(CONFIGURE OUTPUT "${twin}" @ONLY CONTENT [==[
// Made by CMake from @header@.hpp; do not edit.
#include "@header@.hpp"
#include "cuda/launch.cuh"

namespace fulmar::ops {
void add_cuda_@word@(fulmar_operator& table) { cuda::add_twin<@class@>(table); }
}  // namespace fulmar::ops
]==])
        endif()
        _fulmar_cuda_object(${name} "${twin}" "${made}/${word}.cu.o")
        target_sources(${name} PRIVATE "${made}/${word}.cu.o")
        set_source_files_properties("${made}/${word}.cu.o" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
        string(APPEND declared "void add_cuda_${word}(fulmar_operator&);\n")
        string(APPEND tables "        twinned<add_cuda_${word}>(operator_${word}()),\n")
        set(architectures "${FULMAR_CUDA_ARCHITECTURES}")
      else()
        string(APPEND tables "        &operator_${word}(),\n")
      endif()
    endforeach()
    string(REPLACE ";" " " architectures "${architectures}")
    if(architectures)
      if(FULMAR_PLUGIN_CUDART STREQUAL "shared")
        target_link_libraries(${name} PRIVATE CUDA::cudart)
      else()
        target_link_libraries(${name} PRIVATE CUDA::cudart_static)
      endif()
    endif()
    file(CONFIGURE OUTPUT "${made}/entry.cpp" @ONLY CONTENT [==[
// Made by CMake; do not edit.
#include "fulmar_abi.h"

namespace fulmar::ops {
@declared@
/// The table of an operator with its device twin.
template <void (*add)(fulmar_operator&)>
[[maybe_unused]] static const fulmar_operator* twinned(const fulmar_operator& table) {
  static const fulmar_operator with = [&] {
    fulmar_operator t = table;
    add(t);
    return t;
  }();
  return &with;
}

static const fulmar_plugin& plugin() {
  static const fulmar_operator* const operators[] = {
@tables@  };
  static const fulmar_plugin all{sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "@name@", "@arg_VERSION@",
                                 "@arg_LICENSE@", "@arg_ORIGIN@", "@architectures@",
                                 sizeof operators / sizeof *operators, operators};
  return all;
}
}  // namespace fulmar::ops

extern "C" FULMAR_EXPORT const fulmar_plugin* fulmar_plugin_1(void) {
  try {
    return &fulmar::ops::plugin();
  } catch (...) {
    return nullptr;
  }
}
]==])
    target_sources(${name} PRIVATE "${made}/entry.cpp")
  endif()

  # One symbol, and nothing that only the program might have.
  file(CONFIGURE OUTPUT "${made}/exports.map" CONTENT "{ global: fulmar_plugin_1; local: *; };\n")
  target_link_options(${name} PRIVATE "LINKER:--version-script,${made}/exports.map")
  if(NOT FULMAR_SANITIZE)
    target_link_options(${name} PRIVATE "LINKER:--no-undefined")
  endif()

  if(CMAKE_CROSSCOMPILING)
    message(WARNING "fulmar_plugin(${name}): a plugin for another machine is not described here; run "
                    "fulmar plugin describe ${name}.so there")
  else()
    _fulmar_describe_program()
    add_dependencies(${name} fulmar_describe)
    add_custom_command(TARGET ${name} POST_BUILD
      COMMAND fulmar_describe "$<TARGET_FILE:${name}>" "$<TARGET_FILE_DIR:${name}>/${name}.fulmar.json"
      BYPRODUCTS "${CMAKE_CURRENT_BINARY_DIR}/${name}.fulmar.json"
      COMMENT "Describing the plugin ${name}"
      VERBATIM)
    install(FILES "$<TARGET_FILE_DIR:${name}>/${name}.fulmar.json" DESTINATION "${CMAKE_INSTALL_LIBDIR}/fulmar/plugins")
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/fulmar/plugins")
endfunction()

# fulmar_plugin_check(NAME): adds the test NAME.conformance, which runs every law on the plugin.
function(fulmar_plugin_check name)
  find_program(FULMAR_PROGRAM fulmar HINTS "${fulmar_DIR}/cli" "${fulmar_DIR}/../../../bin" "${fulmar_DIR}/../../../../bin"
               DOC "The program fulmar, which checks plugins")
  if(FULMAR_PROGRAM)
    add_test(NAME ${name}.conformance COMMAND "${FULMAR_PROGRAM}" plugin check "$<TARGET_FILE:${name}>")
  else()
    message(STATUS "fulmar_plugin_check(${name}): the program fulmar was not found; set FULMAR_PROGRAM")
  endif()
endfunction()
