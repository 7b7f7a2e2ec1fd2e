// The portable kernel of every elementwise op, derived from its `apply` formula: a tile function per compute type, and
// one driver that loads, converts, broadcasts and stores around it. Nothing here is specific to an op.
// Thread rule: kernels are constant data; run belongs to the session's thread.
#pragma once

#include "ops/cpu/op_util.h"
#include "schema/elementwise.h"

namespace gf::cpu {

/// Elements a tile function sees at once; three tiles of the widest type fit a first-level cache with room to spare.
inline constexpr int64_t kTile = 256;

/// Computes `count` <= kTile elements. `inputs` and `output` hold the compute type (Compare, Predicate: uint8_t
/// output); output may be one of the inputs.
using TileFn = Error (*)(const void* const* inputs, void* output, int64_t count, const void* attrs);

/// What the driver needs to know of an op.
struct ElementwiseRow {
  int inputs = 1;
  bool bool_output = false;
  const char* hazard = "";                    ///< sentence for the detail when a tile function fails
  TileFn tiles[kComputeTypes] = {};           ///< by ComputeType; nullptr: the op does not take that class
};

Error prepare_elementwise(const NodeView& node, KernelPlan& plan, const ElementwiseRow& row);
Error run_elementwise(RunContext& context, const ElementwiseRow& row);

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

constexpr bool any_of(DTypeSet set, DTypeSet wanted) { return (set.bits & wanted.bits) != 0; }

template <class Op>
constexpr ElementwiseRow make_elementwise_row() {
  ElementwiseRow row;
  row.inputs = elementwise_inputs<Op>();
  row.bool_output = Op::kKind == ElementwiseKind::Compare || Op::kKind == ElementwiseKind::Predicate;
  if constexpr (requires { Op::kHazard; }) row.hazard = Op::kHazard;
  constexpr DTypeSet kT{Op::kTypes.bits & kBuiltDTypes.bits};
  if constexpr (any_of(kT, dtypes(DType::F32, DType::F16, DType::BF16))) row.tiles[0] = elementwise_tile<Op, float>;
  if constexpr (any_of(kT, dtypes(DType::F64))) row.tiles[1] = elementwise_tile<Op, double>;
  if constexpr (any_of(kT, kSignedInts)) row.tiles[2] = elementwise_tile<Op, int64_t>;
  if constexpr (any_of(kT, kUnsignedInts | kBoolOnly)) row.tiles[3] = elementwise_tile<Op, uint64_t>;
  return row;
}

template <class Op>
inline constexpr ElementwiseRow kElementwiseRow = make_elementwise_row<Op>();

}  // namespace detail

/// The portable kernel of an elementwise op; a table that lists &elementwise_kernel<op::Add> links that op alone.
template <class Op>
inline constexpr Kernel elementwise_kernel{
    .op = Op::info.id,
    .name = "elementwise_portable",
    .rank = 1,
    .prepare = [](const NodeView& n, KernelPlan& p) { return prepare_elementwise(n, p, detail::kElementwiseRow<Op>); },
    .run = [](RunContext& c) { return run_elementwise(c, detail::kElementwiseRow<Op>); }};

}  // namespace gf::cpu
