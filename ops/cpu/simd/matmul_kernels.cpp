// matmul in f32 on the packed matrix product. A constant right side is packed when the session is made; otherwise it is
// packed while running. Leading axes of the left side join its rows when the right side is a single matrix. Operands rounded to bfloat16
// (Precision::BF16) have a kernel of their own, which packs nothing before the run.
#include "ops/cpu/simd/gemm_rounded.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/matmul.h"

namespace gf::simd {
namespace {

/// Last two axes of an operand after its transpose, in elements. Vectors are a row on the left, a column on the right.
struct Matrix {
  int64_t rows = 1, cols = 1, row_stride = 0, col_stride = 1;
  Shape batch;

  Matrix(const Shape& s, bool transposed, bool left) {
    if (s.rank == 1) {
      (left ? cols : rows) = s[0];
      row_stride = left ? s[0] : 1;
      return;
    }
    rows = s[s.rank - 2];
    cols = s[s.rank - 1];
    row_stride = cols;
    batch.rank = s.rank - 2;
    for (int d = 0; d < batch.rank; ++d) batch[d] = s[d];
    if (!transposed) return;
    const int64_t r = rows;
    rows = cols;
    cols = r;
    row_stride = 1;
    col_stride = rows;
  }
  int64_t elements() const { return rows * cols; }
};

Shape batch_shape(const Shape& y, int dropped) {
  Shape s;
  s.rank = y.rank > dropped ? y.rank - dropped : 0;
  for (int d = 0; d < s.rank; ++d) s[d] = y[d];
  return s;
}

struct MatMulData {
  Isa isa = Isa::Portable;
};

// The product of a node with these shapes; pointers are left empty.
void describe(const op::MatMul::Attrs& attrs, const Shape& as, const Shape& bs, const Shape& ys, GemmArgs& g) {
  const Matrix a(as, attrs.transpose_a, true), b(bs, attrs.transpose_b, false);
  g.m = a.rows;
  g.n = b.cols;
  g.k = a.cols;
  g.a_row_stride = a.row_stride;
  g.a_col_stride = a.col_stride;
  g.b.row_stride = b.row_stride;
  g.b.col_stride = b.col_stride;
  g.ldc = g.n;
  g.epilogue.residual_stride = g.n;
  g.alpha = attrs.alpha;
  g.epilogue.residual_scale = attrs.residual_scale;
  g.epilogue.activation = activation_of(attrs);
  g.batch = {};
  const Shape batch = batch_shape(ys, (as.rank > 1 ? 1 : 0) + (bs.rank > 1 ? 1 : 0));
  const int64_t count = batch.count();
  if (count == 1) return;
  if (b.batch.count() == 1 && !(attrs.transpose_a && as.rank > 1)) {  // one tall product
    g.m *= count;
    return;
  }
  cpu::BroadcastWalk<2> walk;
  const Shape* shapes[2] = {&a.batch, &b.batch};
  walk.init(batch, shapes);
  g.batch.rank = walk.rank;
  int64_t stride = g.m * g.n;
  for (int d = walk.rank - 1; d >= 0; --d) {
    g.batch.dims[d] = walk.dims[d];
    g.batch.a[d] = walk.strides[0][d] * a.elements();
    g.batch.b[d] = walk.strides[1][d] * b.elements();
    g.batch.c[d] = g.batch.residual[d] = stride;
    stride *= walk.dims[d];
  }
}

/// A constant right side without batch axes is packed once.
bool can_pack(const NodeView& node) {
  const TensorInfo& b = node.input(1);
  return b.is_constant && b.shape.rank >= 1 && b.shape.count(0, b.shape.rank > 2 ? b.shape.rank - 2 : 0) == 1;
}

Error pack_right(const NodeView& node, void* destination) {
  const Matrix b(node.input(1).shape, node.attributes<op::MatMul::Attrs>().transpose_b, false);
  pack_b(node.isa, {node.input(1).constant_data, DType::F32, b.row_stride, b.col_stride}, b.rows, b.cols, destination);
  return Error::Ok;
}

Error prepare_matmul(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_epilogue<op::MatMul::Attrs>(node, plan));
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  const auto& attrs = node.attributes<op::MatMul::Attrs>();
  if (attrs.precision != Precision::Full) return plan.refuse(kOperandsRounded);
  if (node.output(0).shape.rank > GemmBatch::kMaxBatchRank + 2) return plan.refuse("too many batch axes");
  const Matrix b(node.input(1).shape, attrs.transpose_b, false);
  GemmArgs g;
  describe(attrs, node.input(0).shape, node.input(1).shape, node.output(0).shape, g);
  if (can_pack(node)) {
    const uint64_t bytes = packed_b_bytes(node.isa, b.rows, b.cols);
    plan.request_pack(1, PackKey(op::MatMul::info.id, node.isa).add(attrs.transpose_b).value(), bytes, pack_right);
    g.packed_b = &g;  // only whether it is null matters here
  }
  plan.data_bytes = sizeof(MatMulData);
  plan.scratch_bytes =
      node.is_static() ? gemm_scratch_bytes(node.isa, g, node.threads) : gemm_scratch_bound(node.isa, node.threads);
  if (plan.scratch_bytes == UINT64_MAX) return plan.refuse("the sizes do not fit");
  if (node.has_input(3)) plan.inplace_inputs = 1U << 3;
  return Error::Ok;
}

Error init_matmul(const NodeView& node, InitContext& context) {
  make_data<MatMulData>(context).isa = node.isa;
  return Error::Ok;
}

Error prepare_rounded(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_epilogue<op::MatMul::Attrs>(node, plan));
  if (!all_f32(node)) return plan.refuse("element type is not float32");
  const auto& attrs = node.attributes<op::MatMul::Attrs>();
  if (attrs.precision != Precision::BF16) return plan.refuse("its operands are not rounded");
  if (node.output(0).shape.rank > GemmBatch::kMaxBatchRank + 2) return plan.refuse("too many batch axes");
  GemmArgs g;
  describe(attrs, node.input(0).shape, node.input(1).shape, node.output(0).shape, g);
  plan.data_bytes = sizeof(MatMulData);
  plan.scratch_bytes = node.is_static() ? gemm_rounded_scratch_bytes(node.isa, g, node.threads) : gemm_scratch_bound(node.isa, node.threads);
  if (plan.scratch_bytes == UINT64_MAX) return plan.refuse("the sizes do not fit");
  if (node.has_input(3)) plan.inplace_inputs = 1U << 3;
  return Error::Ok;
}

