// transpose on the vector functions, for elements of 1, 2, 4 or 8 bytes.
#include "ops/cpu/simd/transpose.h"

#include "ops/cpu/simd/wrap.h"
#include "schema/ops/transpose.h"

namespace gf::simd {
namespace {

Error prepare_transpose(const NodeView& node, KernelPlan& plan) {
  const unsigned bits = dtype_bits(node.input(0).dtype);
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return plan.refuse("element size");
  plan.data_bytes = sizeof(Isa);
  return Error::Ok;
}

Error init_transpose(const NodeView& node, InitContext& context) {
  make_data<Isa>(context) = node.isa;
  return Error::Ok;
}

Error run_transpose(RunContext& c) {
  const IntList list = c.attributes<op::Transpose::Attrs>().perm;
  const TensorView& x = c.input(0);
  if (x.count() == 0) return Error::Ok;
  int32_t perm[kMaxRank] = {};
  for (int d = 0; d < x.shape.rank; ++d)
    perm[d] = list.empty() ? x.shape.rank - 1 - d : cpu::wrap_axis(list[static_cast<size_t>(d)], x.shape.rank);
  transpose(*static_cast<const Isa*>(c.data), static_cast<int>(dtype_bits(x.dtype) / 8), x.shape, perm, x.data,
            c.output(0).data, c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel transpose_kernel{.op = op::Transpose::info.id,
                              .name = "transpose_simd",
                              .rank = 20,
                              .prepare = prepare_transpose,
                              .init = init_transpose,
                              .run = run_transpose};

}  // namespace gf::simd
