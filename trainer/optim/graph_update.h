// GraphUpdate: an update rule as nodes of a block, for one parameter. The train step and the tests build their updates with it.
// Not owned: entry and block outlive it.
#pragma once

#include <string>
#include <vector>

#include "graph/ir/formula.h"
#include "graph/passes/rewrite.h"
#include "trainer/optim/optimizer.h"

namespace gf::optim {

/// The values that enter a rule; who builds the step makes them inputs or State.
struct UpdateValues {
  ir::ValueId parameter = ir::kNoValue;      ///< float32 or float64, of a constant shape
  ir::ValueId gradient = ir::kNoValue;       ///< of that shape; another float type is cast
  std::vector<ir::ValueId> slots;            ///< in the order of Optimizer::slots(rank), see slot_dims() and slot_dtype()
  ir::ValueId learning_rate = ir::kNoValue;  ///< float64, rank 0
  ir::ValueId step = ir::kNoValue;           ///< float64, rank 0: 1 in the first step
};

class GraphUpdate final : public ir::GraphFormula<Update> {
 public:
  /// `name`: of the parameter, for the names of nodes and errors.
  GraphUpdate(ir::Entry& entry, ir::Block& block, const OpTable& ops, const std::string& name, UpdateValues values)
      : GraphFormula(entry, block, ops, name, "update of '" + name + "'"),
        name_(name), old_(std::move(values)), new_parameter_(old_.parameter), new_slots_(old_.slots) {}

  /// Appends the nodes of the rule. Throws gf::Exception: what the rule refuses, with its name and the parameter's.
  void apply(const Optimizer& rule) {
    check_values(rule);
    Error code = rule.update(*this);
    if (code == Error::Ok) code = error();
    if (code != Error::Ok) throw Exception(code, place(rule) + reason());
  }

  /// After apply(): the values that follow the old ones; the old one itself where the rule set none.
  ir::ValueId new_parameter() const { return new_parameter_; }
  ir::ValueId new_slot(size_t i) const { return new_slots_.at(i); }

  Var parameter() override { return var(old_.parameter); }
  Var gradient() override { return cast(var(old_.gradient), dtype(parameter())); }
  Var slot(int i) override { return var(old_.slots.at(static_cast<size_t>(i))); }
  Var learning_rate() override { return var(old_.learning_rate); }
  Var step() override { return var(old_.step); }
  void set_parameter(Var v) override { replace(new_parameter_, old_.parameter, v); }
  void set_slot(int i, Var v) override {
    const auto k = static_cast<size_t>(i);
    replace(new_slots_.at(k), old_.slots.at(k), v);
  }

 private:
  std::string place(const Optimizer& rule) const { return std::string(rule.name()) + ", parameter '" + name_ + "': "; }
  void check_values(const Optimizer& rule) {
    const DType type = dtype(parameter());
    if (type != DType::F32 && type != DType::F64)
      throw Exception(Error::TypeMismatch, place(rule) + "is " + dtype_name(type) + "; optimizers update float32 and float64");
    if (!shape(parameter()).is_const()) throw Exception(Error::ShapeMismatch, place(rule) + "its shape is not constant");
    if (!same_shape(shape(var(old_.gradient)), shape(parameter())))
      throw Exception(Error::ShapeMismatch, place(rule) + "the gradient has another shape");
    for (const Var scalar : {learning_rate(), step()})
      if (dtype(scalar) != DType::F64 || rank(scalar) != 0)
        throw Exception(Error::TypeMismatch, place(rule) + "learning rate and step are float64 scalars");
    if (rule.slots(rank(parameter())).size() != old_.slots.size())
      throw Exception(Error::Internal, place(rule) + "the number of slots is not the rule's");
  }
  void replace(ir::ValueId& to, ir::ValueId old, Var v) {
    if (error() != Error::Ok) return;
    if (dtype(v) != dtype(var(old)) || !same_shape(shape(v), shape(var(old)))) {
      (void)fail(Error::Internal, "the rule replaces a value by one of another type or shape");
      return;
    }
    to = v.id;
  }

  std::string name_;
  UpdateValues old_;
  ir::ValueId new_parameter_;
  std::vector<ir::ValueId> new_slots_;
};

}  // namespace gf::optim
