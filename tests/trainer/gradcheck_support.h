// Helpers of the gradient tests: a graph of float64 inputs with values away from kinks and ties, and the check of it.
#pragma once

#include <set>

#include "tests/graph/graph_test_util.h"
#include "tests/support/sanitized.h"
#include "trainer/autodiff/autodiff.h"
#include "trainer/autodiff/gradcheck.h"

namespace gf::test {

/// Ops that some test checked; gradient_coverage_test.cpp reads it at the end.
inline std::set<std::string>& checked_ops() {
  static std::set<std::string> ops;
  return ops;
}

/// Distinct numbers of [low, high), evenly spread and shuffled: none equal, none at a round number.
inline std::vector<double> spread_values(size_t count, uint64_t seed, double low, double high) {
  std::vector<double> v(count);
  for (size_t i = 0; i < count; ++i) v[i] = low + (high - low) * (static_cast<double>(i) + 0.37) / static_cast<double>(count);
  Random random(seed);
  for (size_t i = count; i > 1; --i) std::swap(v[i - 1], v[static_cast<size_t>(random.integer(0, static_cast<int64_t>(i) - 1))]);
  return v;
}

struct GradNet : Net {
  NamedArrays values;

  /// A float64 input to differentiate by.
  ir::ValueId x(const std::vector<int64_t>& dims, double low = -2, double high = 2) {
    return x(std::vector<Dim>(dims.begin(), dims.end()), dims, low, high);
  }
  /// The same with a shape that has symbols; `dims` are those of the run.
  ir::ValueId x(const std::vector<Dim>& shape, const std::vector<int64_t>& dims, double low = -2, double high = 2) {
    size_t count = 1;
    for (const int64_t d : dims) count *= static_cast<size_t>(d);
    return given(shape, io::Array::from(spread_values(count, seed++, low, high), dims));
  }
  /// An int64 input.
  ir::ValueId indices(const std::vector<int64_t>& dims, const std::vector<int64_t>& contents) {
    return given(std::vector<Dim>(dims.begin(), dims.end()), io::Array::from(contents, dims));
  }
  /// A bool input, true at two of three places.
  ir::ValueId mask(const std::vector<int64_t>& dims) {
    io::Array a = io::Array::zeros(DType::Bool, dims);
    for (size_t i = 0; i < a.data.size(); ++i) a.data[i] = static_cast<std::byte>(i % 3 != 1);
    return given(std::vector<Dim>(dims.begin(), dims.end()), std::move(a));
  }
  ir::ValueId given(const std::vector<Dim>& shape, io::Array array) {
    const std::string name = "x" + std::to_string(values.size());
    const ir::ValueId v = input(name, shape, array.dtype);
    values.emplace_back(name, std::move(array));
    return v;
  }
  ir::ValueId number(double v) { return b.scalar(DType::F64, v); }
  void y(ir::ValueId v) { output("y" + std::to_string(entry.body.outputs.size()), v); }
};

/// One number that depends on every element of x: for results whose shape only running tells.
inline ir::ValueId square_sum(GradNet& n, ir::ValueId x) {
  return n.b.add<op::ReduceSum>({n.b.add<op::Mul>({x, x})}, {.keepdims = false});
}

using MakeGradNet = std::function<void(GradNet&)>;

inline GradcheckOptions second_order() {
  GradcheckOptions options;
  options.second_order = true;
  return options;
}

/// The derivatives of the graph that `make` builds; second_order() with those of the gradient.
inline void expect_gradients(const MakeGradNet& make, const GradcheckOptions& options = {}) {
  GradNet n;
  make(n);
  for (const auto& [op, count] : op_counts(n.model)) checked_ops().insert(op);
  const std::string text = ir::to_text(n.entry);
  try {
    GradcheckOptions how = options;
    if (kSanitized) how.full_jacobian = std::min<int64_t>(how.full_jacobian, 100);  // the same kernels, fewer times
    const GradcheckReport report = gradcheck(n.model, n.values, how);
    EXPECT_TRUE(report.ok) << report.text << "\n" << text;
    EXPECT_GT(report.compared, 0) << text;
  } catch (const Exception& e) {
    ADD_FAILURE() << e.what() << "\n" << text;
  }
}

/// One op on one tensor of these dims, second order too.
template <class Op>
void expect_gradients_of(const std::vector<int64_t>& dims, const typename Op::Attrs& attrs = {}, double low = -2, double high = 2) {
  SCOPED_TRACE(Op::info.name);
  expect_gradients([&](GradNet& n) { n.y(n.b.add<Op>({n.x(dims, low, high)}, attrs)); }, second_order());
}

}  // namespace gf::test
