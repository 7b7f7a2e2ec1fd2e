#include "runtime/plan/arena_plan.h"

#include <algorithm>

#include "runtime/core/checked.h"

namespace gf {
namespace {

bool overlap(const PlanItem& a, const PlanItem& b) { return a.first <= b.last && b.first <= a.last; }

// Largest first; ties by life and id so that a plan is the same on every machine.
bool before(const PlanItem& a, const PlanItem& b) {
  if (a.bytes != b.bytes) return a.bytes > b.bytes;
  if (a.first != b.first) return a.first < b.first;
  return a.id < b.id;
}

Error max_live(std::span<const PlanItem> items, uint64_t& out) {
  out = 0;
  for (const PlanItem& at : items) {  // the maximum is reached where some buffer begins
    uint64_t live = 0;
    for (const PlanItem& i : items)
      if (i.first <= at.first && at.first <= i.last && !add_checked(live, i.bytes, live)) return Error::LimitExceeded;
    out = std::max(out, live);
  }
  return Error::Ok;
}

}  // namespace

Error plan_arena(std::span<PlanItem> items, std::span<uint32_t> order, ArenaPlan& plan) {
  plan = {};
  std::sort(items.begin(), items.end(), before);
  size_t placed = 0;  // order[0, placed): indices of placed items by offset
  for (size_t i = 0; i < items.size(); ++i) {
    PlanItem& item = items[i];
    uint64_t best = ~uint64_t{0}, best_gap = ~uint64_t{0}, cursor = 0;
    for (size_t k = 0; k < placed; ++k) {
      const PlanItem& other = items[order[k]];
      if (!overlap(item, other)) continue;
      if (other.offset > cursor && other.offset - cursor >= item.bytes && other.offset - cursor < best_gap) {
        best_gap = other.offset - cursor;
        best = cursor;
      }
      cursor = std::max(cursor, other.offset + other.bytes);
    }
    item.offset = best_gap != ~uint64_t{0} ? best : cursor;
    uint64_t end = 0;
    if (!add_checked(item.offset, item.bytes, end)) return Error::LimitExceeded;
    plan.arena_bytes = std::max(plan.arena_bytes, end);
    size_t at = placed;
    while (at > 0 && items[order[at - 1]].offset > item.offset) --at;
    for (size_t k = placed; k > at; --k) order[k] = order[k - 1];
    order[at] = static_cast<uint32_t>(i);
    ++placed;
  }
  return max_live(items, plan.max_live_bytes);
}

}  // namespace gf
