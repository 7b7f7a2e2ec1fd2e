#include "trainer/tensor/functions_maths.h"

#include <cmath>
#include <numbers>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf {
namespace {

using lazy::Call;

template <class Op>
Tensor named(const char* name, std::initializer_list<Tensor> inputs, const typename Op::Attrs& attrs = {}) {
  const Call call(name);
  return apply<Op>(inputs, attrs);
}

template <class Op>
Tensor reduced(const char* name, const Tensor& x, const Shape64& axes, bool keepdim) {
  return named<Op>(name, {x}, {.axes = IntList(axes.data(), axes.size()), .keepdims = keepdim});
}

// Whole numbers need no rounding.
template <class Op>
Tensor rounded(const char* name, const Tensor& x) {
  return dtype_is_int(x.dtype()) ? x : named<Op>(name, {x});
}

Tensor truth(const Tensor& x) { return x.dtype() == DType::Bool ? x : ne(x, 0); }

template <class Logical, class Bitwise>
Tensor bits(const char* name, const Tensor& a, const Tensor& b) {
  return a.dtype() == DType::Bool ? named<Logical>(name, {a, b}) : named<Bitwise>(name, {a, b});
}

}  // namespace

Tensor neg(const Tensor& x) { return named<op::Neg>("neg", {x}); }
Tensor reciprocal(const Tensor& x) { return named<op::Reciprocal>("reciprocal", {x}); }
Tensor square(const Tensor& x) { return named<op::Mul>("square", {x, x}); }
Tensor rsqrt(const Tensor& x) {
  const Call call("rsqrt");
  return reciprocal(sqrt(x));
}
Tensor exp2(const Tensor& x) {
  const Call call("exp2");
  return exp(x * std::numbers::ln2);
}
Tensor log2(const Tensor& x) {
  const Call call("log2");
  return log(x) * std::numbers::log2e;
}
Tensor log10(const Tensor& x) {
  const Call call("log10");
  return log(x) * std::numbers::log10e;
}
Tensor tan(const Tensor& x) { return named<op::Tan>("tan", {x}); }
Tensor asin(const Tensor& x) { return named<op::Asin>("asin", {x}); }
Tensor acos(const Tensor& x) { return named<op::Acos>("acos", {x}); }
Tensor atan(const Tensor& x) { return named<op::Atan>("atan", {x}); }
Tensor sinh(const Tensor& x) { return named<op::Sinh>("sinh", {x}); }
Tensor cosh(const Tensor& x) { return named<op::Cosh>("cosh", {x}); }
Tensor asinh(const Tensor& x) { return named<op::Asinh>("asinh", {x}); }
Tensor acosh(const Tensor& x) { return named<op::Acosh>("acosh", {x}); }
Tensor atanh(const Tensor& x) { return named<op::Atanh>("atanh", {x}); }
Tensor floor(const Tensor& x) { return rounded<op::Floor>("floor", x); }
Tensor ceil(const Tensor& x) { return rounded<op::Ceil>("ceil", x); }
Tensor round(const Tensor& x) { return rounded<op::Round>("round", x); }
Tensor trunc(const Tensor& x) {
  if (dtype_is_int(x.dtype())) return x;
  const Call call("trunc");
  return where(lt(x, 0), ceil(x), floor(x));
}
Tensor frac(const Tensor& x) {
  const Call call("frac");
  return x - trunc(x);
}
Tensor sign(const Tensor& x) { return named<op::Sign>("sign", {x}); }
Tensor isnan(const Tensor& x) { return named<op::IsNan>("isnan", {x}); }
Tensor isinf(const Tensor& x) { return named<op::IsInf>("isinf", {x}); }
Tensor isfinite(const Tensor& x) {
  const Call call("isfinite");
  return logical_not(logical_or(isnan(x), isinf(x)));
}

Tensor pow(const Tensor& x, double exponent) { return named<op::Pow>("pow", {x, number_like(x, exponent)}); }
Tensor fmod(const Tensor& a, const Tensor& b) { return named<op::Mod>("fmod", {a, b}, {.fmod = true}); }
Tensor fmod(const Tensor& a, double b) { return fmod(a, number_like(a, b)); }
Tensor remainder(const Tensor& a, const Tensor& b) { return named<op::Mod>("remainder", {a, b}); }
Tensor remainder(const Tensor& a, double b) { return remainder(a, number_like(a, b)); }
Tensor floor_divide(const Tensor& a, const Tensor& b) {
  const Call call("floor_divide");
  return dtype_is_int(a.dtype()) ? (a - remainder(a, b)) / b : floor(a / b);
}

Tensor clamp(const Tensor& x, double min, double max) {
  if (dtype_is_float(x.dtype())) return named<op::Clip>("clamp", {x}, {.min = min, .max = max});
  const Call call("clamp");
  Tensor y = x;
  if (!std::isinf(min)) y = maximum(y, number_like(x, std::ceil(min)));
  return std::isinf(max) ? y : minimum(y, number_like(x, std::floor(max)));
}

Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  const Call call("lerp");
  return start + weight * (end - start);
}
Tensor lerp(const Tensor& start, const Tensor& end, double weight) { return lerp(start, end, number_like(start, weight)); }
Tensor fma(const Tensor& a, const Tensor& b, const Tensor& c) {
  const Call call("fma");
  return a * b + c;
}

