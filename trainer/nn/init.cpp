#include "trainer/nn/init.h"

#include <algorithm>
#include <cmath>

#include "runtime/core/exception.h"
#include "trainer/tensor/tensor_formula.h"

namespace gf::nn {
namespace {

int no_init_depth = 0;
Tensor not_drawn(const Shape64& shape) { return expand(fixed_scalar(DType::F32, 0), shape); }

size_t elements(const Shape64& shape) { return static_cast<size_t>(io::element_count(shape, "init")); }

Tensor floats(const std::vector<double>& v, Shape64 shape) { return Tensor::from(std::vector<float>(v.begin(), v.end()), std::move(shape)); }

double leaky_gain(double a) { return std::sqrt(2 / (1 + a * a)); }

}  // namespace

NoInit::NoInit() { ++no_init_depth; }
NoInit::~NoInit() { --no_init_depth; }

namespace init {

Fan fan_of(const Shape64& shape) {
  if (shape.size() < 2) throw Exception(Error::ShapeMismatch, "init: a tensor of shape " + io::shape_text(shape) + " has no fan in and fan out");
  int64_t field = 1;
  for (size_t d = 2; d < shape.size(); ++d) field *= shape[d];
  return {shape[1] * field, shape[0] * field};
}

static double fan(const Shape64& shape, FanMode mode) {
  const Fan f = fan_of(shape);
  return static_cast<double>(mode == FanMode::In ? f.in : f.out);
}

Tensor uniform(Shape64 shape, double low, double high) {
  return no_init_depth > 0 ? not_drawn(shape) : default_generator().uniform(std::move(shape), low, high);
}
Tensor normal(Shape64 shape, double mean, double deviation) {
  return no_init_depth > 0 ? not_drawn(shape) : default_generator().normal(std::move(shape), mean, deviation);
}

Tensor trunc_normal(Shape64 shape, double mean, double deviation, double low, double high) {
  if (!(low < high)) throw Exception(Error::InvalidArgument, "trunc_normal: the interval is empty");
  if (no_init_depth > 0) return not_drawn(shape);
  const size_t n = elements(shape);
  std::vector<float> v;
  while (v.size() < n)
    for (const float x : normal({static_cast<int64_t>(n)}, mean, deviation).to_vector<float>())
      if (v.size() < n && static_cast<double>(x) >= low && static_cast<double>(x) <= high) v.push_back(x);
  return Tensor::from(v, std::move(shape));
}

Tensor xavier_uniform(Shape64 shape, double gain) {
  const Fan f = fan_of(shape);
  const double bound = gain * std::sqrt(6.0 / static_cast<double>(f.in + f.out));
  return uniform(std::move(shape), -bound, bound);
}
Tensor xavier_normal(Shape64 shape, double gain) {
  const Fan f = fan_of(shape);
  return normal(std::move(shape), 0, gain * std::sqrt(2.0 / static_cast<double>(f.in + f.out)));
}
Tensor kaiming_uniform(Shape64 shape, double a, FanMode mode) {
  const double bound = leaky_gain(a) * std::sqrt(3.0 / fan(shape, mode));
  return uniform(std::move(shape), -bound, bound);
}
Tensor kaiming_normal(Shape64 shape, double a, FanMode mode) {
  const double deviation = leaky_gain(a) / std::sqrt(fan(shape, mode));
  return normal(std::move(shape), 0, deviation);
}
Tensor fan_in_uniform(Shape64 shape, int64_t fan_in) {
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  return uniform(std::move(shape), -bound, bound);
}

Tensor orthogonal(Shape64 shape, double gain) {
  (void)fan_of(shape);
  if (no_init_depth > 0) return not_drawn(shape);
  const auto rows = static_cast<size_t>(shape[0]), columns = rows == 0 ? 0 : elements(shape) / rows;
  const bool tall = rows > columns;
  const size_t n = tall ? columns : rows, length = tall ? rows : columns;
  const std::vector<double> random = normal({static_cast<int64_t>(n), static_cast<int64_t>(length)}).array().as<double>();
  std::vector<std::vector<double>> basis;
  for (size_t i = 0; i < n; ++i) {
    std::vector<double> v(random.begin() + static_cast<ptrdiff_t>(i * length), random.begin() + static_cast<ptrdiff_t>((i + 1) * length));
    for (int twice = 0; twice < 2; ++twice)
      for (const auto& b : basis) {
        double dot = 0;
        for (size_t k = 0; k < length; ++k) dot += b[k] * v[k];
        for (size_t k = 0; k < length; ++k) v[k] -= dot * b[k];
      }
    double norm = 0;
    for (const double x : v) norm += x * x;
    for (double& x : v) x /= std::sqrt(norm);
    basis.push_back(std::move(v));
  }
  std::vector<double> out(rows * columns);
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < columns; ++c) out[r * columns + c] = gain * (tall ? basis[c][r] : basis[r][c]);
  return floats(out, std::move(shape));
}

Tensor dirac(Shape64 shape, int64_t groups) {
  if (shape.size() < 3 || groups < 1 || shape[0] % groups != 0)
    throw Exception(Error::InvalidArgument, "dirac: a weight of shape " + io::shape_text(shape) + " in " + std::to_string(groups) + " groups");
  const int64_t per_group = shape[0] / groups;
  int64_t kernel = 1, middle = 0;
  for (size_t d = 2; d < shape.size(); ++d) {
    kernel *= shape[d];
    middle = middle * shape[d] + shape[d] / 2;
  }
  std::vector<double> v(elements(shape), 0);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t c = 0; c < std::min(per_group, shape[1]); ++c) v[static_cast<size_t>(((g * per_group + c) * shape[1] + c) * kernel + middle)] = 1;
  return floats(v, std::move(shape));
}

}  // namespace init
}  // namespace gf::nn
