#include "ops/cpu/pointwise.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "ops/cpu/elementwise.h"
#include "schema/ops.h"

namespace gf::cpu {
namespace {

using op::Pointwise;

// Floats of a worker's tiles: eight inputs and eight slots of whole length, and one for results before they are narrowed.
constexpr int64_t kTileSpace = 17 * kPointwiseTile;

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
  Formulas::Floats formula;
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
      rows[n++] = {Op::info.id, Op::kKind == ElementwiseKind::Binary, detail::float_formula<Op>(), &op_def<Op>};
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
  const void* operands[] = {a, b, a};
  const auto& row = *static_cast<const ChainRow*>(step.function);
  Formulas::compute_floats(row.formula, row.binary ? 2 : 1, operands, out, count, step.attrs);
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
  int count = 0;

  Slots(const Pointwise::Attrs& a, int count) {
    for (int k = 0; k < count; ++k) {
      last_reader[k] = -1;
      const Pointwise::Instruction i = Pointwise::instruction(a, k);
      if (i.a < 0) last_reader[-1 - i.a] = k;
      if (i.b < 0) last_reader[-1 - i.b] = k;
    }
    for (int k = 0; k < Pointwise::output_count(a); ++k) last_reader[Pointwise::result_of(a, k)] = count;  // kept to the end
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
      count = s < count ? count : s + 1;
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
  step.a_is_number = step.b_is_number = false;
  step.function = row;
  step.run = run_tile;
  return true;
}

namespace {

bool is_number(const TensorInfo& x) { return x.is_static && x.shape.count() == 1; }

// Inference says what is wrong with a program; but where only a run knows the shapes, a kernel is prepared before it.
bool well_formed(const Pointwise::Attrs& a, size_t inputs) {
  const auto count = static_cast<int64_t>(a.program.size() / Pointwise::kWords);
  if (count == 0 || count > Pointwise::kMaxInstructions || a.program.size() % Pointwise::kWords != 0) return false;
  if (inputs > Pointwise::kMaxInputs || a.results.size() > Pointwise::kMaxOutputs) return false;
  for (const int64_t r : a.results)
    if (r < 0 || r >= count) return false;
  for (int k = 0; k < count; ++k) {
    const Pointwise::Instruction i = Pointwise::instruction(a, k);
    const auto names = [&](int64_t operand) { return operand >= -k && operand < static_cast<int64_t>(inputs); };
    if (i.parameter < 0 || i.parameter > static_cast<int64_t>(a.parameters.size())) return false;
    if (!names(i.a) || (i.b != Pointwise::kNoOperand && !names(i.b))) return false;
  }
  return true;
}

// The output that the last step may write where it belongs: it is read by nobody, and every input of this tile has been read.
int direct_output(const NodeView& node, const Pointwise::Attrs& a, int count) {
  int found = -1;
  for (int k = 0; k < Pointwise::output_count(a); ++k) {
    if (Pointwise::result_of(a, k) != count - 1 || !node.has_output(k)) continue;
    if (found >= 0) return -1;
    found = k;
  }
  return found;
}

// Longest tile for which inputs and slots fit the space of run_range.
int64_t tile_length(const NodeView& node, const PointwiseProgram& program) {
  int64_t tiles = program.slots + 1;
  for (size_t j = 0; j < node.inputs.size(); ++j)
    if ((program.numbers >> j & 1U) == 0 || (program.spread >> j & 1U) != 0) ++tiles;
  const int64_t fit = kTileSpace / tiles / 64 * 64;
  return fit < kPointwiseTile ? fit : kPointwiseTile;
}

}  // namespace

Error resolve_pointwise(const NodeView& node, const PointwiseResolver& resolve, PointwiseProgram& program, const char*& refused) {
  const auto& a = node.attributes<Pointwise::Attrs>();
  refused = "the program is not well formed";
  if (!well_formed(a, node.inputs.size())) return Error::Unsupported;
  const int count = Pointwise::instruction_count(a);
  Slots slots(a, count);
  program.steps = count;
  program.outputs = Pointwise::output_count(a);
  const int direct = direct_output(node, a, count);
  for (size_t j = 0; j < node.inputs.size(); ++j)
    if (is_number(node.inputs[j])) program.numbers |= 1U << j;
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
    const auto number = [&](int64_t operand) { return operand >= 0 && operand < Pointwise::kMaxInputs && (program.numbers >> operand & 1U) != 0; };
    step.a_is_number = row->binary && number(i.a) && !number(i.b);
    step.b_is_number = row->binary && number(i.b) && !number(i.a);
    if (!resolve.step(i.op, node.isa, row->binary, step)) return Error::Unsupported;
    if (number(i.a) && !step.a_is_number) program.spread |= 1U << i.a;
    if (number(i.b) && !step.b_is_number) program.spread |= 1U << i.b;
    step.a = slots.place(i.a, k);
    step.b = slots.place(i.b, k);
    refused = "too many intermediate results live at once";
    step.out = k == count - 1 && direct >= 0 ? static_cast<int16_t>(-1 - direct) : slots.take(k);
    if (step.out < 0 && (k != count - 1 || direct < 0)) return Error::Unsupported;
  }
  for (int k = 0; k < program.outputs; ++k) program.slot_of_output[k] = k == direct ? int16_t{-1} : slots.slot_of[Pointwise::result_of(a, k)];
  if (resolve.convert != nullptr) {
    for (size_t j = 0; j < node.inputs.size(); ++j) program.widen[j] = resolve.convert(node.isa, node.inputs[j].dtype, DType::F32);
    for (int k = 0; k < program.outputs; ++k)
      if (node.has_output(k)) program.narrow[k] = resolve.convert(node.isa, DType::F32, node.output(k).dtype);
  }
  program.slots = slots.count;
  program.tile = tile_length(node, program);
  refused = "";
  return Error::Ok;
}

Error prepare_pointwise(const NodeView& node, KernelPlan& plan, const PointwiseResolver& resolve) {
  for (const TensorInfo& in : node.inputs)
    if (compute_type(in.dtype) != ComputeType::F32) return plan.refuse("element type");
  PointwiseProgram program;
  GF_TRY(resolve_pointwise(node, resolve, program, plan.refused));
  plan.data_bytes = sizeof(PointwiseProgram);
  // in place: output 0 is written after every input of its tile was read, whichever step gives it; elements must lie in the same places
  const unsigned bits = dtype_bits(node.output(0).dtype);
  for (size_t j = 0; j < node.inputs.size(); ++j)
    if (dtype_bits(node.inputs[j].dtype) == bits && node.inputs[j].is_static && node.output(0).is_static && node.inputs[j].shape == node.output(0).shape)
      plan.inplace_inputs |= 1U << j;
  return Error::Ok;
}

Error init_pointwise(const NodeView& node, InitContext& context, const PointwiseResolver& resolve) {
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
  float numbers[Pointwise::kMaxInputs] = {};
};

bool has(uint32_t set, int j) { return (set >> j & 1U) != 0; }

// Brings the inputs of elements [at, at + count) into `places`: in place where they are f32 runs, else through a tile.
void fetch(const Job& job, int64_t at, int64_t count, float* const* tiles, const float** places) {
  bool gather = false;
  for (int j = 0; j < job.inputs; ++j) {
    if (has(job.program.numbers, j)) continue;  // as run_range left them
    const TensorView& in = job.context.input(j);
    places[j] = tiles[j];
    if (job.walk.linear[j] && in.dtype == DType::F32) places[j] = in.as<const float>() + at;
    else if (const ConvertFn widen = job.program.widen[j]; job.walk.linear[j] && widen != nullptr) widen(in.as<const uint16_t>() + at, tiles[j], count);
    else if (job.walk.linear[j]) load(in, at, count, tiles[j]);
    else gather = true;
  }
  if (!gather) return;
  const int last = job.walk.rank - 1;
  job.walk.runs(at, at + count, [&](int64_t position, const int64_t* offsets, int64_t length) {
    for (int j = 0; j < job.inputs; ++j) {
      const TensorView& in = job.context.input(j);
      if (!job.walk.linear[j] && !has(job.program.numbers, j))
        load(in, offsets[j], job.walk.strides[j][last], length, tiles[j] + (position - at));
    }
  });
}

void run_range(const Job& job, int64_t begin, int64_t end) {
  alignas(64) float space[kTileSpace];
  const PointwiseProgram& program = job.program;
  float* next = space;
  const auto take = [&] { return std::exchange(next, next + program.tile); };
  float* tiles[Pointwise::kMaxInputs];
  float* slots[kMaxSlots];
  const float* places[Pointwise::kMaxInputs + kMaxSlots];
  for (int j = 0; j < job.inputs; ++j) {
    const bool number = has(program.numbers, j);
    tiles[j] = number && !has(program.spread, j) ? nullptr : take();
    places[j] = tiles[j] == nullptr ? &job.numbers[j] : tiles[j];
    if (number && tiles[j] != nullptr) std::fill_n(tiles[j], program.tile, job.numbers[j]);
  }
  for (int s = 0; s < program.slots; ++s) places[Pointwise::kMaxInputs + s] = slots[s] = take();
  float* const narrow = take();  // results of 16-bit types before conversion
  for (int64_t at = begin; at < end; at += program.tile) {
    const int64_t count = end - at < program.tile ? end - at : program.tile;
    const auto is_f32 = [&](int k) { return job.context.output(k).dtype == DType::F32; };
    const auto output = [&](int k) { return is_f32(k) ? job.context.output(k).as<float>() + at : narrow; };
    fetch(job, at, count, tiles, places);
    for (int k = 0; k < program.steps; ++k) {
      const PointwiseStep& step = program.step[k];
      step.run(step, places[step.a], step.b < 0 ? nullptr : places[step.b], step.out < 0 ? output(-1 - step.out) : slots[step.out], count);
    }
    for (int k = 0; k < program.outputs; ++k) {
      if (!job.context.has_output(k)) continue;
      TensorView& y = job.context.output(k);
      const int16_t slot = program.slot_of_output[k];
      if (const ConvertFn narrows = program.narrow[k]; !is_f32(k) && narrows != nullptr) narrows(slot < 0 ? narrow : slots[slot], y.as<uint16_t>() + at, count);
      else if (!is_f32(k)) store(y, at, count, slot < 0 ? narrow : slots[slot]);
      else if (slot >= 0) std::memcpy(output(k), slots[slot], static_cast<size_t>(count) * sizeof(float));
    }
  }
}

}  // namespace

