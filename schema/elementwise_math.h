// Scalar formulas that several elementwise ops share, in the form that neither overflows nor cancels.
#pragma once

#include <cmath>

namespace gf::math {

/// 1 / (1 + e^-x); the exponent is never positive, so small results do not vanish early.
template <class T>
T sigmoid(T x) {
  const T e = std::exp(-std::fabs(x));
  return x < T(0) ? e / (T(1) + e) : T(1) / (T(1) + e);
}

/// ln(1 + e^x). NaN stays NaN, +inf gives +inf.
template <class T>
T softplus(T x) {
  if (!(x > T(0))) return std::log1p(std::exp(x));
  return x + std::log1p(std::exp(-x));
}

/// x limited to [low, high]; high wins when the limits are crossed; NaN stays NaN.
template <class T>
T clamp(T x, T low, T high) {
  const T y = x < low ? low : x;
  return y > high ? high : y;
}

}  // namespace gf::math
