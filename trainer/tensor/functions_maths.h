// Maths on tensors element by element, and reductions, with PyTorch's names, meanings and defaults. Operands broadcast. Errors begin with
// the function's name: ShapeMismatch, TypeMismatch, InvalidArgument (an axis).
#pragma once

#include <limits>
#include <utility>

#include "trainer/tensor/functions.h"

namespace gf {

Tensor neg(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor square(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor exp2(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
/// Integers stay as they are.
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);   ///< half to even
Tensor trunc(const Tensor& x);
Tensor frac(const Tensor& x);    ///< x - trunc(x)
Tensor sign(const Tensor& x);
Tensor isnan(const Tensor& x);   ///< bool, as the next two
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);

Tensor pow(const Tensor& x, double exponent);
/// Remainder with the sign of the dividend (C), and with that of the divisor (Python).
Tensor fmod(const Tensor& a, const Tensor& b);
Tensor fmod(const Tensor& a, double b);
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor remainder(const Tensor& a, double b);
Tensor floor_divide(const Tensor& a, const Tensor& b);
/// Kept in [min, max]; the gradient passes where min <= x <= max.
Tensor clamp(const Tensor& x, double min = -std::numeric_limits<double>::infinity(), double max = std::numeric_limits<double>::infinity());
/// start + weight (end - start).
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);
Tensor lerp(const Tensor& start, const Tensor& end, double weight);
/// a b + c.
Tensor fma(const Tensor& a, const Tensor& b, const Tensor& c);

// --- comparisons: bool
Tensor eq(const Tensor& a, const Tensor& b);
Tensor ne(const Tensor& a, const Tensor& b);
Tensor lt(const Tensor& a, const Tensor& b);
Tensor le(const Tensor& a, const Tensor& b);
Tensor gt(const Tensor& a, const Tensor& b);
Tensor ge(const Tensor& a, const Tensor& b);
Tensor eq(const Tensor& a, double b);
Tensor ne(const Tensor& a, double b);
Tensor lt(const Tensor& a, double b);
Tensor le(const Tensor& a, double b);
Tensor gt(const Tensor& a, double b);
Tensor ge(const Tensor& a, double b);

/// Numbers other than 0 are true.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& x);
/// Integers; bools as logical ones.
Tensor bitwise_and(const Tensor& a, const Tensor& b);
Tensor bitwise_or(const Tensor& a, const Tensor& b);
Tensor bitwise_xor(const Tensor& a, const Tensor& b);
Tensor bitwise_not(const Tensor& x);
Tensor bitwise_left_shift(const Tensor& a, const Tensor& b);
Tensor bitwise_right_shift(const Tensor& a, const Tensor& b);   ///< keeps the sign

// --- reductions over axes; no axes: over all of them
Tensor amin(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);
Tensor prod(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);
/// Sum of the squared distances from the mean over n - correction (PyTorch's std is std_dev here).
Tensor var(const Tensor& x, const Shape64& axes = {}, double correction = 1, bool keepdim = false);
Tensor std_dev(const Tensor& x, const Shape64& axes = {}, double correction = 1, bool keepdim = false);
/// (sum |x|^p)^(1/p); p may be infinity (largest magnitude), -infinity (least) and 0 (how many are not 0).
Tensor norm(const Tensor& x, double p = 2, const Shape64& axes = {}, bool keepdim = false);
Tensor logsumexp(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);
Tensor any(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);   ///< bool
Tensor all(const Tensor& x, const Shape64& axes = {}, bool keepdim = false);
Tensor count_nonzero(const Tensor& x, const Shape64& axes = {});               ///< int64
Tensor argmin(const Tensor& x, int64_t axis, bool keepdim = false);

Tensor cumsum(const Tensor& x, int64_t axis);
Tensor cumprod(const Tensor& x, int64_t axis);

}  // namespace gf
