// The portable kernel of every elementwise op, derived from its `apply` formula, and one driver that loads, converts,
// broadcasts and stores around it. Nothing here is specific to an op. A formula is a loop over a tile per compute type; where
// the code's size counts more, a function of one element (kSmallCode).
// Thread rule: kernels are constant data; run belongs to the session's thread.
#pragma once

#include "ops/cpu/op_util.h"
#include "schema/elementwise.h"

namespace gf::cpu {

/// Elements a tile function sees at once; three tiles of the widest type fit a first-level cache with room to spare.
inline constexpr int64_t kTile = 256;

struct ElementwiseRow;

/// The formulas of an op as loops: one per compute type.
struct TileFormulas {
  /// Computes `count` <= kTile elements. `inputs` and `output` hold the compute type (Compare, Predicate: uint8_t
  /// output); output may be one of the inputs.
  using Tile = Error (*)(const void* const* inputs, void* output, int64_t count, const void* attrs);
  using Floats = Tile;
  Tile tiles[kComputeTypes] = {};             ///< by ComputeType; nullptr: the op does not take that class

  bool takes(ComputeType c) const { return tiles[static_cast<int>(c)] != nullptr; }
  Error compute(const ElementwiseRow&, ComputeType type, const void* const* inputs, void* output, int64_t count, const void* attrs) const {
    return tiles[static_cast<int>(type)](inputs, output, count, attrs);
  }
  /// `count` elements in f32, by the tile function alone.
  static void compute_floats(Tile tile, int, const void* const* inputs, float* output, int64_t count, const void* attrs) {
    static_cast<void>(tile(inputs, output, count, attrs));  // of floats none has hazards, so there is no error to pass on
  }
};

/// The formulas as functions of one element. Floats are computed in f64, and u64 passes as the i64 of the same bits; operands
/// that an op does not have are given the first one. Compare and Predicate give 0 or 1.
struct ScalarFormulas {
  using Floats = double (*)(double x, double y, double w, const void* attrs);
  using Ints = int64_t (*)(int64_t x, int64_t y, int64_t w, const void* attrs);
  using Hazard = Error (*)(int64_t x, int64_t y, const void* attrs);
  Floats floats = nullptr;
  Ints ints[2] = {};                          ///< signed, unsigned; nullptr: as above
  Hazard hazards[2] = {};                     ///< nullptr: nothing can be wrong

  bool takes(ComputeType c) const {
    return c < ComputeType::I64 ? floats != nullptr : ints[c == ComputeType::U64] != nullptr;
  }
  Error compute(const ElementwiseRow& row, ComputeType type, const void* const* inputs, void* output, int64_t count, const void* attrs) const;
  static void compute_floats(Floats formula, int inputs, const void* const* operands, float* output, int64_t count, const void* attrs);
};
using Formulas = std::conditional_t<kSmallCode, ScalarFormulas, TileFormulas>;

/// What the driver needs to know of an op.
struct ElementwiseRow {
  int inputs = 1;
  bool bool_output = false;
  const char* hazard = "";                    ///< sentence for the detail when a formula fails
  Formulas formulas;

