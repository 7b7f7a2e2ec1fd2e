#include "trainer/nn/positions.h"

#include <cmath>

#include "runtime/core/exception.h"
#include "schema/ops/rotary_embedding.h"
#include "trainer/nn/init.h"
#include "trainer/tensor/functions_creation.h"
#include "trainer/tensor/recording.h"

namespace gf::nn {
namespace {

void expect_pairs(const char* function, int64_t length, int64_t dim) {
  if (length < 0 || dim < 2 || dim % 2 != 0)
    throw Exception(Error::InvalidArgument, std::string(function) + ": " + std::to_string(length) + " positions of " + std::to_string(dim) + " numbers; an even number is needed");
}

Tensor floats(const std::vector<double>& v, Shape64 shape) { return Tensor::from(std::vector<float>(v.begin(), v.end()), std::move(shape)); }

// position / base^(2i / dim).
double angle(int64_t position, int64_t pair, int64_t dim, double base) {
  return static_cast<double>(position) / std::pow(base, static_cast<double>(2 * pair) / static_cast<double>(dim));
}

}  // namespace

Tensor sinusoidal_positions(int64_t length, int64_t dim) {
  expect_pairs("sinusoidal_positions", length, dim);
  std::vector<double> v;
  for (int64_t p = 0; p < length; ++p)
    for (int64_t i = 0; i < dim / 2; ++i)
      for (const double x : {std::sin(angle(p, i, dim, 10000)), std::cos(angle(p, i, dim, 10000))}) v.push_back(x);
  return floats(v, {length, dim});
}

LearnedPositions::LearnedPositions(int64_t most, int64_t dim) { weight = register_parameter("weight", init::normal({most, dim})); }

RotaryTables rotary_tables(int64_t length, int64_t dim, double base) {
  expect_pairs("rotary_tables", length, dim);
  std::vector<double> cos, sin;
  for (int64_t p = 0; p < length; ++p)
    for (int64_t i = 0; i < dim / 2; ++i) {
      cos.push_back(std::cos(angle(p, i, dim, base)));
      sin.push_back(std::sin(angle(p, i, dim, base)));
    }
  return {floats(cos, {length, dim / 2}), floats(sin, {length, dim / 2})};
}

Tensor rotary(const Tensor& x, const RotaryTables& tables, const Tensor& positions, bool interleaved) {
  const lazy::Call call("rotary");
  if (x.rank() != 4) throw Exception(Error::ShapeMismatch, "rotary: the input has shape " + io::shape_text(x.shape()) + "; [batch, heads, length, dim] is needed");
  const Tensor ids = positions ? positions : arange(x.size(2));
  return apply<op::RotaryEmbedding>({x, cast(tables.cos, x.dtype()), cast(tables.sin, x.dtype()), ids.rank() == 1 ? unsqueeze(ids, 0) : ids}, {.interleaved = interleaved});
}

Tensor alibi_slopes(int64_t heads) {
  if (heads < 1) throw Exception(Error::InvalidArgument, "alibi_slopes: " + std::to_string(heads) + " heads");
  int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<double> v;
  for (int64_t i = 1; i <= power; ++i) v.push_back(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(power)));
  for (int64_t i = 1; static_cast<int64_t>(v.size()) < heads; i += 2) v.push_back(std::exp2(-4.0 * static_cast<double>(i) / static_cast<double>(power)));
  return floats(v, {heads});
}

Tensor alibi_bias(int64_t heads, int64_t queries, int64_t keys) {
  const std::vector<double> slopes = alibi_slopes(heads).array().as<double>();
  std::vector<double> v;
  for (const double slope : slopes)
    for (int64_t q = 0; q < queries; ++q)
      for (int64_t k = 0; k < keys; ++k) v.push_back(slope * static_cast<double>(k - q - (keys - queries)));
  return floats(v, {heads, queries, keys});
}

}  // namespace gf::nn
