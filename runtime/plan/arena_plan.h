// Memory plan: gives every buffer an offset in one arena so that buffers alive at the same time do not overlap.
// Greedy best fit by size (the "greedy by size" of Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net
// Inference", 2020): largest first, each into the smallest gap that fits. Works in the caller's array, no heap.
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
  uint32_t id = 0;        ///< the caller's; the array is reordered
  uint64_t offset = 0;    ///< out
};

struct ArenaPlan {
  uint64_t arena_bytes = 0;      ///< highest end of an item
  uint64_t max_live_bytes = 0;   ///< lower bound: the most that is alive at one step
};

/// Fills the offsets (reorders `items` by size). `order` is scratch for items.size() indices. Errors: LimitExceeded when
/// sizes overflow. Time O(n^2) in the number of items.
Error plan_arena(std::span<PlanItem> items, std::span<uint32_t> order, ArenaPlan& plan);

}  // namespace gf
