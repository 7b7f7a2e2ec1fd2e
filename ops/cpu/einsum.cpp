// einsum: for each output element the sum over the labels that the output lacks of the product of the operands. The
// reference form: strides per label, no rearrangement. Sums of floats are f64, of integers wrap.
#include "schema/ops/einsum.h"

#include "ops/cpu/op_util.h"
#include "schema/elementwise.h"

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

template <class C>
C element(const RunContext& c, const EinsumPlan& plan, const Loops& l, int64_t position) {
  int64_t base[kMaxOperands] = {};
  for (int s = l.outputs - 1; s >= 0; --s) {
    const int64_t k = position % l.sizes[s];
    position /= l.sizes[s];
    for (int i = 0; i < plan.operands; ++i) base[i] += k * l.strides[i][s];
  }
  C sum{};
  for (int64_t r = 0; r < l.summed; ++r) {
    int64_t at[kMaxOperands], rest = r;
    for (int i = 0; i < plan.operands; ++i) at[i] = base[i];
    for (int s = l.count - 1; s >= l.outputs; --s) {
      const int64_t k = rest % l.sizes[s];
      rest /= l.sizes[s];
      for (int i = 0; i < plan.operands; ++i) at[i] += k * l.strides[i][s];
    }
    C product = load_one<C>(c.input(0), at[0]);
    for (int i = 1; i < plan.operands; ++i) product = wrapping::mul(product, load_one<C>(c.input(i), at[i]));
    sum = wrapping::add(sum, product);
  }
  return sum;
}

Error run(RunContext& c) {
  int ranks[kMaxOperands] = {};
  for (int i = 0; i < c.input_count && i < kMaxOperands; ++i) ranks[i] = c.input(i).shape.rank;
  EinsumPlan plan;
  if (const char* wrong = plan.parse(c.attributes<op::Einsum::Attrs>().equation, ranks, c.input_count))
    return GF_FAIL(c.detail, Error::BadAttribute, c.node, "%s", wrong);
  Loops l;
  build(c, plan, l);
  TensorView& y = c.output(0);
  const auto all = [&]<class C>() {
    c.parallel.chunks(y.count(), row_grain(l.summed), [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; ++p) store_one(y, p, element<C>(c, plan, l, p));
    });
    return Error::Ok;
  };
  if (dtype_is_float(y.dtype)) return all.template operator()<double>();
  return dtype_is_signed_int(y.dtype) ? all.template operator()<int64_t>() : all.template operator()<uint64_t>();
}

}  // namespace

extern const Kernel einsum_kernel;
const Kernel einsum_kernel{
    .op = op::Einsum::info.id, .name = "einsum_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
