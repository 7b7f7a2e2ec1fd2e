// Which element types a build computes with. Everything by default; an app that compiles the sources itself may name the few
// that its models use (GF_DTYPES, a bit per DType value; ghostflow_add_runtime sets it), and kernels for others vanish.
#pragma once

#include "runtime/core/dtype.h"

namespace gf {

#ifdef GF_DTYPES
inline constexpr DTypeSet kBuiltDTypes{GF_DTYPES};
#else
inline constexpr DTypeSet kBuiltDTypes{~uint32_t{0}};
#endif

}  // namespace gf
