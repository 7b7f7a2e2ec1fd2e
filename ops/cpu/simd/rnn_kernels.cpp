// lstm, gru and rnn in f32 with their usual activations, on the vector functions: one call per direction. Weights must
// be constant; all of a direction's are packed together.
#include "ops/cpu/simd/rnn.h"

#include "ops/cpu/simd/wrap.h"
#include "schema/ops/gru.h"
#include "schema/ops/lstm.h"
#include "schema/ops/rnn.h"

namespace gf::simd {
namespace {

struct RecurrentData {
  Isa isa = Isa::Portable;
  RnnKind kind = RnnKind::Lstm;
};

// The kind with its usual activations; false for any other mixture.
bool kind_of(uint16_t op, const RecurrentAttrs& a, RnnKind& kind) {
  constexpr auto kSigmoid = static_cast<int64_t>(CellActivation::Sigmoid),
                 kTanh = static_cast<int64_t>(CellActivation::Tanh);
  const int64_t usual[3] = {kSigmoid, kTanh, kTanh};
  if (op == op::Rnn::info.id) {
    kind = RnnKind::Tanh;
    if (a.activations.empty()) return true;
    if (a.activations[0] == static_cast<int64_t>(CellActivation::Relu))
      kind = RnnKind::Relu;
    else if (a.activations[0] != kTanh)
      return false;
    for (const int64_t f : a.activations)
      if (f != a.activations[0]) return false;
    return true;
  }
  kind = op == op::Lstm::info.id ? RnnKind::Lstm : RnnKind::Gru;
  const size_t count = kind == RnnKind::Lstm ? 3 : 2;
  for (size_t k = 0; k < a.activations.size(); ++k)
    if (a.activations[k] != usual[k % count]) return false;
  return true;
}

RnnDims dims_of(RnnKind kind, const RecurrentAttrs& a, const Shape& x) {
  RnnDims d;
  d.kind = kind;
  d.steps = x[0];
  d.batch = x[1];
  d.input = x[2];
  d.hidden = a.hidden;
  d.linear_before_reset = kind == RnnKind::Gru && a.option;
  return d;
}

/// Bytes of one direction's packed weights, rounded up so that each starts aligned.
uint64_t direction_bytes(Isa isa, const RnnDims& d) {
  return (rnn_packed_bytes(isa, d) + kGemmAlignment - 1) / kGemmAlignment * kGemmAlignment;
}

Error pack_directions(const NodeView& node, void* destination) {
  const auto& a = node.attributes<RecurrentAttrs>();
  RnnKind kind{};
  kind_of(node.def->info.id, a, kind);
  const RnnDims d = dims_of(kind, a, node.input(0).shape);
  const int64_t rows = rnn_gates(kind) * d.hidden;
  const auto part = [&](int i, int64_t direction, int64_t elements) -> const float* {
    if (!node.has_input(i)) return nullptr;
    return static_cast<const float*>(node.input(i).constant_data) + direction * elements;
  };
  for (int64_t k = 0; k < a.directions(); ++k) {
    const RnnWeights w{part(1, k, rows * d.input), part(2, k, rows * d.hidden), part(3, k, 2 * rows),
                       part(7, k, 3 * d.hidden)};
    rnn_pack(node.isa, d, w,
             static_cast<unsigned char*>(destination) + static_cast<uint64_t>(k) * direction_bytes(node.isa, d));
  }
  return Error::Ok;
}

Error prepare_recurrent(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  const auto& a = node.attributes<RecurrentAttrs>();
  RnnKind kind{};
  if (!kind_of(node.def->info.id, a, kind)) return plan.refuse("other activations than the usual ones");
  PackKey key(node.def->info.id, node.isa);
  key.add(static_cast<int64_t>(kind)).add(a.option);
  for (const int i : {1, 2, 3, 7}) {
    if (!node.has_input(i)) continue;
    if (!node.input(i).is_constant) return plan.refuse("the weights are not constant");
    // the pack is found by its first constant; what else goes into it is told apart by address
    key.add(i).add(static_cast<int64_t>(reinterpret_cast<uintptr_t>(node.input(i).constant_data)));
  }
  const RnnDims d = dims_of(kind, a, node.input(0).shape);
  plan.request_pack(1, key.value(), static_cast<uint64_t>(a.directions()) * direction_bytes(node.isa, d),
                    pack_directions);
  plan.data_bytes = sizeof(RecurrentData);
  plan.scratch_bytes = rnn_scratch_bytes(node.isa, d, node.threads);
  // the products' share of it need not grow with the shape
  if (!node.is_static()) plan.scratch_bytes += gemm_scratch_bound(node.isa, node.threads);
  return Error::Ok;
}

Error init_recurrent(const NodeView& node, InitContext& context) {
  auto& data = make_data<RecurrentData>(context);
  data.isa = node.isa;
  kind_of(node.def->info.id, node.attributes<RecurrentAttrs>(), data.kind);
  return Error::Ok;
}

Error run_recurrent(RunContext& c) {
  const auto& a = c.attributes<RecurrentAttrs>();
  const auto& data = *static_cast<const RecurrentData*>(c.data);
  const RnnDims d = dims_of(data.kind, a, c.input(0).shape);
  const int32_t* lengths = c.has_input(4) ? c.input(4).as<const int32_t>() : nullptr;
  for (int64_t b = 0; lengths != nullptr && b < d.batch; ++b)
    if (lengths[b] < 0 || lengths[b] > d.steps)
      return GF_FAIL(c.detail, Error::BadData, c.node, "sequence length %d of entry %lld is outside [0, %lld]",
                     lengths[b], static_cast<long long>(b), static_cast<long long>(d.steps));
  const int64_t state = d.batch * d.hidden;
  for (int64_t k = 0; k < a.directions(); ++k) {
    RnnArgs r;
    r.x = c.input(0).as<const float>();
    r.packed = static_cast<const unsigned char*>(c.packed[0]) + static_cast<uint64_t>(k) * direction_bytes(data.isa, d);
    if (c.has_input(5)) r.initial_h = c.input(5).as<const float>() + k * state;
    if (c.has_input(6)) r.initial_c = c.input(6).as<const float>() + k * state;
    r.lengths = lengths;
    r.reverse = a.direction == RecurrentDirection::Reverse || k == 1;
    r.clip = a.clip;
    r.input_forget = data.kind == RnnKind::Lstm && a.option;
    if (c.has_output(0)) r.y = c.output(0).as<float>() + k * state;
    r.y_step = a.directions() * state;
    r.y_batch = d.hidden;
    if (c.has_output(1)) r.last_h = c.output(1).as<float>() + k * state;
    if (c.has_output(2)) r.last_c = c.output(2).as<float>() + k * state;
    rnn_f32(data.isa, d, r, c.scratch, c.parallel);
  }
  return Error::Ok;
}

}  // namespace

#define GF_RECURRENT(word, Op)                             \
  const Kernel word##_kernel{.op = op::Op::info.id,        \
                             .name = #word "_f32_simd",    \
                             .rank = 20,                   \
                             .prepare = prepare_recurrent, \
                             .init = init_recurrent,       \
                             .run = run_recurrent};
GF_RECURRENT(lstm, Lstm)
GF_RECURRENT(gru, Gru)
GF_RECURRENT(rnn, Rnn)
#undef GF_RECURRENT

}  // namespace gf::simd
