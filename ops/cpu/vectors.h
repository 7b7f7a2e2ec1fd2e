// Loops over vectors of doubles that many kernels have, in the order of the elements. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <cstring>

namespace gf::cpu {

inline void set_zero(double* v, int64_t n) { std::memset(v, 0, static_cast<size_t>(n) * sizeof(double)); }
inline double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}
inline void add_scaled(double* to, double factor, const double* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += factor * from[i];
}
inline void scale(double* v, double factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) v[i] *= factor;
}

}  // namespace gf::cpu