template <bool kRounded>
Error run_matmul(RunContext& c) {
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  GemmArgs g;
  describe(c.attributes<op::MatMul::Attrs>(), c.input(0).shape, c.input(1).shape, y.shape, g);
  g.a = c.input(0).as<const float>();
  g.b.data = c.input(1).data;
  if constexpr (!kRounded) g.packed_b = c.packed[0];
  g.c = y.as<float>();
  g.epilogue.bias = optional_f32(c, 2);
  g.epilogue.residual = optional_f32(c, 3);
  const Isa isa = static_cast<const MatMulData*>(c.data)->isa;
  if constexpr (kRounded) gemm_rounded(isa, g, c.scratch, c.parallel);
  else gemm(isa, g, c.scratch, c.parallel);
  return Error::Ok;
}

}  // namespace

const Kernel matmul_kernel{.op = op::MatMul::info.id,
                           .name = "matmul_f32_simd",
                           .rank = 20,
                           .prepare = prepare_matmul,
                           .init = init_matmul,
                           .run = run_matmul<false>};
const Kernel matmul_rounded_kernel{.op = op::MatMul::info.id,
                                   .name = "matmul_bf16_operands_simd",
                                   .rank = 20,
                                   .prepare = prepare_rounded,
                                   .init = init_matmul,
                                   .run = run_matmul<true>};

}  // namespace gf::simd
