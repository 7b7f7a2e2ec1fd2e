// Elementwise ops on the vector functions of elementwise.h: contiguous runs go to one function call, broadcast operands
// are walked run by run. f32 everywhere, int32/int64 where a function exists, any type for where.
#include "ops/cpu/simd/elementwise_kernels.h"

#include "ops/cpu/op_util.h"
#include "ops/cpu/simd/table.h"
#include "schema/ops/abs.h"
#include "schema/ops/acos.h"
#include "schema/ops/acosh.h"
#include "schema/ops/add.h"
#include "schema/ops/asin.h"
#include "schema/ops/asinh.h"
#include "schema/ops/atan.h"
#include "schema/ops/atanh.h"
#include "schema/ops/cast.h"
#include "schema/ops/ceil.h"
#include "schema/ops/celu.h"
#include "schema/ops/clip.h"
#include "schema/ops/cos.h"
#include "schema/ops/cosh.h"
#include "schema/ops/div.h"
#include "schema/ops/elu.h"
#include "schema/ops/equal.h"
#include "schema/ops/erf.h"
#include "schema/ops/exp.h"
#include "schema/ops/floor.h"
#include "schema/ops/gelu_grad.h"
#include "schema/ops/greater.h"
#include "schema/ops/greater_or_equal.h"
#include "schema/ops/hard_sigmoid.h"
#include "schema/ops/hard_swish.h"
#include "schema/ops/leaky_relu.h"
#include "schema/ops/less.h"
#include "schema/ops/less_or_equal.h"
#include "schema/ops/log.h"
#include "schema/ops/max.h"
#include "schema/ops/min.h"
#include "schema/ops/mish.h"
#include "schema/ops/mod.h"
#include "schema/ops/mul.h"
#include "schema/ops/neg.h"
#include "schema/ops/pow.h"
#include "schema/ops/prelu.h"
#include "schema/ops/reciprocal.h"
#include "schema/ops/relu.h"
#include "schema/ops/round.h"
#include "schema/ops/selu.h"
#include "schema/ops/shrink.h"
#include "schema/ops/sigmoid.h"
#include "schema/ops/sign.h"
#include "schema/ops/sin.h"
#include "schema/ops/sinh.h"
#include "schema/ops/softplus.h"
#include "schema/ops/softsign.h"
#include "schema/ops/sqrt.h"
#include "schema/ops/sub.h"
#include "schema/ops/swish.h"
#include "schema/ops/tan.h"
#include "schema/ops/tanh.h"
#include "schema/ops/thresholded_relu.h"
#include "schema/ops/where.h"

