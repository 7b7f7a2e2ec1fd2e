#include "trainer/tensor/trainable.h"

#include <cmath>
#include <set>

#include "trainer/tensor/recording.h"

namespace gf {

using lazy::ContentPtr;
using lazy::Variable;

Trainable::Trainable(std::vector<Tensor> parameters, std::shared_ptr<const optim::Optimizer> rule)
    : Trainable(std::vector<TensorGroup>{{std::move(parameters), std::move(rule)}}) {}

Trainable::Trainable(std::vector<TensorGroup> groups) {
  std::set<const Variable*> seen;
  for (TensorGroup& given : groups) {
    if (given.rule == nullptr) throw Exception(Error::InvalidArgument, "an optimizer needs a rule for each group");
    given.rule->check();
    Group group{given.rule, given.rule->learning_rate(), {}};
    for (Tensor& p : given.parameters) {
      if (!p.variable().requires_grad) throw Exception(Error::InvalidArgument, std::string(given.rule->name()) + ": a parameter requires no gradients");
      if (!seen.insert(&p.variable()).second) throw Exception(Error::InvalidArgument, std::string(given.rule->name()) + ": a parameter is given twice");
      Item item{p, {}};
      for (const optim::Slot& slot : given.rule->slots(p.rank()))
        item.slots.push_back(Tensor::full(optim::slot_dims(slot, p.shape()), slot.initial, optim::slot_dtype(slot, p.dtype())));
      group.items.push_back(std::move(item));
    }
    groups_.push_back(std::move(group));
  }
  if (seen.empty()) throw Exception(Error::InvalidArgument, "an optimizer needs parameters");
}

void Trainable::set_learning_rate(double rate, size_t group) {
  if (!(rate >= 0) || !std::isfinite(rate)) throw Exception(Error::InvalidArgument, "learning rate " + std::to_string(rate) + " is not a number from 0 on");
  groups_.at(group).learning_rate = rate;
}

void Trainable::zero_grad() {
  for (Group& g : groups_)
    for (Item& item : g.items) item.parameter.zero_grad();
}

void Trainable::step() {
  std::vector<std::pair<Item*, std::shared_ptr<lazy::Node>>> updates;
  std::vector<ContentPtr> wanted;
  const ContentPtr number = lazy::known_content(io::Array::from<double>({static_cast<double>(steps_ + 1)}, {}));
  for (Group& g : groups_) {
    const ContentPtr rate = lazy::known_content(io::Array::from<double>({g.learning_rate}, {}));
    for (Item& item : g.items) {
      Variable& p = item.parameter.variable();
      if (p.grad == nullptr || p.grad->content == nullptr) continue;
      if (!p.content->known()) lazy::materialise({p.content});
      std::vector<ContentPtr> slots;
      for (const Tensor& s : item.slots) slots.push_back(s.variable().content);
      updates.emplace_back(&item, lazy::record_update(p, g.rule, rate, number, slots));
      for (size_t k = 0; k < slots.size(); ++k) item.slots[k].variable().content = slots[k];
      wanted.push_back(p.content);
    }
  }
  if (wanted.empty()) throw Exception(Error::InvalidArgument, "step(): no parameter has a gradient; call backward() first");
  try {
    lazy::materialise(wanted);
  } catch (...) {
    for (const auto& [item, node] : updates) {  // as before
      item->parameter.variable().content = node->inputs[0];
      for (size_t k = 0; k < item->slots.size(); ++k) item->slots[k].variable().content = node->inputs[lazy::kFirstSlot + k];
    }
    throw;
  }
  for (const auto& [item, node] : updates) item->parameter.variable().grad_is_used = true;
  ++steps_;
}

}  // namespace gf
