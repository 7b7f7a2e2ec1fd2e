# Writes model_fields.h: what each field of each table of model.fbs is, a byte each, for the check of untrusted files in
# runtime/load/verify.cpp. Run as a script: cmake -DSCHEMA=model.fbs -DOUTPUT=model_fields.h -P ModelFields.cmake
file(READ ${SCHEMA} text)
string(REGEX REPLACE "//[^\n]*" "" text "${text}")
string(REPLACE "[" "list_of_" text "${text}")
string(REGEX REPLACE "[]\n]" "" text "${text}")
string(REPLACE ";" "|" text "${text}")
string(REGEX MATCHALL "(struct|table) +[A-Za-z]+ *{[^}]*}" blocks "${text}")
string(REGEX MATCH "root_type +([A-Za-z]+)" root "${text}")
set(root ${CMAKE_MATCH_1})

set(size_bool 1)
set(size_uint8 1)
set(size_uint16 2)
set(size_int32 4)
set(size_uint32 4)
set(size_float 4)
set(size_int64 8)
set(size_uint64 8)
set(size_double 8)

# Types of the fields of `block`, in order.
function(types_of block out)
  set(types)
  string(REGEX MATCHALL "[a-z_0-9]+ *: *[A-Za-z_0-9]+[^|]*[|]" fields "${block}")
  foreach(field IN LISTS fields)
    string(REGEX MATCH ": *([A-Za-z_0-9]+)" type "${field}")
    list(APPEND types ${CMAKE_MATCH_1})
  endforeach()
  set(${out} "${types}" PARENT_SCOPE)
endfunction()

set(tables)
foreach(block IN LISTS blocks)
  string(REGEX MATCH "^(struct|table) +([A-Za-z]+)" head "${block}")
  set(name ${CMAKE_MATCH_2})
  if(CMAKE_MATCH_1 STREQUAL "table")
    list(APPEND tables ${name})
  else()  # its largest member is 8 bytes; the sum is the size when nothing is padded
    types_of("${block}" types)
    set(size_${name} 0)
    foreach(type IN LISTS types)
      math(EXPR size_${name} "${size_${name}} + ${size_${type}}")
    endforeach()
  endif()
endforeach()

# Byte of a field of `type`: the form in the high half; in the low one the power of two of its size, or the table's index.
function(kind_of type out)
  set(list 0)
  if(type MATCHES "^list_of_(.*)")
    set(list 1)
    set(type ${CMAKE_MATCH_1})
  endif()
  list(FIND tables ${type} table)
  if(type STREQUAL "string")
    math(EXPR kind "32 + 16 * ${list}")
  elseif(table GREATER -1)
    math(EXPR kind "64 + 16 * ${list} + ${table}")
  else()
    list(FIND sizes "${size_${type}}" power)
    if(power EQUAL -1)
      message(FATAL_ERROR "${SCHEMA}: no size is known for '${type}'")
    endif()
    math(EXPR kind "16 * ${list} + ${power}")
  endif()
  set(${out} ${kind} PARENT_SCOPE)
endfunction()

set(sizes 1 2 4 8 16)
set(rows "")
set(first "")
set(count 0)
foreach(block IN LISTS blocks)
  string(REGEX MATCH "^(struct|table) +([A-Za-z]+)" head "${block}")
  set(name ${CMAKE_MATCH_2})
  if(NOT CMAKE_MATCH_1 STREQUAL "table")
    continue()
  endif()
  string(APPEND first "${count}, ")
  string(APPEND rows "    ")
  types_of("${block}" types)
  foreach(type IN LISTS types)
    kind_of(${type} kind)
    string(APPEND rows "${kind}, ")
    math(EXPR count "${count} + 1")
  endforeach()
  string(APPEND rows " // ${name}\n")
endforeach()
list(FIND tables ${root} root)
list(LENGTH tables table_count)
if(root EQUAL -1 OR table_count GREATER 16 OR count GREATER 255)
  message(FATAL_ERROR "${SCHEMA}: no root, or more tables or fields than a byte tells apart")
endif()
file(WRITE ${OUTPUT} "// Generated from model.fbs by ModelFields.cmake.
#pragma once

#include <cstdint>

namespace gf::format {

/// Kind of each field of each table, in order of declaration. High half: 0 number, 1 list of numbers, 2 string, 3 list of strings,
/// 4 table, 5 list of tables; low half: for numbers and structs the power of two of the size, for tables the index.
inline constexpr uint8_t kFieldKinds[] = {
${rows}};
/// Where the fields of each table begin, and the end.
inline constexpr uint8_t kFirstField[] = {${first}${count}};
inline constexpr uint8_t kRootTable = ${root};

}  // namespace gf::format
")
