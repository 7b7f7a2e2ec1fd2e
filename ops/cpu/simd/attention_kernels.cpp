// attention and its gradient in f32 without a score matrix, on the vector functions.
#include "ops/cpu/simd/attention.h"

#include <cmath>

#include "ops/cpu/simd/wrap.h"
#include "schema/ops/attention_grad.h"

namespace gf::simd {
namespace {

HeadStrides strides_of(const Shape& s, AttentionLayout layout) {
  if (layout == AttentionLayout::HeadsFirst) return {s[1] * s[2] * s[3], s[2] * s[3], s[3]};
  return {s[1] * s[2] * s[3], s[3], s[2] * s[3]};
}

Error prepare_attention(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  if (node.has_output(1)) return plan.refuse("the scores are wanted");
  plan.data_bytes = sizeof(Isa);
  plan.scratch_bytes = attention_scratch_bytes_per_worker(node.input(0).shape[3]) * static_cast<uint64_t>(node.threads);
  return Error::Ok;
}

Error init_attention(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

void set_mask(const TensorView& mask, AttentionArgs& a) {
  int64_t strides[4] = {}, stride = 1;
  for (int d = mask.shape.rank - 1; d >= 0; --d) {
    strides[d + 4 - mask.shape.rank] = mask.shape[d] == 1 ? 0 : stride;
    stride *= mask.shape[d];
  }
  const bool logical = mask.dtype == DType::Bool;
  if (logical)
    a.mask = mask.as<const uint8_t>();
  else
    a.bias = mask.as<const float>();
  for (int d = 0; d < 4; ++d) (logical ? a.mask_strides : a.bias_strides)[d] = strides[d];
}

// Everything but where results go; mask, lengths and offset are the inputs from `rest` on.
Error describe_attention(RunContext& c, int rest, const Shape& y, AttentionArgs& a) {
  const auto& attrs = c.attributes<op::Attention::Attrs>();
  const Shape &q = c.input(0).shape, &k = c.input(1).shape, &v = c.input(2).shape;
  const bool heads_first = attrs.layout == AttentionLayout::HeadsFirst;
  a.q = c.input(0).as<const float>();
  a.k = c.input(1).as<const float>();
  a.v = c.input(2).as<const float>();
  a.q_strides = strides_of(q, attrs.layout);
  a.k_strides = strides_of(k, attrs.layout);
  a.v_strides = strides_of(v, attrs.layout);
  a.out_strides = strides_of(y, attrs.layout);
  a.batch = q[0];
  a.q_heads = q[heads_first ? 1 : 2];
  a.kv_heads = k[heads_first ? 1 : 2];
  a.q_len = q[heads_first ? 2 : 1];
  a.kv_len = k[heads_first ? 2 : 1];
  a.qk_dim = q[3];
  a.v_dim = v[3];
  if (a.kv_heads < 1 || a.q_heads % a.kv_heads != 0)
    return GF_FAIL(c.detail, Error::ShapeMismatch, c.node, "%lld query heads are no multiple of %lld key heads",
                   static_cast<long long>(a.q_heads), static_cast<long long>(a.kv_heads));
  a.scale = attrs.scale != 0 ? attrs.scale : 1.0f / std::sqrt(static_cast<float>(a.qk_dim));
  a.softcap = attrs.softcap;
  a.left_window = attrs.left_window;
  a.right_window = attrs.is_causal ? 0 : attrs.right_window;
  if (c.has_input(rest)) set_mask(c.input(rest), a);
  if (c.has_input(rest + 1)) {
    a.kv_lengths = c.input(rest + 1).as<const int64_t>();
    a.offset_from_lengths = !c.has_input(rest + 2);
  }
  if (c.has_input(rest + 2)) a.offset = cpu::load_one<int64_t>(c.input(rest + 2), 0);
  return Error::Ok;
}

Error run_attention(RunContext& c) {
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  AttentionArgs a;
  GF_TRY(describe_attention(c, 3, y.shape, a));
  a.out = y.as<float>();
  attention_f32(*static_cast<const Isa*>(c.data), a, c.scratch, c.parallel);
  return Error::Ok;
}

Error prepare_attention_grad(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  const bool heads_first = node.attributes<op::Attention::Attrs>().layout == AttentionLayout::HeadsFirst;
  const Shape &q = node.input(0).shape, &v = node.input(2).shape;
  const int axis = heads_first ? 2 : 1;
  plan.data_bytes = sizeof(Isa);
  plan.scratch_bytes =
      attention_grad_scratch_bytes_per_worker(q[axis], v[axis], q[3], v[3]) * static_cast<uint64_t>(node.threads);
  return Error::Ok;
}

Error run_attention_grad(RunContext& c) {
  AttentionGradArgs g;
  if (c.output(0).count() == 0 && c.output(1).count() == 0 && c.output(2).count() == 0) return Error::Ok;
  GF_TRY(describe_attention(c, op::AttentionGrad::kMask, c.input(3).shape, g.forward));
  g.y = c.input(3).as<const float>();
  g.dy = c.input(4).as<const float>();
  g.dq = c.output(0).as<float>();
  g.dk = c.output(1).as<float>();
  g.dv = c.output(2).as<float>();
  attention_grad_f32(*static_cast<const Isa*>(c.data), g, c.scratch, c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel attention_kernel{.op = op::Attention::info.id,
                              .name = "attention_f32_simd",
                              .rank = 20,
                              .prepare = prepare_attention,
                              .init = init_attention,
                              .run = run_attention};
const Kernel attention_grad_kernel{.op = op::AttentionGrad::info.id,
                                   .name = "attention_grad_f32_simd",
                                   .rank = 20,
                                   .prepare = prepare_attention_grad,
                                   .init = init_attention,
                                   .run = run_attention_grad};

}  // namespace gf::simd
