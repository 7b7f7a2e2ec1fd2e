// range: start, start + delta, ... up to but without limit (ONNX Range).
#pragma once

#include <cmath>

#include "runtime/core/half.h"
#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Range {
  static constexpr OpInfo info{.id = 170, .name = "range", .min_inputs = 3, .max_inputs = 3};
  using Attrs = NoAttrs;
  static constexpr DTypeSet kTypes = kFloats | dtypes(DType::I16, DType::I32, DType::I64);

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kTypes));
    for (int i = 0; i < 3; ++i) {
      if (i > 0) GF_TRY(c.expect_same_type(0, i));
      const Dim n = c.count(c.shape(i));
      if (n.lo > 1 || n.hi < 1) return c.fail(Error::ShapeMismatch, "start, limit and delta must be scalars");
    }
    DimShape out;
    Dim n;
    GF_TRY(dtype_is_float(c.dtype(0)) || c.dtype(0) == DType::I16 ? count_from_data(c, n) : count_from_values(c, n));
    out.push(n);
    GF_TRY(c.set(0, c.dtype(0), out));
    set_range_values(c, n);
    return Error::Ok;
  }
  static constexpr NoGradient grad{"the number of elements depends on the inputs in steps"};

 private:
  static double scalar(const void* data, DType type) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    switch (type) {
      case DType::F32: return read<float>(bytes);
      case DType::F64: return read<double>(bytes);
      case DType::F16: return static_cast<double>(to_f32(F16{read<uint16_t>(bytes)}));
      case DType::BF16: return static_cast<double>(to_f32(BF16{read<uint16_t>(bytes)}));
      default: return read<int16_t>(bytes);
    }
  }
  template <class T>
  static T read(const unsigned char* bytes) {
    T v;
    std::memcpy(&v, bytes, sizeof v);
    return v;
  }
  static Error count_from_data(InferContext& c, Dim& n) {
    if (c.data(0) == nullptr || c.data(1) == nullptr || c.data(2) == nullptr) {
      n = c.fresh(0, kUnbounded);
      return Error::Ok;
    }
    const double start = scalar(c.data(0), c.dtype(0)), limit = scalar(c.data(1), c.dtype(0));
    const double delta = scalar(c.data(2), c.dtype(0));
    if (!(delta < 0) && !(delta > 0)) return c.fail(Error::BadData, "delta is zero or NaN");
    const double count = std::ceil((limit - start) / delta);
    if (!(count < 4.5e15)) return c.fail(Error::BadData, "the range has no end (start, limit or delta not finite?)");
    n = count > 0 ? static_cast<int64_t>(count) : 0;
    return Error::Ok;
  }
  static Error count_from_values(InferContext& c, Dim& n) {
    if (c.value_count(0) != 1 || c.value_count(1) != 1 || c.value_count(2) != 1) {
      if (c.value_count(2) == 1 && c.value(2, 0).is_const() && c.value(2, 0).lo == 0)
        return c.fail(Error::BadData, "delta is 0");
      n = c.fresh(0, kUnbounded);
      return Error::Ok;
    }
    const Dim start = c.value(0, 0), limit = c.value(1, 0), delta = c.value(2, 0);
    if (!delta.is_const()) {
      n = c.fresh(0, kUnbounded);
      return Error::Ok;
    }
    if (delta.lo == 0) return c.fail(Error::BadData, "delta is 0");
    if (delta.lo == std::numeric_limits<int64_t>::min()) {
      n = c.fresh(0, 2);
      return Error::Ok;
    }
    n = c.ceil_div(delta.lo > 0 ? c.sub(limit, start) : c.sub(start, limit), delta.lo > 0 ? delta.lo : -delta.lo);
    if (n.lo < 0) n = c.max(n, 0);
    return Error::Ok;
  }
  static void set_range_values(InferContext& c, const Dim& n) {
    if (!n.is_const() || n.lo > kMaxTrackedValues || c.value_count(0) != 1 || c.value_count(2) != 1) return;
    const Dim start = c.value(0, 0), delta = c.value(2, 0);
    if (!delta.is_const()) return;
    Dim values[kMaxTrackedValues];
    for (int64_t k = 0; k < n.lo; ++k) values[k] = c.add(start, c.mul(delta, k));
    c.set_values(0, {values, static_cast<size_t>(n.lo)});
  }
};

}  // namespace gf::op
