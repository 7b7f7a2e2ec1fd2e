// Helpers shared by the portable kernels: conversion of runs of elements to and from the four compute types (f32, f64,
// i64, u64), strides, broadcasting with collapsed dims, dispatch on element types. Plain functions on caller memory: no
// heap, no state, any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "runtime/core/built_dtypes.h"
#include "runtime/core/half.h"
#include "runtime/kernel/kernel.h"
#include "schema/precision.h"

namespace gf::cpu {

/// Where code is downloaded, loops that many kernels have are shared rather than unrolled into each.
#if defined(__wasm__) || defined(GF_SMALL_CODE)
inline constexpr bool kSmallCode = true;
#else
inline constexpr bool kSmallCode = false;
#endif

// --- compute types -------------------------------------------------------------------------------------------------

/// What arithmetic on an element type is done in. Values index tables of tile functions.
enum class ComputeType : uint8_t { F32 = 0, F64 = 1, I64 = 2, U64 = 3, None = 4 };
inline constexpr int kComputeTypes = 4;

/// f32 for f32/f16/bf16 and the 8- and 4-bit floats, f64 for f64, i64 for signed and u64 for unsigned integers and bool.
constexpr ComputeType compute_type(DType t) {
  if (t == DType::F64) return ComputeType::F64;
  if (dtype_is_float(t) || dtype_is_float8(t) || t == DType::F4E2M1) return ComputeType::F32;
  if (dtype_is_signed_int(t) || t == DType::I4 || t == DType::I2) return ComputeType::I64;
  if (dtype_is_unsigned_int(t) || t == DType::Bool || t == DType::U4 || t == DType::U2) return ComputeType::U64;
  return ComputeType::None;
}
constexpr int64_t compute_bytes(ComputeType c) { return c == ComputeType::F32 ? 4 : 8; }
template <class C>
constexpr ComputeType compute_type_of() {
  if constexpr (std::is_same_v<C, float>) return ComputeType::F32;
  else if constexpr (std::is_same_v<C, double>) return ComputeType::F64;
  else if constexpr (std::is_same_v<C, int64_t>) return ComputeType::I64;
  else return ComputeType::U64;
}

/// Elements of this type lie in memory as they are computed with.
constexpr bool is_compute_storage(DType t) {
  return t == DType::F32 || t == DType::F64 || t == DType::I64 || t == DType::U64;
}

/// Reads `count` elements of `t` from element `first` on, one every `stride` elements (0: the same one), into compute type C
/// (float, double, int64_t, uint64_t). Types wider than C are converted by the C++ rules (f64 -> float rounds to nearest even;
/// float -> integer truncates and saturates, NaN gives 0). Only data and dtype of `t` are looked at.
template <class C>
void load(const TensorView& t, int64_t first, int64_t stride, int64_t count, C* destination);
/// Elements in a row.
template <class C>
void load(const TensorView& t, int64_t first, int64_t count, C* destination);
/// Writes `count` elements in a row from element `first`. Floats round to nearest even, integers keep their low bits (two's
/// complement wrap), bool becomes value != 0.
template <class C>
void store(const TensorView& t, int64_t first, int64_t count, const C* source);
/// One element. Convenient, slow: for index tensors, scalars and parameters.
template <class C>
C load_one(const TensorView& t, int64_t index);
template <class C>
void store_one(const TensorView& t, int64_t index, C value);

/// The same with the compute type as a value.
void load_as(ComputeType to, const TensorView& t, int64_t first, int64_t stride, int64_t count, void* destination);
void store_as(ComputeType from, const TensorView& t, int64_t first, int64_t count, const void* source);

#define GF_CONVERSIONS(prefix, C)                                                \
  prefix template void load<C>(const TensorView&, int64_t, int64_t, int64_t, C*); \
  prefix template void load<C>(const TensorView&, int64_t, int64_t, C*);          \
  prefix template void store<C>(const TensorView&, int64_t, int64_t, const C*);   \
  prefix template C load_one<C>(const TensorView&, int64_t);                      \
  prefix template void store_one<C>(const TensorView&, int64_t, C);
GF_CONVERSIONS(extern, float)
GF_CONVERSIONS(extern, double)
GF_CONVERSIONS(extern, int64_t)
GF_CONVERSIONS(extern, uint64_t)

/// Elements that lie in no tensor.
template <class C>
void load(DType type, const void* source, int64_t first, int64_t stride, int64_t count, C* destination) {
  load(TensorView{const_cast<void*>(source), {}, type}, first, stride, count, destination);
}
template <class C>
void store(DType type, void* destination, int64_t first, int64_t count, const C* source) {
  store(TensorView{destination, {}, type}, first, count, source);
}

/// load() of the operand of a product, rounded as its precision says (float32 only: infer sees to that).
template <class C>
void load_operand(Precision precision, const TensorView& t, int64_t first, int64_t stride, int64_t count, C* destination) {
  load(t, first, stride, count, destination);
  if constexpr (std::is_floating_point_v<C>)
    if (precision == Precision::BF16)
      for (int64_t k = 0; k < count; ++k) destination[k] = static_cast<C>(to_bf16_operand(static_cast<float>(destination[k])));
}

/// Float -> integer as a cast with a defined result everywhere: truncation, saturation at the ends, NaN -> 0.
template <class I, class F>
constexpr I saturating_to_int(F v) {
  static_assert(std::is_integral_v<I> && std::is_floating_point_v<F>);
  // the ends as floats: lowest is exact, one past the highest is a power of two and exact
  constexpr F kLow = static_cast<F>(std::numeric_limits<I>::min());
  constexpr F kEnd = static_cast<F>(static_cast<F>(std::numeric_limits<I>::max() / 2 + 1) * F(2));
  if (!(v == v)) return 0;
  if (v < kLow) return std::numeric_limits<I>::min();
  if (v >= kEnd) return std::numeric_limits<I>::max();
  return static_cast<I>(v);
}

// --- dispatch ------------------------------------------------------------------------------------------------------

/// f.template operator()<T>() when this build has one of `types`; a left-out type instantiates nothing.
template <class T, DTypeSet kTypes, class F>
Error dispatch_built(F&& f) {
  if constexpr ((kTypes.bits & kBuiltDTypes.bits) != 0) return f.template operator()<T>();
  else return Error::Unsupported;
}

/// The element types that compute in C.
template <class C>
constexpr DTypeSet types_computed_in() {
  DTypeSet set;
  for (int t = 1; t < kDTypeCount; ++t)
    if (const auto type = static_cast<DType>(t); compute_type(type) == compute_type_of<C>()) set = set | dtype_set(type);
  return set;
}
/// Calls f.template operator()<C>() with C the compute type of `t`, a float type: two instantiations.
template <class F>
Error dispatch_float(DType t, F&& f) {
  switch (compute_type(t)) {
    case ComputeType::F32: return dispatch_built<float, types_computed_in<float>()>(f);
    case ComputeType::F64: return dispatch_built<double, types_computed_in<double>()>(f);
    default: return Error::Unsupported;
  }
}
/// Rounding of the results of dispatch_rounded: none, C does it.
struct AsComputed {
  template <class C>
  C operator()(C v) const {
    return v;
  }
};
/// Rounding to f32 where that is the type. Of + - * / and sqrt this gives f32's own bits, since f64 has more than twice as many
/// (Figueroa, "When is double rounding innocuous?", 1995).
struct AsFloat {
  bool f32 = false;
  double operator()(double v) const { return f32 ? static_cast<double>(static_cast<float>(v)) : v; }
};
/// As dispatch_float for ops that compute in the type itself: f.template operator()<C>(round), where every result of C is to be
/// rounded with round(..). Small code has one instantiation, which computes f32 in f64.
template <class F>
Error dispatch_rounded(DType t, F&& f) {
  if constexpr (kSmallCode) return f.template operator()<double>(AsFloat{compute_type(t) == ComputeType::F32});
  else return dispatch_float(t, [&]<class C>() { return f.template operator()<C>(AsComputed{}); });
}

// --- shapes --------------------------------------------------------------------------------------------------------

/// Bytes of `count` dense elements (sub-byte types: rounded up to whole bytes).
constexpr int64_t dense_bytes(DType t, int64_t count) {
  return static_cast<int64_t>((static_cast<uint64_t>(count) * dtype_bits(t) + 7) / 8);
}
/// Element `index` of an array of 1-, 2- or 4-bit elements, low bits first.
unsigned sub_byte(const void* source, unsigned bits, int64_t index);
void set_sub_byte(void* destination, unsigned bits, int64_t index, unsigned value);
/// Row-major strides in elements.
constexpr void dense_strides(const Shape& shape, int64_t* strides) {
  int64_t n = 1;
  for (int d = shape.rank - 1; d >= 0; --d) {
    strides[d] = n;
    n *= shape[d];
  }
}
/// Axis in [-rank, rank) -> [0, rank). Inference has checked it.
constexpr int wrap_axis(int64_t axis, int rank) { return static_cast<int>(axis < 0 ? axis + rank : axis); }

/// A shape seen around one axis: element (o, k, i) is at (o * length + k) * inner + i.
struct AxisView {
  int64_t outer = 1;
  int64_t length = 1;
  int64_t inner = 1;
};
constexpr AxisView axis_view(const Shape& shape, int axis) {
  return {shape.count(0, axis), shape[axis], shape.count(axis + 1, shape.rank)};
}

/// Where a BroadcastWalk is: `length` elements from result element `position`, operand j from offsets[j] on.
class BroadcastCursor {
 public:
  static constexpr int kMaxOperands = 16;
  int64_t position = 0, length = 0;
  int64_t offsets[kMaxOperands];

