// GraphUpdate: an update rule as nodes of a block, for one parameter. The train step and the tests build their updates with it.
// What is kept in 16 bits is widened in front of the rule and rounded behind it, by casts which the pass that makes one kernel of the update
// takes in. Not owned: entry and block outlive it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/ir/formula.h"
#include "graph/passes/rewrite.h"
#include "schema/ops/floor.h"
#include "trainer/optim/optimizer.h"

namespace gf::optim {

/// The values that enter a rule; who builds the step makes them inputs or State.
struct UpdateValues {
  ir::ValueId parameter = ir::kNoValue;      ///< float32, float64, float16 or bfloat16, of a constant shape
  ir::ValueId gradient = ir::kNoValue;       ///< of that shape, any float type
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
    slots_ = rule.slots(rank(var(old_.parameter)));
    if (rule.state_dtype() == DType::BF16) make_dither();
    Error code = rule.update(*this);
    if (code == Error::Ok) code = error();
    if (code != Error::Ok) throw Exception(code, place(rule) + reason());
  }

  /// After apply(): the values that follow the old ones; the old one itself where the rule set none.
  ir::ValueId new_parameter() const { return new_parameter_; }
  ir::ValueId new_slot(size_t i) const { return new_slots_.at(i); }

  Var parameter() override { return computed(old_.parameter); }
  DType stored_type() const override { return GraphFormula::dtype(Var{nullptr, old_.parameter}); }
  Var gradient() override { return computed(old_.gradient); }
  Var slot(int i) override {
    const ir::ValueId v = old_.slots.at(static_cast<size_t>(i));
    return slots_[static_cast<size_t>(i)].shape == Slot::Shape::Number ? var(v) : computed(v);
  }
  Var learning_rate() override { return var(old_.learning_rate); }
  Var step() override { return var(old_.step); }
  void set_parameter(Var v) override { replace(new_parameter_, old_.parameter, rounded(v, stored_type(), false)); }
  void set_slot(int i, Var v) override {
    const auto k = static_cast<size_t>(i);
    replace(new_slots_.at(k), old_.slots.at(k), rounded(v, dtype(var(old_.slots.at(k))), bool(dither_) && slots_[k].moving_sum));
  }

 private:
  std::string place(const Optimizer& rule) const { return std::string(rule.name()) + ", parameter '" + name_ + "': "; }
  void check_values(const Optimizer& rule) {
    if (!dtype_is_float(stored_type()))
      throw Exception(Error::TypeMismatch, place(rule) + "is " + dtype_name(stored_type()) + "; optimizers update floats");
    if (!shape(parameter()).is_const()) throw Exception(Error::ShapeMismatch, place(rule) + "its shape is not constant");
    if (!same_shape(shape(var(old_.gradient)), shape(parameter())))
      throw Exception(Error::ShapeMismatch, place(rule) + "the gradient has another shape");
    for (const Var scalar : {learning_rate(), step()})
      if (dtype(scalar) != DType::F64 || rank(scalar) != 0)
        throw Exception(Error::TypeMismatch, place(rule) + "learning rate and step are float64 scalars");
    if (rule.slots(rank(parameter())).size() != old_.slots.size())
      throw Exception(Error::Internal, place(rule) + "the number of slots is not the rule's");
  }

  // The value in the type that the rule computes in.
  Var computed(ir::ValueId v) {
    Var& known = computed_.try_emplace(v, Var{}).first->second;
    if (!known) known = cast(var(v), stored_type() == DType::F64 ? DType::F64 : DType::F32);
    return known;
  }

  // A mean with beta 0.999 moves by about a thousandth of itself, a quarter of the distance between two bfloat16 numbers: rounded to nearest
  // it would stand still. So a number from -1/2 to 1/2 is added first, in units of that distance: frac(step * golden ratio) - 1/2, which over
  // the steps falls into every part of the interval equally often. What is lost in one step comes back in others, nearer to float32 than
  // with random numbers (the sum of errors grows with the logarithm of the steps), and the same on every backend.
  void make_dither() {
    const Var phase = step() * 0.61803398874989485;
    dither_ = cast(phase - node<op::Floor>({phase}) - 0.5, DType::F32) * kBfloat16Distance;
  }
  // The distance hangs on the power of two in x, which is x to one bit: the rounding of (2^23 + 1) x less that of 2^23 x (Veltkamp 1968),
  // 2^-24 times smaller here so that nothing overflows. That is the power at x or the next one: one or two distances, both without bias.
  Var dithered(Var x) {
    const Var small = x * 0x1p-24, large = small * (0x1p23 + 1);
    return x + (large - (large - small)) * dither_;
  }
  Var rounded(Var v, DType to, bool dithers) {
    if (error() != Error::Ok || dtype(v) == to) return v;
    return cast(dithers && to == DType::BF16 ? dithered(cast(v, DType::F32)) : v, to);
  }
  static constexpr double kBfloat16Distance = 0x1p24 * 0x1p-7;

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
  std::span<const Slot> slots_;
  std::map<ir::ValueId, Var> computed_;
  Var dither_;  // of this step; empty where slots are rounded to nearest
};

}  // namespace gf::optim
