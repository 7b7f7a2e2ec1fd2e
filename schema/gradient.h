// Gradients: the words in which an op's `grad` is written, reverse mode. A rule sees the node's inputs, outputs and the
// gradients of its outputs, and gives the gradients of its inputs, built from ops: `d.give(0, d.dy() * d.y())`. Rules made of
// differentiable ops can be differentiated again. The rows stand apart from those that the runtime links (schema/rules.h).
#pragma once

#include "schema/rules.h"

namespace gf {

/// A Formula with the node that a rule differentiates. Who runs it: trainer/autodiff. No heap, first failure sticks.
class Differentiator : public Formula {
 public:
  virtual int input_count() const = 0;
  /// Input i; empty when the node leaves it out.
  virtual Var input(int i) = 0;
  virtual int output_count() const = 0;
  /// Forward output i. An optional output that the node left out comes into being: a rule that reads it keeps it.
  virtual Var output(int i) = 0;
  /// Gradient of output i, shaped like it; empty: zero. Rules must not need all of them.
  virtual Var output_gradient(int i) = 0;
  /// Whether the gradient of input i leads to something that was asked for. False for inputs left out and for integers.
  virtual bool wants(int i) const = 0;
  /// Contents of an integer value that is known before running. The list lives as long as the Differentiator.
  virtual bool known_ints(Var x, IntList& contents) = 0;

  Var x() { return input(0); }
  Var y() { return output(0); }
  Var dy() { return output_gradient(0); }

  /// Adds `dx` to the gradient of input i, made `like` it: a rule for broadcast operands need not think of their shapes.
  /// Ignored where not wanted or empty; an input that is given nothing has gradient zero. Returns error().
  Error give(int i, Var dx);
  /// The last word of a rule for a fused form: the node's expand() is differentiated in its place.
  Error differentiate_expansion() {
    by_expansion_ = true;
    return error();
  }
  bool by_expansion() const { return by_expansion_; }

  // --- words for gradients
  /// v in the shape and type of x: summed where x has length 1 and v more, spread where v has length 1 and x more. Axes whose
  /// lengths only running tells are decided there.
  Var like(Var v, Var x);
  Var reshape_like(Var v, Var x);                ///< the same elements in the shape of x
  Var zeros_like(Var x);
  Var shape_of(Var x);                           ///< int64 [rank]
  Var length(Var x, int axis);                   ///< int64 [1], a constant where it is known
  Var size(Var x);                               ///< int64 [1]: number of elements, a constant where it is known
  /// Elements of x for each element of y, as a scalar of `type`: what a mean over them divides by.
  Var elements_per(Var x, Var y, DType type);
  Var zero_where(Var condition, Var v);          ///< 0 where the condition holds, else v (NaN elsewhere does not spread)
  Var numbers(Var condition, DType type);        ///< bool as 0 and 1
  Var sum(Var x, std::initializer_list<int64_t> axes) { return reduce_sum(x, IntList(axes.begin(), axes.size())); }
  Var squared(Var x) { return x * x; }
  Var abs(Var x);
  Var sign(Var x);
  Var log(Var x);
  Var round(Var x);

  // --- ops that only move elements: the same op on the flat indices of x tells where each element came from
  /// int64, shaped like x: 0, 1, 2, ... in row-major order.
  Var flat_indices(Var x);
  /// Zeros like x, with every dy added where its flat index says.
  Var collect(Var dy, Var indices, Var x);

  /// True when both are the same number of elements on every axis for all sizes.
  bool same_shape(Var a, Var b) const;

 protected:
  ~Differentiator() = default;

 private:
  virtual void take(int i, Var dx) = 0;          ///< the gradient, shaped like the input
  Var length_list(Var x, uint32_t axes);         ///< int64 [rank]: lengths of those axes, 1 elsewhere
  Var sum_or_keep(Var v, Var x, int axis);

  bool by_expansion_ = false;
};

struct OpGradient {
  const OpDef* op = nullptr;
  /// Gives the gradients of the inputs; nullptr: OpDef::gradient says why there is none.
  Error (*grad)(Differentiator& d, const void* attrs) = nullptr;
  /// The op in base ops, differentiated in its place where `grad` is nullptr; nullptr: OpRules::expand is.
  OpRules formula;
};

namespace detail {
template <class Op>
concept HasGrad = requires(Differentiator& d, const typename Op::Attrs& a) {
  { Op::grad(d, a) } -> std::same_as<Error>;
};
template <class Op>
concept HasFormula = requires(Expander& e, const typename Op::Attrs& a) {
  { Op::formula(e, a) } -> std::same_as<Error>;
};
}  // namespace detail

template <class Op>
constexpr OpGradient make_op_gradient() {
  OpGradient row;
  row.op = &op_def<Op>;
  if constexpr (detail::HasGrad<Op>)
    row.grad = [](Differentiator& d, const void* a) { return Op::grad(d, *static_cast<const typename Op::Attrs*>(a)); };
  row.formula.op = row.op;
  if constexpr (detail::HasFormula<Op>)
    row.formula.expand = [](Expander& e, const void* a) { return Op::formula(e, *static_cast<const typename Op::Attrs*>(a)); };
  return row;
}
template <class Op>
inline constexpr OpGradient op_gradient = make_op_gradient<Op>();

/// Gradients of a list of ops (`GradientsOf<AllOps>`), in list order. Links every rule.
template <class List>
struct GradientsOf;
template <class... Ops>
struct GradientsOf<OpList<Ops...>> {
  static constexpr std::array<const OpGradient*, sizeof...(Ops)> kRows{&op_gradient<Ops>...};
};

}  // namespace gf