  /// `dims` and `strides` of the walk, which must outlive this.
  BroadcastCursor(int operands, int rank, const int64_t* dims, const int64_t (*strides)[kMaxRank], int64_t begin, int64_t end);
  /// Goes to the first run or the next; false at the end.
  bool next();
  /// next() in the caller, for a number of operands that the compiler knows.
  bool step(int operands) {
    position += length;
    if (position >= end_) return false;
    index_[last_] += length;
    for (int j = 0; j < operands; ++j) offsets[j] += length * strides_[j][last_];
    for (int d = last_; d > 0 && index_[d] == dims_[d]; --d) {
      index_[d] = 0;
      ++index_[d - 1];
      for (int j = 0; j < operands; ++j) offsets[j] += strides_[j][d - 1] - dims_[d] * strides_[j][d];
    }
    length = dims_[last_] - index_[last_];
    if (length > end_ - position) length = end_ - position;
    return true;
  }

 private:
  int operands_, last_;
  const int64_t* dims_;
  const int64_t (*strides_)[kMaxRank];
  int64_t end_;
  int64_t index_[kMaxRank];
};

/// Fills dims, strides and linear of a BroadcastWalk; returns its rank.
int init_broadcast(int operands, const Shape& result, const Shape* const* shapes, int64_t* dims, int64_t (*strides)[kMaxRank],
                   bool* linear);

/// A walk over a result with N operands that broadcast to it. Neighbouring dims that every operand walks alike are merged;
/// dims of size 1 vanish. Strides are in elements, 0 where the operand is broadcast.
template <int N>
struct BroadcastWalk {
  static_assert(N <= BroadcastCursor::kMaxOperands);
  int rank = 0;                       ///< after merging; >= 1
  int64_t dims[kMaxRank] = {};
  int64_t strides[N][kMaxRank] = {};
  int64_t count = 1;
  bool linear[N] = {};                ///< operand has element k at offset k

