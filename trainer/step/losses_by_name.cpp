#include "trainer/step/losses_by_name.h"

#include <algorithm>

#include "runtime/core/exception.h"
#include "schema/ops/equal.h"
#include "trainer/nn/functional.h"
#include "trainer/nn/losses.h"
#include "trainer/tensor/functions_movement.h"

namespace gf {
namespace {

// The last axis as axis 1.
Tensor class_last(const Tensor& x) {
  Shape64 order(x.shape().size());
  for (size_t d = 0; d < order.size(); ++d) order[d] = static_cast<int64_t>(d);
  if (order.size() > 2) std::rotate(order.begin() + 1, order.end() - 1, order.end());
  return order.size() > 2 ? permute(x, order) : x;
}

using Target = NamedLoss::Target;
constexpr NamedLoss kLosses[] = {
    {"cross_entropy", Target::Class, [](const Tensor& x, const Tensor& t) { return nn::cross_entropy(x, t); }},
    {"cross_entropy_last", Target::LastClass, [](const Tensor& x, const Tensor& t) { return nn::cross_entropy(class_last(x), t); }},
    {"nll", Target::Class, [](const Tensor& x, const Tensor& t) { return nn::nll_loss(x, t); }},
    {"mse", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::mse_loss(x, t); }},
    {"l1", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::l1_loss(x, t); }},
    {"smooth_l1", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::smooth_l1_loss(x, t); }},
    {"huber", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::huber_loss(x, t); }},
    {"bce", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::binary_cross_entropy(x, t); }},
    {"bce_with_logits", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::binary_cross_entropy_with_logits(x, t); }},
    {"hinge", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::hinge_loss(x, t); }},
    {"focal", Target::Like, [](const Tensor& x, const Tensor& t) { return nn::focal_loss(x, t); }},
};

}  // namespace

Tensor NamedLoss::target_of(const Tensor& prediction) const {
  Shape64 shape = prediction.shape();
  if (!of_classes()) return Tensor::zeros(shape, prediction.dtype());
  if (shape.empty()) throw Exception(Error::ShapeMismatch, std::string(name) + ": the prediction is one number, not scores of classes");
  shape.erase(shape.begin() + class_axis(prediction.rank()));
  return Tensor::zeros(shape, DType::I64);
}

Tensor NamedLoss::distilled(const Tensor& student, const Tensor& teacher, const Tensor& t, double temperature, double alpha) const {
  if (!of_classes() || std::string_view(name) == "nll") throw Exception(Error::InvalidArgument, std::string("a teacher goes with cross_entropy and cross_entropy_last, not with ") + name);
  const bool last = target == Target::LastClass;
  return nn::distillation_loss(last ? class_last(student) : student, last ? class_last(teacher) : teacher, t, temperature, alpha);
}

Tensor NamedLoss::accuracy(const Tensor& prediction, const Tensor& target) const {
  return mean(cast(apply<op::Equal>({argmax(prediction, class_axis(prediction.rank())), target}), DType::F32));
}

const NamedLoss& loss_named(const std::string& name) {
  std::string names;
  for (const NamedLoss& l : kLosses) {
    if (name == l.name) return l;
    names += (names.empty() ? "" : ", ") + std::string(l.name);
  }
  throw Exception(Error::InvalidArgument, "there is no loss '" + name + "'; there are: " + names);
}

std::vector<std::string> loss_names() {
  std::vector<std::string> names;
  for (const NamedLoss& l : kLosses) names.emplace_back(l.name);
  return names;
}

}  // namespace gf
