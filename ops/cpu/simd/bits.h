// Bool elements as bits of bytes and back (schema/ops/pack_bits.h), as many at once as a vector of bytes has lanes.
// Thread rule: pure functions; tasks are pieces of the packed side.
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// bits[ceil(count / 8)] from bools[count], of which every value but 0 counts as 1. The two do not overlap.
void pack_bits(Isa isa, const uint8_t* bools, int64_t count, uint8_t* bits, const ParallelFor& parallel);
/// bools[count], 0 or 1, from bits[ceil(count / 8)]. The two do not overlap.
void unpack_bits(Isa isa, const uint8_t* bits, int64_t count, uint8_t* bools, const ParallelFor& parallel);

}  // namespace gf::simd
