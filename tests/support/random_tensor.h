// Seeded test numbers that are the same with every compiler and standard library (std distributions are not).
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace gf::test {

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15U;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// In [0, 1), with 53 random bits.
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * unit(); }
  /// In [low, high]; the small bias of the remainder does not matter to tests.
  int64_t integer(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(bits() % (static_cast<uint64_t>(high - low) + 1));
  }

 private:
  uint64_t state_;
};

/// Floating types: uniform in [low, high). Integers: whole numbers in [low, high].
template <class T>
void fill_random(std::span<T> values, uint64_t seed, double low = -1, double high = 1) {
  Random random(seed);
  for (T& value : values) {
    if constexpr (std::is_floating_point_v<T>)
      value = static_cast<T>(random.uniform(low, high));
    else
      value = static_cast<T>(random.integer(static_cast<int64_t>(low), static_cast<int64_t>(high)));
  }
}
template <class T>
std::vector<T> random_vector(size_t count, uint64_t seed, double low = -1, double high = 1) {
  std::vector<T> values(count);
  fill_random<T>(values, seed, low, high);
  return values;
}

}  // namespace gf::test
