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

// --- decompositions of the matrices in the last two axes, as torch.linalg has them; signs are fixed, where PyTorch leaves them open
/// Lower triangular l with l l^T = x, or upper triangular u with u^T u = x. x is symmetric: its lower triangle is read, and its gradient is
/// symmetric too. One that is not positive definite ends the run (BadData).
Tensor cholesky(const Tensor& x, bool upper = false);
/// q with orthonormal columns and r upper triangular (mode "reduced"); the diagonal of r is not negative. Gradients need full rank.
struct QrResult {
  Tensor q, r;
};
QrResult qr(const Tensor& x);
/// Eigenvalues, rising, and eigenvectors (columns) of a symmetric x, whose lower triangle is read. The component of largest magnitude of each
/// vector is positive. Gradients through vectors of equal eigenvalues are not finite; eigenvalues alone always have them.
struct EighResult {
  Tensor values, vectors;
};
EighResult eigh(const Tensor& x);
/// x = u diag(s) vh with s falling (full_matrices off). The component of largest magnitude of each column of u is positive. Gradients as of
/// eigh.
struct SvdResult {
  Tensor u, s, vh;
};
SvdResult svd(const Tensor& x);

}  // namespace gf
