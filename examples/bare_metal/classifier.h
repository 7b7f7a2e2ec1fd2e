// The digit classifier as a device runs it: model in flash, all memory static, no heap, no files, no threads.
// Ownership: everything is static; one instance. Thread rule: one thread.
#pragma once

#include <cstdint>

#include "runtime/core/error.h"

namespace digits {

inline constexpr int kPixels = 28 * 28;
inline constexpr int kClasses = 10;

/// Verifies the model and makes the session. Once, first. Errors: those of Program::load and Session::create.
gf::Error start(gf::ErrorDetail& detail);

/// Probabilities of the ten digits for a grey picture, white on black. Nothing allocates. Errors: those of Session::run.
gf::Error classify(const uint8_t (&pixels)[kPixels], float (&probabilities)[kClasses], gf::ErrorDetail& detail);

/// Bytes of static memory given to the runtime.
uint32_t arena_bytes();

}  // namespace digits
