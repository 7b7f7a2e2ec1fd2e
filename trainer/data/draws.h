// Random numbers of the data pipeline: Philox (schema/random.h) counters in place of generators with a state. What a sample draws
// depends on (seed, epoch, index) alone, and the order of an epoch on (seed, epoch): threads and their number do not matter.
// Thread rule: an object belongs to one thread; Permutation is immutable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "schema/random.h"

namespace gf::data {

/// Which sequence of a seed: the same seed gives each purpose numbers of its own.
enum class Purpose : uint8_t { Order = 1, Sample = 2, Batch = 3, Split = 4 };

/// A stream of random numbers: word w of the stream is word w % 4 of Philox block (epoch * 2^32 + w / 4, index), key from seed and purpose.
class Draws {
 public:
  Draws() = default;
  Draws(uint64_t seed, Purpose purpose, int64_t epoch, int64_t index);

  uint32_t bits();
  double uniform();                               ///< [0, 1), 53 bits
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  int64_t below(int64_t n);                       ///< 0 .. n - 1, each equally likely; n >= 1
  bool chance(double p) { return uniform() < p; }
  double normal();                                ///< mean 0, deviation 1: Box and Muller 1958
  double gamma(double shape);                     ///< scale 1, shape > 0: Marsaglia and Tsang 2000
  double beta(double a, double b);                ///< a, b > 0; always within [0, 1]

 private:
  uint64_t key_ = 0, low_ = 0, high_ = 0;
  PhiloxBlock block_{};
  int used_ = 4;
};

/// A pseudo-random order of 0 .. n - 1 that takes no memory: a generalised Feistel network over pairs (Black and Rogaway 2002, "Ciphers
/// with arbitrary finite domains") whose rounds are Philox; numbers beyond n - 1 walk on. So few numbers that such a network would
/// favour some orders (up to 256) are shuffled by Fisher and Yates' rule instead. Integers only: the same on every machine.
class Permutation {
 public:
  Permutation() = default;
  /// n >= 0.
  Permutation(int64_t n, uint64_t seed, Purpose purpose, int64_t epoch);
  int64_t size() const { return static_cast<int64_t>(size_); }
  /// The index at a place of the order; 0 <= place < n.
  int64_t operator[](int64_t place) const;

 private:
  static constexpr size_t kFew = 256;
  uint64_t size_ = 0, rows_ = 1, columns_ = 1, key_ = 0, epoch_ = 0;
  std::array<uint8_t, kFew> few_{};               ///< the order, where size_ <= kFew
};

}  // namespace gf::data
