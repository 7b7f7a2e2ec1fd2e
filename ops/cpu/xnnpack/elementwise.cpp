// Elementwise operators in f32 whose meaning is ours (see README.md for what is left out and why), and softmax along the
// last axis.
#include "ops/cpu/xnnpack/operator.h"
#include "schema/ops/abs.h"
#include "schema/ops/ceil.h"
#include "schema/ops/elu.h"
#include "schema/ops/floor.h"
#include "schema/ops/hard_swish.h"
#include "schema/ops/leaky_relu.h"
#include "schema/ops/neg.h"
#include "schema/ops/prelu.h"
#include "schema/ops/round.h"
#include "schema/ops/sigmoid.h"
#include "schema/ops/softmax.h"
#include "schema/ops/sqrt.h"

namespace gf::xnnpack {
namespace {

using Setup = xnn_status(xnn_operator_t, size_t, const float*, float*, pthreadpool_t);

// y = f(x): one row of all elements.
template <xnn_status (*kCreate)(size_t, size_t, size_t, uint32_t, xnn_operator_t*), Setup* kSetup>
struct UnarySpec {
  size_t count = 0;

  static Error parse(const NodeView& node, KernelPlan& plan, UnarySpec& s) {
    GF_TRY(check_node(node, plan));
    s.count = static_cast<size_t>(node.input(0).shape.count());
    plan.inplace_inputs = 1;
    return Error::Ok;
  }
  xnn_status create(const Constants&, xnn_operator_t* op) const { return kCreate(1, 1, 1, 0, op); }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return kSetup(op, count, at.in[0], at.out, pool);
  }
};

// The same with one parameter.
template <class Op, xnn_status (*kCreate)(size_t, size_t, size_t, float, uint32_t, xnn_operator_t*), Setup* kSetup>
struct AlphaSpec {
  size_t count = 0;
  float alpha = 0;

  static Error parse(const NodeView& node, KernelPlan& plan, AlphaSpec& s) {
    GF_TRY(check_node(node, plan));
    s.count = static_cast<size_t>(node.input(0).shape.count());
    s.alpha = node.attributes<typename Op::Attrs>().alpha;
    plan.inplace_inputs = 1;
    return Error::Ok;
  }
  xnn_status create(const Constants&, xnn_operator_t* op) const { return kCreate(1, 1, 1, alpha, 0, op); }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return kSetup(op, count, at.in[0], at.out, pool);
  }
};

// prelu with one constant slope per channel, which the operator keeps a copy of.
struct PReluSpec {
  size_t rows = 0, count = 0;

  static Error parse(const NodeView& node, KernelPlan& plan, PReluSpec& s) {
    GF_TRY(check_node(node, plan, 0b10));
    const Shape &x = node.input(0).shape, &slope = node.input(1).shape;
    if (x.rank == 0 || slope.rank == 0 || slope.count() != slope[slope.rank - 1] || slope.count() != x[x.rank - 1])
      return plan.refuse("not one slope per channel");
    s.count = static_cast<size_t>(slope.count());
    s.rows = static_cast<size_t>(x.count(0, x.rank - 1));
    return Error::Ok;
  }
  size_t channels() const { return 0; }
  void shrink() {}
  void constants(const NodeView& node, InitContext&, Constants& c) const {
    c.weights = static_cast<const float*>(node.input(1).constant_data);
  }
  xnn_status create(const Constants& c, xnn_operator_t* op) const {
    return xnn_create_prelu_nc_f32(count, count, count, c.weights, 0, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_prelu_nc_f32(op, rows, at.in[0], at.out, pool);
  }
};

struct SoftmaxSpec {
  size_t rows = 0, length = 0;

  static Error parse(const NodeView& node, KernelPlan& plan, SoftmaxSpec& s) {
    GF_TRY(check_node(node, plan));
    const int64_t axis = node.attributes<op::Softmax::Attrs>().axis;
    const Shape& x = node.input(0).shape;
    const int last = static_cast<int>(axis < 0 ? axis + x.rank : axis);
    if (x.count(x.rank == 0 ? 0 : last + 1, x.rank) != 1) return plan.refuse("not along the last axis");
    s.length = static_cast<size_t>(x.rank == 0 ? 1 : x[last]);
    s.rows = static_cast<size_t>(x.count()) / s.length;
    return Error::Ok;
  }
  xnn_status create(const Constants&, xnn_operator_t* op) const {
    return xnn_create_softmax_nc_f32(length, length, length, 0, op);
  }
  xnn_status setup(xnn_operator_t op, const Addresses& at, pthreadpool_t pool) const {
    return xnn_setup_softmax_nc_f32(op, rows, at.in[0], at.out, pool);
  }
};

template <class Op, auto kCreate, Setup* kSetup>
constexpr Kernel unary(const char* name) {
  return operator_kernel<UnarySpec<kCreate, kSetup>>(Op::info.id, name);
}
template <class Op, auto kCreate, Setup* kSetup>
constexpr Kernel with_alpha(const char* name) {
  return operator_kernel<AlphaSpec<Op, kCreate, kSetup>>(Op::info.id, name);
}

}  // namespace

const Kernel abs_kernel = unary<op::Abs, xnn_create_abs_nc_f32, xnn_setup_abs_nc_f32>("abs_f32_xnnpack");
const Kernel ceil_kernel = unary<op::Ceil, xnn_create_ceiling_nc_f32, xnn_setup_ceiling_nc_f32>("ceil_f32_xnnpack");
const Kernel elu_kernel = with_alpha<op::Elu, xnn_create_elu_nc_f32, xnn_setup_elu_nc_f32>("elu_f32_xnnpack");
const Kernel floor_kernel = unary<op::Floor, xnn_create_floor_nc_f32, xnn_setup_floor_nc_f32>("floor_f32_xnnpack");
const Kernel hard_swish_kernel =
    unary<op::HardSwish, xnn_create_hardswish_nc_f32, xnn_setup_hardswish_nc_f32>("hard_swish_f32_xnnpack");
const Kernel leaky_relu_kernel =
    with_alpha<op::LeakyRelu, xnn_create_leaky_relu_nc_f32, xnn_setup_leaky_relu_nc_f32>("leaky_relu_f32_xnnpack");
const Kernel neg_kernel = unary<op::Neg, xnn_create_negate_nc_f32, xnn_setup_negate_nc_f32>("neg_f32_xnnpack");
const Kernel prelu_kernel = operator_kernel<PReluSpec>(op::PRelu::info.id, "prelu_f32_xnnpack");
const Kernel round_kernel =
    unary<op::Round, xnn_create_bankers_rounding_nc_f32, xnn_setup_bankers_rounding_nc_f32>("round_f32_xnnpack");
const Kernel sigmoid_kernel =
    unary<op::Sigmoid, xnn_create_sigmoid_nc_f32, xnn_setup_sigmoid_nc_f32>("sigmoid_f32_xnnpack");
const Kernel softmax_kernel = operator_kernel<SoftmaxSpec>(op::Softmax::info.id, "softmax_f32_xnnpack");
const Kernel sqrt_kernel =
    unary<op::Sqrt, xnn_create_square_root_nc_f32, xnn_setup_square_root_nc_f32>("sqrt_f32_xnnpack");

}  // namespace gf::xnnpack
