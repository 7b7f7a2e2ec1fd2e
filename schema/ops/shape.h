// shape: dimensions of a tensor as int64 vector, optionally a part of it (ONNX Shape-15).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct ShapeOf {
  static constexpr OpInfo info{.id = 167, .name = "shape"};
  struct Attrs {
    int64_t start = 0;
    int64_t end = std::numeric_limits<int64_t>::max();  ///< exclusive; both clamp to [0, rank] after adding rank if negative
  };
  static constexpr AttrField fields[] = {field<&Attrs::start>(1, "start"), field<&Attrs::end>(2, "end")};

  /// Bounds after clamping.
  static constexpr void bounds(const Attrs& a, int rank, int& start, int& end) {
    const auto clamp = [rank](int64_t v) {
      if (v < 0) v = v < -rank ? 0 : v + rank;
      return static_cast<int>(v > rank ? rank : v);
    };
    start = clamp(a.start);
    end = clamp(a.end);
    if (end < start) end = start;
  }
  static Error infer(InferContext& c, const Attrs& a) {
    int start = 0, end = 0;
    bounds(a, c.rank(0), start, end);
    DimShape out;
    out.push(end - start);
    GF_TRY(c.set(0, DType::I64, out));
    const DimShape in = c.shape(0);
    c.set_values(0, {in.dims + start, static_cast<size_t>(end - start)});
    return Error::Ok;
  }
  static constexpr NoGradient grad{"the output does not depend on the values"};
};

}  // namespace gf::op
