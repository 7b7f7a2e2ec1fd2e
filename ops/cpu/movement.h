// Copies between strided boxes, the work behind transpose, slice, concat, expand, tile, ...: one walk that merges dims,
// copies rows where both sides are dense and goes in square tiles where they are not. Any element type, sub-byte ones
// too (serially, since neighbours share bytes). No heap, any thread.
#pragma once

#include "ops/cpu/op_util.h"

namespace gf::cpu {

/// More dims than a tensor has: tile and depth_to_space split axes.
inline constexpr int kMaxBoxRank = 2 * kMaxRank;

/// A box of elements and where it lies on both sides. Strides and offsets in elements; source strides may be 0 or
/// negative, destination strides must not overlap.
struct CopyBox {
  int rank = 0;
  int64_t dims[kMaxBoxRank] = {};
  int64_t source_strides[kMaxBoxRank] = {};
  int64_t target_strides[kMaxBoxRank] = {};
  int64_t source_offset = 0;
  int64_t target_offset = 0;

  void push(int64_t length, int64_t source_stride, int64_t target_stride) {
    dims[rank] = length;
    source_strides[rank] = source_stride;
    target_strides[rank] = target_stride;
    ++rank;
  }
};

/// Copies the box, whose dims it joins on the way. `type` decides the element size; complex and 16-byte types included.
void copy_box(const ParallelFor& parallel, DType type, const void* source, void* target, CopyBox& box);
void copy_box(const ParallelFor& parallel, const TensorView& source, const TensorView& target, CopyBox& box);

/// Copies all elements of `source` in their order (memmove; nothing when both sides are one).
void copy_dense(const ParallelFor& parallel, const TensorView& source, const TensorView& target);

/// Copies `count` elements in a row, from element `from` of `source` to element `to` of `target`, of the same type. Sub-byte
/// elements share bytes with their neighbours, so for them no other thread may write to `target`.
void copy_elements(const TensorView& source, int64_t from, const TensorView& target, int64_t to, int64_t count);

/// How many of `count` runs of `length` elements a task may copy with copy_elements.
inline int64_t copy_grain(DType type, int64_t count, int64_t length) {
  return dtype_is_sub_byte(type) ? count : row_grain(length);
}

/// Whether kernels of this build are for a type whose elements have `bits` bits.
constexpr bool builds_bits(unsigned bits) {
  for (int t = 1; t < kDTypeCount; ++t)
    if (const auto type = static_cast<DType>(t); kBuiltDTypes.contains(type) && dtype_bits(type) == bits) return true;
  return false;
}

/// copy_elements for loops over single elements and short runs, of any type.
struct AnyElement {
  static void copy(const TensorView& source, int64_t from, const TensorView& target, int64_t to, int64_t count = 1) {
    copy_elements(source, from, target, to, count);
  }
};
/// Likewise for elements as large as T.
template <class T>
struct Element {
  static void copy(const TensorView& source, int64_t from, const TensorView& target, int64_t to) {
    target.as<T>()[to] = source.as<const T>()[from];
  }
  static void copy(const TensorView& source, int64_t from, const TensorView& target, int64_t to, int64_t count) {
    if (count == 1) copy(source, from, target, to);
    else std::memcpy(target.as<T>() + to, source.as<const T>() + from, static_cast<size_t>(count) * sizeof(T));
  }
};
/// f(element) with one of these; small code has one instantiation, and element sizes that this build has no type of have none (the
/// loader refuses such files).
template <class F>
void dispatch_element(DType type, F&& f) {
  const auto sized = [&]<class T>() {
    if constexpr (!kSmallCode && builds_bits(8 * sizeof(T))) f(Element<T>{});
  };
  if constexpr (kSmallCode) f(AnyElement{});
  else switch (dtype_bits(type)) {
    case 8: return sized.template operator()<uint8_t>();
    case 16: return sized.template operator()<uint16_t>();
    case 32: return sized.template operator()<uint32_t>();
    case 64: return sized.template operator()<uint64_t>();
    default:
      if constexpr (builds_bits(1) || builds_bits(2) || builds_bits(4) || builds_bits(128)) f(AnyElement{});
  }
}

/// Fills `count` elements from `first` with the element at `value` (whole-byte types).
void fill_elements(const TensorView& target, int64_t first, int64_t count, const void* value);

/// Element k of an int32 or int64 tensor.
inline int64_t index_at(const TensorView& t, int64_t k) {
  return t.dtype == DType::I32 ? static_cast<int64_t>(static_cast<const int32_t*>(t.data)[k])
                               : static_cast<const int64_t*>(t.data)[k];
}
/// Index with the end-relative form resolved: in [0, length), or -1 when outside [-length, length).
constexpr int64_t wrap_index(int64_t index, int64_t length) {
  if (index < 0) index = index < -length ? -1 : index + length;
  return index < length ? index : -1;
}
/// The error of a data-driven index outside its axis.
Error index_error(const RunContext& c, int64_t index, int64_t position, int axis, int64_t length);

/// Checks all indices of a tensor against [-length, length).
Error check_indices(const RunContext& c, const TensorView& indices, int axis, int64_t length);

}  // namespace gf::cpu
