#include "trainer/tensor/functions_spectral.h"

#include <cmath>
#include <numbers>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf {
namespace {

using lazy::Call;

void expect_complex(const char* function, const Tensor& x) {
  if (x.rank() < 2 || x.size(-1) != 2)
    throw Exception(Error::ShapeMismatch, std::string(function) + ": the input has shape " + io::shape_text(x.shape()) + "; a last axis of real and imaginary part is needed");
}

// Axis of a tensor whose last axis holds the parts.
int64_t axis_of(const char* function, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) throw Exception(Error::InvalidArgument, std::string(function) + ": axis " + std::to_string(axis) + " of a signal of rank " + std::to_string(rank));
  return axis < 0 ? axis + rank : axis;
}

Tensor scalar_int(int64_t v) { return fixed_scalar(DType::I64, static_cast<double>(v)); }

Tensor complex_transform(const char* name, const Tensor& x, int64_t axis, bool inverse) {
  const Call call(name);
  expect_complex(name, x);
  return apply<op::Dft>({x}, {.axis = axis_of(name, axis, x.rank() - 1), .inverse = inverse});
}

// a0 - a1 cos(turn) + a2 cos(2 turn); a symmetric window is a periodic one of one element less, and the first element again.
Tensor cosine_window(const char* name, int64_t length, bool periodic, double a0, double a1, double a2) {
  if (length < 0) throw Exception(Error::InvalidArgument, std::string(name) + ": length " + std::to_string(length));
  const double period = static_cast<double>(periodic ? length : length - 1);
  std::vector<float> v;
  for (int64_t i = 0; i < length; ++i) {
    const double turn = 2 * std::numbers::pi * static_cast<double>(i) / period;
    v.push_back(length == 1 ? 1.0f : static_cast<float>(a0 - a1 * std::cos(turn) + a2 * std::cos(2 * turn)));
  }
  return Tensor::from(v);
}

}  // namespace

Tensor fft(const Tensor& x, int64_t axis) { return complex_transform("fft", x, axis, false); }
Tensor ifft(const Tensor& x, int64_t axis) { return complex_transform("ifft", x, axis, true); }

Tensor rfft(const Tensor& x, int64_t axis) {
  const Call call("rfft");
  return apply<op::Dft>({unsqueeze(x, -1)}, {.axis = axis_of("rfft", axis, x.rank()), .onesided = true});
}
Tensor irfft(const Tensor& x, int64_t n, int64_t axis) {
  const Call call("irfft");
  expect_complex("irfft", x);
  return squeeze(apply<op::Dft>({x, n > 0 ? scalar_int(n) : Tensor()}, {.axis = axis_of("irfft", axis, x.rank() - 1), .inverse = true, .onesided = true}), -1);
}

Tensor stft(const Tensor& x, const Tensor& window, int64_t hop) {
  const Call call("stft");
  if (x.rank() != 2) throw Exception(Error::ShapeMismatch, "stft: the signal has shape " + io::shape_text(x.shape()) + "; [batch, length] is needed");
  return transpose(apply<op::Stft>({unsqueeze(x, -1), scalar_int(hop), window}), 1, 2);
}

Tensor hann_window(int64_t length, bool periodic) { return cosine_window("hann_window", length, periodic, 0.5, 0.5, 0); }
Tensor hamming_window(int64_t length, bool periodic) { return cosine_window("hamming_window", length, periodic, 0.54, 0.46, 0); }
Tensor blackman_window(int64_t length, bool periodic) { return cosine_window("blackman_window", length, periodic, 0.42, 0.5, 0.08); }

}  // namespace gf
