# SPDX-License-Identifier: Apache-2.0
# What other programs link: libfulmar_engine (engine, operators, public API) and libfulmar_io (GDAL), with one target for
# both, fulmar::fulmar, in this tree as from an installed prefix. They show what is marked FULMAR_API and hide the rest.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
find_package(TBB REQUIRED)
find_package(fmt REQUIRED)

set(objects $<TARGET_OBJECTS:fulmar_core> $<TARGET_OBJECTS:fulmar_engine> $<TARGET_OBJECTS:fulmar_builtin>
            $<TARGET_OBJECTS:fulmar_threads> $<TARGET_OBJECTS:fulmar_api>)
if(FULMAR_HAS_CUDA)
  list(APPEND objects $<TARGET_OBJECTS:fulmar_cuda>)
endif()
add_library(fulmar_shared_engine SHARED ${objects})
target_link_libraries(fulmar_shared_engine PRIVATE TBB::tbb fmt::fmt ${CMAKE_DL_LIBS})
if(FULMAR_HAS_CUDA)
  target_link_libraries(fulmar_shared_engine PRIVATE CUDA::cudart_static)
endif()
target_include_directories(fulmar_shared_engine INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/engine/api> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/engine/api/include>
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/engine> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/plugins/sdk>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/fulmar/sdk>)
set(libraries fulmar_shared_engine)

if(FULMAR_IO)
  find_package(GDAL 3.6 REQUIRED)
  find_package(PROJ 9 REQUIRED)
  add_library(fulmar_shared_io SHARED $<TARGET_OBJECTS:fulmar_io>)
  target_link_libraries(fulmar_shared_io PUBLIC fulmar_shared_engine PRIVATE GDAL::GDAL PROJ::proj fmt::fmt)
  target_include_directories(fulmar_shared_io INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/io> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  list(APPEND libraries fulmar_shared_io)
endif()

foreach(library IN LISTS libraries)
  string(REPLACE fulmar_shared_ "" name ${library})
  add_library(fulmar::${name} ALIAS ${library})
  # Before 1.0 a minor version may break programs.
  set_target_properties(${library} PROPERTIES
    OUTPUT_NAME fulmar_${name} EXPORT_NAME ${name} LINKER_LANGUAGE CXX INSTALL_RPATH "$ORIGIN"
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_compile_features(${library} INTERFACE cxx_std_20)
  # Of the libraries that are linked in, nothing is shown.
  target_link_options(${library} PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL)
  if(FULMAR_SANITIZE)
    target_link_options(${library} PRIVATE -fsanitize=${FULMAR_SANITIZE})
  endif()
endforeach()

add_library(fulmar_all INTERFACE)
target_link_libraries(fulmar_all INTERFACE ${libraries})
set_target_properties(fulmar_all PROPERTIES EXPORT_NAME fulmar)
add_library(fulmar::fulmar ALIAS fulmar_all)

if(NOT FULMAR_INSTALL)
  return()
endif()

install(TARGETS ${libraries} fulmar_all EXPORT fulmar-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/fulmar)
install(EXPORT fulmar-targets NAMESPACE fulmar:: DESTINATION ${package})
install(DIRECTORY engine/api/fulmar/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmar FILES_MATCHING PATTERN *.hpp)
install(FILES ${PROJECT_BINARY_DIR}/engine/api/include/fulmar/version.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmar)
# What operators and public headers are made of, as plugins include it.
install(DIRECTORY engine/core engine/op DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmar/sdk
        FILES_MATCHING PATTERN *.hpp PATTERN decisions EXCLUDE)
install(DIRECTORY plugins/sdk/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmar/sdk
        FILES_MATCHING PATTERN *.hpp PATTERN *.h)
if(FULMAR_IO)
  install(DIRECTORY io/fulmar/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fulmar FILES_MATCHING PATTERN *.hpp)
  install(TARGETS fulmar RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/fulmar-config.cmake.in ${PROJECT_BINARY_DIR}/fulmar-config.cmake
  INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/fulmar-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/fulmar-config.cmake ${PROJECT_BINARY_DIR}/fulmar-config-version.cmake
        DESTINATION ${package})

# pkg-config: fulmar-engine needs nothing further, fulmar is what there is of all.
file(RELATIVE_PATH FULMAR_PC_UP "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
set(FULMAR_PC_NAME fulmar-engine)
set(FULMAR_PC_LIBS "-lfulmar_engine")
configure_file(${CMAKE_CURRENT_LIST_DIR}/fulmar.pc.in ${PROJECT_BINARY_DIR}/fulmar-engine.pc @ONLY)
set(FULMAR_PC_NAME fulmar)
if(FULMAR_IO)
  set(FULMAR_PC_LIBS "-lfulmar_io -lfulmar_engine")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/fulmar.pc.in ${PROJECT_BINARY_DIR}/fulmar.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/fulmar-engine.pc ${PROJECT_BINARY_DIR}/fulmar.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
