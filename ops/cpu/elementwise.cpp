#include "ops/cpu/elementwise.h"

namespace gf::cpu {
namespace {

constexpr int kMaxInputs = 3;

union alignas(64) Tile {
  double f64[kTile];
  uint8_t bytes[kTile * 8];
};

struct Job {
  const ElementwiseRow* row = nullptr;
  const RunContext* context = nullptr;
  DType type = DType::Invalid;
  ComputeType compute = ComputeType::None;
  BroadcastWalk<kMaxInputs> walk;
  // Elements already in compute type are read and written in place, without a tile in between.
  bool direct_input[kMaxInputs] = {};
  bool direct_output = false;
};

Error run_range(const Job& job, int64_t begin, int64_t end) {
  Tile in[kMaxInputs];
  Tile out;
  const RunContext& c = *job.context;
  const int inputs = job.row->inputs;
  const int64_t size = dtype_bits(job.type) / 8;
  for (int64_t at = begin; at < end; at += kTile) {
    const int64_t count = end - at < kTile ? end - at : kTile;
    const void* sources[kMaxInputs];
    bool gather = false;
    for (int j = 0; j < inputs; ++j) {
      sources[j] = job.direct_input[j] ? static_cast<const uint8_t*>(c.input(j).data) + at * size : in[j].bytes;
      if (job.direct_input[j]) continue;
      if (job.walk.linear[j]) load_as(job.compute, c.input(j), at, 1, count, in[j].bytes);
      else gather = true;
    }
    if (gather) {
      job.walk.runs(at, at + count, [&](int64_t position, const int64_t* offsets, int64_t length) {
        for (int j = 0; j < inputs; ++j)
          if (!job.walk.linear[j])
            load_as(job.compute, c.input(j), offsets[j], job.walk.strides[j][job.walk.rank - 1], length, in[j].bytes + (position - at) * compute_bytes(job.compute));
      });
    }
    void* target = job.direct_output ? static_cast<uint8_t*>(c.output(0).data) + at * (job.row->bool_output ? 1 : size)
                                     : static_cast<void*>(out.bytes);
    GF_TRY(job.row->compute(job.compute, sources, target, count, c.attrs));
    if (!job.direct_output) store_as(job.compute, c.output(0), at, count, out.bytes);
  }
  return Error::Ok;
}

// C: what lies in the tiles; Function: of Floats or Ints; Out: uint8_t for Compare and Predicate.
template <class C, class Out, class Function>
void compute_scalars(Function function, int inputs, const void* const* operands, void* output, int64_t count, const void* attrs) {
  const C* x = static_cast<const C*>(operands[0]);
  const C* y = inputs < 2 ? x : static_cast<const C*>(operands[1]);
  const C* w = inputs < 3 ? x : static_cast<const C*>(operands[2]);
  for (int64_t k = 0; k < count; ++k) static_cast<Out*>(output)[k] = static_cast<Out>(function(x[k], y[k], w[k], attrs));
}
template <class C, class Function>
void compute_scalars(Function function, const ElementwiseRow& row, const void* const* operands, void* output, int64_t count,
                     const void* attrs) {
  if (row.bool_output) compute_scalars<C, uint8_t>(function, row.inputs, operands, output, count, attrs);
  else compute_scalars<C, C>(function, row.inputs, operands, output, count, attrs);
}

}  // namespace

Error ScalarFormulas::compute(const ElementwiseRow& row, ComputeType type, const void* const* inputs, void* output, int64_t count, const void* attrs) const {
  const bool is_unsigned = type == ComputeType::U64;
  if (type == ComputeType::F32) {
    compute_scalars<float>(floats, row, inputs, output, count, attrs);
  } else if (type == ComputeType::F64) {
    compute_scalars<double>(floats, row, inputs, output, count, attrs);
  } else {
    if (const Hazard hazard = hazards[is_unsigned]; hazard != nullptr)
      for (int64_t k = 0; k < count; ++k)
        GF_TRY(hazard(static_cast<const int64_t*>(inputs[0])[k], static_cast<const int64_t*>(inputs[1])[k], attrs));
    compute_scalars<int64_t>(ints[is_unsigned], row, inputs, output, count, attrs);
  }
  return Error::Ok;
}

void ScalarFormulas::compute_floats(Floats formula, int inputs, const void* const* operands, float* output, int64_t count, const void* attrs) {
  compute_scalars<float, float>(formula, inputs, operands, output, count, attrs);
}

Error prepare_elementwise(const NodeView& node, KernelPlan& plan) {
  const ElementwiseRow& row = static_cast<const ElementwiseKernel*>(node.kernel)->row;
  const TensorInfo& out = node.output(0);
  const ComputeType compute = compute_type(node.input(0).dtype);
  if (compute == ComputeType::None || !row.formulas.takes(compute)) return plan.refuse("element type");
  for (int j = 0; j < row.inputs; ++j) {
    const TensorInfo& in = node.input(j);
    if (dtype_bits(in.dtype) != dtype_bits(out.dtype)) continue;
    // An operand that is broadcast would be read again after its memory was overwritten, so shapes must be equal for
    // good; a lone operand always has the output's shape.
    const bool same_shape = row.inputs == 1 || (in.is_static && out.is_static && in.shape == out.shape);
    if (same_shape) plan.inplace_inputs |= 1U << j;
  }
  return Error::Ok;
}

Error run_elementwise(RunContext& context) {
  const ElementwiseRow& row = static_cast<const ElementwiseKernel*>(context.kernel)->row;
  Job job;
  job.row = &row;
  job.context = &context;
  job.type = context.input(0).dtype;
  job.compute = compute_type(job.type);
  const Shape& result = context.output(0).shape;
  const Shape* shapes[kMaxInputs];
  for (int j = 0; j < kMaxInputs; ++j) shapes[j] = j < row.inputs ? &context.input(j).shape : &result;
  job.walk.init(result, shapes);
  for (int j = 0; j < row.inputs; ++j) job.direct_input[j] = job.walk.linear[j] && is_compute_storage(job.type);
  job.direct_output = row.bool_output || is_compute_storage(job.type);
  FirstError error;
  context.parallel.chunks(job.walk.count, kGrain, [&](int64_t begin, int64_t end, int) {
    const Error e = run_range(job, begin, end);
    if (e != Error::Ok) error.set(begin, e);
  });
  if (!error.any()) return Error::Ok;
  const Error e = error.error();
  return GF_FAIL(context.detail, e, context.node, "%s", row.hazard);
}

}  // namespace gf::cpu
