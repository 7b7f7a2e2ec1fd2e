// non_max_suppression: greedy by score; ties go to the lower box index. Overlap is intersection over union.
#include "schema/ops/non_max_suppression.h"

#include <algorithm>

#include "ops/cpu/movement.h"
#include "ops/cpu/order.h"

namespace gf::cpu {
namespace {

struct Box {
  float x_low, x_high, y_low, y_high;
};

Box read_box(const float* p, bool center) {
  if (center) return {p[0] - p[2] / 2, p[0] + p[2] / 2, p[1] - p[3] / 2, p[1] + p[3] / 2};
  return {std::min(p[1], p[3]), std::max(p[1], p[3]), std::min(p[0], p[2]), std::max(p[0], p[2])};
}

bool overlaps(const Box& a, const Box& b, float threshold) {
  const float width = std::min(a.x_high, b.x_high) - std::max(a.x_low, b.x_low);
  const float height = std::min(a.y_high, b.y_high) - std::max(a.y_low, b.y_low);
  if (!(width > 0) || !(height > 0)) return false;
  const float shared = width * height;
  const float area_a = (a.x_high - a.x_low) * (a.y_high - a.y_low), area_b = (b.x_high - b.x_low) * (b.y_high - b.y_low);
  const float joined = area_a + area_b - shared;
  return area_a > 0 && area_b > 0 && joined > 0 && shared / joined > threshold;
}

bool better(const void* scores, int64_t a, int64_t b) {
  const auto* score = static_cast<const float*>(scores);
  return score[a] > score[b] || (score[a] == score[b] && a < b);
}

Error prepare(const NodeView& node, KernelPlan& plan) {
  // candidates of one class, and the boxes kept of it
  plan.scratch_bytes = 2 * sizeof(int64_t) * static_cast<uint64_t>(node.input(0).shape[1]);
  return Error::Ok;
}

Error run(RunContext& c) {
  const TensorView &boxes = c.input(0), &scores = c.input(1);
  TensorView& y = c.output(0);
  const bool center = c.attributes<op::NonMaxSuppression::Attrs>().center_point_box;
  const int64_t batches = boxes.shape[0], count = boxes.shape[1], classes = scores.shape[1];
  const int64_t most = c.has_input(2) ? index_at(c.input(2), 0) : 0;
  const float iou = c.has_input(3) ? *c.input(3).as<const float>() : 0;
  const float* least = c.has_input(4) ? c.input(4).as<const float>() : nullptr;
  auto* order = static_cast<int64_t*>(c.scratch);
  int64_t* kept = order + count;
  int64_t rows = 0;
  for (int64_t group = 0; most > 0 && group < batches * classes; ++group) {
    const float* score = scores.as<const float>() + group * count;
    const float* box = boxes.as<const float>() + group / classes * count * 4;
    int64_t candidates = 0, kept_count = 0;
    for (int64_t k = 0; k < count; ++k)  // a NaN score is no candidate: it would have no place in the order
      if (score[k] == score[k] && (least == nullptr || score[k] > *least)) order[candidates++] = k;
    sort_places(order, candidates, candidates, better, score);
    for (int64_t k = 0; k < candidates && kept_count < most; ++k) {
      const Box candidate = read_box(box + order[k] * 4, center);
      bool keep = true;
      for (int64_t j = 0; j < kept_count && keep; ++j) keep = !overlaps(candidate, read_box(box + kept[j] * 4, center), iou);
      if (!keep) continue;
      if (static_cast<uint64_t>(rows + 1) * 3 * sizeof(int64_t) > c.output_capacity)
        return GF_FAIL(c.detail, Error::ShapeOutOfBounds, c.node, "more than the %lld boxes that were planned",
                       static_cast<long long>(rows));
      kept[kept_count++] = order[k];
      int64_t* row = y.as<int64_t>() + 3 * rows++;
      row[0] = group / classes;
      row[1] = group % classes;
      row[2] = order[k];
    }
  }
  y.shape = Shape(rows, 3);
  return Error::Ok;
}

}  // namespace

extern const Kernel non_max_suppression_kernel;
const Kernel non_max_suppression_kernel{.op = op::NonMaxSuppression::info.id,
                                        .name = "non_max_suppression_portable",
                                        .rank = 1,
                                        .prepare = prepare,
                                        .run = run};

}  // namespace gf::cpu
