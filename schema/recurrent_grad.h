// What lstm_grad, gru_grad and rnn_grad share. They walk the recurrence from its end to its start with the state's gradient and
// give da, the gradient of what the gates' functions get at every step; the gradients of weights and inputs are products of
// da, outside. Attributes are those of the forward op. Made by gradients only (schema/gradients/recurrent.cpp).
#pragma once

#include "schema/formula.h"
#include "schema/recurrent.h"

namespace gf {

/// A gate's value this near to its function's at +-clip counts as clipped, where the slope is 0: kernels round differently.
inline double cell_edge_room(double edge, DType type) {
  const double unit = type == DType::F64 ? 0x1p-52 : type == DType::F32 ? 0x1p-23 : type == DType::F16 ? 0x1p-10 : 0x1p-7;
  return 4 * unit * std::fabs(edge);
}

/// Checks the inputs r (0) and those that `forms` names from input 1 on, and sets outputs 0 (da, like the gates) and 1 (the
/// gradient of the initial state). Input 1 must be given. Forms: G gates [directions, length, batch, gates * hidden], S states
/// [directions, length, batch, hidden], Y [length, directions, batch, hidden], I [directions, batch, hidden], L lengths int32
/// [batch], P peepholes [directions, 3 * hidden].
inline Error infer_recurrent_grad(InferContext& c, const RecurrentAttrs& a, int gates, int functions, const char* forms) {
  GF_TRY(c.expect_type(0, kFloats));
  GF_TRY(check_recurrent(c, a, functions));
  for (int k = 0; k < functions * static_cast<int>(a.directions()); ++k)
    if (const CellFunction f = a.function(functions, k / functions, k % functions); !has_cell_slope(f.kind, f.alpha))
      return c.fail(Error::Unsupported, "the gradient of a cell with %s of negative alpha",
                    f.kind == CellActivation::Elu ? "Elu" : "LeakyRelu");
  GF_TRY(c.expect_rank(1, 4));
  const bool steps_first = forms[0] == 'Y';
  const Dim steps = c.shape(1)[steps_first ? 0 : 1], batch = c.shape(1)[2], directions = a.directions(), rows = gates * a.hidden;
  const auto expect = [&](int i, std::initializer_list<Dim> dims) {
    GF_TRY(c.expect_same_type(0, i));
    GF_TRY(c.expect_rank(i, static_cast<int>(dims.size())));
    int k = 0;
    for (const Dim d : dims) GF_TRY(c.expect_equal(c.shape(i)[k++], d, "an input is not of the recurrence's size"));
    return Error::Ok;
  };
  GF_TRY(expect(0, {directions, rows, Dim(a.hidden)}));
  for (int i = 1; forms[i - 1] != '\0'; ++i) {
    if (!c.has_input(i)) continue;
    switch (forms[i - 1]) {
      case 'G': GF_TRY(expect(i, {directions, steps, batch, rows})); break;
      case 'S': GF_TRY(expect(i, {directions, steps, batch, Dim(a.hidden)})); break;
      case 'Y': GF_TRY(expect(i, {steps, directions, batch, Dim(a.hidden)})); break;
      case 'I': GF_TRY(expect(i, {directions, batch, Dim(a.hidden)})); break;
      case 'P': GF_TRY(expect(i, {directions, Dim(3 * a.hidden)})); break;
      default:
        GF_TRY(c.expect_type(i, dtypes(DType::I32)));
        GF_TRY(c.expect_rank(i, 1));
        GF_TRY(c.expect_equal(c.shape(i)[0], batch, "one sequence length per batch entry is needed"));
    }
  }
  DimShape da, initial;
  for (const Dim d : {directions, steps, batch, rows}) da.push(d);
  for (const Dim d : {directions, batch, Dim(a.hidden)}) initial.push(d);
  GF_TRY(c.set(0, c.dtype(0), da));
  return c.set(1, c.dtype(0), initial);
}

}  // namespace gf
