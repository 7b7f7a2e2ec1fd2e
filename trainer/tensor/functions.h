// Functions on tensors, with PyTorch's names and meanings. Each records; nothing is computed before a value is looked at. Operands
// broadcast as in NumPy; a number takes the type of the tensor beside it. Throws gf::Exception with the function's name: ShapeMismatch,
// TypeMismatch, InvalidArgument (an axis).
#pragma once

#include <optional>

#include "trainer/tensor/tensor.h"

namespace gf {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, const Tensor& b);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
/// A scalar of a's type, as the operators below make from numbers.
Tensor number_like(const Tensor& a, double value);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return add(a, number_like(a, b)); }
inline Tensor operator-(const Tensor& a, double b) { return sub(a, number_like(a, b)); }
inline Tensor operator*(const Tensor& a, double b) { return mul(a, number_like(a, b)); }
inline Tensor operator/(const Tensor& a, double b) { return div(a, number_like(a, b)); }
inline Tensor operator+(double a, const Tensor& b) { return add(number_like(b, a), b); }
inline Tensor operator-(double a, const Tensor& b) { return sub(number_like(b, a), b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(number_like(b, a), b); }
inline Tensor operator/(double a, const Tensor& b) { return div(number_like(b, a), b); }
Tensor operator-(const Tensor& x);

Tensor abs(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor erf(const Tensor& x);
/// 0.5 x (1 + erf(x / sqrt 2)); `tanh_form`: the approximation with tanh.
Tensor gelu(const Tensor& x, bool tanh_form = false);
Tensor silu(const Tensor& x);
Tensor softmax(const Tensor& x, int64_t axis);
Tensor log_softmax(const Tensor& x, int64_t axis);

/// Sum and mean over axes; no axes: over all of them.
Tensor sum(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);
Tensor mean(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);
Tensor amax(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);
Tensor argmax(const Tensor& x, int64_t axis, bool keepdim = false);

/// Matrix product of the last two axes, batches broadcast.
Tensor matmul(const Tensor& a, const Tensor& b);

Tensor reshape(const Tensor& x, const Shape64& shape);      ///< one entry may be -1
Tensor flatten(const Tensor& x, int64_t from = 0);          ///< axes [from, rank) become one
Tensor permute(const Tensor& x, const Shape64& axes);
Tensor transpose(const Tensor& x, int64_t a, int64_t b);
Tensor unsqueeze(const Tensor& x, int64_t axis);
Tensor squeeze(const Tensor& x, int64_t axis);
Tensor expand(const Tensor& x, const Shape64& shape);
Tensor cat(const std::vector<Tensor>& parts, int64_t axis = 0);
Tensor stack(const std::vector<Tensor>& parts, int64_t axis = 0);
/// Parts of these sizes along one axis.
std::vector<Tensor> split(const Tensor& x, const Shape64& sizes, int64_t axis = 0);
/// Elements [start, end) of one axis; negative numbers count from its end.
Tensor narrow(const Tensor& x, int64_t axis, int64_t start, int64_t end);
/// Rows of `table` named by integers: indices.shape + table.shape[1:].
Tensor embedding(const Tensor& indices, const Tensor& table);
Tensor where(const Tensor& condition, const Tensor& yes, const Tensor& no);
Tensor cast(const Tensor& x, DType type);

}  // namespace gf
