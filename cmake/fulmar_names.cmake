# SPDX-License-Identifier: Apache-2.0
# The class of a header: wind_speed holds WindSpeed. Used in the tree, and by fulmar_plugin.cmake where it is installed.
function(_fulmar_class_of name class)
  string(REPLACE "_" ";" words "${name}")
  set(camel "")
  foreach(word IN LISTS words)
    string(SUBSTRING "${word}" 0 1 first)
    string(SUBSTRING "${word}" 1 -1 rest)
    string(TOUPPER "${first}" first)
    string(APPEND camel "${first}${rest}")
  endforeach()
  set(${class} "${camel}" PARENT_SCOPE)
endfunction()
