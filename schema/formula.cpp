#include "schema/formula.h"

#include "schema/ops.h"

namespace gf {

Var Formula::unary(const OpDef& op, Var x) {
  Var y;
  const NoAttrs none;
  emit(op, {&x, 1}, &none, {&y, 1});
  return y;
}
Var Formula::binary(const OpDef& op, Var a, Var b) {
  Var y;
  const NoAttrs none;
  const Var inputs[] = {a, b};
  emit(op, inputs, &none, {&y, 1});
  return y;
}
Var Formula::reduce(const OpDef& op, Var x, IntList axes, bool keepdims) {
  Var y;
  const ReduceAttrs attrs{.axes = axes, .keepdims = keepdims};
  emit(op, {&x, 1}, &attrs, {&y, 1});
  return y;
}

Var Formula::add(Var a, Var b) { return binary(op_def<op::Add>, a, b); }
Var Formula::sub(Var a, Var b) { return binary(op_def<op::Sub>, a, b); }
Var Formula::mul(Var a, Var b) { return binary(op_def<op::Mul>, a, b); }
Var Formula::div(Var a, Var b) { return binary(op_def<op::Div>, a, b); }
Var Formula::pow(Var a, Var b) { return binary(op_def<op::Pow>, a, b); }
Var Formula::neg(Var x) { return unary(op_def<op::Neg>, x); }
Var Formula::exp(Var x) { return unary(op_def<op::Exp>, x); }
Var Formula::sqrt(Var x) { return unary(op_def<op::Sqrt>, x); }
Var Formula::reciprocal(Var x) { return unary(op_def<op::Reciprocal>, x); }
Var Formula::tanh(Var x) { return unary(op_def<op::Tanh>, x); }
Var Formula::erf(Var x) { return unary(op_def<op::Erf>, x); }
Var Formula::sigmoid(Var x) { return unary(op_def<op::Sigmoid>, x); }
Var Formula::softplus(Var x) { return unary(op_def<op::Softplus>, x); }

Var Formula::activate(Activation kind, Var x, float a, float b) {
  switch (kind) {
    case Activation::None: return x;
    case Activation::Relu: return node<op::Relu>({x});
    case Activation::Clamp: return node<op::Clip>({x}, {.min = static_cast<double>(a), .max = static_cast<double>(b)});
    case Activation::LeakyRelu: return node<op::LeakyRelu>({x}, {.alpha = a});
    case Activation::HardSigmoid: return node<op::HardSigmoid>({x}, {.alpha = a, .beta = b});
    case Activation::HardSwish: return node<op::HardSwish>({x});
    case Activation::Sigmoid: return sigmoid(x);
    case Activation::Silu: return node<op::Swish>({x}, {.alpha = a});
    case Activation::Tanh: return tanh(x);
    case Activation::Gelu: return node<op::Gelu>({x});
    case Activation::GeluTanh: return node<op::Gelu>({x}, {.approximate = op::Gelu::Approximate::Tanh});
    case Activation::Elu: return node<op::Elu>({x}, {.alpha = a});
  }
  (void)fail(Error::BadAttribute, "an activation that is not known");
  return {};
}

Var Formula::cast(Var x, DType to) {
  if (!x || dtype(x) == to) return x;
  return node<op::Cast>({x}, {.to = to});
}

Var Formula::equal(Var a, Var b) { return binary(op_def<op::Equal>, a, b); }
Var Formula::less(Var a, Var b) { return binary(op_def<op::Less>, a, b); }
Var Formula::less_or_equal(Var a, Var b) { return binary(op_def<op::LessOrEqual>, a, b); }
Var Formula::logical_and(Var a, Var b) {
  if (!a) return b;
  if (!b) return a;
  return binary(op_def<op::And>, a, b);
}
Var Formula::logical_not(Var x) { return unary(op_def<op::Not>, x); }
Var Formula::where(Var condition, Var yes, Var no) { return node<op::Where>({condition, yes, no}); }

Var Formula::matmul(Var a, Var b) { return node<op::MatMul>({a, b}); }
Var Formula::softmax(Var x, int64_t axis) { return node<op::Softmax>({x}, {.axis = axis}); }
Var Formula::reduce_sum(Var x, IntList axes, bool keepdims) { return reduce(op_def<op::ReduceSum>, x, axes, keepdims); }
Var Formula::reduce_mean(Var x, IntList axes, bool keepdims) { return reduce(op_def<op::ReduceMean>, x, axes, keepdims); }
Var Formula::reduce_max(Var x, IntList axes, bool keepdims) { return reduce(op_def<op::ReduceMax>, x, axes, keepdims); }

Var Formula::transpose(Var x, IntList perm) { return node<op::Transpose>({x}, {.perm = perm}); }
Var Formula::swap_last_axes(Var x) {
  const int r = x ? rank(x) : 0;
  if (r < 2) return x;
  int64_t perm[kMaxRank];
  for (int d = 0; d < r; ++d) perm[d] = d;
  perm[r - 1] = r - 2;
  perm[r - 2] = r - 1;
  return transpose(x, IntList(perm, static_cast<size_t>(r)));
}
Var Formula::reshape(Var x, std::initializer_list<int64_t> dims) { return node<op::Reshape>({x, ints(dims)}); }
Var Formula::unsqueeze(Var x, std::initializer_list<int64_t> axes) {
  return node<op::Unsqueeze>({x}, {.axes = IntList(axes.begin(), axes.size())});
}
Var Formula::squeeze(Var x, std::initializer_list<int64_t> axes) {
  return node<op::Squeeze>({x}, {.axes = IntList(axes.begin(), axes.size())});
}
Var Formula::concat(std::initializer_list<Var> parts, int64_t axis) { return node<op::Concat>(parts, {.axis = axis}); }
Var Formula::slice(Var x, int64_t axis, Var start, Var end) { return node<op::Slice>({x, start, end, ints({axis})}); }
Var Formula::gather(Var x, Var indices, int64_t axis) { return node<op::Gather>({x, indices}, {.axis = axis}); }
Var Formula::size_of(Var x, int64_t axis) { return node<op::ShapeOf>({x}, {.start = axis, .end = axis + 1}); }
Var Formula::count_up(Var length) {
  return node<op::Range>({scalar(DType::I64, 0), squeeze(length, {0}), scalar(DType::I64, 1)});
}

}  // namespace gf