  /// A tile of a compute type that the op takes.
  Error compute(ComputeType type, const void* const* operands, void* output, int64_t count, const void* attrs) const {
    return formulas.compute(*this, type, operands, output, count, attrs);
  }
};

/// A kernel with its row behind it, which prepare and run find through NodeView::kernel and RunContext::kernel.
struct ElementwiseKernel : Kernel {
  ElementwiseRow row;
};

Error prepare_elementwise(const NodeView& node, KernelPlan& plan);
Error run_elementwise(RunContext& context);

namespace detail {

template <class Op>
constexpr int elementwise_inputs() {
  switch (Op::kKind) {
    case ElementwiseKind::Unary:
    case ElementwiseKind::Predicate: return 1;
    case ElementwiseKind::Binary:
    case ElementwiseKind::Compare: return 2;
    case ElementwiseKind::Ternary: return 3;
  }
  return 0;
}

template <class Op, class C>
Error elementwise_tile(const void* const* inputs, void* output, int64_t count, const void* attrs) {
  constexpr bool kBool = Op::kKind == ElementwiseKind::Compare || Op::kKind == ElementwiseKind::Predicate;
  using Out = std::conditional_t<kBool, uint8_t, C>;
  const auto& a = *static_cast<const typename Op::Attrs*>(attrs);
  const C* x = static_cast<const C*>(inputs[0]);
  Out* z = static_cast<Out*>(output);
  constexpr int kInputs = elementwise_inputs<Op>();
  if constexpr (kInputs == 1) {
    for (int64_t k = 0; k < count; ++k) z[k] = static_cast<Out>(Op::apply(x[k], a));
  } else {
    const C* y = static_cast<const C*>(inputs[1]);
    // An op whose operands can be wrong at run time says so with hazard(x, y, attrs) -> Error.
    if constexpr (requires { Op::hazard(C{}, C{}, a); }) {
      for (int64_t k = 0; k < count; ++k) GF_TRY(Op::hazard(x[k], y[k], a));
    }
    if constexpr (kInputs == 2) {
      for (int64_t k = 0; k < count; ++k) z[k] = static_cast<Out>(Op::apply(x[k], y[k], a));
    } else {
      const C* w = static_cast<const C*>(inputs[2]);
      for (int64_t k = 0; k < count; ++k) z[k] = static_cast<Out>(Op::apply(x[k], y[k], w[k], a));
    }
  }
  return Error::Ok;
}

// W: what the function takes and gives; C: what the formula computes with.
template <class Op, class C, class W>
W elementwise_scalar(W x, W y, W w, const void* attrs) {
  const auto& a = *static_cast<const typename Op::Attrs*>(attrs);
  constexpr int kInputs = elementwise_inputs<Op>();
  const C u = static_cast<C>(x);
  if constexpr (kInputs == 1) return static_cast<W>(Op::apply(u, a));
  else if constexpr (kInputs == 2) return static_cast<W>(Op::apply(u, static_cast<C>(y), a));
  else return static_cast<W>(Op::apply(u, static_cast<C>(y), static_cast<C>(w), a));
}
template <class Op, class C>
Error elementwise_hazard(int64_t x, int64_t y, const void* attrs) {
  return Op::hazard(static_cast<C>(x), static_cast<C>(y), *static_cast<const typename Op::Attrs*>(attrs));
}

constexpr bool any_of(DTypeSet set, DTypeSet wanted) { return (set.bits & wanted.bits) != 0; }

/// The element types of an op in this build.
template <class Op>
constexpr DTypeSet built_types() {
  return {Op::kTypes.bits & kBuiltDTypes.bits};
}

template <class Op>
constexpr void set_formulas(TileFormulas& f) {
  if constexpr (any_of(built_types<Op>(), dtypes(DType::F32, DType::F16, DType::BF16))) f.tiles[0] = elementwise_tile<Op, float>;
  if constexpr (any_of(built_types<Op>(), dtypes(DType::F64))) f.tiles[1] = elementwise_tile<Op, double>;
  if constexpr (any_of(built_types<Op>(), kSignedInts)) f.tiles[2] = elementwise_tile<Op, int64_t>;
  if constexpr (any_of(built_types<Op>(), kUnsignedInts | kBoolOnly)) f.tiles[3] = elementwise_tile<Op, uint64_t>;
}
template <class Op>
constexpr void set_formulas(ScalarFormulas& f) {
  if constexpr (any_of(built_types<Op>(), kFloats)) f.floats = elementwise_scalar<Op, double>;
  const auto set = [&]<int kIndex, class C>() {
    f.ints[kIndex] = elementwise_scalar<Op, C>;
    if constexpr (requires { Op::kHazard; }) f.hazards[kIndex] = elementwise_hazard<Op, C>;
  };
  if constexpr (any_of(built_types<Op>(), kSignedInts)) set.template operator()<0, int64_t>();
  if constexpr (any_of(built_types<Op>(), kUnsignedInts | kBoolOnly)) set.template operator()<1, uint64_t>();
}

template <class Op>
constexpr Formulas::Floats float_formula() {
  if constexpr (kSmallCode) return elementwise_scalar<Op, double>;
  else return elementwise_tile<Op, float>;
}

template <class Op>
constexpr ElementwiseRow make_elementwise_row() {
  ElementwiseRow row;
  row.inputs = elementwise_inputs<Op>();
  row.bool_output = Op::kKind == ElementwiseKind::Compare || Op::kKind == ElementwiseKind::Predicate;
  if constexpr (requires { Op::kHazard; }) row.hazard = Op::kHazard;
  set_formulas<Op>(row.formulas);
  return row;
}

}  // namespace detail

/// The portable kernel of an elementwise op; a table that lists &elementwise_kernel<op::Add> links that op alone.
template <class Op>
inline constexpr ElementwiseKernel elementwise_kernel{
    {.op = Op::info.id, .name = "elementwise_portable", .rank = 1, .prepare = prepare_elementwise, .run = run_elementwise},
    detail::make_elementwise_row<Op>()};

}  // namespace gf::cpu
