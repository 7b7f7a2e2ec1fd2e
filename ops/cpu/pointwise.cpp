#include "ops/cpu/pointwise.h"

#include <new>

#include "ops/cpu/elementwise.h"
#include "schema/ops.h"

namespace gf::cpu {
namespace {

using op::Pointwise;

// Unary and binary ops with an f32 form. (Asked of the types, not of the tile pointer: with -fsanitize=undefined g++
// takes no comparison of a function's address for a constant.)
template <class Op>
constexpr bool is_chain_op() {
  if constexpr (!IsElementwise<Op>) return false;
  else
    return (Op::kKind == ElementwiseKind::Unary || Op::kKind == ElementwiseKind::Binary) &&
           detail::any_of(Op::kTypes, dtypes(DType::F32, DType::F16, DType::BF16));
}

struct ChainRow {
  uint16_t op;
  bool binary;
  TileFn tile;
  const OpDef* def;
};

constexpr size_t count_rows() {
  size_t n = 0;
  AllOps::for_each([&]<class Op>() {
    if (is_chain_op<Op>()) ++n;
  });
  return n;
}

constexpr auto make_rows() {
  std::array<ChainRow, count_rows()> rows{};
  size_t n = 0;
  AllOps::for_each([&]<class Op>() {
    if constexpr (is_chain_op<Op>())
      rows[n++] = {Op::info.id, Op::kKind == ElementwiseKind::Binary, detail::kElementwiseRow<Op>.tiles[0], &op_def<Op>};
  });
  return rows;
}

constexpr auto kRows = make_rows();

const ChainRow* find_row(uint16_t op) {
  for (const ChainRow& row : kRows)
    if (row.op == op) return &row;
  return nullptr;
}

void run_tile(const PointwiseStep& step, const float* a, const float* b, float* out, int64_t count) {
  const void* inputs[2] = {a, b};
  // float tile functions have no hazards, so there is no error to pass on
  static_cast<void>(static_cast<const ChainRow*>(step.function)->tile(inputs, out, count, step.attrs));
}

// Parameters fill the op's attributes in field order.
bool fill_attrs(const ChainRow& row, const Pointwise::Attrs& a, int64_t first, PointwiseStep& step) {
  if (row.def->attrs_bytes > kMaxStepAttrs) return false;
  row.def->construct(step.attrs);
  if (first + static_cast<int64_t>(row.def->fields.size()) > static_cast<int64_t>(a.parameters.size())) return false;
  for (size_t k = 0; k < row.def->fields.size(); ++k) {
    const AttrField& field = row.def->fields[k];
    AttrValue value;
    value.type = field.type;
    const float given = a.parameters[static_cast<size_t>(first) + k];
    if (field.type == AttrType::Float) value.f = static_cast<double>(given);
    else if (field.type == AttrType::Int) value.i = saturating_to_int<int64_t>(given);
    else return false;
    if (store_attr(field, value, step.attrs, nullptr, -1) != Error::Ok) return false;
  }
  return true;
}

// Slots are given out in order of need and taken back after the last reader; a step may write over its own operand.
struct Slots {
  int last_reader[Pointwise::kMaxInstructions];
  int16_t slot_of[Pointwise::kMaxInstructions];
  uint32_t used = 0;