namespace gf::simd {
namespace {

template <class Op>
const typename Op::Attrs& as(const void* attrs) {
  return *static_cast<const typename Op::Attrs*>(attrs);
}

BoundUnary bound(Isa isa, UnaryKind kind, float p0 = 0, float p1 = 0) { return {unary_f32(isa, kind), p0, p1}; }

// Ops without attributes.
constexpr struct {
  uint16_t op;
  UnaryKind kind;
} kPlain[] = {
    {op::Abs::info.id, UnaryKind::Abs}, {op::Acos::info.id, UnaryKind::Acos}, {op::Acosh::info.id, UnaryKind::Acosh},
    {op::Asin::info.id, UnaryKind::Asin}, {op::Asinh::info.id, UnaryKind::Asinh}, {op::Atan::info.id, UnaryKind::Atan},
    {op::Atanh::info.id, UnaryKind::Atanh}, {op::Ceil::info.id, UnaryKind::Ceil}, {op::Cos::info.id, UnaryKind::Cos},
    {op::Cosh::info.id, UnaryKind::Cosh}, {op::Erf::info.id, UnaryKind::Erf}, {op::Exp::info.id, UnaryKind::Exp},
    {op::Floor::info.id, UnaryKind::Floor}, {op::HardSwish::info.id, UnaryKind::HardSwish}, {op::Log::info.id, UnaryKind::Log},
    {op::Mish::info.id, UnaryKind::Mish}, {op::Neg::info.id, UnaryKind::Neg}, {op::Reciprocal::info.id, UnaryKind::Reciprocal},
    {op::Relu::info.id, UnaryKind::Relu}, {op::Round::info.id, UnaryKind::Round}, {op::Sigmoid::info.id, UnaryKind::Sigmoid},
    {op::Sign::info.id, UnaryKind::Sign}, {op::Sin::info.id, UnaryKind::Sin}, {op::Sinh::info.id, UnaryKind::Sinh},
    {op::Softplus::info.id, UnaryKind::Softplus}, {op::Softsign::info.id, UnaryKind::Softsign}, {op::Sqrt::info.id, UnaryKind::Sqrt},
    {op::Tan::info.id, UnaryKind::Tan}, {op::Tanh::info.id, UnaryKind::Tanh},
};

}  // namespace

BoundUnary bind_unary(Isa isa, uint16_t op, const void* attrs) {
  for (const auto& row : kPlain)
    if (row.op == op) return bound(isa, row.kind);
  switch (op) {
    case op::Celu::info.id: return bound(isa, UnaryKind::Celu, as<op::Celu>(attrs).alpha);
    case op::Clip::info.id:
      return bound(isa, UnaryKind::Clip, static_cast<float>(as<op::Clip>(attrs).min),
                   static_cast<float>(as<op::Clip>(attrs).max));
    case op::Elu::info.id: return bound(isa, UnaryKind::Elu, as<op::Elu>(attrs).alpha);
    case op::Gelu::info.id:
      return bound(isa, as<op::Gelu>(attrs).approximate == op::Gelu::Approximate::Tanh ? UnaryKind::GeluTanh
                                                                                      : UnaryKind::Gelu);
    case op::HardSigmoid::info.id:
      return bound(isa, UnaryKind::HardSigmoid, as<op::HardSigmoid>(attrs).alpha, as<op::HardSigmoid>(attrs).beta);
    case op::LeakyRelu::info.id: return bound(isa, UnaryKind::LeakyRelu, as<op::LeakyRelu>(attrs).alpha);
    case op::Selu::info.id: return bound(isa, UnaryKind::Selu, as<op::Selu>(attrs).alpha, as<op::Selu>(attrs).gamma);
    case op::Shrink::info.id:
      return bound(isa, UnaryKind::Shrink, as<op::Shrink>(attrs).bias, as<op::Shrink>(attrs).lambd);
    case op::Swish::info.id:
      return as<op::Swish>(attrs).alpha == 1.0f ? bound(isa, UnaryKind::Silu)
                                                : bound(isa, UnaryKind::Swish, as<op::Swish>(attrs).alpha);
    case op::ThresholdedRelu::info.id:
      return bound(isa, UnaryKind::ThresholdedRelu, as<op::ThresholdedRelu>(attrs).alpha);
    default: return {};
  }
}

bool find_binary(uint16_t op, const void* attrs, BinaryKind& kind) {
  switch (op) {
    case op::Add::info.id: kind = BinaryKind::Add; return true;
    case op::Div::info.id: kind = BinaryKind::Div; return true;
    case op::GeluGrad::info.id:
      kind = as<op::GeluGrad>(attrs).approximate == op::Gelu::Approximate::Tanh ? BinaryKind::GeluTanhGrad : BinaryKind::GeluGrad;
      return true;
    case op::Max::info.id: kind = BinaryKind::Max; return true;
    case op::Min::info.id: kind = BinaryKind::Min; return true;
    case op::Mod::info.id: kind = BinaryKind::Fmod; return as<op::Mod>(attrs).fmod;
    case op::Mul::info.id: kind = BinaryKind::Mul; return true;
    case op::Pow::info.id: kind = BinaryKind::Pow; return true;
    case op::PRelu::info.id: kind = BinaryKind::Prelu; return true;
    case op::Sub::info.id: kind = BinaryKind::Sub; return true;
    default: return false;
  }
}

namespace {

using cpu::BroadcastWalk;
using cpu::kGrain;

// --- unary ---------------------------------------------------------------------------------------------------------

Error prepare_unary(const NodeView& node, KernelPlan& plan) {
  if (node.input(0).dtype != DType::F32) return plan.refuse("element type is not float32");
  plan.data_bytes = sizeof(BoundUnary);
  plan.inplace_inputs = 1;
  return Error::Ok;
}

Error init_unary(const NodeView& node, InitContext& context) {
  *static_cast<BoundUnary*>(context.data) = bind_unary(node.isa, node.def->info.id, node.attrs);
  return Error::Ok;
}

Error run_unary(RunContext& context) {
  const auto& f = *static_cast<const BoundUnary*>(context.data);
  const float* x = context.input(0).as<const float>();
  float* y = context.output(0).as<float>();
  context.parallel.chunks(context.input(0).count(), kGrain, [&](int64_t begin, int64_t end, int) {
    f.function(x + begin, y + begin, end - begin, f.p0, f.p1);
  });
  return Error::Ok;
}

// --- binary and compare --------------------------------------------------------------------------------------------

// One function per pair of operand forms, resolved at create.
struct BoundBinary {
  Binary function[3] = {};
  int64_t bytes = 0, out_bytes = 0;  // of an element
};
constexpr Operands kForms[] = {Operands::VectorVector, Operands::VectorScalar, Operands::ScalarVector};

bool find_int(uint16_t op, IntKind& kind) {
  switch (op) {
    case op::Add::info.id: kind = IntKind::Add; return true;
    case op::Max::info.id: kind = IntKind::Max; return true;
    case op::Min::info.id: kind = IntKind::Min; return true;
    case op::Mul::info.id: kind = IntKind::Mul; return true;
    case op::Sub::info.id: kind = IntKind::Sub; return true;
    default: return false;
  }
}

CompareKind compare_kind(uint16_t op) {
  switch (op) {
    case op::Equal::info.id: return CompareKind::Equal;
    case op::Greater::info.id: return CompareKind::Greater;
    case op::GreaterOrEqual::info.id: return CompareKind::GreaterOrEqual;
    case op::Less::info.id: return CompareKind::Less;
    default: return CompareKind::LessOrEqual;
  }
}

void allow_inplace(const NodeView& node, KernelPlan& plan) {
  for (int j = 0; j < 2; ++j)
    if (node.input(j).is_static && node.output(0).is_static && node.input(j).shape == node.output(0).shape)
      plan.inplace_inputs |= 1U << j;
}

Error prepare_binary(const NodeView& node, KernelPlan& plan) {
  BinaryKind kind{};
  IntKind int_kind{};
  const uint16_t op = node.def->info.id;
  switch (node.input(0).dtype) {
    case DType::F32:
      if (!find_binary(op, node.attrs, kind)) return plan.refuse("no vector form for these attributes");
      break;
    case DType::I32:
    case DType::I64:
      if (!find_int(op, int_kind)) return plan.refuse("no integer vector form");
      break;
    default: return plan.refuse("element type");
  }
  plan.data_bytes = sizeof(BoundBinary);
  allow_inplace(node, plan);
  return Error::Ok;
}

Error prepare_compare(const NodeView& node, KernelPlan& plan) {
  if (node.input(0).dtype != DType::F32) return plan.refuse("element type is not float32");
  plan.data_bytes = sizeof(BoundBinary);
  return Error::Ok;
}

Error init_binary(const NodeView& node, InitContext& context) {
  auto& bound = *new (context.data) BoundBinary;
  BinaryKind kind{};
  IntKind int_kind{};
  const DType type = node.input(0).dtype;
  if (type == DType::F32) find_binary(node.def->info.id, node.attrs, kind);
  else find_int(node.def->info.id, int_kind);
  bound.bytes = bound.out_bytes = dtype_bits(type) / 8;
  for (size_t k = 0; k < 3; ++k)
    bound.function[k] = type == DType::F32   ? binary_f32(node.isa, kind, kForms[k])
                        : type == DType::I32 ? binary_i32(node.isa, int_kind, kForms[k])
                                             : binary_i64(node.isa, int_kind, kForms[k]);
  return Error::Ok;
}

Error init_compare(const NodeView& node, InitContext& context) {
  auto& bound = *new (context.data) BoundBinary;
  bound.bytes = sizeof(float);
  bound.out_bytes = 1;
  for (size_t k = 0; k < 3; ++k) bound.function[k] = compare_f32(node.isa, compare_kind(node.def->info.id), kForms[k]);
  return Error::Ok;
}

Error run_binary(RunContext& context) {
  const auto& bound = *static_cast<const BoundBinary*>(context.data);
  const auto* a = context.input(0).as<const uint8_t>();
  const auto* b = context.input(1).as<const uint8_t>();
  auto* out = context.output(0).as<uint8_t>();
  BroadcastWalk<2> walk;
  const Shape* shapes[2] = {&context.input(0).shape, &context.input(1).shape};
  walk.init(context.output(0).shape, shapes);
  const int last = walk.rank - 1;
  // both steps are 0 only where the innermost dim has one element
  const size_t form = walk.strides[0][last] == 0 && walk.strides[1][last] != 0   ? 2
                      : walk.strides[1][last] == 0 && walk.strides[0][last] != 0 ? 1
                                                                                 : 0;
  const auto function = bound.function[form];
  context.parallel.chunks(walk.count, kGrain, [&](int64_t begin, int64_t end, int) {
    walk.runs(begin, end, [&](int64_t position, const int64_t* at, int64_t length) {
      function(a + at[0] * bound.bytes, b + at[1] * bound.bytes, out + position * bound.out_bytes, length);
    });
  });
  return Error::Ok;
}

// --- where ---------------------------------------------------------------------------------------------------------

struct BoundWhere {
  Where function = nullptr;
  int64_t bytes = 0;
};

// The operand forms depend on shapes, so they are looked up for the static shapes of the node. A condition that is
// broadcast inside the innermost run has no vector form.
Error walk_where(const Shape& out, const Shape& c, const Shape& x, const Shape& y, BroadcastWalk<3>& walk) {
  const Shape* shapes[3] = {&c, &x, &y};
  walk.init(out, shapes);
  const int last = walk.rank - 1;
  return walk.strides[0][last] == 1 || walk.dims[last] == 1 ? Error::Ok : Error::Unsupported;
}

Error prepare_where(const NodeView& node, KernelPlan& plan) {
  if (!node.is_static()) return plan.refuse("dynamic shapes");
  const unsigned bits = dtype_bits(node.input(1).dtype);
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return plan.refuse("element size");
  BroadcastWalk<3> walk;
  if (walk_where(node.output(0).shape, node.input(0).shape, node.input(1).shape, node.input(2).shape, walk) != Error::Ok)
    return plan.refuse("the condition is broadcast along the last axis");
  plan.data_bytes = sizeof(BoundWhere);
  for (int j = 1; j < 3; ++j)
    if (node.input(j).shape == node.output(0).shape) plan.inplace_inputs |= 1U << j;
  return Error::Ok;
}

Error init_where(const NodeView& node, InitContext& context) {
  BroadcastWalk<3> walk;
  GF_TRY(walk_where(node.output(0).shape, node.input(0).shape, node.input(1).shape, node.input(2).shape, walk));
  const int last = walk.rank - 1;
  const auto bytes = static_cast<int>(dtype_bits(node.input(1).dtype) / 8);
  const bool one = walk.dims[last] == 1;
  *static_cast<BoundWhere*>(context.data) = {
      where_select(node.isa, bytes, !one && walk.strides[1][last] == 0, !one && walk.strides[2][last] == 0), bytes};
  return Error::Ok;
}

Error run_where(RunContext& context) {
  const auto& bound = *static_cast<const BoundWhere*>(context.data);
  BroadcastWalk<3> walk;
  GF_TRY(walk_where(context.output(0).shape, context.input(0).shape, context.input(1).shape, context.input(2).shape, walk));
  const auto* c = context.input(0).as<const uint8_t>();
  const auto* x = context.input(1).as<const uint8_t>();
  const auto* y = context.input(2).as<const uint8_t>();
  auto* z = context.output(0).as<uint8_t>();
  context.parallel.chunks(walk.count, kGrain, [&](int64_t begin, int64_t end, int) {
    walk.runs(begin, end, [&](int64_t position, const int64_t* at, int64_t length) {
      bound.function(c + at[0], x + at[1] * bound.bytes, y + at[2] * bound.bytes, z + position * bound.bytes, length);
    });
  });
  return Error::Ok;
}

// --- cast ----------------------------------------------------------------------------------------------------------

struct BoundCast {
  Cast function = nullptr;
  int64_t from_bytes = 0, to_bytes = 0;
};

Error prepare_cast(const NodeView& node, KernelPlan& plan) {
  const DType from = node.input(0).dtype, to = node.output(0).dtype;
  // casts of floats to 8-bit integers saturate there, but keep the low bits in the op's definition
  if (dtype_is_float(from) && dtype_is_int(to) && dtype_bits(to) < 64) return plan.refuse("other overflow rule");
  if (cast_run(node.isa, from, to) == nullptr) return plan.refuse("no vector form for these types");
  plan.data_bytes = sizeof(BoundCast);
  if (dtype_bits(from) == dtype_bits(to)) plan.inplace_inputs = 1;
  return Error::Ok;
}

Error init_cast(const NodeView& node, InitContext& context) {
  const DType from = node.input(0).dtype, to = node.output(0).dtype;
  *static_cast<BoundCast*>(context.data) = {cast_run(node.isa, from, to), dtype_bits(from) / 8, dtype_bits(to) / 8};
  return Error::Ok;
}

Error run_cast(RunContext& context) {
  const auto& bound = *static_cast<const BoundCast*>(context.data);
  const auto* x = context.input(0).as<const uint8_t>();
  auto* y = context.output(0).as<uint8_t>();
  context.parallel.chunks(context.input(0).count(), kGrain, [&](int64_t begin, int64_t end, int) {
    bound.function(x + begin * bound.from_bytes, y + begin * bound.to_bytes, end - begin);
  });
  return Error::Ok;
}

}  // namespace

#define GF_KERNEL(word, Op, kind)                                                                                  \
  const Kernel word##_kernel{.op = op::Op::info.id, .name = #word "_simd", .rank = 20, .prepare = prepare_##kind, \
                             .init = init_##kind, .run = run_##kind};
#define GF_COMPARE(word, Op)                                                                                         \
  const Kernel word##_kernel{.op = op::Op::info.id, .name = #word "_simd", .rank = 20, .prepare = prepare_compare, \
                             .init = init_compare, .run = run_binary};
