// window: Hann, Hamming or Blackman window of a given length (ONNX HannWindow, HammingWindow, BlackmanWindow). Input:
// the length, a scalar.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

/// Values stand in files.
enum class WindowKind : uint8_t { Hann = 0, Hamming = 1, Blackman = 2 };

namespace op {

struct Window {
  static constexpr OpInfo info{.id = 209, .name = "window"};
  struct Attrs {
    WindowKind kind = WindowKind::Hann;
    bool periodic = true;  ///< period = length, else length - 1 (symmetric)
    DType dtype = DType::F32;
  };
  static constexpr AttrField fields[] = {field<&Attrs::kind>(1, "kind", 0, 2), field<&Attrs::periodic>(2, "periodic"),
                                         field<&Attrs::dtype>(3, "dtype")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kIndex));
    if (!kNumbers.contains(a.dtype)) return c.fail(Error::BadAttribute, "dtype %s is not a number", dtype_name(a.dtype));
    bool known = false;
    Dim n;
    GF_TRY(read_scalar(c, 0, "size", known, n));
    if (!known) n = c.fresh(0, kUnbounded);
    if (n.hi < 0) return c.fail(Error::BadData, "size is %lld", static_cast<long long>(n.hi));
    DimShape out;
    out.push(n);
    return c.set(0, a.dtype, out);
  }
  static constexpr NoGradient grad{"the input is an integer"};
};

}  // namespace op
}  // namespace gf
