// matmul in f32 by a constant matrix, with a constant bias and a clamp: XNNPACK's fully connected operator.
#include "schema/ops/matmul.h"

#include "ops/cpu/xnnpack/product.h"

namespace gf::xnnpack {
namespace {

struct MatMulSpec {
  size_t rows = 0, depth = 0, columns = 0;
  bool transposed = false;  ///< weights are [columns, depth], as XNNPACK stores them
  Clamp clamp;

  static Error parse(const NodeView& node, KernelPlan& plan, MatMulSpec& s) {
    GF_TRY(check_node(node, plan, 0b0110));
    const auto& a = node.attributes<op::MatMul::Attrs>();
    GF_TRY(read_epilogue(node, a, plan, s.clamp));
    const Shape &x = node.input(0).shape, &w = node.input(1).shape;
    if (w.rank != 2) return plan.refuse("the right side is not one matrix");
    if (a.transpose_a && x.rank > 1) return plan.refuse("the left side is transposed");
    if (a.alpha != 1.0F) return plan.refuse("a factor alpha");
    s.transposed = a.transpose_b;
    s.depth = static_cast<size_t>(x[x.rank - 1]);
    s.rows = static_cast<size_t>(x.count(0, x.rank - 1));
    s.columns = static_cast<size_t>(w[a.transpose_b ? 0 : 1]);
    return Error::Ok;
  }
  size_t channels() const { return depth; }
  void shrink() { depth = 1; }
  void constants(const NodeView& node, InitContext&, Constants& c) const {
    c = {static_cast<const float*>(node.input(1).constant_data), bias_of(node)};
  }
  xnn_status create(const Constants& c, xnn_operator_t* op) const {
    return xnn_create_fully_connected_nc_f32(depth, columns, depth, columns, c.weights, c.bias, clamp.low, clamp.high,
                                             transposed ? 0 : XNN_FLAG_TRANSPOSE_WEIGHTS, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_fully_connected_nc_f32(op, rows, at.in[0], at.out, pool);
  }
};

}  // namespace

const Kernel matmul_kernel = operator_kernel<MatMulSpec>(op::MatMul::info.id, "matmul_f32_xnnpack");

}  // namespace gf::xnnpack
