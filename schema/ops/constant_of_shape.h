// constant_of_shape: a tensor of one repeated value (ONNX ConstantOfShape).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct ConstantOfShape {
  static constexpr OpInfo info{.id = 169, .name = "constant_of_shape"};
  struct Attrs {
    DType dtype = DType::F32;
    int64_t bits = 0;  ///< the element's bytes, little-endian, in the low end (float 1.0 is 0x3f800000)
  };
  static constexpr AttrField fields[] = {field<&Attrs::dtype>(1, "dtype"), field<&Attrs::bits>(2, "bits")};

  static Error infer(InferContext& c, const Attrs& a) {
    if (!kAnyDense.contains(a.dtype) || a.dtype == DType::C128)
      return c.fail(Error::BadAttribute, "dtype %s cannot be filled", dtype_name(a.dtype));
    int length = 0;
    GF_TRY(read_length(c, 0, "shape", length));
    if (length < 0) return c.set_unknown(0, a.dtype);
    if (length > kMaxRank) return c.fail(Error::LimitExceeded, "shape has %d dimensions, the limit is %d", length, kMaxRank);
    DimShape out;
    for (int k = 0; k < length; ++k) {
      Dim d;
      GF_TRY(read_size(c, 0, k, kUnbounded, "shape", d));
      out.push(d);
    }
    GF_TRY(c.set(0, a.dtype, out));
    const Dim n = c.count(out);
    if (n.is_const() && n.lo <= kMaxTrackedValues && (a.dtype == DType::I64 || a.dtype == DType::I32)) {
      Dim values[kMaxTrackedValues];
      const int64_t value = a.dtype == DType::I32 ? static_cast<int32_t>(a.bits) : a.bits;
      for (int64_t k = 0; k < n.lo; ++k) values[k] = value;
      c.set_values(0, {values, static_cast<size_t>(n.lo)});
    }
    return Error::Ok;
  }
  static constexpr NoGradient grad{"the output does not depend on the values"};
};

}  // namespace gf::op
