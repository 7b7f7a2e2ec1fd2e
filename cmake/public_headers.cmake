# Makes the public header tree: cmake -DSOURCE=<repository> -DOUT=<folder> -P public_headers.cmake
# OUT/ghostflow/*.h are the headers of runtime/include; headers of the project that they need come along under
# OUT/ghostflow/detail/ by their path from the root. Includes are rewritten, so nothing in the tree can meet a folder
# runtime/ or schema/ of the program that uses it. -DCONVERTER=ON adds ghostflow/convert.h.
cmake_minimum_required(VERSION 3.25)
set(folders "runtime|schema|ops|io|graph|converter|facade")

# Path of a repository header in the public tree.
function(public_path out header)
  if(header MATCHES "(^|/)include/(ghostflow/.*)$")
    set(${out} ${CMAKE_MATCH_2} PARENT_SCOPE)
  else()
    set(${out} ghostflow/detail/${header} PARENT_SCOPE)
  endif()
endfunction()

file(GLOB pending RELATIVE ${SOURCE} ${SOURCE}/runtime/include/ghostflow/*.h)
list(APPEND pending schema/ops.h)  # rows of single ops, for tables that hold few
if(CONVERTER)
  list(APPEND pending facade/include/ghostflow/convert.h)
endif()
set(seen ${pending})
set(written)
while(pending)
  list(POP_FRONT pending header)
  file(READ ${SOURCE}/${header} text)
  string(REGEX MATCHALL "#include \"(${folders})/[^\"]+\"" includes "${text}")
  list(REMOVE_DUPLICATES includes)
  foreach(include IN LISTS includes)
    string(REGEX REPLACE "#include \"(.*)\"" "\\1" name "${include}")
    public_path(path ${name})
    string(REPLACE "#include \"${name}\"" "#include \"${path}\"" text "${text}")
    if(NOT name IN_LIST seen)
      list(APPEND seen ${name})
      list(APPEND pending ${name})
    endif()
  endforeach()
  public_path(path ${header})
  list(APPEND written ${path})
  set(old "")
  if(EXISTS ${OUT}/${path})
    file(READ ${OUT}/${path} old)
  endif()
  if(NOT old STREQUAL text)  # untouched files keep their time: no needless compiling
    file(WRITE ${OUT}/${path} "${text}")
  endif()
endwhile()
# Headers that are no longer needed must not stay to be installed.
file(GLOB_RECURSE present RELATIVE ${OUT} ${OUT}/ghostflow/*)
foreach(path IN LISTS present)
  if(NOT path IN_LIST written)
    file(REMOVE ${OUT}/${path})
  endif()
endforeach()
