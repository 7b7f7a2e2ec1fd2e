// Order of elements, the same code for every type: keys that compare as the elements do, and the first of many places in an
// order. Plain functions on caller memory: no heap, any thread.
#pragma once

#include "ops/cpu/op_util.h"

namespace gf::cpu {

/// The key of NaN, which stands behind infinity; no other float has it.
inline constexpr uint64_t kNanKey = ~uint64_t{0};

/// Keys of `count` elements of `x` from element `first`, one every `stride`: unsigned integers that compare as the elements
/// do. 0 and -0 have the same key, NaN has kNanKey.
void load_keys(const TensorView& x, int64_t first, int64_t stride, int64_t count, uint64_t* keys);

/// Whether place a comes before place b; a total order.
using Before = bool (*)(const void* context, int64_t a, int64_t b);

/// The first `k` of places[0, count) in their order become places[0, k); k <= count.
void sort_places(int64_t* places, int64_t k, int64_t count, Before before, const void* context);

}  // namespace gf::cpu