  Slots(const Pointwise::Attrs& a, int count) {
    for (int k = 0; k < count; ++k) {
      last_reader[k] = -1;
      const Pointwise::Instruction i = Pointwise::instruction(a, k);
      if (i.a < 0) last_reader[-1 - i.a] = k;
      if (i.b < 0) last_reader[-1 - i.b] = k;
    }
  }
  int16_t place(int64_t operand, int reader) {
    if (operand == Pointwise::kNoOperand) return -1;
    if (operand >= 0) return static_cast<int16_t>(operand);
    const auto source = static_cast<int>(-1 - operand);
    const int16_t slot = slot_of[source];
    if (last_reader[source] == reader) used &= ~(1U << slot);
    return static_cast<int16_t>(slot + Pointwise::kMaxInputs);
  }
  int16_t take(int instruction) {
    for (int16_t s = 0; s < kMaxSlots; ++s) {
      if ((used & (1U << s)) != 0) continue;
      if (last_reader[instruction] >= 0) used |= 1U << s;  // a result nobody reads needs no place of its own
      return slot_of[instruction] = s;
    }
    return -1;
  }
};

}  // namespace

bool resolve_portable_step(uint16_t op, Isa, bool, PointwiseStep& step) {
  const ChainRow* row = find_row(op);
  if (row == nullptr) return false;
  step.function = row;
  step.run = run_tile;
  return true;
}

Error resolve_pointwise(const NodeView& node, ResolveStep resolve, PointwiseProgram& program, const char*& refused) {
  const auto& a = node.attributes<Pointwise::Attrs>();
  const int count = Pointwise::instruction_count(a);
  Slots slots(a, count);
  program.steps = count;
  for (int k = 0; k < count; ++k) {
    const Pointwise::Instruction i = Pointwise::instruction(a, k);
    PointwiseStep& step = program.step[k];
    const ChainRow* row = find_row(i.op);
    refused = "an instruction is no elementwise op on floats";
    if (row == nullptr) return Error::Unsupported;
    refused = "an instruction has the wrong number of operands";
    if (row->binary != (i.b != Pointwise::kNoOperand)) return Error::Unsupported;
    refused = "an instruction's parameters do not fit its op";
    if (!fill_attrs(*row, a, i.parameter, step)) return Error::Unsupported;
    refused = "an instruction has no function here";
    if (!resolve(i.op, node.isa, row->binary, step)) return Error::Unsupported;
    step.a = slots.place(i.a, k);
    step.b = slots.place(i.b, k);
    refused = "too many intermediate results live at once";
    step.out = k == count - 1 ? int16_t{-1} : slots.take(k);
    if (k != count - 1 && step.out < 0) return Error::Unsupported;
  }
  refused = "";
  return Error::Ok;
}

Error prepare_pointwise(const NodeView& node, KernelPlan& plan, ResolveStep resolve) {
  if (compute_type(node.input(0).dtype) != ComputeType::F32) return plan.refuse("element type");
  PointwiseProgram program;
  GF_TRY(resolve_pointwise(node, resolve, program, plan.refused));
  plan.data_bytes = sizeof(PointwiseProgram);
  for (size_t j = 0; j < node.inputs.size(); ++j)
    if (node.inputs[j].is_static && node.output(0).is_static && node.inputs[j].shape == node.output(0).shape)
      plan.inplace_inputs |= 1U << j;
  return Error::Ok;
}

Error init_pointwise(const NodeView& node, InitContext& context, ResolveStep resolve) {
  auto& program = *new (context.data) PointwiseProgram;
  const char* refused = "";
  const Error e = resolve_pointwise(node, resolve, program, refused);
  return e == Error::Ok ? e : GF_FAIL(context.detail, e, -1, "%s", refused);
}

namespace {

struct Job {
  const RunContext& context;
  const PointwiseProgram& program;
  BroadcastWalk<Pointwise::kMaxInputs> walk;
  int inputs = 0;
  DType type = DType::F32;
};

// Brings the inputs of elements [at, at + count) into `places`: in place where they are f32 runs, else through a tile.
void fetch(const Job& job, int64_t at, int64_t count, float (*tiles)[kPointwiseTile], const float** places) {
  bool gather = false;
  for (int j = 0; j < job.inputs; ++j) {
    const TensorView& in = job.context.input(j);
    places[j] = tiles[j];
    if (job.walk.linear[j] && job.type == DType::F32) places[j] = in.as<const float>() + at;
    else if (job.walk.linear[j]) load(in.dtype, in.data, at, 1, count, tiles[j]);
    else gather = true;
  }
  if (!gather) return;
  const int last = job.walk.rank - 1;
  job.walk.runs(at, at + count, [&](int64_t position, const int64_t* offsets, int64_t length) {
    for (int j = 0; j < job.inputs; ++j) {
      const TensorView& in = job.context.input(j);
      if (!job.walk.linear[j])
        load(in.dtype, in.data, offsets[j], job.walk.strides[j][last], length, tiles[j] + (position - at));
    }
  });
}

void run_range(const Job& job, int64_t begin, int64_t end) {
  alignas(64) float tiles[Pointwise::kMaxInputs][kPointwiseTile];
  alignas(64) float slots[kMaxSlots + 1][kPointwiseTile];  // the last one takes narrow outputs before conversion
  const TensorView& y = job.context.output(0);
  for (int64_t at = begin; at < end; at += kPointwiseTile) {
    const int64_t count = end - at < kPointwiseTile ? end - at : kPointwiseTile;
    const float* places[Pointwise::kMaxInputs + kMaxSlots];
    fetch(job, at, count, tiles, places);
    for (int s = 0; s < kMaxSlots; ++s) places[Pointwise::kMaxInputs + s] = slots[s];
    float* target = job.type == DType::F32 ? y.as<float>() + at : slots[kMaxSlots];
    for (int k = 0; k < job.program.steps; ++k) {
      const PointwiseStep& step = job.program.step[k];
      step.run(step, places[step.a], step.b < 0 ? nullptr : places[step.b], step.out < 0 ? target : slots[step.out], count);
    }
    if (job.type != DType::F32) store(y.dtype, y.data, at, count, target);
  }
}

}  // namespace

Error run_pointwise(RunContext& context) {
  Job job{context, *static_cast<const PointwiseProgram*>(context.data), {}, context.input_count, context.input(0).dtype};
  const Shape* shapes[Pointwise::kMaxInputs];
  for (int j = 0; j < Pointwise::kMaxInputs; ++j)
    shapes[j] = j < job.inputs ? &context.input(j).shape : &context.output(0).shape;
  job.walk.init(context.output(0).shape, shapes);
  context.parallel.chunks(job.walk.count, kGrain, [&](int64_t begin, int64_t end, int) { run_range(job, begin, end); });
  return Error::Ok;
}

extern const Kernel pointwise_kernel;
const Kernel pointwise_kernel{
    .op = Pointwise::info.id,
    .name = "pointwise_portable",
    .rank = 1,
    .prepare = [](const NodeView& n, KernelPlan& p) { return prepare_pointwise(n, p, resolve_portable_step); },
    .init = [](const NodeView& n, InitContext& c) { return init_pointwise(n, c, resolve_portable_step); },
    .run = run_pointwise};

}  // namespace gf::cpu
