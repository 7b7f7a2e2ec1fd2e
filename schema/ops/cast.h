// cast: converts elements to another type (ONNX Cast-25). Float to integer truncates, saturates at the ends of int64
// and then keeps the low bits, NaN gives 0 (ONNX leaves these open); integer to integer keeps the low bits; anything to
// bool is x != 0; to a narrower float rounds to nearest even.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Cast {
  static constexpr OpInfo info{.id = 81, .name = "cast"};
  enum class RoundMode : uint8_t { Up = 0, Down = 1, Nearest = 2 };  ///< stands in files: never renumber
  struct Attrs {
    DType to = DType::F32;                  ///< element type of the result
    bool saturate = true;                   ///< 8-bit floats: beyond the range becomes the largest value, not NaN/inf
    RoundMode round_mode = RoundMode::Up;   ///< float8_e8m0 only
  };
  static constexpr AttrField fields[] = {field<&Attrs::to>(1, "to"), field<&Attrs::saturate>(2, "saturate"),
                                         field<&Attrs::round_mode>(3, "round_mode", 0, 2)};
  static constexpr DTypeSet kTypes =
      kNumbersAndBool | kSubByte | dtypes(DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F8E8M0);

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kTypes));
    if (!kTypes.contains(a.to))
      return c.fail(Error::BadAttribute, "casting to %s is not supported", dtype_name(a.to));
    cast_values(c, a.to);
    return c.set(0, a.to, c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = cast(dy, type of x) for floats

 private:
  static void cast_values(InferContext& c, DType to) {
    const int n = c.value_count(0);
    if (n < 0 || n > kMaxTrackedValues || c.dtype(0) == DType::U64) return;
    int64_t low = 0, high = 0;
    if (to == DType::I64) low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
    else if (to == DType::I32) low = std::numeric_limits<int32_t>::min(), high = std::numeric_limits<int32_t>::max();
    else if (to != DType::Bool) return;
    Dim out[kMaxTrackedValues];
    for (int k = 0; k < n; ++k) {
      const Dim v = c.value(0, k);
      if (to == DType::Bool) {
        if (v.is_const()) out[k] = v.lo != 0 ? 1 : 0;
        else out[k] = v.lo > 0 || v.hi < 0 ? Dim(1) : Dim(0, 1);
      } else {
        // an unbounded dimension is taken to fit int32: it is a size, and a cast that wrapped would fail everywhere
        if (v.is_const() && (v.lo < low || v.lo > high)) return;
        out[k] = v;
      }
    }
    c.set_values(0, {out, static_cast<size_t>(n)});
  }
};

}  // namespace gf::op
