#include "trainer/data/draws.h"

#include <cmath>
#include <numbers>

namespace gf::data {
namespace {

// Of counters that no stream uses: the upper half is all ones.
uint64_t key_of(uint64_t seed, Purpose purpose) {
  const PhiloxBlock words = philox4x32(static_cast<uint64_t>(purpose), ~uint64_t{0}, seed);
  return static_cast<uint64_t>(words[0]) << 32 | words[1];
}

constexpr uint64_t kRounds = 8;

}  // namespace

Draws::Draws(uint64_t seed, Purpose purpose, int64_t epoch, int64_t index)
    : key_(key_of(seed, purpose)), low_(static_cast<uint64_t>(epoch) << 32), high_(static_cast<uint64_t>(index)) {}

uint32_t Draws::bits() {
  if (used_ == 4) {
    block_ = philox4x32(low_++, high_, key_);
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

double Draws::uniform() {
  const uint32_t high = bits();
  return uniform_f64(high, bits());
}

int64_t Draws::below(int64_t n) {
  const auto range = static_cast<uint64_t>(n);
  const uint64_t uneven = (uint64_t{0} - range) % range;  // 2^64 mod n: that many numbers would come once too often
  for (;;) {
    const uint64_t high = bits();
    if (const uint64_t word = high << 32 | bits(); word >= uneven) return static_cast<int64_t>(word % range);
  }
}

double Draws::normal() {
  const double r = std::sqrt(-2 * std::log(1 - uniform()));
  return r * std::cos(2 * std::numbers::pi * uniform());
}

double Draws::gamma(double shape) {
  if (shape < 1) {
    const double u = 1 - uniform();
    return gamma(shape + 1) * std::pow(u, 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(), t = 1 + c * x, v = t * t * t;
    if (t > 0 && std::log(1 - uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

double Draws::beta(double a, double b) {
  const double x = gamma(a), y = gamma(b);
  return x + y > 0 ? x / (x + y) : 0.5;  // both can vanish for tiny a and b
}

Permutation::Permutation(int64_t n, uint64_t seed, Purpose purpose, int64_t epoch)
    : size_(static_cast<uint64_t>(n)), key_(key_of(seed, purpose)), epoch_(static_cast<uint64_t>(epoch)) {
  if (size_ <= kFew) {
    Draws draws(seed, purpose, epoch, -1);
    for (size_t i = 0; i < size_; ++i) {
      const auto at = static_cast<size_t>(draws.below(static_cast<int64_t>(i) + 1));
      few_[i] = few_[at];
      few_[at] = static_cast<uint8_t>(i);
    }
    return;
  }
  // about square, and little larger than n: few numbers walk
  rows_ = static_cast<uint64_t>(std::sqrt(static_cast<double>(size_)));
  while (rows_ * rows_ < size_) ++rows_;
  columns_ = (size_ + rows_ - 1) / rows_;
}

int64_t Permutation::operator[](int64_t place) const {
  if (size_ <= kFew) return few_[static_cast<size_t>(place)];
  auto x = static_cast<uint64_t>(place);
  do {
    uint64_t row = x / columns_, column = x % columns_;
    for (uint64_t round = 0; round < kRounds; round += 2) {
      const PhiloxBlock r = philox4x32(column, epoch_ << 8 | round, key_);
      row = (row + (static_cast<uint64_t>(r[0]) << 32 | r[1]) % rows_) % rows_;
      const PhiloxBlock c = philox4x32(row, epoch_ << 8 | (round + 1), key_);
      column = (column + (static_cast<uint64_t>(c[0]) << 32 | c[1]) % columns_) % columns_;
    }
    x = row * columns_ + column;
  } while (x >= size_);
  return static_cast<int64_t>(x);
}

}  // namespace gf::data
