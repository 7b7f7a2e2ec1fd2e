// Random numbers of the gradient checks.
#pragma once

#include <cstdint>
#include <vector>

namespace gf {

/// Uniform numbers in [-1, 1), the same on every machine (SplitMix64).
class Uniform {
 public:
  explicit Uniform(uint64_t seed) : state_(seed) {}
  double operator()() {
    state_ += 0x9e3779b97f4a7c15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1;
  }
  std::vector<double> vector(size_t n) {
    std::vector<double> v(n);
    for (double& x : v) x = (*this)();
    return v;
  }

 private:
  uint64_t state_;
};

}  // namespace gf
