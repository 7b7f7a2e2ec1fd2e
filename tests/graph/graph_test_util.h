// Helpers for tests of passes: a small graph made by a function, run before and after passes on the same random inputs.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "facade/convert.h"
#include "facade/host_run.h"
#include "graph/emit/emit.h"
#include "graph/ir/builder.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"
#include "runtime/core/half.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"

namespace gf::test {

/// A graph under construction: entry "main" with a builder on its body.
struct Net {
  ir::Model model;
  ir::Entry& entry;
  ir::Builder b;
  uint64_t seed = 1;

  Net() : entry(*model.entries.emplace_back(std::make_unique<ir::Entry>())), b(entry, entry.body) {}

  ir::ValueId input(const std::string& name, const std::vector<Dim>& dims, DType type = DType::F32) {
    DimShape shape;
    for (const Dim& d : dims) shape.push(d);
    return entry.add_input(name, type, shape);
  }
  Dim symbol(const std::string& name) { return entry.symbols.symbol(name, 1, 8); }
  void output(const std::string& name, ir::ValueId v) {
    entry.value(v).name = name;
    entry.body.outputs.push_back(v);
  }
  /// Random constant; a seed of its own for each.
  ir::ValueId weights(const std::vector<int64_t>& dims, double low = -1, double high = 1) {
    size_t count = 1;
    for (int64_t d : dims) count *= static_cast<size_t>(d);
    return entry.add_constant(ir::make_floats(random_vector<float>(count, seed++, low, high), dims));
  }
  ir::ValueId number(double v) { return b.scalar(DType::F32, v); }
};
using MakeNet = std::function<void(Net&)>;
using Shapes = std::map<std::string, std::vector<int64_t>>;

/// How often each op stands in the model.
inline std::map<std::string, int> op_counts(const ir::Model& model) {
  std::map<std::string, int> counts;
  for (const auto& e : model.entries)
    for (const auto& n : e->body.nodes) ++counts[n->def->info.name];
  return counts;
}

inline std::vector<std::pair<std::string, HostTensor>> run_net(Net& net, const Shapes& shapes) {
  ir::check(net.model);
  std::vector<std::pair<std::string, HostTensor>> inputs;
  uint64_t seed = 77;
  for (ir::ValueId v : net.entry.body.inputs) {
    const ir::Value& value = net.entry.value(v);
    std::vector<int64_t> dims;
    for (int d = 0; d < value.shape.rank; ++d) dims.push_back(value.shape[d].lo);
    if (const auto it = shapes.find(value.name); it != shapes.end()) dims = it->second;
    HostTensor t = HostTensor::zeros(value.dtype, dims);
    const auto n = static_cast<size_t>(t.count());
    if (value.dtype == DType::F32) fill_random<float>({reinterpret_cast<float*>(t.data.data()), n}, seed++, -2, 2);
    if (value.dtype == DType::F16) {
      const auto v = random_vector<float>(n, seed++, -2, 2);
      for (size_t i = 0; i < n; ++i) reinterpret_cast<F16*>(t.data.data())[i] = to_f16(v[i]);
    }
    if (value.dtype == DType::Bool)
      for (size_t i = 0; i < n; ++i) t.data[i] = static_cast<std::byte>(i % 3 != 1);
    inputs.emplace_back(value.name, std::move(t));
  }
  ModelOptions options;
  options.xnnpack = false;
  Model model = Model::from_bytes(emit(net.model), options);
  return run_named(model, inputs);
}

using PassFn = int (*)(ir::Model&, const PassOptions&);

/// Builds the graph twice, applies `passes` to the second, expects equal outputs, and returns the op counts after.
inline std::map<std::string, int> optimised(const MakeNet& make, const std::vector<PassFn>& passes,
                                            const Shapes& shapes = {}, Tolerance tolerance = {1e-5, 1e-5}) {
  Net plain, fast;
  make(plain);
  make(fast);
  PassOptions options;
  options.evaluator = make_evaluator(default_tables(false));
  for (PassFn pass : passes) {
    pass(fast.model, options);
    ir::check(fast.model);
    remove_dead(fast.model, options);
  }
  const auto counts = op_counts(fast.model);
  const std::string text = ir::to_text(fast.entry);
  const auto expected = run_net(plain, shapes), actual = run_net(fast, shapes);
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size() && i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].first, expected[i].first);
    EXPECT_EQ(actual[i].second.shape, expected[i].second.shape) << text;
    EXPECT_EQ(actual[i].second.dtype, expected[i].second.dtype);
    if (expected[i].second.dtype != DType::F32) {
      EXPECT_EQ(actual[i].second.data, expected[i].second.data) << text;
      continue;
    }
    const auto floats = [](const HostTensor& t) {
      return std::span<const float>(reinterpret_cast<const float*>(t.data.data()), static_cast<size_t>(t.count()));
    };
    EXPECT_TRUE(all_close<float>(floats(actual[i].second), floats(expected[i].second), tolerance)) << text;
  }
  return counts;
}

inline int count_of(const std::map<std::string, int>& counts, const std::string& op) {
  const auto it = counts.find(op);
  return it == counts.end() ? 0 : it->second;
}

}  // namespace gf::test
