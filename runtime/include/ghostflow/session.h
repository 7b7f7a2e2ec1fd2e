// The strict interface: Program, Weights, State and Session over memory that the caller gives. Nothing here allocates or
// throws. Also what such callers usually want beside it: mapped files, a thread pool, the tables of this build.
//   load (untrusted bytes, checked) -> memory_needs -> create (the last place that may fail for resources) -> run
#pragma once

#include "runtime/exec/session.h"
#include "runtime/include/ghostflow/tables.h"
#include "runtime/load/program.h"
#include "runtime/platform/mapped_file.h"
#include "runtime/platform/thread_pool.h"