Tensor eq(const Tensor& a, const Tensor& b) { return named<op::Equal>("eq", {a, b}); }
Tensor ne(const Tensor& a, const Tensor& b) {
  const Call call("ne");
  return apply<op::Not>({eq(a, b)});
}
Tensor lt(const Tensor& a, const Tensor& b) { return named<op::Less>("lt", {a, b}); }
Tensor le(const Tensor& a, const Tensor& b) { return named<op::LessOrEqual>("le", {a, b}); }
Tensor gt(const Tensor& a, const Tensor& b) { return named<op::Greater>("gt", {a, b}); }
Tensor ge(const Tensor& a, const Tensor& b) { return named<op::GreaterOrEqual>("ge", {a, b}); }
Tensor eq(const Tensor& a, double b) { return eq(a, number_like(a, b)); }
Tensor ne(const Tensor& a, double b) { return ne(a, number_like(a, b)); }
Tensor lt(const Tensor& a, double b) { return lt(a, number_like(a, b)); }
Tensor le(const Tensor& a, double b) { return le(a, number_like(a, b)); }
Tensor gt(const Tensor& a, double b) { return gt(a, number_like(a, b)); }
Tensor ge(const Tensor& a, double b) { return ge(a, number_like(a, b)); }

Tensor logical_and(const Tensor& a, const Tensor& b) { return named<op::And>("logical_and", {truth(a), truth(b)}); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return named<op::Or>("logical_or", {truth(a), truth(b)}); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return named<op::Xor>("logical_xor", {truth(a), truth(b)}); }
Tensor logical_not(const Tensor& x) { return named<op::Not>("logical_not", {truth(x)}); }
Tensor bitwise_and(const Tensor& a, const Tensor& b) { return bits<op::And, op::BitwiseAnd>("bitwise_and", a, b); }
Tensor bitwise_or(const Tensor& a, const Tensor& b) { return bits<op::Or, op::BitwiseOr>("bitwise_or", a, b); }
Tensor bitwise_xor(const Tensor& a, const Tensor& b) { return bits<op::Xor, op::BitwiseXor>("bitwise_xor", a, b); }
Tensor bitwise_not(const Tensor& x) {
  return x.dtype() == DType::Bool ? named<op::Not>("bitwise_not", {x}) : named<op::BitwiseNot>("bitwise_not", {x});
}
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b) { return named<op::BitShift>("bitwise_left_shift", {a, b}); }
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b) {
  return named<op::BitShift>("bitwise_right_shift", {a, b}, {.direction = op::BitShift::Direction::Right});
}

Tensor amin(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceMin>("amin", x, axes, keepdim); }
Tensor prod(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceProd>("prod", x, axes, keepdim); }

Tensor var(const Tensor& x, const Shape64& axes, double correction, bool keepdim) {
  const Call call("var");
  const Tensor centred = x - mean(x, axes, true), squares = sum(centred * centred, axes, keepdim);
  const double n = static_cast<double>(x.numel()) / static_cast<double>(std::max<int64_t>(squares.numel(), 1));
  return squares / std::max(n - correction, 0.0);
}
Tensor std_dev(const Tensor& x, const Shape64& axes, double correction, bool keepdim) {
  const Call call("std_dev");
  return sqrt(var(x, axes, correction, keepdim));
}

Tensor norm(const Tensor& x, double p, const Shape64& axes, bool keepdim) {
  const Call call("norm");
  if (p == 2) return reduced<op::ReduceL2>("norm", x, axes, keepdim);
  if (p == 1) return reduced<op::ReduceL1>("norm", x, axes, keepdim);
  if (p == 0) return sum(cast(ne(x, 0), x.dtype()), axes, keepdim);
  if (std::isinf(p)) return p > 0 ? amax(abs(x), axes, keepdim) : amin(abs(x), axes, keepdim);
  return pow(sum(pow(abs(x), p), axes, keepdim), 1 / p);
}

Tensor logsumexp(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceLogSumExp>("logsumexp", x, axes, keepdim); }
Tensor any(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceMax>("any", truth(x), axes, keepdim); }
Tensor all(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceMin>("all", truth(x), axes, keepdim); }
Tensor count_nonzero(const Tensor& x, const Shape64& axes) {
  const Call call("count_nonzero");
  return sum(cast(truth(x), DType::I64), axes);
}
Tensor argmin(const Tensor& x, int64_t axis, bool keepdim) { return named<op::ArgMin>("argmin", {x}, {.axis = axis, .keepdims = keepdim}); }

Tensor cumsum(const Tensor& x, int64_t axis) { return named<op::CumSum>("cumsum", {x}, {.axis = axis}); }
Tensor cumprod(const Tensor& x, int64_t axis) { return named<op::CumProd>("cumprod", {x}, {.axis = axis}); }

}  // namespace gf
