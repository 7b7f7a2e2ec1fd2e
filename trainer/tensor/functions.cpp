#include "trainer/tensor/functions.h"

#include <numeric>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf {
namespace {

IntList list_of(const Shape64& v) { return IntList(v.data(), v.size()); }

int64_t axis_of(const char* function, const Tensor& x, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    throw Exception(Error::InvalidArgument, std::string(function) + ": axis " + std::to_string(axis) + " of a tensor of shape " + io::shape_text(x.shape()));
  return axis < 0 ? axis + rank : axis;
}

template <class Op>
Tensor reduced(const Tensor& x, const Shape64& axes, bool keepdim) {
  return apply<Op>({x}, {.axes = list_of(axes), .keepdims = keepdim});
}

}  // namespace

Tensor number_like(const Tensor& a, double value) { return fixed_scalar(a.dtype(), value); }

Tensor add(const Tensor& a, const Tensor& b) { return apply<op::Add>({a, b}); }
Tensor sub(const Tensor& a, const Tensor& b) { return apply<op::Sub>({a, b}); }
Tensor mul(const Tensor& a, const Tensor& b) { return apply<op::Mul>({a, b}); }
Tensor div(const Tensor& a, const Tensor& b) { return apply<op::Div>({a, b}); }
Tensor pow(const Tensor& a, const Tensor& b) { return apply<op::Pow>({a, b}); }
Tensor maximum(const Tensor& a, const Tensor& b) { return apply<op::Max>({a, b}); }
Tensor minimum(const Tensor& a, const Tensor& b) { return apply<op::Min>({a, b}); }
Tensor operator-(const Tensor& x) { return apply<op::Neg>({x}); }

Tensor abs(const Tensor& x) { return apply<op::Abs>({x}); }
Tensor exp(const Tensor& x) { return apply<op::Exp>({x}); }
Tensor log(const Tensor& x) { return apply<op::Log>({x}); }
Tensor sqrt(const Tensor& x) { return apply<op::Sqrt>({x}); }
Tensor sin(const Tensor& x) { return apply<op::Sin>({x}); }
Tensor cos(const Tensor& x) { return apply<op::Cos>({x}); }
Tensor tanh(const Tensor& x) { return apply<op::Tanh>({x}); }
Tensor sigmoid(const Tensor& x) { return apply<op::Sigmoid>({x}); }
Tensor relu(const Tensor& x) { return apply<op::Relu>({x}); }
Tensor erf(const Tensor& x) { return apply<op::Erf>({x}); }
Tensor gelu(const Tensor& x, bool tanh_form) {
  return apply<op::Gelu>({x}, {.approximate = tanh_form ? op::Gelu::Approximate::Tanh : op::Gelu::Approximate::None});
}
Tensor silu(const Tensor& x) { return apply<op::Swish>({x}); }
Tensor softmax(const Tensor& x, int64_t axis) { return apply<op::Softmax>({x}, {.axis = axis}); }
Tensor log_softmax(const Tensor& x, int64_t axis) { return apply<op::LogSoftmax>({x}, {.axis = axis}); }

Tensor sum(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceSum>(x, axes, keepdim); }
Tensor mean(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceMean>(x, axes, keepdim); }
Tensor amax(const Tensor& x, const Shape64& axes, bool keepdim) { return reduced<op::ReduceMax>(x, axes, keepdim); }
Tensor argmax(const Tensor& x, int64_t axis, bool keepdim) { return apply<op::ArgMax>({x}, {.axis = axis, .keepdims = keepdim}); }

Tensor matmul(const Tensor& a, const Tensor& b) { return apply<op::MatMul>({a, b}); }

Tensor reshape(const Tensor& x, const Shape64& shape) {
  return apply<op::Reshape>({x, fixed_ints(shape)}, {.allowzero = true});
}

Tensor flatten(const Tensor& x, int64_t from) {
  const auto first = static_cast<size_t>(axis_of("flatten", x, from, x.rank()));
  Shape64 shape(x.shape().begin(), x.shape().begin() + static_cast<ptrdiff_t>(first));
  shape.push_back(std::accumulate(x.shape().begin() + static_cast<ptrdiff_t>(first), x.shape().end(), int64_t{1}, std::multiplies<>()));
  return reshape(x, shape);
}

Tensor permute(const Tensor& x, const Shape64& axes) { return apply<op::Transpose>({x}, {.perm = list_of(axes)}); }

Tensor transpose(const Tensor& x, int64_t a, int64_t b) {
  Shape64 axes(x.shape().size());
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[static_cast<size_t>(axis_of("transpose", x, a, x.rank()))], axes[static_cast<size_t>(axis_of("transpose", x, b, x.rank()))]);
  return permute(x, axes);
}

Tensor unsqueeze(const Tensor& x, int64_t axis) {
  Shape64 shape = x.shape();
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(axis_of("unsqueeze", x, axis, x.rank() + 1)), 1);
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x, int64_t axis) {
  Shape64 shape = x.shape();
  const auto at = static_cast<size_t>(axis_of("squeeze", x, axis, x.rank()));
  if (shape[at] != 1) return x;
  shape.erase(shape.begin() + static_cast<ptrdiff_t>(at));
  return reshape(x, shape);
}

Tensor expand(const Tensor& x, const Shape64& shape) { return apply<op::Expand>({x, fixed_ints(shape)}); }

Tensor cat(const std::vector<Tensor>& parts, int64_t axis) {
  if (parts.empty()) throw Exception(Error::InvalidArgument, "cat: no tensors");
  const op::Concat::Attrs attrs{.axis = axis};
  return apply(op_def<op::Concat>, &attrs, parts)[0];
}

Tensor stack(const std::vector<Tensor>& parts, int64_t axis) {
  std::vector<Tensor> wide;
  for (const Tensor& t : parts) wide.push_back(unsqueeze(t, axis));
  return cat(wide, axis);
}

std::vector<Tensor> split(const Tensor& x, const Shape64& sizes, int64_t axis) {
  const op::Split::Attrs attrs{.axis = axis, .sizes = list_of(sizes)};
  return apply(op_def<op::Split>, &attrs, {&x, 1}, sizes.size());
}

Tensor narrow(const Tensor& x, int64_t axis, int64_t start, int64_t end) {
  const int64_t at = axis_of("narrow", x, axis, x.rank());
  const auto one = [](int64_t v) { return fixed_ints(std::span<const int64_t>(&v, 1)); };
  return apply<op::Slice>({x, one(start), one(end), one(at)});
}

Tensor embedding(const Tensor& indices, const Tensor& table) { return apply<op::Gather>({table, indices}); }
Tensor where(const Tensor& condition, const Tensor& yes, const Tensor& no) { return apply<op::Where>({condition, yes, no}); }
Tensor cast(const Tensor& x, DType type) { return x.dtype() == type ? x : apply<op::Cast>({x}, {.to = type}); }

}  // namespace gf
