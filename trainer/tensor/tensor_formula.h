// TensorFormula: the words of schema/formula.h on tensors, so that a loss or a layer written once as maths can be recorded here and
// built into a graph there (graph/ir/formula.h).
#pragma once

#include <deque>
#include <vector>

#include "schema/formula.h"
#include "trainer/tensor/tensor.h"

namespace gf {

class TensorFormula final : public Formula {
 public:
  Var var(const Tensor& t);
  /// Throws gf::Exception: the first failure, with its reason.
  Tensor tensor(Var v);

  void emit(const OpDef& op, std::span<const Var> inputs, const void* attrs, std::span<Var> outputs) override;
  Var scalar(DType type, double value) override;
  Var ints(IntList values) override;
  using Formula::ints;
  DType dtype(Var x) const override;
  const DimShape& shape(Var x) const override;
  const OpDef* find_op(uint16_t id) const override;

 private:
  std::vector<Tensor> tensors_;
  std::deque<DimShape> shapes_;
  std::string message_;
};

/// A number or a list as part of the structure: programs with other contents are other programs.
Tensor fixed_scalar(DType type, double value);
Tensor fixed_ints(std::span<const int64_t> values);

}  // namespace gf