  /// `shapes[j]` must broadcast to `result`.
  void init(const Shape& result, const Shape* const* shapes) {
    rank = init_broadcast(N, result, shapes, dims, strides, linear);
    count = result.count();
  }

  /// Calls f(position, offsets, length) for each run inside [begin, end) of the result: `length` elements from result
  /// element `position`, operand j starting at offsets[j] and stepping by strides[j][rank - 1].
  template <class F>
  void runs(int64_t begin, int64_t end, F&& f) const {
    BroadcastCursor at = cursor(begin, end);
    while (kSmallCode ? at.next() : at.step(N)) f(at.position, at.offsets, at.length);
  }
  BroadcastCursor cursor(int64_t begin, int64_t end) const {
    return {N, rank, dims, strides, begin, end};
  }
};

// --- small things --------------------------------------------------------------------------------------------------

/// First error of a parallel loop. The lowest task wins, so the answer does not depend on the number of threads. Tasks are
/// kept in the machine's word: 32-bit processors may have no 64-bit atomics, and no tensor in memory has more elements.
class FirstError {
 public:
  void set(int64_t task, Error error) {
    const auto mine = static_cast<ptrdiff_t>(task);
    ptrdiff_t seen = task_.load(std::memory_order_relaxed);
    while (mine < seen && !task_.compare_exchange_weak(seen, mine, std::memory_order_relaxed)) {
    }
    error_.store(static_cast<uint16_t>(error), std::memory_order_relaxed);
  }
  bool any() const { return task_.load(std::memory_order_relaxed) != kNone; }
  /// Task that failed first (after the loop).
  int64_t task() const { return task_.load(std::memory_order_relaxed); }
  /// An error that was set; kernels with several kinds re-run the task to tell which.
  Error error() const { return static_cast<Error>(error_.load(std::memory_order_relaxed)); }

 private:
  static constexpr ptrdiff_t kNone = std::numeric_limits<ptrdiff_t>::max();
  std::atomic<ptrdiff_t> task_{kNone};
  std::atomic<uint16_t> error_{0};
};

/// prepare of kernels that take every node inference lets through and need no memory.
inline Error prepare_any(const NodeView&, KernelPlan&) { return Error::Ok; }

/// Elements per task of a parallel loop over cheap elements.
inline constexpr int64_t kGrain = 16384;
/// How many rows of `row` elements make a task of about kGrain elements.
constexpr int64_t row_grain(int64_t row) { return row >= kGrain || row <= 0 ? 1 : kGrain / row; }

}  // namespace gf::cpu
