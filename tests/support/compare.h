// Comparing numbers with a tolerance, and saying usefully where they differ.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>

namespace gf::test {

/// |actual - expected| <= absolute + relative * |expected|, the rule of numpy.allclose and ONNX's test runner.
struct Tolerance {
  double relative = 0;
  double absolute = 0;
};

struct Difference {
  int64_t first = -1;     ///< index of the first element outside the tolerance, -1 when there is none
  int64_t count = 0;      ///< elements outside the tolerance
  double max_absolute = 0;
  double max_relative = 0;  ///< over elements whose expected value is not 0
};

/// NaN equals NaN only, infinity equals only itself (with its sign); +0 and -0 are equal.
template <class T>
bool is_close(T actual, T expected, Tolerance tolerance) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(actual) || std::isnan(expected)) return std::isnan(actual) && std::isnan(expected);
    if (std::isinf(actual) || std::isinf(expected)) return actual == expected;
  }
  if (actual == expected) return true;
  const auto a = static_cast<double>(actual);
  const auto e = static_cast<double>(expected);
  return std::abs(a - e) <= tolerance.absolute + tolerance.relative * std::abs(e);
}

template <class T>
Difference difference(std::span<const T> actual, std::span<const T> expected, Tolerance tolerance) {
  Difference result;
  for (size_t i = 0; i < actual.size() && i < expected.size(); ++i) {
    if (!is_close(actual[i], expected[i], tolerance)) {
      if (result.count++ == 0) result.first = static_cast<int64_t>(i);
    }
    const double distance = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    if (!std::isfinite(distance)) continue;
    result.max_absolute = std::max(result.max_absolute, distance);
    if (const double size = std::abs(static_cast<double>(expected[i])); size > 0)
      result.max_relative = std::max(result.max_relative, distance / size);
  }
  return result;
}

/// For EXPECT_TRUE(all_close(actual, expected, {.relative = 1e-5})).
template <class T>
::testing::AssertionResult all_close(std::span<const T> actual, std::span<const T> expected, Tolerance tolerance) {
  if (actual.size() != expected.size())
    return ::testing::AssertionFailure() << actual.size() << " elements, expected " << expected.size();
  const Difference d = difference(actual, expected, tolerance);
  if (d.count == 0) return ::testing::AssertionSuccess();
  const auto i = static_cast<size_t>(d.first);
  return ::testing::AssertionFailure() << d.count << " of " << actual.size() << " elements differ; first at " << i << ": "
                                       << +actual[i] << ", expected " << +expected[i] << "; largest difference "
                                       << d.max_absolute << " absolute, " << d.max_relative << " relative (allowed "
                                       << tolerance.absolute << " + " << tolerance.relative << " * |expected|)";
}
template <class A, class B>
::testing::AssertionResult all_close(const A& actual, const B& expected, Tolerance tolerance) {
  using T = std::remove_cvref_t<decltype(actual[0])>;
  return all_close<T>(std::span<const T>(actual), std::span<const T>(expected), tolerance);
}

}  // namespace gf::test
