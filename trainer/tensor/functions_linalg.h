// Products and matrices, with PyTorch's names and meanings. Errors begin with the function's name.
#pragma once

#include <string>

#include "trainer/tensor/functions.h"

namespace gf {

Tensor bmm(const Tensor& a, const Tensor& b);                    ///< [batch, n, k] [batch, k, m]
Tensor mv(const Tensor& matrix, const Tensor& vector);
Tensor dot(const Tensor& a, const Tensor& b);                    ///< of two vectors: a scalar
Tensor outer(const Tensor& a, const Tensor& b);                  ///< of two vectors: [n, m]
/// beta c + alpha a b for matrices, and for batches of them.
Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta = 1, double alpha = 1);
Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta = 1, double alpha = 1);
/// Sums of products over named axes: einsum("bij,bjk->bik", {a, b}).
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands);
/// Of the matrices in the last two axes.
Tensor det(const Tensor& x);
Tensor inverse(const Tensor& x);
/// x with a x = b: b times the inverse of a.
Tensor solve(const Tensor& a, const Tensor& b);
Tensor trace(const Tensor& x);                                   ///< of one matrix

}  // namespace gf
