// Tensors from nothing: sequences, and random numbers from Philox (schema/random.h). A random function takes one draw of a generator and
// records: inside a step the draw is an input, so that every step has new numbers and one program. No gradients.
#pragma once

#include "trainer/tensor/functions.h"

namespace gf {

/// Where random numbers come from: a key and a counter of draws; one for the process unless another is given.
class Generator {
 public:
  /// `draws`: so many were taken already (a restored state).
  explicit Generator(uint64_t seed, uint64_t draws = 0) : seed_(seed), draws_(draws) {}
  /// Uniform in [low, high), normal: float32, drawn now.
  Tensor uniform(Shape64 shape, double low, double high);
  Tensor normal(Shape64 shape, double mean, double deviation);
  /// A key for a sequence of its own (a dropout layer's masks).
  uint64_t next_key();
  /// The number of the next draw, which is taken.
  uint64_t next_draw() { return draws_++; }
  uint64_t seed() const { return seed_; }
  /// Tensors drawn so far: with the seed, all there is to restore.
  uint64_t draws() const { return draws_; }

 private:
  uint64_t seed_, draws_;
};
Generator& default_generator();
/// Sets the seed of the default generator and begins its sequence again (torch.manual_seed).
void manual_seed(uint64_t seed);

Tensor rand(const Shape64& shape, DType type = DType::F32, Generator& from = default_generator());    ///< [0, 1)
Tensor randn(const Shape64& shape, DType type = DType::F32, Generator& from = default_generator());
/// int64 in [low, high). Throws InvalidArgument where that is empty or longer than 2^53.
Tensor randint(int64_t low, int64_t high, const Shape64& shape, Generator& from = default_generator());
/// 1 with the probability that the element says, else 0; the type of p.
Tensor bernoulli(const Tensor& p, Generator& from = default_generator());
/// 0 .. n - 1 in random order: int64.
Tensor randperm(int64_t n, Generator& from = default_generator());

/// start, start + step, ... below end, computed in float64.
Tensor arange(double start, double end, double step = 1, DType type = DType::I64);
inline Tensor arange(int64_t end) { return arange(0, static_cast<double>(end)); }
/// `steps` numbers from start to end, both included.
Tensor linspace(double start, double end, int64_t steps, DType type = DType::F32);
Tensor eye(int64_t rows, int64_t columns, DType type = DType::F32);
inline Tensor eye(int64_t n) { return eye(n, n); }
inline Tensor full_like(const Tensor& x, double value) { return Tensor::full(x.shape(), value, x.dtype()); }
inline Tensor zeros_like(const Tensor& x) { return full_like(x, 0); }
inline Tensor ones_like(const Tensor& x) { return full_like(x, 1); }

}  // namespace gf
