#include "trainer/tensor/functions_creation.h"

#include <cmath>
#include <numbers>

#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "schema/random.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/functions_movement.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf {
namespace {

using lazy::Call;

size_t elements(const Shape64& shape) { return static_cast<size_t>(io::element_count(shape, "a random tensor")); }

// Element i takes word i % 4 of block i / 4.
std::vector<double> uniforms(uint64_t seed, uint64_t draw, size_t count) {
  std::vector<double> v(count);
  PhiloxBlock block{};
  for (size_t i = 0; i < count; ++i) {
    if (i % 4 == 0) block = philox4x32(i / 4, draw, seed);
    v[i] = static_cast<double>(uniform_f32(block[i % 4]));
  }
  return v;
}

Tensor floats(const std::vector<double>& v, Shape64 shape) { return Tensor::from(std::vector<float>(v.begin(), v.end()), std::move(shape)); }

int64_t key_of(const Generator& g) { return static_cast<int64_t>(g.seed()); }
Tensor draw_of(Generator& g) { return Tensor::from<int64_t>({static_cast<int64_t>(g.next_draw())}, {}); }

// Known numbers in a type: computed in float64.
Tensor numbers(const std::vector<double>& v, Shape64 shape, DType type) {
  if (dtype_is_int(type)) {
    std::vector<int64_t> whole;
    for (const double x : v) whole.push_back(static_cast<int64_t>(x));
    return cast(Tensor::from(whole, std::move(shape)), type);
  }
  return type == DType::F32 ? floats(v, std::move(shape)) : cast(Tensor::from(v, std::move(shape)), type);
}

}  // namespace

Tensor Generator::uniform(Shape64 shape, double low, double high) {
  std::vector<double> v = uniforms(seed_, draws_++, elements(shape));
  for (double& x : v) x = low + (high - low) * x;
  return floats(v, std::move(shape));
}

Tensor Generator::normal(Shape64 shape, double mean, double deviation) {
  const size_t n = elements(shape), pairs = (n + 1) / 2;
  const std::vector<double> u = uniforms(seed_, draws_++, 2 * pairs);
  std::vector<double> v(2 * pairs);
  for (size_t i = 0; i < pairs; ++i) {  // Box and Muller 1958
    const double r = std::sqrt(-2 * std::log(1 - u[2 * i])), angle = 2 * std::numbers::pi * u[2 * i + 1];
    v[2 * i] = mean + deviation * r * std::cos(angle);
    v[2 * i + 1] = mean + deviation * r * std::sin(angle);
  }
  v.resize(n);
  return floats(v, std::move(shape));
}

uint64_t Generator::next_key() {
  const PhiloxBlock words = philox4x32(~uint64_t{0}, draws_++, seed_);
  return static_cast<uint64_t>(words[0]) << 32 | words[1];
}

Generator& default_generator() {
  static Generator g(0);
  return g;
}
void manual_seed(uint64_t seed) { default_generator() = Generator(seed); }

Tensor rand(const Shape64& shape, DType type, Generator& from) {
  const Call call("rand");
  return apply<op::RandomUniform>({fixed_ints(shape), draw_of(from)}, {.dtype = type, .seed = key_of(from)});
}
Tensor randn(const Shape64& shape, DType type, Generator& from) {
  const Call call("randn");
  return apply<op::RandomNormal>({fixed_ints(shape), draw_of(from)}, {.dtype = type, .seed = key_of(from)});
}
Tensor randint(int64_t low, int64_t high, const Shape64& shape, Generator& from) {
  const Call call("randint");
  const double span = static_cast<double>(high) - static_cast<double>(low);
  if (!(span >= 1 && span <= 0x1p53))
    throw Exception(Error::InvalidArgument, "randint: the interval [" + std::to_string(low) + ", " + std::to_string(high) + ") is empty or too long");
  return cast(floor(rand(shape, DType::F64, from) * span), DType::I64) + static_cast<double>(low);
}
Tensor bernoulli(const Tensor& p, Generator& from) {
  const Call call("bernoulli");
  return apply<op::Bernoulli>({p, draw_of(from)}, {.dtype = p.dtype(), .seed = key_of(from)});
}
Tensor randperm(int64_t n, Generator& from) {
  const Call call("randperm");
  return argsort(rand({n}, DType::F64, from));
}

Tensor arange(double start, double end, double step, DType type) {
  const double count = std::ceil((end - start) / step);
  if (!(count < 0x1p53) || !std::isfinite(start) || count < 0)
    throw Exception(Error::InvalidArgument, "arange: from " + std::to_string(start) + " to " + std::to_string(end) + " by steps of " + std::to_string(step));
  std::vector<double> v(static_cast<size_t>(count));
  for (size_t i = 0; i < v.size(); ++i) v[i] = start + step * static_cast<double>(i);
  return numbers(v, {static_cast<int64_t>(v.size())}, type);
}
Tensor linspace(double start, double end, int64_t steps, DType type) {
  if (steps < 0) throw Exception(Error::InvalidArgument, "linspace: " + std::to_string(steps) + " steps");
  std::vector<double> v(static_cast<size_t>(steps));
  for (size_t i = 0; i < v.size(); ++i) v[i] = steps == 1 ? start : start + (end - start) * (static_cast<double>(i) / static_cast<double>(steps - 1));
  return numbers(v, {steps}, type);
}
Tensor eye(int64_t rows, int64_t columns, DType type) {
  if (rows < 0 || columns < 0) throw Exception(Error::InvalidArgument, "eye: " + std::to_string(rows) + " rows and " + std::to_string(columns) + " columns");
  std::vector<double> v(elements({rows, columns}));
  for (int64_t i = 0; i < std::min(rows, columns); ++i) v[static_cast<size_t>(i * columns + i)] = 1;
  return numbers(v, {rows, columns}, type);
}

}  // namespace gf
