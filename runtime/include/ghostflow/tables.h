// The ops and kernels that this build holds, and what the processor can do: what strict sessions are made from.
// Defined once per program: in the library, or by an app that keeps only the ops of its models (its own definition of
// default_tables() wins, and the linker then leaves the others out). Thread rule: callable from anywhere; no heap.
#pragma once

#include <string_view>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/kernel.h"

namespace gf {

/// All ops, the portable kernels and the tuned ones of this build; `xnnpack` false leaves XNNPACK out. `prefer`: "simd",
/// "xnnpack" or "portable", whose kernels then win wherever they accept. Throws InvalidArgument when this build lacks it.
Tables default_tables(bool xnnpack = true, std::string_view prefer = {});

/// The best instruction set of this processor that this build has kernels for. Asked once, then a plain load.
Isa machine_isa();

}  // namespace gf
