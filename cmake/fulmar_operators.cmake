# SPDX-License-Identifier: Apache-2.0
# fulmar_operators(GROUP NAME...): makes operators of the headers plugins/GROUP/NAME.hpp. Each header holds the class
# fulmar::ops::Name, CamelCase of its file name. One small generated file compiles it and gives it its C table.
include(${CMAKE_CURRENT_LIST_DIR}/fulmar_names.cmake)
function(fulmar_operators group)
  foreach(name IN LISTS ARGN)
    _fulmar_class_of(${name} class)
    set(FULMAR_GROUP "${group}")
    set(FULMAR_NAME "${name}")
    set(FULMAR_CLASS "${class}")
    configure_file(${PROJECT_SOURCE_DIR}/plugins/twin.cpp.in ${CMAKE_CURRENT_BINARY_DIR}/twins/${name}.cpp @ONLY)
    # Tables are worked on by the host alone.
    file(STRINGS ${PROJECT_SOURCE_DIR}/plugins/${group}/${name}.hpp tabular REGEX "void tabulate\\(")
    if(tabular)
      set_property(GLOBAL APPEND PROPERTY FULMAR_HOST_ONLY ${name})
    endif()
    set_property(GLOBAL APPEND PROPERTY FULMAR_TWINS ${CMAKE_CURRENT_BINARY_DIR}/twins/${name}.cpp)
    set_property(GLOBAL APPEND PROPERTY FULMAR_NAMES ${name})
    set_property(GLOBAL APPEND PROPERTY FULMAR_HEADERS ${group}/${name}.hpp)
    set_property(GLOBAL APPEND PROPERTY FULMAR_CLASSES ${class})
  endforeach()
endfunction()
