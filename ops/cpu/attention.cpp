// attention in readable form: one query row at a time, scores and sums in double, rounded once. Keys that masks,
// windows or lengths take away are not read at all.
#include "schema/ops/attention.h"

#include <cmath>

#include "ops/cpu/movement.h"

namespace gf::cpu {
namespace {

using op::Attention;

/// Where rows [batch, heads, length] of q, k, v or y lie; a row is `dim` elements.
struct Rows {
  int64_t heads = 1, length = 1, dim = 1;
  bool heads_first = true;

  Rows(const Shape& s, AttentionLayout layout) : dim(s[3]), heads_first(layout == AttentionLayout::HeadsFirst) {
    heads = s[heads_first ? 1 : 2];
    length = s[heads_first ? 2 : 1];
  }
  int64_t at(int64_t batch, int64_t head, int64_t row) const {
    return (heads_first ? (batch * heads + head) * length + row : (batch * length + row) * heads + head) * dim;
  }
};

Error prepare(const NodeView& node, KernelPlan& plan) {
  const auto layout = node.attributes<Attention::Attrs>().layout;
  const Rows k(node.input(1).shape, layout), v(node.input(2).shape, layout);
  const int64_t doubles = 2 * k.length + 2 * k.dim + 2 * v.dim;
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(doubles) * sizeof(double);
  return Error::Ok;
}

/// Mask and limits of one query row.
class KeyFilter {
 public:
  KeyFilter(const RunContext& c, const Attention::Attrs& a, int64_t batch, int64_t head, int64_t row, int64_t q_len,
            int64_t kv_len)
      : mask_(c.has_input(3) ? &c.input(3) : nullptr), end_(kv_len) {
    int64_t offset = c.has_input(5) ? load_one<int64_t>(c.input(5), 0) : 0;
    if (c.has_input(4)) {
      const int64_t length = load_one<int64_t>(c.input(4), batch);
      if (!c.has_input(5)) offset = length - q_len;
      end_ = length < kv_len ? (length < 0 ? 0 : length) : kv_len;
    }
    const int64_t position = row + offset;
    if (a.left_window >= 0 && position - a.left_window > begin_) begin_ = position - a.left_window;
    if (a.is_causal) limit(position);
    if (a.right_window >= 0) limit(position + a.right_window);
    if (mask_ == nullptr) return;
    const Shape& s = mask_->shape;
    const int64_t index[4] = {batch, head, row, 0};
    int64_t stride = 1;
    for (int d = s.rank - 1; d >= 0; --d) {
      const int axis = d + 4 - s.rank;
      if (axis == 3) step_ = s[d] == 1 ? 0 : 1;
      if (s[d] != 1) first_ += index[axis] * stride;
      stride *= s[d];
    }
  }
  /// Adds the mask to the scores of all keys: -inf where a key may not be read.
  void apply(double* scores, double* room, int64_t kv_len) const {
    if (mask_ != nullptr) load(mask_->dtype, mask_->data, first_, step_, kv_len, room);
    for (int64_t j = 0; j < kv_len; ++j) {
      const bool inside = j >= begin_ && j < end_;
      if (mask_ != nullptr && inside && mask_->dtype != DType::Bool && room[j] != -HUGE_VAL) scores[j] += room[j];
      const bool masked = mask_ != nullptr && (mask_->dtype == DType::Bool ? room[j] == 0 : room[j] == -HUGE_VAL);
      if (!inside || masked) scores[j] = -HUGE_VAL;
    }
  }

 private:
  void limit(int64_t last) { end_ = last + 1 < end_ ? last + 1 : end_; }

  const TensorView* mask_;
  int64_t begin_ = 0, end_ = 0, first_ = 0, step_ = 0;
};

// Softmax in place; a row of -inf alone becomes 0.
void softmax(double* scores, int64_t count) {
  double greatest = -HUGE_VAL, sum = 0;
  for (int64_t j = 0; j < count; ++j)
    if (scores[j] > greatest || scores[j] != scores[j]) greatest = scores[j];
  for (int64_t j = 0; j < count; ++j) {
    scores[j] = greatest == -HUGE_VAL ? 0 : std::exp(scores[j] - greatest);
    sum += scores[j];
  }
  if (sum == 0) return;
  for (int64_t j = 0; j < count; ++j) scores[j] /= sum;
}

Error run(RunContext& c) {
  const auto& attrs = c.attributes<Attention::Attrs>();
  const TensorView &q = c.input(0), &k = c.input(1), &v = c.input(2);
  TensorView& y = c.output(0);
  TensorView* stage = c.has_output(1) ? &c.output(1) : nullptr;
  const Rows qs(q.shape, attrs.layout), ks(k.shape, attrs.layout), vs(v.shape, attrs.layout), ys(y.shape, attrs.layout);
  if (y.count() == 0 && stage == nullptr) return Error::Ok;
  if (ks.heads < 1 || qs.heads % ks.heads != 0)
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "%lld query heads are no multiple of %lld key heads",
                   static_cast<long long>(qs.heads), static_cast<long long>(ks.heads));
  const int64_t group = qs.heads / ks.heads, keys = ks.length;
  const double scale = attrs.scale != 0 ? static_cast<double>(attrs.scale) : 1 / std::sqrt(static_cast<double>(qs.dim));
  const auto softcap = static_cast<double>(attrs.softcap);
  c.parallel(q.shape[0] * qs.heads * qs.length, [&](int64_t task, int worker) {
    const int64_t row = task % qs.length, head = task / qs.length % qs.heads, batch = task / qs.length / qs.heads;
    double* scores = c.scratch_of<double>(worker);
    double *room = scores + keys, *query = room + keys, *key = query + qs.dim, *value = key + ks.dim,
           *sums = value + vs.dim;
    const auto show = [&](AttentionScores at) {
      if (stage != nullptr && attrs.scores == at) store(stage->dtype, stage->data, task * keys, keys, scores);
    };
    load(q.dtype, q.data, qs.at(batch, head, row), 1, qs.dim, query);
    for (int64_t j = 0; j < keys; ++j) {
      load(k.dtype, k.data, ks.at(batch, head / group, j), 1, ks.dim, key);
      double sum = 0;
      for (int64_t d = 0; d < qs.dim; ++d) sum += query[d] * key[d];
      scores[j] = sum * scale;
    }
    show(AttentionScores::Product);
    if (softcap > 0)
      for (int64_t j = 0; j < keys; ++j) scores[j] = softcap * std::tanh(scores[j] / softcap);
    show(AttentionScores::SoftCapped);
    KeyFilter(c, attrs, batch, head, row, qs.length, keys).apply(scores, room, keys);
    show(AttentionScores::Masked);
    softmax(scores, keys);
    show(AttentionScores::Softmax);
    for (int64_t d = 0; d < vs.dim; ++d) sums[d] = 0;
    for (int64_t j = 0; j < keys; ++j) {
      if (scores[j] == 0) continue;
      load(v.dtype, v.data, vs.at(batch, head / group, j), 1, vs.dim, value);
      for (int64_t d = 0; d < vs.dim; ++d) sums[d] += scores[j] * value[d];
    }
    store(y.dtype, y.data, ys.at(batch, head, row), vs.dim, sums);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel attention_kernel;
const Kernel attention_kernel{
    .op = Attention::info.id, .name = "attention_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
