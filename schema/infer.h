// InferContext: what an op's infer() sees. One infer per op serves the converter (symbolic dims), the planner and the
// running session (constants). Not owned: all pointers are the caller's and live for the call only.
#pragma once

#include "schema/attr.h"
#include "schema/dim.h"

namespace gf {

/// Integer tensors of at most this many elements take part in shape computations by value.
inline constexpr int kMaxTrackedValues = 64;

/// An input or output of the node as inference sees it.
struct InferTensor {
  bool present = false;          ///< input given / output wanted
  DType dtype = DType::Invalid;
  DimShape shape;
  bool shape_known = true;       ///< false: not even the rank is known before running
  const void* data = nullptr;    ///< inputs: element bytes when they are known (constants; at run time: all)
  const Dim* values = nullptr;   ///< inputs: integer contents known as Dims (value_count of them)
  Dim* value_storage = nullptr;  ///< outputs: room for value_capacity Dims, or nullptr
  int value_capacity = kMaxTrackedValues;
  int value_count = -1;          ///< -1: contents unknown
};

struct OpDef;

class InferContext {
 public:
  InferContext(const OpDef& def, std::span<InferTensor> inputs, std::span<InferTensor> outputs, DimAlgebra* algebra,
               ErrorDetail* detail, int32_t node)
      : inputs_(inputs), outputs_(outputs), algebra_(algebra), detail_(detail), node_(node), def_(&def) {}

  /// The row whose infer this is: for infer functions that serve several ops.
  const OpDef& def() const { return *def_; }

  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[static_cast<size_t>(i)].present; }
  bool has_output(int i) const { return i < output_count() && outputs_[static_cast<size_t>(i)].present; }
  DType dtype(int i) const { return inputs_[static_cast<size_t>(i)].dtype; }
  const DimShape& shape(int i) const { return inputs_[static_cast<size_t>(i)].shape; }
  int rank(int i) const { return shape(i).rank; }

  // --- contents of integer inputs (shape computations)
  /// Number of known integer elements of input i (also read from constants), or -1 when contents are unknown.
  int value_count(int i) const;
  /// Element k of input i. Requires k < value_count(i).
  Dim value(int i, int k) const;
  /// Raw element bytes of input i when known, else nullptr (float scales of resize and the like).
  const void* data(int i) const { return has_input(i) ? inputs_[static_cast<size_t>(i)].data : nullptr; }

  // --- results
  /// Sets type and shape of output i (ignored when the output is not wanted). Negative dims and a rank over kMaxRank fail.
  Error set(int i, DType dtype, const DimShape& shape);
  /// Tells the integer contents of output i. Ignored when there is no room or too many.
  void set_values(int i, std::span<const Dim> values);
  /// Output i exists but nothing is known of its shape before running.
  Error set_unknown(int i, DType dtype);

  // --- arithmetic on dims (interval exact on constants; identity kept by the caller's algebra)
  Dim add(const Dim& a, const Dim& b) { return combine(DimOp::Add, a, b); }
  Dim add(const Dim& a, int64_t b) { return combine(DimOp::Add, a, b); }
  Dim sub(const Dim& a, const Dim& b) { return combine(DimOp::Sub, a, b); }
  Dim sub(const Dim& a, int64_t b) { return combine(DimOp::Sub, a, b); }
  Dim mul(const Dim& a, const Dim& b) { return combine(DimOp::Mul, a, b); }
  Dim mul(const Dim& a, int64_t b) { return combine(DimOp::Mul, a, b); }
  Dim floor_div(const Dim& a, const Dim& b) { return combine(DimOp::FloorDiv, a, b); }
  Dim floor_div(const Dim& a, int64_t b) { return combine(DimOp::FloorDiv, a, b); }
  Dim ceil_div(const Dim& a, const Dim& b) { return combine(DimOp::CeilDiv, a, b); }
  Dim ceil_div(const Dim& a, int64_t b) { return combine(DimOp::CeilDiv, a, b); }
  Dim mod(const Dim& a, const Dim& b) { return combine(DimOp::Mod, a, b); }
  Dim mod(const Dim& a, int64_t b) { return combine(DimOp::Mod, a, b); }
  Dim min(const Dim& a, const Dim& b) { return combine(DimOp::Min, a, b); }
  Dim min(const Dim& a, int64_t b) { return combine(DimOp::Min, a, b); }
  Dim max(const Dim& a, const Dim& b) { return combine(DimOp::Max, a, b); }
  Dim max(const Dim& a, int64_t b) { return combine(DimOp::Max, a, b); }
  Dim combine(DimOp op, const Dim& a, const Dim& b);
  Dim combine(DimOp op, const Dim& a, int64_t b);
  /// As combine, for integer contents of `type` that may be any data: false (and no failure of the node) when the result
  /// does not fit the type, where the kernel wraps, or a divisor is zero.
  bool combine_values(DimOp op, const Dim& a, const Dim& b, DType type, Dim& out);
  /// A size that only the data decides, within [lo, hi]. On a running session's second pass (data known) never needed.
  Dim fresh(int64_t lo, int64_t hi);
  /// Product of dims in [from, to).
  Dim count(const DimShape& s, int from, int to);
  Dim count(const DimShape& s) { return count(s, 0, s.rank); }

  // --- checks used by many ops
  /// Axis in [-rank, rank) -> [0, rank); `what` names the attribute in the error.
  Error normalize_axis(int64_t axis, int rank, int& out, const char* what = "axis");
  /// NumPy broadcasting of two shapes.
  Error broadcast(const DimShape& a, const DimShape& b, DimShape& out);
  /// Fails with TypeMismatch unless input i has one of `types`.
  Error expect_type(int i, DTypeSet types);
  /// Fails unless inputs i and j have the same type.
  Error expect_same_type(int i, int j);
  Error expect_rank(int i, int rank);
  Error expect_min_rank(int i, int rank);
  /// Fails when the two can be proved different.
  Error expect_equal(const Dim& a, const Dim& b, const char* what);

  /// Reports a failure of this node. printf-style.
  Error fail(Error code, const char* format, ...)
#if defined(__GNUC__) && !defined(__MINGW32__)  // which would hold the text against Microsoft's printf
      __attribute__((format(printf, 3, 4)))
#endif
      ;
  bool failed() const { return overflow_; }

 private:
  std::span<InferTensor> inputs_;
  std::span<InferTensor> outputs_;
  DimAlgebra* algebra_;
  ErrorDetail* detail_;
  int32_t node_;
  bool overflow_ = false;
  const OpDef* def_;
};

/// Runs `infer` of a definition and checks that every wanted output was set. `known_rank` of inputs must hold.
Error run_infer(const OpDef& def, const void* attrs, std::span<InferTensor> inputs, std::span<InferTensor> outputs,
                DimAlgebra* algebra, ErrorDetail* detail, int32_t node);

}  // namespace gf
