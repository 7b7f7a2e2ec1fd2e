# 32-bit x86 with the multilib half of Debian's g++ 12; runs on the building machine. SSE2 because x87's extra precision
# would make results differ from every other machine's.
set(CMAKE_CXX_COMPILER g++-12)
# Debian has asm/*.h for the 64-bit half only; -idirafter lends them without shadowing any 32-bit header.
set(CMAKE_CXX_FLAGS_INIT "-m32 -msse2 -mfpmath=sse -idirafter /usr/include/x86_64-linux-gnu")
set(GF_BUILD_GTEST ON CACHE BOOL "GoogleTest from its sources: packages exist for the host only")
