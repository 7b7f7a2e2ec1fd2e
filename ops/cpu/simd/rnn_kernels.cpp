// lstm, gru and rnn in f32 with their usual activations, and their walks back through time, on the vector functions: one call per
// direction. All weights of a direction are packed together, once where they are constant, else in every run.
#include "ops/cpu/simd/rnn.h"

#include "ops/cpu/simd/rnn_grad.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/gru_grad.h"
#include "schema/ops/lstm_grad.h"
#include "schema/ops/rnn_grad.h"

namespace gf::simd {
namespace {

struct RecurrentData {
  Isa isa = Isa::Portable;
  RnnKind kind = RnnKind::Lstm;
  bool packed = false;  // before running
};

// The kind of a cell with that many gates and its usual activations; false for any other mixture.
bool kind_of(int gates, const RecurrentAttrs& a, RnnKind& kind) {
  const int functions = gates == 1 ? 1 : gates - 1;
  const CellActivation first = a.function(functions, 0, 0).kind;
  kind = gates == 4 ? RnnKind::Lstm : gates == 3 ? RnnKind::Gru : first == CellActivation::Relu ? RnnKind::Relu : RnnKind::Tanh;
  const CellActivation usual = gates > 1 ? CellActivation::Sigmoid : kind == RnnKind::Relu ? CellActivation::Relu : CellActivation::Tanh;
  for (int64_t d = 0; d < a.directions(); ++d)
    for (int f = 0; f < functions; ++f)
      if (a.function(functions, d, f).kind != (f == 0 ? usual : CellActivation::Tanh)) return false;
  return true;
}
int gates_of(uint16_t op) {
  if (op == op::Lstm::info.id || op == op::LstmGrad::info.id) return 4;
  return op == op::Gru::info.id || op == op::GruGrad::info.id ? 3 : 1;
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

// part(input): elements of a weight tensor, nullptr where it is left out
template <class Part>
void pack_direction(Isa isa, const RnnDims& d, int64_t k, Part&& part, void* destination) {
  const int64_t rows = rnn_gates(d.kind) * d.hidden;
  const auto at = [&](int i, int64_t elements) -> const float* {
    const float* first = part(i);
    return first == nullptr ? nullptr : first + k * elements;
  };
  rnn_pack(isa, d, {at(1, rows * d.input), at(2, rows * d.hidden), at(3, 2 * rows), at(7, 3 * d.hidden)}, destination);
}

Error pack_directions(const NodeView& node, void* destination) {
  const auto& a = node.attributes<RecurrentAttrs>();
  RnnKind kind{};
  kind_of(gates_of(node.def->info.id), a, kind);
  const RnnDims d = dims_of(kind, a, node.input(0).shape);
  const auto part = [&](int i) { return node.has_input(i) ? static_cast<const float*>(node.input(i).constant_data) : nullptr; };
  for (int64_t k = 0; k < a.directions(); ++k)
    pack_direction(node.isa, d, k, part,
                   static_cast<unsigned char*>(destination) + static_cast<uint64_t>(k) * direction_bytes(node.isa, d));
  return Error::Ok;
}

bool weights_are_constant(const NodeView& node) {
  for (const int i : {1, 2, 3, 7})
    if (node.has_input(i) && !node.input(i).is_constant) return false;
  return true;
}

Error prepare_recurrent(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  const auto& a = node.attributes<RecurrentAttrs>();
  RnnKind kind{};
  if (!kind_of(gates_of(node.def->info.id), a, kind)) return plan.refuse("other activations than the usual ones");
  const RnnDims d = dims_of(kind, a, node.input(0).shape);
  plan.data_bytes = sizeof(RecurrentData);
  const bool gates_are_kept = (kind == RnnKind::Lstm && node.has_output(3)) || (kind == RnnKind::Gru && node.has_output(2));
  plan.scratch_bytes = rnn_scratch_bytes(node.isa, d, gates_are_kept && !node.has_input(4), node.threads);
  if (weights_are_constant(node)) {
    PackKey key(node.def->info.id, node.isa);
    key.add(static_cast<int64_t>(kind)).add(a.option);
    // the pack is found by its first constant; what else goes into it is told apart by address
    for (const int i : {1, 2, 3, 7})
      if (node.has_input(i)) key.add(i).add(static_cast<int64_t>(reinterpret_cast<uintptr_t>(node.input(i).constant_data)));
    plan.request_pack(1, key.value(), static_cast<uint64_t>(a.directions()) * direction_bytes(node.isa, d),
                      pack_directions);
  } else {
    plan.scratch_bytes += direction_bytes(node.isa, d);
  }
  // the products' share of it need not grow with the shape
  if (!node.is_static()) plan.scratch_bytes += gemm_scratch_bound(node.isa, node.threads);
  return Error::Ok;
}

Error init_recurrent(const NodeView& node, InitContext& context) {
  auto& data = make_data<RecurrentData>(context);
  data.isa = node.isa;
  data.packed = weights_are_constant(node);
  kind_of(gates_of(node.def->info.id), node.attributes<RecurrentAttrs>(), data.kind);
  return Error::Ok;
}

Error check_lengths(const RunContext& c, int i, int64_t batch, int64_t steps) {
  for (int64_t b = 0; c.has_input(i) && b < batch; ++b)
    if (const int32_t n = c.input(i).as<const int32_t>()[b]; n < 0 || n > steps)
      return GF_FAIL(c.detail, Error::BadData, c.node, "sequence length %d of entry %lld is outside [0, %lld]", n,
                     static_cast<long long>(b), static_cast<long long>(steps));
  return Error::Ok;
}
const int32_t* lengths_of(const RunContext& c, int i) { return c.has_input(i) ? c.input(i).as<const int32_t>() : nullptr; }
/// Part `k` of an input or output whose parts have that many elements; nullptr where it is left out.
const float* input_part(const RunContext& c, int i, int64_t k, int64_t elements) {
  return c.has_input(i) ? c.input(i).as<const float>() + k * elements : nullptr;
}
float* output_part(const RunContext& c, int i, int64_t k, int64_t elements) {
  return c.has_output(i) ? c.output(i).as<float>() + k * elements : nullptr;
}

Error run_recurrent(RunContext& c) {
  const auto& a = c.attributes<RecurrentAttrs>();
  const auto& data = *static_cast<const RecurrentData*>(c.data);
  const RnnDims d = dims_of(data.kind, a, c.input(0).shape);
  GF_TRY(check_lengths(c, 4, d.batch, d.steps));
  const int64_t state = d.batch * d.hidden;
  const uint64_t pack_bytes = direction_bytes(data.isa, d);
  auto* scratch = static_cast<unsigned char*>(c.scratch);
  for (int64_t k = 0; k < a.directions(); ++k) {
    RnnArgs r;
    r.x = c.input(0).as<const float>();
    if (data.packed) {
      r.packed = static_cast<const unsigned char*>(c.packed[0]) + static_cast<uint64_t>(k) * pack_bytes;
    } else {
      pack_direction(data.isa, d, k, [&c](int i) { return input_part(c, i, 0, 0); }, scratch);
      r.packed = scratch;
    }
    r.initial_h = input_part(c, 5, k, state);
    r.initial_c = input_part(c, 6, k, state);
    r.lengths = lengths_of(c, 4);
    r.reverse = a.is_reverse(k);
    r.clip = a.clip;
    r.input_forget = data.kind == RnnKind::Lstm && a.option;
    r.y = output_part(c, 0, k, state);
    r.y_step = a.directions() * state;
    r.y_batch = d.hidden;
    r.last_h = output_part(c, 1, k, state);
    const int64_t steps = d.steps * state;
    if (data.kind == RnnKind::Lstm) {
      r.last_c = output_part(c, 2, k, state);
      r.gates = output_part(c, 3, k, 4 * steps);
      r.kept = output_part(c, 4, k, steps);
    } else if (data.kind == RnnKind::Gru) {
      r.gates = output_part(c, 2, k, 3 * steps);
      r.kept = output_part(c, 3, k, steps);
    }
    rnn_f32(data.isa, d, r, data.packed ? scratch : scratch + pack_bytes, c.parallel);
  }
  return Error::Ok;
}

RnnDims back_dims(RnnKind kind, const RecurrentAttrs& a, const Shape& da) {
  RnnDims d;
  d.kind = kind;
  d.steps = da[1];
  d.batch = da[2];
  d.hidden = a.hidden;
  d.linear_before_reset = kind == RnnKind::Gru && a.option;
  return d;
}

Error prepare_back(const NodeView& node, KernelPlan& plan) {
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  const auto& a = node.attributes<RecurrentAttrs>();
  const int gates = gates_of(node.def->info.id), first_extra = gates == 4 ? 9 : 8;
  RnnKind kind{};
  if (!kind_of(gates, a, kind)) return plan.refuse("other activations than the usual ones");
  for (int i = first_extra; gates > 1 && i < first_extra + 2; ++i)
    if (node.has_input(i)) return plan.refuse("gradients of what the forward op kept");
  plan.data_bytes = sizeof(RecurrentData);
  plan.scratch_bytes = rnn_grad_scratch_bytes(node.isa, back_dims(kind, a, node.output(0).shape), node.threads);
  if (!node.is_static()) plan.scratch_bytes += gemm_scratch_bound(node.isa, node.threads);
  return Error::Ok;
}

Error run_back(RunContext& c) {
  const auto& a = c.attributes<RecurrentAttrs>();
  const auto& data = *static_cast<const RecurrentData*>(c.data);
  const RnnDims d = back_dims(data.kind, a, c.output(0).shape);
  const bool lstm = data.kind == RnnKind::Lstm, gru = data.kind == RnnKind::Gru;
  const int lengths = lstm ? 4 : gru ? 5 : 2;
  GF_TRY(check_lengths(c, lengths, d.batch, d.steps));
  const int64_t state = d.batch * d.hidden, steps = d.steps * state, gates = rnn_gates(d.kind);
  for (int64_t k = 0; k < a.directions(); ++k) {
    RnnGradArgs r;
    r.r = input_part(c, 0, k, gates * d.hidden * d.hidden);
    if (lstm || gru) {
      r.gates = input_part(c, 1, k, gates * steps);
      r.kept = input_part(c, 2, k, steps);
      r.initial = input_part(c, lstm ? 3 : 4, k, state);
    }
    if (!lstm) r.y = input_part(c, gru ? 3 : 1, k, state);
    r.dy = input_part(c, lstm || gru ? 6 : 3, k, state);
    r.y_step = a.directions() * state;
    r.lengths = lengths_of(c, lengths);
    r.reverse = a.is_reverse(k);
    r.clip = a.clip;
    r.input_forget = lstm && a.option;
    if (lstm) r.p = input_part(c, 5, k, 3 * d.hidden);
    r.d_last_h = input_part(c, lstm || gru ? 7 : 4, k, state);
    if (lstm) r.d_last_c = input_part(c, 8, k, state);
    r.da = output_part(c, 0, k, gates * steps);
    r.d_initial_h = output_part(c, 1, k, state);
    if (lstm) r.d_initial_c = output_part(c, 2, k, state);
    else if (gru) r.ds = output_part(c, 2, k, gates * steps);
    rnn_grad_f32(data.isa, d, r, c.scratch, c.parallel);
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

#define GF_RECURRENT_GRAD(word, Op)                   \
  const Kernel word##_kernel{.op = op::Op::info.id,   \
                             .name = #word "_f32_simd", \
                             .rank = 20,              \
                             .prepare = prepare_back, \
                             .init = init_recurrent,  \
                             .run = run_back};
GF_RECURRENT_GRAD(lstm_grad, LstmGrad)
GF_RECURRENT_GRAD(gru_grad, GruGrad)
GF_RECURRENT_GRAD(rnn_grad, RnnGrad)
#undef GF_RECURRENT_GRAD

}  // namespace gf::simd
