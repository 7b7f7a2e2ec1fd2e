// attention in readable form: one query row at a time, scores and sums in double, rounded once. Keys that masks,
// windows or lengths take away are not read at all.
#include "ops/cpu/attention_walk.h"
#include "ops/cpu/vectors.h"

namespace gf::cpu {
namespace {

using op::Attention;
using attention::KeyFilter;
using attention::Rows;

Error prepare(const NodeView& node, KernelPlan& plan) {
  const auto layout = node.attributes<Attention::Attrs>().layout;
  const Rows k(node.input(1).shape, layout), v(node.input(2).shape, layout);
  const int64_t doubles = 2 * k.length + 2 * k.dim + 2 * v.dim;
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(doubles) * sizeof(double);
  return Error::Ok;
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
  const double scale = attention::scale_of(attrs, qs.dim);
  const auto softcap = static_cast<double>(attrs.softcap);
  c.parallel(q.shape[0] * qs.heads * qs.length, [&](int64_t task, int worker) {
    const int64_t row = task % qs.length, head = task / qs.length % qs.heads, batch = task / qs.length / qs.heads;
    double* scores = c.scratch_of<double>(worker);
    double *room = scores + keys, *query = room + keys, *key = query + qs.dim, *value = key + ks.dim,
           *sums = value + vs.dim;
    const auto show = [&](AttentionScores at) {
      if (stage != nullptr && attrs.scores == at) store(*stage, task * keys, keys, scores);
    };
    load(q, qs.at(batch, head, row), qs.dim, query);
    for (int64_t j = 0; j < keys; ++j) {
      load(k, ks.at(batch, head / group, j), ks.dim, key);
      scores[j] = dot(query, key, qs.dim) * scale;
    }
    show(AttentionScores::Product);
    if (softcap > 0)
      for (int64_t j = 0; j < keys; ++j) scores[j] = softcap * std::tanh(scores[j] / softcap);
    show(AttentionScores::SoftCapped);
    KeyFilter(c, 3, attrs, batch, head, row, qs.length, keys).apply(scores, room, keys);
    show(AttentionScores::Masked);
    attention::softmax(scores, keys);
    show(AttentionScores::Softmax);
    set_zero(sums, vs.dim);
    for (int64_t j = 0; j < keys; ++j) {
      if (scores[j] == 0) continue;
      load(v, vs.at(batch, head / group, j), vs.dim, value);
      add_scaled(sums, scores[j], value, vs.dim);
    }
    store(y, ys.at(batch, head, row), vs.dim, sums);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel attention_kernel;
const Kernel attention_kernel{
    .op = Attention::info.id, .name = "attention_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
