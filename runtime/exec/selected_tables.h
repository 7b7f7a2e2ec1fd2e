// The tables of a program that was built with ghostflow_add_runtime (cmake/GhostFlowRuntime.cmake).
#pragma once

#include "runtime/kernel/kernel.h"

namespace gf {

/// Op rows and kernels of the ops that the program's models use, and no others. Defined in a source that
/// ghostflow_add_runtime generates: a program that calls this without it does not link. Constant data behind it.
Tables selected_tables();

}  // namespace gf
