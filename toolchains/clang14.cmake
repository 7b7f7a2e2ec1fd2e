# clang 14, the second compiler whose warnings count.
find_program(CMAKE_CXX_COMPILER NAMES clang++-14 clang++ REQUIRED)
