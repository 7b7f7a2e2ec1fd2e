// Memory plan: gives every buffer an offset in one arena so that buffers alive at the same time do not overlap.
// The largest are placed by "greedy by size" (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net
// Inference", 2020): largest first, each into the smallest gap that fits. That takes quadratic time, so of a very large
// graph only the kExactItems largest are placed so; the small rest shares lanes above them. No heap.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/core/error.h"

namespace gf {

/// A buffer that is alive from step `first` to step `last`, both included.
struct PlanItem {
  uint64_t bytes = 0;     ///< in: a multiple of the arena's alignment
  int32_t first = 0;
  int32_t last = 0;
  uint32_t id = 0;        ///< the caller's
  uint32_t lane = 0;      ///< scratch
  uint64_t offset = 0;    ///< out
};

struct ArenaPlan {
  uint64_t arena_bytes = 0;      ///< highest end of an item
  uint64_t max_live_bytes = 0;   ///< lower bound: the most that is alive at one step
};

/// Items that are placed one by one into the best gap.
inline constexpr size_t kExactItems = 4096;

/// Fills the offsets. `order` is scratch for 3 indices per item. Time O(n log n + kExactItems^2). Errors: LimitExceeded when
/// sizes overflow.
Error plan_arena(std::span<PlanItem> items, std::span<uint32_t> order, ArenaPlan& plan);

}  // namespace gf
