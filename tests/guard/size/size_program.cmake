# gf_size_program(NAME): a program of app_main.cpp with the flags that an embedder who counts bytes would choose. For this
# project and for the consumer of an installed library in tests/package.
set(size_flags -Oz -fno-exceptions -fno-rtti -fno-asynchronous-unwind-tables -fno-stack-protector -fvisibility=hidden -fno-pie)
function(gf_size_program name)
  add_executable(${name} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/app_main.cpp)
  target_compile_features(${name} PRIVATE cxx_std_20)
  target_compile_options(${name} PRIVATE ${size_flags})
  if(TARGET gf_public_headers)
    target_include_directories(${name} PRIVATE ${PROJECT_BINARY_DIR}/include)
    add_dependencies(${name} gf_public_headers)
    target_link_libraries(${name} PRIVATE gf_flags)
  endif()
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_link_options(${name} PRIVATE -Wl,--gc-sections -Wl,--as-needed -Wl,-z,norelro -Wl,--build-id=none
    -no-pie -Wl,-z,noseparate-code -static-libgcc -static-libstdc++)
endfunction()
