// einsum: for each output element the sum over the labels that the output lacks of the product of the operands. The
// reference form: strides per label, no rearrangement. Sums of floats are f64, of integers wrap.
#include "schema/ops/einsum.h"

#include "ops/cpu/op_util.h"

namespace gf::cpu {
namespace {

constexpr int kMaxOperands = EinsumPlan::kMaxOperands;

// Labels in use, the output's first, with sizes and the stride of every operand.
struct Loops {
  int count = 0;
  int outputs = 0;
  int64_t sizes[kMaxOperands * kMaxRank];
  int64_t strides[kMaxOperands][kMaxOperands * kMaxRank] = {};
  int64_t summed = 1;  // product of the sizes that are summed over
};

void build(const RunContext& c, const EinsumPlan& plan, Loops& l) {
  int slot[EinsumPlan::kLabels];
  for (int& s : slot) s = -1;
  const auto slot_of = [&](int label) {
    if (slot[label] < 0) {
      l.sizes[l.count] = 1;
      slot[label] = l.count++;
    }
    return slot[label];
  };
  for (int d = 0; d < plan.output_rank; ++d) slot_of(plan.output[d]);
  l.outputs = l.count;
  for (int i = 0; i < plan.operands; ++i) {
    int64_t strides[kMaxRank];
    dense_strides(c.input(i).shape, strides);
    for (int d = 0; d < plan.ranks[i]; ++d) {
      const int64_t size = c.input(i).shape[d];
      const int s = slot_of(plan.axes[i][d]);
      if (size == 1) continue;  // broadcasts
      l.sizes[s] = size;
      l.strides[i][s] += strides[d];  // a letter twice in one term walks the diagonal
    }
  }
  for (int s = l.outputs; s < l.count; ++s) l.summed *= l.sizes[s];
}

// Moves the operands' places to position `index` of labels [first, last).
void walk(const EinsumPlan& plan, const Loops& l, int first, int last, int64_t index, int64_t* at) {
  for (int s = last - 1; s >= first; --s) {
    const int64_t k = index % l.sizes[s];
    index /= l.sizes[s];
    for (int i = 0; i < plan.operands; ++i) at[i] += k * l.strides[i][s];
  }
}

// One output element; integers wrap, which is the same for signed and unsigned ones.
void write_element(const RunContext& c, const EinsumPlan& plan, const Loops& l, int64_t position) {
  const bool floats = dtype_is_float(c.output(0).dtype);
  int64_t base[kMaxOperands] = {};
  walk(plan, l, 0, l.outputs, position, base);
  double sum = 0;
  uint64_t whole_sum = 0;
  for (int64_t r = 0; r < l.summed; ++r) {
    int64_t at[kMaxOperands];
    for (int i = 0; i < plan.operands; ++i) at[i] = base[i];
    walk(plan, l, l.outputs, l.count, r, at);
    double product = 1;
    uint64_t whole_product = 1;
    for (int i = 0; i < plan.operands; ++i)
      if (floats) product *= load_one<double>(c.input(i), at[i]);
      else whole_product *= load_one<uint64_t>(c.input(i), at[i]);
    sum += product;
    whole_sum += whole_product;
  }
  if (floats) store_one(c.output(0), position, sum);
  else store_one(c.output(0), position, whole_sum);
}

Error run(RunContext& c) {
  int ranks[kMaxOperands] = {};
  for (int i = 0; i < c.input_count && i < kMaxOperands; ++i) ranks[i] = c.input(i).shape.rank;
  EinsumPlan plan;
  if (const char* wrong = plan.parse(c.attributes<op::Einsum::Attrs>().equation, ranks, c.input_count))
    return GF_FAIL(c.detail, Error::BadAttribute, c.node, "%s", wrong);
  Loops l;
  build(c, plan, l);
  const TensorView& y = c.output(0);
  c.parallel.chunks(y.count(), row_grain(l.summed), [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) write_element(c, plan, l, p);
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel einsum_kernel;
const Kernel einsum_kernel{
    .op = op::Einsum::info.id, .name = "einsum_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
