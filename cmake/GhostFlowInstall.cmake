# What users get: libghostflow.a and libghostflow.so (runtime, CPU op set, Model) made of the objects of the internal
# libraries, their public header tree, CMake and pkg-config files, packages. `cmake --install`, `cpack`, and add_subdirectory all
# stand on this file. Component of each file: runtime (shared library), dev, tools.
if(NOT GF_PLATFORM)
  return()  # bare metal links the internal libraries
endif()
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
find_package(Threads REQUIRED)

set(public_include ${PROJECT_BINARY_DIR}/include)
file(GLOB_RECURSE public_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/*.h ${PROJECT_SOURCE_DIR}/schema/*.h
     ${PROJECT_SOURCE_DIR}/ops/cpu/*.h ${PROJECT_SOURCE_DIR}/ops/cpu/*.def ${PROJECT_SOURCE_DIR}/facade/include/*.h ${PROJECT_SOURCE_DIR}/graph/*.h
     ${PROJECT_SOURCE_DIR}/trainer/*.h)
set(make_public_headers ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUT=${public_include} -DCONVERTER=${GF_CONVERTER} -DTRAINER=${GF_TRAINER}
    -P ${CMAKE_CURRENT_LIST_DIR}/public_headers.cmake)
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/public_headers.stamp
  COMMAND ${make_public_headers} COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/public_headers.stamp
  DEPENDS ${public_sources} ${CMAKE_CURRENT_LIST_DIR}/public_headers.cmake VERBATIM)
add_custom_target(gf_public_headers ALL DEPENDS ${PROJECT_BINARY_DIR}/public_headers.stamp)
execute_process(COMMAND ${make_public_headers} COMMAND_ERROR_IS_FATAL ANY)  # for editors, before the first build

set(inside)
foreach(library gf_core gf_platform gf_schema gf_runtime gf_ops_cpu gf_ops_simd gf_pthreadpool gf_ops_xnnpack gf_api)
  if(TARGET ${library})
    list(APPEND inside $<TARGET_OBJECTS:${library}>)
  endif()
endforeach()
set(outside Threads::Threads)
foreach(library pthreadpool::pthreadpool XNNPACK::XNNPACK)
  if((TARGET gf_pthreadpool OR TARGET gf_ops_xnnpack) AND TARGET ${library})
    list(APPEND outside ${library})
  endif()
endforeach()

# gf_user_library(NAME KIND EXPORT_NAME): a library for programs outside the project.
function(gf_user_library name kind export_name)
  add_library(${name} ${kind} ${ARGN})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX EXPORT_NAME ${export_name})
  add_dependencies(${name} gf_public_headers)
  target_include_directories(${name} INTERFACE $<BUILD_INTERFACE:${public_include}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  add_library(ghostflow::${export_name} ALIAS ${name})
endfunction()

gf_user_library(ghostflow STATIC static ${inside})
target_link_libraries(ghostflow PUBLIC ${outside})
target_compile_features(ghostflow INTERFACE cxx_std_20)
set(user_targets ghostflow)

get_property(shared GLOBAL PROPERTY TARGET_SUPPORTS_SHARED_LIBS)
if(UNIX AND NOT APPLE AND shared)
  set(exports ${PROJECT_SOURCE_DIR}/runtime/include/exports.map)
  gf_user_library(ghostflow_shared SHARED shared ${inside})
  set_target_properties(ghostflow_shared PROPERTIES OUTPUT_NAME ghostflow VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${exports})
  target_link_libraries(ghostflow_shared PUBLIC Threads::Threads PRIVATE ${outside})
  target_link_options(ghostflow_shared PRIVATE -Wl,--version-script=${exports} -Wl,--gc-sections -Wl,--as-needed)
  target_compile_features(ghostflow_shared INTERFACE cxx_std_20)
  list(APPEND user_targets ghostflow_shared)
endif()

if(GF_CONVERTER AND GF_IO AND TARGET gf_facade)
  find_package(ZLIB REQUIRED)
  gf_user_library(ghostflow_converter STATIC converter $<TARGET_OBJECTS:gf_io> $<TARGET_OBJECTS:gf_graph>
    $<TARGET_OBJECTS:gf_converter> $<TARGET_OBJECTS:gf_facade>)
  target_link_libraries(ghostflow_converter PUBLIC ghostflow PRIVATE ZLIB::ZLIB)
  list(APPEND user_targets ghostflow_converter)
endif()

if(TARGET gf_trainer AND TARGET ghostflow_converter)
  gf_user_library(ghostflow_trainer STATIC trainer $<TARGET_OBJECTS:gf_gradients> $<TARGET_OBJECTS:gf_trainer>)
  target_link_libraries(ghostflow_trainer PUBLIC ghostflow_converter)
  list(APPEND user_targets ghostflow_trainer)
endif()

if(TARGET gf_signature)
  gf_user_library(ghostflow_signature STATIC signature $<TARGET_OBJECTS:gf_signature>)
  target_link_libraries(ghostflow_signature PUBLIC ghostflow PRIVATE sodium::sodium)
  list(APPEND user_targets ghostflow_signature)
endif()

if(BUILD_SHARED_LIBS AND TARGET ghostflow_shared)
  add_library(ghostflow::ghostflow ALIAS ghostflow_shared)
else()
  add_library(ghostflow::ghostflow ALIAS ghostflow)
endif()

if(NOT GF_INSTALL)
  return()
endif()

install(TARGETS ${user_targets} EXPORT ghostflow-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(DIRECTORY ${public_include}/ghostflow DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ghostflow)
set(GF_CONFIG_XNNPACK OFF)
set(GF_CONFIG_SIMD OFF)
if(TARGET gf_ops_simd)
  set(GF_CONFIG_SIMD ON)
endif()
set(pc_private "-lstdc++ -lm -pthread")
if(TARGET gf_ops_xnnpack)
  set(GF_CONFIG_XNNPACK ON)
  string(PREPEND pc_private "-lXNNPACK -lpthreadpool ")
elseif(TARGET gf_pthreadpool)
  string(PREPEND pc_private "-lpthreadpool ")
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ghostflow-config.cmake.in ${PROJECT_BINARY_DIR}/ghostflow-config.cmake
  INSTALL_DESTINATION ${config_dir})
# before 1.0 every minor version may change the C++ interface
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ghostflow-config-version.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT ghostflow-targets NAMESPACE ghostflow:: DESTINATION ${config_dir} COMPONENT dev)
install(FILES ${PROJECT_BINARY_DIR}/ghostflow-config.cmake ${PROJECT_BINARY_DIR}/ghostflow-config-version.cmake
  ${CMAKE_CURRENT_LIST_DIR}/FindXNNPACK.cmake ${CMAKE_CURRENT_LIST_DIR}/Findpthreadpool.cmake
  ${CMAKE_CURRENT_LIST_DIR}/Findsodium.cmake
  ${CMAKE_CURRENT_LIST_DIR}/GhostFlowRuntime.cmake ${CMAKE_CURRENT_LIST_DIR}/GhostFlowTables.cmake
  ${CMAKE_CURRENT_LIST_DIR}/GfIsolateInclude.cmake DESTINATION ${config_dir} COMPONENT dev)
# ${pcfiledir} makes the file relocatable: the prefix is told by where the file lies
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_to_prefix ${pc_to_prefix})
configure_file(${CMAKE_CURRENT_LIST_DIR}/ghostflow.pc.in ${PROJECT_BINARY_DIR}/ghostflow.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ghostflow.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT dev)
foreach(tool gf-convert gf-run gf-info gf-bench gf-diff gf-train)
  if(TARGET ${tool})
    install(TARGETS ${tool} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
  endif()
endforeach()

set(CPACK_PACKAGE_NAME ghostflow)
set(CPACK_PACKAGE_VENDOR "GhostFlow authors")
set(CPACK_PACKAGE_CONTACT "GhostFlow authors <ghostflow@invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR TGZ DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime dev tools)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libghostflow${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libghostflow-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libghostflow${PROJECT_VERSION_MAJOR} (= ${PROJECT_VERSION})")
if(GF_CONFIG_XNNPACK)
  string(APPEND CPACK_DEBIAN_DEV_PACKAGE_DEPENDS ", libxnnpack-dev, libpthreadpool-dev")
endif()
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME ghostflow-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SHLIBDEPS ON)
include(CPack)
