// Time for profiles and spinning. Thread rule: callable from anywhere; nothing allocates.
#pragma once

#include <cstdint>

namespace gf {

/// Nanoseconds of a clock that never jumps. Only differences mean something.
int64_t monotonic_ns();

}  // namespace gf