GF_KERNEL(abs, Abs, unary)
GF_KERNEL(ceil, Ceil, unary)
GF_KERNEL(celu, Celu, unary)
GF_KERNEL(clip, Clip, unary)
GF_KERNEL(cos, Cos, unary)
GF_KERNEL(elu, Elu, unary)
GF_KERNEL(erf, Erf, unary)
GF_KERNEL(exp, Exp, unary)
GF_KERNEL(floor, Floor, unary)
GF_KERNEL(gelu, Gelu, unary)
GF_KERNEL(hard_sigmoid, HardSigmoid, unary)
GF_KERNEL(hard_swish, HardSwish, unary)
GF_KERNEL(leaky_relu, LeakyRelu, unary)
GF_KERNEL(log, Log, unary)
GF_KERNEL(mish, Mish, unary)
GF_KERNEL(neg, Neg, unary)
GF_KERNEL(reciprocal, Reciprocal, unary)
GF_KERNEL(relu, Relu, unary)
GF_KERNEL(round, Round, unary)
GF_KERNEL(selu, Selu, unary)
GF_KERNEL(shrink, Shrink, unary)
GF_KERNEL(sigmoid, Sigmoid, unary)
GF_KERNEL(sign, Sign, unary)
GF_KERNEL(sin, Sin, unary)
GF_KERNEL(softplus, Softplus, unary)
GF_KERNEL(softsign, Softsign, unary)
GF_KERNEL(sqrt, Sqrt, unary)
GF_KERNEL(swish, Swish, unary)
GF_KERNEL(tanh, Tanh, unary)
GF_KERNEL(thresholded_relu, ThresholdedRelu, unary)
GF_KERNEL(add, Add, binary)
GF_KERNEL(div, Div, binary)
GF_KERNEL(gelu_grad, GeluGrad, binary)
GF_KERNEL(max, Max, binary)
GF_KERNEL(min, Min, binary)
GF_KERNEL(mod, Mod, binary)
GF_KERNEL(mul, Mul, binary)
GF_KERNEL(pow, Pow, binary)
GF_KERNEL(prelu, PRelu, binary)
GF_KERNEL(sub, Sub, binary)
GF_COMPARE(equal, Equal)
GF_COMPARE(greater, Greater)
GF_COMPARE(greater_or_equal, GreaterOrEqual)
GF_COMPARE(less, Less)
GF_COMPARE(less_or_equal, LessOrEqual)
GF_KERNEL(where, Where, where)
GF_KERNEL(cast, Cast, cast)
#undef GF_COMPARE
#undef GF_KERNEL

}  // namespace gf::simd
