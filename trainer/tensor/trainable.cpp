#include "trainer/tensor/trainable.h"

#include <cmath>
#include <map>
#include <set>

#include "trainer/step/train_step.h"
#include "trainer/tensor/match.h"
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
        update.slots.push_back(Tensor::full(optim::slot_dims(slot, p.shape()), slot.initial, optim::slot_dtype(slot, p.dtype(), given.rule->state_dtype())).shared());
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

std::vector<Tensor> Trainable::parameters() const {
  std::vector<Tensor> all;
  for (const lazy::UpdateOf& u : stepper_->updates) all.emplace_back(u.parameter);
  return all;
}

NamedTensors Trainable::state_dict(const NamedTensors& names) const {
  std::map<const Variable*, std::string> name_of;
  for (const auto& [name, t] : names) name_of.emplace(&t.variable(), name);
  NamedTensors state = {{kStepState, Tensor::scalar(static_cast<double>(steps_), DType::F64)}};
  for (size_t g = 0; g < groups_.size(); ++g) state.emplace_back(learning_rate_state(g), Tensor::scalar(groups_[g].learning_rate, DType::F64));
  for (size_t i = 0; i < stepper_->updates.size(); ++i) {
    const lazy::UpdateOf& u = stepper_->updates[i];
    const auto it = name_of.find(u.parameter.get());
    if (it == name_of.end() && !names.empty()) throw Exception(Error::NotFound, "state_dict: parameter " + std::to_string(i) + " of the optimizer is not among the names given");
    const std::string name = names.empty() ? std::to_string(i) : it->second;
    const std::span<const optim::Slot> slots = u.rule->slots(Tensor(u.parameter).rank());
    for (size_t k = 0; k < u.slots.size(); ++k) state.emplace_back(slot_state(name, slots[k].name), Tensor(u.slots[k]));
  }
  return state;
}

void Trainable::load_state_dict(const NamedTensors& state, const NamedTensors& names) {
  NamedTensors own = state_dict(names);
  differences(specs_of(own), specs_of(state), "the optimizer").refuse("load_state_dict of an optimizer");
  std::map<std::string, Tensor> given(state.begin(), state.end());
  const double steps = given[kStepState].item();
  if (!(steps >= 0 && steps <= 0x1p53 && steps == std::floor(steps)))
    throw Exception(Error::BadData, "load_state_dict of an optimizer: '" + std::string(kStepState) + "' is " + std::to_string(steps) + ", no number of steps");
  std::vector<double> rates;
  for (size_t g = 0; g < groups_.size(); ++g) {
    rates.push_back(given[learning_rate_state(g)].item());
    if (!(rates[g] >= 0) || !std::isfinite(rates[g]))
      throw Exception(Error::BadData, "load_state_dict of an optimizer: '" + learning_rate_state(g) + "' is " + std::to_string(rates[g]) + ", no learning rate");
  }
  std::vector<std::pair<Tensor, io::Array>> slots;
  for (size_t i = 1 + groups_.size(); i < own.size(); ++i) slots.emplace_back(own[i].second, given[own[i].first].array());
  for (auto& [slot, value] : slots) slot.assign(std::move(value));
  for (size_t g = 0; g < groups_.size(); ++g) groups_[g].learning_rate = rates[g];
  steps_ = static_cast<int64_t>(steps);
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
    updates.emplace_back(&u, lazy::record_update(u, rates[u.group], count, stepper_->check));
    wanted.push_back(p.content);
  }
  if (wanted.empty()) throw Exception(Error::InvalidArgument, "step(): no parameter has a gradient; call backward() first");
  const auto as_before = [&updates] {
    for (const auto& [u, node] : updates) {
      u->parameter->content = node->inputs[0];
      for (size_t k = 0; k < u->slots.size(); ++k) u->slots[k]->content = node->inputs[lazy::kFirstSlot + k];
    }
  };
  bool skipped = false;
  try {
    lazy::materialise(wanted);
  } catch (const Exception& e) {
    as_before();
    skipped = e.code() == Error::NonFinite && stepper_->check == NotFinite::Skip;
    if (!skipped) throw;
  } catch (...) {
    as_before();
    throw;
  }
  for (const auto& [u, node] : updates) u->parameter->grad_is_used = true;
  ++(skipped ? skipped_ : steps_);
}

void Trainable::set_not_finite(NotFinite policy) { stepper_->check = policy; }

}  // namespace gf
