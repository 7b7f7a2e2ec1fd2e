// Fourier transforms with torch.fft's meanings. There are no complex tensors: a complex one is a float tensor with a last axis of two, real and
// imaginary part (torch.view_as_real); `axis` does not count it. Errors begin with the function's name: ShapeMismatch, TypeMismatch,
// InvalidArgument.
#pragma once

#include "trainer/tensor/functions.h"

namespace gf {

/// Of complex x [..., n, 2], forward, and backward divided by n.
Tensor fft(const Tensor& x, int64_t axis = -1);
Tensor ifft(const Tensor& x, int64_t axis = -1);
/// Of real x: the first n / 2 + 1 frequencies, complex. And back, to a real signal of length n (0: twice the frequencies less 2).
Tensor rfft(const Tensor& x, int64_t axis = -1);
Tensor irfft(const Tensor& x, int64_t n = 0, int64_t axis = -1);
/// Transforms of windows every `hop` elements of real x [batch, length]: [batch, n / 2 + 1, frames, 2], n the window's length. torch.stft with
/// center = false.
Tensor stft(const Tensor& x, const Tensor& window, int64_t hop);
/// Periodic unless said otherwise; float32.
Tensor hann_window(int64_t length, bool periodic = true);
Tensor hamming_window(int64_t length, bool periodic = true);
Tensor blackman_window(int64_t length, bool periodic = true);

}  // namespace gf
