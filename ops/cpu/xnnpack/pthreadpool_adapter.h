// gf::ParallelFor over a pthreadpool, so that XNNPACK's operators and our own kernels share one set of threads.
// Ownership: the pool is the caller's and must outlive every Session that was given it. Nothing here allocates.
// Thread rule: as ParallelFor; pthreadpool itself makes two callers take turns.
#pragma once

#include <pthreadpool.h>

#include "runtime/kernel/parallel.h"

namespace gf::xnnpack {

/// A ParallelFor that runs on `pool`; nullptr or a pool of one thread gives the serial one.
/// A call from inside a task of the same pool runs serially on that thread, under its worker number. Denormals are kept
/// (XNNPACK's own operators flush them; our kernels do not).
ParallelFor parallel_for(pthreadpool_t pool);

/// The pthreadpool behind `parallel`, for XNNPACK's own calls; nullptr (run on the calling thread) when parallel_for above
/// did not make it, or inside a task of that pool.
pthreadpool_t pool_of(const ParallelFor& parallel);

}  // namespace gf::xnnpack
