// linear_attention in readable form: one key head of one batch entry at a time, step by step, the state in double and
// rounded once at the end. Query heads that share a key head read the same state.
#include "schema/ops/linear_attention.h"

#include <cmath>

#include "ops/cpu/op_util.h"
#include "ops/cpu/vectors.h"

namespace gf::cpu {
namespace {

using op::LinearAttention;

struct Sizes {
  int64_t batch, length, group, kv_heads, k_dim, v_dim;

  Sizes(const Shape& q, const Shape& v, const LinearAttention::Attrs& a)
      : batch(q[0]), length(q[1]), group(a.q_heads / a.kv_heads), kv_heads(a.kv_heads), k_dim(q[2] / a.q_heads),
        v_dim(v[2] / a.kv_heads) {}
  int64_t doubles() const { return k_dim * v_dim + 2 * k_dim + 2 * v_dim; }
};

Error prepare(const NodeView& node, KernelPlan& plan) {
  const Sizes s(node.input(0).shape, node.input(2).shape, node.attributes<LinearAttention::Attrs>());
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(s.doubles()) * sizeof(double);
  return Error::Ok;
}

/// The recurrence of one key head; all pointers are worker scratch.
class Head {
 public:
  Head(const RunContext& c, const Sizes& s, int64_t batch, int64_t head, double* room)
      : c_(c), s_(s), batch_(batch), head_(head), state_(room), row_(state_ + s.k_dim * s.v_dim),
        gate_(row_ + s.k_dim), value_(gate_ + s.k_dim), sum_(value_ + s.v_dim) {}

  void start() {
    if (c_.has_input(3)) return load(c_.input(3), state_at(), s_.k_dim * s_.v_dim, state_);
    set_zero(state_, s_.k_dim * s_.v_dim);
  }
  void decay(int64_t t) {
    const TensorView& g = c_.input(4);
    const bool per_head = g.shape[2] == s_.kv_heads;
    const int64_t width = per_head ? 1 : s_.k_dim;
    load(g, (row(t) * s_.kv_heads + head_) * width, per_head ? 0 : 1, s_.k_dim, gate_);
    for (int64_t i = 0; i < s_.k_dim; ++i) scale(state_ + i * s_.v_dim, std::exp(gate_[i]), s_.v_dim);
  }
  /// S += k (x) u, where u is v or what the delta rule leaves of it.
  void write(int64_t t, bool delta) {
    load(c_.input(1), (row(t) * s_.kv_heads + head_) * s_.k_dim, s_.k_dim, row_);
    load(c_.input(2), (row(t) * s_.kv_heads + head_) * s_.v_dim, s_.v_dim, value_);
    if (delta) {
      const TensorView& b = c_.input(5);
      const double beta = load_one<double>(b, row(t) * b.shape[2] + (b.shape[2] == 1 ? 0 : head_));
      read();
      for (int64_t j = 0; j < s_.v_dim; ++j) value_[j] = beta * (value_[j] - sum_[j]);
    }
    for (int64_t i = 0; i < s_.k_dim; ++i) add_scaled(state_ + i * s_.v_dim, row_[i], value_, s_.v_dim);
  }
  void answer(int64_t t, int64_t of_group, double scale) {
    const int64_t at = row(t) * s_.kv_heads * s_.group + head_ * s_.group + of_group;
    load(c_.input(0), at * s_.k_dim, s_.k_dim, row_);
    read();
    cpu::scale(sum_, scale, s_.v_dim);
    store(c_.output(0), at * s_.v_dim, s_.v_dim, sum_);
  }
  void finish() {
    if (c_.has_output(1)) store(c_.output(1), state_at(), s_.k_dim * s_.v_dim, state_);
  }

 private:
  int64_t row(int64_t t) const { return batch_ * s_.length + t; }
  int64_t state_at() const { return (batch_ * s_.kv_heads + head_) * s_.k_dim * s_.v_dim; }
  // sum = S^T row
  void read() {
    set_zero(sum_, s_.v_dim);
    for (int64_t i = 0; i < s_.k_dim; ++i) add_scaled(sum_, row_[i], state_ + i * s_.v_dim, s_.v_dim);
  }

  const RunContext& c_;
  const Sizes& s_;
  int64_t batch_, head_;
  double *state_, *row_, *gate_, *value_, *sum_;
};

Error run(RunContext& c) {
  const auto& attrs = c.attributes<LinearAttention::Attrs>();
  const Sizes s(c.input(0).shape, c.input(2).shape, attrs);
  const double scale =
      attrs.scale != 0 ? static_cast<double>(attrs.scale) : 1 / std::sqrt(static_cast<double>(s.k_dim));
  c.parallel(s.batch * s.kv_heads, [&](int64_t task, int worker) {
    Head head(c, s, task / s.kv_heads, task % s.kv_heads, c.scratch_of<double>(worker));
    head.start();
    for (int64_t t = 0; t < s.length; ++t) {
      if (is_gated(attrs.rule)) head.decay(t);
      head.write(t, is_delta(attrs.rule));
      for (int64_t g = 0; g < s.group; ++g) head.answer(t, g, scale);
    }
    head.finish();
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel linear_attention_kernel;
const Kernel linear_attention_kernel{
    .op = LinearAttention::info.id, .name = "linear_attention_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
