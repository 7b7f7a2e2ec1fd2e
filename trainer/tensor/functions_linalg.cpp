#include "trainer/tensor/functions_linalg.h"

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"

namespace gf {
namespace {

using lazy::Call;

void expect_rank(const char* function, const Tensor& x, int rank) {
  if (x.rank() != rank)
    throw Exception(Error::ShapeMismatch, std::string(Call::name_or(function)) + ": an operand has shape " + io::shape_text(x.shape()) + ", rank " + std::to_string(rank) + " is needed");
}

Tensor added(const Tensor& c, const Tensor& product, double beta, double alpha) {
  const Tensor scaled = alpha == 1 ? product : product * alpha;
  if (beta == 0) return scaled;
  return scaled + (beta == 1 ? c : c * beta);
}

}  // namespace

Tensor bmm(const Tensor& a, const Tensor& b) {
  const Call call("bmm");
  for (const Tensor& t : {a, b}) expect_rank("bmm", t, 3);
  return matmul(a, b);
}
Tensor mv(const Tensor& matrix, const Tensor& vector) {
  const Call call("mv");
  expect_rank("mv", matrix, 2);
  expect_rank("mv", vector, 1);
  return matmul(matrix, vector);
}
Tensor dot(const Tensor& a, const Tensor& b) {
  const Call call("dot");
  for (const Tensor& t : {a, b}) expect_rank("dot", t, 1);
  return matmul(a, b);
}
Tensor outer(const Tensor& a, const Tensor& b) {
  const Call call("outer");
  for (const Tensor& t : {a, b}) expect_rank("outer", t, 1);
  return unsqueeze(a, 1) * b;
}
Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta, double alpha) {
  const Call call("addmm");
  for (const Tensor& t : {a, b}) expect_rank("addmm", t, 2);
  return added(c, matmul(a, b), beta, alpha);
}
Tensor baddbmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta, double alpha) {
  const Call call("baddbmm");
  return added(c, bmm(a, b), beta, alpha);
}
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands) {
  const op::Einsum::Attrs attrs{.equation = equation};
  return apply(op_def<op::Einsum>, &attrs, operands)[0];
}
Tensor det(const Tensor& x) { return apply<op::Det>({x}); }
Tensor inverse(const Tensor& x) { return apply<op::Inverse>({x}); }
Tensor solve(const Tensor& a, const Tensor& b) {
  const Call call("solve");
  return matmul(inverse(a), b);
}
Tensor trace(const Tensor& x) {
  const Call call("trace");
  expect_rank("trace", x, 2);
  return sum(diagonal(x));
}

Tensor cholesky(const Tensor& x, bool upper) {
  const Call call("cholesky");
  const Tensor l = apply<op::Cholesky>({x});
  return upper ? transpose(l, -2, -1) : l;
}
QrResult qr(const Tensor& x) {
  const std::vector<Tensor> r = apply(op_def<op::Qr>, nullptr, {&x, 1}, 2);
  return {r[0], r[1]};
}
EighResult eigh(const Tensor& x) {
  const std::vector<Tensor> r = apply(op_def<op::Eigh>, nullptr, {&x, 1}, 2);
  return {r[0], r[1]};
}
SvdResult svd(const Tensor& x) {
  const std::vector<Tensor> r = apply(op_def<op::Svd>, nullptr, {&x, 1}, 3);
  return {r[0], r[1], r[2]};
}

}  // namespace gf
