# WebAssembly with SIMD128, by Emscripten (Debian: emscripten). Programs run under Node.
# Debian's Emscripten finds the JavaScript parser it links with in Debian's folder of Node modules, which a Node from
# elsewhere does not look into: NODE_PATH names it, for CMake's own tries and in the build.
set(ENV{NODE_PATH} /usr/share/nodejs)
find_file(GF_EMSCRIPTEN_TOOLCHAIN Emscripten.cmake PATHS /usr/share/emscripten/cmake/Modules/Platform
          DOC "Emscripten's own toolchain file" REQUIRED NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
include(${GF_EMSCRIPTEN_TOOLCHAIN})
set(CMAKE_CXX_FLAGS_INIT "-msimd128 -mbulk-memory -mnontrapping-fptoint -msign-ext -mmutable-globals -fwasm-exceptions")
if(GF_WASM_THREADS)  # atomic instructions, for memory that several instances share
  string(APPEND CMAKE_CXX_FLAGS_INIT " -pthread")
endif()
# Node's own fetch() does not read files, and Emscripten's loader prefers it
set(CMAKE_CROSSCOMPILING_EMULATOR "node;--no-experimental-fetch")
# headers of Debian's packages that are the same for every machine
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE BOTH)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
