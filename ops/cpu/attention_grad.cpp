// attention_grad in readable form: one query row at a time, everything in double; a task sums dk and dv of a key head over the
// rows of its query heads in order and rounds them once. Keys that a query does not read get nothing, whatever they hold.
#include "schema/ops/attention_grad.h"

#include "ops/cpu/attention_walk.h"
#include "ops/cpu/vectors.h"

namespace gf::cpu {
namespace {

using attention::KeyFilter;
using attention::Rows;

Error prepare(const NodeView& node, KernelPlan& plan) {
  const auto layout = node.attributes<op::Attention::Attrs>().layout;
  const Rows k(node.input(1).shape, layout), v(node.input(2).shape, layout);
  const int64_t doubles = k.length * (4 + k.dim + v.dim) + 3 * k.dim + 3 * v.dim;
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(doubles) * sizeof(double);
  return Error::Ok;
}

struct HeadGradient {
  RunContext& c;
  Rows qs, ks, vs, ys;
  double scale, softcap;
  double *scores, *room, *capped, *ds, *dk, *dv;  // keys; dk and dv: keys x dim
  double *query, *dq, *key, *y, *dy, *value;

  HeadGradient(RunContext& context, const op::Attention::Attrs& a, int worker)
      : c(context), qs(c.input(0).shape, a.layout), ks(c.input(1).shape, a.layout), vs(c.input(2).shape, a.layout),
        ys(c.input(3).shape, a.layout), scale(attention::scale_of(a, qs.dim)), softcap(static_cast<double>(a.softcap)),
        scores(c.scratch_of<double>(worker)), room(scores + ks.length), capped(room + ks.length), ds(capped + ks.length),
        dk(ds + ks.length), dv(dk + ks.length * ks.dim), query(dv + ks.length * vs.dim), dq(query + ks.dim), key(dq + ks.dim),
        y(key + ks.dim), dy(y + vs.dim), value(dy + vs.dim) {}

  void row(const op::Attention::Attrs& a, int64_t batch, int64_t head, int64_t kv_head, int64_t i) {
    const int64_t keys = ks.length, dim = qs.dim;
    load(c.input(0), qs.at(batch, head, i), dim, query);
    for (int64_t j = 0; j < keys; ++j) {
      load(c.input(1), ks.at(batch, kv_head, j), dim, key);
      capped[j] = dot(query, key, dim) * scale;
      if (softcap > 0) capped[j] = softcap * std::tanh(capped[j] / softcap);
      scores[j] = capped[j];
    }
    KeyFilter(c, op::AttentionGrad::kMask, a, batch, head, i, qs.length, keys).apply(scores, room, keys);
    for (int64_t j = 0; j < keys; ++j) room[j] = scores[j] == -HUGE_VAL ? 0 : 1;
    attention::softmax(scores, keys);
    load(c.input(3), ys.at(batch, head, i), vs.dim, y);
    load(c.input(4), ys.at(batch, head, i), vs.dim, dy);
    const double whole = dot(y, dy, vs.dim);
    set_zero(dq, dim);
    for (int64_t j = 0; j < keys; ++j) {
      if (room[j] == 0) continue;
      load(c.input(1), ks.at(batch, kv_head, j), dim, key);
      load(c.input(2), vs.at(batch, kv_head, j), vs.dim, value);
      add_scaled(dv + j * vs.dim, scores[j], dy, vs.dim);
      double g = scores[j] * (dot(dy, value, vs.dim) - whole) * scale;
      if (softcap > 0) g *= 1 - capped[j] / softcap * (capped[j] / softcap);
      add_scaled(dq, g, key, dim);
      add_scaled(dk + j * dim, g, query, dim);
    }
    store(c.output(0), qs.at(batch, head, i), dim, dq);
  }
};

Error run(RunContext& c) {
  const auto& a = c.attributes<op::Attention::Attrs>();
  const Rows qs(c.input(0).shape, a.layout), ks(c.input(1).shape, a.layout), vs(c.input(2).shape, a.layout);
  if (ks.heads < 1 || qs.heads % ks.heads != 0)
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "%lld query heads are no multiple of %lld key heads",
                   static_cast<long long>(qs.heads), static_cast<long long>(ks.heads));
  const int64_t group = qs.heads / ks.heads;
  c.parallel(c.input(0).shape[0] * ks.heads, [&](int64_t task, int worker) {
    const int64_t batch = task / ks.heads, kv_head = task % ks.heads;
    HeadGradient h(c, a, worker);
    set_zero(h.dk, ks.length * (ks.dim + vs.dim));  // dv stands behind dk
    for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
      for (int64_t i = 0; i < qs.length; ++i) h.row(a, batch, head, kv_head, i);
    for (int64_t j = 0; j < ks.length; ++j) {
      store(c.output(1), ks.at(batch, kv_head, j), ks.dim, h.dk + j * ks.dim);
      store(c.output(2), vs.at(batch, kv_head, j), vs.dim, h.dv + j * vs.dim);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel attention_grad_kernel;
const Kernel attention_grad_kernel{
    .op = op::AttentionGrad::info.id, .name = "attention_grad_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
