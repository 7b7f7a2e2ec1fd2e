#include "trainer/tensor/tensor_formula.h"

#include "schema/ops.h"
#include "trainer/tensor/recording.h"

namespace gf {

Tensor fixed_scalar(DType type, double value) {
  Tensor t = Tensor::scalar(value, type);
  t.variable().content->fixed = true;
  return t;
}

Tensor fixed_ints(std::span<const int64_t> values) {
  Tensor t = Tensor::from_array(io::Array::from(values, {static_cast<int64_t>(values.size())}));
  t.variable().content->fixed = true;
  return t;
}

Var TensorFormula::var(const Tensor& t) {
  if (!t) return {this, -1};
  DimShape shape;
  for (const int64_t d : t.shape()) shape.push(d);
  tensors_.push_back(t);
  shapes_.push_back(shape);
  return {this, static_cast<int32_t>(tensors_.size() - 1)};
}

Tensor TensorFormula::tensor(Var v) {
  if (error() != Error::Ok) throw Exception(error(), reason());
  return v ? tensors_[static_cast<size_t>(v.id)] : Tensor();
}

void TensorFormula::emit(const OpDef& op, std::span<const Var> inputs, const void* attrs, std::span<Var> outputs) {
  for (Var& v : outputs) v = {this, -1};
  if (error() != Error::Ok) return;
  std::vector<Tensor> given;
  for (const Var& v : inputs) given.push_back(v ? tensors_[static_cast<size_t>(v.id)] : Tensor());
  try {
    const std::vector<Tensor> results = apply(op, attrs, given, outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) outputs[i] = var(results[i]);
  } catch (const Exception& e) {
    message_ = e.what();
    (void)fail(e.code(), message_.c_str());
  }
}

Var TensorFormula::scalar(DType type, double value) { return var(fixed_scalar(type, value)); }
Var TensorFormula::ints(IntList values) { return var(fixed_ints(values)); }
DType TensorFormula::dtype(Var x) const { return x ? tensors_[static_cast<size_t>(x.id)].dtype() : DType::F32; }

const DimShape& TensorFormula::shape(Var x) const {
  static const DimShape kNone;
  return x ? shapes_[static_cast<size_t>(x.id)] : kNone;
}

const OpDef* TensorFormula::find_op(uint16_t id) const { return AllOps::table().find(id); }

}  // namespace gf
