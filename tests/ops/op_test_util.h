// Helpers for tests of single ops: tensors in a line, a thread pool that hurts, comparison with tolerances.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "facade/evaluate.h"
#include "ops/cpu/op_util.h"
#include "runtime/core/exception.h"
#include "schema/ops.h"
#include "tests/support/test_threads.h"

namespace gf::test {

/// A tensor of `dtype` from numbers, converted as the kernels' own store does (exact for representable numbers).
template <class C = double>
HostTensor tensor(DType dtype, std::vector<int64_t> shape, const std::vector<C>& values) {
  HostTensor t = HostTensor::zeros(dtype, std::move(shape));
  if (static_cast<size_t>(t.count()) != values.size()) throw std::runtime_error("test tensor of the wrong size");
  cpu::store(dtype, t.data.data(), 0, static_cast<int64_t>(values.size()), values.data());
  return t;
}
inline HostTensor f32(std::vector<int64_t> shape, const std::vector<float>& values) {
  return tensor<float>(DType::F32, std::move(shape), values);
}
inline HostTensor i64(std::vector<int64_t> shape, const std::vector<int64_t>& values) {
  return tensor<int64_t>(DType::I64, std::move(shape), values);
}
inline HostTensor boolean(std::vector<int64_t> shape, const std::vector<uint64_t>& values) {
  return tensor<uint64_t>(DType::Bool, std::move(shape), values);
}

/// Threads made anew for each call, tasks dealt out backwards: order and worker numbers differ from the serial run as
/// much as they can.
struct RoughParallel {
  int threads = 3;
  static void run(void* context, int64_t tasks, ParallelFor::Body body, void* argument) {
    const int n = static_cast<RoughParallel*>(context)->threads;
    run_on_threads(n, [=](int w) {
      for (int64_t t = tasks - 1 - w; t >= 0; t -= n) body(argument, t, w);
    });
  }
  ParallelFor get() { return {run, this, threads}; }
};

/// One output of an op on the portable kernel.
template <class Op>
HostTensor run_one(const HostInputs& inputs, const Attributes& attributes = {}) {
  return evaluate(op_def<Op>, attributes, inputs, default_tables())[0];
}

/// Evaluating must fail with `code`, and the sentence must contain `part`.
template <class Op>
void expect_error(Error code, const std::string& part, const HostInputs& inputs, const Attributes& attributes = {}) {
  try {
    evaluate(op_def<Op>, attributes, inputs, default_tables());
    ADD_FAILURE() << Op::info.name << ": no error";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

/// |actual - expected| <= atol + rtol * |expected|; NaN matches NaN; integers and infinities must be equal.
inline ::testing::AssertionResult close(const HostTensor& actual, const HostTensor& expected, double rtol, double atol) {
  if (actual.dtype != expected.dtype) return ::testing::AssertionFailure() << "type " << dtype_name(actual.dtype);
  if (actual.shape != expected.shape) return ::testing::AssertionFailure() << "shape " << io::shape_text(actual.shape);
  if (rtol == 0.0 && atol == 0.0 && actual.data == expected.data) return ::testing::AssertionSuccess();
  const int64_t count = expected.count();
  std::vector<double> a(static_cast<size_t>(count)), e(a);
  cpu::load(actual.dtype, actual.data.data(), 0, 1, count, a.data());
  cpu::load(expected.dtype, expected.data.data(), 0, 1, count, e.data());
  if (dtype_is_int(actual.dtype) && actual.data != expected.data) {
    for (size_t k = 0; k < a.size(); ++k)
      if (a[k] != e[k]) return ::testing::AssertionFailure() << "element " << k << " is " << a[k] << ", not " << e[k];
    return ::testing::AssertionFailure() << "integers differ beyond 2^53";
  }
  for (size_t k = 0; k < a.size(); ++k) {
    if (std::isnan(e[k]) ? std::isnan(a[k]) : a[k] == e[k]) continue;
    if (std::isfinite(e[k]) && std::fabs(a[k] - e[k]) <= atol + rtol * std::fabs(e[k])) continue;
    return ::testing::AssertionFailure() << "element " << k << " is " << a[k] << ", not " << e[k];
  }
  return ::testing::AssertionSuccess();
}

}  // namespace gf::test
