# Helpers shared by all folders: warning flags, library and test targets. Sources are globbed with CONFIGURE_DEPENDS so
# that a new kernel, op or test is one new file and no edit here.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT EMSCRIPTEN)  # nothing is ever loaded beside a module
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
find_program(GF_CCACHE ccache)
if(GF_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${GF_CCACHE})
endif()

# Flags for our own code only (never PUBLIC: a user's program keeps its own).
add_library(gf_flags INTERFACE)
target_compile_options(gf_flags INTERFACE -Wall -Wextra -Wconversion -Werror -ffunction-sections -fdata-sections
  # g++ 12 sees overlapping copies in std::string's operator+ that are not there (GCC bug 105651)
  $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi> $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

# gf_core_without_exceptions(TARGETS...): the core never throws, and GF_NO_EXCEPTIONS proves it. Hosted layers and tests
# in the same build keep their exceptions.
function(gf_core_without_exceptions)
  if(NOT GF_NO_EXCEPTIONS)
    return()
  endif()
  foreach(target IN LISTS ARGN)
    if(TARGET ${target})
      target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti)
    endif()
  endforeach()
endfunction()

# gf_library(NAME [DEPENDS libs...] [PATTERNS globs...]): an object-like static library from the folder's own .cpp files.
function(gf_library name)
  cmake_parse_arguments(arg "" "" "DEPENDS;PATTERNS" ${ARGN})
  if(NOT arg_PATTERNS)
    set(arg_PATTERNS *.cpp)
  endif()
  list(TRANSFORM arg_PATTERNS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${arg_PATTERNS})
  list(SORT sources)
  gf_keep_own_system(sources)
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(${name} PUBLIC ${arg_DEPENDS} PRIVATE $<BUILD_INTERFACE:gf_flags>)
endfunction()

# gf_small_code(FOLDERS-OR-FILES...): code that runs once (rules that build graphs, messages), which an app carries: for size, not speed.
function(gf_small_code)
  foreach(item IN LISTS ARGN)
    if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/${item})
      file(GLOB_RECURSE files ${CMAKE_CURRENT_SOURCE_DIR}/${item}/*.cpp)
    else()
      set(files ${CMAKE_CURRENT_SOURCE_DIR}/${item})
    endif()
    set_source_files_properties(${files} PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-Os>")
  endforeach()
endfunction()
