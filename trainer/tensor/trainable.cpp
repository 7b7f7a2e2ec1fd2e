#include "trainer/tensor/trainable.h"

#include <cmath>
#include <set>

#include "trainer/tensor/recording.h"

namespace gf {

using lazy::ContentPtr;
using lazy::Variable;

Trainable::Trainable(std::vector<Tensor> parameters, std::shared_ptr<const optim::Optimizer> rule)
    : Trainable(std::vector<TensorGroup>{{std::move(parameters), std::move(rule)}}) {}

Trainable::Trainable(std::vector<TensorGroup> groups) : stepper_(std::make_shared<lazy::Stepper>()) {
  std::set<const Variable*> seen;
  for (TensorGroup& given : groups) {
    if (given.rule == nullptr) throw Exception(Error::InvalidArgument, "an optimizer needs a rule for each group");
    given.rule->check();
    for (Tensor& p : given.parameters) {
      if (!p.variable().requires_grad) throw Exception(Error::InvalidArgument, std::string(given.rule->name()) + ": a parameter requires no gradients");
      if (!seen.insert(&p.variable()).second) throw Exception(Error::InvalidArgument, std::string(given.rule->name()) + ": a parameter is given twice");
      lazy::UpdateOf update{p.shared(), given.rule, {}, groups_.size()};
      for (const optim::Slot& slot : given.rule->slots(p.rank()))
        update.slots.push_back(Tensor::full(optim::slot_dims(slot, p.shape()), slot.initial, optim::slot_dtype(slot, p.dtype())).shared());
      stepper_->updates.push_back(std::move(update));
    }
    groups_.push_back({given.rule, given.rule->learning_rate()});
  }
  if (seen.empty()) throw Exception(Error::InvalidArgument, "an optimizer needs parameters");
  lazy::foresee(stepper_);
}

void Trainable::set_learning_rate(double rate, size_t group) {
  if (!(rate >= 0) || !std::isfinite(rate)) throw Exception(Error::InvalidArgument, "learning rate " + std::to_string(rate) + " is not a number from 0 on");
  groups_.at(group).learning_rate = rate;
}

void Trainable::zero_grad() {
  for (const lazy::UpdateOf& u : stepper_->updates) u.parameter->grad = nullptr;
}

void Trainable::step() {
  std::vector<std::pair<const lazy::UpdateOf*, std::shared_ptr<lazy::Node>>> updates;
  std::vector<ContentPtr> wanted, rates;
  const auto number = [](double v) { return lazy::known_content(io::Array::from<double>({v}, {})); };
  const ContentPtr count = number(static_cast<double>(steps_ + 1));
  for (const Group& g : groups_) rates.push_back(number(g.learning_rate));
  for (const lazy::UpdateOf& u : stepper_->updates) {
    const Variable& p = *u.parameter;
    if (p.grad == nullptr || p.grad->content == nullptr) continue;
    if (!p.content->known()) lazy::materialise({&p.content, 1});
    updates.emplace_back(&u, lazy::record_update(u, rates[u.group], count));
    wanted.push_back(p.content);
  }
  if (wanted.empty()) throw Exception(Error::InvalidArgument, "step(): no parameter has a gradient; call backward() first");
  try {
    lazy::materialise(wanted);
  } catch (...) {
    for (const auto& [u, node] : updates) {  // as before
      u->parameter->content = node->inputs[0];
      for (size_t k = 0; k < u->slots.size(); ++k) u->slots[k]->content = node->inputs[lazy::kFirstSlot + k];
    }
    throw;
  }
  for (const auto& [u, node] : updates) u->parameter->grad_is_used = true;
  ++steps_;
}

}  // namespace gf
