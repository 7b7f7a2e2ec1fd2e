// Golden files of the trainer's tests: JSON of PyTorch's numbers, each tensor as {"shape": [...], "data": [...]}; whole numbers are int64.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "io/array.h"
#include "tests/support/paths.h"
#include "trainer/tensor/tensor.h"

namespace gf::test {

inline nlohmann::json golden_file(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(std::string(kSourceDir) + "/tests/trainer/data/" + name));
}

inline io::Array array_of(const nlohmann::json& t) {
  const auto shape = t["shape"].get<std::vector<int64_t>>();
  const bool whole = !t["data"].empty() && t["data"][0].is_number_integer();
  if (whole) return io::Array::from(t["data"].get<std::vector<int64_t>>(), shape);
  return io::Array::from(t["data"].get<std::vector<float>>(), shape);
}
inline Tensor tensor_of(const nlohmann::json& t) { return Tensor::from_array(array_of(t)); }

/// float32 against float64: 1e-5 of the value and of the largest one of its tensor.
inline void expect_near(const Tensor& have, const nlohmann::json& want, const std::string& what) {
  ASSERT_TRUE(have) << what;
  ASSERT_EQ(have.shape(), want["shape"].get<Shape64>()) << what;
  const auto a = have.array().as<double>();
  const auto b = want["data"].get<std::vector<double>>();
  double most = 0;
  for (const double v : b) most = std::max(most, std::fabs(v));
  for (size_t i = 0; i < b.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5 * (most + std::fabs(b[i])) + 1e-7) << what << "[" << i << "]";
}

}  // namespace gf::test
