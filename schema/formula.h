// Formula: the words in which rules of ops are written as other ops: expansions of fused ops, and gradients. A rule reads
// like maths, `y = e.softmax(scale * e.matmul(q, k), -1)`; whoever runs it (graph/) decides where the ops go.
// No heap here. The first failure sticks: later words give empty Vars, error() tells it, so rules need no checks between.
#pragma once

#include <initializer_list>

#include "schema/op.h"

namespace gf {

enum class Activation : uint8_t;
class Formula;

/// A value of the graph that is being built. Copy freely; the Formula outlives it. Words give Vars that know their Formula
/// even when they failed; only an input that a node leaves out is a Var{} to be asked for first.
struct Var {
  Formula* formula = nullptr;
  int32_t id = -1;
  explicit operator bool() const { return id >= 0; }
};

class Formula {
 public:
  // --- what a word stands on
  /// Appends a node; shapes and types are inferred at once. `outputs` receives one Var per element.
  virtual void emit(const OpDef& op, std::span<const Var> inputs, const void* attrs, std::span<Var> outputs) = 0;
  virtual Var scalar(DType dtype, double value) = 0;
  virtual Var ints(IntList values) = 0;                         ///< int64 vector
  virtual DType dtype(Var x) const = 0;
  virtual const DimShape& shape(Var x) const = 0;
  /// The op with that id among those known; nullptr when there is none.
  virtual const OpDef* find_op(uint16_t id) const = 0;

  int rank(Var x) const { return shape(x).rank; }
  Error error() const { return error_; }
  /// Makes the rule fail with this reason (text with static storage). Only the first counts.
  Error fail(Error code, const char* reason) {
    if (error_ == Error::Ok) {
      error_ = code;
      reason_ = reason;
    }
    return error_;
  }
  const char* reason() const { return reason_; }

  /// A node with one output. Vars without id are inputs left out.
  template <class Op>
  Var node(std::initializer_list<Var> inputs, const typename Op::Attrs& attrs = {}) {
    Var y;
    emit(op_def<Op>, {inputs.begin(), inputs.size()}, &attrs, {&y, 1});
    return y;
  }
  Var ints(std::initializer_list<int64_t> values) { return ints(IntList(values.begin(), values.size())); }

  // --- arithmetic, NumPy broadcasting (operators below)
  Var add(Var a, Var b);
  Var sub(Var a, Var b);
  Var mul(Var a, Var b);
  Var div(Var a, Var b);
  Var pow(Var a, Var b);
  Var neg(Var x);
  Var exp(Var x);
  Var sqrt(Var x);
  Var reciprocal(Var x);
  Var tanh(Var x);
  Var erf(Var x);
  Var sigmoid(Var x);
  Var softplus(Var x);
  Var activate(Activation kind, Var x, float a, float b);       ///< see schema/epilogue.h
  Var cast(Var x, DType to);                                    ///< x itself when it has that type

  // --- conditions
  Var equal(Var a, Var b);
  Var less(Var a, Var b);
  Var less_or_equal(Var a, Var b);
  Var logical_and(Var a, Var b);                                ///< the other one when one is empty
  Var logical_not(Var x);
  Var where(Var condition, Var yes, Var no);

  // --- products, reductions
  Var matmul(Var a, Var b);
  Var softmax(Var x, int64_t axis);
  Var reduce_sum(Var x, IntList axes, bool keepdims = true);
  Var reduce_mean(Var x, IntList axes, bool keepdims = true);
  Var reduce_max(Var x, IntList axes, bool keepdims = true);

  // --- shapes
  Var transpose(Var x, IntList perm);
  Var transpose(Var x, std::initializer_list<int64_t> perm) { return transpose(x, IntList(perm.begin(), perm.size())); }
  Var swap_last_axes(Var x);                                    ///< x itself when its rank is below 2
  Var reshape(Var x, std::initializer_list<int64_t> dims);      ///< 0 copies a dimension, -1 takes the rest
  Var unsqueeze(Var x, std::initializer_list<int64_t> axes);
  Var squeeze(Var x, std::initializer_list<int64_t> axes);
  Var concat(std::initializer_list<Var> parts, int64_t axis);
  Var slice(Var x, int64_t axis, Var start, Var end);           ///< start and end: int64 [1]
  Var gather(Var x, Var indices, int64_t axis);
  Var size_of(Var x, int64_t axis);                             ///< int64 [1]: length of one axis
  Var count_up(Var length);                                     ///< 0, 1, .. length - 1; length: int64 [1]

 protected:
  ~Formula() = default;

 private:
  Var unary(const OpDef& op, Var x);
  Var binary(const OpDef& op, Var a, Var b);
  Var reduce(const OpDef& op, Var x, IntList axes, bool keepdims);

  Error error_ = Error::Ok;
  const char* reason_ = "";
};

inline Var operator+(Var a, Var b) { return a.formula->add(a, b); }
inline Var operator-(Var a, Var b) { return a.formula->sub(a, b); }
inline Var operator*(Var a, Var b) { return a.formula->mul(a, b); }
inline Var operator/(Var a, Var b) { return a.formula->div(a, b); }
inline Var operator-(Var x) { return x.formula->neg(x); }
/// Numbers take the type of the Var.
inline Var operator+(Var a, double b) { return a + a.formula->scalar(a.formula->dtype(a), b); }
inline Var operator-(Var a, double b) { return a - a.formula->scalar(a.formula->dtype(a), b); }
inline Var operator*(Var a, double b) { return a * a.formula->scalar(a.formula->dtype(a), b); }
inline Var operator/(Var a, double b) { return a / a.formula->scalar(a.formula->dtype(a), b); }
inline Var operator*(double a, Var b) { return b.formula->scalar(b.formula->dtype(b), a) * b; }
inline Var operator+(double a, Var b) { return b.formula->scalar(b.formula->dtype(b), a) + b; }

/// A Formula with the node that an op's expand() replaces. `expand` gives every wanted output, built from the inputs by base
/// ops; a node that has nothing fused may come out as itself.
class Expander : public Formula {
 public:
  virtual int input_count() const = 0;
  virtual Var input(int i) const = 0;                           ///< empty when the node leaves it out
  virtual bool wants_output(int i) const = 0;
  virtual void output(int i, Var value) = 0;
  /// The last word of a rule: output 0, and the error if there was one.
  Error finish(Var value) {
    if (error() == Error::Ok) output(0, value);
    return error();
  }

 protected:
  ~Expander() = default;
};

}  // namespace gf
