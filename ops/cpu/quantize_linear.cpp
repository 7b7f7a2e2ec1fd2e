// quantize_linear, dequantize_linear, dynamic_quantize_linear: runs of elements that share a scale.
#include "schema/ops/quantize_linear.h"

#include <cmath>

#include "ops/cpu/integer_product.h"
#include "ops/cpu/movement.h"
#include "ops/cpu/small_float.h"
#include "schema/ops/dequantize_linear.h"
#include "schema/ops/dynamic_quantize_linear.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 256;

// The tensor as [outer, length, inner] around the quantised axis; scale of (o, k, i) by granularity.
struct ScaleLayout {
  AxisView view;
  int64_t block = 0;       // > 0: blocked
  int64_t blocks = 1;      // along the axis
  bool single = true;     // one scale

  ScaleLayout(const Shape& shape, const TensorView& scale, int64_t raw_axis, int64_t block_size) {
    single = block_size == 0 && scale.count() == 1;
    if (single) {
      view = {1, 1, shape.count()};
      return;
    }
    view = axis_view(shape, wrap_axis(raw_axis, shape.rank));
    block = block_size;
    blocks = block > 0 ? (view.length + block - 1) / block : 1;
  }
};

/// At most kPiece elements of one row, whose scales lie from `scale` on with `stride` between them.
struct Piece {
  int64_t first, count, scale, stride;

  // number p of those that `pieces` cut each row into
  Piece(const ScaleLayout& l, int64_t p, int64_t pieces) {
    const int64_t r = p / pieces, from = p % pieces * kPiece, k = r % l.view.length, inner = l.view.inner;
    first = r * inner + from;
    count = inner - from < kPiece ? inner - from : kPiece;
    stride = l.block == 0 ? 0 : 1;
    scale = l.single ? 0 : l.block == 0 ? k : (r / l.view.length * l.blocks + k / l.block) * inner + from;
  }
  template <class C>
  void read_scales(const TensorView& t, C* to) const {
    load(t, scale, stride, count, to);
  }
};

// f(piece) for all pieces.
template <class F>
void for_pieces(const RunContext& c, DType packed, const ScaleLayout& layout, F&& f) {
  const int64_t rows = layout.view.outer * layout.view.length, inner = layout.view.inner;
  // neighbours of a sub-byte tensor share bytes, so it is written by one thread
  const ParallelFor parallel = dtype_is_sub_byte(packed) ? ParallelFor{} : c.parallel;
  const int64_t pieces = (inner + kPiece - 1) / kPiece;
  parallel.chunks(rows * pieces, row_grain(inner < kPiece ? inner : kPiece), [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) f(Piece(layout, p, pieces));
  });
}

// A value of float type `type`.
double round_to(DType type, double v) {
  if (type == DType::F64) return v;
  const auto f = static_cast<float>(v);
  return static_cast<double>(type == DType::F16 ? to_f32(to_f16(f)) : type == DType::BF16 ? to_f32(to_bf16(f)) : f);
}

Error run_quantize(RunContext& c) {
  const auto& a = c.attributes<op::QuantizeLinear::Attrs>();
  const TensorView &x = c.input(0), &scale = c.input(1);
  TensorView& y = c.output(0);
  const DType precision = a.precision != DType::Invalid ? a.precision : scale.dtype;
  const bool to_int = kQuantInts.contains(y.dtype);
  const double low = static_cast<double>(quant_low(y.dtype)), high = static_cast<double>(quant_high(y.dtype));
  const ScaleLayout layout(x.shape, scale, a.axis, a.block);
  for_pieces(c, y.dtype, layout, [&](const Piece& piece) {
    double v[kPiece], s[kPiece], z[kPiece] = {};
    load(x, piece.first, piece.count, v);
    piece.read_scales(scale, s);
    if (c.has_input(2)) piece.read_scales(c.input(2), z);
    int64_t q[kPiece];
    for (int64_t k = 0; k < piece.count; ++k) {
      // through f32 to the 16-bit floats: the quotient is rounded as f32 arithmetic rounds it
      const double ratio = round_to(precision, round_to(precision, v[k]) / round_to(precision, s[k]));
      if (!to_int) {
        const float f = static_cast<float>(ratio + z[k]);
        const unsigned bits = f32_to_small_float(y.dtype, f, a.saturate);
        if (dtype_bits(y.dtype) == 8) y.as<uint8_t>()[piece.first + k] = static_cast<uint8_t>(bits);
        else store_one(y, piece.first + k, small_float_to_f32(y.dtype, bits));
        continue;
      }
      const double r = std::nearbyint(ratio) + z[k];
      q[k] = saturating_to_int<int64_t>(r < low ? low : (r > high ? high : r));
    }
    if (to_int) store(y, piece.first, piece.count, q);
  });
  return Error::Ok;
}

Error run_dequantize(RunContext& c) {
  const auto& a = c.attributes<op::DequantizeLinear::Attrs>();
  const TensorView &x = c.input(0), &scale = c.input(1);
  TensorView& y = c.output(0);
  const ScaleLayout layout(x.shape, scale, a.axis, a.block);
  return dispatch_rounded(y.dtype, [&]<class C>(auto round) {
    for_pieces(c, DType::F32, layout, [&](const Piece& piece) {
      C v[kPiece], s[kPiece], z[kPiece] = {};
      load(x, piece.first, piece.count, v);
      piece.read_scales(scale, s);
      if (c.has_input(2)) piece.read_scales(c.input(2), z);
      for (int64_t k = 0; k < piece.count; ++k) v[k] = round(round(round(v[k]) - round(z[k])) * round(s[k]));
      store(y, piece.first, piece.count, v);
    });
    return Error::Ok;
  });
}

Error run_dynamic(RunContext& c) {
  const TensorView& x = c.input(0);
  const float* v = x.as<const float>();
  float low = 0, high = 0;
  for (int64_t k = 0; k < x.count(); ++k) {
    low = v[k] < low ? v[k] : low;
    high = v[k] > high ? v[k] : high;
  }
  float scale = 1, zero = 0;
  GF_TRY(dynamic_scale(c, low, high, scale, zero));
  auto* y = c.output(0).as<uint8_t>();
  c.parallel.chunks(x.count(), kGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t k = begin; k < end; ++k) {
      const float q = std::nearbyint(v[k] / scale) + zero;
      y[k] = static_cast<uint8_t>(q > 0 ? (q < 255 ? q : 255.0f) : 0.0f);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel quantize_linear_kernel, dequantize_linear_kernel, dynamic_quantize_linear_kernel;
const Kernel quantize_linear_kernel{.op = op::QuantizeLinear::info.id,
                                    .name = "quantize_linear_portable",
                                    .rank = 1,
                                    .prepare = prepare_any,
                                    .run = run_quantize};
const Kernel dequantize_linear_kernel{.op = op::DequantizeLinear::info.id,
                                      .name = "dequantize_linear_portable",
                                      .rank = 1,
                                      .prepare = prepare_any,
                                      .run = run_dequantize};
const Kernel dynamic_quantize_linear_kernel{.op = op::DynamicQuantizeLinear::info.id,
                                            .name = "dynamic_quantize_linear_portable",
                                            .rank = 1,
                                            .prepare = prepare_any,
                                            .run = run_dynamic};

}  // namespace gf::cpu
