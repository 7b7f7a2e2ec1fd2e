#include "runtime/plan/arena_plan.h"

#include <algorithm>

#include "runtime/core/checked.h"

namespace gf {
namespace {

using Before = bool (*)(const PlanItem&, const PlanItem&);

// Largest first; ties by life and id so that a plan is the same on every machine.
bool larger(const PlanItem& a, const PlanItem& b) {
  if (a.bytes != b.bytes) return a.bytes > b.bytes;
  if (a.first != b.first) return a.first < b.first;
  return a.id < b.id;
}
bool begins_earlier(const PlanItem& a, const PlanItem& b) { return a.first != b.first ? a.first < b.first : a.id < b.id; }
bool ends_earlier(const PlanItem& a, const PlanItem& b) { return a.last != b.last ? a.last < b.last : a.id < b.id; }

// Merge sort from the bottom: O(n log n) whatever the order, and half the code of std::sort. `spare` is as long as `order`.
void sort_items(std::span<const PlanItem> items, std::span<uint32_t> order, std::span<uint32_t> spare, Before before) {
  uint32_t* from = order.data();
  uint32_t* to = spare.data();
  const size_t n = order.size();
  for (size_t width = 1; width < n; width *= 2) {
    for (size_t begin = 0; begin < n; begin += 2 * width) {
      const size_t middle = std::min(begin + width, n), end = std::min(begin + 2 * width, n);
      size_t a = begin, b = middle;
      for (size_t k = begin; k < end; ++k) to[k] = b >= end || (a < middle && !before(items[from[b]], items[from[a]])) ? from[a++] : from[b++];
    }
    std::swap(from, to);
  }
  if (from != order.data()) std::copy(from, from + n, order.data());
}

class Planner {
 public:
  Planner(std::span<PlanItem> items, std::span<uint32_t> order, ArenaPlan& plan)
      : items_(items), n_(items.size()), order_(order.first(n_)), second_(order.subspan(n_, n_)), spare_(order.subspan(2 * n_, n_)), plan_(plan) {}

  Error run() {
    for (size_t i = 0; i < n_; ++i) order_[i] = second_[i] = static_cast<uint32_t>(i);
    sort_items(items_, order_, spare_, begins_earlier);
    sort_items(items_, second_, spare_, ends_earlier);
    GF_TRY(max_live());
    sort_items(items_, order_, spare_, larger);
    const size_t exact = std::min(n_, kExactItems);
    for (size_t k = 0; k < exact; ++k) GF_TRY(place(items_[order_[k]], order_[k], k));
    return exact < n_ ? share_lanes(exact) : Error::Ok;
  }

 private:
  static bool overlap(const PlanItem& a, const PlanItem& b) { return a.first <= b.last && b.first <= a.last; }

  Error max_live() {
    uint64_t live = 0;
    size_t ended = 0;
    for (const uint32_t i : order_) {  // the maximum is reached where some buffer begins
      for (; ended < n_ && items_[second_[ended]].last < items_[i].first; ++ended) live -= items_[second_[ended]].bytes;
      if (!add_checked(live, items_[i].bytes, live)) return Error::LimitExceeded;
      plan_.max_live_bytes = std::max(plan_.max_live_bytes, live);
    }
    return Error::Ok;
  }

  // Into the smallest gap; second_[0, placed) holds what is placed, by offset.
  Error place(PlanItem& item, uint32_t index, size_t placed) {
    uint64_t best = ~uint64_t{0}, best_gap = ~uint64_t{0}, cursor = 0;
    for (size_t k = 0; k < placed; ++k) {
      const PlanItem& other = items_[second_[k]];
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
    plan_.arena_bytes = std::max(plan_.arena_bytes, end);
    size_t at = placed;
    for (; at > 0 && items_[second_[at - 1]].offset > item.offset; --at) second_[at] = second_[at - 1];
    second_[at] = index;
    return Error::Ok;
  }

  // The rest, in the order of their first steps: each takes a free lane of at least its size class, or opens one. All lanes
  // of a class are equally wide, so a free one is found without searching.
  Error share_lanes(size_t exact) {
    const std::span<uint32_t> rest = order_.subspan(exact), ends = second_.first(n_ - exact);
    std::copy(rest.begin(), rest.end(), ends.begin());
    sort_items(items_, rest, spare_.first(rest.size()), begins_earlier);
    sort_items(items_, ends, spare_.first(ends.size()), ends_earlier);
    std::fill(free_, free_ + kClasses, kNone);
    size_t ended = 0;
    for (const uint32_t i : rest) {
      PlanItem& item = items_[i];
      for (; ended < ends.size() && items_[ends[ended]].last < item.first; ++ended) {
        PlanItem& gone = items_[ends[ended]];
        uint32_t& head = free_[gone.lane];
        spare_[ends[ended]] = head;
        head = ends[ended];
      }
      item.lane = class_of(item.bytes);
      uint32_t lane = item.lane;
      while (lane < kClasses && lane < item.lane + 4 && free_[lane] == kNone) ++lane;  // at most twice as wide
      if (lane < kClasses && lane < item.lane + 4) {
        item.offset = items_[free_[lane]].offset;
        free_[lane] = spare_[free_[lane]];
        item.lane = lane;
        continue;
      }
      item.offset = plan_.arena_bytes;
      if (width_of(item.lane) < item.bytes || !add_checked(plan_.arena_bytes, width_of(item.lane), plan_.arena_bytes)) return Error::LimitExceeded;
    }
    return Error::Ok;
  }

  // Four classes per power of two, from 64 bytes up; a lane of class c is width_of(c) wide.
  static constexpr uint32_t kClasses = 4 * 57, kNone = ~uint32_t{0};
  static uint64_t width_of(uint32_t c) { return (((uint64_t{4} + c % 4) << (c / 4 + 4)) + 63) & ~uint64_t{63}; }
  static uint32_t class_of(uint64_t bytes) {
    uint32_t c = 0;
    while (c + 1 < kClasses && width_of(c) < bytes) ++c;
    return c;
  }

  std::span<PlanItem> items_;
  const size_t n_;
  std::span<uint32_t> order_, second_, spare_;
  ArenaPlan& plan_;
  uint32_t free_[kClasses] = {};  // of each class, the last buffer that left a lane; spare_ links to those before it
};

}  // namespace

Error plan_arena(std::span<PlanItem> items, std::span<uint32_t> order, ArenaPlan& plan) {
  plan = {};
  return Planner(items, order, plan).run();
}

}  // namespace gf