Error run_pointwise(RunContext& context) {
  Job job{context, *static_cast<const PointwiseProgram*>(context.data), {}, context.input_count};
  const Shape* shapes[Pointwise::kMaxInputs];
  for (int j = 0; j < Pointwise::kMaxInputs; ++j)
    shapes[j] = j < job.inputs ? &context.input(j).shape : &context.output(0).shape;
  job.walk.init(context.output(0).shape, shapes);
  for (int j = 0; j < job.inputs; ++j)
    if (has(job.program.numbers, j)) load(context.input(j), 0, 1, &job.numbers[j]);
  context.parallel.chunks(job.walk.count, kGrain, [&](int64_t begin, int64_t end, int) { run_range(job, begin, end); });
  return Error::Ok;
}

namespace {
constexpr PointwiseResolver kPortable{resolve_portable_step};
}

extern const Kernel pointwise_kernel;
const Kernel pointwise_kernel{
    .op = Pointwise::info.id,
    .name = "pointwise_portable",
    .rank = 1,
    .prepare = [](const NodeView& n, KernelPlan& p) { return prepare_pointwise(n, p, kPortable); },
    .init = [](const NodeView& n, InitContext& c) { return init_pointwise(n, c, kPortable); },
    .run = run_pointwise};

}  // namespace gf::cpu
