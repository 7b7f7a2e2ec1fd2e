// Optimizers: one update rule per class, written in the words of schema/formula.h, so that an update is part of the train step's
// graph like everything else. A rule sees one parameter at a time; who runs it (trainer/step) makes its slots State.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "schema/formula.h"

namespace gf::optim {

/// A tensor that a rule keeps between steps for one parameter. Names are those of PyTorch's state ("exp_avg").
struct Slot {
  enum class Shape : uint8_t {
    Parameter,   ///< as the parameter
    Number,      ///< one number, rank 0: float64, like learning rate and step
    Rows,        ///< the parameter's with 1 as its last axis
    Columns,     ///< the parameter's with 1 as the axis before the last
  };
  const char* name;
  Shape shape = Shape::Parameter;
  double initial = 0;
  bool moving_sum = true;      ///< moves little by little: what Optimizer::state_dtype() rounds off must not get lost (GraphUpdate)
};
/// Element type of a slot: the parameter's, or `state` (Optimizer::state_dtype()) where that is given.
inline DType slot_dtype(const Slot& slot, DType parameter, std::optional<DType> state = std::nullopt) {
  if (slot.shape == Slot::Shape::Number) return DType::F64;
  return slot.shape == Slot::Shape::Parameter ? state.value_or(parameter) : parameter;
}
inline std::vector<int64_t> slot_dims(const Slot& slot, std::span<const int64_t> parameter) {
  if (slot.shape == Slot::Shape::Number) return {};
  std::vector<int64_t> dims(parameter.begin(), parameter.end());
  if (slot.shape == Slot::Shape::Rows) dims.at(dims.size() - 1) = 1;
  if (slot.shape == Slot::Shape::Columns) dims.at(dims.size() - 2) = 1;
  return dims;
}

/// One parameter under its rule, which computes in float32 (float64 for a float64 parameter): parameter, gradient and slots come in that
/// type whatever they are kept in; what set_* receives replaces them after the step, rounded once. A slot that is not set keeps its value. The parameter's shape is constant.
class Update : public Formula {
 public:
  virtual Var parameter() = 0;
  virtual DType stored_type() const = 0;            ///< that the parameter is kept in
  virtual Var gradient() = 0;                       ///< shaped like the parameter; clipped and unscaled already
  virtual Var slot(int i) = 0;                      ///< before this step
  /// float64 scalars of the parameter's group, so that bias corrections are exact: the learning rate of this step, and the
  /// number of this step (1 in the first). Cast products of them, once, to the parameter's type: see number().
  virtual Var learning_rate() = 0;
  virtual Var step() = 0;
  virtual void set_parameter(Var v) = 0;
  virtual void set_slot(int i, Var v) = 0;

  /// A float64 scalar in the type that the rule computes in.
  Var number(Var scalar) { return cast(scalar, dtype(parameter())); }

 protected:
  ~Update() = default;
};

/// A rule with its settings. Immutable once a step is compiled from it: only the learning rate changes between steps (State).
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual const char* name() const = 0;
  virtual double learning_rate() const = 0;         ///< of the first step
  /// Slots of a parameter of this rank: the list may depend on the settings and, for factored rules, on the rank.
  virtual std::span<const Slot> slots(int rank) const = 0;
  /// Element type of the slots shaped like the parameter, where it is not the parameter's.
  virtual std::optional<DType> state_dtype() const { return std::nullopt; }
  /// The rule. Returns u.error().
  virtual Error update(Update& u) const = 0;
  /// Throws gf::Exception (InvalidArgument) naming the setting that is out of range, with PyTorch's ranges and nothing that is
  /// not finite. The rules of optimizers.h call it when they are made.
  virtual void check() const = 0;
};

}  // namespace gf::optim
