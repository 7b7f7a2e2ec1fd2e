#include "runtime/platform/clock.h"

#include <windows.h>

namespace gf {

int64_t monotonic_ns() {
  LARGE_INTEGER now;
  LARGE_INTEGER frequency;  // constant since the system started; both calls cannot fail from Windows XP on
  QueryPerformanceCounter(&now);
  QueryPerformanceFrequency(&frequency);
  const int64_t whole = now.QuadPart / frequency.QuadPart;
  const int64_t rest = now.QuadPart % frequency.QuadPart;
  return whole * 1'000'000'000 + rest * 1'000'000'000 / frequency.QuadPart;
}

}  // namespace gf
