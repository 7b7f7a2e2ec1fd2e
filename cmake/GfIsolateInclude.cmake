# gf_isolate_include(OUT DIR NAMES...): OUT = an include directory that holds only NAMES out of DIR.
# Header-only packages live in /usr/include. Adding that whole directory to a cross build would mix the host's C library
# headers into the target's, so cross builds get a small directory of links instead. Native builds get DIR itself.
function(gf_isolate_include out dir)
  if(NOT CMAKE_CROSSCOMPILING AND NOT GF_ISOLATE_INCLUDES)
    set(${out} ${dir} PARENT_SCOPE)
    return()
  endif()
  set(isolated ${PROJECT_BINARY_DIR}/host-headers)
  file(MAKE_DIRECTORY ${isolated})
  foreach(name IN LISTS ARGN)
    file(CREATE_LINK ${dir}/${name} ${isolated}/${name} SYMBOLIC)
  endforeach()
  set(${out} ${isolated} PARENT_SCOPE)
endfunction()

# gf_find_headers(VARIABLE HEADER): where a header-only package lies. Ignores the target's root directory: such headers are
# the same for every machine.
macro(gf_find_headers variable header)
  find_path(${variable} ${header} PATHS /usr/local/include /usr/include NO_CMAKE_FIND_ROOT_PATH)  # bare metal has no default paths
  mark_as_advanced(${variable})
endmacro()

# gf_header_target(TARGET DIR NAMES...): imported interface target for NAMES (folders or files) in DIR.
function(gf_header_target target dir)
  if(TARGET ${target})
    return()
  endif()
  gf_isolate_include(include ${dir} ${ARGN})
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${include})
endfunction()

# gf_library_target(TARGET LIBRARY INCLUDE): imported shared or static library with its include directory.
function(gf_library_target target library dir)
  if(TARGET ${target})
    return()
  endif()
  add_library(${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${library} INTERFACE_INCLUDE_DIRECTORIES ${dir})
endfunction()
