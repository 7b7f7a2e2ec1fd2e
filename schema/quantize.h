// What quantised ops share: how scales and zero points lie over a tensor (per tensor, per axis, per block), checked once
// here, and the arithmetic of one element.
#pragma once

#include <cmath>
#include <cstring>

#include "runtime/core/half.h"
#include "schema/list_input.h"

namespace gf {

/// Types that hold quantised values.
inline constexpr DTypeSet kQuantInts =
    dtypes(DType::I8, DType::U8, DType::I16, DType::U16, DType::I4, DType::U4, DType::I2, DType::U2);
inline constexpr DTypeSet kQuantFloats =
    dtypes(DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F4E2M1);
inline constexpr DTypeSet kQuantTypes = kQuantInts | kQuantFloats;
inline constexpr DTypeSet kScaleTypes = kFloats | dtypes(DType::F8E8M0);
inline constexpr DTypeSet kBytes = dtypes(DType::I8, DType::U8);

/// Smallest and largest value of a quantised integer type.
constexpr int64_t quant_low(DType t) {
  const bool is_signed = dtype_is_signed_int(t) || t == DType::I4 || t == DType::I2;
  return is_signed ? -(int64_t{1} << (dtype_bits(t) - 1)) : 0;
}
constexpr int64_t quant_high(DType t) { return quant_low(t) + (int64_t{1} << dtype_bits(t)) - 1; }

/// Checks that scales (input `scale`) and zero points (input `zero`, when present) fit input `x`: one element for the
/// tensor, or one per element of `axis`, or (block > 0) one per `block` elements of `axis`.
inline Error check_scales(InferContext& c, int x, int scale, int zero, int64_t raw_axis, int64_t block) {
  const DimShape &s = c.shape(scale), &data = c.shape(x);
  const Dim count = c.count(s);
  if (c.has_input(zero)) {
    const DimShape& z = c.shape(zero);
    GF_TRY(c.expect_equal(c.count(z), count, "scale and zero point differ in size"));
    if (z.rank == s.rank)
      for (int d = 0; d < z.rank; ++d) GF_TRY(c.expect_equal(z[d], s[d], "scale and zero point differ in shape"));
  }
  const bool single = s.rank == 0 || (s.rank == 1 && s[0].is_const() && s[0].lo == 1);
  if (block == 0 && single) return Error::Ok;
  int axis = 0;
  GF_TRY(c.normalize_axis(raw_axis, data.rank, axis));
  if (block == 0) {
    if (s.rank != 1) return c.fail(Error::ShapeMismatch, "scale has rank %d; only a block size allows more than 1", s.rank);
    return c.expect_equal(s[0], data[axis], "one scale per element of the axis is needed");
  }
  if (s.rank != data.rank) return c.fail(Error::ShapeMismatch, "block scales have rank %d, the tensor %d", s.rank, data.rank);
  for (int d = 0; d < data.rank; ++d)
    GF_TRY(c.expect_equal(s[d], d == axis ? c.ceil_div(data[d], block) : data[d], "block scales do not fit the tensor"));
  return Error::Ok;
}

/// Fails when constant scales (input i) hold NaN, infinity, a negative number or, unless `zero_allowed`, 0.
inline Error check_scale_values(InferContext& c, int i, bool zero_allowed) {
  const void* data = c.data(i);
  const Dim n = c.count(c.shape(i));
  const DType type = c.dtype(i);
  if (data == nullptr || !n.is_const() || !dtype_is_float(type)) return Error::Ok;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (int64_t k = 0; k < n.lo; ++k) {
    double v = 0;
    if (type == DType::F64) {
      std::memcpy(&v, bytes + k * 8, 8);
    } else if (type == DType::F32) {
      float f = 0;
      std::memcpy(&f, bytes + k * 4, 4);
      v = static_cast<double>(f);
    } else {
      uint16_t bits = 0;
      std::memcpy(&bits, bytes + k * 2, 2);
      v = static_cast<double>(type == DType::F16 ? to_f32(F16{bits}) : to_f32(BF16{bits}));
    }
    if (!(v >= 0) || !std::isfinite(v) || (v == 0 && !zero_allowed))
      return c.fail(Error::BadData, "scale %lld is %g; scales must be finite and positive", static_cast<long long>(k), v);
  }
  return Error::Ok;
}

/// A per-tensor scale or zero point: one element.
inline Error expect_single(InferContext& c, int i, const char* what) {
  const Dim n = c.count(c.shape(i));
  if (c.rank(i) > 1 || n.lo > 1 || n.hi < 1) return c.fail(Error::ShapeMismatch, "%s must be a single element", what);
  return Error::Ok;
}

/// NumPy matmul shapes: vectors get an axis that is dropped again; leading axes broadcast.
inline Error matmul_shape(InferContext& c, const DimShape& a, const DimShape& b, DimShape& out) {
  if (a.rank == 0 || b.rank == 0) return c.fail(Error::ShapeMismatch, "scalars cannot be multiplied as matrices");
  GF_TRY(c.expect_equal(a[a.rank - 1], b[b.rank == 1 ? 0 : b.rank - 2], "inner dimensions differ"));
  DimShape left, right;
  for (int d = 0; d < a.rank - 2; ++d) left.push(a[d]);
  for (int d = 0; d < b.rank - 2; ++d) right.push(b[d]);
  GF_TRY(c.broadcast(left, right, out));
  if (out.rank + 2 > kMaxRank) return c.fail(Error::LimitExceeded, "result of rank %d is over %d", out.rank + 2, kMaxRank);
  if (a.rank > 1) out.push(a[a.rank - 2]);
  if (b.rank > 1) out.push(b[b.rank - 1]);
  return Error::Ok;
}

}  // namespace gf
