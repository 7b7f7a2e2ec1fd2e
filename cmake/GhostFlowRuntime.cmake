# ghostflow_add_runtime: the runtime for one program, with the ops that its models use and no others. Works in the source
# tree, below add_subdirectory, and after find_package(ghostflow).
#
#   ghostflow_add_runtime(TARGET app
#     [MODELS a.gf b.gf]              # ops are read from these files when the program is built (needs gf-info)
#     [OPS conv matmul ...]           # ops by name, as `gf-info --ops` shows them; added to those of MODELS
#     [PORTABLE_ONLY]                 # no vector kernels: smaller, slower
#     [WITHOUT conv_winograd ...]     # vector kernels that the models have no use for, names as in ops/*/simd/kernels.def
#     [BF16_PRODUCTS]                 # vector kernels for train steps of --precision bf16; MODELS that have such a step bring them
#     [RECOMPILE [DTYPES float32 ...] [SHAPE_DTYPES int64 ...] [ACTIVATIONS Relu ...] [NO_ERROR_TEXTS] [OPTIONS -Os ...] [NO_PLATFORM]])
#
# Links libghostflow.a to `app` and generates a source that defines gf::built_tables(): the op rows and kernels of the named ops.
# It is linked first, so the library's own definition, which names every op, stays out and the linker drops the rest.
# RECOMPILE (not after find_package, which has no sources) builds the sources for this program alone, vector kernels too, with OPTIONS
# as compile flags and with kernels for DTYPES only, by default the element types of MODELS (element types are chosen when kernels are
# compiled: libraries that are built already have them all). SHAPE_DTYPES: types that only reshape, flatten, identity and their kin
# meet, as the int64 of shapes; they need no kernels, and load refuses a model with another op on them; by default those of MODELS.
# ACTIVATIONS: the fused ones that conv and matmul compute, names as in schema/epilogue.h, by default those of MODELS, and all with
# OPS. NO_ERROR_TEXTS: errors keep their code and node and lose their sentence. NO_PLATFORM leaves out what needs an operating system.
# WITHOUT: some ops have several vector kernels (conv: conv_winograd for 3x3 kernels with stride 1, conv_direct for weights that are
# not constant, depthwise). Without one, nodes that would have it get the next: the same results but for rounding, slower.

# Takes the files of other systems (*_posix.cpp, *_windows.cpp) out of the list `variable`.
macro(gf_keep_own_system variable)
  if(WIN32)
    list(FILTER ${variable} EXCLUDE REGEX "_posix[.]cpp$")
  else()
    list(FILTER ${variable} EXCLUDE REGEX "_windows[.]cpp$")
  endif()
endmacro()

