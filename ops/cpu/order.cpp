#include "ops/cpu/order.h"

#include <algorithm>
#include <utility>

namespace gf::cpu {

void load_keys(const TensorView& x, int64_t first, int64_t stride, int64_t count, uint64_t* keys) {
  constexpr uint64_t kSign = uint64_t{1} << 63, kInfinity = uint64_t{0x7ff} << 52;
  const ComputeType own = compute_type(x.dtype);
  const bool floats = own == ComputeType::F32 || own == ComputeType::F64;
  load_as(floats ? ComputeType::F64 : own, x, first, stride, count, keys);
  if (own == ComputeType::U64) return;
  for (int64_t k = 0; k < count; ++k) {
    const uint64_t bits = keys[k], magnitude = bits & ~kSign;
    if (!floats || magnitude == 0) keys[k] = (floats ? 0 : bits) ^ kSign;
    else if (magnitude > kInfinity) keys[k] = kNanKey;
    else keys[k] = (bits & kSign) != 0 ? ~bits : bits | kSign;
  }
}

namespace {

// Moves places[at] down until none below it comes later: a heap with the last on top.
void sift_down(int64_t* places, int64_t at, int64_t count, Before before, const void* context) {
  const int64_t place = places[at];
  for (int64_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && before(context, places[child], places[child + 1])) ++child;
    if (!before(context, place, places[child])) break;
    places[at] = places[child];
    at = child;
  }
  places[at] = place;
}

}  // namespace

void sort_places(int64_t* places, int64_t k, int64_t count, Before before, const void* context) {
  if (k == 0) return;
  if constexpr (!kSmallCode)
    if (k == count) return std::sort(places, places + k, [&](int64_t a, int64_t b) { return before(context, a, b); });
  for (int64_t at = k / 2; at-- > 0;) sift_down(places, at, k, before, context);
  for (int64_t at = k; at < count; ++at) {
    if (!before(context, places[at], places[0])) continue;
    places[0] = places[at];
    sift_down(places, 0, k, before, context);
  }
  for (int64_t end = k; end-- > 1;) {
    std::swap(places[0], places[end]);
    sift_down(places, 0, end, before, context);
  }
}

}  // namespace gf::cpu