# Sources of ops/wasm, which beat those of ops/cpu/simd on SIMD128; sets the flags of both for targets of the calling folder.
function(gf_wasm_sources out)
  get_filename_component(root ${CMAKE_CURRENT_FUNCTION_LIST_DIR} DIRECTORY)
  file(GLOB sources CONFIGURE_DEPENDS ${root}/ops/wasm/*.cpp)
  # A module is compiled for size, but for the loops that nets spend their time in: those are vectors as written, and a compiler that
  # vectorises the loops over what is left of a row makes them larger and no faster.
  set(loops "-O2 -fno-vectorize -fno-slp-vectorize -mllvm -unroll-runtime=false -mllvm -unroll-allow-partial=false -finline-functions -mllvm -inline-threshold=25")
  set(hot attention attention_grad conv conv_direct conv_fill conv_grad depthwise elementwise_binary elementwise_unary gemm gemm_activation
    gemm_driver gemm_pack gemm_kernels integer norm pool reduce softmax)
  list(TRANSFORM hot REPLACE "(.+)" "${root}/ops/cpu/simd/\\1.cpp")
  set_source_files_properties(${hot} ${root}/ops/wasm/small_loops.cpp ${root}/ops/wasm/winograd.cpp PROPERTIES COMPILE_FLAGS ${loops})
  set_source_files_properties(${root}/ops/wasm/memory.cpp PROPERTIES COMPILE_FLAGS "-O2 -fno-builtin")
  set_source_files_properties(${root}/ops/wasm/math.cpp PROPERTIES COMPILE_FLAGS -fno-builtin)
  set(${out} "${sources}" PARENT_SCOPE)
endfunction()

# Sources of the vector kernels, without the table of all of them.
function(gf_vector_sources out)
  get_filename_component(root ${CMAKE_CURRENT_FUNCTION_LIST_DIR} DIRECTORY)
  file(GLOB sources CONFIGURE_DEPENDS ${root}/ops/cpu/simd/*.cpp)
  list(REMOVE_ITEM sources ${root}/ops/cpu/simd/table.cpp)
  if(EMSCRIPTEN)
    gf_wasm_sources(wasm)
    list(APPEND sources ${wasm})
  endif()
  set(${out} "${sources}" PARENT_SCOPE)
endfunction()

# Sources of the runtime, and of the portable kernels of `ops` (all of them when empty).
function(gf_runtime_sources out platform)
  get_filename_component(root ${CMAKE_CURRENT_FUNCTION_LIST_DIR} DIRECTORY)
  set(sources)
  set(folders core kernel plan load exec)
  if(platform)
    list(APPEND folders platform)
  endif()
  list(TRANSFORM folders PREPEND runtime/)
  foreach(folder IN LISTS folders ITEMS schema)
    file(GLOB found CONFIGURE_DEPENDS ${root}/${folder}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  gf_keep_own_system(sources)
  file(GLOB kernels CONFIGURE_DEPENDS ${root}/ops/cpu/*.cpp)
  list(REMOVE_ITEM kernels ${root}/ops/cpu/table.cpp)
  foreach(source IN LISTS kernels)
    file(STRINGS ${source} defined REGEX "(extern const Kernel |Kernel )[a-z0-9_]+_kernel")
    set(used TRUE)
    if(ARGN AND defined)  # files without a kernel hold what kernels share
      set(used FALSE)
      foreach(op IN LISTS ARGN)
        if(defined MATCHES "[ (]${op}_kernel")
          set(used TRUE)
        endif()
      endforeach()
    endif()
    if(used)
      list(APPEND sources ${source})
    endif()
  endforeach()
  set(${out} "${sources}" PARENT_SCOPE)
endfunction()

# Value of GF_ACTIVATIONS for names of enum Activation.
function(gf_activation_mask out)
  get_filename_component(root ${CMAKE_CURRENT_FUNCTION_LIST_DIR} DIRECTORY)
  set(mask 0)
  foreach(name IN LISTS ARGN)
    file(STRINGS ${root}/schema/epilogue.h row REGEX "^  ${name} = [0-9]+,")
    if(NOT row MATCHES "= ([0-9]+),")
      message(FATAL_ERROR "ghostflow_add_runtime: '${name}' is no activation; names are those of enum Activation in schema/epilogue.h")
    endif()
    math(EXPR mask "${mask} | (1 << ${CMAKE_MATCH_1})")
  endforeach()
  set(${out} ${mask} PARENT_SCOPE)
endfunction()

function(ghostflow_add_runtime)
  cmake_parse_arguments(arg "PORTABLE_ONLY;BF16_PRODUCTS;RECOMPILE;NO_PLATFORM;NO_ERROR_TEXTS" "TARGET"
    "MODELS;OPS;WITHOUT;DTYPES;SHAPE_DTYPES;ACTIVATIONS;OPTIONS" ${ARGN})
  if(NOT arg_TARGET OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ghostflow_add_runtime(TARGET app [MODELS ...] [OPS ...]): not understood: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT arg_MODELS AND NOT arg_OPS)
    message(FATAL_ERROR "ghostflow_add_runtime(TARGET ${arg_TARGET}): give MODELS or OPS")
  endif()
  if(arg_SHAPE_DTYPES AND NOT arg_DTYPES)
    message(FATAL_ERROR "ghostflow_add_runtime(TARGET ${arg_TARGET}): SHAPE_DTYPES needs DTYPES beside it")
  endif()
  if((arg_DTYPES OR arg_ACTIVATIONS OR arg_OPTIONS OR arg_NO_PLATFORM OR arg_NO_ERROR_TEXTS) AND NOT arg_RECOMPILE)
    message(FATAL_ERROR "ghostflow_add_runtime(TARGET ${arg_TARGET}): DTYPES, ACTIVATIONS, OPTIONS, NO_PLATFORM and NO_ERROR_TEXTS need RECOMPILE")
  endif()
  get_filename_component(root ${CMAKE_CURRENT_FUNCTION_LIST_DIR} DIRECTORY)
  set(in_tree ON)
  if(NOT EXISTS ${root}/schema/ops.h)
    set(in_tree OFF)
    if(arg_RECOMPILE)
      message(FATAL_ERROR "ghostflow_add_runtime(TARGET ${arg_TARGET}): RECOMPILE needs the sources: use add_subdirectory")
    endif()
  endif()
  set(simd ON)
  if(arg_PORTABLE_ONLY OR NOT (TARGET gf_ops_simd OR ghostflow_SIMD))
    set(simd OFF)
  endif()
  set(public ON)
  if(arg_RECOMPILE)
    set(public OFF)
  endif()

  # the source with the tables
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}_ghostflow.cpp)
  set(models)
  set(info)
  set(depends ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/GhostFlowTables.cmake)
  foreach(model IN LISTS arg_MODELS)
    get_filename_component(model ${model} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    list(APPEND models ${model})
  endforeach()
  if(models)
    set(info ${GF_INFO})
    if(NOT info AND TARGET gf-info)
      set(info $<TARGET_FILE:gf-info>)
      list(APPEND depends gf-info)
    elseif(NOT info AND TARGET ghostflow::gf-info)
      set(info $<TARGET_FILE:ghostflow::gf-info>)
    endif()
    if(NOT info)
      message(FATAL_ERROR "ghostflow_add_runtime: MODELS needs gf-info (COMPONENTS tools); set GF_INFO to one that runs here, or name the ops with OPS")
    endif()
  endif()
  set(dtypes_header "")
  if(arg_DTYPES OR (arg_RECOMPILE AND models AND NOT arg_OPS))
    set(dtypes_header ${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}_dtypes.h)
  endif()
  add_custom_command(OUTPUT ${generated} ${dtypes_header}
    COMMAND ${CMAKE_COMMAND} "-DGF_INFO=${info}" "-DMODELS=${models}" "-DOPS=${arg_OPS}" -DSIMD=${simd} "-DWITHOUT=${arg_WITHOUT}" -DBF16_PRODUCTS=${arg_BF16_PRODUCTS} -DPUBLIC=${public}
            "-DDTYPES=${arg_DTYPES}" "-DSHAPE_DTYPES=${arg_SHAPE_DTYPES}" "-DDTYPES_HEADER=${dtypes_header}" -DOUTPUT=${generated}
            -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/GhostFlowTables.cmake
    DEPENDS ${models} ${depends} COMMENT "Ops of ${arg_TARGET}" VERBATIM)

  # An object, not an archive: its definitions must be there before the linker looks into the library.
  set(tables ${arg_TARGET}_ops)
  add_library(${tables} OBJECT ${generated})
  target_compile_features(${tables} PRIVATE cxx_std_20)
  # kernels of elementwise ops are made here, so a debug build of the program must not make them slow
  target_compile_options(${tables} PRIVATE $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:-O2> -ffunction-sections -fdata-sections
    ${arg_OPTIONS})
  if(in_tree)
    target_link_libraries(${tables} PRIVATE $<BUILD_INTERFACE:gf_flags>)
  endif()
  if(arg_RECOMPILE)
    set(library ${arg_TARGET}_ghostflow)
    set(platform ON)
    if(arg_NO_PLATFORM)
      set(platform OFF)
    endif()
    set(ops ${arg_OPS})
    if(arg_MODELS)
      set(ops)  # what the files need is known when they are read
    endif()
    gf_runtime_sources(sources ${platform} ${ops})
    list(APPEND sources ${root}/facade/machine_isa.cpp)
    if(simd)
      gf_vector_sources(vectors)
      list(APPEND sources ${vectors})
    endif()
    add_library(${library} OBJECT ${sources})  # no archive: objects for link-time optimisation need none
    add_dependencies(${library} ${tables})  # which writes the header of element types
    target_compile_options(${library} PRIVATE ${arg_OPTIONS})
    target_compile_features(${library} PUBLIC cxx_std_20)
    target_include_directories(${library} PUBLIC ${root})
    target_include_directories(${tables} PRIVATE ${root})
    target_link_libraries(${library} PUBLIC gf_format PRIVATE $<BUILD_INTERFACE:gf_flags>)
    foreach(part ${library} ${tables})
      if(dtypes_header)
        target_compile_options(${part} PRIVATE "SHELL:-include ${dtypes_header}")
      endif()
      if(arg_NO_ERROR_TEXTS)
        target_compile_options(${part} PRIVATE "SHELL:-include ${root}/runtime/core/no_error_texts.h")
      endif()
    endforeach()
    if(arg_ACTIVATIONS)
      gf_activation_mask(mask ${arg_ACTIVATIONS})
      target_compile_definitions(${library} PRIVATE GF_ACTIVATIONS=${mask}u)
    endif()
    if(simd)
      target_compile_definitions(${library} PRIVATE GF_HAS_SIMD)
      target_include_directories(${library} SYSTEM PRIVATE $<TARGET_PROPERTY:hwy::hwy,INTERFACE_INCLUDE_DIRECTORIES>)
    endif()
    if(platform)
      find_package(Threads REQUIRED)  # a folder that this project is a subdirectory of does not see its own
      target_link_libraries(${library} PUBLIC Threads::Threads)
    endif()
    if(TARGET gf_public_headers)
      target_include_directories(${arg_TARGET} PRIVATE ${ghostflow_BINARY_DIR}/include)
      add_dependencies(${arg_TARGET} gf_public_headers)
    endif()
    set(libraries ${library})
  else()
    target_link_libraries(${tables} PRIVATE ghostflow::static)
    set(libraries ghostflow::static)
  endif()
  target_link_libraries(${arg_TARGET} PRIVATE ${tables} ${libraries})
  # libraries of providers that no kernel of the program comes from are not needed to start it
  target_link_options(${arg_TARGET} PRIVATE -Wl,--gc-sections -Wl,--as-needed)
endfunction()
